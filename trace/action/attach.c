/* SPDX-License-Identifier: MIT */
/*
 * Probes are created disabled, all in one batch, and enabled when everything else has been done:
 * what the engine and this code call meanwhile is not the program's doing and must not count.
 */
#include "trace/action/attach.h"

#include <string.h>

#include "include/counting.h"
#include "trace/action/answer.h"
#include "trace/action/conditions.h"
#include "trace/action/count.h"
#include "trace/action/duration.h"
#include "trace/action/link.h"
#include "trace/action/missing.h"
#include "trace/action/run.h"
#include "trace/action/stack.h"
#include "trace/base/arena.h"
#include "trace/language/names.h"

/* ---- places -------------------------------------------------------------------------------- */

#define ROOM_FOR_LATER 1024 /* probes in objects that are loaded later */

struct search {
	struct trace_arena *arena;
	bool later; /* the list may not be moved, and some may be there already */
	struct trace_probes *probes;
	const struct trace_definition *definition;
	uint32_t index; /* of the definition */
	size_t nth;
	const char *noted; /* path of the object whose match has the note */
};

static struct trace_probe *add_probe(struct trace_probes *probes, struct trace_arena *arena)
{
	size_t room = probes->room ? probes->room * 2 : 64;
	struct trace_probe *list;

	if (probes->count + ROOM_FOR_LATER >= probes->room) {
		room += ROOM_FOR_LATER;
		list = trace_arena_alloc(arena, room * sizeof(*list));
		if (!list)
			return NULL;
		if (probes->count)
			memcpy(list, probes->list, probes->count * sizeof(*list));
		probes->list = list;
		probes->room = room;
	}
	return &probes->list[probes->count];
}

/* One that was unloaded, and is back. */
static bool is_back(const struct search *search, const struct ep_match *match)
{
	struct trace_arena scratch = {0};
	const char *place = trace_names_place(&scratch, match);
	bool ret = false;

	for (size_t i = 0; place && !ret && i < search->probes->count; i++) {
		struct trace_probe *probe = &search->probes->list[i];

		if (probe->addr || probe->view.definition != search->index ||
		    strcmp(probe->view.place, place) != 0)
			continue;
		probe->addr = match->addr;
		probe->semaphore = match->semaphore;
		probe->view.plan = EP_PLAN_AUTO;
		ret = true;
	}
	trace_arena_deinit(&scratch);
	return ret;
}

/* With the first match in each object. */
static int put_note(struct search *search, const struct ep_match *match, struct trace_view *view)
{
	if (search->noted == match->path)
		return 0;
	search->noted = match->path;
	return trace_names_note(search->arena, match, &view->note);
}

/* Several definitions may mean all that is imported: it is the first that has it. */
static bool is_taken(const struct search *search, const struct ep_match *match)
{
	const struct trace_definition *definition = search->definition;
	const char *version = definition->place.version;

	if (!version || strcmp(version, TRACE_IMPORTED) != 0)
		return false;
	for (size_t i = 0; i < search->probes->count; i++)
		if (search->probes->list[i].addr == match->addr &&
		    strcmp(search->probes->list[i].view.group, definition->group) == 0)
			return true;
	return false;
}

static int on_match(const struct ep_match *match, void *data)
{
	struct search *search = data;
	const struct trace_definition *definition = search->definition;
	struct trace_probe *probe;

	if ((search->later && is_back(search, match)) || is_taken(search, match))
		return 0;
	if (search->later && search->probes->count == search->probes->room) {
		search->probes->lost++;
		return 0;
	}
	probe = search->later ? &search->probes->list[search->probes->count]
			      : add_probe(search->probes, search->arena);
	if (!probe)
		return -EP_NO_MEMORY;
	*probe = (struct trace_probe){
		.index = (uint32_t)search->probes->count,
		.addr = match->addr,
		.semaphore = match->semaphore,
		.view = trace_view_of(definition),
	};
	probe->view.event =
		trace_names_make(&search->probes->names, definition, match, search->nth);
	probe->view.place = trace_names_place(search->arena, match);
	probe->view.definition = search->index;
	if (!probe->view.event || !probe->view.place || put_note(search, match, &probe->view))
		return -EP_NO_MEMORY;
	search->probes->count++;
	search->nth++;
	return 0;
}

static bool is_missing(int error)
{
	return error == -EP_NO_OBJECT || error == -EP_NO_SYMBOL || error == -EP_NO_MATCH ||
	       error == -EP_NO_SYMBOLS || error == -EP_BAD_OFFSET || error == -EP_NO_VERSION ||
	       error == -EP_NO_SEMAPHORE;
}

void trace_attach_only_needs(const struct trace_definitions *definitions)
{
	for (size_t i = 0; i < definitions->count; i++)
		if (definitions->list[i].is_return)
			return;
	ep_forgo_calls();
}

static void link_program(const struct trace_definitions *definitions)
{
	for (size_t i = 0; i < definitions->count; i++)
		if (definitions->list[i].program.asks_program) {
			trace_link_program();
			return;
		}
}

