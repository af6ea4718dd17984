// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cleave.test/kubelet/harness"
)

var settingCases = []settingCase{
	{name: "keti-gpu", machine: hgx, config: `profiles = ["keti-gpu"]`, change: ketiLibrary,
		offered: map[string]int64{"keti.com/gpu": 60}, resource: "keti.com/gpu", n: 3,
		want: func(held []string) []string { return ketiGiven(held, ketiLibraryPath, "30", "24576") }},
	{name: "keti-gpu-mps", machine: hgx, change: mpsDirs,
		config:  "profiles = [\"keti-gpu\"]\n[profile.keti-gpu]\nmps = \"on\"\nshares = \"4\"",
		offered: map[string]int64{"keti.com/gpu": 24}, resource: "keti.com/gpu", n: 1,
		want: func(held []string) []string {
			return slices.Concat(ketiGiven(held, ketiLibraryPath, "25", "20480"), mounted("rw", "/tmp/nvidia-mps", "/dev/shm"),
				variables("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "25"))
		}},
	{name: "keti-gpu-own-library-and-mps-shm", machine: hgx,
		change:  func(m *harness.Machine) { mpsDirs(m); m.Write("opt/keti/own.so", ""); m.Write("run/mps/shm/x", "") },
		config:  "profiles = [\"keti-gpu\"]\n[profile.keti-gpu]\nmps = \"on\"\nmps_shm = \"/run/mps/shm\"\nlibrary = \"/opt/keti/own.so\"",
		offered: map[string]int64{"keti.com/gpu": 60}, resource: "keti.com/gpu", n: 2,
		want: func(held []string) []string {
			return slices.Concat(ketiGiven(held, "/opt/keti/own.so", "20", "16384"), mounted("rw", "/tmp/nvidia-mps"),
				[]string{"mount /run/mps/shm /dev/shm rw"},
				variables("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "20"))
		}},
	{name: "keti-gpu-memory-of-a-model-of-the-operator", machine: hgx, change: ketiLibrary,
		config:  "profiles = [\"keti-gpu\"]\n[profile.keti-gpu.tables.memory]\n\"NVIDIA H100 80GB HBM3\" = \"90000\"",
		offered: map[string]int64{"keti.com/gpu": 60}, resource: "keti.com/gpu", n: 1,
		want: func(held []string) []string { return ketiGiven(held, ketiLibraryPath, "10", "9000") }},
	{name: "nvidia-time-slices", machine: hgx, config: "[profile.nvidia]\nshares = \"4\"",
		offered: and(migCounts, "nvidia.com/gpu.shared", 24), resource: "nvidia.com/gpu.shared", n: 2,
		want: func(held []string) []string {
			_, uuid := gpuOf(cardOf(held[0]))
			return slices.Concat(nvidiaNodes(cardOf(held[0])), variables("NVIDIA_VISIBLE_DEVICES", uuid))
		}},
	{name: "nvidia-mps", machine: hgx, config: "[profile.nvidia]\nshares = \"4\"\nsharing = \"mps\"\nvisible_devices = \"void\"", change: mpsDirs,
		offered: and(migCounts, "nvidia.com/gpu.shared", 24), resource: "nvidia.com/gpu.shared", n: 2,
		want: func(held []string) []string {
			return slices.Concat(nvidiaNodes(cardOf(held[0])), mounted("rw", "/tmp/nvidia-mps", "/dev/shm"),
				variables("NVIDIA_VISIBLE_DEVICES", "void", "CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps",
					"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "50"))
		}},
	{name: "nvidia-mps-of-a-daemon-with-its-own-shm", machine: hgx,
		config:  "[profile.nvidia]\nshares = \"5\"\nsharing = \"mps\"\nmps_shm = \"/run/mps/shm\"",
		change:  func(m *harness.Machine) { mpsDirs(m); m.Write("run/mps/shm/x", "") },
		offered: and(migCounts, "nvidia.com/gpu.shared", 30), resource: "nvidia.com/gpu.shared", n: 1,
		want: func(held []string) []string {
			_, uuid := gpuOf(cardOf(held[0]))
			return slices.Concat(nvidiaNodes(cardOf(held[0])), mounted("rw", "/tmp/nvidia-mps"), []string{"mount /run/mps/shm /dev/shm rw"},
				variables("NVIDIA_VISIBLE_DEVICES", uuid, "CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "20"))
		}},
	{name: "nvidia-nodes-alone", machine: hgx, config: "[profile.nvidia]\nvisible_devices = \"off\"",
		offered: and(migCounts, "nvidia.com/gpu", 6), resource: "nvidia.com/gpu", n: 2,
		want: func(held []string) []string { return union(nvidiaNodes(held[0]), nvidiaNodes(held[1])) }},
	{name: "nvidia-void", machine: hgx, config: "[profile.nvidia]\nvisible_devices = \"void\"",
		offered: and(migCounts, "nvidia.com/gpu", 6), resource: "nvidia.com/gpu", n: 1,
		want: func(held []string) []string {
			return slices.Concat(nvidiaNodes(held[0]), variables("NVIDIA_VISIBLE_DEVICES", "void"))
		}},
	{name: "nvidia-mig-nodes-alone", machine: hgx, config: "[profile.nvidia]\nvisible_devices = \"off\"",
		offered: and(migCounts, "nvidia.com/gpu", 6), resource: "nvidia.com/mig-3g.40gb", n: 1, want: migHalf},
	{name: "nvidia-mig-name-of-the-operator", machine: hgx,
		config:   "[profile.nvidia]\nmig_names = \"certain\"\n[profile.nvidia.tables.mig]\n\"NVIDIA H100 80GB HBM3 1/2\" = \"4g.40gb\"",
		offered:  map[string]int64{"nvidia.com/gpu": 6, "nvidia.com/mig-1g.10gb": 9, "nvidia.com/mig-4g.40gb": 1},
		resource: "nvidia.com/mig-4g.40gb", n: 1,
		want: func(held []string) []string {
			return slices.Concat(migHalf(held), variables("NVIDIA_VISIBLE_DEVICES", "void"))
		}},
	{name: "nvidia-whole-cdi", machine: hgx, config: "[profile.nvidia]\nvisible_devices = \"off\"\ncdi = \"field\"",
		offered: and(migCounts, "nvidia.com/gpu", 6), resource: "nvidia.com/gpu", n: 1,
		want: func(held []string) []string { return []string{"cdi devices.cleave.io/nvidia=" + held[0]} }},
	{name: "intel-gpu-shares", machine: flex, config: "[profile.intel-gpu]\nshares = \"3\"\nby_path = \"none\"",
		offered: map[string]int64{"gpu.intel.com/i915": 18}, resource: "gpu.intel.com/i915", n: 2,
		want: func(held []string) []string { return rw(flexNodes[cardOf(held[0])]...) }},
	{name: "intel-gpu-by-path-and-monitoring", machine: flex,
		config:  "[profile.intel-gpu]\nmonitoring = \"split\"\nby_path = \"all\"",
		offered: map[string]int64{"gpu.intel.com/i915": 6, "gpu.intel.com/i915_monitoring": 1}, resource: "gpu.intel.com/i915", n: 1,
		want: func(held []string) []string {
			return slices.Concat(rw(flexNodes[held[0]]...), mounted("ro", "/dev/dri/by-path"))
		}},
	{name: "intel-gpu-cdi", machine: flex, config: "[profile.intel-gpu]\ncdi = \"field\"",
		offered: map[string]int64{"gpu.intel.com/i915": 6}, resource: "gpu.intel.com/i915", n: 1,
		want: func(held []string) []string {
			return append(mounted("ro", "/dev/dri/by-path/pci-"+held[0]+"-card", "/dev/dri/by-path/pci-"+held[0]+"-render"),
				"cdi devices.cleave.io/intel-gpu="+held[0])
		}},
	{name: "intel-gpu-monitoring-all", machine: flex, config: "[profile.intel-gpu]\nmonitoring = \"single\"",
		offered: map[string]int64{"gpu.intel.com/i915": 6, "gpu.intel.com/monitoring": 1}, resource: "gpu.intel.com/monitoring", n: 1,
		want: func([]string) []string { return rw(flexAll...) }},
	{name: "intel-gpu-denied-models", machine: flex, config: "[[exclude]]\naddress = [\"0000:39:*\", \"0000:4d:*\"]",
		offered: map[string]int64{"gpu.intel.com/i915": 4}, resource: "gpu.intel.com/i915", n: 4,
		want: func(held []string) []string {
			var lines []string
			for _, id := range held {
				lines = append(lines, rw(flexNodes[id]...)...)
				lines = append(lines, mounted("ro", "/dev/dri/by-path/pci-"+id+"-card", "/dev/dri/by-path/pci-"+id+"-render")...)
			}
			return lines
		}},
	{name: "intel-npu-shares", machine: "vendors/npu-laptop", numa: 1, config: "profiles = [\"intel-npu\"]\n[profile.intel-npu]\nshares = \"5\"",
		offered: map[string]int64{"npu.intel.com/accel": 5}, resource: "npu.intel.com/accel", n: 2,
		want: func([]string) []string { return rw("/dev/accel/accel0") }},
	{name: "intel-vpu-shares", machine: "vendors/hddl-usb-2s", config: "[profile.intel-vpu]\nshares = \"2\"",
		offered: map[string]int64{"vpu.intel.com/hddl": 32}, resource: "vpu.intel.com/hddl", n: 1,
		want: func([]string) []string {
			return slices.Concat(rw("/dev/ion"), mounted("rw", "/var/tmp/hddl_service.sock",
				"/var/tmp/hddl_service_ready.mutex", "/var/tmp/hddl_service_alive.mutex"))
		}},
	{name: "intel-vpu-keem-bay", machine: "vendors/hddl-usb-2s", change: hddlUnite,
		offered: hddlUniteCounts, resource: "vpu.intel.com/kmb", n: 1, want: hddlUniteGiven},
	{name: "intel-vpu-thunder-bay", machine: "vendors/hddl-usb-2s", change: hddlUnite,
		offered: hddlUniteCounts, resource: "vpu.intel.com/tbh", n: 1, want: hddlUniteGiven},
	{name: "intel-qat-limit", machine: "vendors/qat-4xxx-2s", config: "[profile.intel-qat]\nmax_devices = \"5\"",
		offered: map[string]int64{"qat.intel.com/cy": 5, "qat.intel.com/dc": 5}, resource: "qat.intel.com/dc", n: 1,
		want: func(held []string) []string {
			return slices.Concat(rw(qatGroup(held[0]), "/dev/vfio/vfio"), variables("QAT0", held[0]))
		}},
	{name: "amd-by-partition-mode", machine: "vendors/amd-mi300x-cpx32", config: "[profile.amd]\nnaming = \"mixed\"\ncdi = \"annotation\"",
		offered: map[string]int64{"amd.com/cpx_nps1": 32}, resource: "amd.com/cpx_nps1", n: 1,
		want: func(held []string) []string {
			return []string{"annotation cdi.k8s.io/amd.com_cpx_nps1=devices.cleave.io/amd=" + held[0]}
		}},
	{name: "amd-without-kfd", machine: "vendors/amd-mi300x-cpx32", change: hideKFD,
		offered: map[string]int64{"amd.com/gpu": 4}, resource: "amd.com/gpu", n: 1,
		want: func(held []string) []string {
			facts := map[string][2]string{"0000:05:00.0": {"1", "128"}, "0000:26:00.0": {"9", "136"}, "0000:85:00.0": {"17", "144"}, "0000:a6:00.0": {"25", "152"}}
			return rw("/dev/dri/card"+facts[held[0]][0], "/dev/dri/renderD"+facts[held[0]][1], "/dev/kfd")
		}},
	{name: "biren-tools-and-render-nodes", machine: "vendors/biren-runc-svi", config: "[profile.biren]\nhost_tools = \"on\"\ndri = \"on\"",
		change: func(m *harness.Machine) {
			m.Write("usr/lib/libbiren-ml.so.1.4.0", "")
			m.Link("usr/lib/libbiren-ml.so.1", "libbiren-ml.so.1.4.0")
			m.Link("usr/lib/libbiren-ml.so", "libbiren-ml.so.1")
			m.Write("usr/bin/brsmi", "")
			m.Write("sys/devices/platform/vgem/drm/renderD129/dev", "226:129\n")
			m.Write("sys/devices/pci0000:00/0000:00:02.0/drm/renderD128/dev", "226:128\n") // the display's
			m.Write("dev/dri/renderD129", "")
		},
		offered: map[string]int64{wholeBiren: 2, quarterBiren: 4, "birentech.com/1-2-gpu": 2}, resource: wholeBiren, n: 2,
		want: func([]string) []string {
			return slices.Concat(rw("/dev/biren/card_0", "/dev/biren/card_7", "/dev/dri/renderD129"),
				[]string{"mount /usr/bin/brsmi /opt/birentech/bin/brsmi ro",
					"mount /usr/lib/libbiren-ml.so /opt/birentech/lib/libbiren-ml.so ro",
					"mount /usr/lib/libbiren-ml.so.1 /opt/birentech/lib/libbiren-ml.so.1 ro",
					"mount /usr/lib/libbiren-ml.so.1.4.0 /opt/birentech/lib/libbiren-ml.so.1.4.0 ro"},
				variables("BR_PHY_CARDS", "card_0,card_7"))
		}},
	{name: "biren-for-containers-only", machine: "vendors/biren-runc-svi", config: "[profile.biren]\nruntime = \"runc\"", change: addBirenGuest,
		offered: map[string]int64{wholeBiren: 2, quarterBiren: 4, "birentech.com/1-2-gpu": 2}, resource: quarterBiren, n: 4,
		want: func(held []string) []string {
			var nodes []string
			for _, id := range held {
				nodes = append(nodes, "/dev/biren/"+id)
			}
			return append(rw(nodes...), variables("BR_PHY_CARDS", strings.Join(held, ","))...)
		}},
	{name: "biren-for-guests-only", machine: "vendors/biren-runc-svi", change: addBirenGuest,
		config:  "[profile.biren]\nruntime = \"kata\"\nhost_tools = \"on\"\ndri = \"on\"",
		offered: map[string]int64{wholeBiren: 1}, resource: wholeBiren, n: 1, want: birenGuestGiven},
	{name: "biren-for-containers-and-guests", machine: "vendors/biren-runc-svi", config: "profiles = [\"biren\"]", change: addBirenGuest,
		offered: map[string]int64{wholeBiren: 3, quarterBiren: 4, "birentech.com/1-2-gpu": 2}, resource: wholeBiren, n: 3,
		want: func([]string) []string {
			return append(rw("/dev/biren/card_0", "/dev/biren/card_7", "/dev/vfio/77", "/dev/vfio/vfio"),
				variables("BR_PHY_CARDS", "/dev/vfio/77,card_0,card_7")...)
		}},
	{name: "biren-guests-cdi", machine: "vendors/biren-sriov-vfio", config: "[profile.biren]\ncdi = \"field\"",
		offered: birenGuests, resource: "birentech.com/gpu", n: 1,
		want: func(held []string) []string {
			return append(variables("BR_PHY_CARDS", guestGroups[held[0]]), "cdi birentech.com/gpu="+held[0])
		}},
	{name: "biren-guests-without-vfio-node", machine: "vendors/biren-sriov-vfio", config: "[profile.biren]\nruntime = \"kata\"\nvfio_node = \"off\"",
		offered: birenGuests, resource: "birentech.com/gpu", n: 1,
		want: func(held []string) []string {
			return slices.Concat(rw(guestGroups[held[0]]), variables("BR_PHY_CARDS", guestGroups[held[0]]))
		}},
	{name: "generic-count", machine: "vendors/biren-runc-svi",
		config:  "profiles = [\"generic\"]\n[profile.generic]\npath = \"/dev/[nz]*\"\nresource = \"stream\"\ncount = \"3\"",
		offered: map[string]int64{"devices.cleave.io/stream": 6}, resource: "devices.cleave.io/stream", n: 2,
		want: func(held []string) []string { return rw("/dev/" + cardOf(held[0])) }},
	{name: "nodes-of-a-usb-device", machine: "vendors/hddl-usb-2s", profile: adapters, config: `profiles = ["adapters"]`,
		change: func(m *harness.Machine) {
			m.Write("sys/bus/usb/devices/30-1/idVendor", "0403\n")
			m.Write("sys/bus/usb/devices/30-1/idProduct", "6001\n")
			m.Write("sys/bus/usb/devices/30-1/30-1:1.0/ttyUSB3/port_number", "0\n")
			m.Write("dev/ttyUSB3", "")
		},
		offered: map[string]int64{"example.com/adapter": 1}, resource: "example.com/adapter", n: 1,
		want: func([]string) []string { return rw("/dev/ttyUSB3") }},
	{name: "groups-of-nodes", machine: "vendors/biren-runc-svi", profile: soundCards, config: `profiles = ["sound"]`,
		change: func(m *harness.Machine) {
			for _, name := range []string{"controlC0", "pcmC0D0p", "pcmC0D0c", "controlC1", "pcmC1D0p"} {
				m.Write("dev/snd/"+name, "")
			}
		},
		offered: map[string]int64{"example.com/sound": 2}, resource: "example.com/sound", n: 2,
		want: func([]string) []string {
			return rw("/dev/snd/controlC0", "/dev/snd/pcmC0D0p", "/dev/snd/pcmC0D0c", "/dev/snd/controlC1", "/dev/snd/pcmC1D0p")
		}},
	{name: "permissions-of-nodes", machine: "vendors/biren-runc-svi", profile: readers, config: `profiles = ["readers"]`,
		offered: map[string]int64{"example.com/stream": 2}, resource: "example.com/stream", n: 2,
		want: func([]string) []string { return []string{"node /dev/null /dev/null rwm", "node /dev/zero /dev/zero r"} }},
	{name: "intel-qat-igb-uio", machine: "vendors/qat-4xxx-2s",
		config: "profiles = [\"intel-qat\"]\n[[exclude]]\n\"pci.driver\" = \"vfio-pci\"",
		change: func(m *harness.Machine) {
			m.Write("sys/bus/pci/drivers/igb_uio/module", "")
			m.Link("sys/bus/pci/devices/0000:6b:00.1/driver", "../../../bus/pci/drivers/igb_uio")
			m.Write("sys/bus/pci/devices/0000:6b:00.1/uio/uio7/name", "igb_uio\n")
			m.Write("sys/class/uio/uio7/device/vendor", "")
			m.Write("dev/uio7", "")
		},
		offered: map[string]int64{"qat.intel.com/cy": 1}, resource: "qat.intel.com/cy", n: 1,
		want: func([]string) []string {
			return slices.Concat(rw("/dev/uio7"), mounted("rw", "/sys/class/uio/uio7/device"), variables("QAT0", "0000:6b:00.1"))
		}},
	{name: "gaudi-before-linux-6.2", machine: "vendors/gaudi2-8", config: "[[exclude]]\naddress = \"!0000:33:00.0\"",
		change: func(m *harness.Machine) {
			_ = os.RemoveAll(filepath.Join(m.Root, "sys/class/accel"))
			m.Write("sys/class/habanalabs/hl5/name", "")
			m.Link("sys/class/habanalabs/hl5/device", "../../../bus/pci/devices/0000:33:00.0")
			m.Write("dev/hl5", "")
			m.Write("dev/hl_controlD5", "")
		},
		offered: map[string]int64{"habana.ai/gaudi": 1}, resource: "habana.ai/gaudi", n: 1,
		want: func([]string) []string {
			return slices.Concat(rw("/dev/hl5", "/dev/hl_controlD5", "/dev/infiniband/uverbs0"),
				variables("HABANA_VISIBLE_DEVICES", "5", "HABANA_VISIBLE_MODULES", "3", "HL_VISIBLE_DEVICES", "/dev/hl5"))
		}},
	{name: "furiosa-rngd", machine: "vendors/biren-runc-svi", config: `profiles = ["furiosa"]`, change: furiosaCards,
		offered: map[string]int64{"furiosa.ai/rngd": 1, "furiosa.ai/warboy": 1}, resource: "furiosa.ai/rngd", n: 1,
		listed: map[string][]int{"0000:00:1a.0": {0}},
		want:   func([]string) []string { return rw("/dev/rngd/npu1mgmt", "/dev/rngd/npu1pe0", "/dev/rngd/npu1pe0-1") }},
	{name: "furiosa-warboy", machine: "vendors/biren-runc-svi", config: `profiles = ["furiosa"]`, change: furiosaCards,
		offered: map[string]int64{"furiosa.ai/rngd": 1, "furiosa.ai/warboy": 1}, resource: "furiosa.ai/warboy", n: 1,
		listed: map[string][]int{"0000:00:1b.0": {1}},
		want:   func([]string) []string { return rw("/dev/npu0_mgmt", "/dev/npu0pe0", "/dev/npu0pe0-1") }},
	{name: "rockchip-rocket", machine: "vendors/biren-runc-svi", config: `profiles = ["rockchip"]`,
		change: func(m *harness.Machine) {
			m.Link("sys/bus/platform/drivers/rocket/fdab0000.npu", "../../../../devices/platform/fdab0000.npu")
			m.Link("sys/bus/platform/drivers/rocket/fdac0000.npu", "../../../../devices/platform/fdac0000.npu")
			m.Write("sys/devices/platform/rknn/accel/accel3/dev", "261:3\n")
			m.Write("dev/accel/accel3", "")
		},
		offered: map[string]int64{"rockchip.com/npu": 1}, resource: "rockchip.com/npu", n: 1,
		want: func(held []string) []string {
			if held[0] != "rknn" {
				return held
			}
			return rw("/dev/accel/accel3")
		}},
	{name: "rockchip-rknpu", machine: "vendors/biren-runc-svi", config: `profiles = ["rockchip"]`,
		change: func(m *harness.Machine) {
			m.Write("sys/devices/platform/fdab0000.npu/drm/renderD129/dev", "226:129\n")
			m.Link("sys/bus/platform/drivers/RKNPU/fdab0000.npu", "../../../../devices/platform/fdab0000.npu")
			m.Write("dev/dri/renderD129", "")
			m.Write("dev/dri/renderD128", "") // the GPU's
		},
		offered: map[string]int64{"rockchip.com/npu": 1}, resource: "rockchip.com/npu", n: 1,
		want: func(held []string) []string {
			if held[0] != "fdab0000.npu" {
				return held
			}
			return rw("/dev/dri/renderD129")
		}},
	{name: "vfio-without-the-shared-node", machine: "vendors/qat-4xxx-2s", config: "profiles = [\"vfio\"]\n[profile.vfio]\nnode = \"off\"",
		offered: map[string]int64{"vfio.cleave.io/8086-4941": 32}, resource: "vfio.cleave.io/8086-4941", n: 2,
		want: func(held []string) []string {
			return append(rw(qatGroup(held[0]), qatGroup(held[1])), variables("PCI_RESOURCE_VFIO_CLEAVE_IO_8086_4941", strings.Join(held, ","))...)
		}},
	{name: "b-com-ports-alone-on-aws", machine: "vendors/fpga-opae-2s", change: addAmazonFPGA,
		config:  "profiles = [\"b-com\"]\n[profile.b-com]\naws = \"never\"",
		offered: map[string]int64{"b-com.com/accelerator": 2}, resource: "b-com.com/accelerator", n: 1,
		want: func(held []string) []string {
			address := strings.TrimSuffix(held[0], "/port0")
			port := map[string]string{"0000:3b:00.0": "0", "0000:af:00.0": "1"}[address]
			return append(rw("/dev/intel-fpga-port."+port), variables("ACCELERATOR_UNITS", address, "ACCELERATOR_DEVICES", address)...)
		}},
}
