/* SPDX-License-Identifier: MIT */
/*
 * The program must not wait for us, and its rings are small: so this looks often, writes in large
 * pieces, and sleeps on a futex that a thread changes when its ring gets half full. Output that
 * fails is given up; the program goes on.
 */
#include "cli/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/answers.h"
#include "cli/progress.h"
#include "cli/stacks.h"
#include "trace/action/publish.h"
#include "trace/execute/executable.h"

#define BUFFER_SIZE   (1ul << 20)
#define REAP_INTERVAL 64 /* passes */
#define NAMES_AT_ONCE 8
#define VIEWS_MAX     (32ul << 20) /* bytes */

/* ---- output -------------------------------------------------------------------------------- */

static int write_out(void *data, const char *text, size_t size)
{
	struct collector *collector = data;

	return output_write(collector->is_to_errors ? &collector->errors : &collector->output, text,
			    size);
}

/* Summaries come in lines; they are written in larger pieces. */
static int write_buffered(void *data, const char *text, size_t size)
{
	struct collector *collector = data;
	struct trace_text *buffer = &collector->text;
	int error = 0;

	if (buffer->size - buffer->used < size) {
		error = write_out(collector, buffer->buffer, buffer->used);
		buffer->used = 0;
	}
	memcpy(buffer->buffer + buffer->used, text, size);
	buffer->used += size;
	return error;
}

/* What is written by whole folders opens its own files. */
static int open_output(struct collector *collector)
{
	const struct options *options = collector->options;
	bool is_shown = options->mode >= TRACE_MODE_CHECK;
	const char *path = options->cover || (options->format == TRACE_FORMAT_CTF && !is_shown)
				   ? NULL
				   : options->output;

	output_open(&collector->errors, NULL, STDERR_FILENO, "standard error");
	collector->output.most = options->rotate;
	collector->output.kept = options->kept;
	if (is_shown && (!path || options->format > TRACE_FORMAT_JSON))
		return output_open(&collector->output, "-", STDOUT_FILENO, "standard output");
	return output_open(&collector->output, path, STDERR_FILENO, "standard error");
}

/* Formats that have a beginning write it now: a file can be read whatever becomes of the program. */
static int begin_format(struct collector *collector)
{
	const struct trace_sink sink = {write_buffered, collector};
	const struct options *options = collector->options;
	int error = formats_init(&collector->formats, options);

	if (error || options->mode >= TRACE_MODE_CHECK)
		return error;
	collector->reader.writer = &collector->formats.all;
	error = collector->formats.all.begin(&collector->formats.all, &sink);
	write_out(collector, collector->text.buffer, collector->text.used);
	collector->text.used = 0;
	if (error && options->format == TRACE_FORMAT_CTF)
		complain("%s: %s", options->output, strerror(errno));
	return error ? EXIT_OURS : 0;
}

static bool name(void *data, uint32_t process, uint64_t address, bool is_exact, uint64_t time,
		 char *ret, size_t size)
{
	return trace_symbols_name(data, process, address, is_exact, time, ret, size);
}

/* Without memory for it, addresses have no names. */
static void give_names(struct collector *collector)
{
	collector->namer = (struct trace_namer){
		name, trace_symbols_create(&collector->session, &collector->views)};
	if (collector->namer.data)
		collector->reader.namer = &collector->namer;
}

static int show_calls(struct collector *collector)
{
	const struct trace_sink sink = {write_out, collector};
	int error =
		shown_create(collector->options, collector->output.fd, &sink, &collector->shown);

	if (error)
		return complain("%s", ep_strerror(-error)), EXIT_OURS;
	if (collector->shown)
		collector->formats.events = *shown_writer(collector->shown);
	collector->reader.entries = collector->session.shared->entries;
	return 0;
}

