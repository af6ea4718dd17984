#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The workloads in deploy/example ask for what cleave offers, and in a way that the API server takes."""
import json
import re
import subprocess
import unittest

import yaml

import cleave

MACHINE = "tenstorrent-4x-n300"
QUANTITY = re.compile(r"^(\d+)(m|Mi|Gi)?$")


def pods(item):
    """The pod template of an object."""
    return item["spec"]["template"]["spec"] if "template" in item["spec"] else item["spec"]


def offered():
    """{resource: number of units} of the machine that the examples are for."""
    command = [cleave.binary(), "plan", "--root", cleave.MACHINES / f"{MACHINE}.tar.zst", "--output", "json"]
    plan = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {resource["name"]: len(resource["units"]) for resource in plan["resources"]}


class Examples(unittest.TestCase):
    def setUp(self):
        self.items = {}
        for path in sorted((cleave.ROOT / "deploy" / "example").glob("*.yaml")):
            for item in yaml.safe_load_all(path.read_text()):
                self.items[path.name] = item

    def resources(self):
        """Yields (file, the resources of a container)."""
        for name, item in self.items.items():
            for container in pods(item)["containers"]:
                yield name, container["resources"]

    def test_they_are_pods(self):
        self.assertGreaterEqual(len(self.items), 2)
        for name, item in self.items.items():
            self.assertIn((item["apiVersion"], item["kind"]), [("v1", "Pod"), ("apps/v1", "Deployment")], name)
            if item["kind"] == "Deployment":
                self.assertEqual(item["spec"]["selector"]["matchLabels"], item["spec"]["template"]["metadata"]["labels"])

    def test_resources_exist(self):
        units = offered()
        for name, resources in self.resources():
            replicas = self.items[name]["spec"].get("replicas", 1)
            wanted = {key: value for key, value in resources["limits"].items() if "/" in key}
            self.assertTrue(wanted, f"{name} asks for no card")
            for resource, number in wanted.items():
                self.assertIn(resource, units, name)
                self.assertLessEqual(number * replicas, units[resource], name)

    def test_amounts(self):
        for name, resources in self.resources():
            for kind in ("requests", "limits"):
                for resource, amount in resources.get(kind, {}).items():
                    self.assertRegex(str(amount), QUANTITY, f"{name}: {resource}")
            # Without cpu or memory the API server refuses huge pages, and a limit alone is also the request.
            pages = resources["limits"].get("hugepages-1Gi")
            if pages is not None:
                self.assertIn("memory", resources["requests"], name)
                self.assertEqual(resources["requests"].get("hugepages-1Gi", pages), pages, name)

    def test_both_kinds_of_host_are_shown(self):
        with_pages = {"hugepages-1Gi" in resources["limits"] for _, resources in self.resources()}
        self.assertEqual(with_pages, {True, False})


class Kind(unittest.TestCase):
    def test_parses(self):
        config = yaml.safe_load((cleave.ROOT / "deploy" / "kind.yaml").read_text())
        self.assertEqual((config["apiVersion"], config["kind"]), ("kind.x-k8s.io/v1alpha4", "Cluster"))
        mounts = [mount for node in config["nodes"] for mount in node.get("extraMounts", [])]
        self.assertEqual([mount["containerPath"] for mount in mounts], ["/captured"])


if __name__ == "__main__":
    cleave.main()
