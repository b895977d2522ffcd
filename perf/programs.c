/* SPDX-License-Identifier: MIT */
/*
 * Whole programs: with every malloc and free counted, with every function of libc counted, with
 * each call of a hot function recorded (and the events written to /dev/null), with malloc and free
 * counted by the kernel; against the same program unprobed, one after the other in each round.
 *
 * The launcher does the probing, as a user would. Of programs that run once, all is counted from
 * their start to their end, so the launcher's own start is part of the price: the last row shows
 * it alone; those before it 50 times, as the shell's children are probed, too, and with 200 children
 * that execute nothing. Of redis it is the throughput that redis-benchmark sees.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "perf/harness.h"
#include "perf/launch.h"
#include "perf/redis.h"
#include "perf/shapes.h"

#define LIBC	 "/lib/x86_64-linux-gnu/libc.so.6"
#define JEMALLOC "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
#define FEW_HITS 10000 /* too few for a cost of each: they drown in the noise of whole programs */

struct program {
	const char *name, *unit;
	const char *allocator; /* where its malloc is */
	const char *hot;       /* definition of the probe that records */
	const char *args[8];   /* "%u" in the last one: work, or the descriptor of the input */
	unsigned work, requests_at_once;
	double units;	   /* in one work, for the unit; 0: only the start is of interest */
	const char *input; /* file of which work kilobytes are the input */
};

