/* SPDX-License-Identifier: MIT */
/*
 * Claims: what runs already can be probed (-p, --name), and left, as often as one likes, and is as it was
 * then, whatever it was doing; what cannot be is refused, with a reason; a launcher that dies at any moment
 * leaves nothing behind but memory.
 */
#include <stdint.h>

#include <layout.h>

#include "tests/system/cli.h"

TestSuite(attach, .timeout = 900);

#define PROGRAM EP_PROGRAMS "/attached"
#define WANTED	"-e 'p:w attached_work'"

/* In "$d", with "$p" running in @way, until END. */
#define START(way)                                                                                 \
	"d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && mkfifo $d/in && { " PROGRAM " " way         \
	" <$d/in >$d/out & } && p=$! && exec 9>$d/in && "                                          \
	"until grep -q ready $d/out; do sleep 0.01; done; "
#define END "\nexec 9>&-; wait $p; echo \"end $?\"; cat $d/out"

/* Until there are events, however long that takes; "$l" is the launcher. */
#define PROBE(options)                                                                             \
	"rm -f $d/events; " EMUPROBE " " options " -o $d/events " WANTED                           \
	" -p $p 2>$d/error & l=$!; "                                                               \
	"until [ -s $d/events ] || ! kill -0 $l 2>/dev/null; do sleep 0.01; done; "
/* Not by SIGINT, which a shell has those in the background ignore. */
#define LEAVE "kill -TERM $l; wait $l; echo \"left $?\"; cat $d/error; "

/* What the probed function begins with, and how many mappings and descriptors there are. */
#define BYTES                                                                                      \
	"at=$(( 0x$(head -n 1 /proc/$p/maps | cut -d- -f1) + "                                     \
	"0x$(nm " PROGRAM " | sed -n 's/ [Tt] attached_work//p') )); "
#define SHOW_BYTES  "dd if=/proc/$p/mem bs=1 skip=$at count=16 2>/dev/null | od -An -tx1; "
#define COUNT_FILES "ls /proc/$p/fd | wc -l; "

static struct command_result run_shell(const char *command)
{
	return command_shell("%s", command);
}

