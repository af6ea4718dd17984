# SPDX-License-Identifier: Apache-2.0
"""A host's file system as a value: directories, files and links, packed the same way every time.

Link targets of sysfs are written as the kernel writes them (fs/kernfs/symlink.c), CPU sets as its
bitmap printers do (lib/bitmap-str.c, "%*pbl" and "%*pb").
"""

import io
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

MTIME = 1577836800  # 2020-01-01 00:00:00 UTC


@dataclass(frozen=True)
class Entry:
    kind: str  # "d", "f" or "l"
    data: bytes = b""  # content of a file, target of a link
    mode: int = 0o755


class Tree:
    """Paths are relative to the host's root and have no leading slash."""

    def __init__(self):
        self.entries: dict[str, Entry] = {}

    def _put(self, path: str, entry: Entry) -> None:
        if entry.kind != "d" and path in self.entries:
            raise ValueError(f"{path}: written twice")
        parent = path.rpartition("/")[0]
        if parent and parent not in self.entries:
            self.dir(parent)
        self.entries[path] = entry

    def dir(self, path: str) -> str:
        if path not in self.entries:
            self._put(path, Entry("d"))
        return path

    def file(self, path: str, data: str | bytes = b"", mode: int = 0o644) -> None:
        self._put(path, Entry("f", data.encode() if isinstance(data, str) else data, mode))

    def files(self, path: str, values: dict[str, object]) -> None:
        """One file per value; every text ends in one newline, as in sysfs."""
        for name, value in values.items():
            self.file(f"{path}/{name}", f"{value}\n")

    def write_only(self, path: str, *names: str) -> None:
        for name in names:
            self.file(f"{path}/{name}", mode=0o600)

    def link(self, path: str, target: str) -> None:
        """A link to `target`, a path of this tree, with the relative text that the kernel gives it."""
        self.text_link(path, kernel_relative(path, target))

    def text_link(self, path: str, text: str) -> None:
        self._put(path, Entry("l", text.encode(), 0o777))

    def pack(self, archive: Path) -> None:
        """Writes `archive` (.tar.zst); its one top folder is named like the archive."""
        top = archive.name.removesuffix(".tar.zst")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in ["", *sorted(self.entries, key=lambda p: p.split("/"))]:
                entry = self.entries[path] if path else Entry("d")
                info = tarfile.TarInfo(f"{top}/{path}".rstrip("/"))
                info.mtime, info.mode = MTIME, entry.mode
                info.type = {"d": tarfile.DIRTYPE, "f": tarfile.REGTYPE, "l": tarfile.SYMTYPE}[entry.kind]
                if entry.kind == "l":
                    info.linkname = entry.data.decode()
                if entry.kind == "f":
                    info.size = len(entry.data)
                tar.addfile(info, io.BytesIO(entry.data) if entry.kind == "f" else None)
        subprocess.run(["zstd", "-19", "-q", "-f", "-o", str(archive)], input=buffer.getvalue(), check=True)


def unpack(archive: Path, into: Path) -> Path:
    """Unpacks `archive` into the folder `into` and gives the host root."""
    into.mkdir(parents=True)
    with subprocess.Popen(["zstd", "-dc", str(archive)], stdout=subprocess.PIPE) as zstd:
        subprocess.run(["tar", "-x", "-p", "-C", str(into)], stdin=zstd.stdout, check=True)
    (root,) = into.iterdir()
    return root


def scan(root: Path) -> dict[str, Entry]:
    """What lies under an unpacked host root, links not followed."""
    found = {}
    for folder, dirs, files in os.walk(root):
        for name in dirs + files:
            path = Path(folder, name)
            mode = path.lstat().st_mode & 0o777
            if path.is_symlink():
                entry = Entry("l", os.readlink(path).encode(), 0o777)
            elif path.is_dir():
                entry = Entry("d", b"", mode)
            else:
                entry = Entry("f", path.read_bytes(), mode)
            found[str(path.relative_to(root))] = entry
    return found


def kernel_relative(link: str, target: str) -> str:
    """The text of a sysfs link: up to the nearest folder strictly above the target, then down."""
    above = target.split("/")[:-1]
    base = link.split("/")[:-1]
    ups = 0
    while base != above[: len(base)]:
        base = base[:-1]
        ups += 1
    return "../" * ups + "/".join(target.split("/")[len(base) :])


def cpu_list(cpus) -> str:
    """{0,1,2,8} -> 0-2,8"""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def cpu_mask(cpus, bits: int) -> str:
    """{0,1,2,8} of 40 -> 00,00000107: groups of 32 bits, the first as wide as what is left."""
    value = sum(1 << cpu for cpu in cpus)
    words = []
    for low in range(0, bits, 32):
        width = (min(32, bits - low) + 3) // 4
        words.append(f"{(value >> low) & 0xFFFFFFFF:0{width}x}")
    return ",".join(reversed(words))
