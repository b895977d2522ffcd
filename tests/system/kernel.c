/* SPDX-License-Identifier: MIT */
/*
 * The kernel counts and records the same program and functions: both must see the same hits.
 *
 * Both start at the same moment: the preloaded library starts before any other constructor, and for
 * the kernel's turn another one stops the program at that very place.
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/uprobes.h"
#include "tests/system/cli.h"

TestSuite(kernel, .timeout = 300);

#define STOP EP_PROGRAMS "/libstop.so"

struct function {
	const char *path;    /* of the executable; NULL: of the library */
	const char *library; /* NULL: it is in the executable */
	const char *symbol;
	uint64_t plus; /* bytes behind it */
};

static void need_uprobes(void)
{
	const char *missing = uprobes_missing();

	if (!missing)
		return;
	fprintf(stderr, "kernel: skipped: %s\n", missing);
	cr_skip_test("%s", missing);
}

static const char *path_of(const struct function *function)
{
	return function->path ? function->path : uprobes_path(function->library);
}

static uint64_t offset_of(const struct function *function)
{
	uint64_t ret = uprobes_offset(path_of(function), function->library, function->symbol);

	cr_assert_neq(ret, 0, "%s is not there", function->symbol);
	return ret + function->plus;
}

/* As many variables as under the launcher. Stopped at its first constructor. */
static pid_t start_stopped(const char *const *argv)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout))
			_exit(126);
		setenv("LD_PRELOAD", STOP, 1);
		setenv("EMUPROBE_SESSION", "", 1);
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_DFL);
		sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL);
		execvp(argv[0], (char *const *)argv);
		_exit(99);
	}
	waitpid(pid, &status, WUNTRACED);
	cr_assert(WIFSTOPPED(status), "%s has not stopped", argv[0]);
	return pid;
}

