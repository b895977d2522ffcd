/* SPDX-License-Identifier: MIT */
/*
 * emuprobe: run a program with probes. Everything that can be found wrong without running it is
 * found first. What is wrong only inside of it (a symbol that does not exist) the first process
 * reports through the session.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/launch.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/outlive.h"
#include "cli/program.h"
#include "cli/suggest.h"
#include "trace/action/limits.h"
#include "trace/clock/processor.h"

/* Definitions, behind their end what is asked of them, and what is counted for that. */
struct texts {
	const char *at;
	size_t size;
};

static int create(const struct texts *texts, int *ret_fd, struct trace_session *ret)
{
	const struct trace_shape *const shapes[] = {&trace_shape_launcher, &trace_shape_small,
						    &trace_shape_tiny};
	int error = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		error = trace_session_create(shapes[i], texts->at, texts->size, ret_fd, ret);
		if (!error)
			return 0;
	}
	return error;
}

/* A limit on file sizes is meant for files: as far as allowed it does not hold meanwhile. */
static int create_unlimited(const struct texts *texts, int *ret_fd, struct trace_session *ret)
{
	struct rlimit limit, raised;
	int error;

	getrlimit(RLIMIT_FSIZE, &limit);
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &raised);
	signal(SIGXFSZ, SIG_IGN);
	error = create(texts, ret_fd, ret);
	signal(SIGXFSZ, SIG_DFL);
	setrlimit(RLIMIT_FSIZE, &limit);
	return error;
}

static int check_surroundings(void)
{
	const char *unknown = trace_processor_unknown();
	int error = ep_available();

	if (unknown) {
		complain("EMUPROBE_MASK_CPU: no such feature: %.*s", (int)strcspn(unknown, ","),
			 unknown);
		return EXIT_OURS;
	}
	if (!error)
		return 0;
	complain("%s", ep_strerror(error));
	return EXIT_OURS;
}

static int put_together(const struct options *options, struct trace_arena *arena, struct texts *ret)
{
	size_t first = options->definitions.size + 1, second = strlen(options->asked);
	size_t end = (first + second + 1 + 7) / 8 * 8;
	size_t counts = options->limited * sizeof(struct trace_limit_counts);
	char *text = trace_arena_alloc(arena, end + counts);

	if (!text)
		return -EP_NO_MEMORY;
	memcpy(text, options->definitions.text, first - 1);
	memcpy(text + first, options->asked, second);
	*ret = (struct texts){text, second ? end + counts : first - 1};
	return 0;
}

static int make_session(const struct options *options, struct trace_arena *arena, int *ret_fd,
			struct trace_session *ret)
{
	struct texts texts;
	int error = put_together(options, arena, &texts);

	if (!error)
		error = create_unlimited(&texts, ret_fd, ret);
	if (error) {
		complain("no memory to share with the program: %s", ep_strerror(error));
		return EXIT_OURS;
	}
	ret->shared->mode = options->mode;
	ret->shared->plan = options->plan;
	ret->shared->follow = options->follow;
	ret->shared->drop = options->drop;
	ret->shared->timed = options->is_timed;
	ret->shared->sample = options->sample;
	memcpy(ret->shared->stacks, options->stacks, sizeof(ret->shared->stacks));
	return 0;
}

/* What the first process said when it gave up; it may have written anything. */
static int read_report(const struct collector *collector, int status)
{
	const struct trace_report *report = &collector->session.shared->report;
	const struct trace_source *definitions = &collector->options->definitions;
	struct ep_error_at error = {.error = (int)report->error, .column = report->column};

	/* One that was probed has not given up, whatever it has written there since. */
	if (!atomic_load(&report->ready) || collector->processes[0].known || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != EXIT_OURS)
		return 0;
	snprintf(error.message, sizeof(error.message), "%.*s", (int)sizeof(report->message) - 1,
		 report->message);
	complain_about(definitions, &error);
	return EXIT_OURS;
}

/* What they hit from now on is lost. The session is, too. */
static void complain_of_others(const struct trace_session *session, int fd)
{
	struct outlive others;

	if (!outlive_any(session, fd))
		return;
	outlive_look(fd, &others);
	if (!others.count)
		return;
	for (char *at = others.comm; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	complain("%zu process%s on (%s, %d%s); what is hit there from now on is lost; --wait waits "
		 "for %s",
		 others.count, others.count == 1 ? " goes" : "es go", others.comm, others.pid,
		 others.count == 1 ? "" : ", ...", others.count == 1 ? "it" : "them");
}

static int run(const struct options *options, const struct launch *launch,
	       struct collector *collector)
{
	int status, error = launch_run(launch, collector, &status);

	if (!error)
		error = read_report(collector, status);
	if (error)
		return error;
	if (options->wait)
		launch_wait_for_others(launch, collector);
	collect_finish(collector);
	if (!collector->known && !options->quiet)
		complain("%s was not probed: it ended before it was ready, or the library could "
			 "not be loaded",
			 launch->path);
	if (!options->quiet)
		complain_of_others(&collector->session, launch->session_fd);
	launch_end_as(status);
}

/* Where it cannot be probed: does not return if it runs all the same. */
static int check_program(const struct options *options, const char *path)
{
	static const char anyway[] = "it runs without probes";

	if (options->run_anyway && options->mode < TRACE_MODE_CHECK) {
		if (!program_check(path, anyway))
			return 0;
		execv(path, options->command);
		complain("%s: %s", path, strerror(errno));
		return EXIT_CANNOT_EXECUTE;
	}
	return program_check(path, NULL) ? EXIT_OURS : 0;
}

int main(int argc, char **argv)
{
	static struct trace_arena arena;
	static struct options options;
	static struct collector collector;
	char path[PATH_MAX], library[PATH_MAX];
	struct launch launch = {.path = path, .library = library};
	struct trace_session session;
	int error = options_parse(argc, argv, &arena, &options);

	if (!error && options.list)
		return list_run(&options, &arena);
	launch.command = options.command;
	if (!error)
		error = program_find(options.command[0], path, sizeof(path));
	if (!error)
		error = check_program(&options, path);
	if (!error && options.suggest)
		return suggest_run(path, options.command);
	if (!error)
		error = program_find_library(library, sizeof(library));
	if (!error)
		error = check_surroundings();
	if (!error)
		error = make_session(&options, &arena, &launch.session_fd, &session);
	if (!error)
		error = collect_init(&collector, &options, &session, launch.session_fd, &arena);
	return error ? error : run(&options, &launch, &collector);
}
