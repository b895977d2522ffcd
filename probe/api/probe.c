/* SPDX-License-Identifier: MIT */
/*
 * The public API: checks arguments, then works on sites under the engine's lock. Everything is a
 * batch; one probe is a batch of one.
 *
 * What a running handler may still be looking at (a removed probe, a replaced list) goes to the
 * graveyard. Whoever removes probes waits until no handler of these sites runs, and frees it; from
 * inside a handler nobody waits, and the next one frees it.
 */
#include <stdlib.h>
#include <string.h>

#include "include/counting.h"
#include "probe/api/enable.h"
#include "probe/api/handles.h"
#include "probe/api/options.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/guest/watch.h"
#include "probe/image/leaf.h"
#include "probe/image/place.h"
#include "probe/image/walk.h"
#include "probe/site/calls.h"
#include "probe/site/counts.h"
#include "probe/site/plan.h"
#include "probe/site/registry.h"
#include "probe/site/sites.h"
#include "probe/site/ways.h"
#include "probe/thread/counters.h"
#include "probe/thread/thread.h"
#include "sys/memory.h"

static uint64_t serial;
static uint32_t one_in = 1; /* of calls: see ep_sample_calls() */
static struct ep_probe *removed_probes;
static struct probe_list *replaced_lists;

/* ---- lists --------------------------------------------------------------------------------- */

static struct ep_probe *only_probe(const struct probe_site *site, const struct probe_list *list,
				   bool follows)
{
	struct ep_probe *probe = list && list->count == 1 ? list->probes[0] : NULL;

	return probe && atomic_load(&site->way) == WAY_NONE && probe_is_called(probe) &&
			       probe->follows == follows && probe->counter != COUNTERS_NONE &&
			       probe->counter == site->counter
		       ? probe
		       : NULL;
}

static void publish(struct probe_site *site, struct probe_list *list)
{
	struct probe_list *old = atomic_load(&site->probes);

	calls_choose_leave(site, list);
	atomic_store_explicit(&site->probes, list, memory_order_release);
	atomic_store_explicit(&site->only, only_probe(site, list, false), memory_order_release);
	atomic_store_explicit(&site->only_calls, only_probe(site, list, true),
			      memory_order_release);
	calls_choose_way(site);
	if (old) {
		old->next_replaced = replaced_lists;
		replaced_lists = old;
	}
}

static struct probe_list *list_create(struct probe_site *site, size_t count)
{
	struct probe_list *list = malloc(sizeof(*list) + count * sizeof(list->probes[0]));

	if (list)
		*list = (struct probe_list){.site = site, .count = (uint32_t)count};
	return list;
}

/* What stands in lists for probes that were removed without memory for a shorter list; it never
 * fires. */
static struct ep_probe nobody;

/* The probes of @list but @probe; to @ret, unless that is NULL. */
static size_t others(const struct probe_list *list, const struct ep_probe *probe,
		     struct ep_probe **ret)
{
	size_t count = 0;

	for (size_t i = 0; list && i < list->count; i++) {
		if (list->probes[i] == probe || list->probes[i] == &nobody)
			continue;
		if (ret)
			ret[count] = list->probes[i];
		count++;
	}
	return count;
}

static bool follows_calls(const struct probe_site *site)
{
	const struct probe_list *list = atomic_load(&site->probes);

	for (uint32_t i = 0; list && i < list->count; i++)
		if (list->probes[i]->follows)
			return true;
	return false;
}

static int attach(struct ep_probe *probe)
{
	struct probe_list *old = atomic_load(&probe->site->probes);
	size_t count = others(old, NULL, NULL);
	struct probe_list *list = list_create(probe->site, count + 1);

	if (!list)
		return -EP_NO_MEMORY;
	others(old, NULL, list->probes);
	list->probes[count] = probe;
	publish(probe->site, list);
	return 0;
}

static void replace_by_nobody(struct probe_list *list, const struct ep_probe *probe)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->probes[i] == probe)
			__atomic_store_n(&list->probes[i], &nobody, __ATOMIC_RELEASE);
}

