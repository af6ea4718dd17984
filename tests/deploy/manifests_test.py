#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What deploy/kustomize gives a cluster is confined, probed and bounded, and its configuration is one that cleave takes."""
import functools
import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

import cleave
from render import one, render, renderer

OVERLAYS = sorted("overlays/" + path.name for path in (cleave.KUSTOMIZE / "overlays").iterdir())
# host path: may be written to
HOST_PATHS = {
    "/sys": False,
    "/dev": False,
    "/var/lib/kubelet/pod-resources": False,
    "/var/lib/kubelet/device-plugins": True,
}


class Manifests(unittest.TestCase):
    folder = "."

    def setUp(self):
        self.objects = render(self.folder)
        self.daemonset = one(self.objects, "DaemonSet")
        self.pod = self.daemonset["spec"]["template"]["spec"]
        self.assertEqual(len(self.pod["containers"]), 1)
        self.container = self.pod["containers"][0]

    def mounts(self):
        """Yields (volume, mount)."""
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        self.assertEqual(sorted(volumes), sorted(mount["name"] for mount in self.container["volumeMounts"]))
        for mount in self.container["volumeMounts"]:
            yield volumes[mount["name"]], mount

    def test_nothing_but_these_objects(self):
        kinds = sorted(item["kind"] for item in self.objects)
        self.assertEqual(kinds, ["ConfigMap", "DaemonSet", "Namespace", "ResourceQuota", "ServiceAccount"])
        for item in self.objects:
            if item["kind"] != "Namespace":
                self.assertEqual(item["metadata"]["namespace"], one(self.objects, "Namespace")["metadata"]["name"])

    def test_namespace_admits_host_paths(self):
        labels = one(self.objects, "Namespace")["metadata"]["labels"]
        self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "privileged")

    def test_no_token(self):
        account = one(self.objects, "ServiceAccount")
        self.assertEqual(self.pod["serviceAccountName"], account["metadata"]["name"])
        self.assertIs(account["automountServiceAccountToken"], False)
        self.assertIs(self.pod["automountServiceAccountToken"], False)

    def test_confined(self):
        for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers", "shareProcessNamespace"):
            self.assertNotIn(key, self.pod)
        self.assertEqual(self.pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(self.pod["securityContext"]["runAsUser"], 0)
        context = self.container["securityContext"]
        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        self.assertIs(context["allowPrivilegeEscalation"], False)
        self.assertIs(context["readOnlyRootFilesystem"], True)
        self.assertFalse(context.get("privileged", False))
        self.assertNotIn("seccompProfile", context)

    def test_host_paths(self):
        found = {}
        for volume, mount in self.mounts():
            if "hostPath" in volume:
                found[volume["hostPath"]["path"]] = not mount.get("readOnly", False)
            else:
                self.assertEqual(volume["configMap"]["name"], one(self.objects, "ConfigMap")["metadata"]["name"])
                self.assertIs(mount["readOnly"], True)
                self.assertNotIn("subPath", mount)
        self.assertEqual(found, self.host_paths())

    def host_paths(self):
        return HOST_PATHS

    def test_later_mounts_below_dev_are_seen(self):
        propagation = {mount["mountPath"]: mount["mountPropagation"] for _, mount in self.mounts() if "mountPropagation" in mount}
        self.assertEqual(propagation, {"/host/dev": "HostToContainer"})

    def test_arguments(self):
        arguments = self.container["args"]
        self.assertEqual(arguments[0], "serve")
        options = dict(argument.split("=", 1) for argument in arguments[1:])
        places = [mount["mountPath"] for _, mount in self.mounts()]
        for option in ("--config", "--root", "--kubelet-dir"):
            self.assertTrue(any((place + "/").startswith(options[option] + "/") or options[option].startswith(place + "/")
                                for place in places), f"nothing is mounted at {options[option]}")
        self.assertEqual(options["--node-name"], "$(NODE_NAME)")
        self.assertEqual(self.container["env"], [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}])
        self.assertTrue(options["--http"].endswith(f":{self.http_port()}"))
        usage = subprocess.run([cleave.binary(), "serve", "--help"], capture_output=True, text=True, check=True).stdout
        for option in options:
            self.assertRegex(usage, re.escape(option) + r"\b")

    def http_port(self):
        ports = [port["containerPort"] for port in self.container["ports"] if port["name"] == "http"]
        self.assertEqual(ports, [9480])
        return ports[0]

    def test_probes_and_scraping(self):
        for probe, path in {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}.items():
            self.assertEqual(self.container[probe]["httpGet"], {"path": path, "port": "http"})
        annotations = self.daemonset["spec"]["template"]["metadata"]["annotations"]
        self.assertEqual(annotations["prometheus.io/scrape"], "true")
        self.assertEqual(annotations["prometheus.io/port"], str(self.http_port()))
        self.assertEqual(annotations["prometheus.io/path"], "/metrics")

    def test_bounds(self):
        self.assertEqual(self.container["resources"]["limits"], {"cpu": "1", "memory": "192Mi"})
        self.assertEqual(self.container["resources"]["requests"], {"cpu": "10m", "memory": "16Mi"})
        self.assertLessEqual(self.pod["terminationGracePeriodSeconds"], 10)

    def test_one_daemon_on_a_node_at_a_time(self):
        strategy = self.daemonset["spec"]["updateStrategy"]
        self.assertEqual(strategy["type"], "RollingUpdate")
        self.assertEqual(strategy["rollingUpdate"]["maxSurge"], 0)

    def test_placement(self):
        self.assertEqual(self.pod["priorityClassName"], "system-node-critical")
        self.assertEqual(self.pod["tolerations"], [{"operator": "Exists", "effect": "NoSchedule"}])
        quota = one(self.objects, "ResourceQuota")["spec"]["scopeSelector"]["matchExpressions"][0]
        self.assertIn(self.pod["priorityClassName"], quota["values"])

    def test_image_is_this_version(self):
        version = re.search(r"project\(cleave VERSION ([\d.]+)", (cleave.ROOT / "CMakeLists.txt").read_text())[1]
        self.assertEqual(self.container["image"], f"cleave:{version}")

    def test_configuration_is_accepted(self):
        data = one(self.objects, "ConfigMap")["data"]
        self.assertEqual(list(data), ["cleave.toml"])
        self.assertIn("--config=/etc/cleave/cleave.toml", self.container["args"])
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "cleave.toml"
            config.write_text(data["cleave.toml"])
            (Path(folder) / "host").mkdir()
            command = [cleave.binary(), "check", "--config", config, "--root", Path(folder) / "host"]
            result = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class Tenstorrent(Manifests):
    folder = "overlays/tenstorrent"

    def test_only_where_cards_are(self):
        required = self.pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        expressions = [term["matchExpressions"] for term in required["nodeSelectorTerms"]]
        self.assertEqual(expressions, [[{"key": "feature.node.kubernetes.io/pci-1200_1e52.present", "operator": "In",
                                         "values": ["true"]}]])


