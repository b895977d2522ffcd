/* SPDX-License-Identifier: MIT */
/*
 * The order of writes is what makes a jump safe to put into running code (docs/guarantees.md).
 * The first byte is an int3 already; then, with a barrier behind each step:
 *
 *	           push %rbp    mov %rsp, %rbp
 *	original   55           48 89 e5 ..
 *	armed      CC           48 89 e5 ..     an int3
 *	1          CC           CC 89 e5 ..     boundaries trap
 *	2          CC           CC d1 d2 ..     what is between them is the jump's
 *	3          E9           CC d1 d2 ..     a jump
 *
 * Promoting goes down the list to 3, undoing goes up to "armed".
 *
 * Nobody can execute a byte between boundaries without having come through a boundary, and each
 * of these traps for as long as the bytes behind it are not whole (G1).
 *
 * May it stand there? Only known code is overwritten: inside of the function's extent, or padding
 * behind it. Does it pay? Not where a known road leads to a boundary: it would trap each time.
 */
#include "probe/site/promote.h"

#include <stdlib.h>
#include <string.h>

#include "probe/image/flow.h"
#include "probe/site/calls.h"
#include "probe/site/hit.h"
#include "probe/site/patch.h"
#include "probe/site/registry.h"
#include "probe/thread/counters.h"
#include "probe/thread/thread.h"
#include "x86/encode.h"

/* ---- may it, does it pay ------------------------------------------------------------------- */

static bool has_probe(uint64_t address)
{
	struct probe_site *site = registry_find(address);

	return site && site_is_armed(site);
}

static bool is_call(const struct x86_insn *insn)
{
	enum x86_flow flow = x86_insn_flow(insn);

	return flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_IND;
}

/* Roads that are known to lead to a boundary. */
static int check_profit(const struct flow_region *region)
{
	for (unsigned int i = 1; i < region->count; i++) {
		uint64_t boundary = region->insns[i].address;

		if (is_call(&region->insns[i - 1]))
			return -EP_JUMP_RETURN;
		if (flow_is_entry(region, boundary))
			return -EP_JUMP_ENTRY;
	}
	return flow_first_target(region) ? -EP_JUMP_TARGET : 0;
}

static int find_region(const struct x86_insn *insn, enum ep_plan asked, bool straight,
		       struct flow_region *ret)
{
	int error = flow_region(insn, ret);

	if (error == -EP_JUMP_CODE && straight)
		error = flow_region_straight(insn, ret);
	for (unsigned int i = 1; !error && i < ret->count; i++)
		if (has_probe(ret->insns[i].address))
			error = -EP_JUMP_OVERLAP;
	if (!error && asked != EP_PLAN_JUMP)
		error = check_profit(ret);
	return error;
}

int promote_check(const struct x86_insn *insn, enum ep_plan asked)
{
	struct flow_region region;
	int error = find_region(insn, asked, false, &region);

	return error ? error : xol_jump_check(region.insns, region.count);
}

/* ---- making it ready ----------------------------------------------------------------------- */

static bool only_counts(const struct probe_site *site, const struct probe_list *list)
{
	return list && list->count == 1 && !probe_is_called(list->probes[0]) &&
	       (site->flags & SITE_COUNTER_LENT) && list->probes[0]->counter == site->counter;
}

/* The probe whose conditions the detour can have; NULL: none. */
static const struct ep_probe *conditional(const struct probe_site *site)
{
	const struct probe_list *list = atomic_load(&site->probes);

	if (!list || list->count != 1 || atomic_load(&site->way) != WAY_NONE)
		return NULL;
	if (!list->probes[0]->conditions || !list->probes[0]->conditions->fit ||
	    list->probes[0]->serial == site->unfit)
		return NULL;
	return list->probes[0];
}

/* Those that are left behind are kept for ever. */
#define REMADE_MAX 100

static enum probe_jump_kind kind_if(const struct probe_site *site)
{
	const struct probe_list *list = atomic_load(&site->probes);

	if (only_counts(site, list))
		return PROBE_JUMP_COUNT_IF;
	return list->probes[0]->general_only ? PROBE_JUMP_GENERAL_IF : PROBE_JUMP_VECTOR_IF;
}

static bool uses_scratch(const struct ep_probe *probe)
{
	return probe && probe->scratch_only && probe->one_in == 1;
}

/* The least that does for the probes of @site. */
static enum probe_jump_kind kind_for(const struct probe_site *site)
{
	const struct probe_list *list = atomic_load(&site->probes);
	bool vector = false, follows = false;

