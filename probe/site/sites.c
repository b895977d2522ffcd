/* SPDX-License-Identifier: MIT */
/*
 * A site is made ready before its byte is written, and marked as armed before too: from the first
 * int3 on, a trap finds everything that it needs (G1). When it is disarmed the byte goes first; a
 * late trap finds either an armed site, and services it, or a disarmed one, and goes back (G3).
 */
#include "probe/site/sites.h"

#include <stdlib.h>
#include <string.h>

#include "probe/image/objects.h"
#include "probe/image/place.h"
#include "probe/site/cover.h"
#include "probe/site/patch.h"
#include "probe/site/plan.h"
#include "probe/site/promote.h"
#include "probe/site/registry.h"
#include "probe/thread/counters.h"
#include "sys/abi.h"
#include "sys/copy.h"
#include "sys/memory.h"
#include "x86/encode.h"

/* What we wrote is not there: the code is gone, or it could not be written. */
static void forget(struct probe_site *site)
{
	atomic_store(&site->jump, NULL);
	atomic_store(&site->state, SITE_DISARMED);
}

/*
 * Nobody tells us when generated code is unmapped, and other code or data takes its place. An int3
 * there may be our own, or theirs: padding, say. It is ours if what follows is what followed it; at
 * least one byte of that.
 */
enum standing {
	OURS,
	UNCLEAR, /* it cannot be read just now, or something else follows */
	GONE,
};

static enum standing look_behind(const struct probe_site *site)
{
	uint8_t bytes[X86_INSN_MAX + 1];
	size_t length = site->insn.length, size = length > 1 ? length : 2;

	if (objects_find(site->address))
		return OURS;
	if (!registry_read_original(site->address, bytes, size))
		return length > 1 ? UNCLEAR : OURS; /* of one byte, the last of its page */
	if (length == 1)
		return bytes[1] == site->behind ? OURS : UNCLEAR;
	return memcmp(bytes + 1, site->insn.bytes + 1, length - 1) == 0 ? OURS : UNCLEAR;
}

static enum standing standing_of(const struct probe_site *site)
{
	uint8_t first;

	if (!site_is_armed(site))
		return GONE;
	if (registry_stands(site))
		return atomic_load(&site->jump) ? OURS : look_behind(site);
	if (sys_read_memory(&first, site->address, 1))
		return GONE;
	/* Unmapped, or mapped without the right to read; then it comes back with our int3. */
	return sys_copy(site->address, &first, 1) == 1 && first != X86_INT3 ? GONE : UNCLEAR;
}

static bool is_current(const struct probe_site *site)
{
	uint8_t bytes[X86_INSN_MAX];

	return registry_read_original(site->address, bytes, site->insn.length) &&
	       memcmp(bytes, site->insn.bytes, site->insn.length) == 0;
}

static int create(uint64_t address, enum ep_plan asked, bool is_known,
		  const struct xol_guard *guard, struct probe_site **ret)
{
	struct probe_site *site = calloc(1, sizeof(*site));
	struct plan_choice choice;
	int error;

	if (!site)
		return -EP_NO_MEMORY;
	site->address = address;
	site->asked = (uint8_t)asked;
	site->counter = site->return_counter = COUNTERS_NONE;
	site->guard = guard;
	error = is_known ? place_decode(address, &site->insn) : place_check(address, &site->insn);
	if (!error && site->insn.length == 1)
		registry_read_original(address + 1, &site->behind, 1);
	if (!error)
		error = plan_choose(&site->insn, asked, &choice);
	if (!error)
		error = plan_prepare(site, &choice);
	if (!error)
		error = registry_insert(site);
	if (error)
		free(site);
	else
		*ret = site;
	return error;
}

