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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/attach.h"
#include "cli/command_line.h"
#include "cli/cover.h"
#include "cli/dump.h"
#include "cli/launch.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/outlive.h"
#include "cli/program.h"
#include "cli/shown.h"
#include "cli/suggest.h"
#include "trace/action/limits.h"
#include "trace/clock/processor.h"

/* Definitions, behind their end what is asked of them, and what is counted for that. */
struct texts {
	const char *at;
	size_t size;
};

static int create(const struct texts *texts, uint64_t ring, int *ret_fd, struct trace_session *ret)
{
	const struct trace_shape *const shapes[] = {&trace_shape_launcher, &trace_shape_small,
						    &trace_shape_tiny};
	int error = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct trace_shape shape = *shapes[i];

		shape.ring_size = ring ? ring : shape.ring_size;
		error = trace_session_create(&shape, texts->at, texts->size, ret_fd, ret);
		if (!error)
			return 0;
	}
	return error;
}

/* A limit on file sizes is meant for files: as far as allowed it does not hold meanwhile. */
static int create_unlimited(const struct texts *texts, uint64_t ring, int *ret_fd,
			    struct trace_session *ret)
{
	struct rlimit limit, raised;
	int error;

	getrlimit(RLIMIT_FSIZE, &limit);
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &raised);
	signal(SIGXFSZ, SIG_IGN);
	error = create(texts, ring, ret_fd, ret);
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

/* *ret_cover: where what is covered begins; 0: nothing is. */
static int put_together(const struct options *options, const struct cover *cover,
			struct trace_arena *arena, struct texts *ret, size_t *ret_cover)
{
	size_t first = options->definitions.size + 1, second = strlen(options->asked);
	size_t end = (first + second + 1 + 7) / 8 * 8;
	size_t counts = options->limited * sizeof(struct trace_limit_counts);
	size_t covered = options->cover ? cover_session_size(cover) : 0;
	char *text = trace_arena_alloc(arena, end + counts + covered);

	if (!text)
		return -EP_NO_MEMORY;
	memcpy(text, options->definitions.text, first - 1);
	memcpy(text + first, options->asked, second);
	*ret = (struct texts){text, second || covered ? end + counts + covered : first - 1};
	*ret_cover = covered ? end + counts : 0;
	if (covered)
		cover_put_session(cover, text + *ret_cover);
	return 0;
}

static int make_session(const struct options *options, struct cover *cover,
			struct trace_arena *arena, int *ret_fd, struct trace_session *ret)
{
	struct texts texts;
	size_t covered;
	int error = put_together(options, cover, arena, &texts, &covered);

	if (!error)
		error = create_unlimited(&texts, options->ring, ret_fd, ret);
	if (error) {
		complain("no memory to share with the program: %s", ep_strerror(error));
		return EXIT_OURS;
	}
	cover->session_at = covered ? ret->layout.definitions + covered : 0;
	ret->shared->cover = cover->session_at;
	ret->shared->mode = options->mode;
	ret->shared->plan = options->plan;
	ret->shared->follow = options->follow;
	ret->shared->drop = options->drop;
	ret->shared->timed = options->is_timed;
	ret->shared->sample = options->sample;
	ret->shared->keep = options->ring != 0;
	for (size_t i = 0; i < options->dump_if_count; i++)
		snprintf(ret->shared->dump_if[i], TRACE_STACK_NAME, "%s", options->dump_if[i]);
	ret->shared->patient = options->wanted.show != SHOW_EVENTS;
	/* A tree is shown as it grows; what is short is not known when it begins. */
	ret->shared->entries = options->wanted.show == SHOW_GRAPH && !options->wanted.min_time &&
			       shown_is_wanted(options);
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
	complain("%zu process%s on (%s, %d%s); what is hit there from now on is lost; --wait waits "
		 "for %s",
		 others.count, others.count == 1 ? " goes" : "es go", others.comm, others.pid,
		 others.count == 1 ? "" : ", ...", others.count == 1 ? "it" : "them");
}

