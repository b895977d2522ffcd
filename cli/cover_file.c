/* SPDX-License-Identifier: MIT */
/*
 * The plain list: what was reached of which file, a line for each place. It has all that is needed to add
 * runs up and to make other formats of it, so it is what is kept.
 *
 *	# emuprobe cover 1 blocks
 *	# object 7be1c04e6b8a2f10 work /usr/bin/work
 *	work main 0x1139 1
 *	work main+0x12 0x114b 0
 *
 * What would be taken for something else in a name is written as \xHH: blanks in that of an object, plus signs
 * in that of a function, backslashes, and what cannot be shown.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cover.h"
#include "cli/options.h"
#include "cli/plain.h"

#define HEAD	  "# emuprobe cover 1 "
#define LINE_SIZE ((size_t)1 << 20) /* names of functions may be long */

static const char *const levels[] = {"nothing", "functions", "blocks"};

/* ---- to write ------------------------------------------------------------------------------ */

static void write_object(const struct cover_object *object, FILE *to)
{
	for (size_t i = 0; i < object->count; i++) {
		const struct cover_block *block = &object->blocks[i];

		plain_put_escaped(object->name, " ", to);
		fputc(' ', to);
		plain_put_escaped(object->names + block->name, "+", to);
		if (block->from_function)
			fprintf(to, "+0x%x", block->from_function);
		fprintf(to, " 0x%x %d\n", block->offset, object->hits[i] != 0);
	}
}

static void write_list(const struct cover *cover, FILE *to)
{
	fprintf(to, HEAD "%s\n", levels[cover->level]);
	for (size_t i = 0; i < cover->count; i++) {
		const struct cover_object *object = &cover->objects[i];

		fprintf(to, "# object %016lx ", (unsigned long)object->hash);
		plain_put_escaped(object->name, " ", to);
		fputc(' ', to);
		plain_put_escaped(object->path, "", to);
		fputc('\n', to);
		write_object(object, to);
	}
}

int cover_write(const struct cover *cover, enum cover_format format, const char *path)
{
	bool is_standard = strcmp(path, "-") == 0, failed;
	FILE *to = is_standard ? stdout : fopen(path, "we");

	if (!to)
		return complain("%s: %s", path, strerror(errno)), EXIT_OURS;
	if (format == COVER_PLAIN)
		write_list(cover, to);
	else
		cover_write_lines(cover, format, to);
	failed = ferror(to);
	failed |= is_standard ? fflush(to) : fclose(to);
	if (!failed)
		return 0;
	complain("%s: %s", path, strerror(errno));
	return EXIT_OURS;
}

/* ---- to read ------------------------------------------------------------------------------- */

struct reading {
	struct cover *cover;
	struct cover_object *object; /* which the lines are of */
	const char *path;
	bool is_own, is_new; /* the object is made of these lines */
	size_t next;	     /* block */
	unsigned long line;
};

static int fail(const struct reading *reading, const char *why)
{
	complain("%s:%lu: %s", reading->path, reading->line, why);
	return EXIT_OURS;
}

static struct cover_object *find_object(const struct reading *reading, const char *path)
{
	for (size_t i = 0; i < reading->cover->count; i++)
		if (strcmp(reading->cover->objects[i].path, path) == 0)
			return &reading->cover->objects[i];
	return NULL;
}

/* HASH NAME PATH */
static int begin_object(struct reading *reading, char *text)
{
	char *name, *path;
	uint64_t hash = strtoul(text, &name, 16);

	path = *name == ' ' ? strchr(++name, ' ') : NULL;
	if (!path)
		return fail(reading, "no object");
	*path++ = '\0';
	plain_unescape(name);
	plain_unescape(path);
	reading->object = find_object(reading, path);
	reading->is_new = !reading->object;
	reading->next = 0;
	if (reading->object && reading->object->hash != hash)
		return fail(reading, "it is of another build of that file");
	if (reading->is_own && reading->is_new)
		return fail(reading, "it is of a file that is not covered now");
	if (reading->is_new) {
		reading->object = cover_add_object(reading->cover, name, path);
		if (!reading->object)
			return fail(reading, ep_strerror(EP_NO_MEMORY));
		reading->object->hash = hash;
	}
	return 0;
}

static int begin_list(struct reading *reading, const char *level)
{
	for (enum cover_level i = COVER_FUNCTIONS; i <= COVER_BLOCKS; i++) {
		if (strcmp(level, levels[i]) != 0)
			continue;
		if (reading->cover->level != COVER_NOTHING && reading->cover->level != i)
			return fail(reading, "functions and blocks cannot be added up");
		reading->cover->level = i;
		return 0;
	}
	return fail(reading, "no list of emuprobe --cover");
}

