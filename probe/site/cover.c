/* SPDX-License-Identifier: MIT */
/*
 * A hundred thousand places, most of which are never reached, and none of which matters any more once it
 * was: a site would be too much for each. The traps are written page by page before the code can run. A
 * thread that meets one writes the one byte back, by itself, and tries again:
 *
 *	int3 -> trap_handler -> cover_hit(): hits[i] = 1; text[i] = bytes[i] -> sigreturn to the same address
 *
 * No barrier: a thread that still sees the int3 finds that the byte is back, and tries again as well. Both
 * states are right for every thread, so it makes no difference who sees which of them for how long (G1).
 * Nothing is kept of whether a trap stands: the text says so.
 *
 * What is watched is found by address: ranges of code that are loaded, few, then a binary search. Ranges
 * are only added, so that a trap may look at any time; one whose code is gone is empty.
 */
#include "probe/site/cover.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "probe/image/original.h"
#include "probe/site/patch.h"
#include "probe/site/registry.h"
#include "sys/files.h"
#include "sys/memory.h"
#include "x86/encode.h"

#define CHUNK 512u /* places that are written at once */

/* A part of a file that is loaded and executable. */
struct range {
	_Atomic uint64_t start, end; /* addresses; 0: gone */
	uint64_t distance;	     /* from offset to address */
	const struct ep_cover *cover;
};

static struct range ranges[EP_COVERS_MAX];
static _Atomic uint32_t range_count;

static const struct ep_cover *covers;
static size_t cover_count;

/* ---- to find ------------------------------------------------------------------------------- */

EP_TRAP_PATH static const struct range *find_range(uint64_t address)
{
	uint32_t count = atomic_load_explicit(&range_count, memory_order_acquire);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t start = atomic_load_explicit(&ranges[i].start, memory_order_relaxed);

		if (address >= start &&
		    address < atomic_load_explicit(&ranges[i].end, memory_order_relaxed))
			return &ranges[i];
	}
	return NULL;
}

