#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the CSV of prefer_bench as an SVG, or prints it as a Markdown table.

    prefer_bench > prefer.csv
    plot.py prefer.csv -o ../prefer.svg
    plot.py prefer.csv --table
"""
import argparse
import csv
import math
from collections import defaultdict

COLOURS = {
    "tree": "#2a7f3f", "shares": "#5a9e1f", "hybrid mesh": "#1f4fd8", "mesh": "#7b3fc4", "torus": "#c43f9b",
    "random links": "#d9472b", "random weights": "#8c6d46", "linked shares": "#e0a100",
    "boards": "#1b9aa8",
}
WIDTH, HEIGHT, LEFT, TOP, GAP = 380, 260, 56, 60, 90


def read(path):
    """shape -> n -> its rows by k, numbers as numbers"""
    shapes = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            shape = row.pop("shape")
            numbers = {key: float(value) for key, value in row.items()}
            shapes[shape][int(numbers["n"])].append(numbers)
    return shapes


class Panel:
    """Both axes are logarithmic; y is in microseconds."""

    def __init__(self, left, title, below, low, high):
        self.left, self.low, self.high = left, low, high
        self.lines = [f'<text x="{left}" y="{TOP - 22}" class="head">{title}</text>',
                      f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 32}" class="note">{below}</text>']
        for power in range(0, 6):
            at = self.y(10 ** power)
            name = {0: "1 us", 1: "10 us", 2: "0.1 ms", 3: "1 ms", 4: "10 ms", 5: "0.1 s"}[power]
            self.lines.append(f'<path d="M{left} {at:.1f}h{WIDTH}" class="grid"/>')
            self.lines.append(f'<text x="{left - 5}" y="{at + 3:.1f}" class="tick">{name}</text>')

    def x(self, value):
        return self.left + WIDTH * math.log(value / self.low) / math.log(self.high / self.low)

    @staticmethod
    def y(value):
        return TOP + HEIGHT - HEIGHT * math.log10(max(value, 1)) / 5

    def mark(self, value):
        self.lines.append(f'<text x="{self.x(value):.1f}" y="{TOP + HEIGHT + 14}" class="note">{value:,}</text>')

    def draw(self, shape, points):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.lines.append(f'<polyline points="{path}" stroke="{COLOURS[shape]}"/>')


def draw(shapes):
    shapes = {shape: sizes for shape, sizes in shapes.items() if shape in COLOURS}
    most = max(n for sizes in shapes.values() for n in sizes)
    by_n = Panel(LEFT, "longest of all k, by number of devices", "devices", 8, most)
    by_k = Panel(LEFT + WIDTH + GAP, "64 devices: longest by k", "k", 1, 63)
    for n in (8, 16, 32, 64, 128, 1024, 10_000):
        by_n.mark(n)
    for k in (1, 2, 4, 8, 16, 32, 63):
        by_k.mark(k)
    for shape, sizes in shapes.items():
        by_n.draw(shape, [(n, max(row["worst_us"] for row in rows)) for n, rows in sorted(sizes.items())])
        if 64 in sizes:
            by_k.draw(shape, [(row["k"], row["worst_us"]) for row in sizes[64]])
    width, height = LEFT + 2 * WIDTH + GAP + 30, TOP + HEIGHT + 46
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">',
        "<style>polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}.grid{stroke:#ddd;stroke-width:.6}"
        ".tick{text-anchor:end;fill:#555}.note{text-anchor:middle;fill:#555}.head{font-weight:bold}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for i, shape in enumerate(shapes):
        lines.append(f'<path d="M{LEFT + 97 * i} 14h18" stroke="{COLOURS[shape]}" stroke-width="2"/>')
        lines.append(f'<text x="{LEFT + 22 + 97 * i}" y="18">{shape}</text>')
    return "\n".join(lines + by_n.lines + by_k.lines + ["</svg>", ""])


def time(us):
    return f"{us / 1000:.2g} ms" if us >= 1000 else f"{us:.0f} us"


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def table(shapes):
    print("| machine | devices | p50 | p99 | worst, at k | memory | proven best | gap at most |")
    print("|---|---|---|---|---|---|---|---|")
    for shape, sizes in shapes.items():
        for n, rows in sizes.items():
            worst = max(rows, key=lambda row: row["worst_us"])
            questions = sum(row["questions"] for row in rows)
            proven = sum(row["proven"] * row["questions"] for row in rows) / questions
            print(f"| {shape} | {n:,} | {time(quantile([row['p50_us'] for row in rows], 0.5))} "
                  f"| {time(quantile([row['p99_us'] for row in rows], 0.99))} | {time(worst['worst_us'])}, {worst['k']:.0f} "
                  f"| {max(row['bytes'] for row in rows) / 1024:.0f} KiB | {100 * proven:.0f} % "
                  f"| {max(row['gap_percent'] for row in rows):.0f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument("-o", "--output", help="the SVG")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    shapes = read(arguments.csv)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            file.write(draw(shapes))
    if arguments.table:
        table(shapes)


if __name__ == "__main__":
    main()
