# SPDX-License-Identifier: MIT
"""Draw the results of perf/ as SVG: plot.py RESULTS_DIR. Needs only Python's own library.

Each plot answers one question; which plots there are for which NAME.json is said at the end.
"""

import html
import json
import math
import pathlib
import statistics
import sys

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    "#3b6fb6", "#d9822b", "#3a9153", "#c0433f", "#7c5fb0", "#8c8c8c")
WIDTH, LABEL, RIGHT, TOP = 900, 270, 60, 104
INK, PALE = "#222", "#ddd"


# ---- results -----------------------------------------------------------------------------------

class Results:
    def __init__(self, data):
        self.data = data
        self.cases = [r for r in data["results"] if "median" in r]

    def column(self, name):
        return [r for r in self.cases if r["column"] == name]

    def one(self, row, column):
        return next((r for r in self.column(column) if r["row"] == row), None)

    def note(self):
        text = f'{self.data["machine"]}; {self.data["date"]}; up to {self.data["rounds"]} rounds'
        return text + ("; quick: too few to rely on" if self.data["quick"] else "")


# ---- drawing -----------------------------------------------------------------------------------

def text(x, y, string, anchor="start", size=12, colour=INK, extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}"{extra}>{html.escape(string)}</text>')


def line(x1, y1, x2, y2, colour=INK, width=1.0, dash=""):
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}" fill="none"{dash}/>')


def dot(x, y, colour):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Axis:
    """Values to pixels, linear or logarithmic."""

    def __init__(self, low, high, start, end, log=False):
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def at(self, value):
        if self.log:
            value = max(value, self.low)
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * part

    def ticks(self):
        if self.log:
            first = round(math.log10(self.low))
            last = math.floor(math.log10(self.high) + 1e-9)
            return [10.0**p for p in range(first, last + 1)]
        rough = (self.high - self.low) / 6
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def log_axis(values, start, end, margin=1.0):
    """From a power of ten to the largest value, with a margin behind it."""
    values = [v for v in values if v > 0]
    low = 10.0 ** math.floor(math.log10(min(values)))
    return Axis(low, max(max(values) * margin, low * 10), start, end, log=True)


def page(title, note, height, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(16, 26, title, size=16, extra=' font-weight="bold"'),
        text(16, 46, note, size=11, colour="#666"),
        *body, "</svg>", ""])


def legend(entries):
    out, x, y = [], 16, 70
    for name, colour in entries:
        out += [f'<rect x="{x:.0f}" y="{y - 9}" width="10" height="10" fill="{colour}"/>',
                text(x + 15, y, name, size=11)]
        x += 34 + 6.4 * len(name)
    return out


def x_axis(axis, top, bottom, title):
    out = []
    for tick in axis.ticks():
        x = axis.at(tick)
        out += [line(x, top, x, bottom, PALE),
                text(x, bottom + 16, number(tick), "middle", 11)]
    return out + [text((axis.start + axis.end) / 2, bottom + 36, title, "middle")]


def bar_chart(title, note, axis_title, bars, log=False, limit=None, entries=()):
    """bars: (label, value, low, high, colour); None: a gap. limit: (value, label)."""
    values = [v for b in bars if b for v in b[1:4]]
    if log:
        axis = log_axis(values, LABEL, WIDTH - RIGHT, 2)
    else:
        axis = Axis(0, 1.05 * max(values + ([limit[0]] if limit else [])), LABEL, WIDTH - RIGHT)
    out, y = [], TOP
    for bar in bars:
        if not bar:
            y += 12
            continue
        label, value, low, high, colour = bar
        middle = y + 9
        out += [text(LABEL - 10, middle + 4, label, "end"),
                f'<rect x="{LABEL}" y="{y + 1}" width="{max(axis.at(value) - LABEL, 1):.1f}" '
                f'height="16" fill="{colour}"/>']
        if high > low:
            out.append(line(axis.at(low), middle, axis.at(high), middle, INK, 1.5))
        out.append(text(max(axis.at(high), axis.at(value)) + 6, middle + 4, number(value),
                        size=11))
        y += 22
    back = x_axis(axis, TOP - 6, y + 4, axis_title)
    if limit:
        x = axis.at(limit[0])
        out += [line(x, TOP - 10, x, y + 4, RED, 1.5, "5 3"),
                text(x, TOP - 14, limit[1], "middle", 11, RED)]
    return page(title, note, y + 56, [*legend(entries), *back, *out])