/* The first place that is not below @offset. */
EP_TRAP_PATH static uint32_t first_from(const struct ep_cover *cover, uint64_t offset)
{
	uint32_t low = 0, high = cover->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cover->offsets[middle] < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

EP_TRAP_PATH static bool find(uint64_t address, const struct ep_cover **ret, uint32_t *ret_index)
{
	const struct range *range = find_range(address);
	uint64_t offset;

	if (!range)
		return false;
	offset = address - range->distance;
	*ret = range->cover;
	*ret_index = first_from(range->cover, offset);
	return *ret_index < range->cover->count && range->cover->offsets[*ret_index] == offset;
}

/* ---- a hit --------------------------------------------------------------------------------- */

EP_TRAP_PATH static bool has_int3(uint64_t address)
{
	uint8_t byte = 0;

	return sys_read_memory(&byte, address, 1) && byte == X86_INT3;
}

EP_TRAP_PATH bool cover_hit(uint64_t address)
{
	const struct ep_cover *cover;
	uint32_t index;

	if (!find(address, &cover, &index))
		return false;
	__atomic_store_n(&cover->hits[index], 1, __ATOMIC_RELAXED);
	return !has_int3(address) || patch_restore(address, cover->bytes[index]);
}

EP_TRAP_PATH bool cover_stands(uint64_t address)
{
	const struct ep_cover *cover;
	uint32_t index;

	return find(address, &cover, &index) && has_int3(address);
}

/* ---- what stood there ---------------------------------------------------------------------- */

static void overlay(uint64_t address, uint8_t *text, size_t size)
{
	const struct range *range = find_range(address);
	const struct ep_cover *cover;

	if (!range)
		range = find_range(address + size - 1);
	if (!range)
		return;
	cover = range->cover;
	for (uint32_t i = first_from(cover, address - range->distance);
	     i < cover->count && cover->offsets[i] + range->distance - address < size; i++) {
		uint8_t *byte = &text[cover->offsets[i] + range->distance - address];

		if (*byte == X86_INT3)
			*byte = cover->bytes[i];
	}
}

EP_TRAP_PATH void cover_restore_text(void)
{
	uint32_t count = atomic_load(&range_count);
	long fd = count ? patch_open() : -1;

	for (uint32_t i = 0; fd >= 0 && i < count; i++) {
		const struct ep_cover *cover = ranges[i].cover;
		uint64_t start = atomic_load(&ranges[i].start), end = atomic_load(&ranges[i].end);

		for (uint32_t j = 0; j < cover->count; j++) {
			uint64_t address = cover->offsets[j] + ranges[i].distance;

			if (!cover->hits[j] && address >= start && address < end &&
			    has_int3(address))
				patch_write_raw(fd, address, &cover->bytes[j], 1);
		}
	}
	if (fd >= 0)
		patch_close(fd);
}

void cover_set(const struct ep_cover *set, size_t count)
{
	covers = set;
	cover_count = count;
	original_set_overlay(overlay);
}

/* ---- to watch ------------------------------------------------------------------------------ */

/* Of one object: which of its places cannot be watched. */
struct left_out {
	const struct range *range;
	uint8_t *flags;
};

/* A jump, or a guard, takes five bytes, and what is displaced by it begins there. */
static void leave_out(struct probe_site *site, void *data)
{
	const struct left_out *out = data;
	const struct ep_cover *cover = out->range->cover;
	uint64_t distance = out->range->distance, end = site->address + XOL_JUMP_SIZE;

	if (site->address + XOL_JUMP_SIZE < out->range->start || site->address >= out->range->end)
		return;
	for (uint32_t i = first_from(cover, site->address - distance);
	     i < cover->count && cover->offsets[i] + distance < end; i++)
		out->flags[i] = 1;
}

/* Anything else there than is said: it is another file, or somebody's breakpoint. */
static bool is_as_said(const struct ep_cover *cover, uint32_t index, uint64_t address)
{
	uint8_t byte;

	return sys_read_memory(&byte, address, 1) && byte == cover->bytes[index] &&
	       byte != X86_INT3;
}

static void write_chunk(struct patch_byte *bytes, size_t count, const struct ep_cover *cover)
{
	size_t failed = count ? patch_write_new(bytes, count) : 0;

	__atomic_fetch_add(cover->unarmed, failed, __ATOMIC_RELAXED);
}

static void write_traps(const struct range *range, const uint8_t *left_out)
{
	static struct patch_byte bytes[CHUNK];
	const struct ep_cover *cover = range->cover;
	size_t used = 0;

	for (uint32_t i = first_from(cover, range->start - range->distance); i < cover->count;
	     i++) {
		uint64_t address = cover->offsets[i] + range->distance;

		if (address >= range->end)
			break;
		if (__atomic_load_n(&cover->hits[i], __ATOMIC_RELAXED))
			continue;
		if (left_out[i] || !is_as_said(cover, i, address)) {
			__atomic_fetch_add(cover->unarmed, 1, __ATOMIC_RELAXED);
			continue;
		}
		bytes[used++] = (struct patch_byte){address, X86_INT3, 0};
		if (used == CHUNK) {
			write_chunk(bytes, used, cover);
			used = 0;
		}
	}
	write_chunk(bytes, used, cover);
}

/* Known before the first trap stands. False: there are too many. */
static bool add_range(const struct objects_object *object, const ElfW(Phdr) * phdr,
		      const struct ep_cover *cover, struct range **ret)
{
	uint32_t count = atomic_load(&range_count);
	struct range *range = &ranges[count];

	if (count == EP_COVERS_MAX)
		return false;
	range->cover = cover;
	range->distance = object->base + phdr->p_vaddr - phdr->p_offset;
	atomic_store(&range->start, object->base + phdr->p_vaddr);
	atomic_store(&range->end, object->base + phdr->p_vaddr + phdr->p_filesz);
	atomic_store_explicit(&range_count, count + 1, memory_order_release);
	*ret = range;
	return true;
}

static void watch(const struct objects_object *object, const struct ep_cover *cover)
{
	uint8_t *flags = calloc(cover->count + 1, 1);

	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		struct range *range;

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
			continue;
		if (!flags || !add_range(object, phdr, cover, &range)) {
			__atomic_fetch_add(cover->unarmed, cover->count, __ATOMIC_RELAXED);
			break;
		}
		registry_each(leave_out, &(struct left_out){range, flags});
		write_traps(range, flags);
	}
	free(flags);
}

static bool find_file(const struct objects_object *object, struct stat *ret)
{
	int fd = sys_open(object->is_executable ? "/proc/self/exe" : object->path,
			  O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool found = fd >= 0 && sys_fstat(fd, ret) == 0;

	if (fd >= 0)
		sys_close(fd);
	return found;
}

void cover_object(const struct objects_object *object)
{
	struct stat status;

	if (!cover_count || object->is_vdso || object->is_engine || !find_file(object, &status))
		return;
	for (size_t i = 0; i < cover_count; i++)
		if (covers[i].device == status.st_dev && covers[i].inode == status.st_ino) {
			watch(object, &covers[i]);
			return;
		}
}

void cover_forget(const struct objects_object *object)
{
	uint32_t count = atomic_load(&range_count);

	for (uint32_t i = 0; i < count; i++)
		if (ranges[i].start >= object->start && ranges[i].start < object->end) {
			atomic_store(&ranges[i].end, 0);
			atomic_store(&ranges[i].start, 0);
		}
}
