#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pastes what the examples of README.md and docs/ print now into them: look at the difference before you keep it.

Examples with a line ... are left as they are.
"""
import re
import shlex

import docs_test
import markdown


def printed(text):
    """The block with the outputs of today."""
    out = ""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = 1 + next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        words = shlex.split(" ".join(line.removesuffix("\\") for line in lines[:end]))
        out += "$ " + "\n".join(lines[:end]) + "\n" + docs_test.run(*words[1:])[1]
    return out


def main():
    for path in markdown.DOCS:
        page = path.read_text()
        for block in markdown.blocks([path]):
            if block.info == "console" and "\n...\n" not in block.text:
                page = page.replace(f"```console\n{block.text}```", f"```console\n{printed(block.text)}```")
        path.write_text(page)


if __name__ == "__main__":
    main()