static void finish(pid_t pid)
{
	int status;

	kill(pid, SIGCONT);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

static void count_by_kernel(const char *const *argv, const struct function *functions, size_t count,
			    uint64_t *ret)
{
	pid_t pid = start_stopped(argv);
	int fds[64];

	for (size_t i = 0; i < count; i++) {
		fds[i] = uprobes_count(pid, path_of(&functions[i]), offset_of(&functions[i]));
		cr_assert_geq(fds[i], 0, "%s+%lu: %s", functions[i].symbol,
			      (unsigned long)functions[i].plus, strerror(errno));
	}
	finish(pid);
	for (size_t i = 0; i < count; i++) {
		ret[i] = uprobes_read(fds[i]);
		close(fds[i]);
	}
}

/* By file offset, so that both mean the same byte. */
static void define(const struct function *function, size_t index, char *ret, size_t size)
{
	snprintf(ret, size, "p:e%zu %s:0x%lx", index,
		 function->library ? function->library : function->path,
		 (unsigned long)offset_of(function));
}

static struct command_result run_probed(const char *plan, const char *const *argv,
					const struct function *functions, size_t count)
{
	const char *command[192] = {EMUPROBE, "-c", "--format=json", "--plan", plan};
	char definitions[64][256];
	size_t used = 5;

	for (size_t i = 0; i < count; i++) {
		define(&functions[i], i, definitions[i], sizeof(definitions[i]));
		command[used++] = "-e";
		command[used++] = definitions[i];
	}
	command[used++] = "--";
	while (*argv)
		command[used++] = *argv++;
	return command_run(&(struct command){.argv = command, .timeout = 400});
}

static uint64_t hits_in(const char *text, size_t index)
{
	uint64_t ret = 0;
	char event[32];

	snprintf(event, sizeof(event), "\"event\":\"e%zu\"", index);
	for (; (text = strstr(text, event)); text++)
		ret += strtoul(strstr(text, "\"hits\":") + 7, NULL, 10);
	return ret;
}

static bool is_refused(const char *text, size_t index)
{
	char event[32];

	snprintf(event, sizeof(event), "\"event\":\"e%zu\"", index);
	text = strstr(text, event);
	return !text || strncmp(strstr(text, "\"plan\":") + 7, "\"refused", 8) == 0;
}

static void expect_same_counts(const char *const *argv, const struct function *functions,
			       size_t count)
{
	static const char *const plans[] = {"auto", "trap", "jump"};
	uint64_t wanted[64];

	count_by_kernel(argv, functions, count, wanted);
	for (size_t p = 0; p < sizeof(plans) / sizeof(plans[0]); p++) {
		struct command_result result = run_probed(plans[p], argv, functions, count);

		expect_status(result, 0);
		for (size_t i = 0; i < count; i++) {
			uint64_t hits = hits_in(result.error, i);

			cr_expect(!is_refused(result.error, i), "%s: %s", functions[i].symbol,
				  command_describe(&result));
			cr_expect_eq(hits, wanted[i],
				     "%s, plan %s, %s+%lu: %lu hits, the kernel %lu", argv[0],
				     plans[p], functions[i].symbol,
				     (unsigned long)functions[i].plus, (unsigned long)hits,
				     (unsigned long)wanted[i]);
		}
		command_result_deinit(&result);
	}
}

#define SQL                                                                                        \
	"create table t(a integer primary key, b text);"                                           \
	"with recursive n(x) as (select 1 union all select x + 1 from n where x < 5000) "          \
	"insert into t select x, 'row ' || x from n;"                                              \
	"select count(*), sum(length(b)) from t;"

static const char *const sqlite3[] = {"/usr/bin/sqlite3", ":memory:", SQL, NULL};

static void need_program(const char *path)
{
	if (access(path, X_OK))
		cr_skip_test("%s is not installed", path);
}

Test(kernel, counts_of_sqlite3, .init = need_uprobes)
{
	static const struct function functions[] = {
		{NULL, "libc.so.6", "malloc", 0},
		{NULL, "libc.so.6", "free", 0},
		{NULL, "libc.so.6", "realloc", 0},
		/* An IFUNC. Not memcpy(): realloc() calls it or not, as the heap happens to be. */
		{NULL, "libc.so.6", "memcmp", 0},
		/* Not memset(): the kernel's uprobe on its EVEX instruction ends the program. */
		{NULL, "libc.so.6", "strlen", 0},
		{NULL, "libsqlite3.so.0", "sqlite3_step", 0},
		{NULL, "libsqlite3.so.0", "sqlite3_prepare_v2", 0},
		{NULL, "libsqlite3.so.0", "sqlite3_free", 0},
		{NULL, "libsqlite3.so.0", "sqlite3_malloc64", 0},
		{NULL, "libsqlite3.so.0", "sqlite3_initialize", 0},
	};

	need_program(sqlite3[0]);
	expect_same_counts(sqlite3, functions, sizeof(functions) / sizeof(functions[0]));
}

Test(kernel, counts_of_xz, .init = need_uprobes)
{
	static const char *const argv[] = {"/usr/bin/xz", "-T1", "-k", "-c", "/usr/bin/xz", NULL};
	static const struct function functions[] = {
		{NULL, "libc.so.6", "malloc", 0},	{NULL, "libc.so.6", "free", 0},
		{NULL, "libc.so.6", "memcpy", 0},	{NULL, "libc.so.6", "memmove", 0},
		{NULL, "liblzma.so.5", "lzma_code", 0},
	};

	need_program(argv[0]);
	if (!uprobes_path("liblzma.so.5"))
		cr_skip_test("no liblzma.so.5");
	expect_same_counts(argv, functions, sizeof(functions) / sizeof(functions[0]));
}

Test(kernel, counts_of_our_program, .init = need_uprobes)
{
	static const char *const argv[] = {WORK,    "call", "50000", "environment",
					   "sleep", "1",    NULL};
	static const struct function functions[] = {
		{WORK, NULL, "target", 0},	 {WORK, NULL, "main", 0},
		{WORK, NULL, "never_called", 0}, {NULL, "libc.so.6", "usleep", 0},
		{NULL, "libc.so.6", "exit", 0},
	};

	expect_same_counts(argv, functions, sizeof(functions) / sizeof(functions[0]));
}

/*
 * perf_event_open() does not follow threads and children, tracefs cannot tell processes apart: so it
 * watches files that no other process uses, copies of the program and of libc.
 */
static char folder[] = "/tmp/emuprobe-kernel-XXXXXX";

static void copy_files(void)
{
	struct command_result result;

	need_uprobes();
	cr_assert(mkdtemp(folder));
	result = command_shell("cp '%s' '%s' '%s'", uprobes_path("libc.so.6"),
			       EP_PROGRAMS "/threads", folder);
	expect_status(result, 0);
	command_result_deinit(&result);
	setenv("LD_LIBRARY_PATH", folder, 1);
}

static void remove_files(void)
{
	struct command_result result;

	uprobes_stop_everywhere();
	unsetenv("LD_LIBRARY_PATH");
	result = command_shell("rm -r '%s'", folder);
	command_result_deinit(&result);
}

static void count_everywhere(const char *const *argv, const struct function *functions,
			     size_t count, uint64_t *ret)
{
	pid_t pid = start_stopped(argv);

	for (size_t i = 0; i < count; i++)
		if (uprobes_count_everywhere(
			    (unsigned int)i, functions[i].path,
			    uprobes_offset(functions[i].path, NULL, functions[i].symbol))) {
			int error = errno;

			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			fprintf(stderr, "kernel: skipped: tracefs: %s\n", strerror(error));
			cr_skip_test("tracefs: %s", strerror(error));
		}
	finish(pid);
	for (size_t i = 0; i < count; i++)
		ret[i] = uprobes_read_everywhere((unsigned int)i);
	uprobes_stop_everywhere(); /* else its breakpoints are in ours' way */
}

/* All processes' hits of each plan are what the kernel saw. */
static void expect_same_everywhere(const char *const *argv, const struct function *functions,
				   size_t count)
{
	static const char *const plans[] = {"auto", "trap", "jump"};
	uint64_t wanted[16];

	count_everywhere(argv, functions, count, wanted);
	for (size_t p = 0; p < sizeof(plans) / sizeof(plans[0]); p++) {
		struct command_result result = run_probed(plans[p], argv, functions, count);

		expect_status(result, 0);
		for (size_t i = 0; i < count; i++)
			cr_expect_eq(hits_in(result.error, i), wanted[i],
				     "plan %s, %s: %lu hits, the kernel %lu", plans[p],
				     functions[i].symbol, (unsigned long)hits_in(result.error, i),
				     (unsigned long)wanted[i]);
		command_result_deinit(&result);
	}
}

Test(kernel, counts_of_threads_and_children, .init = copy_files, .fini = remove_files)
{
	static char program[64], libc[64];
	const char *const argv[] = {program, "8", "5", "3", NULL};
	const struct function functions[] = {
		{program, NULL, "run", 0},   {program, NULL, "compare", 0},
		{libc, NULL, "malloc", 0},   {libc, NULL, "free", 0},
		{libc, NULL, "qsort", 0},    {libc, NULL, "pthread_create", 0},
		{libc, NULL, "sem_post", 0}, {libc, NULL, "strdup", 0},
		{libc, NULL, "waitpid", 0},  {libc, NULL, "pthread_mutex_lock", 0},
	};

	snprintf(program, sizeof(program), "%s/threads", folder);
	snprintf(libc, sizeof(libc), "%s/libc.so.6", folder);
	expect_same_everywhere(argv, functions, sizeof(functions) / sizeof(functions[0]));
}

/* Each instruction in the first bytes of malloc() and free(). */
Test(kernel, counts_in_the_middle_of_functions, .init = need_uprobes)
{
	static struct function functions[64];
	size_t count = 0;

	need_program(sqlite3[0]);
	for (uint64_t plus = 0; plus < 24; plus++) {
		const struct function all[] = {{NULL, "libc.so.6", "malloc", plus},
					       {NULL, "libc.so.6", "free", plus}};

		for (int i = 0; i < 2; i++) {
			struct command_result result;
			char definition[256];

			define(&all[i], 0, definition, sizeof(definition));
			result = RUN(EMUPROBE, "-n", "-e", definition, "--", sqlite3[0]);
			if (strncmp(result.output, "refused", 7) != 0)
				functions[count++] = all[i];
			command_result_deinit(&result);
		}
	}
	cr_assert_gt(count, 4);
	expect_same_counts(sqlite3, functions, count);
}

#define ARGUMENTS_MAX 100000

/* Each value is too long for what sqlite3 keeps for short ones, whatever its version. */
static const char *const allocates[] = {
	"/usr/bin/sqlite3", ":memory:",
	"with recursive n(x) as (select 1 union all select x + 1 from n where x < 2000) "
	"select max(length(hex(zeroblob(1000 + x)))) from n",
	NULL};

static long record_by_kernel(const struct function *function, uint64_t *ret)
{
	pid_t pid = start_stopped(allocates);
	struct uprobes_log log;
	int error = uprobes_record(pid, path_of(function), offset_of(function), &log);

	if (error) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_skip_test("events cannot be recorded: %s", strerror(errno));
	}
	finish(pid);
	return uprobes_values(&log, ret, ARGUMENTS_MAX);
}

