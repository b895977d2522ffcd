#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Symbols that no compiler would make, and whether what is said of them is harmless.
#   hostile.py make IN OUT   the program IN with such symbols
#   hostile.py plain         standard input is UTF-8 in lines, without control characters
#   hostile.py json          each line is JSON, and the places are those symbols in full
import json
import sys
import unicodedata

# Two that say ESC and CSI, as one byte, as a character, and of two bytes; one that is no UTF-8.
NAMES = {
    b"hostile_0123456789": b"hostile_\x1b[31m\x1b]0;\a",
    b"hostile_abcdefghij": b"hostile_\n\r\"\\\x7f.bcde",
    b"hostile_ABCDEFGHIJ": b"hostile_\xc2\x9b31m\xc2\x85\x9b\x90m",
    b"hostile_klmnopqrst": b"hostile_\xff\xfe\xe2\x82\xac\xc3.\xed\xa0a",
}


def make(source, target):
    with open(source, "rb") as file:
        program = file.read()
    for name, hostile in NAMES.items():
        assert len(name) == len(hostile), hostile
        assert name in program, name
        program = program.replace(name, hostile)
    with open(target, "wb") as file:
        file.write(program)


def plain():
    lines = sys.stdin.buffer.read().decode("utf-8").split("\n")
    assert len(lines) > len(NAMES), lines
    for line in lines:
        controls = [c for c in line if unicodedata.category(c) == "Cc"]
        assert not controls, ascii(line)


def check_json():
    places = set()
    for line in sys.stdin.buffer.read().decode("utf-8").splitlines():
        one = json.loads(line)
        if "place" in one:
            places.add(one["place"])
    wanted = {"hostile:" + name.decode("utf-8", "replace") for name in NAMES.values()}
    simple = {place.replace("\ufffd", "") for place in places}
    assert simple == {name.replace("\ufffd", "") for name in wanted}, ascii(places)


if sys.argv[1] == "make":
    make(*sys.argv[2:])
elif sys.argv[1] == "plain":
    plain()
else:
    check_json()
