/* SPDX-License-Identifier: MIT */
/*
 * A library to preload, which probes every function of some objects before the program begins:
 * those that symbols name, and those that only unwind information knows, which no definition can
 * name; or else every so many instructions, so that whatever a program does leads into the middle
 * of a jump. When the program exits it says what became of them, one "name value" a line.
 *
 * PROBE_ALL_OBJECTS: sonames or basenames, separated by colons; an empty one is the executable.
 * PROBE_ALL_EVERY, PROBE_ALL_FIRST: one in so many instructions of each function, from which on.
 * PROBE_ALL_PLAN: the number of a plan. PROBE_ALL_RESULT: the file to append to; it is opened at the
 * start, since programs shut themselves in later: xz 5.6 and newer may open nothing.
 * PROBE_ALL_ONLY_ARM: end when all are armed, and removed again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fallback-xol/code_memory.h"
#include "include/emuprobe.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"
#include "probe/image/place.h"

static struct ep_request *requests;
static struct ep_probe **probes;
static size_t count, room;
static struct ep_options options = {.size = sizeof(options)};
static pid_t owner;
static int result = -1;
static double arm_ms, arm_cpu_ms, remove_ms;

static void add(const void *addr)
{
	if (count == room) {
		room = room ? room * 2 : 1024;
		requests = reallocarray(requests, room, sizeof(*requests));
	}
	if (!requests)
		abort();
	requests[count++] = (struct ep_request){.addr = addr, .options = &options};
}

/* ---- places -------------------------------------------------------------------------------- */

static struct objects_object *find(const char *name)
{
	struct objects_object **objects;
	size_t object_count;

	if (objects_list(&objects, &object_count))
		return NULL;
	for (size_t i = 0; i < object_count; i++)
		if (*name ? strcmp(objects[i]->name, name) == 0 : objects[i]->is_executable)
			return objects[i];
	return NULL;
}

/* Every so many instructions of @function, starting with the @first. */
static void add_insns(const struct objects_function *function, unsigned int every,
		      unsigned int first)
{
	struct x86_insn insn;
	unsigned int i = 0;

	for (uint64_t at = function->start; at < function->end; at += insn.length) {
		if (place_decode(at, &insn))
			return;
		if (i++ % every == first)
			add((const void *)at);
	}
}

