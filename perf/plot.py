# SPDX-License-Identifier: MIT
"""Draw the results of perf/ as SVG: plot.py RESULTS_DIR. Needs only Python's own library.

One bar chart for each NAME.json, on a logarithmic scale, since a jump and a trap are three orders
of magnitude apart. The bar is the median, the whisker the 10th to the 90th percentile.
"""

import html
import json
import math
import pathlib
import sys

BAR, GAP, GROUP_GAP, LABEL, PLOT = 11, 2, 10, 250, 560
COLOURS = ["#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c"]


def scale_of(results):
    low = min(r["p10"] for r in results if r["p10"] > 0)
    high = max(r["p90"] for r in results)
    first = math.floor(math.log10(low))
    last = max(math.ceil(math.log10(high)), first + 1)
    return first, last


def draw(data):
    results = [r for r in data["results"] if "median" in r and r["median"] > 0]
    units = [r["unit"] for r in results]
    unit = max(set(units), key=units.count)
    results = [r for r in results if r["unit"] == unit]
    first, last = scale_of(results)
    columns = list(dict.fromkeys(r["column"] for r in results))

    def x_of(value):
        part = (math.log10(max(value, 10**first)) - first) / (last - first)
        return LABEL + PLOT * part

    out, y, row = [], 64, None
    for r in results:
        if r["row"] != row:
            row = r["row"]
            y += GROUP_GAP
        colour = COLOURS[columns.index(r["column"]) % len(COLOURS)]
        middle = y + BAR / 2
        label = html.escape(f'{row}: {r["column"]}')
        out.append(f'<text x="{LABEL - 6}" y="{middle + 3.5}" text-anchor="end">{label}</text>')
        out.append(f'<rect x="{LABEL}" y="{y}" width="{x_of(r["median"]) - LABEL:.1f}" '
                   f'height="{BAR}" fill="{colour}"/>')
        out.append(f'<path d="M{x_of(r["p10"]):.1f} {middle}H{x_of(r["p90"]):.1f}" stroke="#222"/>')
        out.append(f'<text x="{max(x_of(r["p90"]), x_of(r["median"])) + 5:.1f}" '
                   f'y="{middle + 3.5}">{r["median"]:.4g}</text>')
        y += BAR + GAP
    for power in range(first, last + 1):
        x = x_of(10.0**power)
        out.insert(0, f'<path d="M{x:.1f} 60V{y}" stroke="#ddd"/>')
        out.insert(0, f'<text x="{x:.1f}" y="56" text-anchor="middle">{10.0**power:g}</text>')
    note = f'{data["machine"]}; median of {data["rounds"]} rounds, {unit}, logarithmic'
    if data["quick"]:
        note += "; quick: too few to rely on"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + PLOT + 70}" height="{y + 12}" '
        'font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="20" font-size="14">{html.escape(data["question"])}</text>',
        f'<text x="10" y="36" fill="#555">{html.escape(note)}</text>',
        *out, "</svg>", ""])


def main():
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        data = json.loads(path.read_text())
        if any(r.get("median", 0) > 0 for r in data["results"]):
            path.with_suffix(".svg").write_text(draw(data))


if __name__ == "__main__":
    main()
