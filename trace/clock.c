// SPDX-License-Identifier: MIT
/*
 * rdtsc and rdpid give time and processor in 10 ns (AMD Zen 5), rdtscp in 17: it waits for what comes
 * before it, which an event does not need. clock_gettime() would be a system call (the vDSO may be
 * probed). Its rate is not asked of anyone: whoever reads the events
 * notes both clocks each time, and interpolates between the notes.
 */
#include "trace/clock.h"

#include <cpuid.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "x86/syscall.h"

#define LEAF_STRUCTURED 7
#define RDPID_BIT	(1u << 22) /* of ECX */
#define LEAF_FEATURES	0x80000001u
#define RDTSCP_BIT	(1u << 27)
#define LEAF_POWER	0x80000007u
#define INVARIANT_BIT	(1u << 8)
#define SOURCE		"/sys/devices/system/clocksource/clocksource0/current_clocksource"

static bool processor_has_it(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(LEAF_FEATURES, &a, &b, &c, &d) || !(d & RDTSCP_BIT))
		return false;
	return __get_cpuid(LEAF_POWER, &a, &b, &c, &d) && (d & INVARIANT_BIT);
}

/* A kernel that found the counters of the processors to disagree uses one of these. */
static bool kernel_distrusts_it(void)
{
	char name[16] = "";
	int fd = open(SOURCE, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	close(fd);
	return strncmp(name, "hpet", 4) == 0 || strncmp(name, "acpi_pm", 7) == 0 ||
	       strncmp(name, "refined-jiffies", 15) == 0 || strncmp(name, "jiffies", 7) == 0;
}

static bool processor_has_rdpid(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(LEAF_STRUCTURED, 0, &a, &b, &c, &d) && (c & RDPID_BIT);
}

enum trace_clock trace_clock_choose(void)
{
	if (!processor_has_it() || kernel_distrusts_it())
		return TRACE_CLOCK_MONOTONIC;
	return processor_has_rdpid() ? TRACE_CLOCK_TSC_RDPID : TRACE_CLOCK_TSC;
}

EP_TRAP_PATH static uint64_t monotonic(void)
{
	struct timespec now = {0, 0};

	x86_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

EP_TRAP_PATH uint64_t trace_clock_read(enum trace_clock clock, uint32_t *ret_cpu)
{
	uint32_t low = 0, high = 0, aux = 0;
	uint64_t pid = 0;

	if (clock == TRACE_CLOCK_TSC_RDPID) {
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
		__asm__ volatile("rdpid %0" : "=r"(pid));
		aux = (uint32_t)pid;
	} else if (clock == TRACE_CLOCK_TSC) {
		__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux) : : "memory");
	} else {
		*ret_cpu = 0;
		x86_syscall(SYS_getcpu, (long)ret_cpu, 0, 0, 0, 0, 0);
		return monotonic();
	}
	*ret_cpu = aux & 0xfff; /* as Linux fills IA32_TSC_AUX: node << 12 | cpu */
	return (uint64_t)high << 32 | low;
}

EP_TRAP_PATH static struct trace_clock_point read_both(enum trace_clock clock)
{
	uint32_t cpu;
	uint64_t before = trace_clock_read(clock, &cpu), now = monotonic(),
		 after = trace_clock_read(clock, &cpu);

	if (clock == TRACE_CLOCK_MONOTONIC)
		return (struct trace_clock_point){now, now};
	return (struct trace_clock_point){before + (after - before) / 2, now};
}

EP_TRAP_PATH void trace_clock_map_init(struct trace_clock_map *map, enum trace_clock clock)
{
	struct trace_clock_point point = read_both(clock);

	map->clock = clock;
	for (int i = 0; i < 3; i++)
		map->points[i] = point;
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