static void expect_fine(const char *command)
{
	struct command_result result = run_shell(command);

	expect_contains(result, output, "end 0\n");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

/* ---- attaching and leaving ----------------------------------------------------------------- */

Test(attach, events_and_a_summary)
{
	struct command_result result =
		run_shell(START("registers") PROBE("") LEAVE "cat $d/events" END);

	expect_contains(result, output, "left 0\n");
	expect_contains(result, output, "w: (attached:attached_work)\n");
	expect_contains(result, output, "attached:attached_work\n");
	expect_contains(result, output, "end 0\n");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

#define MANY_TIMES "for i in 1 2 3 4 5; do " PROBE("") LEAVE "done"

Test(attach, registers_and_errno_are_kept)
{
	expect_fine(START("registers") MANY_TIMES END);
}

Test(attach, system_calls_wait_as_long_as_they_were_to)
{
	expect_fine(START("waits") MANY_TIMES END);
}

Test(attach, system_calls_do_not_end_because_their_thread_stops)
{
	expect_fine(START("stops") MANY_TIMES END);
}

Test(attach, short_calls_of_threads_that_are_held_do_not_end_early)
{
	for (int i = 0; i < 8; i++)
		expect_fine(START("sleeps") PROBE("") LEAVE END);
}

/* The window is in the first attachment. */
Test(attach, handlers_that_block_all_signals_may_be_set_meanwhile)
{
	for (int i = 0; i < 8; i++)
		expect_fine(START("handlers") PROBE("") LEAVE END);
}

/* What it has interrupted is behind a jump then. */
Test(attach, a_handler_that_waits_can_be_attached_to_again)
{
	struct command_result result = run_shell(START("inside") MANY_TIMES END);

	expect_lacks(result, output, "no thread of it came");
	expect_lacks(result, output, "goes on");
	expect_contains(result, output, "end 0\nready\nfine\n");
	command_result_deinit(&result);
}

Test(attach, threads_that_block_all_signals_are_probed)
{
	expect_fine(START("masked") MANY_TIMES END);
}

Test(attach, threads_may_come_and_go)
{
	expect_fine(START("threads") MANY_TIMES END);
}

Test(attach, signals_are_handled_meanwhile)
{
	expect_fine(START("alarms") MANY_TIMES END);
}

Test(attach, the_allocator_is_not_disturbed)
{
	expect_fine(START("allocates") MANY_TIMES END);
}

Test(attach, the_bytes_are_restored)
{
	struct command_result result =
		run_shell(START("registers") BYTES "{ " SHOW_BYTES "} >$d/before; " PROBE(
			"") "{ " SHOW_BYTES "} >$d/probed; " LEAVE "{ " SHOW_BYTES
			    "} >$d/after; cmp $d/before $d/after && "
			    "! cmp -s $d/before $d/probed && echo restored" END);

	expect_contains(result, output, "restored\n");
	command_result_deinit(&result);
}

/* The library and the engine stay, once. */
Test(attach, nothing_is_left_open_and_memory_does_not_grow)
{
	struct command_result result =
		run_shell(START("registers") COUNT_FILES MANY_TIMES
			  "; wc -l </proc/$p/maps >$d/some; " COUNT_FILES MANY_TIMES
			  "; wc -l </proc/$p/maps >$d/more; cmp $d/some $d/more && echo flat; "
			  "ls /proc/$p/task | wc -l" END);

	expect_contains(result, output, "flat\n1\nend 0\n");
	command_result_deinit(&result);
}

Test(attach, a_time_can_be_given)
{
	expect_fine(START("registers") EMUPROBE " -c " WANTED " -p $p --for 0.2s" END);
}

Test(attach, a_process_is_found_by_its_name)
{
	struct command_result result = run_shell(
		START("registers") "cp " PROGRAM " $d/unmistakable && mkfifo $d/in2 && "
				   "{ $d/unmistakable registers <$d/in2 >/dev/null & } && exec "
				   "8>$d/in2; until grep -qx unmistakable /proc/$!/comm; do "
				   "sleep 0.01; done; " EMUPROBE
				   " -c -e 'p:w attached_work' --name=unmistakable --for 0.1 2>&1; "
				   "exec 8>&-" END);

	expect_contains(result, output, "unmistakable:attached_work");
	command_result_deinit(&result);
}

/*
 * A shell closes its standard output, and puts another file in its place. What is opened meanwhile by a thread of
 * ours must not get that number.
 */
Test(attach, descriptors_are_not_those_of_the_program)
{
	struct command_result result = run_shell(
		"e=$(mktemp) && for i in $(seq 20); do "
		"sh -c 'while :; do echo x >/dev/null; done' 2>>$e & p=$!; sleep 0.1; " EMUPROBE
		" -q -c -e 'p:w libc.so.6:write' -p $p --for 0.05 --deadline 60 || echo failed; "
		"kill $p; wait $p 2>/dev/null; done; cat $e; rm $e; echo end");

	cr_expect_str_eq(result.output, "end\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* The loader waits for somebody who writes, and libc is mapped later than what it was to read. */
Test(attach, a_process_that_is_just_starting)
{
	struct command_result result = run_shell(
		"d=$(mktemp -d) && mkfifo $d/wait && { LD_PRELOAD=$d/wait sleep 100 2>/dev/null & "
		"} && "
		"p=$! && until grep -q sleep /proc/$p/comm; do :; done; sleep 0.2; "
		"grep -c libc.so /proc/$p/maps; { sleep 0.5; : >$d/wait; } & " EMUPROBE
		" -c -e 'p:w libc.so.6:write' -p $p --for 0.1 2>&1; echo \"status $?\"; kill $p; "
		"rm -r $d");

	expect_contains(result, output, "0\n");
	expect_contains(result, output, "libc.so.6:write\n");
	expect_contains(result, output, "status 0\n");
	command_result_deinit(&result);
}

/* All, or none. */
Test(attach, several_processes)
{
	struct command_result result = run_shell(START(
		"registers") "mkfifo $d/in2 && { " PROGRAM " registers <$d/in2 >$d/out2 & } && "
			     "q=$! && exec 8>$d/in2; until grep -q ready $d/out2; do sleep 0.01; "
			     "done; " EMUPROBE " -c " WANTED " -p $p,$q --for 0.2 2>&1; " EMUPROBE
			     " -c " WANTED " -p $p,99999999 2>&1; "
			     "until [ $(ls /proc/$p/task | wc -l) = 1 ]; do sleep 0.01; done; "
			     "exec 8>&-; wait $q" END);

	expect_contains(result, output, "emuprobe: 2 processes\n");
	expect_contains(result, output, "99999999: there is no such process");
	expect_contains(result, output, "end 0\n");
	command_result_deinit(&result);
}

/* What its children execute is, too: only that ends by _exit(). */
Test(attach, children_are_followed)
{
	struct command_result result =
		run_shell(START("children") EMUPROBE
			  " -o $d/events -e 'p:e libc.so.6:_exit' -p $p 2>$d/error & "
			  "l=$!; until [ -s $d/events ] || ! kill -0 $l 2>/dev/null; do sleep "
			  "0.01; done; " LEAVE "cat $d/events" END);

	expect_contains(result, output, "true-");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

/* ---- a launcher that dies ------------------------------------------------------------------ */

Test(attach, probes_are_removed_when_the_launcher_is_killed)
{
	struct command_result result =
		run_shell(START("registers") BYTES "{ " SHOW_BYTES "} >$d/before; " PROBE(
			"") "kill -KILL $l; wait $l; "
			    "until { " SHOW_BYTES
			    "} | cmp -s - $d/before; do sleep 0.01; done; rm $d/events; "
			    "until [ $(ls /proc/$p/task | wc -l) = 1 ]; do sleep 0.01; "
			    "done; " PROBE("") LEAVE END);

	expect_contains(result, output, "left 0\n");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

/* EMUPROBE_ATTACH_DIES: attach/attach.c has the steps. */
Test(attach, a_launcher_may_die_at_any_step)
{
	struct command_result result = run_shell(
		START("registers") COUNT_FILES
		"for s in 1 2 3 4 5 6 7 8 9 10 11 12; do "
		"EMUPROBE_ATTACH_DIES=$s " EMUPROBE " -c " WANTED
		" -p $p 2>/dev/null; echo \"$s: $?\"; "
		"until [ $(ls /proc/$p/task | wc -l) = 1 ]; do sleep 0.01; done; done; " PROBE("")
			LEAVE COUNT_FILES END);

	for (int step = 1; step <= 12; step++) {
		char text[32];

		snprintf(text, sizeof(text), "%d: 137\n", step);
		expect_contains(result, output, text);
	}
	expect_contains(result, output, "left 0\n");
	expect_contains(result, output, "end 0\n");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

/* Of a system call with a time to wait, too. */
Test(attach, a_launcher_may_die_while_the_program_waits)
{
	expect_fine(START("waits") "for s in 2 4 6 8 10 12; do EMUPROBE_ATTACH_DIES=$s " EMUPROBE
				   " -c " WANTED " -p $p 2>/dev/null; done" END);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void expect_refusal(const char *command, const char *why)
{
	struct command_result result = run_shell(command);

	expect_contains(result, output, why);
	expect_contains(result, output, "status 125\n");
	command_result_deinit(&result);
}

#define TRY(pid)                                                                                   \
	EMUPROBE " -c -e 'p:x libc.so.6:getpid' -p " pid " --for 0.1 2>&1; echo \"status $?\""
#define COPY_SLEEP "d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cp /bin/sleep $d/sleep && "
#define SLEEP	   "{ sleep 1000 & } && p=$! && sleep 0.1; "
#define KILL	   "; kill -KILL $p"
#define COMPILE(cc)                                                                                \
	"d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && "                                           \
	"echo '#include <unistd.h>\nint main(void){for(;;)pause();}' >$d/a.c && " cc               \
	" $d/a.c -o $d/a && { $d/a & } && p=$! && sleep 0.1; "

Test(attach, what_is_not_there)
{
	expect_refusal(TRY("99999999"), "there is no such process");
	expect_refusal(EMUPROBE " -c " WANTED " --name=no-such-name 2>&1; echo \"status $?\"",
		       "--name=no-such-name: there is no such process");
}

Test(attach, a_process_that_has_ended)
{
	expect_refusal(
		"/usr/bin/python3 -c 'import os,time\npid=os.fork()\nif pid==0: os._exit(0)\n"
		"time.sleep(0.2)\nos.system(\"" EMUPROBE
		" -c -e p:x=libc.so.6:getpid -p %d 2>&1; echo status $?\" % pid)' | "
		"sed 's/^emuprobe: p:x.*/x/'",
		"status 125\n");
	expect_refusal(
		"/usr/bin/python3 -c 'import os,time\npid=os.fork()\nif pid==0: os._exit(0)\n"
		"time.sleep(0.2)\nos.system(\"" EMUPROBE
		" -c -f /dev/stdin -p %d 2>&1 <<.\\np:x libc.so.6:getpid\\n.\\necho status $?\" % "
		"pid)'",
		"it has ended, and waits to be reaped");
}

Test(attach, a_process_that_is_stopped)
{
	expect_refusal(SLEEP "kill -STOP $p; sleep 0.1; " TRY("$p") KILL, "it is stopped; SIGCONT");
}

Test(attach, a_process_that_is_traced)
{
	struct command_result strace = run_shell("strace true 2>/dev/null && echo works");
	bool works = strstr(strace.output, "works");

	command_result_deinit(&strace);
	if (!works)
		cr_skip_test("strace does not work here");
	expect_refusal(
		SLEEP "strace -o /dev/null -p $p 2>/dev/null & s=$!; "
		      "until grep -q 'TracerPid:.[1-9]' /proc/$p/status; do sleep 0.01; done; " TRY(
			      "$p") "; kill $s" KILL,
		"another process traces it");
}

Test(attach, a_process_that_another_launcher_probes)
{
	struct command_result result =
		run_shell(START("registers") PROBE("") "{ " TRY("$p") "; }; " LEAVE END);

	expect_contains(result, output, "another launcher probes it already");
	expect_contains(result, output, "status 125\n");
	expect_contains(result, output, "left 0\n");
	command_result_deinit(&result);
}

Test(attach, a_process_that_was_started_with_probes)
{
	expect_refusal(EMUPROBE " -q -c -e 'p:x libc.so.6:getpid' -- sleep 1000 & "
				"until p=$(cat /proc/$!/task/$!/children) && [ \"$p\" ] && "
				"grep -q emuprobe-code /proc/${p% }/maps; "
				"do sleep 0.1; done; p=${p% }; " TRY("$p") KILL,
		       "it was started with probes");
}

Test(attach, a_static_program)
{
	expect_refusal(COMPILE("cc -static") TRY("$p") KILL, "it is statically linked");
}

Test(attach, a_program_of_musl)
{
	struct command_result musl = run_shell("command -v musl-gcc");
	bool there = musl.status == 0;

	command_result_deinit(&musl);
	if (!there)
		cr_skip_test("musl-gcc is not installed");
	expect_refusal(COMPILE("musl-gcc") TRY("$p") KILL, "its C library is not glibc");
}

/* A library that is in @how for ever, until a handler interrupts it after @alarm seconds, and waits. */
#define STUCK(library, how, alarm)                                                                 \
	"d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cd $d && "                                  \
	"printf '#include <string.h>\\n#include <unistd.h>\\nstatic char m[1<<20];\\n"             \
	"void stuck(void){for(;;)" how ";}' >l.c && "                                              \
	"cc -shared -fPIC l.c -o " library " && "                                                  \
	"printf '#include <signal.h>\\n#include <unistd.h>\\nvoid stuck(void);\\n"                 \
	"static void wait(int s){(void)s;for(;;)pause();}\\n"                                      \
	"int main(void){signal(SIGALRM,wait);alarm(" alarm ");stuck();}' >p.c && "                 \
	"cc p.c ./" library " -o p && { ./p & } && p=$! && sleep 1.5; "

/* It is one by its name. Nobody can tell what it holds. */
Test(attach, a_thread_inside_of_an_allocator_is_not_borrowed)
{
	expect_refusal(STUCK("libmymalloc.so", "pause()", "0") TRY("$p") KILL,
		       "no thread of it came to a safe place");
}

Test(attach, a_thread_that_has_interrupted_libc_is_not_borrowed)
{
	expect_refusal(STUCK("libmine.so", "memset(m,1,sizeof(m))", "1") TRY("$p") KILL,
		       "no thread of it came to a safe place");
}

Test(attach, a_program_that_probes_itself)
{
	expect_refusal("LD_PRELOAD=" EP_BUILD_DIR
		       "/libemuprobe.so sleep 1000 & p=$!; sleep 0.2; " TRY("$p") KILL,
		       "it has an engine of its own");
}

/* As if it had been built with other headers: its sessions are laid out otherwise. */
Test(attach, a_program_that_another_build_has_probed)
{
	static const uint64_t layout = TRACE_SESSION_LAYOUT;
	struct command_result result;
	char bytes[3 * sizeof(layout) + 1];

	for (size_t i = 0; i < sizeof(layout); i++)
		snprintf(bytes + 3 * i, sizeof(bytes) - 3 * i, "%02x ",
			 ((const unsigned char *)&layout)[i]);
	result = command_shell(
		START("registers") "mkdir $d/other && cp " EMUPROBE " " EP_BUILD_DIR
				   "/libemuprobe-preload.so $d/other && python3 -c 'if True:\n"
				   " import sys\n"
				   " layout = bytes.fromhex(\"%s\")\n"
				   " for name in sys.argv[1:]:\n"
				   "  old = open(name, \"rb\").read()\n"
				   "  open(name, \"r+b\").write(old.replace(layout, "
				   "layout[::-1]))\n"
				   "' $d/other/*; "
				   "$d/other/emuprobe -c " WANTED
				   " -p $p --for 0.1 2>&1; echo \"other $?\"; " TRY("$p") END,
		bytes);
	expect_contains(result, output, "other 0\n");
	expect_contains(result, output, "what is loaded there is of another build of emuprobe");
	expect_contains(result, output, "status 125\n");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

/* The kernel's own threads belong to root, who may look at them. */
Test(attach, a_thread_of_the_kernel)
{
	struct command_result result = run_shell("grep -q VmSize /proc/2/status || echo kernel");
	bool is_kernel = strstr(result.output, "kernel");

	command_result_deinit(&result);
	if (!is_kernel)
		cr_skip_test("process 2 is not a thread of the kernel here");
	expect_refusal(TRY("2"), "it is a thread of the kernel");
}

Test(attach, a_process_of_another_user)
{
	struct command_result result = run_shell("setpriv --reuid 1001 --clear-groups true");
	bool works = result.status == 0;

	command_result_deinit(&result);
	if (!works)
		cr_skip_test("only root can become another user");
	expect_refusal(SLEEP "setpriv --reuid 1001 --clear-groups " TRY("$p") KILL,
		       "it may not be traced");
}

Test(attach, nothing_is_attached_to_that_is_refused_later)
{
	struct command_result result = run_shell(
		START("registers") BYTES
		"{ " SHOW_BYTES "} >$d/before; " EMUPROBE
		" -c -e 'p:w no_such_function' -p $p 2>&1; echo \"status $?\"; { " SHOW_BYTES
		"} | cmp - $d/before && echo same" END);

	expect_contains(result, output, "no_such_function");
	expect_contains(result, output, "status 125\n");
	expect_contains(result, output, "same\n");
	expect_contains(result, output, "fine\n");
	command_result_deinit(&result);
}

Test(attach, the_command_line)
{
	expect_refusal(EMUPROBE " -c " WANTED " -p 1 true 2>&1; echo \"status $?\"", "not both");
	expect_refusal(EMUPROBE " -l -p 1,2 2>&1; echo \"status $?\"", "-l: of one process");
	expect_refusal(EMUPROBE " -c " WANTED " -p 1,x 2>&1; echo \"status $?\"",
		       "the number of a process");
}