int collect_init(struct collector *collector, const struct options *options,
		 const struct trace_session *session, int session_fd, struct trace_arena *arena)
{
	const uint64_t processes = session->layout.process_max;
	int error;

	*collector = (struct collector){
		.options = options,
		.session = *session,
		.session_fd = session_fd,
		.arena = arena,
		.text = {trace_arena_alloc(arena, BUFFER_SIZE), BUFFER_SIZE, 0},
		.processes = trace_arena_alloc(arena, processes * sizeof(*collector->processes)),
		.published = trace_arena_alloc(arena, processes * sizeof(*collector->published)),
		.sources = trace_arena_alloc(arena, processes * sizeof(*collector->sources)),
		.is_source = trace_arena_alloc(arena, processes * sizeof(*collector->is_source)),
		.unreadable = trace_arena_alloc(arena, processes * sizeof(*collector->unreadable)),
		.is_gone = trace_arena_alloc(arena, processes * sizeof(*collector->is_gone)),
	};
	error = trace_reader_init(&collector->reader, session, options->format, arena);
	if (error || !collector->text.buffer || !collector->processes || !collector->published ||
	    !collector->sources || !collector->is_source || !collector->unreadable ||
	    !collector->is_gone) {
		complain("%s", ep_strerror(EP_NO_MEMORY));
		return EXIT_OURS;
	}
	give_names(collector);
	error = open_output(collector);
	if (!error)
		error = begin_format(collector);
	return error ? error : show_calls(collector);
}

/* ---- processes ----------------------------------------------------------------------------- */

static void explain(struct collector *collector, const struct trace_summary_process *process)
{
	const struct trace_sink sink = {write_buffered, collector};

	collector->text.used = 0;
	trace_summary_explain(process, &sink);
	if (write(STDERR_FILENO, collector->text.buffer, collector->text.used) < 0)
		return;
}

/* Children of a fork have the probes of their parent, as they were: what has been read of it will do. */
static bool share_published(struct collector *collector, const struct trace_process *process,
			    struct trace_published *ret)
{
	uint64_t changes = atomic_load(&process->changes);

	for (uint64_t i = collector->source_count; i-- > 0;) {
		struct trace_published *other = &collector->published[collector->sources[i]];

		if (!other->set || other->set != process->set || other->changes != changes)
			continue;
		other->is_shared = true;
		*ret = *other;
		return true;
	}
	return false;
}

/*
 * What a program publishes is in its memory of the session, and we need some times that for a copy. One
 * that says that there is more than it has ever written is a liar.
 */
static void set_limit(struct collector *collector)
{
	struct stat status;

	if (fstat(collector->session_fd, &status) == 0)
		collector->views.limit = VIEWS_MAX + 4 * 512 * (size_t)status.st_blocks;
}

static void read_published(struct collector *collector, uint64_t index)
{
	const struct trace_process *process = trace_session_process(&collector->session, index);
	struct trace_published *published = &collector->published[index];

	if (published->set && published->set != process->set) /* it never changes */
		collector->unreadable[index] = true;
	set_limit(collector);
	published->definitions = &collector->options->parsed;
	if (!collector->unreadable[index])
		collector->unreadable[index] = trace_publish_read(&collector->session, process,
								  &collector->views, published);
	collector->unreadable_count += collector->unreadable[index];
	if (published->set && !published->is_shared && !collector->is_source[index]) {
		collector->is_source[index] = true;
		collector->sources[collector->source_count++] = (uint32_t)index;
	}
}

static void learn(struct collector *collector, uint64_t index)
{
	const struct trace_process *process = trace_session_process(&collector->session, index);
	struct trace_summary_process *known = &collector->processes[index];
	struct trace_published *published = &collector->published[index];
	bool is_new = !known->known && !share_published(collector, process, published);
	uint32_t before = known->count;
	uint64_t counts;
	size_t longest;

	known->revision = atomic_load(&process->revision);
	known->known = true;
	known->pid = process->pid;
	if (!collector->unreadable[index])
		read_published(collector, index);
	known->views = published->views;
	known->count = published->count;
	longest = trace_reader_longest(known->views + before, known->count - before);
	if (longest > known->longest)
		known->longest = longest;
	known->session = &collector->session;
	known->process = process;
	if (collector->options->mode == TRACE_MODE_COUNT) {
		known->timed = process;
		known->unit = (struct trace_latency_unit){&collector->reader.map,
							  collector->options->sample};
	}
	counts = process->counts;
	if (counts)
		known->counts = trace_session_at(&collector->session, counts,
						 known->count * sizeof(*known->counts));
	collector->reader.processes[index] = (struct trace_reader_process){
		known->views, known->count, known->pid, known->longest};
	if (is_new && collector->options->explain && collector->options->mode < TRACE_MODE_CHECK &&
	    (index == 0 || collector->options->verbose))
		explain(collector, known);
}

