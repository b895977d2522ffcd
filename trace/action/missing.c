/* SPDX-License-Identifier: MIT */
/*
 * "malloc" is not in the program, but in libc; "mian" is a slip. Whoever is told only that there is no
 * such symbol has to find that out with nm(1). What is looked for, in this order: what a compiler made
 * of the function, the same name in another object, names that differ in a letter or two. Names come
 * from files that may be hostile: each costs the same few steps, whatever its length, and their number
 * is bounded.
 */
#include "trace/action/missing.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "include/naming.h"
#include "sys/files.h"
#include "sys/process.h"
#include "trace/language/scanner.h"
#include "trace/session/shared.h"

#define NAMES_MAX  4000000ul /* that are looked at */
#define NAME_SIZE  60	     /* bytes of a name to which others can be similar */
#define SLIPS_MAX  2
#define FOUND_SIZE 80

struct similar {
	unsigned int slips;
	char text[FOUND_SIZE];
};

struct hunt {
	const struct ep_place *place;
	const char *object; /* sought, as it is not loaded; NULL: it is the symbol that is sought */
	const char *name;   /* sought */
	size_t size;
	bool is_glob;
	unsigned int slips_max;
	unsigned long looked;
	char elsewhere[FOUND_SIZE]; /* the very name in another object */
	struct similar similar[3];  /* the best ones, in their order */
};

/* ---- how similar --------------------------------------------------------------------------- */

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/*
 * How many letters have to be left out, put in, changed or exchanged with their neighbour to make one
 * of the other; @max + 1: more than @max. Both have at most NAME_SIZE + SLIPS_MAX of them.
 */
static unsigned int count_slips(const char *a, size_t a_size, const char *b, size_t b_size,
				unsigned int max)
{
	unsigned char rows[3][NAME_SIZE + SLIPS_MAX + 2];

	for (size_t j = 0; j <= b_size; j++)
		rows[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= a_size; i++) {
		unsigned char *row = rows[i % 3], *before = rows[(i + 2) % 3];
		const unsigned char *two_before = rows[(i + 1) % 3];
		unsigned int best = max + 1;

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= b_size; j++) {
			unsigned int slips = before[j - 1] + (a[i - 1] != b[j - 1]);

			slips = least(slips, least(before[j], row[j - 1]) + 1u);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				slips = least(slips, two_before[j - 2] + 1u);
			row[j] = (unsigned char)slips;
			best = least(best, slips);
		}
		if (best > max)
			return max + 1;
	}
	return least(rows[a_size % 3][b_size], max + 1);
}

static unsigned int slips_in(const struct hunt *hunt, const char *name)
{
	size_t size = strnlen(name, hunt->size + SLIPS_MAX + 1), longer;

	longer = size > hunt->size ? size - hunt->size : hunt->size - size;
	if (longer > hunt->slips_max)
		return hunt->slips_max + 1;
	return count_slips(hunt->name, hunt->size, name, size, hunt->slips_max);
}

/* ---- what there is ------------------------------------------------------------------------- */

static void put_name(const struct ep_name *name, const char *symbol, char *ret)
{
	if (!symbol)
		snprintf(ret, FOUND_SIZE, "%s", name->object);
	else if (name->is_executable)
		snprintf(ret, FOUND_SIZE, "%s", symbol);
	else
		snprintf(ret, FOUND_SIZE, "%s:%s", name->object, symbol);
}

/* The first of those that are equally similar stays in front. */
static void add_similar(struct hunt *hunt, unsigned int slips, const struct ep_name *name)
{
	const size_t count = sizeof(hunt->similar) / sizeof(hunt->similar[0]);
	struct similar found = {slips, ""};
	size_t at = 0;

	put_name(name, name->symbol, found.text);
	for (size_t i = 0; i < count; i++)
		if (strcmp(hunt->similar[i].text, found.text) == 0)
			return;
	while (at < count && *hunt->similar[at].text && hunt->similar[at].slips <= slips)
		at++;
	if (at == count)
		return;
	memmove(&hunt->similar[at + 1], &hunt->similar[at], (count - at - 1) * sizeof(found));
	hunt->similar[at] = found;
}

