# SPDX-License-Identifier: Apache-2.0
"""What the checks of this folder share. Each is a script with

    check(root)  yields (path, line, what is wrong) of the tree at root
    BAD          {what: ({path: text}, ["path:line", ...])}: small trees and where the check must complain
    GOOD         {path: text}: a tree that it must find nothing wrong with

and ends in lint.main(check, BAD, GOOD). It takes the tree's root, or --self-test.
"""
import pathlib
import subprocess
import sys
import tempfile

# Made by programs, or taken over as they are.
DATA = ("tests/machines/", "tests/fuzz/corpus/", "bench/results/")
GENERATED = (".json", ".zst", ".gz", ".tar", ".sum", ".svg", ".png", ".dot", ".golden", ".txt")


def files(root):
    """The project's files below root, relative to it and sorted: those that git tracks or would."""
    git = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(git, capture_output=True, check=True, text=True).stdout.split("\0")
        found = [pathlib.PurePosixPath(name) for name in names if name and (root / name).is_file()]
    except (OSError, subprocess.CalledProcessError):  # an unpacked release
        found = [pathlib.PurePosixPath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(set(path for path in found if path.parts[0] not in ("build", ".git")))


def is_data(path):
    if str(path).startswith(DATA):
        return path.suffix != ".py"
    return path.suffix in GENERATED and path.name != "CMakeLists.txt"


def lines(root, path):
    """Yields (number, text) of a text file, nothing of any other."""
    data = (root / path).read_bytes()
    if b"\0" not in data:
        yield from enumerate(data.decode("utf-8", errors="replace").splitlines(), 1)


def interpreter(root, path):
    """The last word of a script's first line: "bash", "python3" or ""."""
    for _, text in lines(root, path):
        return text.split("/")[-1].split()[-1] if text.startswith("#!") else ""
    return ""


def self_test(check, bad, good):
    wrong = 0
    for what, (tree, expected) in {**bad, "a clean tree": (good, [])}.items():
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in tree.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            found = [f"{path}:{line}" for path, line, _ in check(root)]
        if found != expected:
            print(f"{what}: found {found}, expected {expected}")
            wrong += 1
    print(f"{len(bad) + 1} trees, {wrong} wrong")
    return wrong


def main(check, bad, good):
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test(check, bad, good) else 0)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    offences = list(check(root))
    for path, line, what in offences:
        print(f"{path}:{line}: {what}")
    sys.exit(1 if offences else 0)
