/* SPDX-License-Identifier: MIT */
/*
 * No file depends on itself through others: neither by what it includes nor by what it calls. A
 * header and the file that bears its name are one. What a file calls is in its object: undefined
 * symbols there that another one defines.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/architecture/lines.h"

#define FILES_MAX   512
#define SYMBOLS_MAX 8192

TestSuite(architecture_circles, .timeout = 400);

static struct {
	char name[FILES_MAX][128]; /* path without suffix */
	bool uses[FILES_MAX][FILES_MAX];
	size_t count;
} graph;

static size_t number_of(const char *path)
{
	size_t size = (size_t)(strrchr(path, '.') - path);

	for (size_t i = 0; i < graph.count; i++)
		if (strlen(graph.name[i]) == size && memcmp(graph.name[i], path, size) == 0)
			return i;
	cr_assert_lt(graph.count, (size_t)FILES_MAX);
	snprintf(graph.name[graph.count], sizeof(graph.name[0]), "%.*s", (int)size, path);
	return graph.count++;
}

static void add_use(const char *user, const char *used)
{
	size_t from = number_of(user), to = number_of(used);

	if (from != to)
		graph.uses[from][to] = true;
}

/* ---- a circle ------------------------------------------------------------------------------ */

enum mark { NEW, OPEN, DONE };

static void print_circle(const size_t *path, size_t depth, size_t back)
{
	size_t start = depth;

	while (path[start] != back)
		start--;
	for (size_t i = start; i <= depth; i++)
		fprintf(stderr, "%s -> ", graph.name[path[i]]);
	fprintf(stderr, "%s\n", graph.name[back]);
}

static size_t visit(size_t file, enum mark *marks, size_t *path, size_t depth)
{
	size_t found = 0;

	marks[file] = OPEN;
	path[depth] = file;
	for (size_t i = 0; i < graph.count; i++) {
		if (!graph.uses[file][i])
			continue;
		if (marks[i] == OPEN) {
			print_circle(path, depth, i);
			found++;
		} else if (marks[i] == NEW) {
			found += visit(i, marks, path, depth + 1);
		}
	}
	marks[file] = DONE;
	return found;
}

static size_t circles(void)
{
	enum mark marks[FILES_MAX] = {NEW};
	size_t path[FILES_MAX], found = 0;

	for (size_t i = 0; i < graph.count; i++)
		if (marks[i] == NEW)
			found += visit(i, marks, path, 0);
	return found;
}

/* ---- includes ------------------------------------------------------------------------------ */

static bool is_product(const char *path)
{
	return !matches(path, "^(tests|perf)/");
}

static void read_includes(const char *file)
{
	struct lines text = lines_in(file);
	char header[256];

	for (size_t i = 0; i < text.count; i++)
		if (sscanf(text.line[i], " # include \"%255[^\"]\"", header) == 1)
			add_use(file, header);
	lines_destroy(&text);
}

Test(architecture_circles, no_file_includes_itself_through_others)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		if (is_product(files.line[i]))
			read_includes(files.line[i]);
	lines_destroy(&files);
	cr_expect_gt(graph.count, (size_t)100);
	cr_expect_eq(circles(), (size_t)0);
}

/* ---- calls --------------------------------------------------------------------------------- */

struct symbol {
	char name[96];
	size_t file;
};

static struct symbol defined[SYMBOLS_MAX];
static size_t defined_count;

static const struct symbol *find(const char *name)
{
	for (size_t i = 0; i < defined_count; i++)
		if (strcmp(defined[i].name, name) == 0)
			return &defined[i];
	return NULL;
}

/* "/.../CMakeFiles/probe.dir/./probe/site/sites.c.o: name T 0 10" */
static bool parse(const char *line, char *file, char *name, char *type)
{
	const char *folder = strstr(line, ".dir/");

	return folder && sscanf(folder, ".dir/./%127[^:]: %95s %c", file, name, type) == 3 &&
	       (*strrchr(file, '.') = '\0', true);
}

static void add_symbol(const char *line, bool undefined)
{
	char file[128], name[96], type;
	const struct symbol *found;

	if (!parse(line, file, name, &type))
		return;
	if (!undefined && strchr("TDBRVW", type)) {
		cr_assert_lt(defined_count, (size_t)SYMBOLS_MAX);
		snprintf(defined[defined_count].name, sizeof(name), "%s", name);
		defined[defined_count++].file = number_of(file);
	}
	found = undefined && type == 'U' ? find(name) : NULL;
	if (found)
		graph.uses[number_of(file)][found->file] |= number_of(file) != found->file;
}

Test(architecture_circles, no_file_calls_itself_through_others)
{
	struct lines symbols = lines_of("xargs -d '\\n' nm -A -P <'%s'", EP_OBJECT_LIST);

	for (size_t i = 0; i < symbols.count; i++)
		add_symbol(symbols.line[i], false);
	if (defined_count < 100)
		cr_skip_test("objects hold no machine code yet (LTO)");
	for (size_t i = 0; i < symbols.count; i++)
		add_symbol(symbols.line[i], true);
	lines_destroy(&symbols);
	cr_expect_eq(circles(), (size_t)0);
}
