#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file names its licence, once, in its first lines. Data, JSON, archives and prose need not."""
import re

import lint

LINE = "SPDX-License-" + "Identifier: Apache-2.0"
COMMENT = re.compile(r"\s*(#|//|/\*|--|<!--)\s*" + re.escape(LINE))  # not a text that the file writes elsewhere
PROSE = (".md",)


def check(root):
    for path in lint.files(root):
        if lint.is_data(path) or path.name in ("LICENSE", "NOTICE") or path.suffix in PROSE:
            continue
        found = [number for number, text in lint.lines(root, path) if COMMENT.match(text)]
        if not found:
            yield path, 1, f"no {LINE}"
        elif found[0] > 3:
            yield path, found[0], "the licence belongs in the first line (the second, below #!)"
        for number in found[1:]:
            yield path, number, "the licence is named a second time"


BAD = {
    "none": ({"a.py": "x = 1\n"}, ["a.py:1"]),
    "none in a file without suffix": ({"demo": "#!/bin/bash\ntrue\n"}, ["demo:1"]),
    "CMakeLists.txt is no data": ({"src/CMakeLists.txt": "project(x)\n"}, ["src/CMakeLists.txt:1"]),
    "twice": ({"a.h": f"// {LINE}\n// {LINE}\n"}, ["a.h:2"]),
    "late": ({"a.h": f"\n\n\n// {LINE}\n"}, ["a.h:4"]),
}
GOOD = {
    "a.sh": f"#!/bin/bash\n# {LINE}\n",
    "b.py": f'# {LINE}\nHEAD = """# {LINE}"""\n',
    "a.md": f"# Prose\n\nwrite\n\n    {LINE}\n",
    "b.json": "{}\n",
    "go.sum": "x\n",
    "tests/machines/a.yaml": "x: 1\n",
    "LICENSE": "Apache License\n",
}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
