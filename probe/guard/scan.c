/* SPDX-License-Identifier: MIT */
/*
 * Which `syscall` instructions are guarded: those whose number may be one of ours (number.c). Most
 * have theirs in sight, as in `mov $14, %eax; ...; syscall`; where it comes from elsewhere, as in
 * libc's syscall() and what newer versions share among all calls that can be cancelled, the guard
 * looks at each call's number. Guarding one too many costs a nanosecond; missing one may kill.
 *
 * A guard is a jump where one can stand, so that it needs neither a signal frame nor SIGTRAP's
 * handler, which are just what is being changed there.
 */
#include "probe/guard/scan.h"

#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>

#include "probe/guard/entry.h"
#include "probe/guard/number.h"
#include "probe/guest/park.h"
#include "probe/guest/signals.h"
#include "probe/image/objects.h"
#include "probe/site/patch.h"
#include "probe/site/plan.h"
#include "probe/site/promote.h"
#include "probe/site/registry.h"
#include "probe/site/sites.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/memory.h"
#include "x86/encode.h"

static struct xol_guard calls; /* shown to entry.S, if they have one of our numbers */

/* The sites, ready; written by park_others(), when nothing may be allocated. */
static struct probe_site **sites;
static struct patch_byte *bytes; /* room for those of all sites */
static size_t count, room, failed;

/* Objects that were loaded later and could not be guarded, and why the last one could not. */
static unsigned int gaps;
static int gap_error;

static bool make_room(void)
{
	size_t wanted = room ? 2 * room : 128;
	struct probe_site **more_sites = realloc(sites, wanted * sizeof(*sites));
	struct patch_byte *more_bytes;

	if (more_sites)
		sites = more_sites;
	more_bytes = realloc(bytes, wanted * XOL_JUMP_SIZE * sizeof(*bytes));
	if (more_bytes)
		bytes = more_bytes;
	if (!more_sites || !more_bytes)
		return false;
	room = wanted;
	return true;
}

static int prepare(uint64_t address, bool is_known, bool returns)
{
	struct probe_site *site;
	int error;

	if (count == room && !make_room())
		return -EP_NO_MEMORY;
	error = sites_get_guarded(address, is_known, &calls, &site);
	if (error)
		return error;
	site->flags &= (uint8_t)~SITE_RETURNS;
	if (returns)
		site->flags |= SITE_RETURNS;
	atomic_store(&site->state, SITE_ARMED);
	sites[count++] = site;
	return 0;
}

/* In libc a function's start is known, and decoding from there is the better proof. */
static int consider(const uint8_t *at, const uint8_t *start, struct objects_object *object,
		    bool is_libc)
{
	if (at > start && at[-1] == SYSCALL_MARK)
		return 0;
	switch (guard_number(at, start, object, is_libc)) {
	case GUARD_NUMBER_RETURN:
		return prepare((uint64_t)at, true, false);
	case GUARD_NUMBER_PROVEN:
		return prepare((uint64_t)at, true, true);
	case GUARD_NUMBER_LIKELY:
		return prepare((uint64_t)at, false, true);
	default:
		return 0;
	}
}

static int scan(const uint8_t *start, size_t size, struct objects_object *object, bool is_libc)
{
	const uint8_t *at = start, *end = start + size;
	int error = 0;

	while ((at = memchr(at, 0x05, (size_t)(end - at)))) { /* faster than memmem() */
		if (at > start && at[-1] == 0x0f)	      /* syscall */
			error = consider(at - 1, start, object, is_libc);
		if (error == -EP_NO_MEMORY || error == -EP_OUT_OF_REACH)
			return error; /* a gap in the guard kills; not so what is no instruction */
		at++;
	}
	return 0;
}

static bool is_there(const uint8_t *page)
{
	uint8_t byte;

	return sys_read_memory(&byte, (uint64_t)page, sizeof(byte));
}

/* Where the pages end that follow each other from @at on, and can be read; or that cannot. */
static const uint8_t *end_of_run(const uint8_t *at, const uint8_t *end, bool readable)
{
	while (at < end && is_there(at) == readable)
		at = (const uint8_t *)(((uint64_t)at | (SYS_PAGE_SIZE - 1)) + 1);
	return at < end ? at : end;
}

