# SPDX-License-Identifier: Apache-2.0
"""The program under test, asked through its command line alone."""
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SKIPPED = 77  # the exit status that ctest takes for "skipped"


def in_ci():
    return os.environ.get("CI", "").lower() == "true"


@functools.cache
def binary():
    """Path of the program. Ends this process when it is missing: as skipped, in CI as failed."""
    path = os.environ.get("CLEAVE_BIN", str(ROOT / "build" / "release" / "cleave"))
    if os.access(path, os.X_OK):
        return path
    cannot(f"the program {path} is missing")


def cannot(why):
    """Nothing can be tested, which is a failure only where everything must be."""
    print(f"{'failed' if in_ci() else 'skipped'}: {why}")
    sys.exit(1 if in_ci() else SKIPPED)


def scratch():
    """A folder for as long as it is used, in memory where that can be: a machine is a thousand small files."""
    return tempfile.TemporaryDirectory(prefix="oracle-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class Failed(Exception):
    """The program ended with another status than 0."""


def ask(*arguments):
    """What `cleave ARGUMENTS --output json` prints."""
    command = [binary(), *map(str, arguments), "--output", "json"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(f"exit {result.returncode}: {' '.join(command)}\n{result.stderr.strip()}")
    return json.loads(result.stdout)


class Host:
    """A machine as the program sees it. `arguments` name the root, the profile and the configuration."""

    def __init__(self, arguments, resource):
        self.arguments = list(arguments)
        self.resource = resource

    def topology(self):
        return ask("topology", *self.arguments)

    def functions(self):
        return ask("topology", "--functions", *self.arguments)

    def prefer(self, question):
        more = []
        if question.available is not None:
            more += ["--available", ",".join(question.available)]
        if question.must:
            more += ["--must-include", ",".join(question.must)]
        if question.budget is not None:
            more += ["--budget", question.budget]
        return ask("prefer", self.resource, "-n", question.size, *more, *self.arguments)
