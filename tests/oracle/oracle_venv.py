# SPDX-License-Identifier: Apache-2.0
"""A virtual environment in build/oracle-venv with what requirements.txt names; made once, then kept."""
import os
import subprocess
import sys
from pathlib import Path

import program

FOLDER = program.ROOT / "build" / "oracle-venv"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"


def install():
    """Complaint, or "" when all is there."""
    done = FOLDER / "installed.txt"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    if done.is_file() and done.read_text() == wanted:
        return ""
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(FOLDER)],
        [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
         "--timeout", "30", "--retries", "2", "--requirement", str(REQUIREMENTS)],
    ]
    for step in steps:
        result = subprocess.run(step, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode != 0:
            said = (result.stderr or result.stdout).strip().splitlines() or ["nothing was said"]
            return f"'{' '.join(step[:4])} ...' failed: {said[-1]}"
    done.write_text(wanted)
    return ""


def enter():
    """Runs this script again inside the environment; returns when it already is there."""
    python = FOLDER / "bin" / "python"
    if Path(sys.prefix) == FOLDER:
        return
    program.binary()  # without the program there is no need to install anything
    why = install()
    if why:
        program.cannot(f"no OR-Tools: {why}")
    sys.stdout.flush()
    os.execv(python, [str(python), "-B", *sys.argv])
