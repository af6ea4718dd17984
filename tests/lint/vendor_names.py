#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No vendor's name in src/: a vendor is a profile, not code. Names of link sources are data and may be there."""
import re

import lint

LINK_SOURCES = ["tt-cluster-descriptor", "kfd", "nccl-xml", "matrix"]
NAMES = re.compile(r"\b(tenstorrent|biren|nvidia|intel|amd|wormhole|blackhole|n300)\b", re.IGNORECASE)


def check(root):
    for path in lint.files(root):
        if path.parts[0] != "src" or path.name == "CMakeLists.txt":  # which names the machine that the demo plays
            continue
        for number, text in lint.lines(root, path):
            for name in LINK_SOURCES:
                text = text.replace(f'"{name}"', "")
            match = NAMES.search(text)
            if match:
                yield path, number, f"'{match[0]}' belongs in config/profiles/, not in the code"


BAD = {
    "in code": ({"src/a.cpp": 'x = "Tenstorrent";\n'}, ["src/a.cpp:1"]),
    "in a comment": ({"src/base/a.h": "\n// As NVIDIA does\n"}, ["src/base/a.h:2"]),
    "in a resource": ({"src/server/a.proto": "// tenstorrent.com/n300\n"}, ["src/server/a.proto:1"]),
}
GOOD = {
    "src/a.cpp": 'if (source == "tt-cluster-descriptor") amdahl(intelligence);\n',
    "src/CMakeLists.txt": "cleave_embed(x FILES tests/machines/tenstorrent.tar)\n",
    "config/profiles/a.toml": 'name = "tenstorrent"\n',
}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
