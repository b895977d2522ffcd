/* SPDX-License-Identifier: MIT */
/*
 * The memory that a session is, of any contents: what its reader makes of it is lines, and the views
 * that it believes are whole. The first byte of the input says which part is told so.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/format/callgrind.h"
#include "cli/format/chrome.h"
#include "cli/format/flame.h"
#include "cli/format/folded.h"
#include "cli/format/perfetto.h"
#include "tests/fuzz/harness.h"
#include "trace/action/publish.h"
#include "trace/language/parse.h"
#include "trace/report/answers.h"
#include "trace/report/reader.h"
#include "trace/session/objects.h"

#define RING_SIZE 4096u
#define RINGS	  2
#define SET_MAX	  (48u << 10)

static const struct trace_shape shape = {
	.process_max = 2,
	.ring_max = RINGS,
	.ring_size = RING_SIZE,
	.heap_size = 1 << 16,
	.heap_max = 1,
};
/* With one number or more, faults, texts, arrays: all that a record may have. */
static const char defined[] = "p:g/none main\n"
			      "p:g/two main a=%di:u64 b=%al:char\n"
			      "r:g/r main a=$arg1 r=$retval:s32 t=$latency:u32 c=$caller\n"
			      "p:g/m main a=+0(%di) s=+0(%si):string16 t=+0(%si):string8[3] "
			      "n=+0(%dx):s16[5] f=+8(%di):f64 h=+0(%di):hex[9] k=+0(%r8):sockaddr "
			      "y=+0(%r9):symbol[2] c=$comm ts=$ts\n";
static struct trace_definitions definitions;
static struct trace_view views[4];
static struct trace_arena kept;
static struct trace_session session;
static uint64_t ring_data[RINGS], set; /* where they are in the heap */

static void prepare(void)
{
	int fd;

	if (session.shared)
		return;
	check(trace_definitions_parse(defined, &kept, &definitions, NULL) == 0);
	for (uint32_t i = 0; i < 4; i++) {
		views[i] = trace_view_of(&definitions.list[i]);
		views[i].event = definitions.list[i].event;
		views[i].place = "p";
	}
	/* As the reader has it: all of it is mapped. */
	check(trace_session_create(&shape, "", 0, &fd, &session) == 0);
	close(fd);
	session.shared->clock = TRACE_CLOCK_MONOTONIC;
	check(trace_session_add_process(&session, 1, 0) == 0);
	set = trace_session_alloc(&session, SET_MAX);
	check(set);
	for (uint32_t i = 0; i < RINGS; i++) {
		check(trace_session_add_ring_data(&session, trace_session_ring(&session, i)));
		ring_data[i] = trace_session_ring(&session, i)->data;
	}
}

/* ---- what a process has published ---------------------------------------------------------- */

static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

static void check_view(const struct trace_view *view)
{
	volatile size_t length = length_of(view->group) + length_of(view->event) +
				 length_of(view->place) + length_of(view->insn) +
				 length_of(view->note);

	(void)length;
	check(view->arg_count <= TRACE_ARGS_MAX && view->plan <= EP_PLAN_REFUSED);
	for (uint32_t i = 0; i < view->arg_count; i++)
		check(length_of(view->args[i].name) && view->program);
}

static void read_views(const uint8_t *data, size_t size)
{
	struct trace_process *process = trace_session_process(&session, 0);
	struct trace_arena arena = {0};
	struct trace_published read = {.definitions = &definitions};
	void *to = size <= SET_MAX ? trace_session_at(&session, set, size) : NULL;

	if (!to)
		return;
	memcpy(to, data, size);
	process->set = set;
	process->set_size = size;
	/* A change may lie anywhere, in the block as well. */
	process->changes = size ? set + (data[size - 1] * size / 256 & ~7ul) : 0;
	if (trace_publish_read(&session, process, &arena, &read) == 0)
		for (uint32_t i = 0; i < read.count; i++)
			check_view(&read.views[i]);
	trace_arena_deinit(&arena);
}