/*
 * The first probe of a site that counts for itself takes the site's own counter, which a detour
 * can count with; it is returned, not freed, so that the same address uses the same code again.
 */
static void borrow_counter(struct ep_probe *probe, bool own_counts)
{
	struct probe_site *site = probe->site;

	probe->counter = COUNTERS_NONE;
	if (!own_counts)
		return;
	if (site->flags & SITE_COUNTER_LENT) {
		probe->counter = counters_alloc();
		return;
	}
	/* Else it is not cleared: a thread may be in the middle of adding to it. */
	if (site->counter == COUNTERS_NONE)
		site->counter = counters_alloc();
	probe->counter = site->counter;
	if (site->counter != COUNTERS_NONE)
		site->flags |= SITE_COUNTER_LENT;
}

/* The same of the counter of returns; who has the one has the other. */
static void borrow_return_counter(struct ep_probe *probe, bool own_counts)
{
	struct probe_site *site = probe->site;

	probe->return_counter = COUNTERS_NONE;
	if (!own_counts || !probe->follows)
		return;
	if (probe->counter == COUNTERS_NONE || probe->counter != site->counter) {
		probe->return_counter = counters_alloc();
		return;
	}
	if (site->return_counter == COUNTERS_NONE)
		site->return_counter = counters_alloc();
	probe->return_counter = site->return_counter;
	probe->returns_base = counters_sum(probe->return_counter);
}

static void return_counter(const struct ep_probe *probe)
{
	struct probe_site *site = probe->site;

	if (probe->counter == COUNTERS_NONE)
		return;
	if (probe->counter == site->counter)
		site->flags &= (uint8_t)~SITE_COUNTER_LENT;
	else
		counters_free(probe->counter);
}

/* As the kernel's: it stays within its bits. Other engines that count there are not excluded. */
static void add_to_semaphore(const struct ep_probe *probe, int by)
{
	uint16_t value;

	if (!probe->semaphore || !sys_load_uint16_t(probe->semaphore, &value) ||
	    value == (by > 0 ? UINT16_MAX : 0))
		return;
	sys_store_uint16_t(probe->semaphore, (uint16_t)(value + by));
}

/* Take @probe out; it goes to the graveyard. True: it was the last of its site. */
static bool detach(struct ep_probe *probe)
{
	struct probe_site *site = probe->site;
	struct probe_list *old = atomic_load(&site->probes), *list = NULL;
	size_t kept = others(old, probe, NULL);

	handles_revoke(probe);
	add_to_semaphore(probe, -1);
	probe->next_removed = removed_probes;
	removed_probes = probe;
	if (kept)
		list = list_create(site, kept);
	if (kept && !list) {
		replace_by_nobody(old, probe);
		return false;
	}
	if (list)
		others(old, probe, list->probes);
	publish(site, list);
	if (probe->follows && !follows_calls(site))
		ways_close(site);
	return !list;
}

/* ---- create -------------------------------------------------------------------------------- */

/* .ended is told where xmm0 is kept, and may change it there without touching it. */
static bool is_general(const struct ep_options *options)
{
	const void *const handlers[] = {(const void *)options->handler,
					(const void *)options->entered};

	if (options->flags & EP_GENERAL_REGS_ONLY)
		return true;
	if (options->ended)
		return false;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i] && leaf_use((uint64_t)handlers[i]) == LEAF_ANY)
			return false;
	return true;
}

/* ep_backtrace() needs them all. */
static bool is_scratch(const struct ep_options *options)
{
	const void *const handlers[] = {(const void *)options->handler,
					(const void *)options->entered,
					(const void *)options->ended};
	bool any = false;

	if (options->conditions || options->flags & EP_BACKTRACE)
		return false;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		any |= handlers[i] != NULL;
		if (handlers[i] && !(options->flags & EP_SCRATCH_REGS_ONLY) &&
		    leaf_use((uint64_t)handlers[i]) != LEAF_SCRATCH)
			return false;
	}
	return any;
}

