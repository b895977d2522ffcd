/* SPDX-License-Identifier: MIT */
/*
 * rdtsc gives the time in 10 ns (AMD Zen 5), rdtscp in 17: it waits for what comes before it, which
 * an event does not need. Its rate is not asked of anyone: whoever reads the events notes both
 * clocks each time, and interpolates between the notes. Only where the kernel itself reads the time
 * from that counter does it show the same on every processor.
 *
 * Elsewhere (kvm-clock, hyperv, a processor that does not say that its counter is invariant) it is
 * the kernel's own function in the vDSO, called on a hit once it is shown to do no harm there
 * (vdso.c). Where the clock source has no such function (hpet, acpi_pm), that makes a system call.
 *
 * The processor's number stands in the area that libc registers for restartable sequences: one
 * load. Threads that have none, and old libcs, ask the processor, or the vDSO.
 */
#include "trace/clock/clock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/rseq.h>
#include <time.h>

#include "sys/call.h"
#include "sys/files.h"
#include "trace/clock/timens.h"
#include "trace/clock/vdso.h"
#include "x86/cpu.h"

#define SOURCE	   "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define SECOND	   1000000000l
#define TRIES	   4
#define WALL_NOISE 2000	 /* nanoseconds: between two clocks that are read one behind the other */
#define NUMBER	   0xfff /* as Linux fills IA32_TSC_AUX: node << 12 | cpu */

static struct {
	int (*gettime)(clockid_t clock, struct timespec *ret);
	int (*getcpu)(unsigned int *cpu, unsigned int *node, void *unused);
	struct trace_timens here, reader;
	int64_t rseq;	/* of the number, from the thread pointer; 0: there is none */
	int64_t offset; /* nanoseconds to add to this clock to have the reader's */
	bool has_rdpid, has_rdtscp;
} ways;

/* libc's, since 2.35. */
#pragma weak __rseq_offset
#pragma weak __rseq_size

/* ---- what there is --------------------------------------------------------------------------- */