/*
 * A segment whose file has been shortened has pages that cannot be read, nor executed. One that is
 * shortened in this very moment is not looked after: its program is about to die anyway.
 */
static int scan_readable(const uint8_t *at, size_t size, struct objects_object *object,
			 bool is_libc)
{
	const uint8_t *end = at + size;
	int error = 0;

	while (at < end && !error) {
		const uint8_t *run = end_of_run(at, end, true);

		error = scan(at, (size_t)(run - at), object, is_libc);
		at = end_of_run(run, end, false);
	}
	return error;
}

static size_t put_bytes(const struct probe_site *site, bool original, struct patch_byte *to)
{
	static const uint8_t int3[] = {X86_INT3};
	const struct probe_jump *jump = atomic_load(&site->jump);
	const uint8_t *from = original ? site->insn.bytes : int3;
	size_t size = jump ? XOL_JUMP_SIZE : 1;

	if (jump)
		from = original ? jump->original : jump->jump.bytes;
	for (size_t i = 0; i < size; i++)
		to[i] = (struct patch_byte){site->address + i, from[i], 0};
	return size;
}

/*
 * Whole jumps, where there is one: no thread executes what is written. One that is found behind a
 * call, waiting in the kernel, comes back to a boundary (G3).
 */
static size_t write_bytes(bool original)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += put_bytes(sites[i], original, bytes + size);
	return patch_write(bytes, size);
}

static void write_all(void)
{
	failed = write_bytes(false);
}

static int scan_object(struct objects_object *object, bool is_libc)
{
	int error = 0;

	for (size_t i = 0; object && i < object->phdr_count && !error; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & (PF_R | PF_X)) == (PF_R | PF_X))
			error = scan_readable((const uint8_t *)(object->base + phdr->p_vaddr),
					      phdr->p_filesz, object, is_libc);
	}
	return error;
}

/* Runtimes that ask the kernel themselves: Go's, sanitizers'. */
static int scan_others(const struct objects_object *libc)
{
	const struct objects_object *ours = objects_find((uint64_t)scan_others);
	struct objects_object **objects;
	size_t object_count;
	int error = 0;

	if (objects_list(&objects, &object_count))
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < object_count && !error; i++)
		if (objects[i] != libc && objects[i] != ours && !objects[i]->is_vdso)
			error = scan_object(objects[i], false);
	return error;
}

/* The guard has a gap, and a gap kills: take away what could be written. */
static void take_away(void)
{
	size_t kept = 0;

	write_bytes(true);
	for (size_t i = 0; i < count; i++) {
		if (registry_stands(sites[i])) {
			kept++;
			continue;
		}
		atomic_store(&sites[i]->jump, NULL);
		atomic_store(&sites[i]->state, SITE_DISARMED);
	}
	count = kept;
}

/* How traps that are there already fare is not in our hands; no more are written. */
static void note_gap(struct objects_object *object, int error)
{
	if (!object->has_gap)
		gaps++;
	object->has_gap = true;
	gap_error = error;
}

void guard_object(struct objects_object *object)
{
	size_t before = count;
	int error;

	count = 0;
	error = scan_object(object, strcmp(object->name, "libc.so.6") == 0);
	promote_prepare(sites, count);
	write_all();
	if (failed)
		take_away();
	if (!error && failed)
		error = -EP_NOT_WRITABLE;
	if (error)
		note_gap(object, error);
	count += before;
}

void guard_forget(const struct objects_object *object)
{
	gaps -= object->has_gap;
}

int guard_gap(void)
{
	return gaps ? gap_error : 0;
}

static void write_held(void)
{
	signals_adopt_rest(PARK_SIGNAL);
	write_all();
}

int guard_arm(void)
{
	/* libc, whoever wraps its functions. */
	struct objects_object *libc = objects_find((uint64_t)gnu_get_libc_version);
	int error;

	count = failed = 0;
	calls = (struct xol_guard){guard_numbers(), guard_enter};
	error = libc ? scan_object(libc, true) : -EP_NO_MEMORY;
	if (!error)
		error = scan_others(libc);
	promote_prepare(sites, count);
	if (!error)
		error = park_others(write_held);
	if (!error && failed)
		error = -EP_NOT_WRITABLE;
	if (error)
		take_away();
	return error;
}

size_t guard_count(void)
{
	return count;
}
