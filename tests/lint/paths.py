#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No path that only one machine has."""
import re

import lint

# Split, so that this file does not find itself.
PATHS = re.compile(r"(?<![\w.*})])/(" + "|".join(["wo" "rk", "fa" "rm", "ho" "me", "Us" "ers"]) + r")/\w")


def check(root):
    for path in lint.files(root):
        for number, text in lint.lines(root, path):
            match = PATHS.search(text)
            if match:
                yield path, number, f"'{match[0]}...' exists on one machine only"


BAD = {
    "a home folder": ({"a.md": "\nsee /ho" "me/ada/notes\n"}, ["a.md:2"]),
    "in a string": ({"tests/a.py": 'x = "/wo' 'rk/main/x"\n'}, ["tests/a.py:1"]),
}
GOOD = {"a.md": "~/x, /var/lib/kubelet, frame/work/s, ${x}/wo" "rk/y and /sys/class\n"}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