	if (atomic_load(&site->way) == WAY_NONE) {
		if (site->guard && (!list || !list->count))
			return PROBE_JUMP_SILENT;
		if (conditional(site) && site->remade < REMADE_MAX)
			return kind_if(site);
		if (only_counts(site, list) && !list->probes[0]->conditions)
			return PROBE_JUMP_COUNT;
	}
	for (uint32_t i = 0; list && i < list->count; i++) {
		follows |= list->probes[i]->follows;
		vector |= !list->probes[i]->general_only;
	}
	if (follows && atomic_load(&site->counted))
		return site->counted_probe->one_in > 1 ? PROBE_JUMP_CALLS_SAMPLE
						       : PROBE_JUMP_CALLS_COUNT;
	if (follows && uses_scratch(atomic_load(&site->only_calls)))
		return PROBE_JUMP_CALLS_TOLD;
	if (follows)
		return vector ? PROBE_JUMP_CALLS_VECTOR : PROBE_JUMP_CALLS;
	if (uses_scratch(atomic_load(&site->only)))
		return PROBE_JUMP_SCRATCH;
	return vector ? PROBE_JUMP_VECTOR : PROBE_JUMP_GENERAL;
}

static bool keeps_vectors(enum probe_jump_kind kind)
{
	return kind == PROBE_JUMP_VECTOR || kind == PROBE_JUMP_VECTOR_IF ||
	       kind == PROBE_JUMP_CALLS_VECTOR;
}

/* By code of their own, in the commonest case. */
static bool follows_quickly(enum probe_jump_kind kind)
{
	return kind == PROBE_JUMP_CALLS_COUNT || kind == PROBE_JUMP_CALLS_SAMPLE ||
	       kind == PROBE_JUMP_CALLS_TOLD;
}

static bool asks_the_way(enum probe_jump_kind kind)
{
	return kind == PROBE_JUMP_CALLS || kind == PROBE_JUMP_CALLS_VECTOR || follows_quickly(kind);
}

static bool looks(enum probe_jump_kind kind)
{
	return kind == PROBE_JUMP_COUNT_IF || kind == PROBE_JUMP_GENERAL_IF ||
	       kind == PROBE_JUMP_VECTOR_IF;
}

/* Does a detour of @kind do what one of @wanted would? */
static bool will_do(enum probe_jump_kind kind, enum probe_jump_kind wanted)
{
	if (kind == PROBE_JUMP_COUNT || wanted == PROBE_JUMP_COUNT)
		return kind == wanted;
	if (kind == PROBE_JUMP_SCRATCH || wanted == PROBE_JUMP_SCRATCH)
		return kind == wanted;
	if (follows_quickly(kind) || follows_quickly(wanted) || looks(kind) || looks(wanted))
		return kind == wanted;
	if (kind == PROBE_JUMP_SILENT || wanted == PROBE_JUMP_SILENT)
		return wanted == PROBE_JUMP_SILENT;
	return (keeps_vectors(kind) || !keeps_vectors(wanted)) &&
	       (asks_the_way(kind) || !asks_the_way(wanted));
}

/* A guard pays wherever it can stand: what it does must not need a trap. */
static enum ep_plan asked_for(const struct probe_site *site)
{
	const struct probe_list *list = atomic_load(&site->probes);

	if (site->guard && (!list || !list->count || site->asked == EP_PLAN_AUTO))
		return EP_PLAN_JUMP;
	return site->asked;
}

static struct xol_detour detour_for(struct probe_site *site, enum probe_jump_kind kind,
				    const struct flow_region *region)
{
	struct xol_detour detour = {
		.hit = asks_the_way(kind) ? hit_from_detour_of_calls : hit_from_detour,
		.site = site,
		.guard = site->guard,
		.silent = kind == PROBE_JUMP_SILENT,
		.asks_the_way = asks_the_way(kind),
		.shared = kind == PROBE_JUMP_CALLS_COUNT    ? calls_counted_enter
			  : kind == PROBE_JUMP_CALLS_SAMPLE ? calls_sampled_enter
			  : kind == PROBE_JUMP_CALLS_TOLD   ? calls_told_enter
			  : kind == PROBE_JUMP_SCRATCH	    ? hit_scratch
							    : NULL,
		.save = keeps_vectors(kind) ? XOL_SAVE_VECTOR : XOL_SAVE_GENERAL,
	};

	if (site->counter != COUNTERS_NONE) {
		struct counters_where where = counters_where(site->counter);

		detour.thread_offset = where.thread_offset;
		detour.offset = where.offset;
		detour.mark_offset = probe_thread_mark_offset();
	}
	if (looks(kind)) {
		const struct probe_conditions *conditions = conditional(site)->conditions;

		detour.conditions = conditions->list;
		detour.condition_count = conditions->count;
	}
	if (kind == PROBE_JUMP_COUNT || kind == PROBE_JUMP_COUNT_IF) {
		detour.only_counts = true;
		detour.flags_are_dead = flow_flags_are_dead(region);
	}
	return detour;
}

