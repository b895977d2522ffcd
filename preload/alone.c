/* SPDX-License-Identifier: MIT */
/*
 * Without a launcher the process keeps its own session and writes it out itself. The end of the
 * program is noticed by a probe on _exit(), which every road out passes, destructors run or not;
 * execve() is probed to write what was recorded so far.
 */
#include "preload/alone.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/counting.h"
#include "preload/ends.h"
#include "preload/executed.h"
#include "preload/forks.h"
#include "preload/say.h"
#include "sys/files.h"
#include "sys/process.h"
#include "trace/action/duration.h"
#include "trace/action/follow.h"
#include "trace/action/stack.h"
#include "trace/language/parse.h"
#include "trace/language/source.h"
#include "trace/session/counts.h"

struct alone {
	struct trace_arena *arena;
	struct trace_source source;
	struct trace_definitions definitions;
	struct trace_session session;
	struct trace_probes *probes;
	struct ep_counts *counts;
};

static bool finish_in_destructor;

/* ---- complaints ---------------------------------------------------------------------------- */

static int complain(const struct alone *alone, int error, const struct ep_error_at *at)
{
	struct ep_error_at plain = {.error = -error, .column = SIZE_MAX};
	static const char prefix[] = "emuprobe: ", suffix[] = "emuprobe: running unprobed\n";
	char text[1024];
	size_t size;

	snprintf(plain.message, sizeof(plain.message), "%s", ep_strerror(error));
	size = trace_source_explain(&alone->source, at->error ? at : &plain, text, sizeof(text));
	trace_private_say(prefix, sizeof(prefix) - 1);
	trace_private_say(text, size);
	trace_private_say(suffix, sizeof(suffix) - 1);
	return error;
}

static void complain_about_output(const char *path, int error)
{
	char text[512];
	int size = snprintf(text, sizeof(text), "emuprobe: %.400s: %s; what is recorded is lost\n",
			    path, strerrordesc_np(-error));

	trace_private_say(text, (size_t)size);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void on_exit_begun(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	trace_private_keep_output();
}

static void on_exit_reached(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	ep_end_calls();
	trace_private_finish();
}

static void on_execve(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	trace_private_write_before_exec();
}

__attribute__((destructor)) static void destructor(void)
{
	if (finish_in_destructor)
		trace_private_finish();
}

/* ---- the start ----------------------------------------------------------------------------- */

static int read_definitions(struct alone *alone, const struct settings *settings,
			    struct ep_error_at *at)
{
	int error = trace_source_init(&alone->source, alone->arena);

	if (!error)
		error = trace_source_add(&alone->source, settings->definitions, "-EMUPROBE", at);
	if (!error)
		error = trace_definitions_parse(alone->source.text, alone->arena,
						&alone->definitions, at);
	return error;
}

static int make_session(struct alone *alone)
{
	uint64_t size = alone->probes->room * sizeof(struct ep_counts), at;
	int error = trace_session_create(&trace_shape_private, "", 0, NULL, &alone->session);

	if (error)
		return error;
	if (trace_session_add_process(&alone->session, sys_getpid(), sys_getppid()) < 0)
		return -EP_NO_MEMORY;
	at = trace_session_alloc(&alone->session, size);
	alone->counts = at ? trace_session_at(&alone->session, at, size) : NULL;
	return alone->counts ? 0 : -EP_NO_MEMORY;
}

/* The program may change its directory before the file is opened. */
static const char *absolute(struct trace_arena *arena, const char *path)
{
	char text[8192], directory[4096];

	if (!path || path[0] == '/' || !sys_getcwd(directory, sizeof(directory)))
		return path;
	snprintf(text, sizeof(text), "%s/%.4000s", directory, path);
	return trace_arena_copy(arena, text, strlen(text));
}

static struct trace_arming arming_of(const struct settings *settings)
{
	struct trace_arming ret = {.plan = settings->plan};

	if (settings->mode == TRACE_MODE_COUNT)
		trace_attach_measure(&ret);
	else
		trace_attach_record(&ret);
	return ret;
}

static void look_again(void *data)
{
	struct trace_probes *probes = data;
	char text[128];

	trace_private_look_again();
	if (!probes->lost)
		return;
	snprintf(text, sizeof(text),
		 "emuprobe: %zu places in a library that was loaded are not probed: no room\n",
		 probes->lost);
	trace_private_say(text, strlen(text));
	probes->lost = 0;
}

static void follow_objects(const struct alone *alone, const struct settings *settings)
{
	struct trace_definitions *kept = trace_arena_alloc(alone->arena, sizeof(*kept));
	const struct trace_follow follow = {
		.definitions = kept,
		.probes = alone->probes,
		.arming = arming_of(settings),
		.counts = alone->counts,
		.arena = alone->arena,
		.changed = look_again,
		.data = alone->probes,
	};

	if (!kept)
		return;
	*kept = alone->definitions;
	trace_follow_objects(&follow);
}

static int arm(struct alone *alone, const struct settings *settings)
{
	const struct trace_private_options options = {
		.output = absolute(alone->arena, settings->output),
		.format = settings->format,
		.quiet = settings->quiet,
		.verbose = settings->verbose,
		.times_calls = settings->mode == TRACE_MODE_COUNT,
	};
	struct trace_arming arming = arming_of(settings);
	int error;

	alone->session.shared->sample = settings->sample;
	error = trace_record_init(&alone->session, 0, TRACE_FULL_WRITE);
	trace_record_set_writer(&trace_private_writer);
	arming.unseen = !environ; /* libc sets that up before anything of the program runs */
	if (!error) {
		trace_duration_init(&alone->session);
		trace_stack_init(&alone->session);
		error = trace_attach_arm(alone->probes, &arming, alone->counts, alone->arena);
	}
	if (!error)
		error = trace_private_init(&alone->session, alone->probes, alone->counts, &options,
					   alone->arena);
	return error;
}

static int start(struct alone *alone, const struct settings *settings, struct ep_error_at *at)
{
	int error = read_definitions(alone, settings, at);

	if (!error)
		trace_attach_only_needs(&alone->definitions);
	if (!error)
		error = trace_attach_resolve(&alone->definitions, settings->inherited, alone->arena,
					     alone->probes, at);
	if (!error)
		error = make_session(alone);
	if (!error)
		error = arm(alone, settings);
	return error;
}

void start_private(const struct settings *settings, char **envp, struct trace_arena *arena)
{
	struct alone alone = {.arena = arena};
	struct ep_error_at at = {0};
	int error = -EP_NO_MEMORY;

	alone.probes = trace_arena_alloc(arena, sizeof(*alone.probes));
	if (alone.probes)
		error = start(&alone, settings, &at);
	if (error) {
		complain(&alone, error, &at);
		return;
	}
	if (settings->inherited && !alone.probes->count)
		return;
	finish_in_destructor = !start_watch("_exit", on_exit_reached);
	start_watch("exit", on_exit_begun);
	start_watch("execve", on_execve);
	start_check_placed(alone.probes);
	error = trace_private_check_output();
	if (error)
		complain_about_output(settings->output, error);
	start_follow_forks(&alone.session, NULL);
	trace_counts_use(&alone.session, trace_session_process(&alone.session, 0));
	follow_objects(&alone, settings);
	if (settings->follow)
		start_follow_execute(settings, &alone.session, envp, arena);
	trace_attach_enable(alone.probes);
}