static const struct program programs[] = {
	{.name = "sqlite3",
	 .unit = "krow/s",
	 .allocator = LIBC,
	 .hot = "p:malloc libc.so.6:malloc size=%di:u64",
	 .args = {"/usr/bin/sqlite3", ":memory:",
		  "create table t(a integer primary key, b text);"
		  "with recursive n(x) as (select 1 union all select x + 1 from n where x < %u)"
		  "insert into t select x, 'row ' || x from n; select sum(length(b)) from t;"},
	 .work = 2000000,
	 .units = 1e-3},
	{.name = "redis-server, one by one",
	 .unit = "kreq/s",
	 .allocator = JEMALLOC,
	 .hot = "p:command processCommand client=%di:x64",
	 .args = {REDIS_SERVER},
	 .work = 40000,
	 .requests_at_once = 1,
	 .units = 1e-3},
	{.name = "redis-server, 16 at once",
	 .unit = "kreq/s",
	 .allocator = JEMALLOC,
	 .hot = "p:command processCommand client=%di:x64",
	 .args = {REDIS_SERVER},
	 .work = 500000,
	 .requests_at_once = 16,
	 .units = 1e-3},
	{.name = "python",
	 .unit = "loop/s",
	 .allocator = LIBC,
	 .hot = "p:new PyUnicode_New size=%di:u64",
	 .args = {"/usr/bin/python3", "-S", "-c",
		  "import json\n"
		  "for i in range(%u):\n"
		  " json.loads(json.dumps([{str(k): 'x' * k} for k in range(1000)]))"},
	 .work = 400,
	 .units = 1},
	{.name = "xz",
	 .unit = "KB/s",
	 .allocator = LIBC,
	 .hot = "p:code liblzma.so.5:lzma_code stream=%di:x64 action=%si:u32",
	 .args = {"/usr/bin/xz", "-6", "-f", "-T1", "-c", "/proc/self/fd/%u"},
	 .work = 2000,
	 .units = 1,
	 .input = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"},
	{.name = "sh, 50 times true",
	 .unit = "ms",
	 .allocator = LIBC,
	 .hot = "p:malloc libc.so.6:malloc size=%di:u64",
	 .args = {"/bin/sh", "-c", "i=0; while [ $i -lt %u ]; do /bin/true; i=$((i + 1)); done"},
	 .work = 50},
	{.name = "sh, 200 forks",
	 .unit = "ms",
	 .allocator = LIBC,
	 .hot = "p:malloc libc.so.6:malloc size=%di:u64",
	 .args = {"/bin/sh", "-c", "i=0; while [ $i -lt %u ]; do (:); i=$((i + 1)); done"},
	 .work = 200},
	{.name = "sqlite3 -version",
	 .unit = "ms",
	 .allocator = LIBC,
	 .hot = "p:malloc libc.so.6:malloc size=%di:u64",
	 .args = {"/usr/bin/sqlite3", "-version"},
	 .work = 1},
};

/* How a program is probed. */
enum way { UNPROBED, COUNTED, ALL_COUNTED, RECORDED, KERNEL, WAYS };

static const char *const columns[WAYS] = {"unprobed", "malloc, free", "all of libc",
					  "hot one recorded", "kernel uprobes"};

struct subject {
	const struct program *program;
	enum way way;
	unsigned work;
	struct launch launch;
	const struct subject *bare;
	double seconds, hits;
};

/* ---- running ------------------------------------------------------------------------------- */

static double run_redis(struct subject *subject)
{
	return subject->work /
	       redis_run(&subject->launch, subject->work, subject->program->requests_at_once);
}

static double run_once(struct subject *subject)
{
	if (!launch_begin(&subject->launch) || !launch_wait(&subject->launch))
		return NAN;
	return subject->launch.seconds;
}

static double run(void *data)
{
	struct subject *subject = data;

	subject->seconds =
		subject->program->requests_at_once ? run_redis(subject) : run_once(subject);
	subject->hits = subject->launch.failed ? NAN : (double)launch_end(&subject->launch);
	return subject->program->units > 0
		       ? subject->work * subject->program->units / subject->seconds
		       : subject->seconds * 1e3;
}

/* ---- cases --------------------------------------------------------------------------------- */

/* Asked of a function of our own. */
static const char *find_uprobes(void)
{
	struct baseline_uprobe uprobe;
	const char *failed = baseline_uprobe_begin(&uprobe, shape_push);

	if (!failed)
		baseline_uprobe_end(&uprobe);
	return failed;
}

static const char *find(void *data)
{
	const struct subject *subject = data;
	const struct program *program = subject->program;
	const char *failed;

	if (program->requests_at_once)
		failed = redis_find();
	else
		failed = access(program->args[0], X_OK) == 0 ? NULL : "not installed";
	if (!failed && subject->way == KERNEL)
		failed = find_uprobes();
	return failed;
}

static double take_hits(void *data)
{
	const struct subject *subject = data;

	return subject->hits > 0 ? subject->hits : NAN;
}

/* Of all processes, for a row, a request, a loop, a kilobyte: neighbours hardly change it. */
static double take_cpu(void *data)
{
	const struct subject *subject = data;

	if (isnan(subject->seconds))
		return NAN;
	return subject->launch.cpu_seconds / subject->work * 1e6;
}

static double take_hit_cost(void *data)
{
	const struct subject *subject = data;

	if (!(subject->hits >= FEW_HITS))
		return NAN;
	return (subject->seconds - subject->bare->seconds * subject->work / subject->bare->work) *
	       1e9 / subject->hits;
}

static const char *allocator_probes(const struct program *program)
{
	return strcmp(program->allocator, LIBC) == 0
		       ? "p:malloc libc.so.6:malloc; p:free libc.so.6:free"
		       : "p:malloc libjemalloc.so.2:malloc; p:free libjemalloc.so.2:free";
}

static size_t append(const char **to, size_t at, const char *const *args)
{
	while (*args)
		to[at++] = *args++;
	return at;
}

/* The launcher and its options. */
static size_t add_launcher(struct subject *subject)
{
	const struct program *program = subject->program;
	const char *const counting[] = {launch_path(),
					"-c",
					"--format=json",
					"-e",
					subject->way == COUNTED ? allocator_probes(program)
								: "p libc.so.6:*",
					"--",
					NULL};
	const char *const recording[] = {launch_path(), "-o", "/dev/null", "-e",
					 program->hot,	"--", NULL};

	if (subject->way == UNPROBED || subject->way == KERNEL)
		return 0;
	return append(subject->launch.args, 0, subject->way == RECORDED ? recording : counting);
}

/* The first kilobytes of a file, for all who execute something; never closed. */
static unsigned input_of(const char *path, unsigned kilobytes)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("input", 0);
	char block[1000];
	ssize_t size;

	while (kilobytes-- > 0 && (size = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)size) != size)
			abort();
	close(from);
	return (unsigned)to;
}

