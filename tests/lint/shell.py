#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shell scripts parse, and where shellcheck is installed it warns of nothing in them."""
import re
import shutil
import subprocess

import lint


def run(command, path):
    """Yields (line, message) of what a program with gcc's kind of messages says."""
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 0:
        return
    for text in (result.stdout + result.stderr).splitlines():
        match = re.search(r":(?: line )?(\d+):(?:\d+:)? *(.*)", text)
        if match:
            yield int(match[1]), match[2]


def check(root):
    for path in lint.files(root):
        if path.suffix != ".sh" and lint.interpreter(root, path) not in ("sh", "bash"):
            continue
        offences = list(run(["bash", "-n", root / path], path))
        if not offences and shutil.which("shellcheck"):
            offences = run(["shellcheck", "--format=gcc", "--severity=warning", root / path], path)
        for number, message in offences:
            yield path, number, message


BAD = {"a loop without end": ({"x": "#!/bin/bash\nfor i in 1; do\n"}, ["x:3"])}
if shutil.which("shellcheck"):
    BAD["a cd that may fail"] = ({"x.sh": "#!/bin/sh\ncd /x\nrm -r y\n"}, ["x.sh:2"])
GOOD = {"x": '#!/bin/bash\necho "$1"\n', "y": "for i in\n"}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