def y_axis(axis, left, right, title):
    out = []
    for tick in axis.ticks():
        y = axis.at(tick)
        out += [line(left, y, right, y, PALE), text(left - 8, y + 4, number(tick), "end", 11)]
    middle = (axis.start + axis.end) / 2
    return out + [text(0, 0, title, "middle",
                       extra=f' transform="translate(28 {middle:.0f}) rotate(-90)"')]


def line_chart(title, note, x_title, y_title, series, log_y=False, y_range=None, limit=None):
    """series: (name, colour, [(x, y)]); x is logarithmic."""
    left, right, bottom = 90, WIDTH - 160, 390
    points = [p for s in series for p in s[2]]
    across = log_axis([p[0] for p in points], left, right)
    if log_y:
        up = log_axis([p[1] for p in points], bottom, TOP, 2)
    else:
        low, high = y_range or (0, max(p[1] for p in points))
        up = Axis(min([low] + [p[1] for p in points]), max([high] + [p[1] for p in points]),
                  bottom, TOP)
    out = [*x_axis(across, TOP, bottom, x_title), *y_axis(up, left, right, y_title)]
    if limit:
        out += [line(left, up.at(limit[0]), right, up.at(limit[0]), RED, 1.5, "5 3"),
                text(left + 8, up.at(limit[0]) - 6, limit[1], size=11, colour=RED)]
    ends = []
    for name, colour, values in series:
        path = "L".join(f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in values)
        out += [f'<path d="M{path}" stroke="{colour}" stroke-width="2" fill="none"/>',
                *[dot(across.at(x), up.at(y), colour) for x, y in values]]
        ends.append([up.at(values[-1][1]), name, colour])
    ends.sort()
    for i, end in enumerate(ends):  # names must not lie upon each other
        if i and end[0] < ends[i - 1][0] + 15:
            end[0] = ends[i - 1][0] + 15
        out.append(text(right + 12, end[0] + 4, end[1], size=11, colour=end[2]))
    return page(title, note, bottom + 56, out)


def dot_chart(title, note, axis_title, rows, entries):
    """rows: (label, [(value, colour)])."""
    axis = Axis(0, 1.05 * max(v for _, dots in rows for v, _ in dots), LABEL, WIDTH - RIGHT)
    out, y = [], TOP
    for label, dots in rows:
        out += [text(LABEL - 10, y + 13, label, "end"),
                line(LABEL, y + 9, axis.end, y + 9, PALE)]
        out += [dot(axis.at(max(value, 0)), y + 9, colour) for value, colour in dots]
        y += 24
    return page(title, note, y + 56,
                [*legend(entries), *x_axis(axis, TOP - 6, y + 4, axis_title), *out])


# ---- the plots ---------------------------------------------------------------------------------

JUMPS = (("jump, count", "counted", BLUE), ("jump, general handler", "handler, general registers",
         GREEN), ("jump, vector handler", "handler, all registers", ORANGE),
         ("jump, record", "recorded: time, two arguments", PURPLE))


def spread(label, values, colour):
    values = [max(v, 0.05) for v in values]
    return (label, statistics.median(values), min(values), max(values), colour) if values else None


def uprobe_kinds(results):
    cases = results.column("kernel uprobe")
    return (("optimized nop5", [r["median"] for r in cases if r["row"] == "nop5"]),
            ("emulated (push, call)", [r["median"] for r in cases if r["row"] in ("push", "call")]),
            ("single-stepped (all others)",
             [r["median"] for r in cases if r["row"] not in ("nop5", "push", "call")]))


