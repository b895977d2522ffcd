# SPDX-License-Identifier: MIT
"""Runs programs/keeps under --ring, and looks at what is left.

usage: ring_check.py EMUPROBE KEEPS WHAT SIZE THREADS [OPTION...]

WHAT: a number, the signal by which the program is killed; "child", a child is, by SIGKILL; "usr2" and
"dump", what there is is asked for while it runs, three times; "if": an event asks for it.

Each thread's events have to count up without a gap, over all dumps, and the last one has to be what the
thread has said to be the last, or the next one: it says so after the event.
"""
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

emuprobe, keeps, what, size, threads, *options = sys.argv[1:]
threads = int(threads)
folder = tempfile.TemporaryDirectory()
said, out = folder.name + "/said", folder.name + "/out"
open(said, "wb").write(bytes(8 * 64))


def progress():
    words = struct.unpack("64q", open(said, "rb").read(8 * 64))
    return words[0], words[1 : 1 + threads]


def wait_until(what):
    for _ in range(6000):
        if what():
            return
        time.sleep(0.01)
    sys.exit("nothing happens")


def dumps():
    return open(out).read().count("--- dump") if os.path.exists(out) else 0


def goes_on(by):
    before = progress()[1]
    wait_until(lambda: all(b >= a + by for a, b in zip(before, progress()[1])))


command = [emuprobe, "-q", f"--ring={size}", "-o", out, *options]
command += ["-e", f"p:tick {keeps}:tick thread=%di:u64 n=%si:u64", "--", keeps, said, str(threads)]
launcher = subprocess.Popen(command + (["1"] if what == "child" else []))
if what != "if":
    goes_on(20000)
pid = progress()[0]
if what == "child":
    os.kill(pid, signal.SIGKILL)
elif what in ("usr2", "dump"):
    assert dumps() == 0
    for n in range(3):
        if what == "usr2":
            launcher.send_signal(signal.SIGUSR2)
        else:
            subprocess.run([emuprobe, "dump", str(pid)], check=True)
        wait_until(lambda: dumps() == n + 1)
        goes_on(20000)
    time.sleep(0.5)  # the last one is being written
    launcher.send_signal(signal.SIGTERM)
elif what == "if":
    wait_until(lambda: dumps() == 1)
    wait_until(lambda: progress()[0])
    os.kill(progress()[0], signal.SIGTERM)
else:
    os.kill(pid, int(what))
status = launcher.wait(60)
last = {}
# Of 32 bytes each: the ring is full but for less than one of them, and one that was just being written.
kept = int(size.replace("K", "")) * (1024 if "K" in size else 1) // 32 - 2 if "M" not in size else 0
count = 0
of_thread = [0] * threads
for line in open(out):
    if line.startswith("--- dump"):
        print(line.strip())
        last_of_dump, fresh = {}, set()
        continue
    found = re.search(r": tick: .* thread=(\d+) n=(\d+)$", line)
    if not found:
        continue
    thread, n = int(found[1]), int(found[2])
    count += 1
    of_thread[thread] += 1
    if thread in fresh and n != last[thread] + 1:
        sys.exit(f"thread {thread}: {n} behind {last[thread]}")
    if n <= last.get(thread, 0):
        sys.exit(f"thread {thread}: {n} comes again, behind {last[thread]}")
    last[thread] = n
    fresh.add(thread)
_, done = progress()
if what not in ("usr2", "dump", "if"):
    for thread in range(threads):
        # Of a fault, the engine puts the text back for a core file: then threads go on unseen until they die.
        if what == "11" and 0 < last.get(thread, 0) <= done[thread]:
            continue
        if last.get(thread, 0) - done[thread] not in (0, 1):
            sys.exit(f"thread {thread}: the last one is {last.get(thread)}, not {done[thread]}")
        if of_thread[thread] < kept:
            sys.exit(f"thread {thread}: {of_thread[thread]} events are kept, not {kept}")
print(f"status {status}, {dumps()} dumps, {'some' if count else 'no'} events")
