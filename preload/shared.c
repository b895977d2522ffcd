/* SPDX-License-Identifier: MIT */
/*
 * Under the launcher everything is in the session: definitions, settings, and room for probes,
 * counters and events. The first program that is executed must have the places that were asked for:
 * if not, it says so there and ends. Those executed later are probed where they have them.
 */
#include "preload/shared.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/counting.h"
#include "preload/ends.h"
#include "preload/executed.h"
#include "preload/forks.h"
#include "preload/say.h"
#include "sys/process.h"
#include "trace/action/answer.h"
#include "trace/action/canonical.h"
#include "trace/action/cover.h"
#include "trace/action/duration.h"
#include "trace/action/follow.h"
#include "trace/action/limits.h"
#include "trace/action/publish.h"
#include "trace/action/record.h"
#include "trace/action/stack.h"
#include "trace/execute/execute.h"
#include "trace/language/parse.h"
#include "trace/session/counts.h"
#include "trace/session/objects.h"

#define EXIT_EMUPROBE 125

struct start {
	struct trace_session session;
	struct trace_arena *arena;
	struct trace_definitions definitions;
	struct trace_answers *answers; /* of each definition; NULL: nothing is asked */
	struct trace_limits *limits;   /* likewise; NULL: there are none */
	struct trace_limit_counts *limit_counts;
	struct trace_process *process;
	struct ep_counts *counts;
	struct trace_probes *probes;
	bool first;
	bool is_attached; /* the program runs, and goes on whatever happens */
};

/* ---- start --------------------------------------------------------------------------------- */

/* Only the first program's troubles are reported; nothing of it has run yet. */
static void give_up(const struct start *start, const struct ep_error_at *error)
{
	struct trace_report *report = &start->session.shared->report;

	if (!start->first)
		return;
	report->error = (uint32_t)error->error;
	report->column = error->column;
	snprintf(report->message, sizeof(report->message), "%s", error->message);
	atomic_store(&report->ready, 1);
	if (start->is_attached)
		return;
	sys_exit(EXIT_EMUPROBE);
}

static bool check(const struct start *start, int error, const struct ep_error_at *at)
{
	struct ep_error_at plain = {.error = -error};

	if (!error)
		return true;
	snprintf(plain.message, sizeof(plain.message), "%s", ep_strerror(error));
	give_up(start, at && at->error ? at : &plain);
	return false;
}

/* Behind the definitions. */
static int parse_questions(struct start *start, const char *text, struct ep_error_at *at)
{
	struct trace_questions questions;
	int error = trace_questions_parse(text, start->arena, &questions, at);

	if (error || !questions.count)
		return error;
	return trace_questions_resolve(&questions, &start->definitions, start->arena,
				       &start->answers, at);
}

/* What is counted for them stands behind the texts, where all processes see it. */
static int parse_limits(struct start *start, const char *text, size_t end, struct ep_error_at *at)
{
	const struct trace_layout *layout = &start->session.layout;
	uint64_t counts = layout->definitions + (end + 7) / 8 * 8;
	int error = trace_limits_parse(text, &start->definitions, start->arena, &start->limits, at);

	if (error || !start->limits)
		return error;
	if (counts + start->definitions.count * sizeof(*start->limit_counts) >
	    layout->definitions + layout->definitions_size)
		return -EP_INVALID;
	start->limit_counts = (void *)((char *)start->session.shared + counts);
	return 0;
}

static int parse_all(struct start *start, const char *text, struct ep_error_at *at)
{
	int error = trace_definitions_parse_timed(text, start->session.shared->timed, start->arena,
						  &start->definitions, at);
	size_t size = strlen(text) + 1;

	if (error || size >= start->session.layout.definitions_size)
		return error;
	error = parse_questions(start, text + size, at);
	if (!error)
		error = parse_limits(start, text + size, size + strlen(text + size) + 1, at);
	return error;
}

static bool parse(struct start *start)
{
	const struct trace_layout *layout = &start->session.layout;
	const char *text = (const char *)start->session.shared + layout->definitions;
	uint64_t cover = start->session.shared->cover, size = layout->definitions_size;
	struct ep_error_at at = {0};

	if (cover > layout->definitions && cover - layout->definitions < size)
		size = cover - layout->definitions;

	text = trace_arena_copy(start->arena, text, size);
	return check(start, text ? parse_all(start, text, &at) : -EP_NO_MEMORY, &at);
}

