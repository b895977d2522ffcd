# SPDX-License-Identifier: MIT
# What all suites use. A suite runs under a plan, "bare" without us, and leaves a file of verdicts,
# one line "TEST VERDICT" for each test or check; compare() says where they differ.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=${BUILD:-$here/../../build}
scratch=${SCRATCH:-/tmp/emuprobe-suites.$UID}

EVERYTHING='p libc.so.6:*; p ld-linux-x86-64.so.2:*; p *'

# What stands in front of the launcher: another user, a time limit.
in_front=()

# probed PLAN DEFINITIONS COMMAND...: replaces the shell by it.
probed()
{
	local plan=$1 definitions=$2

	shift 2
	[ "$plan" = bare ] || set -- "$build/emuprobe" -c -v --plan "$plan" -e "$definitions" -- "$@"
	exec "${in_front[@]}" nice -n 5 "$@"
}

# The version that a package without one in its name stands for here: "3.11" for python3 and
# "python", which depends on python3.11; "none", a package that nobody has, where it is not known.
version_of()
{
	local found

	found=$(LC_ALL=C apt-cache depends "$1" 2>/dev/null |
		sed -n "s/^ *Depends: $2\([0-9.]*\)\$/\1/p" | head -n 1)
	echo "${found:-none}"
}

# A new empty folder for what @1 leaves behind under plan @2.
folder()
{
	rm -rf "${scratch:?}/$1-$2"
	mkdir -p "$scratch/$1-$2"
	echo "$scratch/$1-$2"
}

# hits FILE FUNCTION: from a summary, all objects together.
hits()
{
	awk -v name=":$2\$" '$1 ~ /^[0-9]+$/ && $NF ~ name { n += $1 } END { print n + 0 }' "$1"
}

# expect_count PLAN CHECK COUNTED WANTED: a verdict; unprobed there is nothing to compare.
expect_count()
{
	if [ "$1" = bare ] || { [ "$3" = "$4" ] && [ "$4" -gt 0 ]; }; then
		echo "$2 exact"
	else
		echo "$2 counted-$3-not-$4"
	fi
	[ "$1" = bare ] || echo "    $2: $3 hits" >&2
}

# Every two seconds the anonymous memory, in KiB, of the processes that COMMAND prints.
watch_memory()
{
	local output=$1 pid

	shift
	while sleep 2; do
		for pid in $("$@"); do
			awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null
		done | awk '{ n += $1 } END { if (NR) print n }' >>"$output"
	done
}

# A quarter and 2 MiB more at the end than after a third of the time is growth.
memory_verdict()
{
	awk -v name="$2" '
	{ at[NR] = $1 }
	function mean(from, to,   i, sum) {
		for (i = from; i <= to; i++)
			sum += at[i]
		return sum / (to - from + 1)
	}
	END {
		if (NR < 9) {
			print "memory too-few-samples"
			exit
		}
		third = int(NR / 3)
		early = mean(third, 2 * third)
		late = mean(2 * third + 1, NR)
		printf "    memory of %s: %d samples, %d KiB, then %d KiB\n", name, NR, early, late \
			>"/dev/stderr"
		print "memory " (late > early * 1.25 + 2048 ? "grows" : "steady")
	}' "$1"
}

# retry SECONDS COMMAND...
retry()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# Of all processes below @1.
descendants()
{
	local child

	for child in $(pgrep -P "$1"); do
		echo "$child"
		descendants "$child"
	done
}

# compare SUITE PLAN BARE PROBED: what differs, and whether expected.txt has it.
compare()
{
	awk -v suite="$1" -v plan="$2" '
	FILENAME ~ /expected.txt$/ {
		if (!/^#/ && $1 == suite && ($2 == "*" || $2 == plan)) {
			key = $3 " " $4
			$1 = $2 = $3 = $4 = ""
			sub(/^ +/, "")
			why[key] = $0
		}
		next
	}
	FILENAME == ARGV[2] {
		bare[$1] = $2
		seen[$1]
		next
	}
	{
		probed[$1] = $2
		seen[$1]
	}
	END {
		for (test in seen) {
			n++
			if (bare[test] == probed[test]) {
				same++
				continue
			}
			key = test " " probed[test]
			if (key in why)
				expected++
			printf "  %s: unprobed %s, probed %s%s\n", test, bare[test], probed[test],
				key in why ? ": expected, " why[key] : ""
		}
		printf "%-8s %-5s %5d tests, %5d verdicts same, %d differ, %d of these expected\n",
			suite, plan, n, same, n - same, expected
		if (bare["load_failures"] > 0) {
			print "  the load itself failed"
			exit 1
		}
		exit !n || n - same > expected
	}' "$here/expected.txt" "$3" "$4"
}