/* The size that each malloc() was asked for, from the first call to the last. */
Test(kernel, arguments_of_events, .init = need_uprobes)
{
	static const struct function function = {NULL, "libc.so.6", "malloc", 0};
	static uint64_t wanted[ARGUMENTS_MAX];
	long count, same = 0;
	struct command_result result;
	const char *at;

	need_program(allocates[0]);
	count = record_by_kernel(&function, wanted);
	cr_assert_gt(count, 2000);
	result = RUN(EMUPROBE, "-e", "p:m libc.so.6:malloc size=%di:u64", "--", allocates[0],
		     allocates[1], allocates[2]);
	at = result.error;
	while (same < count && (at = strstr(at, " size=")) &&
	       strtoul(at + 6, NULL, 10) == wanted[same]) {
		same++;
		at++;
	}
	cr_expect_eq(same, count, "%ld events of %ld are the same: %.60s, the kernel %lu", same,
		     count, at ? at : "", (unsigned long)wanted[same]);
	cr_expect_eq(command_count(result.error, " size="), (size_t)count);
	command_result_deinit(&result);
}

/* ---- returns ------------------------------------------------------------------------------- */

static const char *const steps[] = {
	"/usr/bin/sqlite3", ":memory:",
	"create table t(a integer primary key, b text);"
	"with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000) "
	"insert into t select x, 'row ' || x from n;"
	"select * from t where b like '%7%' order by b",
	NULL};

