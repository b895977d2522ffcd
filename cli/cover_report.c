/* SPDX-License-Identifier: MIT */
/*
 * Lines, for lcov and what reads Cobertura's XML. A row of the table of lines was executed if the block
 * that it begins in was reached; a line, if one of its rows was. Lines whose
 * code no known road leads to are left out: nobody can say.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cover.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/plain.h"

struct line {
	const char *file; /* a copy, one for each name */
	unsigned int line;
	bool hit;
	const char *function; /* that begins there; NULL: none */
};

struct report {
	const struct cover *cover;
	const struct cover_object *object; /* that is just being read */
	struct line *lines;
	size_t count, room;
	char **files; /* sorted */
	size_t file_count;
};

/* ---- to collect ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Most rows are of the file that the one before is of. */
static const char *keep_file(struct report *report, const char *file)
{
	char **found = report->file_count ? bsearch(&file, report->files, report->file_count,
						    sizeof(*report->files), by_name)
					  : NULL;
	char **grown, *copy;

	if (found)
		return *found;
	copy = strdup(file);
	grown = reallocarray(report->files, report->file_count + 1, sizeof(*grown));
	if (grown)
		report->files = grown;
	if (!grown || !copy) {
		free(copy);
		return NULL;
	}
	grown[report->file_count++] = copy;
	qsort(grown, report->file_count, sizeof(*grown), by_name);
	return copy;
}

static void add_line(struct report *report, const struct line *line)
{
	size_t room = report->room ? 2 * report->room : 4096;
	struct line *grown;

	if (report->count == report->room) {
		grown = reallocarray(report->lines, room, sizeof(*grown));
		if (!grown)
			return;
		report->lines = grown;
		report->room = room;
	}
	report->lines[report->count++] = *line;
}

