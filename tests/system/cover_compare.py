# SPDX-License-Identifier: MIT
"""Compares a tracefile of ours with what gcov says of the same run.

usage: cover_compare.py SOURCE.gcov FUNCTIONS TRACEFILE SOURCE

Functions have to agree exactly, and all lines that both know. Of a function's beginning and end gcov has
the line of its name, and debug information those of its braces; labels and "else" are lines for gcov, and
have no code.
"""
import re
import sys

gcov, functions_file, info, source = sys.argv[1:]
theirs, ours, functions, called = {}, {}, {}, {}
for line in open(gcov):
    parts = [part.strip() for part in line.split(":")]
    if len(parts) > 2 and parts[0] not in ("-", "") and parts[1].isdigit() and int(parts[1]):
        theirs[int(parts[1])] = parts[0][0] not in "#="
name = None
for line in open(functions_file):
    found = re.match("Function '(.*)'", line)
    if found:
        name = found[1]
    found = re.match("Lines executed:([0-9.]+)% of", line)
    if found and name:
        functions[name] = float(found[1]) > 0
        name = None
inside = False
for line in open(info):
    if line.startswith("SF:"):
        inside = line.strip().endswith(source)
    if inside and line.startswith("DA:"):
        number, hit = line[3:].split(",")
        ours[int(number)] = int(hit) > 0
    if inside and line.startswith("FNDA:"):
        hit, name = line[5:].strip().split(",")
        if not name.startswith('_sub_'):  # of the instrumentation itself
            called[name] = int(hit) > 0
if not functions or functions != called:
    sys.exit(f"functions: {functions} {called}")
wrong = sorted(n for n in theirs if n in ours and theirs[n] != ours[n])
both = theirs.keys() & ours.keys()
missing, more = sorted(theirs.keys() - ours.keys()), sorted(ours.keys() - theirs.keys())
print(f"{len(theirs)} lines, {len(ours)} of ours; differ {wrong}, missing {missing}, more {more}")
if wrong or len(both) < 40:
    sys.exit("lines differ")
print("they agree")