static bool is_the_symbol(const struct hunt *hunt, const char *symbol)
{
	const char *sought = hunt->place->symbol;

	return hunt->is_glob ? ep_name_matches(sought, symbol) : strcmp(sought, symbol) == 0;
}

static int look(const struct ep_name *name, void *data)
{
	struct hunt *hunt = data;
	const char *candidate = hunt->object ? name->object : name->symbol;
	unsigned int slips;

	if (hunt->looked++ == NAMES_MAX)
		return 1;
	if (name->symbol && hunt->place->symbol && !name->is_meant && !*hunt->elsewhere &&
	    is_the_symbol(hunt, name->symbol))
		put_name(name, hunt->is_glob ? hunt->place->symbol : name->symbol, hunt->elsewhere);
	if (!candidate || (hunt->object && name->symbol) || hunt->is_glob)
		return 0;
	slips = slips_in(hunt, candidate);
	if (slips <= hunt->slips_max)
		/* Those of another object come behind all of the one that is meant. */
		add_similar(hunt, slips + (name->is_meant ? 0 : SLIPS_MAX), name);
	return 0;
}

static void hunt_for(struct hunt *hunt, const char *name)
{
	hunt->name = name;
	hunt->size = strnlen(name, NAME_SIZE + 1);
	/* What has two letters is similar to everything. */
	hunt->slips_max = hunt->size < 3 || hunt->size > NAME_SIZE ? 0 : hunt->size < 6 ? 1 : 2;
}

/* ---- the message --------------------------------------------------------------------------- */

/* Of a script that is its interpreter. */
static const char *executable(char *ret, size_t size)
{
	char comm[TRACE_COMM_SIZE] = "?", path[PATH_MAX];
	long length = sys_readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *file;

	path[length > 0 ? length : 0] = '\0';
	file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	sys_get_comm(comm);
	if (!*file || strncmp(file, comm, strlen(comm)) == 0)
		snprintf(ret, size, "the executable (%s)", comm);
	else
		snprintf(ret, size, "the executable (%.20s, run as %s)", file, comm);
	return ret;
}

const char *trace_kernel_word(int error)
{
	switch (error) {
	case -EP_NO_SYMBOL:
		return " [BAD_PROBE_ADDR]";
	case -EP_NO_OBJECT:
		return " [FILE_NOT_FOUND]";
	case -EP_NOT_AN_INSN:
		return " [BAD_INSN_BNDRY]";
	default:
		return "";
	}
}

/* All of it or nothing: half of a name is another one. */
__attribute__((format(printf, 2, 3))) static bool append(struct ep_error_at *to, const char *format,
							 ...)
{
	size_t used = strlen(to->message), room = sizeof(to->message) - used;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(to->message + used, room, format, args);
	va_end(args);
	if (size >= 0 && (size_t)size < room)
		return true;
	to->message[used] = '\0';
	return false;
}

static int note_name(const struct ep_match *match, void *data)
{
	append(data, "; there is %s", match->symbol);
	return 1;
}

/* A pattern that matches "@name." and all behind it; false: it is too long. */
static bool make_pattern(const char *name, char *ret, size_t size)
{
	size_t used = 0;

	for (; *name && used + 5 < size; name++) {
		if (strchr("*?[\\", *name))
			ret[used++] = '\\';
		ret[used++] = *name;
	}
	memcpy(&ret[used], ".*", sizeof(".*"));
	return !*name;
}

/* A compiler may have left variants and parts of it only: work.constprop.0, work.cold. */
static bool hint_at_relatives(const struct ep_place *place, const char *name,
			      struct ep_error_at *ret)
{
	struct ep_place wanted = *place;
	char pattern[256];

	if (!make_pattern(name, pattern, sizeof(pattern)))
		return false;
	wanted.symbol = pattern;
	wanted.is_literal &= ~EP_LITERAL_SYMBOL;
	wanted.offset = 0;
	return ep_resolve(&wanted, note_name, ret) == 1;
}

/* ---- versions ------------------------------------------------------------------------------ */