/* A list that is there already has what was reached before: that costs nothing any more. */
static int find_covered(const struct options *options, const char *path, struct cover *ret)
{
	struct stat status;
	int error = 0;

	if (!options->cover)
		return 0;
	error = cover_find(path, options->cover_objects, options->cover_object_count,
			   options->cover, ret);
	if (!error && options->output && options->cover_format == COVER_PLAIN &&
	    stat(options->output, &status) == 0 && S_ISREG(status.st_mode) && status.st_size)
		error = cover_read(options->output, true, ret);
	return error;
}

static int report_covered(const struct options *options, const struct trace_session *session,
			  struct cover *cover)
{
	uint64_t unarmed;

	cover_take_session(cover, (const char *)session->shared + cover->session_at, &unarmed);
	if (!options->quiet)
		cover_say(cover, unarmed);
	if (!options->quiet && !options->output)
		complain("-o FILE says which of them were reached");
	return options->output ? cover_write(cover, options->cover_format, options->output) : 0;
}

/* 128 + N is what a shell says of what it has waited for. Nothing is kept of programs that end well. */
static void dump_at_end(struct collector *collector, int status)
{
	int sig = WIFSIGNALED(status)	      ? WTERMSIG(status)
		  : WEXITSTATUS(status) > 128 ? WEXITSTATUS(status) - 128
					      : 0;
	char why[96];

	collect_look_for_dumps(collector);
	if (sig <= 0 || sig > SIGRTMAX)
		return;
	snprintf(why, sizeof(why), "%s: signal %d (%s)",
		 WIFSIGNALED(status) ? "the program was killed" : "the program ended as if killed",
		 sig, strsignal(sig));
	collect_dump(collector, why);
}

static int run(const struct options *options, const struct launch *launch,
	       struct collector *collector, struct cover *cover)
{
	int status, error = launch_run(launch, collector, &status);

	if (!error)
		error = read_report(collector, status);
	if (error) {
		collect_give_up(collector);
		return error;
	}
	if (options->ring)
		dump_at_end(collector, status);
	if (options->wait)
		launch_wait_for_others(launch, collector);
	collect_finish(collector);
	if (options->mode >= TRACE_MODE_CHECK && collector->output.is_broken)
		return EXIT_OURS;
	if (options->cover && report_covered(options, &collector->session, cover))
		return EXIT_OURS;
	if (!collector->known)
		complain("%s was not probed: it ended before it was ready, or the library could "
			 "not be loaded",
			 launch->path);
	if (!options->quiet)
		complain_of_others(&collector->session, launch->session_fd);
	launch_end_as(status);
}

static int run_attached(struct collector *collector, const char *library)
{
	const struct options *options = collector->options;
	int error = attach_run(collector, library);

	if (error) {
		collect_give_up(collector);
		return error;
	}
	collect_finish(collector);
	if (!options->quiet)
		complain_of_others(&collector->session, collector->session_fd);
	return 0;
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
	static struct cover cover;
	char path[PATH_MAX], library[PATH_MAX];
	struct launch launch = {.path = path, .library = library};
	struct trace_session session;
	int error;

	if (argc > 1 && strcmp(argv[1], "cover-merge") == 0)
		return cover_merge(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "dump") == 0)
		return dump_ask(argc - 1, argv + 1);
	error = command_line_parse(argc, argv, &arena, &options);
	if (!error && options.list)
		return list_run(&options, &arena);
	launch.command = options.command;
	if (!error && !options_attach(&options))
		error = program_find(options.command[0], path, sizeof(path));
	if (!error && !options_attach(&options))
		error = check_program(&options, path);
	if (!error && options.suggest)
		return suggest_run(path, options.command);
	if (!error)
		error = program_find_library(library, sizeof(library));
	if (!error)
		error = check_surroundings();
	if (!error)
		error = find_covered(&options, path, &cover);
	if (!error)
		error = make_session(&options, &cover, &arena, &launch.session_fd, &session);
	if (!error)
		error = collect_init(&collector, &options, &session, launch.session_fd, &arena);
	if (!error && options_attach(&options))
		return run_attached(&collector, library);
	return error ? error : run(&options, &launch, &collector, &cover);
}