static int get(uint64_t address, enum ep_plan asked, bool is_known, struct probe_site **ret)
{
	struct probe_site *site = registry_find(address);
	struct plan_choice choice;
	int error;

	if (site && standing_of(site) == GONE)
		forget(site);
	if (site && registry_stands(site) && standing_of(site) == UNCLEAR)
		return -EP_FOREIGN_INT3;
	if (!site || !is_current(site))
		return create(address, asked, is_known, NULL, ret);
	error = plan_choose(&site->insn, asked, &choice);
	/* A later probe that does not care takes what is there. */
	if (!error && (asked != EP_PLAN_AUTO || !atomic_load(&site->probes))) {
		error = plan_prepare(site, &choice);
		site->asked = (uint8_t)asked;
	}
	if (!error)
		*ret = site;
	return error;
}

int sites_get(uint64_t address, enum ep_plan asked, struct probe_site **ret)
{
	return get(address, asked, false, ret);
}

int sites_get_known(uint64_t address, enum ep_plan asked, struct probe_site **ret)
{
	return get(address, asked, true, ret);
}

int sites_get_guarded(uint64_t address, bool is_known, const struct xol_guard *guard,
		      struct probe_site **ret)
{
	struct probe_site *site = registry_find(address);

	if (site && site->guard == guard && is_current(site)) {
		if (standing_of(site) == GONE)
			forget(site);
		*ret = site;
		return 0;
	}
	return create(address, EP_PLAN_AUTO, is_known, guard, ret);
}

/*
 * The promoted sites that have one of @sites inside their five bytes, or that have to change
 * because of what their probes ask for now.
 */
static struct probe_site **find_disturbed(struct probe_site *const *sites, size_t count,
					  size_t *ret_count)
{
	struct probe_site **found = calloc(count + 1, sizeof(*found));

	*ret_count = 0;
	for (size_t i = 0; found && i < count; i++) {
		struct probe_site *site = promote_is_outdated(sites[i])
						  ? sites[i]
						  : registry_find_cover(sites[i]->address);

		if (site)
			found[(*ret_count)++] = site;
	}
	return found;
}

static void write_int3s(struct patch_byte *bytes, size_t count)
{
	patch_write(bytes, count);
	for (size_t i = 0; i < count; i++) {
		struct probe_site *site = registry_find(bytes[i].address);

		if (bytes[i].error)
			forget(site);
	}
}

/* Its jump, or an int3. A jump that two pages share would not be written whole. */
static size_t put_final(const struct probe_site *site, struct patch_byte *to)
{
	static const uint8_t int3[] = {X86_INT3};
	const struct probe_jump *jump = atomic_load(&site->jump);
	bool whole = jump && site->address % SYS_PAGE_SIZE <= SYS_PAGE_SIZE - XOL_JUMP_SIZE;
	const uint8_t *from = whole ? jump->jump.bytes : int3;
	size_t size = whole ? XOL_JUMP_SIZE : 1;

	for (size_t i = 0; i < size; i++)
		to[i] = (struct patch_byte){site->address + i, from[i], 0};
	return size;
}

/*
 * What will stand there in the end, instead of int3s first, and of traps of our own until they are
 * jumps. The number of @int3s that are left to be written: at the beginning.
 */
static size_t write_final(struct patch_byte *int3s, size_t count, struct patch_byte *bytes)
{
	size_t size = 0, left = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = size;

		size += put_final(registry_find(int3s[i].address), bytes + size);
		int3s[i].error = (int)at; /* where its first byte is */
	}
	patch_write_unseen(bytes, size);
	for (size_t i = 0; i < count; i++)
		if (bytes[int3s[i].error].error)
			int3s[left++] = (struct patch_byte){int3s[i].address, X86_INT3, 0};
	return left;
}

static void arm(struct probe_site *const *sites, size_t count, bool unseen,
		struct patch_byte *int3s)
{
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++)
		if (atomic_exchange(&sites[i]->state, SITE_ARMED) == SITE_DISARMED)
			int3s[wanted++] = (struct patch_byte){sites[i]->address, X86_INT3, 0};
	promote_prepare(sites, count);
	if (unseen)
		wanted = write_final(int3s, wanted, int3s + count);
	write_int3s(int3s, wanted);
	promote_write(sites, count);
}