struct versions {
	const char *symbol;
	struct ep_error_at *message;
	const char *separator;
};

/* As they are written behind the symbol. */
static int note_version(const struct ep_name *name, void *data)
{
	struct versions *versions = data;

	if (!name->is_meant || !name->symbol || !name->version ||
	    strcmp(name->symbol, versions->symbol) != 0)
		return 0;
	append(versions->message, "%s@%s%s", versions->separator, name->is_default ? "@" : "",
	       name->version);
	versions->separator = ", ";
	return 0;
}

static void hint_at_versions(const struct ep_place *place, struct ep_error_at *ret)
{
	struct versions versions = {place->symbol, ret, "; there are "};

	ep_each_name(place, note_version, &versions);
	if (versions.separator[0] == ';')
		append(ret, "; it has none");
}

static void hint(const struct ep_place *place, int error, struct ep_error_at *ret)
{
	struct hunt hunt = {.place = place};
	const char *name = error == -EP_NO_OBJECT ? place->object : place->symbol;
	const char *separator = "; similar: ";

	if (!name)
		return;
	hunt.is_glob = place->symbol && !(place->is_literal & EP_LITERAL_SYMBOL) &&
		       trace_is_glob(place->symbol);
	if (error == -EP_NO_OBJECT)
		hunt.object = place->object;
	if (!hunt.object && !hunt.is_glob && hint_at_relatives(place, name, ret))
		return;
	hunt_for(&hunt, name);
	ep_each_name(place, look, &hunt);
	if (*hunt.elsewhere && append(ret, "; there is %s", hunt.elsewhere))
		return;
	for (size_t i = 0; i < sizeof(hunt.similar) / sizeof(hunt.similar[0]); i++)
		if (*hunt.similar[i].text && append(ret, "%s%s", separator, hunt.similar[i].text))
			separator = ", ";
}

static size_t column_of(const struct trace_definition *definition, int error)
{
	switch (error) {
	case -EP_NO_OBJECT:
		return definition->place_column;
	case -EP_NO_VERSION:
		return definition->version_column;
	case -EP_NO_SEMAPHORE:
		return definition->semaphore_column;
	default:
		return definition->loc_column;
	}
}

static void describe(const struct trace_definition *definition, int error, const char *object,
		     struct ep_error_at *ret)
{
	const char *symbol = definition->place.symbol, *why = ep_strerror(error);
	const size_t size = sizeof(ret->message);

	if (error == -EP_NO_OBJECT)
		snprintf(ret->message, size, "%.60s: %s (a '?' behind the place waits for it)",
			 object, why);
	else if (error == -EP_NO_SEMAPHORE)
		snprintf(ret->message, size, "0x%lx in %.60s: %s",
			 (unsigned long)definition->place.semaphore, object, why);
	else if (symbol && error == -EP_NO_VERSION)
		snprintf(ret->message, size, "%.50s@%.30s in %.60s: %s", symbol,
			 definition->place.version, object, why);
	else if (symbol)
		snprintf(ret->message, size, "%.50s%s in %.60s: %s", symbol,
			 strlen(symbol) > 50 ? "..." : "", object, why);
	else
		snprintf(ret->message, size, "0x%lx in %.60s: %s",
			 (unsigned long)definition->place.offset, object, why);
}

int trace_missing_explain(const struct trace_definition *definition, int error,
			  struct ep_error_at *ret)
{
	const char *object = definition->place.object, *symbol = definition->place.symbol;
	char name[64 + TRACE_COMM_SIZE];

	if (!ret)
		return error;
	ret->error = -error;
	ret->column = column_of(definition, error);
	if (!object)
		object = executable(name, sizeof(name));
	describe(definition, error, object, ret);
	if (error == -EP_NO_VERSION)
		hint_at_versions(&definition->place, ret);
	else if (error == -EP_NO_OBJECT ||
		 (symbol && error != -EP_BAD_OFFSET && error != -EP_NO_SEMAPHORE))
		hint(&definition->place, error, ret);
	append(ret, "%s", trace_kernel_word(error));
	return error;
}