static size_t read_file(const char *path, char *ret, size_t size)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC);
	long got = fd < 0 ? -1 : sys_read(fd, ret, size - 1);

	if (fd >= 0)
		sys_close(fd);
	ret[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

/* The kernel measures its counters, and turns to another source when they disagree. */
static bool kernel_trusts_it(void)
{
	char name[32];

	return read_file(SOURCE, name, sizeof(name)) && strcmp(name, "tsc\n") == 0;
}

enum trace_clock trace_clock_choose(void)
{
	return x86_cpu_has(X86_CPU_TSC) && kernel_trusts_it() ? TRACE_CLOCK_TSC
							      : TRACE_CLOCK_MONOTONIC;
}

static int64_t find_rseq(void)
{
	if (!x86_cpu_has(X86_CPU_RSEQ) || !&__rseq_offset || !&__rseq_size || !__rseq_size)
		return 0;
	return (int64_t)__rseq_offset + (int64_t)offsetof(struct rseq, cpu_id);
}

void trace_clock_init(const struct trace_timens *reader)
{
	ways.gettime = (int (*)(clockid_t, struct timespec *))trace_vdso_find(
		"__vdso_clock_gettime", NULL);
	ways.getcpu = (int (*)(unsigned int *, unsigned int *, void *))trace_vdso_find(
		"__vdso_getcpu", NULL);
	ways.rseq = find_rseq();
	ways.has_rdpid = x86_cpu_has(X86_CPU_RDPID);
	ways.has_rdtscp = x86_cpu_has(X86_CPU_RDTSCP);
	trace_clock_here(&ways.here);
	ways.reader = reader ? *reader : ways.here;
	ways.offset = trace_timens_between(&ways.here, &ways.reader);
}

const char *trace_clock_name(enum trace_clock clock)
{
	static char text[64];
	const char *processor = ways.rseq	  ? "rseq"
				: ways.has_rdpid  ? "rdpid"
				: ways.has_rdtscp ? "rdtscp"
				: ways.getcpu	  ? "the vDSO"
						  : "a system call";

	snprintf(text, sizeof(text), "%s, and their processor by %s",
		 clock == TRACE_CLOCK_TSC ? "rdtsc"
		 : ways.gettime		  ? "the vDSO"
					  : "a system call",
		 processor);
	return text;
}

/* ---- now ------------------------------------------------------------------------------------- */

EP_TRAP_PATH static inline __attribute__((always_inline)) int64_t kernels_clock(clockid_t clock)
{
	struct timespec now = {0, 0};

	if (!ways.gettime || ways.gettime(clock, &now))
		sys2(SYS_clock_gettime, clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

EP_TRAP_PATH __attribute__((noinline)) static uint64_t monotonic(void)
{
	return (uint64_t)(kernels_clock(CLOCK_MONOTONIC) + ways.offset);
}

EP_TRAP_PATH __attribute__((noinline)) static uint32_t ask_for_processor(void)
{
	uint32_t cpu = 0, low, high;
	uint64_t pid;

	if (ways.has_rdpid) {
		__asm__ volatile("rdpid %0" : "=r"(pid));
		cpu = (uint32_t)pid;
	} else if (ways.has_rdtscp) {
		__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(cpu) : : "memory");
	} else if (!ways.getcpu || ways.getcpu(&cpu, NULL, NULL)) {
		sys6(SYS_getcpu, (long)&cpu, 0, 0, 0, 0, 0);
	}
	return cpu & NUMBER;
}

EP_TRAP_PATH static inline uint32_t processor(void)
{
	int32_t cpu = -1;

	if (ways.rseq)
		__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"(ways.rseq));
	return cpu >= 0 ? (uint32_t)cpu : ask_for_processor();
}

EP_TRAP_PATH uint64_t trace_clock_read(enum trace_clock clock, uint32_t *ret_cpu)
{
	*ret_cpu = processor();
	return trace_clock_now(clock);
}

EP_TRAP_PATH uint64_t trace_clock_now(enum trace_clock clock)
{
	uint32_t low, high;

	if (clock != TRACE_CLOCK_TSC)
		return monotonic();
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* ---- time namespaces ------------------------------------------------------------------------- */

/* CLOCK_REALTIME less CLOCK_MONOTONIC: of some tries the one that was held up least. */
EP_TRAP_PATH __attribute__((noinline)) static int64_t wall(void)
{
	int64_t ret = 0, best = INT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		int64_t before = kernels_clock(CLOCK_MONOTONIC);
		int64_t real = kernels_clock(CLOCK_REALTIME);
		int64_t took = kernels_clock(CLOCK_MONOTONIC) - before;

		if (took < best) {
			best = took;
			ret = real - before - took / 2;
		}
	}
	return ret;
}

EP_TRAP_PATH void trace_clock_here(struct trace_timens *ret)
{
	trace_timens_look(ret);
	ret->wall = wall();
}

EP_TRAP_PATH void trace_clock_before_fork(void)
{
	ways.here.wall = wall();
}

EP_TRAP_PATH void trace_clock_after_fork(void)
{
	int64_t moved = wall() - ways.here.wall;
	struct trace_timens here;

	if (moved < WALL_NOISE && moved > -WALL_NOISE)
		return;
	trace_clock_here(&here);
	if (!here.id)
		return;
	ways.here = here;
	ways.offset = trace_timens_between(&ways.here, &ways.reader);
}

/* ---- the map --------------------------------------------------------------------------------- */

/* Of some tries the one that was held up least: events in between have times that are as exact. */
EP_TRAP_PATH static struct trace_clock_point read_both(enum trace_clock clock)
{
	struct trace_clock_point ret = {0, 0};
	uint64_t best = UINT64_MAX;
	uint32_t cpu;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = trace_clock_read(clock, &cpu), now = monotonic();
		uint64_t took = trace_clock_read(clock, &cpu) - before;

		if (took >= best)
			continue;
		best = took;
		ret.count = clock == TRACE_CLOCK_MONOTONIC ? now : before + took / 2;
		ret.nanoseconds = now;
	}
	return ret;
}

EP_TRAP_PATH void trace_clock_map_init(struct trace_clock_map *map, enum trace_clock clock)
{
	struct trace_clock_point point = read_both(clock);

	map->clock = clock;
	for (int i = 0; i < 3; i++)
		map->points[i] = point;
	map->start = point;
}

EP_TRAP_PATH void trace_clock_map_update(struct trace_clock_map *map)
{
	struct trace_clock_point point = read_both(map->clock);

	if (point.count <= map->points[2].count || point.nanoseconds < map->points[2].nanoseconds)
		return;
	map->points[0] = map->points[1];
	map->points[1] = map->points[2];
	map->points[2] = point;
}

/* a * b / c, where a <= c, so that the quotient fits (no __udivti3() here). */
EP_TRAP_PATH static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t low, high;

	__asm__("mulq %3\n\tdivq %4" : "=&a"(low), "=&d"(high) : "0"(a), "rm"(b), "rm"(c) : "cc");
	return low;
}

EP_TRAP_PATH uint64_t trace_clock_convert(const struct trace_clock_map *map, uint64_t count)
{
	const struct trace_clock_point *from = &map->points[count >= map->points[1].count];
	uint64_t passed = count > from->count ? count - from->count : 0;
	uint64_t range = from[1].count - from->count;

	if (map->clock == TRACE_CLOCK_MONOTONIC)
		return count;
	if (range == 0)
		return from->nanoseconds;
	if (passed > range) /* from a processor that is ahead by nanoseconds, or nonsense */
		passed = range;
	return from->nanoseconds + scale(passed, from[1].nanoseconds - from->nanoseconds, range);
}

/* By the mean rate since the start: the longer that is ago, the less matters how the clocks are read. */
EP_TRAP_PATH uint64_t trace_clock_duration(const struct trace_clock_map *map, uint64_t counts)
{
	const struct trace_clock_point *from = &map->start, *to = &map->points[2];
	uint64_t range = to->count - from->count, nanoseconds = to->nanoseconds - from->nanoseconds;

	if (map->clock == TRACE_CLOCK_MONOTONIC || range == 0)
		return counts;
	return counts / range * nanoseconds + scale(counts % range, nanoseconds, range);
}
