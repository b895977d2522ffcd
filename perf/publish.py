# SPDX-License-Identifier: MIT
"""Put results where they can be read: publish.py RESULTS_DIR DOCS_DIR.

Copies tables, JSON and plots, and writes a README.md that shows them.
"""

import json
import os
import pathlib
import platform
import shutil
import sys

PROGRAMS = ["hit_cost", "programs", "arm", "call_sites", "backtrace", "threads", "out_of_line", "emulate"]


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((l.split(":", 1)[1].strip() for l in info.splitlines()
                  if l.startswith("model name")), "unknown")
    virtual = any(l.startswith("flags") and " hypervisor" in l for l in info.splitlines())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return [("processor", model + (", in a virtual machine" if virtual else "")),
            ("cores used", str(len(os.sched_getaffinity(0)))),
            ("memory", f"{memory:.0f} GiB"),
            ("kernel", f"{platform.system()} {platform.release()}"),
            ("C library", " ".join(platform.libc_ver()))]


def cell(value, of):
    return f"{value:.3f} x" if of == "ratio" else f"{value:+.2f}"


def summary(data):
    if not data["summary"]:
        return []
    lines = ["| | rows | median | worst | where |", "|---|---|---|---|---|"]
    for s in data["summary"]:
        lines.append(f'| {s["column"]} | {s["rows"]} | {cell(s["median"], s["of"])} | '
                     f'{cell(s["worst"], s["of"])} | {s["worst_row"]} |')
    return ["Against the baseline; differences in nanoseconds:", "", *lines, ""]


def section(results, name):
    data = json.loads((results / f"{name}.json").read_text())
    plots = sorted(p.name for p in results.glob(f"{name}*.svg"))
    skipped = sum("skipped" in r for r in data["results"])
    text = f'Table: [{name}.txt]({name}.txt); data: [{name}.json]({name}.json)'
    if skipped:
        text += f"; {skipped} cases skipped, with reasons"
    return [f'## {name}: {data["question"]}', "", *summary(data), text + ".", "",
            *[line for plot in plots for line in (f"![{plot[:-4]}]({plot})", "")]]


def readme(results):
    names = [n for n in PROGRAMS if (results / f"{n}.json").exists()]
    first = json.loads((results / f"{names[0]}.json").read_text())
    lines = ["# Measured", "",
             f'By `./dev bench --publish` on {first["date"]}. This page and what lies beside it '
             "are written by that command; [perf/README.md](../../perf/README.md) says how to "
             "read them.", ""]
    if first["quick"]:
        lines += ["**A quick run: too few repetitions to rely on.**", ""]
    lines += ["| machine | |", "|---|---|", *[f"| {k} | {v} |" for k, v in machine()], ""]
    for name in names:
        lines += section(results, name)
    return "\n".join(lines).rstrip() + "\n"


def main():
    results, docs = map(pathlib.Path, sys.argv[1:3])
    docs.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.txt", "*.json", "*.svg"):
        for path in results.glob(pattern):
            shutil.copy(path, docs)
    (docs / "README.md").write_text(readme(results))


if __name__ == "__main__":
    main()
