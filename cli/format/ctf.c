/* SPDX-License-Identifier: MIT */
/*
 * "metadata" says in a language like C (TSDL) what the bytes in "stream" are. What an event is, is known when
 * the first one comes: so it is appended there, and both can be read while the program runs, up to the last
 * packet. There is one stream, in the order of time; everything is aligned to bytes, and little-endian.
 *
 * An argument has the type of the format if it is a number or a string; all else is printed. What is not
 * there is 0 or empty, and its name stands in the event's context.
 */
#include "cli/format/ctf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/format/names.h"
#include "cli/format/utf8.h"
#include "trace/report/format.h"
#include "trace/report/value.h"

#define MAGIC	    0xc1fc1fc1u
#define PACKET_SIZE (256u << 10) /* one that is larger is written */
#define NAME	    8192	 /* bytes of a name, at most */
#define HEAD_SIZE   (4 + 4 + 8 + 8 + 8 + 8)
#define EVENT_SIZE  (TRACE_ARGS_TEXT + 8 * NAME)

struct ctf {
	int metadata, stream;
	struct names classes;
	struct trace_text packet;
	uint64_t first, last; /* times of the packet's events */
	int failed;	      /* errno: nothing is written any more */
	char *fields;	      /* of the event that is being written */
	char value[TRACE_ARGS_TEXT + 64];
	char declared[65536];
};

/* ---- files ----------------------------------------------------------------------------------- */

static void write_all(struct ctf *ctf, int fd, const char *bytes, size_t size)
{
	while (size && !ctf->failed) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno != EINTR)
			ctf->failed = errno;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
}

static void put_integer(struct trace_text *text, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		trace_text_char(text, (char)(value >> 8 * i));
}

static void put_string(struct trace_text *text, const char *string, size_t max)
{
	utf8_put(text, string, max);
	trace_text_char(text, '\0');
}

static void write_packet(struct ctf *ctf)
{
	uint64_t bits = 8 * ctf->packet.used;
	struct trace_text head = {ctf->packet.buffer, HEAD_SIZE, 0};

	if (ctf->packet.used == HEAD_SIZE)
		return;
	put_integer(&head, MAGIC, 4);
	put_integer(&head, 0, 4);
	put_integer(&head, ctf->first, 8);
	put_integer(&head, ctf->last, 8);
	put_integer(&head, bits, 8);
	put_integer(&head, bits, 8);
	write_all(ctf, ctf->stream, ctf->packet.buffer, ctf->packet.used);
	ctf->packet.used = HEAD_SIZE;
}

/* ---- what events are ------------------------------------------------------------------------- */

/* In a TSDL string: no quote ends it, no control is in it. */
static void declare_name(struct trace_text *text, const char *name)
{
	char plain[NAME];
	struct trace_text part = {plain, sizeof(plain) - 1, 0};

	trace_text_plain_within(&part, name, sizeof(plain) - 1);
	for (size_t i = 0; i < part.used; i++) {
		if (plain[i] == '"' || plain[i] == '\\')
			trace_text_char(text, '\\');
		trace_text_char(text, plain[i]);
	}
}

/* Readers take one underscore away, which keeps words of TSDL apart. */
static void declare_fields(struct trace_text *text, const struct trace_view *view)
{
	static const char *const types[] = {
		[TRACE_VALUE_UNSIGNED] = "u64", [TRACE_VALUE_SIGNED] = "s64",
		[TRACE_VALUE_HEX] = "x64",	[TRACE_VALUE_DOUBLE] = "f64",
		[TRACE_VALUE_TEXT] = "text",
	};

	for (uint32_t i = 0; i < trace_view_shown(view); i++) {
		trace_text_char(text, '\t');
		trace_text_char(text, '\t');
		trace_text_string(text, types[trace_value_kind(&view->args[i])]);
		trace_text_string(text, " _");
		trace_text_string(text, view->args[i].name);
		trace_text_string(text, ";\n");
	}
}

