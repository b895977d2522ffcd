/* SPDX-License-Identifier: MIT */
/*
 * Processes have the same functions at different addresses: so stacks are named first, and those with
 * the same names are added up. Where in a function a call stands makes no difference.
 *
 * A stack is kept as one text, its frames from the hit outwards, with zeroes between them.
 */
#include "cli/stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/demangle.h"
#include "trace/session/stacks.h"

#define TEXT_MAX   65536u	 /* of a stack */
#define FRAME_MAX  512u		 /* of a name */
#define MEMORY_MAX (512ul << 20) /* of all: the program says how many there are */
#define TOP	   10u		 /* that are shown as text */
#define BUCKETS	   65536u	 /* a power of two */
#define NAMES	   8192u	 /* likewise */
#define CUT	   "[more]"

struct row {
	struct row *next; /* of the bucket */
	uint64_t count, hash;
	uint32_t size;	/* of .text */
	uint32_t event; /* which of those that were asked for */
	const char *text;
};

struct name {
	uint64_t address, time;
	uint32_t process; /* + 1; 0: unused */
	bool is_return;
	char text[FRAME_MAX];
};

struct all {
	const struct stacks_source *source;
	struct trace_arena arena;
	struct row *buckets[BUCKETS];
	struct row **rows; /* in order, in the end */
	size_t count;
	struct name names[NAMES];
	uint32_t process; /* that is being read */
	uint64_t hits[TRACE_STACK_EVENTS], lost;
	char text[TEXT_MAX];
};

/* ---- names --------------------------------------------------------------------------------- */

static void write_name(struct all *all, const struct name *name, char *ret, size_t size)
{
	struct trace_symbol symbol;
	char meaning[FRAME_MAX];

	if (!all->source->symbols ||
	    !trace_symbols_find(all->source->symbols, all->process, name->address, name->is_return,
				name->time, &symbol))
		snprintf(ret, size, "0x%lx", (unsigned long)name->address);
	else if (symbol.function)
		snprintf(ret, size, "%.*s:%s", symbol.object_length, symbol.object,
			 demangle(symbol.function, meaning, sizeof(meaning)));
	else
		snprintf(ret, size, "%.*s:0x%lx", symbol.object_length, symbol.object,
			 (unsigned long)symbol.offset);
}

static const char *name_of(struct all *all, uint64_t address, uint64_t time, bool is_return)
{
	struct name *name = &all->names[(address ^ address >> 13) % NAMES];

	if (name->process == all->process + 1 && name->address == address && name->time == time &&
	    name->is_return == is_return)
		return name->text;
	name->process = all->process + 1;
	name->address = address;
	name->time = time;
	name->is_return = is_return;
	write_name(all, name, name->text, sizeof(name->text));
	return name->text;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* False: there is no room. */
static bool append(struct all *all, uint32_t *size, const char *frame)
{
	size_t length = strlen(frame) + 1;

	if (length > TEXT_MAX - *size)
		return false;
	memcpy(all->text + *size, frame, length);
	*size += (uint32_t)length;
	return true;
}

/* Returns its size. What is too long ends early. */
static uint32_t write_frames(struct all *all, const struct trace_stack *stack)
{
	uint32_t size = 0;
	bool fits = true;

	for (uint32_t i = 0; i < stack->depth && fits; i++)
		fits = append(all, &size, name_of(all, stack->frames[i], stack->time, i > 0));
	if (stack->is_cut && fits)
		append(all, &size, CUT);
	return size;
}

static uint64_t hash_of(const char *text, uint32_t size)
{
	uint64_t ret = size;

	for (uint32_t i = 0; i < size; i++)
		ret = (ret ^ (unsigned char)text[i]) * 0x100000001b3u;
	return ret;
}

static struct row *row_for(struct all *all, uint32_t event, uint32_t size)
{
	uint64_t hash = hash_of(all->text, size);
	struct row **bucket = &all->buckets[hash % BUCKETS], *row;

	for (row = *bucket; row; row = row->next)
		if (row->hash == hash && row->event == event && row->size == size &&
		    memcmp(row->text, all->text, size) == 0)
			return row;
	row = trace_arena_alloc(&all->arena, sizeof(*row));
	if (!row)
		return NULL;
	*row = (struct row){.next = *bucket, .hash = hash, .size = size, .event = event};
	row->text = trace_arena_copy(&all->arena, all->text, size);
	if (!row->text)
		return NULL;
	*bucket = row;
	all->count++;
	return row;
}

/* Which of those that were asked for; TRACE_STACK_EVENTS: none. */
static uint32_t event_of(const struct all *all, uint32_t probe)
{
	const struct trace_summary_process *process = &all->source->processes[all->process];
	const struct options *options = all->source->options;
	uint32_t ret = 0;

	if (probe >= process->count)
		return TRACE_STACK_EVENTS;
	while (ret < options->stack_count &&
	       strcmp(process->views[probe].event, options->stacks[ret].event) != 0)
		ret++;
	return ret < options->stack_count ? ret : TRACE_STACK_EVENTS;
}

static void add(const struct trace_stack *stack, void *data)
{
	struct all *all = data;
	uint32_t event = event_of(all, stack->probe);
	struct row *row;

	if (event == TRACE_STACK_EVENTS)
		return;
	row = row_for(all, event, write_frames(all, stack));
	if (!row) {
		all->lost += stack->count;
		return;
	}
	row->count += stack->count;
	all->hits[event] += stack->count;
}

static int by_count(const void *first, const void *second)
{
	const struct row *a = *(struct row *const *)first, *b = *(struct row *const *)second;

	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->size != b->size ? (a->size < b->size ? -1 : 1)
				  : memcmp(a->text, b->text, a->size);
}

static bool sort(struct all *all)
{
	size_t count = 0;

	all->rows = trace_arena_alloc(&all->arena, (all->count + 1) * sizeof(struct row *));
	if (!all->rows)
		return false;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct row *row = all->buckets[i]; row; row = row->next)
			all->rows[count++] = row;
	qsort(all->rows, count, sizeof(all->rows[0]), by_count);
	return true;
}

