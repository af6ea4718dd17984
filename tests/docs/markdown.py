# SPDX-License-Identifier: Apache-2.0
"""As much of Markdown as the documentation uses: fenced blocks, tables, headings and links."""
import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def every_page():
    """All pages of the tree."""
    pages = [path for path in ROOT.rglob("*.md") if not {"build", ".git", "node_modules"} & set(path.relative_to(ROOT).parts)]
    return sorted(pages)


@dataclasses.dataclass
class Block:
    path: pathlib.Path
    line: int  # of the opening fence
    info: str
    text: str

    def __str__(self):
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@dataclasses.dataclass
class Table:
    path: pathlib.Path
    line: int
    heading: str  # the nearest one above
    head: list
    rows: list


def split(path):
    """The page as (number, text) of the lines outside fences, and its blocks."""
    prose, blocks, current = [], [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"```+\s*(.*)$", line)
        if current is None and fence:
            current = Block(path, number, fence[1].strip(), "")
        elif current is not None and fence and not fence[1]:
            blocks.append(current)
            current = None
        elif current is not None:
            current.text += line + "\n"
        else:
            prose.append((number, line))
    if current is not None:
        raise AssertionError(f"{current}: the block does not end")
    return prose, blocks


def blocks(paths=None):
    for path in paths or DOCS:
        yield from split(path)[1]


def tables(path):
    heading, rows, start = "", [], 0
    for number, line in [*split(path)[0], (0, "")]:
        if line.startswith("|"):
            start = start or number
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
            continue
        if len(rows) > 2:
            yield Table(path, start, heading, rows[0], rows[2:])
        rows, start = [], 0
        if match := re.match(r"#+\s+(.*)", line):
            heading = match[1]


def codes(text):
    """What stands in back quotes."""
    return re.findall(r"`([^`]+)`", text)


def anchors(path):
    """The names that headings get, as GitHub makes them."""
    found = set()
    for _, line in split(path)[0]:
        if match := re.match(r"#+\s+(.*)", line):
            text = re.sub(r"[^\w\- ]", "", match[1].replace("`", "").lower()).replace(" ", "-")
            found.add(text)
    return found


def links(path):
    """Yields (line, target) of every link that is no address on the web."""
    for number, line in split(path)[0]:
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if not re.match(r"[a-z]+:", target):
                yield number, target