static int add_line(struct reading *reading, char *function, uint32_t offset)
{
	char *plus = strrchr(function, '+');
	struct cover_block block = {.offset = offset};

	if (plus) {
		block.from_function = (uint32_t)strtoul(plus + 1, NULL, 16);
		*plus = '\0';
	}
	block.is_entry = !plus;
	plain_unescape(function);
	if (reading->object->count &&
	    reading->object->blocks[reading->object->count - 1].offset >= offset)
		return fail(reading, "offsets do not ascend");
	return cover_add_block(reading->object, &block, function)
		       ? fail(reading, ep_strerror(EP_NO_MEMORY))
		       : 0;
}

/* "OBJECT FUNCTION OFFSET HIT": a name may have spaces. */
static int read_line(struct reading *reading, char *line)
{
	char *function = strchr(line, ' '), *hit = strrchr(line, ' '), *offset;
	int error = 0;

	if (!function || function == hit || !reading->object)
		return fail(reading, "no place of the object");
	*function++ = *hit++ = '\0';
	plain_unescape(line);
	offset = strrchr(function, ' ');
	if (!offset || strcmp(line, reading->object->name) != 0)
		return fail(reading, "no place of the object");
	*offset++ = '\0';
	if (reading->is_new)
		error = add_line(reading, function, (uint32_t)strtoul(offset, NULL, 16));
	if (error)
		return error;
	if (reading->next >= reading->object->count ||
	    reading->object->blocks[reading->next].offset != strtoul(offset, NULL, 16))
		return fail(reading, "another place was expected");
	reading->object->hits[reading->next++] |= *hit == '1';
	return 0;
}

static int read_any(struct reading *reading, char *line)
{
	static const char object[] = "# object ";

	if (reading->line == 1)
		return strncmp(line, HEAD, sizeof(HEAD) - 1) == 0
			       ? begin_list(reading, line + sizeof(HEAD) - 1)
			       : fail(reading, "no list of emuprobe --cover");
	if (strncmp(line, object, sizeof(object) - 1) == 0)
		return begin_object(reading, line + sizeof(object) - 1);
	return read_line(reading, line);
}

/* Up to the next one: what lies between is code, or is of no line. */
static void fill_sizes(struct cover_object *object)
{
	for (size_t i = 0; i < object->count; i++)
		if (!object->blocks[i].size)
			object->blocks[i].size =
				i + 1 < object->count
					? object->blocks[i + 1].offset - object->blocks[i].offset
					: UINT32_MAX - object->blocks[i].offset;
}

/* The next line without its end, of at most LINE_SIZE bytes with it; false: there is none. */
static bool take_line(FILE *from, char *line)
{
	size_t used = 0;
	int c;

	while (used < LINE_SIZE - 1 && (c = getc(from)) != EOF && c != '\n')
		line[used++] = (char)c;
	line[used] = '\0';
	return used || c == '\n';
}

int cover_read(const char *path, bool is_own, struct cover *cover)
{
	struct reading reading = {.cover = cover, .path = path, .is_own = is_own};
	FILE *from = fopen(path, "re");
	char *line = malloc(LINE_SIZE);
	int error = 0;

	if (!from) {
		complain("%s: %s", path, strerror(errno));
		free(line);
		return EXIT_OURS;
	}
	if (!line)
		error = fail(&reading, ep_strerror(EP_NO_MEMORY));
	while (!error && take_line(from, line)) {
		reading.line++;
		error = strlen(line) < LINE_SIZE - 1 ? read_any(&reading, line)
						     : fail(&reading, "the line is too long");
	}
	free(line);
	fclose(from);
	for (size_t i = 0; i < cover->count; i++)
		fill_sizes(&cover->objects[i]);
	if (!error && !reading.line)
		error = fail(&reading, "it is empty");
	return error;
}

/* ---- emuprobe cover-merge ------------------------------------------------------------------ */

int cover_merge(int argc, char **argv)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'F'},
						{"output", required_argument, NULL, 'o'},
						{NULL, 0, NULL, 0}};
	enum cover_format format = COVER_PLAIN;
	const char *output = "-";
	struct cover cover = {0};
	int option, error = 0;

	while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		if (option == 'o')
			output = optarg;
		else if (option != 'F')
			return EXIT_OURS;
		else if (!cover_format_of(optarg, &format))
			return complain("--format=%s: text, lcov or cobertura", optarg), EXIT_OURS;
	}
	if (optind == argc)
		return complain("cover-merge: no list"), EXIT_OURS;
	for (int i = optind; i < argc && !error; i++)
		error = cover_read(argv[i], false, &cover);
	return error ? error : cover_write(&cover, format, output);
}