/* Objects were loaded: there are more probes now. */
static void learn_changes(struct collector *collector)
{
	uint32_t revision = atomic_load(&collector->session.shared->revision);
	uint64_t count = trace_session_process_count(&collector->session);

	if (collector->revision == revision)
		return;
	collector->revision = revision;
	for (uint64_t i = 0; i < count; i++) {
		const struct trace_process *process = trace_session_process(&collector->session, i);

		if (collector->processes[i].known &&
		    collector->processes[i].revision != atomic_load(&process->revision))
			learn(collector, i);
	}
}

/* Any that is ready: one that is still starting, or died of it, must not hold up the others. */
static void learn_processes(struct collector *collector)
{
	uint64_t count = trace_session_process_count(&collector->session);
	bool all_before = true;

	for (uint64_t i = collector->settled; i < count; i++) {
		const struct trace_process *process = trace_session_process(&collector->session, i);
		bool known = collector->processes[i].known;

		if (!known && atomic_load(&process->state) == TRACE_PROCESS_RUNNING) {
			learn(collector, i);
			known = true;
		}
		all_before &= known;
		if (all_before)
			collector->settled = i + 1;
	}
	collector->known = count;
	learn_changes(collector);
}

/* ---- events -------------------------------------------------------------------------------- */

/* Threads change their names, mostly right after they have started. */
static void look_at_name(struct collector *collector, struct trace_ring *ring, uint64_t owner)
{
	const struct trace_process *process =
		trace_session_process(&collector->session, trace_ring_process(owner));
	uint64_t comm[TRACE_COMM_SIZE / 8] = {0};
	char path[64], *newline;
	ssize_t size;
	int fd;

	if (!process || process->foreign)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", process->pid, trace_ring_tid(owner));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = read(fd, comm, sizeof(comm));
	close(fd);
	newline = size > 0 ? memrchr(comm, '\n', (size_t)size) : NULL; /* others are its own */
	if (!newline)
		return;
	*newline = '\0';
	for (int i = 0; i < TRACE_COMM_SIZE / 8; i++)
		atomic_store_explicit(&ring->comm[i], comm[i], memory_order_relaxed);
}

/* A few threads in each pass. */
static void look_at_names(struct collector *collector)
{
	uint64_t count = trace_session_ring_count(&collector->session);

	for (uint64_t i = 0; i < NAMES_AT_ONCE && i < count; i++) {
		struct trace_ring *ring =
			trace_session_ring(&collector->session, ++collector->named % count);
		uint64_t owner = atomic_load(&ring->owner);

		if (owner)
			look_at_name(collector, ring, owner);
	}
}

/* Events stay where they are until somebody asks for them. */
static bool pass_over_kept(struct collector *collector)
{
	learn_processes(collector);
	if (++collector->passes % REAP_INTERVAL == 0) {
		look_at_names(collector);
		trace_reader_reap(&collector->reader);
	}
	return false;
}

bool collect_pass(struct collector *collector, bool last)
{
	bool any, more;

	if (collector->options->ring)
		return pass_over_kept(collector);

	any = more = trace_reader_begin(&collector->reader);
	/* Behind the snapshot: whose events are in it is known by now. */
	learn_processes(collector);
	if (more) /* names are copied out of the session as well */
		set_limit(collector);
	while (more) {
		collector->text.used = 0;
		more = trace_reader_next(&collector->reader, &collector->text);
		write_out(collector, collector->text.buffer, collector->text.used);
		if (last)
			progress_work("writing events");
	}
	if (collector->shown)
		shown_pass(collector->shown, false);
	if (any && !last)
		look_at_names(collector);
	if (++collector->passes % REAP_INTERVAL == 0)
		trace_reader_reap(&collector->reader);
	return any;
}

/* ---- what rings have kept ------------------------------------------------------------------ */

