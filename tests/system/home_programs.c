/* SPDX-License-Identifier: MIT */
/*
 * Programs with strong opinions: runtimes with signals and generated code of their own, sandboxes,
 * debuggers, other tools that instrument, and processes that lack what most have. Each does what
 * it does without us; where it cannot be probed, it runs unprobed and one line says why.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/system/home.h"

TestSuite(home_programs, .timeout = 200);

#define EVERYDAY EP_PROGRAMS "/everyday"
#define CONFINED EP_PROGRAMS "/confined"
#define FOLDER	 EP_PROGRAMS "/home_programs.dir"
#define UNPROBED " runs unprobed: "
#define LIBC	 EP_SOURCE_DIR "/tests/system/libc.probes" /* no blanks in it */

static void need(const char *program)
{
	struct command_result result = command_shell("command -v %s", program);
	bool there = result.status == 0;

	command_result_deinit(&result);
	if (there)
		return;
	fprintf(stderr, "home_programs: skipped: %s is not installed\n", program);
	cr_skip_test("%s is not installed", program);
}

/* Containers may forbid it, or have a root that is no mount point. */
static void need_success(const char *line)
{
	struct command_result result = command_shell("%s 2>&1", line);

	if (result.signal || result.status) {
		fprintf(stderr, "home_programs: skipped: \"%s\" fails here: %s", line,
			result.output);
		cr_skip_test("\"%s\" fails here", line);
	}
	command_result_deinit(&result);
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	fprintf(stderr, "home_programs: skipped: only root may do this\n");
	cr_skip_test("only root may do this");
}

static void expect_same(const struct command_result *bare, const struct command_result *probed,
			const char *how)
{
	cr_expect_eq(probed->status, bare->status, "%s: status %d: %s", how, bare->status,
		     command_describe(probed));
	cr_expect_eq(probed->signal, bare->signal, "%s: %s", how, command_describe(probed));
	cr_expect(probed->output_size == bare->output_size &&
			  memcmp(probed->output, bare->output, bare->output_size) == 0,
		  "%s: another output: %s", how, command_describe(probed));
}

/* A shell's command line, in which "$E" stands for the launcher and its options. */
static void expect_same_under(int plans, const char *line)
{
	struct command_result bare = command_shell("E=; %s", line), probed;

	for (int i = 0; i < plans; i++) {
		probed = command_shell("E='" EMUPROBE " -q -c %s -f " LIBC " --'; %s",
				       home_plans[i], line);
		expect_same(&bare, &probed, home_plans[i]);
		command_result_deinit(&probed);
	}
	command_result_deinit(&bare);
}

/* Where "$E" is the library alone: the same, and on standard error what is @said. */
static void expect_said_alone(const char *line, const char *said)
{
	struct command_result bare = command_shell("E=; %s", line), probed;

	probed = command_shell("E='env LD_PRELOAD=" PRELOAD " EMUPROBE_QUIET=1 EMUPROBE_COUNT=1 "
			       "EMUPROBE=@" LIBC "'; %s",
			       line);
	expect_same(&bare, &probed, line);
	expect_contains(probed, error, said);
	command_result_deinit(&probed);
	command_result_deinit(&bare);
}

/* ---- runtimes ------------------------------------------------------------------------------ */

Test(home_programs, that_set_masks_past_libc)
{
	home_run(HOME_ALL, EP_PROGRAMS "/raw_masks", NULL);
}

Test(home_programs, node)
{
	need("node");
	expect_same_under(
		HOME_FEW,
		"$E node --expose-gc -e \"const w = require('worker_threads'); "
		"let a = []; for (let i = 0; i < 2e5; i++) a.push({x: 'k' + i}); gc(); "
		"console.log(require('child_process').execSync('echo child') + ''); "
		"new w.Worker('let s = 0; for (let i = 0; i < 1e6; i++) s += i % 7; "
		"require(\\\"worker_threads\\\").parentPort.postMessage(s)', "
		"{eval: true}).on('message', m => { console.log(m); process.exit(3) })\"");
}