/* ---- output -------------------------------------------------------------------------------- */

/* In pieces: a line may be longer than the text's buffer. */
static void put(const struct trace_sink *sink, const char *text)
{
	sink->write(sink->data, text, strlen(text));
}

static void put_plain(const struct trace_sink *sink, const char *frame, bool folded)
{
	char buffer[3 * FRAME_MAX];
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	trace_text_plain(&text, frame);
	buffer[text.used] = '\0';
	for (char *at = buffer; folded && *at; at++)
		if (*at == ';')
			*at = ',';
	put(sink, buffer);
}

static void put_number(const struct trace_sink *sink, const char *format, uint64_t number)
{
	char buffer[64];

	snprintf(buffer, sizeof(buffer), format, (unsigned long)number);
	put(sink, buffer);
}

static void put_row(const struct row *row, const struct trace_sink *sink)
{
	put_number(sink, "%12lu", row->count);
	for (const char *frame = row->text; frame < row->text + row->size;
	     frame += strlen(frame) + 1) {
		put(sink, frame == row->text ? "  " : "              ");
		put_plain(sink, frame, false);
		put(sink, "\n");
	}
	put(sink, "\n");
}

static void put_head(const struct all *all, uint32_t event, size_t count,
		     const struct trace_sink *sink)
{
	put(sink, "\nstacks of ");
	put_plain(sink, all->source->options->stacks[event].event, false);
	put_number(sink, ": %lu hits", all->hits[event]);
	put_number(sink, ", %lu different", count);
	if (!all->source->options->verbose && count > TOP)
		put_number(sink, ", the first %lu", TOP);
	put(sink, "\n\n");
}

/* All rows of an event follow each other. */
static void put_text(const struct all *all, const struct trace_sink *sink)
{
	for (size_t first = 0, count; first < all->count; first += count) {
		uint32_t event = all->rows[first]->event;

		for (count = 1;
		     first + count < all->count && all->rows[first + count]->event == event;)
			count++;
		put_head(all, event, count, sink);
		for (size_t i = 0; i < count && (i < TOP || all->source->options->verbose); i++)
			put_row(all->rows[first + i], sink);
	}
}