static struct ep_probe *probe_create(struct probe_site *site, const struct ep_options *options)
{
	struct ep_probe *probe = handles_take();

	if (!probe)
		return NULL;
	probe->site = site;
	probe->handler = options->handler;
	probe->entered = options->entered;
	probe->ended = options->ended;
	probe->follows = options_follow(options);
	probe->cookie = options->cookie;
	probe->serial = ++serial;
	probe->general_only = is_general(options);
	probe->scratch_only = probe->general_only && is_scratch(options);
	probe->conditions = NULL;
	if (options->conditions) {
		probe->conditions = conditions_copy(options->conditions, options->condition_count);
		if (!probe->conditions) {
			handles_give_back(probe);
			return NULL;
		}
	}
	probe->returns_base = 0;
	probe->one_in = 1;
	probe->turns = COUNTERS_NONE;
	if (one_in > 1 && (probe->entered || probe->ended)) {
		probe->turns = counters_alloc();
		probe->one_in = probe->turns == COUNTERS_NONE ? 1 : one_in;
	}
	counts_set(probe, options->counts ? options->counts : &probe->own_counts);
	borrow_counter(probe, !options->counts);
	borrow_return_counter(probe, !options->counts);
	enable_init(probe, !(options->flags & EP_DISABLED));
	return probe;
}

static void probe_destroy(struct ep_probe *probe)
{
	if (probe->return_counter != COUNTERS_NONE &&
	    probe->return_counter != probe->site->return_counter)
		counters_free(probe->return_counter);
	return_counter(probe);
	if (probe->turns != COUNTERS_NONE)
		counters_free(probe->turns);
	if (probe->freed)
		probe->freed(probe->freed_data);
	conditions_free(probe->conditions);
	handles_give_back(probe);
}

static int create_one(struct ep_request *request)
{
	struct ep_options options;
	struct probe_site *site;
	struct ep_probe *probe;
	int error = options_read(request->options, &options);

	if (!error && options_follow(&options))
		error = calls_init();
	if (!error && options.flags & EP_BACKTRACE)
		error = walk_start();
	if (!error)
		error = sites_get((uint64_t)request->addr, options.plan, &site);
	if (error)
		return error;
	if (options_follow(&options) && !follows_calls(site))
		error = ways_open(site, options.plan);
	if (error)
		return error;
	probe = probe_create(site, &options);
	error = probe ? attach(probe) : -EP_NO_MEMORY;
	if (error && !follows_calls(site))
		ways_close(site);
	if (error && probe)
		probe_destroy(probe);
	else
		request->probe = probe;
	return error;
}

static int by_address(const void *a, const void *b)
{
	const struct ep_request *left = *(struct ep_request *const *)a;
	const struct ep_request *right = *(struct ep_request *const *)b;

	if (left->addr != right->addr)
		return left->addr < right->addr ? -1 : 1;
	return left < right ? -1 : left > right; /* in the order of the caller */
}

static bool nobody_runs; /* the program has not begun */

struct batch {
	struct ep_request **order;
	struct probe_site **sites;
	size_t count;
};

static void batch_deinit(struct batch *batch)
{
	free(batch->order);
	free(batch->sites);
}