#define JAVA                                                                                       \
	"import java.util.concurrent.*;"                                                           \
	"public class Opinion {"                                                                   \
	" static int length(String s) { try { return s.length(); }"                                \
	"  catch (NullPointerException e) { return -1; } }"                                        \
	" static int deeper(int n) { return deeper(n + 1) + 1; }"                                  \
	" public static void main(String[] args) throws Exception {"                               \
	"  long sum = 0;"                                                                          \
	"  for (int i = 0; i < 100000; i++) sum += length(i % 9 == 0 ? null : \"abc\");"           \
	"  System.out.println(sum);"                                                               \
	"  try { deeper(0); } catch (StackOverflowError e) { System.out.println(\"deep\"); }"      \
	"  System.gc();"                                                                           \
	"  ExecutorService pool = Executors.newFixedThreadPool(3);"                                \
	"  System.out.println(pool.submit(() -> 42).get()); pool.shutdown();"                      \
	"  System.exit(3); } }"

Test(home_programs, java)
{
	struct command_result result;

	need("javac");
	result = command_shell("mkdir -p " FOLDER " && cd " FOLDER " && test -e Opinion.class || "
			       "{ cat >Opinion.java <<'END' && javac Opinion.java; }\n%s\nEND\n",
			       JAVA);
	cr_assert_eq(result.status, 0, "%s", command_describe(&result));
	command_result_deinit(&result);
	expect_same_under(HOME_FEW, "$E java -Xmx128m -cp " FOLDER " Opinion");
}

#define GO                                                                                         \
	"package main\n/*\n#include <stdlib.h>\n#include <string.h>\n"                             \
	"static int work(int n) { char *p = malloc(n + 1); memset(p, 'x', n); p[n] = 0; "          \
	"int r = strlen(p); free(p); return r; }\n*/\nimport \"C\"\n"                              \
	"import (\"fmt\"; \"os\"; \"runtime\"; \"sync\")\n"                                        \
	"type T struct{ x int }\n"                                                                 \
	"func get(t *T) (r int) { defer func() { if recover() != nil { r = -1 } }(); "             \
	"return t.x }\n"                                                                           \
	"func main() { var wg sync.WaitGroup; var mu sync.Mutex; sum := 0\n"                       \
	"for i := 0; i < 50; i++ { wg.Add(1); go func(i int) { defer wg.Done()\n"                  \
	"s := 0; for j := 0; j < 100; j++ { s += int(C.work(C.int(i + j))) + get(nil) }\n"         \
	"mu.Lock(); sum += s; mu.Unlock() }(i) }\n"                                                \
	"runtime.GC(); wg.Wait(); fmt.Println(sum, get(&T{5})); os.Exit(4) }\n"

/* The first time, Go compiles its own library: half a minute. */
Test(home_programs, go)
{
	const struct command build = {
		.argv = (const char *const[]){"sh", "-c",
					      "mkdir -p " FOLDER "/go && cd " FOLDER
					      "/go && cat >main.go && export HOME=$PWD "
					      "GOCACHE=$PWD/cache GO111MODULE=off && "
					      "{ test -e opinion || go build -o opinion main.go; }",
					      NULL},
		.input = GO,
		.timeout = 150,
	};
	struct command_result result;

	need("go");
	result = command_run(&build);
	cr_assert_eq(result.status, 0, "%s", command_describe(&result));
	command_result_deinit(&result);
	expect_same_under(HOME_FEW, "$E " FOLDER "/go/opinion");
}

/* ---- sandboxes ----------------------------------------------------------------------------- */

#define FORBIDDEN "membarrier,memfd_create,openat_write,mprotect_exec"

Test(home_programs, that_confine_themselves)
{
	expect_same_under(HOME_ALL, "$E " CONFINED " errno " FORBIDDEN);
	expect_same_under(HOME_FEW, "$E " CONFINED " kill " FORBIDDEN);
	expect_same_under(HOME_FEW, "$E " CONFINED " trap " FORBIDDEN);
}

Test(home_programs, that_are_confined_before_they_start)
{
	static const char *const actions[] = {"errno", "kill", "trap"};
	char line[512];

	for (size_t i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), CONFINED " %s " FORBIDDEN " $E " EVERYDAY, actions[i]);
		expect_said_alone(line, UNPROBED);
		snprintf(line, sizeof(line), "$E " CONFINED " %s " FORBIDDEN " " EVERYDAY,
			 actions[i]);
		expect_same_under(HOME_FEW, line);
	}
}

Test(home_programs, that_forbid_one_thing)
{
	static const char *const names[] = {"membarrier", "memfd_create", "openat_write",
					    "pwrite64", "rt_sigprocmask"};
	char line[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), CONFINED " kill %s $E /bin/echo text", names[i]);
		expect_said_alone(line, UNPROBED);
	}
}

