#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the CSV of day_in_the_life as an SVG, or prints it as Markdown tables.

    day_in_the_life --full --csv day.csv
    plot.py day.csv -o ../day.svg
    plot.py day.csv --tables
"""
import argparse
import csv

POLICIES = {  # name: colour, width, dashes
    "random": ("#b0b0b0", 1.5, ""),
    "first-fit": ("#8c6d46", 1.5, ""),
    "amd": ("#d9472b", 1.5, ""),
    "nvidia-shuffled": ("#5a9e1f", 1.5, "4 3"),
    "nvidia": ("#5a9e1f", 1.5, ""),
    "ours": ("#1f4fd8", 2.5, ""),
}
ROWS = [  # metric, heading, share
    ("affinity", "affinity per allocated pair", False),
    ("numa_span", "pods that span NUMA nodes, %", True),
    ("not_linked", "pods not in one linked group, %", True),
]
PANEL, HEIGHT, LEFT, TOP, GAP = 150, 120, 40, 62, 44


class Day:
    """Mean, half of the interval, difference to ours and half of its interval by node, load, policy and metric."""

    def __init__(self, path):
        self.values = {}
        self.nodes = []
        self.loads = []
        self.better = {}
        self.runs = set()
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = (row["node"], float(row["load"]), row["policy"], row["metric"])
                columns = ("mean", "half_95", "difference_to_ours", "difference_half_95")
                self.values[key] = tuple(float(row[column]) for column in columns)
                self.better[row["metric"]] = 1 if row["higher_is_better"] == "1" else -1
                self.runs.add((row["cards"], row["seeds"], row["pods"]))
                if row["node"] not in self.nodes:
                    self.nodes.append(row["node"])
                if float(row["load"]) not in self.loads:
                    self.loads.append(float(row["load"]))

    def verdict(self, key):
        """1: better than ours beyond chance, -1: worse, 0: neither."""
        _, _, difference, half = self.values[key]
        if abs(difference) <= half + 1e-12:
            return 0
        return 1 if difference * self.better[key[3]] > 0 else -1


def nice_step(span):
    for step in (1, 2, 5, 10, 20, 25, 50, 100):
        if span / step <= 5:
            return step
    return 200


def panel(day, node, metric, share, x0, y0):
    lines = []
    scale = 100 if share else 1
    keys = [key for key in day.values if key[0] == node and key[3] == metric]
    if not keys:
        return [f'<text x="{x0 + PANEL / 2}" y="{y0 + HEIGHT / 2}" class="note">no links</text>']
    top = max(day.values[key][0] for key in keys) * scale * 1.05
    bottom = 0 if share else min(day.values[key][0] for key in keys) * scale * 0.9
    step = nice_step(top - bottom)
    low, high = min(day.loads), max(day.loads)

    def x(load):
        return x0 + 6 + (PANEL - 12) * (load - low) / (high - low or 1)

    def y(value):
        return y0 + HEIGHT - HEIGHT * (value - bottom) / (top - bottom)

    tick = -(-bottom // step) * step
    while tick <= top:
        lines.append(f'<path d="M{x0} {y(tick):.1f}h{PANEL}" class="grid"/>')
        lines.append(f'<text x="{x0 - 4}" y="{y(tick) + 3:.1f}" class="tick">{tick:g}</text>')
        tick += step
    for load in day.loads:
        lines.append(f'<text x="{x(load):.1f}" y="{y0 + HEIGHT + 12}" class="note">{100 * load:.0f}</text>')
    for policy, (colour, width, dashes) in POLICIES.items():
        loads = [load for load in day.loads if (node, load, policy, metric) in day.values]
        path = " ".join(f"{x(load):.1f},{y(scale * day.values[node, load, policy, metric][0]):.1f}" for load in loads)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        lines.append(f'<polyline points="{path}" stroke="{colour}" stroke-width="{width}"{dashed}/>')
    return lines


def draw(day):
    width = LEFT + len(day.nodes) * (PANEL + GAP)
    height = TOP + len(ROWS) * (HEIGHT + GAP) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">',
        "<style>polyline{fill:none;stroke-linejoin:round}.grid{stroke:#ddd;stroke-width:.6}"
        ".tick{text-anchor:end;fill:#555}.note{text-anchor:middle;fill:#555}.head{font-weight:bold}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    at = LEFT
    for policy, (colour, stroke, dashes) in reversed(POLICIES.items()):
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        lines.append(f'<path d="M{at} 14h24" stroke="{colour}" stroke-width="{stroke}"{dashed}/>')
        lines.append(f'<text x="{at + 30}" y="18">{policy}</text>')
        at += 130
    lines.append(f'<text x="{at}" y="18" fill="#555">horizontal: share of cards in use, %</text>')
    for column, node in enumerate(day.nodes):
        x0 = LEFT + column * (PANEL + GAP)
        lines.append(f'<text x="{x0}" y="36" class="head">{node}</text>')
        for row, (metric, heading, share) in enumerate(ROWS):
            y0 = TOP + row * (HEIGHT + GAP)
            if column == 0:
                lines.append(f'<text x="{x0}" y="{y0 - 8}" fill="#555">{heading}</text>')
            lines += panel(day, node, metric, share, x0, y0)
    return "\n".join(lines + ["</svg>", ""])


def cell(day, key, share):
    if key not in day.values:
        return ""
    mean, half, _, difference_half = day.values[key]
    scale = 100 if share else 1
    shown = half if key[2] == "ours" else difference_half
    text = f"{scale * mean:.2f} ± {scale * shown:.2f}"
    if key[2] == "ours":
        return text
    return {1: f"**{text}**", -1: text, 0: f"{text} ="}[day.verdict(key)]


def table(day, metric, share, loads):
    policies = list(reversed(POLICIES))
    print("| node | in use | " + " | ".join(policies) + " |")
    print("|---|---|" + "---|" * len(policies))
    for node in day.nodes:
        for load in loads:
            keys = [(node, load, policy, metric) for policy in policies]
            if keys[0] in day.values:
                print(f"| {node} | {100 * load:.0f} % | " + " | ".join(cell(day, key, share) for key in keys) + " |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument("-o", "--output", help="the SVG")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    day = Day(arguments.csv)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            file.write(draw(day))
    if arguments.tables:
        print("Mean affinity per allocated pair:\n")
        table(day, "affinity", False, day.loads)
        for metric, heading in (
            ("numa_span", "Pods that span NUMA nodes though their size fits into one, %"),
            ("not_linked", "Pods whose cards are not joined by links among themselves, %"),
            ("not_fully_linked", "Pods not fully linked, of sizes for which the node has a fully linked set, %"),
            ("room_4", "Time with room for a pod of 4 in one NUMA node, %"),
            ("room_8", "Time with room for a pod of 8 in one NUMA node, %"),
            ("linked_room_4", "Time with a linked set of 4 free, %"),
            ("linked_room_8", "Time with a linked set of 8 free, %"),
        ):
            print(f"{heading}:\n")
            table(day, metric, True, [load for load in day.loads if load == 0.7])


if __name__ == "__main__":
    main()