static void put_dump_head(struct collector *collector, const char *why)
{
	struct trace_text *text = &collector->text;

	text->used = 0;
	if (collector->options->format == TRACE_FORMAT_JSON) {
		trace_text_string(text, "{\"type\":\"dump\",\"reason\":");
		trace_text_json(text, why);
		trace_text_string(text, "}\n");
	} else {
		trace_text_string(text, "--- dump ");
		trace_text_unsigned(text, collector->dumps, 1, ' ');
		trace_text_string(text, ": ");
		trace_text_plain(text, why);
		trace_text_string(text, "\n");
	}
	write_out(collector, text->buffer, text->used);
}

void collect_dump(struct collector *collector, const char *why)
{
	bool more = trace_reader_begin_kept(&collector->reader);

	collector->dumps++;
	learn_processes(collector);
	set_limit(collector);
	put_dump_head(collector, why);
	while (more) {
		collector->text.used = 0;
		more = trace_reader_next(&collector->reader, &collector->text);
		write_out(collector, collector->text.buffer, collector->text.used);
	}
	trace_reader_end_kept(&collector->reader);
}

/*
 * Is there a later program of the same process? It is gone, so what there is of it stands there by now,
 * read or not.
 */
static bool is_replaced(const struct collector *collector, uint64_t index)
{
	uint64_t count = trace_session_process_count(&collector->session);

	for (uint64_t i = index + 1; i < count; i++)
		if (trace_session_process(&collector->session, i)->pid ==
		    collector->processes[index].pid)
			return true;
	return false;
}

static void look_whether_gone(struct collector *collector, uint64_t index)
{
	const struct trace_process *process = trace_session_process(&collector->session, index);
	char why[96];

	if (collector->is_gone[index] || !collector->processes[index].known || process->foreign ||
	    collector->processes[index].pid == collector->first_pid ||
	    kill(collector->processes[index].pid, 0) == 0 || errno != ESRCH)
		return;
	collector->is_gone[index] = true;
	if (atomic_load(&process->ended) || is_replaced(collector, index))
		return;
	snprintf(why, sizeof(why), "process %d (%.*s) is gone, and has not ended by itself",
		 collector->processes[index].pid, TRACE_COMM_SIZE, process->comm);
	collect_dump(collector, why);
}

void collect_look_for_dumps(struct collector *collector)
{
	if (atomic_exchange(&collector->session.shared->dump_asked, 0))
		collect_dump(collector, "an event asked for it");
	for (uint64_t i = collector->gone; i < collector->known; i++) {
		look_whether_gone(collector, i);
		if (i == collector->gone && collector->is_gone[i])
			collector->gone++;
	}
}

/* -------------------------------------------------------------------------------------------- */

void collect_wait(struct collector *collector, unsigned int milliseconds)
{
	struct trace_shared *shared = collector->session.shared;
	const struct timespec timeout = {.tv_nsec = milliseconds * 1000000l};
	uint32_t seen = atomic_load(&shared->wake);

	atomic_store(&shared->sleeping, 1);
	syscall(SYS_futex, &shared->wake, FUTEX_WAIT, seen, &timeout, NULL, 0);
	atomic_store(&shared->sleeping, 0);
}

