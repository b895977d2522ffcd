# SPDX-License-Identifier: MIT
# The Linux Test Project's tests of the system calls for signals, processes, masks, waits and memory,
# and its Open POSIX test suite for signals and threads. Debian has no package of it: LTP says where
# it has been configured, and built in testcases/kernel/syscalls and testcases/open_posix_testsuite.

# shellcheck disable=SC2034 # by run
LTP_PACKAGES=()
LTP=${LTP:-/usr/src/ltp}

ltp_is_there()
{
	[ -r "$LTP/runtest/syscalls" ] && [ -x "$LTP/testcases/kernel/syscalls/kill/kill02" ] && return
	echo "ltp skipped: LTP does not name a folder with a built Linux Test Project"
	return 1
}

LTP_CALLS='^(rt_sig|rt_tgsig|sig|kill|tgkill|tkill|wait|clone|fork|vfork|exec|exit|mmap|mprotect'
LTP_CALLS+='|munmap|mremap|madvise|process_madvise|brk|sbrk|mlock|munlock|futex|poll|ppoll|pselect'
LTP_CALLS+='|select|epoll_|alarm|pause|setitimer|getitimer|timer_|abort|pidfd|nanosleep|membarrier'
LTP_CALLS+='|prctl|ptrace|setsid)'
LTP_POSIX='/(sig|kill|raise|killpg|pthread_|fork|alarm|aio_|timer_|mq_notify)[^/]*/'

# ltp_one PLAN NAME COMMAND...: a verdict, with what the test says of itself.
ltp_one()
{
	local plan=$1 name=$2 status

	shift 2
	(probed "$plan" 'p libc.so.6:*; p *' "$@") >"$output/$name" 2>&1 </dev/null
	status=$?
	echo "$name $status-$(grep -c TFAIL "$output/$name")-$(grep -c TBROK "$output/$name")"
}

ltp_syscalls()
{
	local plan=$1 name command

	awk -v calls="$LTP_CALLS" '$1 ~ calls' "$LTP/runtest/syscalls" | while read -r name command; do
		read -r -a command <<<"$command"
		cd "$(dirname "$(type -P "${command[0]}")")" 2>/dev/null || continue
		ltp_one "$plan" "$name" "${command[@]}"
	done
}

ltp_posix()
{
	local plan=$1 root=$LTP/testcases/open_posix_testsuite/conformance/interfaces test

	for test in "$root"/*/*.run-test; do
		[[ $test =~ $LTP_POSIX ]] || continue
		cd "$(dirname "$test")" || continue
		ltp_one "$plan" "posix-$(basename "$PWD")-$(basename "$test" .run-test)" "$test"
	done
}

suite_ltp()
{
	local plan=$1 in_front=(timeout -k 5 90) output

	output=$(folder ltp "$plan")
	PATH=$PATH:$(printf '%s:' "$LTP"/testcases/kernel/syscalls/*/)
	export LTPROOT=$LTP TMPDIR=$output LTP_COLORIZE_OUTPUT=0
	ltp_syscalls "$plan"
	ltp_posix "$plan"
}
