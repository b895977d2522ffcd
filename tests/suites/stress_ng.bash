# SPDX-License-Identifier: MIT
# stress-ng, which checks its own results: signals from all sides, threads, children, address space.

STRESS_NG_PACKAGES=(stress-ng)

STRESSORS=(aio alarm bad-altstack clone context daemon exec exit-group fork futex itimer kill malloc
	membarrier mmap mutex nanosleep opcode poll pthread ptrace rseq sem sigabrt sigchld sigfd sigfpe
	sigio signal signest sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap stack stackmmap
	switch timer timerfd tlb-shootdown usersyscall vdso vfork vforkmany vm-segv wait zombie)

suite_stress_ng()
{
	local plan=$1 dir stressor in_front=(timeout -k 5 60)
	local definitions='p libc.so.6:*; p ld-linux-x86-64.so.2:*'

	dir=$(folder stress_ng "$plan")
	for stressor in "${STRESSORS[@]}"; do
		mkdir "$dir/$stressor"
		(cd "$dir/$stressor" && probed "$plan" "$definitions" \
			stress-ng --"$stressor" 2 --timeout 2s --verify --no-rand-seed --log-file log) \
			>"$dir/$stressor.out" 2>"$dir/$stressor.err" </dev/null
		echo "$stressor $?$(grep -q 'stress-ng: fail:' "$dir/$stressor.err" && echo -failed)"
	done
}