static void read_objects(const uint8_t *data, size_t size)
{
	struct trace_process *process = trace_session_process(&session, 0);
	struct trace_arena arena = {.limit = 8u << 20};
	struct trace_known_objects known = {.arena = &arena};
	struct trace_known_object *last = NULL;
	void *to = size >= 8 && size <= SET_MAX ? trace_session_at(&session, set, size) : NULL;

	if (!to)
		return;
	memcpy(to, data, size);
	for (size_t at = 0; at < 4; at++) {
		process->objects = set + (data[at] * size / 256 & ~7ul);
		if (trace_objects_read(&known, &session, process, &last) == 0 && last)
			check(memchr(last->object.path, '\0', sizeof(last->object.path)));
		trace_objects_find(last, data[at + 1] * 256ul, data[at + 2]);
	}
	process->objects = 0;
	trace_arena_deinit(&arena);
}

/* ---- answers ------------------------------------------------------------------------------- */

static int count_lines(void *data, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*(size_t *)data += text[i] == '\n';
	return 0;
}

#define FIELD(form) .fields = {{"f", form}, {"g", TRACE_FORM_TEXT}}

/* All bytes of it lie where the answers begin; a table may be at any multiple of its unit. */
static void read_answers(const uint8_t *data, size_t size)
{
	static struct trace_question list[] = {
		{.kind = TRACE_QUESTION_POWERS, FIELD(TRACE_FORM_SIGNED), .field_count = 1},
		{.kind = TRACE_QUESTION_LINEAR,
		 FIELD(TRACE_FORM_SIGNED),
		 .field_count = 1,
		 .step = 5,
		 .steps = 9},
		{.kind = TRACE_QUESTION_TOP, FIELD(TRACE_FORM_CHAR), .field_count = 2},
		{.kind = TRACE_QUESTION_TOP,
		 FIELD(TRACE_FORM_HEX),
		 .field_count = 1,
		 .value = {"v", TRACE_FORM_SIGNED}},
	};
	const struct trace_questions questions = {list, sizeof(list) / sizeof(list[0])};
	struct trace_answer_sum sums[sizeof(list) / sizeof(list[0])] = {0};
	struct trace_process *process = trace_session_process(&session, 0);
	struct trace_arena arena = {.limit = 1 << 20}, other = {0};
	void *to = size >= 8 && size <= SET_MAX ? trace_session_at(&session, set, size) : NULL;
	size_t lines = 0;
	const struct trace_sink sink = {count_lines, &lines};

	if (!to)
		return;
	memcpy(to, data, size);
	process->answers.first = set + 64ul * data[0];
	trace_answer_read(&session, 0, &questions, &arena, sums);
	for (uint32_t i = 0; i < questions.count; i++) {
		list[i].text = list[i].event = "e";
		trace_answer_text(&list[i], &sums[i], true, &other, &sink);
		trace_answer_json(&list[i], &sums[i], &other, &sink);
	}
	check(lines >= 2 * questions.count);
	process->answers.first = 0;
	trace_arena_deinit(&other);
	trace_arena_deinit(&arena);
}

/* ---- rings --------------------------------------------------------------------------------- */

static void check_lines_of(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		check((unsigned char)text[i] >= ' ' || text[i] == '\n' || text[i] == '\t');
}

/* No control characters but at their ends. */
static void check_lines(const struct trace_text *text)
{
	check_lines_of(text->buffer, text->used);
	check(!text->used || text->buffer[text->used - 1] == '\n');
}

/* What the launcher makes files of: calls may be in each other in any way. */
static struct trace_format_writer perfetto, chrome;
static struct tree tree;

static void convert(const struct trace_format_writer *writer, struct trace_text *text,
		    const struct trace_event *event)
{
	size_t used = text->used;

	(void)writer;
	perfetto.event(&perfetto, text, event);
	check(text->used > used && text->used - used < TRACE_LINE_MAX);
	text->used = used;
	chrome.event(&chrome, text, event);
	check(text->used > used && text->used - used < TRACE_LINE_MAX);
	check_lines_of(text->buffer + used, text->used - used);
	text->used = used;
	tree_add_event(&tree, event);
}