static bool add_process(struct start *start)
{
	const struct trace_shared *shared = start->session.shared;
	long index = trace_session_add_process(&start->session, sys_getpid(), sys_getppid());

	if (index < 0)
		return false;
	start->process = trace_session_process(&start->session, (uint64_t)index);
	start->process->foreign = trace_session_pid_namespace() != shared->pid_namespace;
	sys_get_comm(start->process->comm);
	return true;
}

static struct trace_arming arming_of(const struct start *start)
{
	const struct trace_shared *shared = start->session.shared;
	struct trace_arming ret = {
		.plan = shared->plan,
		.answers = start->answers,
		.limits = start->limits,
		/* Threads' counters stay where they are when another session begins. */
		.shared_counts = start->is_attached,
	};

	if (shared->mode == TRACE_MODE_COUNT)
		trace_attach_measure(&ret);
	else
		trace_attach_record(&ret);
	return ret;
}

static int arm(struct start *start, struct trace_probes *probes)
{
	const struct trace_shared *shared = start->session.shared;
	struct trace_arming arming = arming_of(start);
	uint64_t size = probes->room * sizeof(struct ep_counts);
	uint64_t at = trace_session_alloc(&start->session, size);
	uint32_t index = (uint32_t)(start->process - trace_session_process(&start->session, 0));
	int error;

	if (!at)
		return -EP_NO_MEMORY;
	start->process->counts = at;
	start->process->room = (uint32_t)probes->room;
	start->counts = trace_session_at(&start->session, at, size);
	ep_use_count_block(start->counts, probes->room);
	error = trace_record_init(&start->session, index,
				  shared->keep	 ? TRACE_FULL_KEEP
				  : shared->drop ? TRACE_FULL_DROP
						 : TRACE_FULL_WAIT);
	arming.unseen = !environ; /* libc sets that up before anything of the program runs */
	if (!error) {
		trace_duration_init(&start->session);
		trace_answer_init(&start->session, start->answers);
		trace_limits_init(&start->session, start->limits, start->limit_counts);
		trace_stack_init(&start->session);
		error = trace_attach_arm(probes, &arming, start->counts, start->arena);
	}
	if (!error)
		error = trace_publish(&start->session, start->process, probes);
	if (!error && arming.handler)
		trace_record_rely_on_barrier();
	return error;
}

static bool wants_symbols(const struct trace_definitions *definitions)
{
	for (size_t i = 0; i < definitions->count; i++)
		for (uint32_t k = 0; k < definitions->list[i].arg_count; k++)
			if (definitions->list[i].args[k].type.kind == TRACE_SYMBOL)
				return true;
	return false;
}

/* For addresses in events: what is mapped where. */
static void say_objects(const struct start *start)
{
	const struct trace_shared *shared = start->session.shared;

	if (!shared->stacks[0].depth &&
	    (shared->mode != TRACE_MODE_EVENTS || !wants_symbols(&start->definitions)))
		return;
	trace_objects_loaded(&start->session, start->process, 0, UINT64_MAX);
	ep_watch_objects(start_say_object, NULL);
}

/* The definitions stay in the arena; the list of them is copied there. */
static void follow_objects(const struct start *start, struct trace_probes *probes)
{
	struct trace_definitions *kept = trace_arena_alloc(start->arena, sizeof(*kept));
	const struct trace_follow follow = {
		.definitions = kept,
		.probes = probes,
		.arming = arming_of(start),
		.counts = start->counts,
		.arena = start->arena,
		.changed = start_publish_changes,
	};

	if (!kept)
		return;
	*kept = start->definitions;
	trace_follow_objects(&follow);
}

static void check_only(struct start *start, struct trace_probes *probes)
{
	int error = trace_attach_check(probes, start->session.shared->plan, start->arena);

	if (!error && start->session.shared->mode == TRACE_MODE_DEFINE)
		error = trace_canonical_make(&start->definitions, probes, start->arena);
	if (!error)
		error = trace_publish(&start->session, start->process, probes);
	if (check(start, error, NULL) && !start->is_attached)
		sys_exit(0);
}