int trace_attach_resolve(const struct trace_definitions *definitions, bool skip_missing,
			 struct trace_arena *arena, struct trace_probes *ret,
			 struct ep_error_at *error)
{
	struct search search = {.arena = arena, .probes = ret};
	int failed;

	*ret = (struct trace_probes){0};
	failed = add_probe(ret, arena) ? 0 : -EP_NO_MEMORY;
	if (!failed)
		failed = trace_names_init(&ret->names, definitions, arena);
	link_program(definitions);
	for (size_t i = 0; i < definitions->count && !failed; i++) {
		search.definition = &definitions->list[i];
		search.index = (uint32_t)i;
		search.nth = 0;
		search.noted = NULL;
		failed = ep_resolve(&search.definition->place, on_match, &search);
		if (!failed)
			failed = trace_link(search.definition, error);
		else if (is_missing(failed))
			failed = skip_missing || search.definition->optional
					 ? 0
					 : trace_missing_explain(search.definition, failed, error);
	}
	return failed;
}

static size_t count_of(const struct trace_probes *probes, size_t definition)
{
	size_t ret = 0;

	for (size_t i = 0; i < probes->count; i++)
		ret += probes->list[i].view.definition == definition;
	return ret;
}

int trace_attach_resolve_in(const struct trace_definitions *definitions, const void *within,
			    struct trace_arena *arena, struct trace_probes *probes)
{
	struct search search = {.arena = arena, .probes = probes, .later = true};
	int failed = 0;

	for (size_t i = 0; i < definitions->count && failed >= 0; i++) {
		struct ep_place place = definitions->list[i].place;

		/* The others mean what was there at the start; the executable is not loaded twice. */
		if (!definitions->list[i].optional || !place.object || !*place.object)
			continue;
		place.within = within;
		search.definition = &definitions->list[i];
		search.index = (uint32_t)i;
		search.nth = count_of(probes, i);
		search.noted = NULL;
		failed = ep_resolve(&place, on_match, &search);
		if (!failed) /* what is not found reads as a fault */
			trace_link(search.definition, NULL);
		if (is_missing(failed))
			failed = 0;
	}
	return failed < 0 ? failed : 0;
}

/* ---- plans --------------------------------------------------------------------------------- */

static int note_info(struct trace_probe *probe, const struct ep_info *info,
		     struct trace_arena *arena)
{
	probe->is_published = false;
	probe->view.plan = info->plan;
	probe->view.reason = info->reason;
	probe->view.ways_out = (uint32_t)info->ways_out;
	if (strcmp(probe->view.insn, info->insn) == 0)
		return 0;
	probe->view.counter = probe->handle ? ep_probe_counter(probe->handle) : TRACE_NO_COUNTER;
	probe->view.return_counter =
		probe->handle ? ep_probe_return_counter(probe->handle) : TRACE_NO_COUNTER;
	probe->view.insn =
		trace_arena_copy(arena, info->insn, strnlen(info->insn, sizeof(info->insn)));
	return probe->view.insn ? 0 : -EP_NO_MEMORY;
}

static int note_refusal(struct trace_probe *probe, int error, const struct ep_options *options,
			struct trace_arena *arena)
{
	struct ep_info info = {.size = sizeof(info)};
	int again = ep_check(probe->addr, options, &info);

	info.plan = EP_PLAN_REFUSED;
	info.reason = error ? -error : -again;
	return note_info(probe, &info, arena);
}

int trace_attach_check(struct trace_probes *probes, enum ep_plan plan, struct trace_arena *arena)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};
	int error = 0;

	for (size_t i = 0; i < probes->count && !error; i++) {
		struct ep_info info = {.size = sizeof(info)};
		int refused;

		options.flags = probes->list[i].view.is_return ? EP_CALLS : 0;
		refused = ep_check(probes->list[i].addr, &options, &info);

		error = refused ? note_refusal(&probes->list[i], refused, &options, arena)
				: note_info(&probes->list[i], &info, arena);
	}
	return error;
}

/* Found, and neither armed nor refused so far. */
static bool is_waiting(const struct trace_probe *probe)
{
	return probe->addr && !probe->handle && probe->view.plan != EP_PLAN_REFUSED;
}

static size_t count_waiting(const struct trace_probes *probes)
{
	size_t ret = 0;

	for (size_t i = 0; i < probes->count; i++)
		ret += is_waiting(&probes->list[i]);
	return ret;
}

static int note_results(struct trace_probes *probes, const struct ep_request *requests,
			struct ep_counts *counts, struct trace_arena *arena)
{
	int error = 0;

	for (size_t i = 0, next = 0; i < probes->count && !error; i++) {
		struct trace_probe *probe = &probes->list[i];
		struct ep_info info = {.size = sizeof(info)};
		const struct ep_request *request = &requests[next];

		if (!is_waiting(probe))
			continue;
		next++;
		probe->handle = request->probe;
		if (probe->handle) {
			ep_probe_set_counts(probe->handle, &counts[i]);
			ep_probe_use_semaphore(probe->handle, probe->semaphore);
		}
		if (request->error || ep_probe_info(probe->handle, &info))
			error = note_refusal(probe, request->error, request->options, arena);
		else
			error = note_info(probe, &info, arena);
	}
	return error;
}