static void set_work(struct subject *subject, size_t last)
{
	const char *text = subject->launch.args[last], *mark = strstr(text, "%u");
	const char *input = subject->program->input;
	unsigned number = input ? input_of(input, subject->work) : subject->work;
	char *ret;

	if (!mark)
		return;
	if (asprintf(&ret, "%.*s%u%s", (int)(mark - text), text, number, mark + 2) < 0)
		abort();
	subject->launch.args[last] = ret;
}

/* Seconds, where a uprobe takes 10 us. */
static unsigned work_of(const struct program *program, enum way way, bool quick)
{
	unsigned ret = program->work;

	if (program->units > 0 && quick)
		ret /= 20;
	if (program->units > 0 && way == KERNEL && !program->input)
		ret /= 20;
	return ret;
}

static struct subject *subject_create(const struct program *program, enum way way,
				      const struct subject *bare, bool quick)
{
	struct subject *ret = calloc(1, sizeof(*ret));
	size_t at;

	if (!ret)
		abort();
	ret->program = program;
	ret->way = way;
	ret->bare = bare;
	ret->work = work_of(program, way, quick);
	ret->launch.uprobes = way == KERNEL ? program->allocator : NULL;
	at = append(ret->launch.args, add_launcher(ret), program->args);
	set_work(ret, at - 1);
	return ret;
}

static const char *join(const char *a, const char *b)
{
	char *ret;

	if (asprintf(&ret, "%s: %s", a, b) < 0)
		abort();
	return ret;
}

static int add_column(struct perf_table *table, struct perf_case one, const char *suffix,
		      const char *unit, double (*value)(void *))
{
	one.rate = false;
	one.column = join(one.column, suffix);
	one.unit = unit;
	one.value = value;
	return perf_add(table, one);
}

/* Next to the throughput. */
static void add_details(struct perf_table *table, struct perf_case one, enum way way,
			int *unprobed_cpu)
{
	int cpu;

	one.against = way == UNPROBED ? -1 : *unprobed_cpu;
	cpu = add_column(table, one, "CPU", "us/op", take_cpu);
	one.against = -1;
	if (way == UNPROBED) {
		*unprobed_cpu = cpu;
		return;
	}
	add_column(table, one, "hits", "hits", take_hits);
	add_column(table, one, "each", "ns", take_hit_cost);
}

/* A server's throughput varies most; its runs are short for that. */
static unsigned rounds_of(const struct program *program, enum way way)
{
	if (way == KERNEL)
		return 3;
	return program->requests_at_once ? 0 : 7;
}

static void add_program(struct perf_table *table, const struct program *program, bool quick)
{
	struct subject *bare = subject_create(program, UNPROBED, NULL, quick);
	bool only_start = program->units == 0;
	struct perf_case one = {.row = program->name,
				.unit = program->unit,
				.begin = find,
				.value = run,
				.rate = !only_start};
	int first = (int)table->count, unprobed_cpu = -1;

	for (enum way way = 0; way < WAYS; way++) {
		one.column = only_start ? join(columns[way], "start") : columns[way];
		one.data = way == UNPROBED ? bare : subject_create(program, way, bare, quick);
		one.against = way == UNPROBED ? -1 : first;
		one.rounds = rounds_of(program, way);
		perf_add(table, one);
		if (!only_start)
			add_details(table, one, way, &unprobed_cpu);
	}
}

int main(int argc, char **argv)
{
	static const struct perf_aim aims[] = {
		{"malloc, free", true, NAN, 0.98},  {"malloc, free: CPU", true, NAN, NAN},
		{"all of libc", true, NAN, NAN},    {"hot one recorded", true, NAN, NAN},
		{"kernel uprobes", true, NAN, NAN}, {.column = NULL}};
	struct perf_table table = {
		.program = "programs",
		.question = "How much slower is a whole program with its functions probed?",
		.aims = aims};
	struct perf_options options;

	perf_parse(argc, argv, &options);
	if (options.repetitions > 15)
		options.repetitions = 15;
	if (options.quick && options.repetitions > 2)
		options.repetitions = 2;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		add_program(&table, &programs[i], options.quick);
	return perf_run(&table, &options);
}
