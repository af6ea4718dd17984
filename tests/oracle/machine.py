# SPDX-License-Identifier: Apache-2.0
"""A made-up host with generic cards: its /sys as a folder, a profile that finds the cards, a cleave.toml with links.

The cards are entries of /sys/class/oracle, each on a PCI function. A function may hold several: pieces of one card.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "machines"))
from sysfs_tree import Tree, cpu_list  # noqa: E402

CPUS_PER_NODE = 4
RESOURCE = "oracle.example/unit"
PROFILE = """schema  = 1
name    = "oracle"
summary = "Cards of made-up machines"

[entries]
class    = "oracle"
name     = "oracle[0-9]+"
id       = "{label}"
board    = "{device/board}"
piece_of = "{device/whole}"

[entries.attributes]
label = { read = "label" }
group = { read = "group", when = { name = "*" } }
state = { read = "state" }

[[health]]
name = "state"
read = "state"
is   = "^well$"
"""


def toml(value):
    """A value as TOML: numbers, texts, truth values, lists and tables of these."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return repr(value)


class Machine:
    """Put nodes first, then functions and cards, then links; write() makes the files."""

    def __init__(self):
        self.tree = Tree()
        self.nodes = {}  # id: CPUs
        self.cards = []  # ids, in the order in which they were added
        self.links = []  # (kind, from, to, width)
        self.weights = {}  # [affinity]
        self.unit = {"unit": "card"}  # keys of [[resource]]
        self.tree.dir("sys/bus/pci/devices")
        self.tree.dir("sys/class/oracle")

    def numa_nodes(self, distances):
        """distances: node id -> list of distances to all nodes, by rising id."""
        for index, node in enumerate(sorted(distances)):
            first = index * CPUS_PER_NODE
            self.nodes[node] = list(range(first, first + CPUS_PER_NODE))
            path = f"sys/devices/system/node/node{node}"
            self.tree.files(path, {"cpulist": cpu_list(self.nodes[node]),
                                   "distance": " ".join(map(str, distances[node]))})

    def function(self, path, node=None, local_node="all", pci_class=0x060400):
        """path: ["pci0000:00", "0000:00:01.0", ...]. node None: numa_node says -1, and local_cpulist has the CPUs of
        `local_node`: of "all" nodes, or None for no such file. Makes what is above, too."""
        folder = "sys/devices/" + "/".join(path)
        if f"{folder}/vendor" in self.tree.entries:
            return folder
        if len(path) > 2:
            self.function(path[:-1], node, local_node)
        values = {"vendor": "0xfeed", "device": "0x0001", "class": f"{pci_class:#08x}", "numa_node": -1 if node is None else node}
        places = [node] if node is not None else list(self.nodes) if local_node == "all" else [local_node]
        if places != [None]:
            values["local_cpulist"] = cpu_list(cpu for place in places for cpu in self.nodes.get(place, []))
        self.tree.files(folder, values)
        self.tree.link(f"sys/bus/pci/devices/{path[-1]}", folder)
        return folder

    def card(self, path, node=None, local_node="all", label=None, group=None, board=None, well=True, pieces=1):
        """Gives the ids of the card's pieces; a whole card is called by its PCI address."""
        folder = self.function(path, node, local_node, 0x120000)
        if board is not None:
            self.tree.files(folder, {"board": board})
        if pieces > 1:
            self.tree.files(folder, {"whole": path[-1]})
        added = []
        for piece in range(pieces):
            name = (label or path[-1]) + (f"-{piece}" if pieces > 1 else "")
            entry = f"{folder}/oracle/oracle{len(self.cards)}"
            values = {"label": name, "state": "well" if well else "sick"}
            if group is not None:
                values["group"] = group
            self.tree.files(entry, values)
            self.tree.link(f"{entry}/device", folder)
            self.tree.link(f"sys/class/oracle/oracle{len(self.cards)}", entry)
            self.cards.append(name)
            added.append(name)
        return added

    def link(self, a, b, width=1, kind="cable"):
        self.links.append((kind, a, b, width))

    def config(self, prefer="closest"):
        lines = ['profiles = ["oracle"]']
        for kind in sorted({kind for kind, *_ in self.links}):
            pairs = [toml({"from": a, "to": b, "width": width}) for of, a, b, width in self.links if of == kind]
            lines += ["[[links]]", 'source = "toml"', f"kind = {toml(kind)}", "between = ["]
            lines += [f"  {pair}," for pair in pairs] + ["]"]
        if self.weights:
            lines += ["[affinity]", *(f"{key} = {toml(value)}" for key, value in self.weights.items())]
        lines += ["[[resource]]", f"name = {toml(RESOURCE)}", f"prefer = {toml(prefer)}"]
        lines += [f"{key} = {toml(value)}" for key, value in self.unit.items()]
        return "\n".join(lines) + "\n"

    def write(self, folder, prefer="closest"):
        """Makes folder/root, folder/profile.toml and folder/cleave.toml. Gives the arguments that name them."""
        folder = Path(folder)
        root = folder / "root"
        for path, entry in self.tree.entries.items():
            place = root / path
            if entry.kind == "d":
                place.mkdir(parents=True, exist_ok=True)
            elif entry.kind == "l":
                place.symlink_to(entry.data.decode())
            else:
                place.write_bytes(entry.data)
        (folder / "profile.toml").write_text(PROFILE)
        (folder / "cleave.toml").write_text(self.config(prefer))
        return ["--root", str(root), "--profile", str(folder / "profile.toml"), "--config", str(folder / "cleave.toml")]