/* The first block that ends above @offset. */
static size_t first_above(const struct cover_object *object, uint64_t offset)
{
	size_t low = 0, high = object->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((uint64_t)object->blocks[middle].offset + object->blocks[middle].size <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The last row before other functions, of which there are no lines, may seem to go on into them. */
static void add_row(const struct lines_row *row, void *data)
{
	struct report *report = data;
	const struct cover_object *object = report->object;
	size_t first = first_above(object, row->start);
	const struct cover_block *block = &object->blocks[first];
	struct line line = {.line = row->line};

	if (first == object->count || block->offset >= row->end ||
	    (block->is_entry && block->offset > row->start))
		return;
	line.hit = object->hits[first];
	line.file = keep_file(report, row->file);
	if (!line.file)
		return;
	add_line(report, &line);
	if (block->is_entry && block->offset == row->start) {
		line.line = row->first;
		line.function = object->names + block->name;
		add_line(report, &line);
	}
}

/* ---- in order ------------------------------------------------------------------------------ */

/* Of one file those that have functions come first. */
static int by_place(const void *a, const void *b)
{
	const struct line *left = a, *right = b;
	int order = strcmp(left->file, right->file);

	if (order)
		return order;
	if (!left->function != !right->function)
		return left->function ? -1 : 1;
	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	return left->function ? strcmp(left->function, right->function) : 0;
}

static bool is_same(const struct line *left, const struct line *right)
{
	return by_place(left, right) == 0;
}

static void put_in_order(struct report *report)
{
	size_t used = 0;

	if (report->count)
		qsort(report->lines, report->count, sizeof(*report->lines), by_place);
	for (size_t i = 0; i < report->count; i++)
		if (used && is_same(&report->lines[used - 1], &report->lines[i]))
			report->lines[used - 1].hit |= report->lines[i].hit;
		else
			report->lines[used++] = report->lines[i];
	report->count = used;
}

static size_t end_of_file(const struct report *report, size_t at)
{
	size_t end = at + 1;

	while (end < report->count && strcmp(report->lines[end].file, report->lines[at].file) == 0)
		end++;
	return end;
}

static size_t end_of_functions(const struct report *report, size_t at, size_t end)
{
	while (at < end && report->lines[at].function)
		at++;
	return at;
}

static size_t count_hits(const struct report *report, size_t at, size_t end)
{
	size_t ret = 0;

	for (; at < end; at++)
		ret += report->lines[at].hit;
	return ret;
}

/* ---- lcov ---------------------------------------------------------------------------------- */

static void put_name(const char *name, FILE *to)
{
	plain_put(name, to);
	fputc('\n', to);
}

/* geninfo(1), "FILES". */
static void put_lcov(const struct report *report, size_t at, size_t end, FILE *to)
{
	size_t lines = end_of_functions(report, at, end);

	fprintf(to, "TN:\nSF:");
	put_name(report->lines[at].file, to);
	for (size_t i = at; i < lines; i++) {
		fprintf(to, "FN:%u,", report->lines[i].line);
		put_name(report->lines[i].function, to);
	}
	for (size_t i = at; i < lines; i++) {
		fprintf(to, "FNDA:%d,", report->lines[i].hit);
		put_name(report->lines[i].function, to);
	}
	fprintf(to, "FNF:%zu\nFNH:%zu\n", lines - at, count_hits(report, at, lines));
	for (size_t i = lines; report->cover->level == COVER_BLOCKS && i < end; i++)
		fprintf(to, "DA:%u,%d\n", report->lines[i].line, report->lines[i].hit);
	if (report->cover->level == COVER_BLOCKS)
		fprintf(to, "LF:%zu\nLH:%zu\n", end - lines, count_hits(report, lines, end));
	fprintf(to, "end_of_record\n");
}

/* ---- Cobertura ----------------------------------------------------------------------------- */

static void put_xml(const char *text, FILE *to)
{
	while (*text) {
		size_t size = strcspn(text, "&<\"");
		char *part = strndup(text, size);

		if (part)
			plain_put(part, to);
		free(part);
		text += size;
		if (*text)
			fprintf(to, "&#%d;", *text++);
	}
}

static double rate(size_t hits, size_t of)
{
	return of ? (double)hits / (double)of : 0;
}

static void put_method(const struct line *line, FILE *to)
{
	fprintf(to, "<method name=\"");
	put_xml(line->function, to);
	fprintf(to,
		"\" signature=\"\" line-rate=\"%d\" branch-rate=\"0\" complexity=\"0\"><lines>"
		"<line number=\"%u\" hits=\"%d\" branch=\"false\"/></lines></method>\n",
		line->hit, line->line, line->hit);
}

static void put_class(const struct report *report, size_t at, size_t end, FILE *to)
{
	const char *file = report->lines[at].file, *slash = strrchr(file, '/');
	size_t lines = end_of_functions(report, at, end);

	fprintf(to, "<class name=\"");
	put_xml(slash ? slash + 1 : file, to);
	fprintf(to, "\" filename=\"");
	put_xml(file, to);
	fprintf(to, "\" line-rate=\"%.4f\" branch-rate=\"0\" complexity=\"0\">\n<methods>\n",
		rate(count_hits(report, lines, end), end - lines));
	for (size_t i = at; i < lines; i++)
		put_method(&report->lines[i], to);
	fprintf(to, "</methods>\n<lines>\n");
	for (size_t i = lines; report->cover->level == COVER_BLOCKS && i < end; i++)
		fprintf(to, "<line number=\"%u\" hits=\"%d\" branch=\"false\"/>\n",
			report->lines[i].line, report->lines[i].hit);
	fprintf(to, "</lines>\n</class>\n");
}

static void put_cobertura(const struct report *report, FILE *to)
{
	size_t lines = 0, hits = 0;
	double whole;

	for (size_t i = 0; i < report->count; i++) {
		lines += !report->lines[i].function;
		hits += !report->lines[i].function && report->lines[i].hit;
	}
	whole = rate(hits, lines);
	fprintf(to,
		"<?xml version=\"1.0\"?>\n"
		"<!DOCTYPE coverage SYSTEM "
		"\"http://cobertura.sourceforge.net/xml/coverage-04.dtd\">\n"
		"<coverage line-rate=\"%.4f\" branch-rate=\"0\" lines-covered=\"%zu\" "
		"lines-valid=\"%zu\" branches-covered=\"0\" branches-valid=\"0\" complexity=\"0\" "
		"version=\"emuprobe\" timestamp=\"0\">\n"
		"<sources><source>/</source></sources>\n<packages>\n"
		"<package name=\"all\" line-rate=\"%.4f\" branch-rate=\"0\" complexity=\"0\">\n"
		"<classes>\n",
		whole, hits, lines, whole);
	for (size_t i = 0, end; i < report->count; i = end) {
		end = end_of_file(report, i);
		put_class(report, i, end, to);
	}
	fprintf(to, "</classes>\n</package>\n</packages>\n</coverage>\n");
}

/* -------------------------------------------------------------------------------------------- */

static void collect(struct report *report, const struct cover_object *object)
{
	report->object = object;
	switch (lines_each(object->path, add_row, report)) {
	case LINES_NONE:
		complain("%s has no debug information: it is in the plain list only", object->path);
		return;
	case LINES_NO_LIBRARY:
		complain(
			"%s: libdw is not there, which reads source lines: it is in the plain list "
			"only",
			object->path);
		return;
	default:
		return;
	}
}

void cover_write_lines(const struct cover *cover, enum cover_format format, FILE *to)
{
	struct report report = {.cover = cover};

	for (size_t i = 0; i < cover->count; i++)
		collect(&report, &cover->objects[i]);
	put_in_order(&report);
	if (format == COVER_COBERTURA)
		put_cobertura(&report, to);
	else
		for (size_t i = 0, end; i < report.count; i = end) {
			end = end_of_file(&report, i);
			put_lcov(&report, i, end, to);
		}
	for (size_t i = 0; i < report.file_count; i++)
		free(report.files[i]);
	free(report.files);
	free(report.lines);
}
