#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the README's pictures anew: usage: tests/docs/pictures.py BUILD_FOLDER [FOLDER]

graph.svg is what a terminal of 100 columns shows of --graph, flame.svg what --flame writes. FOLDER is docs/pictures.
"""
import html
import os
import pty
import re
import subprocess
import sys
import fcntl
import struct
import termios

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLUMNS = 100
ROWS_MAX = 34
GRAPH = ["--graph=libsqlite3.so.0:sqlite3_*", "--min-time=20us", "--", "sqlite3", ":memory:",
         "create table t(a); insert into t with recursive n(x) as (select 1 union all select x + 1 from n where "
         "x < 2000) select x from n; select sum(a) from t"]
FLAME = ["-e", "r libsqlite3.so.0:*", "--", "sqlite3", ":memory:",
         "create table t(a); insert into t with recursive n(x) as (select 1 union all select x + 1 from n where "
         "x < 3000) select x from n; create index i on t(a); select sum(a) from t"]
# Select graphic rendition (ECMA-48) to attributes of SVG.
STYLES = {"": "", "0": "", "2": ' fill="#7d8590"', "33": ' fill="#d29922"', "31": ' fill="#f47067"',
          "1;31": ' fill="#f47067" font-weight="bold"'}
CHARACTER, LINE, MARGIN = 7.25, 17, 16


def on_terminal(command):
    """What the command writes to a terminal, and its exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execv(command[0], command)
    output = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        output += data
    return output.decode("utf-8", "replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def spans(line):
    """Yields (style, text) of a line with escape sequences."""
    style = ""
    for part in re.split("(\x1b\\[[0-9;]*m)", line):
        if part.startswith("\x1b"):
            style = STYLES[part[2:-1]]
        elif part:
            yield style, part


def drawing(lines):
    width, height = 2 * MARGIN + CHARACTER * COLUMNS, 2 * MARGIN + LINE * len(lines)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
           'font-family="ui-monospace, DejaVu Sans Mono, monospace" font-size="12">')
    yield f'<rect width="{width:.0f}" height="{height}" rx="6" fill="#0d1117"/>'
    for number, line in enumerate(lines):
        text = "".join(f"<tspan{style}>{html.escape(part)}</tspan>" for style, part in spans(line))
        yield (f'<text x="{MARGIN}" y="{MARGIN + LINE * number + 12}" fill="#e6edf3" '
               f'xml:space="preserve">{text}</text>')
    yield "</svg>"


def graph(program, path):
    output, status = on_terminal([program] + GRAPH)
    output = re.sub("\r[^\n]*\r|\x1b\\[[JK]", "", output.replace("\r\n", "\n"))
    lines = output.split("\n")
    first = next((i for i, line in enumerate(lines) if "sqlite3_open_v2()" in line), 0)
    if status:
        sys.exit(f"--graph: status {status}\n{output}")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(drawing(lines[first:first + ROWS_MAX])) + "\n")


def flame(program, path):
    subprocess.run([program, "-q", "--flame", path] + FLAME, check=True, stdout=subprocess.DEVNULL)


def main(build, folder=os.path.join(TOP, "docs/pictures")):
    program = os.path.abspath(os.path.join(build, "emuprobe"))
    os.makedirs(folder, exist_ok=True)
    graph(program, os.path.join(folder, "graph.svg"))
    flame(program, os.path.join(folder, "flame.svg"))


main(*sys.argv[1:])