class Captured(Manifests):
    folder = "overlays/captured"

    def host_paths(self):
        return {(f"/captured{path}" if path in ("/sys", "/dev") else path): write for path, write in HOST_PATHS.items()}

    def test_no_heart_has_to_beat(self):
        settings = tomllib.loads(one(render(self.folder), "ConfigMap")["data"]["cleave.toml"])
        self.assertEqual(settings["profile"]["tenstorrent"]["heartbeat"], "ignore")


# A vendor's machine, and the components that the vendor's page names. What is mounted at /host is all that cleave sees.
ON_MACHINES = {
    "tt-mixed-2numa": [],
    "vendors/amd-mi300x-cpx32": [],
    "vendors/biren-runc-svi": [],
    "vendors/biren-sriov-vfio": [],
    "vendors/fpga-dfl-2s": [],
    "vendors/fpga-opae-2s": [],
    "vendors/gaudi2-8": [],
    "vendors/hddl-usb-2s": ["intel-hddl"],
    "vendors/intel-flex4-sriov": [],
    "vendors/npu-laptop": [],
    "vendors/nvidia-hgx8-mig": ["nvidia"],
    "vendors/qat-4xxx-2s": [],
    "vendors/qat-c6xx-2s": [],
}
# Profile, its settings, what its containers get of the host, and the components.
WITH_MOUNTS = {
    "keti-gpu": ('mps = "on"', ["var/lib/keti/libvai_accelerator.so", "tmp/nvidia-mps/control", "dev/shm/mps"],
                 ["nvidia", "nvidia-mps", "keti-gpu"]),
    "nvidia": ('shares = "2"\nsharing = "mps"', ["tmp/nvidia-mps/control", "dev/shm/mps"], ["nvidia", "nvidia-mps"]),
}


