#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs what a document shows: usage: tests/docs/run.py [--write] BUILD_FOLDER DOCUMENT...

Of each document the ```sh blocks are run, one after the other, in one empty folder, where build/ is the build
folder and the document's repository can be read. A command that fails is an error. A ```text block right behind a
```sh block shows what that printed; it must print something. With --write it is replaced by what came out now, so
that one command renews all outputs: times and process numbers differ each time, and are not compared.
"""
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT = 300  # seconds a block may take


def split(text):
    """Yields (language, lines): of text between blocks None, of a block what stands behind its fence."""
    language, lines = None, []
    for line in text.splitlines():
        if line.startswith("```"):
            yield language, lines
            language, lines = (line[3:], []) if language is None else (None, [])
        else:
            lines.append(line)
    yield language, lines


def join(parts):
    out = []
    for language, lines in parts:
        out += lines if language is None else ["```" + language] + lines + ["```"]
    return "\n".join(out) + "\n"


def prepare(folder, build):
    os.symlink(build, os.path.join(folder, "build"))
    for name in ("README.md", "CHANGELOG.md", "include", "docs"):
        os.symlink(os.path.join(TOP, name), os.path.join(folder, name))


def run(lines, folder):
    env = dict(os.environ, PATH=os.path.join(folder, "build") + ":" + os.environ["PATH"], LC_ALL="C.UTF-8")
    shell = subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=folder, env=env, timeout=LIMIT,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return shell.returncode, shell.stdout.decode("utf-8", "replace").rstrip("\n").split("\n")


def check(path, build, write):
    with open(path, encoding="utf-8") as file:
        parts = [[language, lines] for language, lines in split(file.read())]
    count = failures = 0
    with tempfile.TemporaryDirectory(prefix="emuprobe-docs-") as folder:
        prepare(folder, build)
        for i, (language, lines) in enumerate(parts):
            if language != "sh":
                continue
            count += 1
            status, output = run(lines, folder)
            shown = i + 2 < len(parts) and parts[i + 2][0] == "text" and not "".join(parts[i + 1][1]).strip()
            if status or (shown and output == [""]):
                failures += 1
                print(f"{path}: status {status}:", *lines, *output, sep="\n")
            elif shown and write:
                parts[i + 2][1] = [line.rstrip() for line in output]
    if write and not failures:
        with open(path, "w", encoding="utf-8") as file:
            file.write(join(parts))
    print(f"{path}: {count} blocks run, {failures} failed")
    return failures or not count


def main(args):
    write = args[:1] == ["--write"]
    build, *documents = args[write:]
    return 1 if any([check(path, os.path.abspath(build), write) for path in documents]) else 0


sys.exit(main(sys.argv[1:]))