int sites_arm(struct probe_site *const *sites, size_t count, bool unseen)
{
	size_t disturbed_count;
	struct probe_site **disturbed = find_disturbed(sites, count, &disturbed_count);
	struct patch_byte *bytes = calloc(count * (1 + XOL_JUMP_SIZE) + 1, sizeof(*bytes));

	if (disturbed && bytes) {
		promote_undo(disturbed, disturbed_count);
		arm(sites, count, unseen, bytes);
		/* They may not be promoted any more: say why. */
		promote_prepare(disturbed, disturbed_count);
		promote_write(disturbed, disturbed_count);
	}
	free(bytes);
	free(disturbed);
	return disturbed && bytes ? 0 : -EP_NO_MEMORY;
}

static void forget_gone(struct probe_site *const *sites, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum standing standing = standing_of(sites[i]);

		if (standing == GONE)
			forget(sites[i]);
		else
			atomic_store(&sites[i]->state,
				     standing == UNCLEAR ? SITE_UNCLEAR : SITE_ARMED);
	}
}

struct range {
	uint64_t start, end;
};

static bool is_in(const struct range *range, uint64_t address)
{
	return address >= range->start && address < range->end;
}

static void never_enable(struct probe_state *state)
{
	struct probe_state_value old, new;

	do {
		old = new = probe_state_read(state);
		new.word = probe_state_next(old.word, (old.word & PROBE_LIVE) | PROBE_NEVER);
	} while (!probe_state_replace(state, old, new));
}

/* Handlers that are gone with their library must not be called: better late than never. */
static void forget_in(struct probe_site *site, void *data)
{
	const struct probe_list *list = atomic_load(&site->probes);
	const struct range *range = data;

	for (uint32_t i = 0; list && i < list->count; i++)
		if (is_in(range, (uint64_t)list->probes[i]->handler) ||
		    is_in(range, (uint64_t)list->probes[i]->entered) ||
		    is_in(range, (uint64_t)list->probes[i]->ended))
			never_enable(&list->probes[i]->state);
	for (uint32_t i = 0; list && i < list->count; i++)
		if (is_in(range, list->probes[i]->semaphore))
			list->probes[i]->semaphore = 0;
	if (is_in(range, site->address))
		forget(site);
}

void sites_forget(uint64_t start, uint64_t end)
{
	struct range range = {start, end};

	registry_each(forget_in, &range);
}

/* Put the first bytes back. What cannot be written, or may not be ours, stays armed and known. */
static void restore_first(struct probe_site *const *sites, size_t count)
{
	enum { CHUNK = 256 };
	struct patch_byte bytes[CHUNK];
	struct probe_site *written[CHUNK];

	for (size_t from = 0; from < count; from += CHUNK) {
		size_t wanted = 0, end = from + CHUNK < count ? from + CHUNK : count;

		for (size_t i = from; i < end; i++) {
			if (atomic_load(&sites[i]->state) != SITE_ARMED ||
			    atomic_load(&sites[i]->jump))
				continue;
			written[wanted] = sites[i];
			bytes[wanted++] =
				(struct patch_byte){sites[i]->address, sites[i]->insn.bytes[0], 0};
		}
		patch_write(bytes, wanted);
		for (size_t i = 0; i < wanted; i++)
			if (!bytes[i].error)
				atomic_store_explicit(&written[i]->state, SITE_DISARMED,
						      memory_order_release);
	}
}

void sites_disarm(struct probe_site *const *sites, size_t count)
{
	forget_gone(sites, count);
	promote_undo(sites, count);
	restore_first(sites, count);
	promote_neighbours(sites, count);
}

EP_TRAP_PATH static void restore_one(struct probe_site *site, void *data)
{
	const struct probe_jump *jump = atomic_load_explicit(&site->jump, memory_order_relaxed);

	if (!registry_stands(site))
		return;
	if (jump)
		patch_write_raw(*(long *)data, site->address, jump->original, XOL_JUMP_SIZE);
	else
		patch_write_raw(*(long *)data, site->address, site->insn.bytes, 1);
}

EP_TRAP_PATH void sites_restore_text(void)
{
	long fd = patch_open();

	if (fd < 0)
		return;
	registry_each(restore_one, &fd);
	patch_close(fd);
	cover_restore_text();
}
