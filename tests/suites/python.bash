# SPDX-License-Identifier: MIT
# Python's own tests of what is hardest for us: signals, threads, children, descriptors. Of the
# interpreter, libc and the loader every function is counted, in the workers and their children too.

PYTHON=python$(version_of python3 python)
PYTHON_PACKAGES=("lib$PYTHON-testsuite" "$PYTHON")

PYTHON_QUICK=(test_os test_posix test_threading test_socket)
PYTHON_ALL=("${PYTHON_QUICK[@]}" test_signal test_subprocess test_multiprocessing_fork test_asyncio)

# Virtual machines have AF_VSOCK without anybody who answers.
python_one()
{
	local plan=$1 test=$2 dir=$3 in_front=(timeout -k 5 900)

	mkdir "$dir/$test"
	(cd "$dir/$test" && probed "$plan" "$EVERYTHING" "/usr/bin/$PYTHON" -m test -j1 -v \
		--timeout 600 -i '*VSOCK*' --junit-xml "$dir/$test.xml" "$test") \
		>"$dir/$test.out" 2>"$dir/$test.err" </dev/null
	echo "$test.exit_status $?"
	awk -v RS='<testcase ' '
	NR > 1 {
		match($0, /name="[^"]*"/)
		name = substr($0, RSTART + 6, RLENGTH - 7)
		gsub(/ /, "_", name)
		print name, /<error/ ? "error" : /<failure/ ? "failure" : /<skipped/ ? "skipped" : \
			/status="run"/ ? "passed" : "not-run"
	}' "$dir/$test.xml"
	[ "$plan" = bare ] || sed -n "s/^emuprobe: \(.* processes\)/    $test: \1/p" "$dir/$test.err" >&2
}

suite_python()
{
	local plan=$1 dir tests=("${PYTHON_ALL[@]}") test

	[ "$plan" = bare ] || [ "$plan" = auto ] || tests=("${PYTHON_QUICK[@]}")
	dir=$(folder python "$plan")
	for test in "${tests[@]}"; do
		python_one "$plan" "$test" "$dir"
	done
}