static void declare(struct ctf *ctf, const struct trace_view *view, uint32_t number)
{
	struct trace_text text = {ctf->declared, sizeof(ctf->declared), 0};

	trace_text_string(&text, "\nevent {\n\tname = \"");
	declare_name(&text, view->group);
	trace_text_char(&text, ':');
	declare_name(&text, view->event);
	trace_text_string(&text, "\";\n\tid = ");
	trace_text_unsigned(&text, number, 1, '0');
	trace_text_string(&text, ";\n\tstream_id = 0;\n\tcontext := struct {\n\t\ttext place;\n");
	if (view->is_return)
		trace_text_string(&text, "\t\tends end;\n\t\tu64 duration;\n");
	trace_text_string(&text, "\t\ttext missing;\n\t};\n\tfields := struct {\n");
	declare_fields(&text, view);
	trace_text_string(&text, "\t};\n};\n");
	write_all(ctf, ctf->metadata, text.buffer, text.used);
}

static uint32_t class_of(struct ctf *ctf, const struct trace_view *view)
{
	size_t group = strlen(view->group) + 1, event = strlen(view->event) + 1;
	char key[NAME], *all = group + event + 4 <= sizeof(key) ? key : malloc(group + event + 4);
	uint32_t ret = 0;
	bool is_new = false;

	if (all) {
		memcpy(all, view->group, group);
		memcpy(all + group, view->event, event);
		memcpy(all + group + event, &view->definition, 4);
		ret = names_number(&ctf->classes, all, group + event + 4, &is_new);
	}
	if (all != key)
		free(all);
	if (is_new)
		declare(ctf, view, ret);
	return ret;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void put_value(struct trace_text *text, int kind, const struct trace_value *value)
{
	if (kind == TRACE_VALUE_TEXT)
		put_string(text, value->kind == TRACE_VALUE_TEXT ? value->text : "",
			   TRACE_ARGS_TEXT);
	else
		put_integer(text, value->kind == TRACE_VALUE_NONE ? 0 : value->number, 8);
}

/* @missing: the names of those that are not there. */
static void put_fields(struct ctf *ctf, struct trace_text *text, const struct trace_event *event,
		       struct trace_text *missing)
{
	const uint64_t *bulks = event->bulks;

	for (uint32_t i = 0; i < trace_view_shown(event->view); i++) {
		const struct trace_arg *arg = &event->view->args[i];
		struct trace_text room = {ctf->value, sizeof(ctf->value), 0};
		struct trace_value value;

		trace_value_take(event, i, &bulks, &room, &value);
		put_value(text, trace_value_kind(arg), &value);
		if (value.kind != TRACE_VALUE_NONE)
			continue;
		if (missing->used)
			trace_text_char(missing, ' ');
		trace_text_string(missing, arg->name);
	}
}

/* Which ones are missing is known behind the fields, and stands in front of them. */
static void put_event(struct ctf *ctf, const struct trace_event *event, uint32_t number)
{
	struct trace_text *text = &ctf->packet;
	char names[NAME];
	struct trace_text missing = {names, sizeof(names) - 1, 0};
	struct trace_text fields = {ctf->fields, EVENT_SIZE, 0};

	put_integer(text, number, 4);
	put_integer(text, ctf->last, 8);
	put_integer(text, (uint32_t)event->pid, 4);
	put_integer(text, (uint32_t)event->tid, 4);
	put_integer(text, event->cpu, 4);
	put_string(text, event->comm, NAME);
	put_string(text, event->view->place, NAME);
	if (event->view->is_return) {
		put_integer(text, event->end, 1);
		put_integer(text, event->is_timed ? event->duration : 0, 8);
	}
	put_fields(ctf, &fields, event, &missing);
	names[missing.used] = '\0';
	put_string(text, names, NAME);
	memcpy(text->buffer + text->used, fields.buffer, fields.used);
	text->used += fields.used;
}

static void put(const struct trace_format_writer *writer, struct trace_text *unused,
		const struct trace_event *event)
{
	struct ctf *ctf = writer->data;
	uint32_t number = class_of(ctf, event->view);

	(void)unused;
	if (!number || ctf->failed)
		return;
	if (event->nanoseconds > ctf->last)
		ctf->last = event->nanoseconds;
	if (ctf->packet.used == HEAD_SIZE)
		ctf->first = ctf->last;
	put_event(ctf, event, number);
	if (ctf->packet.used >= PACKET_SIZE)
		write_packet(ctf);
}

/* ---- the beginning and the end ---------------------------------------------------------------- */

static const char head[] =
	"/* CTF 1.8 */\n"
	"\n"
	"typealias integer { size = 8; align = 8; signed = false; } := u8;\n"
	"typealias integer { size = 32; align = 8; signed = false; } := u32;\n"
	"typealias integer { size = 32; align = 8; signed = true; } := s32;\n"
	"typealias integer { size = 64; align = 8; signed = false; } := u64;\n"
	"typealias integer { size = 64; align = 8; signed = true; } := s64;\n"
	"typealias integer { size = 64; align = 8; signed = false; base = 16; } := x64;\n"
	"typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;\n"
	"typealias string { encoding = UTF8; } := text;\n"
	"typealias enum : u8 { \"return\" = 0, \"unwind\" = 1, \"jump\" = 2, \"exit\" = 3 } := "
	"ends;\n"
	"\n"
	"trace {\n"
	"\tmajor = 1;\n"
	"\tminor = 8;\n"
	"\tbyte_order = le;\n"
	"\tpacket.header := struct {\n"
	"\t\tu32 magic;\n"
	"\t\tu32 stream_id;\n"
	"\t};\n"
	"};\n";

static const char streams[] =
	"\ntypealias integer { size = 64; align = 8; signed = false; map = clock.monotonic.value; "
	"} := time;\n"
	"\n"
	"stream {\n"
	"\tid = 0;\n"
	"\tpacket.context := struct {\n"
	"\t\ttime timestamp_begin;\n"
	"\t\ttime timestamp_end;\n"
	"\t\tu64 content_size;\n"
	"\t\tu64 packet_size;\n"
	"\t};\n"
	"\tevent.header := struct {\n"
	"\t\tu32 id;\n"
	"\t\ttime timestamp;\n"
	"\t};\n"
	"\tevent.context := struct {\n"
	"\t\ts32 pid;\n"
	"\t\ts32 tid;\n"
	"\t\tu32 cpu;\n"
	"\t\ttext comm;\n"
	"\t};\n"
	"};\n";

/* When the clock was 0, since the epoch. */
static void put_clock(struct ctf *ctf)
{
	struct timespec real, monotonic;
	uint64_t offset;
	char text[512];
	int size;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	offset = (uint64_t)(real.tv_sec - monotonic.tv_sec) * 1000000000 +
		 (uint64_t)(real.tv_nsec - monotonic.tv_nsec);
	size = snprintf(text, sizeof(text),
			"\nenv {\n\ttracer_name = \"emuprobe\";\n};\n"
			"\nclock {\n\tname = \"monotonic\";\n\tdescription = \"CLOCK_MONOTONIC\";\n"
			"\tfreq = 1000000000;\n\toffset_s = %lu;\n\toffset = %lu;\n};\n",
			(unsigned long)(offset / 1000000000), (unsigned long)(offset % 1000000000));
	write_all(ctf, ctf->metadata, text, (size_t)size);
}

static int state_of(const struct ctf *ctf)
{
	errno = ctf->failed;
	return ctf->failed ? -EP_IO : 0;
}

static int begin(const struct trace_format_writer *writer, const struct trace_sink *sink)
{
	struct ctf *ctf = writer->data;

	(void)sink;
	write_all(ctf, ctf->metadata, head, sizeof(head) - 1);
	put_clock(ctf);
	write_all(ctf, ctf->metadata, streams, sizeof(streams) - 1);
	return state_of(ctf);
}

static int end(const struct trace_format_writer *writer, const struct trace_sink *sink)
{
	struct ctf *ctf = writer->data;

	(void)sink;
	write_packet(ctf);
	return state_of(ctf);
}

static int open_in(int folder, const char *name)
{
	return openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

static int open_files(struct ctf *ctf, const char *path)
{
	int folder, error = mkdir(path, 0777) && errno != EEXIST ? errno : 0;

	folder = error ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return error ? error : errno;
	ctf->metadata = open_in(folder, "metadata");
	ctf->stream = open_in(folder, "stream");
	error = ctf->metadata < 0 || ctf->stream < 0 ? errno : 0;
	close(folder);
	return error;
}

int ctf_create(const char *path, struct trace_format_writer *ret)
{
	struct ctf *ctf = calloc(1, sizeof(*ctf));

	if (!ctf)
		return ENOMEM;
	ctf->fields = malloc(EVENT_SIZE);
	ctf->packet = (struct trace_text){malloc(PACKET_SIZE + 2 * EVENT_SIZE),
					  PACKET_SIZE + 2 * EVENT_SIZE, HEAD_SIZE};
	*ret = (struct trace_format_writer){.data = ctf, .event = put, .begin = begin, .end = end};
	return ctf->fields && ctf->packet.buffer ? open_files(ctf, path) : ENOMEM;
}
