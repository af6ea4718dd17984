#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Source files stay under 400 lines."""
import lint

LIMIT = 400
SOURCES = (".h", ".cpp", ".proto", ".py", ".go", ".sh", ".cmake")


def check(root):
    for path in lint.files(root):
        if str(path).startswith("tests/machines/"):  # describes drivers, line by line
            continue
        if path.suffix in SOURCES or lint.interpreter(root, path):
            count = sum(1 for _ in lint.lines(root, path))
            if count >= LIMIT:
                yield path, count, f"{count} lines; source files stay under {LIMIT}"


BAD = {
    "C++": ({"src/a.cpp": "\n" * 400}, ["src/a.cpp:400"]),
    "a script": ({"test": "#!/bin/bash\n" + "\n" * 500}, ["test:501"]),
}
GOOD = {"src/a.cpp": "\n" * 399, "docs/a.md": "\n" * 999}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