/* From the outermost frame inwards; of several events, the name stands in front. */
static void put_folded(const struct all *all, const struct row *row, const struct trace_sink *sink)
{
	const char *frame = row->text + row->size;

	if (all->source->options->stack_count > 1) {
		put_plain(sink, all->source->options->stacks[row->event].event, true);
		put(sink, ";");
	}
	while (frame > row->text) {
		for (frame--; frame > row->text && frame[-1];)
			frame--;
		put_plain(sink, frame, true);
		put(sink, frame > row->text ? ";" : " ");
	}
	put_number(sink, "%lu\n", row->count);
}

static void put_json_string(const struct trace_sink *sink, const char *string)
{
	char buffer[TRACE_ESCAPE_MAX * FRAME_MAX + 4];
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	trace_text_json(&text, string);
	buffer[text.used] = '\0';
	put(sink, buffer);
}

static void put_json(const struct all *all, const struct row *row, const struct trace_sink *sink)
{
	put(sink, "{\"type\":\"stack\",\"event\":");
	put_json_string(sink, all->source->options->stacks[row->event].event);
	put_number(sink, ",\"count\":%lu,\"frames\":[", row->count);
	for (const char *frame = row->text; frame < row->text + row->size;
	     frame += strlen(frame) + 1) {
		put(sink, frame == row->text ? "" : ",");
		put_json_string(sink, frame);
	}
	put(sink, "]}\n");
}

static void put_all(const struct all *all, const struct trace_sink *sink)
{
	enum trace_format format = all->source->options->format;

	if (format != TRACE_FORMAT_FOLDED && format != TRACE_FORMAT_JSON) {
		put_text(all, sink);
		return;
	}
	for (size_t i = 0; i < all->count; i++)
		if (format == TRACE_FORMAT_FOLDED)
			put_folded(all, all->rows[i], sink);
		else
			put_json(all, all->rows[i], sink);
}

/* From the outermost frame inwards, as in a folded line. */
static bool add_to_tree(const struct all *all, const struct row *row, struct tree *tree)
{
	const char *frame = row->text + row->size;
	struct node *node = &tree->root;

	node->total += row->count;
	if (all->source->options->stack_count > 1) {
		node = tree_child(tree, node, all->source->options->stacks[row->event].event);
		if (node)
			node->total += row->count;
	}
	while (node && frame > row->text) {
		for (frame--; frame > row->text && frame[-1];)
			frame--;
		node = tree_child(tree, node, frame);
		if (node)
			node->total += row->count;
	}
	if (node)
		node->self += row->count;
	return node;
}

static void draw(const struct all *all)
{
	struct tree tree;
	uint64_t lost = 0;

	if (!all->source->options->flame)
		return;
	tree_init(&tree, true);
	for (size_t i = 0; i < all->count; i++)
		lost += !add_to_tree(all, all->rows[i], &tree);
	if (lost)
		complain("--flame: %lu stacks are missing: %s", (unsigned long)lost,
			 ep_strerror(EP_NO_MEMORY));
	formats_draw(all->source->formats, &tree);
	tree_deinit(&tree);
}

static void complain_of_missing(const struct all *all)
{
	const struct options *options = all->source->options;

	for (uint32_t i = 0; i < options->stack_count; i++)
		if (!all->hits[i])
			complain("--stacks=%s: no such event, or it was not hit",
				 options->stacks[i].event);
	if (all->lost)
		complain("%lu hits have no stack: there was no room for so many different ones",
			 (unsigned long)all->lost);
}

void stacks_put(const struct stacks_source *source, const struct trace_sink *sink)
{
	struct all *all = source->options->stack_count ? calloc(1, sizeof(*all)) : NULL;

	if (!source->options->stack_count)
		return;
	if (!all) {
		complain("--stacks: %s", ep_strerror(EP_NO_MEMORY));
		return;
	}
	all->source = source;
	all->arena.limit = MEMORY_MAX;
	for (uint64_t i = 0; i < source->count; i++) {
		uint64_t lost = 0;

		all->process = (uint32_t)i;
		if (source->processes[i].known)
			trace_stacks_read(source->session, i, add, all, &lost);
		all->lost += lost;
	}
	if (sort(all)) {
		put_all(all, sink);
		draw(all);
	}
	complain_of_missing(all);
	trace_arena_deinit(&all->arena);
	free(all);
}