static int batch_init(struct batch *ret, struct ep_request *requests, size_t count)
{
	struct batch batch = {
		.order = calloc(count + 1, sizeof(batch.order[0])),
		.sites = calloc(count + 1, sizeof(batch.sites[0])),
		.count = count,
	};

	if (!batch.order || !batch.sites) {
		batch_deinit(&batch);
		return -EP_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
		batch.order[i] = &requests[i];
	qsort(batch.order, count, sizeof(batch.order[0]), by_address);
	*ret = batch;
	return 0;
}

static void arm(struct batch *batch)
{
	size_t count = 0;
	int error;

	for (size_t i = 0; i < batch->count; i++)
		if (batch->order[i]->probe)
			batch->sites[count++] = batch->order[i]->probe->site;
	error = watch_traps();
	if (!error)
		error = sites_arm(batch->sites, count, nobody_runs);
	for (size_t i = 0; i < batch->count; i++) {
		struct ep_request *request = batch->order[i];

		if (!request->probe || (!error && site_is_armed(request->probe->site)))
			continue;
		detach(request->probe);
		request->probe = NULL;
		request->error = error ? error : -EP_NOT_WRITABLE;
	}
}

/* So far requests had the probes themselves. */
static void give_handles(struct ep_request *requests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (requests[i].probe)
			requests[i].probe = requests[i].probe->handle;
}

struct creation {
	struct ep_request *requests;
	size_t count;
};

static void create_all(void *data)
{
	const struct creation *creation = data;
	struct ep_request *requests = creation->requests;
	size_t count = creation->count;
	struct batch batch = {.count = 0};
	int error = engine_start();

	if (!error)
		error = batch_init(&batch, requests, count);
	for (size_t i = 0; i < count; i++) {
		struct ep_request *request = error ? &requests[i] : batch.order[i];

		request->probe = NULL;
		request->error = error ? error : create_one(request);
	}
	if (!error)
		arm(&batch);
	give_handles(requests, count);
	batch_deinit(&batch);
}

static void refuse_all(struct ep_request *requests, size_t count, int error)
{
	for (size_t i = 0; i < count; i++) {
		requests[i].probe = NULL;
		requests[i].error = error;
	}
}

size_t ep_probe_create_batch(struct ep_request *requests, size_t count)
{
	struct creation creation = {requests, count};
	size_t failed = 0;

	if (!requests || count > PTRDIFF_MAX / sizeof(*requests))
		return count;
	if (probe_thread_in_handler()) {
		refuse_all(requests, count, -EP_IN_HANDLER);
		return count;
	}
	engine_stay();
	engine_lock();
	engine_hold_objects(create_all, &creation);
	engine_unlock();
	for (size_t i = 0; i < count; i++)
		failed += requests[i].error != 0;
	return failed;
}

int ep_probe_create(const void *addr, const struct ep_options *options, struct ep_probe **ret)
{
	struct ep_request request = {.addr = addr, .options = options};

	if (!ret)
		return -EP_INVALID;
	if (ep_probe_create_batch(&request, 1) == 0)
		*ret = request.probe;
	return request.error;
}

/* ---- remove -------------------------------------------------------------------------------- */

struct graveyard {
	struct ep_probe *probes;
	struct probe_list *lists;
};

static void add_waiter(const struct graveyard *graves, int by)
{
	for (struct ep_probe *probe = graves->probes; probe; probe = probe->next_removed)
		probe->site->waiters += (uint32_t)by;
	for (struct probe_list *list = graves->lists; list; list = list->next_replaced)
		list->site->waiters += (uint32_t)by;
}

static bool is_waited_for(const struct probe_site *site, void *data)
{
	(void)data;
	return __atomic_load_n(&site->waiters, __ATOMIC_RELAXED) != 0;
}

static void free_graves(struct graveyard *graves)
{
	for (struct ep_probe *probe = graves->probes, *next; probe; probe = next) {
		next = probe->next_removed;
		probe_destroy(probe);
	}
	for (struct probe_list *list = graves->lists, *next; list; list = next) {
		next = list->next_replaced;
		free(list);
	}
}

/* Wait until nobody looks at what was removed so far, then free it. */
static void bury(void)
{
	struct graveyard graves;

	engine_lock();
	graves = (struct graveyard){removed_probes, replaced_lists};
	removed_probes = NULL;
	replaced_lists = NULL;
	add_waiter(&graves, 1);
	engine_unlock();
	probe_thread_wait(is_waited_for, NULL);
	engine_lock();
	add_waiter(&graves, -1);
	free_graves(&graves);
	engine_unlock();
}

struct removal {
	struct ep_probe *const *handles;
	size_t count;
	int error;
};

/* The site is to be disarmed, if it is returned. */
static struct probe_site *remove_one(struct ep_probe *probe)
{
	struct probe_site *site = probe->site;

	if (!detach(probe) || site->intercept)
		return NULL;
	if (!site->guard && atomic_load(&site->way) == WAY_NONE)
		return site;
	sites_arm(&site, 1, false); /* it stays, and needs less of its jump now */
	return NULL;
}

/* A probe that is named twice is none any more the second time. */
static void remove_all(void *data)
{
	struct removal *removal = data;
	struct probe_site **sites = calloc(removal->count + 1, sizeof(*sites));
	size_t unused = 0;

	for (size_t i = 0; i < removal->count; i++) {
		struct ep_probe *handle = removal->handles[i], *probe = handles_find(handle);
		struct probe_site *site = probe ? remove_one(probe) : NULL;

		if (handle && !probe)
			removal->error = -EP_INVALID;
		if (site && sites)
			sites[unused++] = site;
		else if (site)
			sites_disarm(&site, 1);
	}
	sites_disarm(sites, unused);
	free(sites);
}

int ep_probe_remove_batch(struct ep_probe *const *probes, size_t count)
{
	struct removal removal = {probes, count, 0};

	if ((!probes && count) || count > PTRDIFF_MAX / sizeof(struct ep_probe *))
		return -EP_INVALID;
	engine_lock();
	engine_hold_objects(remove_all, &removal);
	engine_unlock();
	if (!probe_thread_in_handler())
		bury();
	return removal.error;
}

int ep_probe_remove(struct ep_probe *probe)
{
	return probe ? ep_probe_remove_batch(&probe, 1) : -EP_INVALID;
}

/* ---- use ----------------------------------------------------------------------------------- */

void ep_probe_set_counts(struct ep_probe *probe, struct ep_counts *counts)
{
	struct ep_probe *found = handles_find(probe);

	if (found)
		counts_set(found, counts ? counts : &found->own_counts);
}

void ep_use_count_block(struct ep_counts *block, size_t count)
{
	counts_use_block(block, count);
}

void ep_move_count_block(struct ep_counts *to)
{
	counts_move_block(to);
}

void ep_probe_use_semaphore(struct ep_probe *probe, uint16_t *semaphore)
{
	struct ep_probe *found;

	if (!semaphore)
		return;
	engine_lock();
	found = handles_find(probe);
	if (found && !found->semaphore) {
		found->semaphore = (uint64_t)semaphore;
		add_to_semaphore(found, 1);
	}
	engine_unlock();
}

void ep_probe_on_free(struct ep_probe *probe, void (*freed)(void *data), void *data)
{
	struct ep_probe *found;

	engine_lock();
	found = handles_find(probe);
	if (found) {
		found->freed = freed;
		found->freed_data = data;
	}
	engine_unlock();
}

uint32_t ep_probe_counter(const struct ep_probe *probe)
{
	const struct ep_probe *found = handles_find(probe);

	return found ? found->counter : COUNTERS_NONE;
}

void ep_nobody_runs(bool so)
{
	engine_lock();
	nobody_runs = so;
	engine_unlock();
}

void ep_sample_calls(uint32_t set)
{
	engine_lock();
	one_in = set ? set : 1;
	engine_unlock();
}

uint32_t ep_probe_return_counter(const struct ep_probe *probe)
{
	const struct ep_probe *found = handles_find(probe);

	return found ? found->return_counter : COUNTERS_NONE;
}

void ep_hold(void)
{
	engine_lock();
}

void ep_release(void)
{
	engine_unlock();
}

void ep_forgo_calls(void)
{
	engine_lock();
	calls_deinit();
	engine_unlock();
}

void ep_use_counter_memory(ep_counter_memory alloc, void *data)
{
	engine_lock();
	counters_use_memory(alloc, data);
	engine_unlock();
}
