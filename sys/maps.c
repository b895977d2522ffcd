/* SPDX-License-Identifier: MIT */
/*
 * Code must lie near what it was copied from, so its address is chosen here and not by the kernel.
 * Two neighbours need room to grow: the heap upwards, the main stack downwards. Space next to them
 * is taken only when there is nothing else.
 *
 * /proc/self/maps is read through a small buffer on the stack and parsed byte by byte: no
 * allocation, since this may run because malloc() is to be probed.
 */
#include "sys/maps.h"

#include <fcntl.h>
#include <stdbool.h>

#include "include/emuprobe.h"
#include "sys/mapping.h"

#define HEAP_ROOM  ((uint64_t)1 << 30)
#define STACK_ROOM ((uint64_t)256 << 20)

/* ---- reading ------------------------------------------------------------------------------- */

/* One line, "lo-hi perms offset dev inode   path". */
struct line {
	uint64_t number[2];
	unsigned int field; /* 0: lo, 1: hi, 2: the rest */
	unsigned int perm_count;
	char perms[4]; /* "rwxp" */
	uint64_t tail; /* the last eight bytes */
};

static uint64_t hex_digit(char c)
{
	return c <= '9' ? (uint64_t)(c - '0') : (uint64_t)(c - 'a' + 10);
}

static void line_add(struct line *line, char c)
{
	line->tail = line->tail << 8 | (uint8_t)c;
	if (line->field > 1) {
		if (line->perm_count < sizeof(line->perms))
			line->perms[line->perm_count++] = c;
		return;
	}
	if (c == '-' || c == ' ')
		line->field++;
	else
		line->number[line->field] = line->number[line->field] << 4 | hex_digit(c);
}

/* The tail as a number, for a suffix of up to eight characters. */
static bool ends_with(const struct line *line, const char *suffix)
{
	uint64_t value = 0, mask = 0;

	for (; *suffix; suffix++) {
		value = value << 8 | (uint8_t)*suffix;
		mask = mask << 8 | 0xff;
	}
	return (line->tail & mask) == value;
}

static struct sys_mapping line_mapping(const struct line *line)
{
	struct sys_mapping mapping = {
		.lo = line->number[0],
		.hi = line->number[1],
		.kind = SYS_MAPPING_OTHER,
		.readable = line->perms[0] == 'r',
		.writable = line->perms[1] == 'w',
		.executable = line->perms[2] == 'x',
		.shared = line->perms[3] == 's',
	};

	if (ends_with(line, " [heap]"))
		mapping.kind = SYS_MAPPING_HEAP;
	else if (ends_with(line, " [stack]"))
		mapping.kind = SYS_MAPPING_STACK;
	return mapping;
}

int sys_maps_each(void (*visit)(const struct sys_mapping *mapping, void *data), void *data)
{
	char buf[2048];
	struct line line = {0};
	long size, fd = sys6(SYS_openat, AT_FDCWD, (long)"/proc/thread-self/maps",
			     O_RDONLY | O_CLOEXEC, 0, 0, 0);

	if (fd < 0)
		return -EP_UNSUPPORTED;
	while ((size = sys6(SYS_read, fd, (long)buf, sizeof(buf), 0, 0, 0)) > 0) {
		for (long i = 0; i < size; i++) {
			struct sys_mapping mapping;

			if (buf[i] != '\n') {
				line_add(&line, buf[i]);
				continue;
			}
			mapping = line_mapping(&line);
			visit(&mapping, data);
			line = (struct line){0};
		}
	}
	sys6(SYS_close, fd, 0, 0, 0, 0, 0);
	return size < 0 ? -EP_UNSUPPORTED : 0;
}

/* ---- gaps ---------------------------------------------------------------------------------- */

struct gaps {
	void (*visit)(struct sys_window gap, bool growth, void *data);
	void *data;
	uint64_t previous_end;
	uint64_t room_below; /* what the mapping in front of the gap wants */
};

static void split_gap(struct gaps *gaps, uint64_t hi, uint64_t room_above)
{
	uint64_t lo = gaps->previous_end, room_below = gaps->room_below;

	if (hi <= lo)
		return;
	if (hi - lo <= room_below + room_above) {
		gaps->visit((struct sys_window){lo, hi}, true, gaps->data);
		return;
	}
	if (room_below)
		gaps->visit((struct sys_window){lo, lo + room_below}, true, gaps->data);
	gaps->visit((struct sys_window){lo + room_below, hi - room_above}, false, gaps->data);
	if (room_above)
		gaps->visit((struct sys_window){hi - room_above, hi}, true, gaps->data);
}

static void visit_mapping(const struct sys_mapping *mapping, void *data)
{
	struct gaps *gaps = data;

	split_gap(gaps, mapping->lo, mapping->kind == SYS_MAPPING_STACK ? STACK_ROOM : 0);
	gaps->previous_end = mapping->hi;
	gaps->room_below = mapping->kind == SYS_MAPPING_HEAP ? HEAP_ROOM : 0;
}

int sys_maps_each_gap(void (*visit)(struct sys_window gap, bool growth, void *data), void *data)
{
	struct gaps gaps = {.visit = visit, .data = data, .previous_end = SYS_ANYWHERE.lo};
	int error = sys_maps_each(visit_mapping, &gaps);

	if (!error)
		split_gap(&gaps, SYS_ANYWHERE.hi, 0);
	return error;
}

/* ---- searching ----------------------------------------------------------------------------- */

struct search {
	struct sys_window window;
	uint64_t near, size, align;
	uint64_t best[2]; /* [1]: where the heap or stack may grow; 0: none */
};

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void consider(struct sys_window gap, bool growth, void *data)
{
	struct search *search = data;
	uint64_t mask = search->align - 1, *best = &search->best[growth], last, at;

	gap = sys_intersect(search->window, gap);
	gap.lo = (gap.lo + mask) & ~mask;
	if (gap.lo >= gap.hi || gap.hi - gap.lo < search->size)
		return;
	last = (gap.hi - search->size) & ~mask;
	at = search->near & ~mask;
	at = at < gap.lo ? gap.lo : at > last ? last : at;
	if (!*best || distance(at, search->near) < distance(*best, search->near))
		*best = at;
}

int sys_maps_find_gap(struct sys_window window, uint64_t near, size_t size, size_t align,
		      uint64_t *ret)
{
	struct search search = {.window = sys_intersect(window, SYS_ANYWHERE),
				.near = near,
				.size = size,
				.align = align};
	int error = sys_maps_each_gap(consider, &search);
	uint64_t best = search.best[0] ? search.best[0] : search.best[1];

	if (error)
		return error;
	if (!best)
		return -EP_OUT_OF_REACH;
	*ret = best;
	return 0;
}
