#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# What a viewer would make of a trace: each thread's slices, indented by their depth, and the rest.
#   formats.py perfetto FILE   what protoc --decode=Trace has printed
#   formats.py chrome FILE     JSON
#   formats.py svg FILE        a flame graph: its boxes lie on those that they are in
# Fails where slices are not nested, or anything is named before it is known.
import json
import re
import sys
import xml.dom.minidom


def parse(text):
    """protoc's text as lists of (key, value), a message's value being such a list."""
    root = []
    stack = [root]
    for line in text.split("\n"):
        line = line.strip()
        if line.endswith("{"):
            message = []
            stack[-1].append((line[:-1].strip(), message))
            stack.append(message)
        elif line == "}":
            stack.pop()
        elif line:
            key, value = line.split(": ", 1)
            assert not key.isdigit(), "an unknown field: " + line
            stack[-1].append((key, value))
    assert len(stack) == 1
    return root


def unquote(text):
    """A string of protoc's: octal escapes of bytes, which must be UTF-8."""
    def byte(match):
        code = match.group(1)
        return bytes([int(code, 8)]) if code[:1].isdigit() else {
            b"n": b"\n", b"r": b"\r", b"t": b"\t"}.get(code, code)
    raw = re.sub(rb"\\([0-7]{3}|.)", byte, text[1:-1].encode("latin-1"), flags=re.S)
    return raw.decode("utf-8")


def show(tracks):
    """tracks: {name: [(time, order, phase, label)]}, phase B, E or i."""
    for name in sorted(tracks):
        print("thread", ascii(name))
        stack = []
        for time, _, phase, label in sorted(tracks[name], key=lambda e: e[:2]):
            if phase == "E":
                assert stack, "an end without a beginning"
                stack.pop()
                continue
            print("  " * len(stack) + phase, label)
            if phase == "B":
                stack.append(time)
        assert not stack, "a beginning without an end"


class Perfetto:
    def __init__(self):
        self.names = {}
        self.tracks = {}
        self.events = {}
        self.counters = []
        self.clock = None

    def intern(self, interned):
        for kind, entry in interned:
            entry = dict(entry)
            number = (kind, entry["number"])
            assert number not in self.names
            self.names[number] = unquote(entry["text"])

    def describe(self, track):
        track = dict(track)
        if "parent" in track:
            assert track["parent"] in self.tracks
        kind = [k for k in ("process", "thread", "counter") if k in track][0]
        fields = dict(track[kind])
        name = unquote(track["name"]) if kind == "counter" else unquote(fields["name"])
        self.tracks[track["uuid"]] = (kind, name)

    def label(self, event):
        ret = self.names["events", dict(event)["name"]]
        for key, value in event:
            if key == "category":
                assert self.names["categories", value]
            if key != "annotation":
                continue
            value = dict(value)
            name = self.names["annotations", value.pop("name")]
            (kind, value), = value.items()
            if kind == "string":
                value = ascii(unquote(value))
            if kind == "string_number":
                value = self.names["strings", value]
            ret += " %s=%s" % (name, value)
        return ret

    def add(self, time, event):
        fields = dict(event)
        kind, name = self.tracks[fields["track"]]
        if fields["type"] == "COUNTER":
            assert kind == "counter"
            self.counters.append("%s %s" % (name, fields.get("counter", fields.get("counter_double"))))
            return
        assert kind == "thread"
        phase = {"BEGIN": "B", "END": "E", "INSTANT": "i"}[fields["type"]]
        events = self.events.setdefault(name, [])
        events.append((time, len(events), phase, "" if phase == "E" else self.label(event)))

    def read(self, packets):
        for index, (key, packet) in enumerate(packets):
            assert key == "packet"
            fields = dict(packet)
            assert fields["sequence"] == "1"
            assert (index == 0) == ("is_first" in fields)
            if "defaults" in fields:
                self.clock = dict(fields["defaults"])["clock"]
            if "clock_snapshot" in fields:
                assert dict(fields["clock_snapshot"])["primary"] == "3"
            if "interned" in fields:
                self.intern(fields["interned"])
            if "track" in fields:
                self.describe(fields["track"])
            if "track_event" in fields:
                self.add(int(fields["timestamp"]), fields["track_event"])

    def show(self):
        print("clock", self.clock)
        print("processes", sorted({ascii(n) for k, n in self.tracks.values() if k == "process"}))
        show(self.events)
        for counter in self.counters:
            print("counter", counter)


def perfetto(text):
    trace = Perfetto()
    trace.read(parse(text))
    trace.show()


def nanoseconds(text):
    whole, part = text.split(".")
    assert len(part) == 3
    return int(whole + part)


def chrome(text):
    names, tracks, counters = {}, {}, []
    for event in json.loads(text, parse_float=str)["traceEvents"]:
        track = (event["pid"], event["tid"])
        if event["ph"] == "M":
            if event["name"] == "thread_name":
                names[track] = event["args"]["name"]
            continue
        label = " ".join([event["name"]] + ["%s=%s" % (k, ascii(v) if isinstance(v, str) else v)
                                            for k, v in event["args"].items() if k != "cpu"])
        start = nanoseconds(event["ts"])
        events = tracks.setdefault(names[track], [])
        if event["ph"] == "C":
            counters.append(label)
        elif event["ph"] == "i":
            events.append((start, 0, "i", label))
        else:
            end = start + nanoseconds(event["dur"])
            events.append((start, -end, "B", label))
            events.append((end, -start, "E", ""))
    show(tracks)
    for counter in counters:
        print("counter", counter)


def svg(text):
    rows = {}
    boxes = []
    document = xml.dom.minidom.parseString(text.encode("utf-8"))
    for group in document.getElementsByTagName("g"):
        rect = group.getElementsByTagName("rect")[0]
        title = group.getElementsByTagName("title")[0].firstChild.data
        left, width = float(group.getAttribute("data-x")), float(group.getAttribute("data-w"))
        assert abs(float(rect.getAttribute("x")) - 10 - left * 1180) < 0.02
        assert abs(float(rect.getAttribute("width")) - width * 1180) < 0.02
        boxes.append((float(rect.getAttribute("y")), left, left + width, title))
    for y, left, right, title in boxes:
        below = [b for b in boxes if b[0] == y + 17 and b[1] <= left + 1e-6 and b[2] >= right - 1e-6]
        assert len(below) == 1 or title.startswith("all ("), title
        beside = [b for b in boxes if b[0] == y and b[1] < right - 1e-6 and b[2] > left + 1e-6]
        assert len(beside) == 1, title
        rows[y] = rows.get(y, []) + [re.sub(r" \([^()]*\)$", "", title)]
    for y in sorted(rows, reverse=True):
        print(" ".join(ascii(title) for title in rows[y]))


if __name__ == "__main__":
    with open(sys.argv[2], encoding="latin-1" if sys.argv[1] == "perfetto" else "utf-8") as file:
        {"perfetto": perfetto, "chrome": chrome, "svg": svg}[sys.argv[1]](file.read())