static const struct function returning[] = {
	{NULL, "libsqlite3.so.0", "sqlite3_step", 0},
	{NULL, "libsqlite3.so.0", "sqlite3_stricmp", 0},
	{NULL, "libsqlite3.so.0", "sqlite3_column_int", 0},
	{NULL, "libc.so.6", "malloc", 0},
	{NULL, "libc.so.6", "free", 0},
	{NULL, "libc.so.6", "fputs", 0},
};

enum { RETURNING = sizeof(returning) / sizeof(returning[0]) };

static void define_returns(const char *arguments, size_t count, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(ret + used, size - used, "r:e%zu %s:0x%lx %s;", i,
					 returning[i].library,
					 (unsigned long)offset_of(&returning[i]), arguments);
}

static uint64_t returns_in(const char *text, size_t index)
{
	char event[32];

	snprintf(event, sizeof(event), "\"event\":\"e%zu\"", index);
	text = strstr(text, event);
	text = text ? strstr(text, "\"returns\":") : NULL;
	return text ? strtoul(text + 10, NULL, 10) : UINT64_MAX;
}

static void count_returns_by_kernel(uint64_t *ret)
{
	pid_t pid = start_stopped(steps);
	int fds[RETURNING];

	for (size_t i = 0; i < RETURNING; i++) {
		fds[i] = uprobes_count_returns(pid, path_of(&returning[i]),
					       offset_of(&returning[i]));
		cr_assert_geq(fds[i], 0, "%s: %s", returning[i].symbol, strerror(errno));
	}
	finish(pid);
	for (size_t i = 0; i < RETURNING; i++) {
		ret[i] = uprobes_read(fds[i]);
		close(fds[i]);
	}
}

Test(kernel, counts_of_returns, .init = need_uprobes)
{
	static const char *const plans[] = {"auto", "trap"};
	uint64_t wanted[RETURNING];
	char definitions[2048];

	need_program(steps[0]);
	count_returns_by_kernel(wanted);
	cr_assert_gt(wanted[0], 100);
	define_returns("", RETURNING, definitions, sizeof(definitions));
	for (size_t p = 0; p < 2; p++) {
		struct command_result result =
			RUN(EMUPROBE, "-c", "--format=json", "--plan", plans[p], "-e", definitions,
			    "--", steps[0], steps[1], steps[2]);

		expect_status(result, 0);
		for (size_t i = 0; i < RETURNING; i++)
			cr_expect_eq(returns_in(result.error, i), wanted[i],
				     "%s, %s: %lu returns, the kernel %lu", plans[p],
				     returning[i].symbol,
				     (unsigned long)returns_in(result.error, i),
				     (unsigned long)wanted[i]);
		command_result_deinit(&result);
	}
}

static long record_returns_by_kernel(const struct function *function, uint64_t *ret)
{
	pid_t pid = start_stopped(steps);
	struct uprobes_log log;

	if (uprobes_record_returns(pid, path_of(function), offset_of(function), &log)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_skip_test("events cannot be recorded: %s", strerror(errno));
	}
	finish(pid);
	return uprobes_values(&log, ret, ARGUMENTS_MAX);
}

/* Those of an int: what stands above it in the register is nobody's. */
Test(kernel, values_of_returns, .init = need_uprobes)
{
	static uint64_t wanted[ARGUMENTS_MAX];
	char definitions[1024];

	need_program(steps[0]);
	define_returns("v=$retval:u32", 2, definitions, sizeof(definitions));
	for (size_t i = 0; i < 2; i++) {
		long count = record_returns_by_kernel(&returning[i], wanted), same = 0;
		struct command_result result =
			RUN(EMUPROBE, "-q", "-e", definitions, "--", steps[0], steps[1], steps[2]);
		const char *at = result.error;
		char event[32];

		snprintf(event, sizeof(event), ": e%zu: ", i);
		cr_assert_gt(count, 10, "%s: %ld", returning[i].symbol, count);
		for (; (at = strstr(at, event)); at++) {
			cr_assert_lt(same, count);
			cr_assert_eq(strtoul(strstr(at, " v=") + 3, NULL, 10),
				     (uint32_t)wanted[same], "%s, return %ld: %.80s, the kernel %u",
				     returning[i].symbol, same, at, (uint32_t)wanted[same]);
			same++;
		}
		cr_expect_eq(same, count, "%s: %ld, the kernel %ld", returning[i].symbol, same,
			     count);
		command_result_deinit(&result);
	}
}
