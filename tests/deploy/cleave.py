# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: where things are, captured machines, and programs that may be missing."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
MACHINES = ROOT / "tests" / "machines"
CI = os.environ.get("CI") == "true"


def missing(what):
    """Skips the test, or fails it where everything has to run."""
    if CI:
        raise AssertionError(f"{what} is missing, and CI=true")
    raise unittest.SkipTest(f"{what} is missing")


def binary():
    path = os.environ.get("CLEAVE_BIN", str(ROOT / "build" / "release" / "cleave"))
    return path if os.access(path, os.X_OK) else missing(f"the program {path}")


def promtool():
    unpacked = ROOT / "build" / "tools" / "promtool"  # by scripts/install-deps
    return shutil.which("promtool") or (str(unpacked) if unpacked.exists() else missing("promtool"))


def unpack(machine, folder):
    """Returns the root of a captured machine."""
    subprocess.run(["tar", "--zstd", "-xf", MACHINES / f"{machine}.tar.zst", "-C", folder], check=True)
    return pathlib.Path(folder) / pathlib.Path(machine).name


def main():
    """unittest's, and exit status 77, with the reasons, when a test was skipped."""
    result = unittest.main(module="__main__", exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.skipped:
        print("skipped:", ", ".join(sorted({why for _, why in result.skipped})), flush=True)
    sys.exit(77 if result.skipped else 0)