Test(home_programs, the_launcher_in_a_sandbox_refuses)
{
	struct command_result result =
		RUN(CONFINED, "kill", "membarrier", EMUPROBE, "-e", "p main?", "--", EVERYDAY);

	expect_status(result, 125);
	expect_contains(result, error, "seccomp");
	expect_lacks(result, output, "hello");
	command_result_deinit(&result);
}

/* ---- those who look on --------------------------------------------------------------------- */

Test(home_programs, tracers_that_are_probed)
{
	need("gdb");
	expect_same_under(HOME_FEW,
			  "$E gdb -nx -batch -ex 'break say' -ex run -ex continue "
			  "-ex continue " EVERYDAY " 2>/dev/null | grep -c 'Breakpoint 1, '");
	need("strace");
	expect_same_under(HOME_FEW, "$E strace -f -o /dev/null " EVERYDAY);
	need("ltrace");
	expect_same_under(1, "$E ltrace -o /dev/null " EVERYDAY);
}

Test(home_programs, that_are_traced)
{
	need("strace");
	expect_same_under(HOME_FEW, "strace -f -o /dev/null $E " EVERYDAY);
	need("perf");
	expect_same_under(1, "perf record -q -o /dev/null $E " EVERYDAY);
}

/* It stops once, and then the program runs unprobed. */
Test(home_programs, that_run_under_gdb)
{
	struct command_result result;

	need("gdb");
	result = command_shell("gdb -nx -batch -ex 'set startup-with-shell off' "
			       "-ex 'set env EMUPROBE @" LIBC "' "
			       "-ex 'set env LD_PRELOAD " PRELOAD "' -ex 'break say' "
			       "-ex 'handle SIGUSR1 nostop noprint pass' -ex run -ex continue "
			       "-ex continue -ex continue " EVERYDAY " </dev/null");
	cr_expect_eq(command_count(result.output, ", say (text="), 2, "%s",
		     command_describe(&result));
	expect_contains(result, output, "exited with code 06");
	expect_contains(result, error, UNPROBED "a debugger");
	command_result_deinit(&result);
}