static int drop(void *data, const char *text, size_t size)
{
	(void)data;
	check_lines_of(text, size);
	return 0;
}

static void begin_files(struct trace_reader *reader)
{
	static const struct trace_format_writer all = {.event = convert};
	static struct counters counters = {{{"two", "a"}, {"m", "f"}}, 2};

	if (!perfetto.data)
		check(perfetto_create(&counters, &perfetto) == 0 &&
		      chrome_create(&counters, &chrome) == 0);
	tree_init(&tree, false);
	reader->writer = &all;
}

static void end_files(void)
{
	static char program[] = "program";
	static char *const command[] = {program, NULL};
	const struct trace_sink sink = {drop, NULL};

	tree_finish(&tree);
	check(folded_put(&tree, &sink) == 0);
	check(callgrind_put(&tree, command, &sink) == 0);
	check(flame_put(&tree, "program", &sink) == 0);
	tree_deinit(&tree);
}

static void read_rings(const uint8_t *data, size_t size, enum trace_format format, bool as_files)
{
	static char buffer[256 << 10];
	struct trace_text text = {buffer, sizeof(buffer), 0};
	struct trace_arena arena = {0};
	struct trace_reader reader;
	const size_t head = sizeof(struct trace_ring);

	memset(trace_session_ring(&session, 0), 0, RINGS * head);
	for (uint32_t i = 0; i < RINGS && size > head; i++) {
		size_t rest = size - head < RING_SIZE ? size - head : RING_SIZE;

		memcpy(trace_session_at(&session, ring_data[i], RING_SIZE), data + head, rest);
		memcpy(trace_session_ring(&session, i), data, head);
		if (data[head] % 4) /* else its data are anywhere */
			trace_session_ring(&session, i)->data = ring_data[i];
		data += head + rest / 2;
		size -= head + rest / 2;
	}
	atomic_store(&session.shared->ring_high, size); /* any number */
	check(trace_reader_init(&reader, &session, format, &arena) == 0);
	reader.processes[0] = (struct trace_reader_process){views, 4, 1, 8};
	if (as_files)
		begin_files(&reader);
	for (bool more = trace_reader_begin(&reader); more;) {
		text.used = 0;
		more = trace_reader_next(&reader, &text);
		check_lines(&text);
	}
	if (as_files)
		end_files();
	trace_reader_dropped(&reader);
	trace_arena_deinit(&arena);
}

/* ---- the file ------------------------------------------------------------------------------ */

static void open_file(const uint8_t *data, size_t size)
{
	static int file = -1;
	struct trace_session other;
	char path[32];

	if (file < 0)
		file = memfd_create("fuzz", MFD_CLOEXEC);
	check(file >= 0 && ftruncate(file, 0) == 0);
	check(pwrite(file, data, size, 0) == (ssize_t)size);
	/* A layout that is believed is one whose size is the file's. */
	if (size >= sizeof(struct trace_shared))
		check(ftruncate(file, (off_t)session.layout.size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (trace_session_open(path, &other) == 0) {
		trace_session_ring_count(&other);
		trace_session_process_count(&other);
		trace_session_started(&other);
		munmap(other.shared, other.layout.size);
		munmap(other.parts, 4096);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	prepare();
	if (size == 0)
		return 0;
	if (data[0] % 16 == 8)
		read_answers(data + 1, size - 1);
	else if (data[0] % 8 == 4)
		read_objects(data + 1, size - 1);
	else if (data[0] % 4 == 0)
		read_views(data + 1, size - 1);
	else if (data[0] % 4 == 1)
		open_file(data + 1, size - 1);
	else
		read_rings(data + 1, size - 1,
			   data[0] % 4 == 2 ? TRACE_FORMAT_TEXT : TRACE_FORMAT_JSON, data[0] & 16);
	return 0;
}