/* They write to the program's standard error, which is nobody's business when it has been running. */
static bool check_placed(const struct start *start, const struct trace_probes *probes)
{
	if (start->is_attached)
		return check(start, -start_why_unprobed(probes), NULL);
	start_check_placed(probes);
	return true;
}

static void follow_forks(const struct start *start, struct trace_probes *probes)
{
	if (start->is_attached) {
		start_follow_forks_attached(&start->session, probes);
	} else {
		start_follow_forks(&start->session, probes);
		trace_counts_use(&start->session, start->process);
	}
	start_make_room();
}

static void probe(struct start *start, const struct settings *settings, char **envp)
{
	struct trace_probes *probes = trace_arena_alloc(start->arena, sizeof(*probes));
	struct ep_error_at at = {0};
	int error;

	start->probes = probes;
	if (!check(start, probes ? 0 : -EP_NO_MEMORY, NULL) || !parse(start))
		return;
	trace_attach_only_needs(&start->definitions);
	error = trace_attach_resolve(&start->definitions, !start->first, start->arena, probes, &at);
	if (!check(start, error, &at) || !add_process(start))
		return;
	if (start->session.shared->mode >= TRACE_MODE_CHECK) {
		check_only(start, probes);
		return;
	}
	if (!check(start, arm(start, probes), NULL))
		return;
	if (!check_placed(start, probes))
		return;
	follow_forks(start, probes);
	if (start->session.shared->mode == TRACE_MODE_EVENTS)
		start_watch_calls(&start->definitions);
	if (start->session.shared->keep)
		start_watch_end();
	say_objects(start);
	follow_objects(start, probes);
	if (start->session.shared->follow)
		start_follow_execute(settings, &start->session, envp, start->arena);
	if (start->session.shared->cover &&
	    !check(start, trace_cover_watch(&start->session, start->arena), NULL))
		return;
	trace_attach_enable(probes);
}

/* "/proc/PID/fd/N": of the launcher, which may be long gone for the children of its child. */
static bool is_launchers_child(const char *session)
{
	static const char proc[] = "/proc/";
	size_t size = sizeof(proc) - 1;

	return strncmp(session, proc, size) == 0 &&
	       strtol(session + size, NULL, 10) == (long)sys_getppid();
}

void start_shared(const struct settings *settings, char **envp, struct trace_arena *memory)
{
	struct start start = {.arena = memory};
	const struct trace_shared *shared;

	if (trace_session_open(settings->session, &start.session)) {
		if (is_launchers_child(settings->session))
			start_say_no_session();
		return;
	}
	shared = start.session.shared;
	start.first = shared->first_pid == sys_getpid() && !atomic_load(&shared->process_count);
	if (!shared->follow)
		settings_hide(envp, memory);
	if (start.first || shared->follow)
		probe(&start, settings, envp);
	trace_session_started(&start.session);
}

/* ---- attached ------------------------------------------------------------------------------ */

static struct start attached;

bool start_attached(const struct trace_session *session, const struct settings *settings,
		    char **envp, struct trace_arena *memory)
{
	int error = ep_available();

	attached = (struct start){
		.session = *session, .arena = memory, .first = true, .is_attached = true};
	if (check(&attached, error, NULL))
		probe(&attached, settings, envp);
	trace_session_started(&attached.session);
	return !atomic_load(&session->shared->report.ready);
}

static void remove_all(struct trace_arena *arena, const struct trace_probes *probes)
{
	struct ep_probe **list =
		trace_arena_alloc(arena, (probes->count + 1) * sizeof(struct ep_probe *));

	for (size_t i = 0; i < probes->count; i++) {
		if (probes->list[i].handle)
			ep_probe_disable(probes->list[i].handle);
		if (list)
			list[i] = probes->list[i].handle;
		else
			ep_probe_remove(probes->list[i].handle);
	}
	if (list)
		ep_probe_remove_batch(list, probes->count);
}

void start_leave(void)
{
	trace_execute_stop();
	trace_follow_stop();
	ep_unwatch_objects(start_say_object, NULL);
	start_unwatch();
	if (attached.probes)
		remove_all(attached.arena, attached.probes);
	start_unfollow_forks();
	attached.probes = NULL;
}
