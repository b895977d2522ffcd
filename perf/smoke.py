# SPDX-License-Identifier: MIT
"""smoke.py PROGRAM...: run benchmarks as briefly as they can, and look at what they say.

Every case must have a line in the table, with a figure or the reason why it was skipped, and each
program a plot. How long anything took is nobody's business here: the limit is for what hangs, and far
above the 33 seconds that the longest took where traps are dear and others wanted the processors.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

# What a case may be skipped for, on some machine.
REASONS = ("cannot be executed elsewhere", "has no rule", "too long", "not installed", "uprobe",
           "perf_event_open", "no result", "is not there")
NO_RESULT = (": each", ": hits")  # too few hits, or none


def run(program, folder):
    name = pathlib.Path(program).name
    result = folder / f"{name}.json"
    output = subprocess.run([program, "--smoke", "--json", result],
                            capture_output=True, text=True, timeout=600, check=False)
    if output.returncode or output.stderr:
        return f"exit status {output.returncode}; {output.stderr}"
    return check(json.loads(result.read_text()), output.stdout)


def check(data, table):
    lines = table.splitlines()
    measured = 0
    for case in data["results"]:
        name = f'{case["row"]}: {case["column"]}'
        if not any(l.startswith(case["row"]) and f' {case["column"]} ' in l for l in lines):
            return f"{name}: not in the table"
        if "skipped" not in case:
            measured += 1
        elif not any(r in case["skipped"] for r in REASONS):
            return f'{name}: skipped: {case["skipped"]}'
        elif case["skipped"] == "no result" and not case["column"].endswith(NO_RESULT):
            return f"{name}: failed"
    return None if measured else "nothing was measured"


def main():
    here = pathlib.Path(__file__).parent
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for program in sys.argv[1:]:
            failure = run(program, folder)
            if failure:
                failures.append(f"{program}: {failure}")
        for script, args in (("plot.py", [folder]), ("publish.py", [folder, folder / "docs"])):
            subprocess.run([sys.executable, here / script, *args], check=True)
        for program in sys.argv[1:]:
            name = pathlib.Path(program).name
            if name == "threads" and len(os.sched_getaffinity(0)) == 1:
                continue  # nothing to compare
            if not list((folder / "docs").glob(f"{name}*.svg")):
                failures.append(f"{program}: no plot")
        if not (folder / "docs" / "README.md").exists():
            failures.append("nothing was published")
    print("\n".join(failures) or "every case ran, or said why not")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
