# SPDX-License-Identifier: Apache-2.0
"""The keys of cleave.toml and of profiles: those in the parsers' source, and those in the tables of docs/."""
import re

import markdown
from markdown import ROOT

PAGES = [ROOT / "docs" / "configuration.md", ROOT / "docs" / "profiles.md"]
GETTERS = "Has|String|Int|Number|Bool|Duration|Strings|Ints|Template|Templates|Regex|Tests|OneOf|Table|Tables|TableOrTables|Node"
LITERALS = [
    rf'\b\w+\.(?:{GETTERS})\("(\w+)"',
    r'\b(?:take|read_map)\("(\w+)"',
    r'std::pair\{"(\w+)"',
    r'\{"(\w+)", AttributeSource::',
    r'\{"(\w+)", &\w+\.',
    r'ParseNamedValues\(\w+, "(\w+)"',
]

PROFILE = 'schema = 1\nname = "odd"\n[entries]\nclass = "x"\nid = "{name}"\n'
# By heading: a file in which only the key is odd. What comes before it, and whether it is a profile's.
SAMPLES = {
    "Top of the file": "",
    "`[log]`": "[log]\n",
    "`[affinity]`": "[affinity]\n",
    "`[[links]]`": '[[links]]\nsource = "toml"\n',
    "`between`": '[[links]]\nsource = "toml"\n[[links.between]]\nfrom = "a"\nto = "b"\n',
    "`[[resource]]`": '[[resource]]\nname = "example.com/a"\n',
    "`[resource.container]`": '[[resource]]\nname = "example.com/a"\n[resource.container]\n',
    "Values of `env` and `annotations`": '[[resource]]\nname = "example.com/a"\n[resource.container.env.A]\nvalue = "x"\n',
    "`cdi`": '[[resource]]\nname = "example.com/a"\n[resource.container.cdi]\nkind = "a.b/c"\n',
    "`mounts`": '[[resource]]\nname = "example.com/a"\n[[resource.container.mounts]]\nhost = "/x"\n',
    "The file": 'schema = 1\nname = "odd"\n',
    "`[entries]`": PROFILE,
    "`usb`": PROFILE + "[entries.usb]\nvendor = 1\n",
    "`skip`": PROFILE + '[entries.skip]\nreason = "x"\nwhen = "name"\n',
    "`require`": PROFILE + '[entries.require]\nfile = "/x"\n',
    "`[entries.nodes]`": PROFILE + '[entries.nodes.a]\npath = "/dev/x"\n',
    "`pci`": PROFILE + "[entries.pci]\nvendor = 1\n",
    "`[entries.attributes]`": PROFILE + '[entries.attributes.a]\nread = "x"\n',
    "`[[conflict]]`": PROFILE + '[settings.a]\nvalues = ["x", "y"]\ndefault = "x"\n' +
                      '[[conflict]]\nwhen = { "settings.a" = "y" }\nreason = "x"\n',
    "`[settings]`": PROFILE + '[settings.a]\nvalues = ["x"]\ndefault = "x"\n',
    "`[[health]]`": PROFILE + '[[health]]\nname = "x"\nread = "x"\nis = "x"\n',
}


def parsed():
    """Every key that a parser asks for."""
    found = set()
    for path in sorted((ROOT / "src/config").glob("*.cpp")):
        text = path.read_text()
        for literal in LITERALS:
            found |= set(re.findall(literal, text))
    return found


def described():
    """Yields (table, key) of the tables of keys."""
    for page in PAGES:
        for table in markdown.tables(page):
            if table.head[0] == "key":
                for row in table.rows:
                    yield table, markdown.codes(row[0])[0]


def with_odd_value(heading, key):
    """A file with `key` where the heading says, with a value that no key may have; None when the heading is not known."""
    before = SAMPLES.get(heading)
    if before is None:
        return None
    lines = before.splitlines()
    section = max([number for number, line in enumerate(lines) if line.startswith("[")], default=-1)
    kept = lines[:section + 1] + [line for line in lines[section + 1:] if not re.match(rf"{key}\s*=", line)]
    return "\n".join([*kept, f"{key} = 1979-05-27"]) + "\n"


def built_in_names():
    source = (ROOT / "src/config/profile.cpp").read_text().partition("BuiltInNames() {")[2].partition("};")[0]
    return re.findall(r'"([\w.]+)"', source)
