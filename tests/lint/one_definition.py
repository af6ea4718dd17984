#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each type of src/ that others can see is defined once: two of one name are one to the linker, which takes either's
destructor for both."""
import re

import lint

TYPE = re.compile(r"^(?:template <[^;{]*>\s*)?(?:class|struct|enum class|enum)\s+(?:ABSL_\w+\s+)?(\w+)[^;]*$")


def check(root):
    seen = {}
    for path in lint.files(root):
        if path.parts[0] != "src" or path.suffix != ".h":
            continue
        for number, text in lint.lines(root, path):
            match = TYPE.match(text)
            if not match:
                continue
            if match[1] in seen:
                yield path, number, f"{match[1]} is defined in {seen[match[1]]} too"
            seen.setdefault(match[1], path)


BAD = {"twice": ({"src/a/a.h": "struct Tree {\n", "src/b/b.h": "class Tree final : public X {\n"}, ["src/b/b.h:1"])}
GOOD = {
    "src/a/a.h": "struct Tree;\nstruct Tree {\n  struct Node {\n",
    "src/b/b.h": "class Tree;\nclass ABSL_LOCKABLE Other {\n  struct Node {\n",
}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
