/* SPDX-License-Identifier: MIT */
/*
 * Whole programs with every malloc and free counted, and with every function of libc counted,
 * against the same programs unprobed and against the kernel counting malloc and free: wall time
 * from fork to exit, one after the other in each round. The launcher does the probing, as a user
 * would; its own start is part of the price. How often probes were hit comes from its summary.
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/baseline.h"
#include "perf/harness.h"

#define MAX_ARGS 16

struct program {
	const char *name;
	const char *args[MAX_ARGS];
};

static const struct program programs[] = {
	{"sqlite3",
	 {"/usr/bin/sqlite3", ":memory:",
	  "create table t(a integer primary key, b text);"
	  "with recursive n(x) as (select 1 union all select x + 1 from n where x < 500000)"
	  "insert into t select x, 'row ' || x from n; select sum(length(b)) from t;"}},
	{"xz", {"/usr/bin/xz", "-2", "-T1", "-c", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"}},
	{"python3.11",
	 {"/usr/bin/python3.11", "-S", "-c",
	  "import json\n"
	  "for i in range(60): json.loads(json.dumps([{str(k): 'x' * k} for k in range(1000)]))"}},
	{"perl",
	 {"/usr/bin/perl", "-e",
	  "my %h; $h{$_ % 5000} .= 'x' x ($_ % 50) for 1..1000000; print scalar(keys %h)"}},
};

/* How a program is probed: options of the launcher; none: by the kernel, or not at all. */
static const struct way {
	const char *column;
	const char *args[8];
	bool kernel;
} ways[] = {
	{"unprobed", {NULL}, false},
	{"malloc, free", {"-e", "p:malloc libc.so.6:malloc", "-e", "p:free libc.so.6:free"}, false},
	{"kernel uprobes", {NULL}, true},
	{"all of libc", {"-e", "p libc.so.6:*"}, false},
};

struct subject {
	const struct program *program;
	const struct way *way;
	const char *args[2 * MAX_ARGS];
	const struct subject *bare;
	double ms, hits;
};

/* ---- running ------------------------------------------------------------------------------- */

/* build/perf/programs -> build/emuprobe */
static const char *launcher_path(void)
{
	static char path[PATH_MAX + 16];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);

	if (length < 0)
		abort();
	path[length] = '\0';
	dirname(dirname(path));
	return strcat(path, "/emuprobe");
}

/* Runs once @go can be read; its stdout is dropped, its stderr goes to @errors. */
static void execute(const char *const *args, int errors, int go)
{
	int null = open("/dev/null", O_WRONLY);
	char byte;

	dup2(null, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	if (read(go, &byte, 1) == 1)
		execv(args[0], (char *const *)args);
	_exit(127);
}

static uint64_t count_hits(FILE *summary)
{
	char line[4096];
	uint64_t ret = 0;

	rewind(summary);
	while (fgets(line, sizeof(line), summary)) {
		const char *hits = strstr(line, "\"hits\":");

		if (hits)
			ret += strtoull(hits + strlen("\"hits\":"), NULL, 10);
	}
	return ret;
}

/* From the moment that the child may go on. */
static double wait_for(pid_t child, int go)
{
	uint64_t start = perf_now_ns();
	int status;

	if (write(go, "", 1) != 1 || waitpid(child, &status, 0) != child || status != 0)
		return NAN;
	return (double)(perf_now_ns() - start) / 1e6;
}

static double wait_under_uprobes(pid_t child, int go, double *hits)
{
	struct baseline_uprobe on_malloc, on_free;
	double ret;

	if (baseline_uprobe_begin_at_exec(&on_malloc, (void *)malloc, child) ||
	    baseline_uprobe_begin_at_exec(&on_free, (void *)free, child)) {
		close(go);
		waitpid(child, NULL, 0);
		return NAN;
	}
	ret = wait_for(child, go);
	*hits = (double)(baseline_uprobe_end(&on_malloc) + baseline_uprobe_end(&on_free));
	return ret;
}

static double run(void *data)
{
	struct subject *subject = data;
	FILE *errors = tmpfile();
	int go[2];
	pid_t child;

	if (!errors || pipe2(go, O_CLOEXEC) != 0)
		abort();
	child = fork();
	if (child < 0)
		abort();
	if (child == 0) {
		close(go[1]);
		execute(subject->args, fileno(errors), go[0]);
	}
	close(go[0]);
	if (subject->way->kernel) {
		subject->ms = wait_under_uprobes(child, go[1], &subject->hits);
	} else {
		subject->ms = wait_for(child, go[1]);
		subject->hits = (double)count_hits(errors);
	}
	close(go[1]);
	fclose(errors);
	return subject->ms;
}

/* ---- cases --------------------------------------------------------------------------------- */

static const char *find(void *data)
{
	const struct subject *subject = data;

	return access(subject->program->args[0], X_OK) == 0 ? NULL : "not installed";
}

static double take_hits(void *data)
{
	const struct subject *subject = data;

	return subject->hits > 0 ? subject->hits : NAN;
}

/* Too few hits drown in the noise of whole programs. */
static double take_hit_cost(void *data)
{
	const struct subject *subject = data;

	if (subject->hits < 10000)
		return NAN;
	return (subject->ms - subject->bare->ms) * 1e6 / take_hits(data);
}

static size_t append(const char **to, size_t at, const char *const *args)
{
	while (*args)
		to[at++] = *args++;
	return at;
}

static struct subject *subject_create(const struct program *program, const struct way *way,
				      const struct subject *bare)
{
	static const char *const count_only[] = {"-c", "--format=json", NULL};
	static const char *const end[] = {"--", NULL};
	struct subject *ret = calloc(1, sizeof(*ret));
	size_t at = 0;

	if (!ret)
		abort();
	ret->program = program;
	ret->way = way;
	ret->bare = bare;
	if (way->args[0]) {
		ret->args[at++] = launcher_path();
		at = append(ret->args, at, count_only);
		at = append(ret->args, at, way->args);
		at = append(ret->args, at, end);
	}
	append(ret->args, at, program->args);
	return ret;
}

static void add_column(struct perf_table *table, struct perf_case one, const char *suffix,
		       const char *unit, double (*value)(void *))
{
	char *column;

	if (asprintf(&column, "%s: %s", one.column, suffix) < 0)
		abort();
	one.column = column;
	one.unit = unit;
	one.value = value;
	one.against = -1;
	perf_add(table, one);
}

static void add_program(struct perf_table *table, const struct program *program)
{
	struct subject *bare = subject_create(program, &ways[0], NULL);
	struct perf_case one = {.row = program->name, .unit = "ms", .begin = find, .value = run};
	int first = (int)table->count;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		one.column = ways[i].column;
		one.data = i == 0 ? bare : subject_create(program, &ways[i], bare);
		one.against = i == 0 ? -1 : first;
		perf_add(table, one);
		if (i == 0)
			continue;
		add_column(table, one, "hits", "hits", take_hits);
		add_column(table, one, "each", "ns", take_hit_cost);
	}
}

int main(int argc, char **argv)
{
	struct perf_table table = {
		.program = "programs",
		.question = "How much slower is a whole program with its functions counted?"};
	struct perf_options options;

	perf_parse(argc, argv, &options);
	if (options.repetitions > 5)
		options.repetitions = 5; /* minutes, where a uprobe takes 10 us */
	if (options.quick)
		options.repetitions = 1;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		add_program(&table, &programs[i]);
	return perf_run(&table, &options);
}