def hit_cost(results):
    bars = [spread(f"jump: {name}", [r["difference"] for r in results.column(column)], colour)
            for column, name, colour in ((c, n, BLUE) for c, n, _ in JUMPS)]
    bars += [None]
    bars += [spread(column, [r["median"] for r in results.column(column)], ORANGE)
             for column in ("emulate, count", "emulate, handler", "boost, count",
                            "boost, handler")]
    bars += [None]
    bars += [spread(label, [r["median"] for r in results.column(column)], GREY)
             for label, column in (("the clock of an event alone", "clock of an event"),
                                   ("empty system call", "system call"),
                                   ("uftrace, entry and exit", "uftrace, entry and exit"),
                                   ("bare int3 and SIGTRAP: floor", "floor"))]
    bars += [spread(f"uprobe, {name}", values, GREY) for name, values in uprobe_kinds(results)]
    return bar_chart("What does one hit cost?", results.note(),
                     "nanoseconds, logarithmic; bar: median over first instructions, line: range; "
                     "jumps: over the bare call", trim(bars), log=True,
                     entries=(("emuprobe, no trap", BLUE), ("emuprobe, trap", ORANGE),
                              ("not emuprobe", GREY)))


def trim(bars):
    """Without gaps at the ends and where all between two gaps was skipped."""
    out = []
    for bar in bars:
        if bar or (out and out[-1]):
            out.append(bar)
    while out and not out[-1]:
        out.pop()
    return out


def hit_cost_instructions(results):
    rows = []
    for row in dict.fromkeys(r["row"] for r in results.column("call")):
        dots = [(results.one(row, column)["difference"], colour) for column, _, colour in JUMPS
                if results.one(row, column) and "difference" in results.one(row, column)]
        if dots:
            rows.append((row, dots))
    return dot_chart("Does the first instruction matter to a hit without a trap?", results.note(),
                     "nanoseconds over the bare call", rows,
                     [(name, colour) for _, name, colour in JUMPS])


WAYS = (("batched", "traps, in one batch", BLUE), ("one by one", "traps, one by one", ORANGE),
        ("jumps", "jumps, in one batch", GREEN))


def arm_series(results, column, value):
    series = []
    for way, name, colour in WAYS:
        points = [(int(r["row"].split(",")[0]), value(r)) for r in results.column(column)
                  if r["row"].endswith(way)]
        if points:
            series.append((name, colour, points))
    return series


def arm(results):
    return line_chart("What does it cost to place a probe, by how many are placed?",
                      results.note(), "probes", "microseconds for each, logarithmic",
                      arm_series(results, "arm", lambda r: r["median"] / 1000), log_y=True)


def arm_lookup(results):
    series = [s for s in arm_series(results, "hit one, all armed", lambda r: r["ratio"])
              if s[0] != "traps, one by one"]
    return line_chart("Does a hit cost more when there are more probes?", results.note(),
                      "probes armed", "cost of a hit, as a multiple of that with one armed", series,
                      y_range=(0.9, 1.1), limit=(1.05, "aim: 1.05"))


def arm_memory(results):
    return line_chart("How much memory does a probe take?", results.note(), "probes",
                      "bytes for each, logarithmic (one takes a page)",
                      [s for s in arm_series(results, "memory", lambda r: max(r["median"], 1))
                       if s[0] != "traps, one by one"], log_y=True)


def call_sites(results):
    series = [(name, colour, [(int(r["row"]), r["median"]) for r in results.column(column)])
              for column, name, colour in (("call from another place", "followed", BLUE),
                                           ("bare call", "not probed", GREY))]
    return line_chart("Does a followed call cost more when it may come from more places?",
                      results.note(), "places that call the function",
                      "nanoseconds for a call, each from another place", series)