/*
 * A guard stands where it must, though a branch leads into the bytes behind its call, as in libc's
 * pthread_kill(). If the jump can be made to end with the bytes that stand there, from the branch's
 * target on, that instruction is whole, and nobody traps.
 */
static int prepare_jump(const struct probe_site *site, const struct flow_region *region,
			const struct xol_detour *detour, struct probe_jump *jump)
{
	unsigned int target = site->guard ? flow_first_target(region) : 0;
	int error = -EP_OUT_OF_REACH;

	if (target)
		error = xol_jump_prepare_short(region->insns, target, jump->original, detour,
					       &jump->jump);
	if (error == -EP_OUT_OF_REACH)
		error = xol_jump_prepare(region->insns, region->count, detour, &jump->jump);
	return error;
}

static uint64_t serial_for(const struct probe_site *site, enum probe_jump_kind kind)
{
	return looks(kind) ? conditional(site)->serial : 0;
}

/* The last one of @kind; NULL: none. */
static struct probe_jump *ready_jump(const struct probe_site *site, enum probe_jump_kind kind)
{
	struct probe_jump *ret = atomic_load(&site->jumps);

	while (ret && ret->kind != kind)
		ret = ret->next;
	return ret;
}

static int make_jump(struct probe_site *site, struct probe_jump **ret)
{
	struct flow_region region;
	enum probe_jump_kind kind;
	struct xol_detour detour;
	struct probe_jump *jump;
	int error = find_region(&site->insn, asked_for(site), site->flags & SITE_RETURNS, &region);

	if (error)
		return error;
	kind = kind_for(site);
	*ret = ready_jump(site, kind);
	if (*ret && (*ret)->serial == serial_for(site, kind))
		return 0;
	if (*ret)
		site->remade++;
	jump = calloc(1, sizeof(*jump));
	if (!jump)
		return -EP_NO_MEMORY;
	jump->kind = (uint8_t)kind;
	jump->serial = serial_for(site, kind);
	registry_read_original(site->address, jump->original, XOL_JUMP_SIZE);
	detour = detour_for(site, kind, &region);
	error = prepare_jump(site, &region, &detour, jump);
	if (error) {
		free(jump);
		if (error != -EP_OUT_OF_REACH || !looks(kind))
			return error;
		site->unfit = conditional(site)->serial; /* too long: a function looks */
		return make_jump(site, ret);
	}
	if (asks_the_way(kind))
		site->body = jump->jump.entry[0];
	jump->next = atomic_load(&site->jumps);
	atomic_store_explicit(&site->jumps, jump, memory_order_release);
	*ret = jump;
	return 0;
}

static bool is_wanted(const struct probe_site *site)
{
	enum ep_plan asked = asked_for(site);

	return !site->intercept && site_is_armed(site) &&
	       (asked == EP_PLAN_AUTO || asked == EP_PLAN_JUMP);
}

/* ---- writing ------------------------------------------------------------------------------- */

enum step { BOUNDARIES, BETWEEN, FIRST };

struct writes {
	struct patch_byte *bytes;
	size_t count;
};

static bool is_boundary(const struct xol_jump *jump, unsigned int offset)
{
	for (unsigned int i = 1; i < jump->count; i++)
		if (jump->offset[i] == offset)
			return true;
	return false;
}

static void add_step(struct writes *writes, const struct probe_jump *jump, enum step step,
		     const uint8_t *bytes)
{
	for (unsigned int i = 0; i < XOL_JUMP_SIZE; i++) {
		enum step of_byte = i == 0			  ? FIRST
				    : is_boundary(&jump->jump, i) ? BOUNDARIES
								  : BETWEEN;

		if (of_byte == step)
			writes->bytes[writes->count++] =
				(struct patch_byte){jump->jump.address + i, bytes[i], 0};
	}
}

static bool write_step(struct probe_site *const *sites, size_t count, enum step step, bool undo,
		       struct writes *writes)
{
	static const uint8_t int3[] = {X86_INT3};

	writes->count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct probe_jump *jump = atomic_load(&sites[i]->jump);
		const uint8_t *bytes = undo ? jump->original : jump->jump.bytes;

		add_step(writes, jump, step, undo && step == FIRST ? int3 : bytes);
	}
	return writes->count == 0 || patch_write(writes->bytes, writes->count) == 0;
}

/* Where a step fails all stays as it is by then, and known to the trap: each state is sound (G1). */
static void undo_all(struct probe_site *const *sites, size_t count, struct writes *writes)
{
	if (!write_step(sites, count, FIRST, true, writes) ||
	    !write_step(sites, count, BETWEEN, true, writes) ||
	    !write_step(sites, count, BOUNDARIES, true, writes))
		return;
	for (size_t i = 0; i < count; i++)
		atomic_store_explicit(&sites[i]->jump, NULL, memory_order_release);
}

