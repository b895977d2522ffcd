# SPDX-License-Identifier: MIT
# Other libraries that are preloaded: set before the launcher, by the program for what it executes,
# and by hand on either side of ours.

PRELOADS_PACKAGES=(faketime fakeroot libjemalloc2 libtcmalloc-minimal4 python3.11)

PRELOADS_LIBRARIES=(libjemalloc.so.2 libtcmalloc_minimal.so.4 faketime/libfaketimeMT.so.1)
PRELOADS_FOLDER=/usr/lib/x86_64-linux-gnu

preloads_script()
{
	cat <<-'END'
		import json, subprocess, threading, time
		def work():
		    for i in range(200):
		        json.dumps(list(range(1000)))
		threads = [threading.Thread(target=work) for i in range(4)]
		[t.start() for t in threads]
		[t.join() for t in threads]
		print(subprocess.check_output(["date", "+%Y-%m"]))
		print(len([bytearray(i) for i in range(20000)]), time.strftime("%Y-%m"))
	END
}

# preloads_one NAME COMMAND...
preloads_one()
{
	local name=$1

	shift
	("$@") >"$name.out" 2>"$name.err" </dev/null
	echo "$name $?-$(md5sum <"$name.out" | cut -d' ' -f1)"
}

# preloads_by_hand PLAN PRELOAD COMMAND...
preloads_by_hand()
{
	local plan=$1 preload=$2

	shift 2
	[ "$plan" = bare ] || export EMUPROBE_COUNT=1 EMUPROBE_QUIET=1 EMUPROBE_PLAN=$plan \
		EMUPROBE="p libc.so.6:*"
	exec env LD_PRELOAD="$preload" "$@"
}

suite_preloads()
{
	local plan=$1 library name ours=$build/libemuprobe-preload.so python=/usr/bin/python3.11
	local root='touch f; chown 12:34 f; stat -c %u:%g f; id -u'

	cd "$(folder preloads "$plan")" || return
	[ "$plan" != bare ] || ours=
	preloads_script >script.py
	export FAKETIME='@2020-01-02 03:04:05'
	for library in "${PRELOADS_LIBRARIES[@]}"; do
		name=$(basename "$library" .so)
		library=$PRELOADS_FOLDER/$library
		LD_PRELOAD=$library preloads_one "$name-before" probed "$plan" 'p libc.so.6:*' \
			"$python" script.py
		preloads_one "$name-inside" probed "$plan" 'p libc.so.6:*' \
			env LD_PRELOAD="$library" "$python" script.py
		preloads_one "$name-first" preloads_by_hand "$plan" "$library:$ours" "$python" script.py
		preloads_one "$name-last" preloads_by_hand "$plan" "$ours:$library" "$python" script.py
	done
	preloads_one fakeroot probed "$plan" 'p libc.so.6:*' fakeroot sh -c "$root"
}
