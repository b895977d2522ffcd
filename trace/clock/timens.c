/* SPDX-License-Identifier: MIT */
/*
 * The kernel says what a time namespace adds to the clock in /proc/self/timens_offsets. But that is
 * about the namespace of the process's children: after unshare(CLONE_NEWTIME) another one than the
 * process's own, which stays what it was. Then nothing tells the own one's offset.
 *
 *	the same namespace		they have a number: nothing to add
 *	children in the own one, both	the difference of what the kernel says
 *	else				the wall clock, which is the same in all of them, says by how
 *					much each is behind it
 *
 * The last is exact to some ten nanoseconds, and wrong by as much as the wall clock was set in
 * between; so it is the last resort.
 */
#include "trace/clock/timens.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "sys/call.h"

#define SECOND 1000000000l

EP_TRAP_PATH static uint64_t number_of(const char *path)
{
	struct stat status;

	return sys4(SYS_newfstatat, AT_FDCWD, path, &status, 0) ? 0 : status.st_ino;
}

EP_TRAP_PATH static bool read_offsets(char *ret, size_t size)
{
	long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC, 0);
	long got = 0;

	if (fd >= 0) {
		got = sys3(SYS_read, fd, ret, size - 1);
		sys1(SYS_close, fd);
	}
	ret[got > 0 ? got : 0] = '\0';
	return got > 0;
}

EP_TRAP_PATH static int64_t read_number(const char **at)
{
	bool negative;
	int64_t ret = 0;

	while (**at == ' ' || **at == '\t')
		++*at;
	negative = **at == '-';
	*at += negative;
	for (; **at >= '0' && **at <= '9'; ++*at)
		ret = ret * 10 + (**at - '0');
	return negative ? -ret : ret;
}

/* "monotonic  SECONDS NANOSECONDS", and a line for boottime, whichever comes first. */
EP_TRAP_PATH static bool find_monotonic(const char *text, int64_t *ret)
{
	while (*text && *text != 'm') {
		while (*text && *text != '\n')
			text++;
		text += *text == '\n';
	}
	while (*text >= 'a' && *text <= 'z')
		text++;
	if (!*text)
		return false;
	*ret = read_number(&text) * SECOND;
	*ret += read_number(&text);
	return true;
}

EP_TRAP_PATH void trace_timens_look(struct trace_timens *ret)
{
	char text[256];

	*ret = (struct trace_timens){.id = number_of("/proc/self/ns/time")};
	ret->is_known = ret->id && ret->id == number_of("/proc/self/ns/time_for_children") &&
			read_offsets(text, sizeof(text)) && find_monotonic(text, &ret->offset);
}

EP_TRAP_PATH int64_t trace_timens_between(const struct trace_timens *here,
					  const struct trace_timens *there)
{
	if (here->id == there->id)
		return 0;
	if (here->is_known && there->is_known)
		return there->offset - here->offset;
	return here->wall - there->wall;
}