static void write_all(struct probe_site *const *sites, size_t count, struct writes *writes)
{
	if (write_step(sites, count, BOUNDARIES, false, writes) &&
	    write_step(sites, count, BETWEEN, false, writes) &&
	    write_step(sites, count, FIRST, false, writes))
		return;
	undo_all(sites, count,
		 writes); /* where a byte was not yet written, this changes nothing (G7) */
	for (size_t i = 0; i < count; i++)
		sites[i]->jump_reason = EP_NOT_WRITABLE;
}

static int by_address(const void *a, const void *b)
{
	const struct probe_site *left = *(struct probe_site *const *)a;
	const struct probe_site *right = *(struct probe_site *const *)b;

	return left->address < right->address ? -1 : left->address > right->address;
}

/* A batch is: what qsort() calls may be among the functions that trap just now. */
static bool is_sorted(struct probe_site *const *sites, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (sites[i]->address < sites[i - 1]->address)
			return false;
	return true;
}

/* Those of @sites for which @pick says yes, each once. */
static struct probe_site **pick_sites(struct probe_site *const *sites, size_t count,
				      bool (*pick)(struct probe_site *site), size_t *ret_count)
{
	struct probe_site **picked = calloc(count + 1, sizeof(*picked));
	size_t kept = 0;

	*ret_count = 0;
	if (!picked)
		return NULL;
	memcpy(picked, sites, count * sizeof(*picked));
	if (!is_sorted(picked, count))
		qsort(picked, count, sizeof(*picked), by_address);
	for (size_t i = 0; i < count; i++)
		if ((i == 0 || picked[i] != picked[i - 1]) && pick(picked[i]))
			picked[kept++] = picked[i];
	*ret_count = kept;
	return picked;
}

/* Make @site's jump ready, and known to the trap. */
static void prepare(struct probe_site *site)
{
	struct probe_jump *jump;
	int error;

	if (!is_wanted(site) || atomic_load(&site->jump))
		return;
	error = make_jump(site, &jump);
	site->jump_reason = (uint8_t)-error;
	if (!error)
		atomic_store_explicit(&site->jump, jump, memory_order_release);
}

static bool is_promoted(struct probe_site *site)
{
	return atomic_load(&site->jump) != NULL;
}

static void change(struct probe_site *const *sites, size_t count,
		   bool (*pick)(struct probe_site *site),
		   void (*write)(struct probe_site *const *, size_t, struct writes *))
{
	struct writes writes = {calloc(count * XOL_JUMP_SIZE + 1, sizeof(*writes.bytes)), 0};
	struct probe_site **picked = NULL;
	size_t picked_count;

	if (writes.bytes)
		picked = pick_sites(sites, count, pick, &picked_count);
	if (picked && picked_count)
		write(picked, picked_count, &writes);
	free(writes.bytes);
	free(picked);
}

static bool is_ready(struct probe_site *site)
{
	const struct probe_jump *jump = atomic_load(&site->jump);

	return jump && *(const uint8_t *)site->address != jump->jump.bytes[0];
}

void promote_prepare(struct probe_site *const *sites, size_t count)
{
	for (size_t i = 0; i < count; i++)
		prepare(sites[i]);
}

void promote_write(struct probe_site *const *sites, size_t count)
{
	change(sites, count, is_ready, write_all);
}

void promote_undo(struct probe_site *const *sites, size_t count)
{
	change(sites, count, is_promoted, undo_all);
}

bool promote_is_outdated(const struct probe_site *site)
{
	const struct probe_jump *jump = atomic_load(&site->jump);

	enum probe_jump_kind kind;

	if (!jump || !is_wanted(site))
		return jump;
	kind = kind_for(site);
	return !will_do(jump->kind, kind) || jump->serial != serial_for(site, kind);
}

void promote_neighbours(struct probe_site *const *sites, size_t count)
{
	struct probe_site **found =
		calloc(count * (XOL_JUMP_SIZE - 1) + 1, sizeof(struct probe_site *));
	size_t found_count = 0;

	for (size_t i = 0; found && i < count; i++) {
		for (uint64_t k = 1; k < XOL_JUMP_SIZE; k++) {
			struct probe_site *site = registry_find(sites[i]->address - k);

			if (site && site->jump_reason == EP_JUMP_OVERLAP)
				found[found_count++] = site;
		}
	}
	if (found_count) {
		promote_prepare(found, found_count);
		promote_write(found, found_count);
	}
	free(found);
}