@functools.cache
def with_components(*names):
    """The DaemonSet's pod of the base with these components."""
    with tempfile.TemporaryDirectory() as folder:
        tree = shutil.copytree(cleave.KUSTOMIZE, Path(folder) / "kustomize")
        (tree / "kustomization.yaml").write_text(
            f"resources: [base]\ncomponents: [{', '.join('components/' + name for name in names)}]\n")
        return one(render(tree), "DaemonSet")["spec"]["template"]["spec"]


def mounts_of(pod):
    """{host path: mount} of the only container."""
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    return {paths[mount["name"]]: mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] in paths}


def as_mounted(root, pod, folder):
    """Moves what the container sees of a host's root to where it sees it."""
    for path, mount in mounts_of(pod).items():
        if not mount["mountPath"].startswith("/host/"):
            continue
        assert mount["mountPath"] == "/host" + path, mount
        if (root / path[1:]).exists():
            (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).rename(folder / path[1:])
    return folder


class Components(unittest.TestCase):
    def run_cleave(self, command, root, *arguments):
        return subprocess.run([cleave.binary(), command, "--output=json", f"--root={root}", *arguments],
                              capture_output=True, text=True)

    def resources(self, root):
        return json.loads(self.run_cleave("plan", root).stdout)["resources"]

    def test_recursive_read_only(self):
        pod = with_components("recursive-read-only")
        for mount in pod["containers"][0]["volumeMounts"]:
            below = mount["mountPath"].startswith("/host/") or mount["mountPath"].endswith("/pod-resources")
            self.assertEqual(mount.get("recursiveReadOnly"), "IfPossible" if below else None, mount)
            self.assertIn(mount.get("mountPropagation"), (None, "None"))  # the API refuses both together
            self.assertEqual(mount.get("readOnly", False), not mount["mountPath"].endswith("/device-plugins"))

    def test_only_cdi_may_be_written_to(self):
        base = mounts_of(with_components())
        for component in (cleave.KUSTOMIZE / "components").iterdir():
            for path, mount in mounts_of(with_components(component.name)).items():
                if path in base:
                    continue
                self.assertEqual(mount.get("readOnly", False), component.name != "cdi", f"{component.name}: {mount}")
        self.assertEqual(mounts_of(with_components("cdi"))["/var/run/cdi"]["mountPath"], "/var/run/cdi")

    def test_every_vendor_is_seen(self):
        machines = {"vendors/" + path.name.removesuffix(".tar.zst") for path in (cleave.MACHINES / "vendors").glob("*.tar.zst")}
        self.assertEqual(machines, {name for name in ON_MACHINES if name.startswith("vendors/")})
        for machine, components in ON_MACHINES.items():
            with self.subTest(machine), tempfile.TemporaryDirectory() as folder:
                root = cleave.unpack(machine, folder)
                whole = self.resources(root)
                self.assertTrue(whole)
                root = as_mounted(root, with_components(*components), Path(folder) / "host")
                self.assertEqual(self.resources(root), whole)
                if components:
                    root = as_mounted(root, with_components(), Path(folder) / "less")
                    self.assertNotEqual(self.resources(root), whole)

    def test_mounts_of_containers_are_seen(self):
        for profile, (settings, files, components) in WITH_MOUNTS.items():
            with self.subTest(profile), tempfile.TemporaryDirectory() as folder:
                root = cleave.unpack("vendors/nvidia-hgx8-mig", folder)
                for file in files:
                    (root / file).parent.mkdir(parents=True, exist_ok=True)
                    (root / file).write_text("")
                config = Path(folder) / "cleave.toml"
                config.write_text(f'profiles = ["{profile}"]\n[profile.{profile}]\n{settings}\n')
                every = with_components(*components)
                root = as_mounted(root, every, Path(folder) / "host")
                found = self.run_cleave("check", root, f"--config={config}")
                self.assertEqual((found.returncode, json.loads(found.stdout)["refuses"]), (0, []))
                for component in components[1:]:
                    less = mounts_of(with_components(*(name for name in components if name != component)))
                    for path in mounts_of(every).keys() - less.keys():
                        (root / path[1:]).rename(Path(folder) / "away")
                        refuses = json.loads(self.run_cleave("check", root, f"--config={config}").stdout)["refuses"]
                        self.assertTrue(refuses, f"without {component}")
                        (Path(folder) / "away").rename(root / path[1:])


class Overlays(unittest.TestCase):
    def test_each_is_tested(self):
        tested = {case.folder for case in (Manifests, Tenstorrent, Captured)}
        self.assertEqual(tested, {".", *OVERLAYS})


if __name__ == "__main__":
    print("rendered with", " ".join(renderer() or ["nothing"]), flush=True)
    cleave.main()