void collect_wake(struct collector *collector)
{
	atomic_fetch_add(&collector->session.shared->wake, 1);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void put_losses_as_json(struct collector *collector)
{
	uint64_t events = trace_reader_dropped(&collector->reader);
	char line[96];
	int size = snprintf(line, sizeof(line), "{\"type\":\"dropped\",\"events\":%lu}\n",
			    (unsigned long)events);

	if (events)
		write_buffered(collector, line, (size_t)size);
}

static void complain_of_losses(struct collector *collector)
{
	uint64_t ringless = atomic_load(&collector->session.shared->lost_events);
	uint64_t dropped = trace_reader_dropped(&collector->reader) - ringless;
	uint64_t processes = atomic_load(&collector->session.shared->lost_processes);
	uint64_t probes = atomic_load(&collector->session.shared->lost_probes);
	uint64_t answers = atomic_load(&collector->session.shared->lost_answers);
	uint64_t left = trace_reader_left(&collector->reader);

	if (dropped)
		complain("%lu events were dropped: they came faster than they could be written",
			 (unsigned long)dropped);
	if (ringless)
		complain("%lu events were dropped: there was no buffer left for their threads; %lu "
			 "threads can have one at a time",
			 (unsigned long)ringless,
			 (unsigned long)collector->session.layout.ring_max);
	if (answers)
		complain("%lu hits are missing in what --hist and --top show: there was no memory",
			 (unsigned long)answers);
	if (probes)
		complain(
			"%lu places in objects that were loaded later are not probed: there was no "
			"room for so many",
			(unsigned long)probes);
	if (processes)
		complain("%lu processes were not probed: there were too many",
			 (unsigned long)processes);
	if (collector->reader.nonsense)
		complain("%lu records were unreadable: has the program written to them?",
			 (unsigned long)collector->reader.nonsense);
	if (collector->reader.overwritten)
		complain("%lu bytes of the oldest events were written over while they were read",
			 (unsigned long)collector->reader.overwritten);
	if (collector->unreadable_count)
		complain("the probes of %lu processes are unreadable: has the program written to "
			 "them?",
			 (unsigned long)collector->unreadable_count);
	if (left)
		complain("%lu bytes of events were left unread", (unsigned long)left);
	if (collector->reader.misdated)
		complain("%lu records had a time that cannot be: has the program written to them?",
			 (unsigned long)collector->reader.misdated);
}

/* The program may have written anything there. */
static bool read_unprobed(const struct collector *collector, int index,
			  struct trace_unprobed_program *ret)
{
	const struct trace_unprobed_program *from = &collector->session.shared->unprobed[index];

	if (atomic_load(&from->state) != 2)
		return false;
	memcpy(ret, (const void *)from, sizeof(*ret));
	ret->name[sizeof(ret->name) - 1] = '\0';
	return true;
}

static void complain_of_unprobed(struct collector *collector)
{
	uint64_t others = atomic_load(&collector->session.shared->unprobed_others);
	struct trace_unprobed_program program;
	char name[sizeof(program.name)];

	for (int i = 0; i < TRACE_UNPROBED_MAX; i++) {
		struct trace_text text = {name, sizeof(name) - 1, 0};

		if (!read_unprobed(collector, i, &program))
			continue;
		trace_text_plain(&text, program.name);
		name[text.used] = '\0';
		complain("not probed: %s, executed %lu time%s: %s", name,
			 (unsigned long)program.count, program.count == 1 ? "" : "s",
			 trace_unprobed_why(program.why));
	}
	if (others)
		complain("not probed: other programs, executed %lu times", (unsigned long)others);
}

static void put_unprobed_as_json(struct collector *collector)
{
	struct trace_unprobed_program program;
	char line[1024];

	for (int i = 0; i < TRACE_UNPROBED_MAX; i++) {
		struct trace_text text = {line, sizeof(line), 0};

		if (!read_unprobed(collector, i, &program))
			continue;
		trace_text_string(&text, "{\"type\":\"not_probed\",\"program\":");
		trace_text_json(&text, program.name);
		trace_text_string(&text, ",\"executed\":");
		trace_text_unsigned(&text, program.count, 1, '0');
		trace_text_string(&text, ",\"reason\":");
		trace_text_json(&text, trace_unprobed_word(program.why));
		trace_text_string(&text, "}\n");
		write_buffered(collector, line, text.used);
	}
}

static void write_to_standard_error(struct collector *collector)
{
	collector->is_to_errors = true;
}

/* Tables and answers are for people, where the format of events is not theirs either. */
static bool is_for_people(const struct collector *collector)
{
	return collector->options->format != TRACE_FORMAT_JSON &&
	       collector->options->format != TRACE_FORMAT_FOLDED;
}

static void put_answers(struct collector *collector)
{
	const struct trace_sink sink = {write_buffered, collector};

	answers_put(collector->options, &collector->session, &sink);
}

/* As many as were asked for; the objects of JSON have all of it. */
static void put_bars(struct collector *collector)
{
	const struct options *options = collector->options;
	const struct trace_sink sink = {write_buffered, collector};

	for (size_t i = 0; i < options->histogram_count; i++)
		if (trace_summary_bars(collector->processes, collector->known,
				       options->histograms[i], collector->arena,
				       &sink) == -EP_NO_MATCH)
			complain("--hist=%s: no such event of calls; r:%s PLACE gives one this "
				 "name",
				 options->histograms[i], options->histograms[i]);
}

static void put_stacks(struct collector *collector, const struct trace_sink *sink)
{
	const struct stacks_source source = {
		.options = collector->options,
		.session = &collector->session,
		.processes = collector->processes,
		.count = collector->known,
		.symbols = collector->namer.data,
		.formats = &collector->formats,
	};

	stacks_put(&source, sink);
}

static void summarize_as_json(struct collector *collector)
{
	const struct trace_sink sink = {write_buffered, collector};

	trace_summary_json(collector->processes, collector->known, collector->arena, &sink);
	put_answers(collector);
	put_stacks(collector, &sink);
	put_unprobed_as_json(collector);
	put_losses_as_json(collector);
}

static void summarize_as_text(struct collector *collector)
{
	const struct trace_sink sink = {write_buffered, collector};

	if (collector->options->mode == TRACE_MODE_DEFINE) {
		if (collector->known)
			trace_summary_definitions(&collector->processes[0], &sink);
		return;
	}
	if (collector->options->mode == TRACE_MODE_CHECK) {
		if (collector->known)
			trace_summary_explain(&collector->processes[0], &sink);
		return;
	}
	write_to_standard_error(collector);
	if (collector->shown)
		shown_summary(collector->shown, collector->processes, collector->known, &sink);
	else
		trace_summary_table(collector->processes, collector->known,
				    collector->options->verbose, collector->arena, &sink);
	put_bars(collector);
	put_answers(collector);
	put_stacks(collector, &sink);
}

/* Asked for by name, they are no part of it. JSON has histograms with the counts. */
static void put_asked(struct collector *collector)
{
	const struct options *options = collector->options;
	const struct trace_sink sink = {write_buffered, collector};

	if (is_for_people(collector)) {
		if (!options->histogram_count && !options->questions.count && !options->stack_count)
			return;
		write_to_standard_error(collector);
		put_bars(collector);
	}
	if (options->format != TRACE_FORMAT_FOLDED)
		put_answers(collector);
	put_stacks(collector, &sink);
	write_out(collector, collector->text.buffer, collector->text.used);
	collector->text.used = 0;
}

void collect_answer(struct collector *collector)
{
	collector->text.used = 0;
	collector->is_to_errors = is_for_people(collector);
	put_answers(collector);
	write_out(collector, collector->text.buffer, collector->text.used);
	collector->is_to_errors = false;
}

/* What comes behind all events. */
static void end_format(struct collector *collector)
{
	const struct trace_sink sink = {write_buffered, collector};

	collector->text.used = 0;
	formats_end(&collector->formats, &sink);
	write_out(collector, collector->text.buffer, collector->text.used);
	collector->text.used = 0;
}

/* Who wants no summary wants to know all the same that something is missing. */
static void put_losses(struct collector *collector)
{
	if (collector->options->format == TRACE_FORMAT_JSON) {
		put_losses_as_json(collector);
		write_out(collector, collector->text.buffer, collector->text.used);
	}
	complain_of_losses(collector);
}

static void put_summary(struct collector *collector)
{
	const struct options *options = collector->options;

	if (options->format == TRACE_FORMAT_JSON && options->mode != TRACE_MODE_DEFINE)
		summarize_as_json(collector);
	else
		summarize_as_text(collector);
	write_out(collector, collector->text.buffer, collector->text.used);
	if (collector->known > 1 && is_for_people(collector))
		complain("%lu processes", (unsigned long)collector->known);
	if (is_for_people(collector))
		complain_of_unprobed(collector);
	complain_of_losses(collector);
}

void collect_give_up(struct collector *collector)
{
	end_format(collector);
	output_close(&collector->output);
}

void collect_finish(struct collector *collector)
{
	const struct options *options = collector->options;

	/* Twice, not until nothing is left: the program may have left a daemon behind. */
	collect_pass(collector, true);
	collect_pass(collector, true);
	if (collector->shown)
		shown_pass(collector->shown, true);
	progress_done();
	collector->text.used = 0;
	end_format(collector);
	if (options->cover) {
		complain_of_losses(collector);
		return;
	}
	if ((options->quiet || options->format == TRACE_FORMAT_FOLDED) &&
	    options->mode < TRACE_MODE_CHECK) {
		put_asked(collector);
		put_losses(collector);
	} else {
		put_summary(collector);
	}
	output_close(&collector->output);
}