void trace_attach_record(struct trace_arming *ret)
{
	ret->handler = trace_record;
	ret->entered = trace_record_entered;
	ret->ended = trace_record_ended;
}

void trace_attach_measure(struct trace_arming *ret)
{
	ret->handler = NULL;
	ret->entered = trace_duration_entered;
	ret->ended = trace_duration_ended;
}

static bool is_asked(const struct trace_probe *probe, const struct trace_arming *arming)
{
	uint32_t definition = probe->view.definition;

	return (arming->answers && arming->answers[definition].count) ||
	       (arming->limits && arming->limits[definition].any);
}

static ep_handler handler_of(const struct trace_probe *probe, const struct trace_arming *arming)
{
	if (is_asked(probe, arming))
		return trace_answer_hit;
	return !arming->handler && probe->view.program->has_filter ? trace_count_hit
								   : arming->handler;
}

/* Before what else its handlers do. */
static void add_stacks(struct trace_probe *probe, struct ep_options *options)
{
	options->flags |= EP_BACKTRACE;
	if (probe->view.is_return) {
		probe->behind_stack =
			options->entered == trace_duration_entered ? TRACE_STACK_MEASURE
			: options->entered == trace_answer_entered ? TRACE_STACK_ANSWER
								   : TRACE_STACK_RECORD;
		options->entered = trace_stack_entered;
	} else {
		probe->behind_stack = options->handler == trace_record	     ? TRACE_STACK_RECORD
				      : options->handler == trace_answer_hit ? TRACE_STACK_ANSWER
									     : TRACE_STACK_COUNT;
		options->handler = trace_stack_hit;
	}
}

static void add_conditions(const struct trace_probe *probe, struct trace_arena *arena,
			   struct ep_options *options)
{
	options->conditions =
		trace_conditions_of(probe->view.program, arena, &options->condition_count);
	if (options->conditions && options->handler == trace_count_hit)
		options->handler = NULL; /* the engine counts just these */
}

static struct ep_options options_of(struct trace_probe *probe, const struct trace_arming *arming,
				    struct ep_counts *counts, struct trace_arena *arena)
{
	struct ep_options ret = {
		.size = sizeof(ret),
		.cookie = probe,
		.flags = EP_DISABLED | EP_GENERAL_REGS_ONLY,
		.plan = arming->plan,
		.counts = arming->shared_counts ? counts : NULL,
	};

	if (trace_run_reads_scratch_only(probe->view.program))
		ret.flags |= EP_SCRATCH_REGS_ONLY;
	if (!probe->view.is_return) {
		ret.handler = handler_of(probe, arming);
		add_conditions(probe, arena, &ret);
	} else {
		ret.flags |= EP_CALLS;
		ret.entered = is_asked(probe, arming) ? trace_answer_entered : arming->entered;
		ret.ended = is_asked(probe, arming) ? trace_answer_ended : arming->ended;
	}
	probe->stack_depth = trace_stack_depth(probe->view.event);
	probe->dumps = trace_record_dumps(probe->view.event);
	if (probe->stack_depth)
		add_stacks(probe, &ret);
	return ret;
}

/* It takes its time, and few ask for it. */
static void prepare_clock(const struct trace_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++)
		if (probes->list[i].view.program->asks_latency) {
			trace_record_prepare_latency();
			return;
		}
}

int trace_attach_arm(struct trace_probes *probes, const struct trace_arming *arming,
		     struct ep_counts *counts, struct trace_arena *arena)
{
	struct trace_arena scratch = {0};
	struct ep_request *requests;
	struct ep_options *options;
	size_t count = 0, waiting = count_waiting(probes);
	int error = -EP_NO_MEMORY;

	requests = trace_arena_alloc(&scratch, (waiting + 1) * sizeof(*requests));
	options = trace_arena_alloc(&scratch, (waiting + 1) * sizeof(*options));
	for (size_t i = 0; i < probes->count && requests && options; i++) {
		if (!is_waiting(&probes->list[i]))
			continue;
		options[count] = options_of(&probes->list[i], arming, &counts[i], &scratch);
		requests[count].addr = probes->list[i].addr;
		requests[count].options = &options[count];
		count++;
	}
	prepare_clock(probes);
	if (requests && options) {
		ep_nobody_runs(arming->unseen);
		ep_probe_create_batch(requests, count);
		ep_nobody_runs(false);
		ep_hold();
		error = note_results(probes, requests, counts, arena);
		ep_release();
	}
	trace_arena_deinit(&scratch);
	return error;
}

void trace_attach_enable(const struct trace_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++)
		if (probes->list[i].handle)
			ep_probe_enable(probes->list[i].handle);
}