/* Promoted probes do not trap: a debugger that is not told of anything sees none. */
Test(home_programs, that_gdb_attaches_to_and_leaves)
{
	struct command_result result;

	need("gdb");
	need("pgrep");
	mkdir(FOLDER, 0755);
	result = command_shell(
		"rm -f " FOLDER "/attached; " EMUPROBE
		" -q -c -e 'p libc.so.6:malloc' -e 'p work' -- " EVERYDAY " wait >" FOLDER
		"/attached & until grep -q hello " FOLDER
		"/attached || ! kill -0 $!; do sleep 0.1; done; "
		"p=$(pgrep -P $!); gdb -nx -batch -p $p -ex 'break usleep' -ex continue "
		"-ex continue -ex delete -ex detach </dev/null 2>&1 | "
		"grep -c 'Breakpoint 1, '; kill -USR2 $p; wait $!; echo $?; cat " FOLDER
		"/attached");
	cr_expect_str_eq(result.output, "2\n6\nhello\ndone\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* ---- those who instrument ------------------------------------------------------------------ */

Test(home_programs, under_valgrind_run_unprobed)
{
	struct command_result result;

	need("valgrind");
	expect_said_alone("$E valgrind -q " EVERYDAY, UNPROBED "valgrind");
	result = RUN("valgrind", "-q", EMUPROBE, "-e", "p main?", "--", EVERYDAY);
	expect_status(result, 125);
	expect_contains(result, error, "emuprobe: valgrind");
	command_result_deinit(&result);
}

static bool expect_sanitized(const char *sanitizer)
{
	char line[512];
	struct command_result result =
		command_shell("mkdir -p " FOLDER "; cc -g -pthread -fsanitize=%s -o " FOLDER
			      "/%s " EP_SOURCE_DIR "/tests/system/programs/everyday.c",
			      sanitizer, sanitizer);
	bool made = result.status == 0;

	command_result_deinit(&result);
	if (!made) {
		fprintf(stderr, "home_programs: skipped: no -fsanitize=%s\n", sanitizer);
		return false;
	}
	snprintf(line, sizeof(line), "$E " FOLDER "/%s", sanitizer);
	expect_same_under(HOME_FEW, line);
	snprintf(line, sizeof(line), "$E " FOLDER "/%s fault 2>&1 | grep -o 'SEGV on unknown'",
		 sanitizer);
	expect_same_under(HOME_FEW, line);
	return true;
}

/* It is probed, both ways. */
static void expect_probed(const char *sanitizer)
{
	struct command_result result;
	char program[256];

	snprintf(program, sizeof(program), FOLDER "/%s", sanitizer);
	result = RUN(EMUPROBE, "-c", "-e", "p:ours main n=%di if n > 0", "--", program);
	expect_contains(result, error, "           1  ");
	command_result_deinit(&result);
	result = command_shell("EMUPROBE='p:ours main' EMUPROBE_COUNT=1 LD_PRELOAD=%s "
			       "ASAN_OPTIONS=verify_asan_link_order=0 %s",
			       PRELOAD, program);
	expect_contains(result, error, "           1  ");
	command_result_deinit(&result);
}

Test(home_programs, with_sanitizers)
{
	static const char *const sanitizers[] = {"address", "thread", "undefined"};

	for (int i = 0; i < 3; i++)
		if (expect_sanitized(sanitizers[i]))
			expect_probed(sanitizers[i]);
}

/* ---- those who lack something -------------------------------------------------------------- */

Test(home_programs, with_little_memory)
{
	struct command_result result =
		command_shell("ulimit -v 30000; " EMUPROBE " -e 'p main?' -- " EVERYDAY);

	expect_status(result, 125);
	expect_contains(result, error, "no memory to share");
	command_result_deinit(&result);
	expect_same_under(HOME_FEW, "ulimit -v 100000; $E " EVERYDAY);
	expect_said_alone("ulimit -f 0; $E " EVERYDAY " | cat", "");
	expect_same_under(HOME_FEW, "ulimit -v 1000000; $E " EVERYDAY);
	expect_same_under(HOME_FEW, "ulimit -l 0; $E " EVERYDAY);
	expect_same_under(HOME_FEW, "ulimit -i 0; $E " EVERYDAY);
	expect_said_alone("ulimit -n 4; $E " EVERYDAY, "");
}

Test(home_programs, that_close_all_descriptors)
{
	static const char *const lines[] = {
		"$E " EP_PROGRAMS "/closes 0",
		"$E " EP_PROGRAMS "/closes 1",
		"$E " EP_PROGRAMS "/closes 2",
		"$E " EP_PROGRAMS "/closes 3",
		"$E " EVERYDAY " <&-",
		"$E " EVERYDAY " >&-",
		"$E " EVERYDAY " 2>&-",
		"$E " EVERYDAY " <&- >&- 2>&-",
		"$E " EP_PROGRAMS "/closes 0 <&- >&- 2>&-",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		expect_same_under(1, lines[i]);
		expect_said_alone(lines[i], "");
	}
}

Test(home_programs, without_proc)
{
	need_root();
	mkdir(FOLDER, 0755);
	mkdir(FOLDER "/jail", 0755);
	expect_same_under(HOME_FEW, "$E " EP_PROGRAMS "/jailed " FOLDER "/jail");
}

Test(home_programs, with_another_proc)
{
	need("unshare");
	need_success("unshare -m mount -t tmpfs none /proc");
	expect_said_alone("unshare -m sh -c \"mount -t tmpfs none /proc && exec $E " EVERYDAY "\"",
			  UNPROBED);
	expect_same_under(HOME_FEW, "unshare -m sh -c \"mount -o bind,ro /proc /proc && exec $E "
				    "$0 $1\" " EVERYDAY);
}

Test(home_programs, whose_output_cannot_be_written)
{
	static const struct {
		const char *path, *said;
	} cases[] = {
		{"/dev/full", "no more events are written"},
		{"/nonexistent/file", "No such file or directory"},
		{"/", "Is a directory"},
		{FOLDER "/fifo", ""},
	};

	mkdir(FOLDER, 0755);
	mkfifo(FOLDER "/fifo", 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command_result result = command_shell(
			"EMUPROBE='p libc.so.6:malloc' EMUPROBE_OUTPUT=%s LD_PRELOAD=" PRELOAD
			" exec " EVERYDAY,
			cases[i].path);

		expect_status(result, 6);
		cr_expect_str_eq(result.output, "hello\ndone\n");
		expect_contains(result, error, cases[i].said);
		command_result_deinit(&result);
	}
	expect_same_under(HOME_FEW, "$E " EVERYDAY " 2>/dev/full");
}