def backtrace(results):
    rows = list(dict.fromkeys(r["row"] for r in results.cases))
    series = [(name, colour, [(int(row.split()[0]), results.one(row, column)["median"])
                              for row in rows if results.one(row, column)])
              for column, name, colour in (("ep_backtrace", "ep_backtrace()", BLUE),
                                           ("unw_backtrace", "libunwind", GREEN),
                                           ("glibc backtrace", "glibc", GREY))]
    return line_chart("What does a call stack cost?", results.note(), "frames",
                      "nanoseconds for a stack", series)


def threads(results):
    bars = []
    rows = list(dict.fromkeys(r["row"] for r in results.cases))
    colours = (BLUE, GREEN, PURPLE, ORANGE, GREY)
    for column in dict.fromkeys(r["column"] for r in results.cases):
        for i, row in enumerate(rows):
            case = results.one(row, column)
            if case and "ratio" in case:
                share = 1 / case["ratio"]
                bars.append((f"{column}" if i == 1 else "", share, share, share,
                             colours[(i - 1) % len(colours)]))
        bars.append(None)
    if not any(bars):
        return None
    return bar_chart("Do threads that hit the same probe disturb each other?", results.note(),
                     "hits of all threads, as a share of what as many single threads would make",
                     trim(bars), limit=(0.95, "aim: 0.95"),
                     entries=[(row, colours[i % len(colours)]) for i, row in enumerate(rows[1:])])


PROGRAMS = (("malloc, free", "malloc and free counted", BLUE),
            ("all of libc", "all of libc counted", GREEN),
            ("hot one recorded", "a hot function recorded", PURPLE),
            ("kernel uprobes", "malloc and free, kernel uprobes", GREY))


def programs(results):
    bars = []
    for row in dict.fromkeys(r["row"] for r in results.column("unprobed")):
        for i, (column, _, colour) in enumerate(PROGRAMS):
            case = results.one(row, column)
            if case and "ratio" in case:
                bars.append((row if i == 0 else "", case["ratio"], case["ratio"], case["ratio"],
                             colour))
        bars.append(None)
    if not any(bars):
        return None
    return bar_chart("How much of its throughput does a probed program keep?", results.note(),
                     "throughput, as a share of the unprobed program's", trim(bars),
                     limit=(0.98, "aim: 0.98"),
                     entries=[(name, colour) for _, name, colour in PROGRAMS])


def every_case(title, axis_title, unit, log):
    def draw(results):
        bars = [(f'{r["row"]}: {r["column"]}' if r["column"] != "emu_run" else r["row"],
                 r["median"], r["p10"], r["p90"], BLUE)
                for r in results.cases if r["unit"] == unit and r["median"] > 0]
        return bar_chart(title, results.note(), axis_title, bars, log=log)
    return draw


PLOTS = {
    "hit_cost": {"hit_cost": hit_cost, "hit_cost_instructions": hit_cost_instructions},
    "arm": {"arm": arm, "arm_lookup": arm_lookup, "arm_memory": arm_memory},
    "call_sites": {"call_sites": call_sites},
    "backtrace": {"backtrace": backtrace},
    "threads": {"threads": threads},
    "programs": {"programs": programs},
    "emulate": {"emulate": every_case(
        "What does emulating an instruction cost, without the trap?", "nanoseconds; line: 10 % to "
        "90 % of the samples", "ns", False)},
    "out_of_line": {"out_of_line": every_case(
        "What do slots, jumps and detours cost by themselves?", "nanoseconds, logarithmic; line: "
        "10 % to 90 % of the samples", "ns", True)},
}


def main():
    folder = pathlib.Path(sys.argv[1])
    for program, plots in PLOTS.items():
        path = folder / f"{program}.json"
        if not path.exists():
            continue
        results = Results(json.loads(path.read_text()))
        for name, draw in plots.items():
            drawing = draw(results) if results.cases else None
            if drawing:
                (folder / f"{name}.svg").write_text(drawing)


if __name__ == "__main__":
    main()