static void add_functions(const char *name)
{
	const char *every = getenv("PROBE_ALL_EVERY"), *first = getenv("PROBE_ALL_FIRST");
	struct objects_object *object = find(name);

	if (!object || objects_read_functions(object))
		return;
	for (size_t i = 0; i < object->function_count; i++) {
		const struct objects_function *function = &object->functions[i];

		if (!every)
			add((const void *)function->start);
		else if (!function->guessed_end)
			add_insns(function, (unsigned int)atoi(every),
				  first ? (unsigned int)atoi(first) : 0);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct ep_request *left = a, *right = b;

	return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static void drop_doubles(void)
{
	size_t kept = 0;

	qsort(requests, count, sizeof(*requests), by_address);
	for (size_t i = 0; i < count; i++)
		if (!kept || requests[kept - 1].addr != requests[i].addr)
			requests[kept++] = requests[i];
	count = kept;
}

/* ---- report -------------------------------------------------------------------------------- */

struct report {
	uint64_t armed, jumps, refused, hits, missed, trapped, trapped_jumps;
	uint64_t reasons[64];
};

static void read_probe(struct ep_probe *probe, struct report *report)
{
	struct ep_info info = {.size = sizeof(info)};

	ep_probe_info(probe, &info);
	report->armed++;
	report->jumps += info.plan == EP_PLAN_JUMP;
	report->reasons[info.reason]++;
	report->hits += info.hits;
	report->missed += info.missed;
	report->trapped += info.trapped;
	if (info.plan == EP_PLAN_JUMP)
		report->trapped_jumps += info.trapped;
	if (getenv("PROBE_ALL_EXPLAIN") && (info.plan != EP_PLAN_JUMP || info.trapped))
		fprintf(stderr, "%s:%s+%lu %s: %lu hits, %lu trapped: %s: %s\n", info.object,
			info.symbol, info.symbol_offset, ep_plan_name(info.plan), info.hits,
			info.trapped, info.insn, ep_strerror(info.reason));
}

static uint64_t private_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static void write_report(const struct report *report)
{
	struct xol_memory_usage usage;
	FILE *file = fdopen(result, "a");

	if (!file)
		return;
	xol_code_usage(&usage);
	fprintf(file,
		"armed %lu\njumps %lu\nrefused %lu\nhits %lu\nmissed %lu\ntrapped %lu\n"
		"trapped_jumps %lu\n",
		report->armed, report->jumps, report->refused, report->hits, report->missed,
		report->trapped, report->trapped_jumps);
	fprintf(file,
		"arm_ms %.1f\narm_cpu_ms %.1f\nremove_ms %.1f\nmappings %zu\ncode_kib "
		"%zu\nspace_kib %zu\n"
		"private_kib %lu\n",
		arm_ms, arm_cpu_ms, remove_ms, usage.chunks * 2, usage.used >> 10,
		usage.reserved >> 10, private_kib());
	for (int i = 1; i < 64; i++)
		if (report->reasons[i])
			fprintf(file, "%s %lu\n", ep_error_name(i), report->reasons[i]);
	fclose(file);
}

__attribute__((destructor)) static void finish(void)
{
	static struct report report;

	if (!probes || getpid() != owner)
		return;
	for (size_t i = 0; i < count; i++) {
		if (probes[i]) {
			read_probe(probes[i], &report);
			continue;
		}
		report.refused++;
		report.reasons[requests[i].error]++;
	}
	write_report(&report);
}

/* -------------------------------------------------------------------------------------------- */

static double milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void arm(void)
{
	double start = milliseconds(CLOCK_MONOTONIC);
	double cpu_start = milliseconds(CLOCK_PROCESS_CPUTIME_ID); /* on a busy machine */

	ep_probe_create_batch(requests, count);
	arm_ms = milliseconds(CLOCK_MONOTONIC) - start;
	arm_cpu_ms = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
	probes = calloc(count, sizeof(struct ep_probe *));
	for (size_t i = 0; probes && i < count; i++)
		probes[i] = requests[i].probe;
}

static void remove_all(void)
{
	double start = milliseconds(CLOCK_MONOTONIC);

	ep_probe_remove_batch(probes, count);
	remove_ms = milliseconds(CLOCK_MONOTONIC) - start;
}

/* Where no program expects one of its own, and closed by none. */
static bool open_result(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	result = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	close(fd);
	return result >= 0;
}

/* Children are not probed. Not by unsetenv(): bash has its own, which does nothing yet. */
static void hide(char **envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "LD_PRELOAD=", 11) == 0)
			memcpy(*envp, "NO_PRELOAD=", 11);
}

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	const char *objects = getenv("PROBE_ALL_OBJECTS"), *plan = getenv("PROBE_ALL_PLAN");
	const char *path = getenv("PROBE_ALL_RESULT");
	char names[256], *rest = names;

	(void)argc;
	(void)argv;
	if (!objects || !path || !open_result(path))
		return;
	snprintf(names, sizeof(names), "%s", objects);
	options.plan = plan ? (enum ep_plan)atoi(plan) : EP_PLAN_AUTO;
	for (char *name = strsep(&rest, ":"); name; name = strsep(&rest, ":"))
		add_functions(name);
	drop_doubles();
	hide(envp);
	owner = getpid();
	arm();
	if (!getenv("PROBE_ALL_ONLY_ARM"))
		return;
	finish();
	remove_all();
	fprintf(stderr, "remove_ms %.1f\n", remove_ms);
	_exit(0);
}
