/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses. A pattern may name thousands of symbols, many of them aliases of one
 * address: each address is reported once, under its best name. An IFUNC symbol is the name of a
 * resolver; users mean the implementation that it chooses, so it is called, where the loader does.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/api/places.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/image/functions.h"
#include "probe/image/glob.h"
#include "probe/image/names.h"
#include "probe/image/objects.h"
#include "probe/image/resolvers.h"
#include "probe/thread/thread.h"
#include "sys/files.h"

#define UNNAMED_SIZE 32
#define UNNAMED	     "sub_" /* and an offset, of functions without a name */
#define ALL	     "**"   /* of functions: those without a name, too */
#define IMPORTED     "plt"  /* for a version: what the object imports */

static bool is_glob(const char *text)
{
	return text[strcspn(text, "*?[")] != '\0';
}

static bool object_is_glob(const struct ep_place *place)
{
	return place->object && !(place->is_literal & EP_LITERAL_OBJECT) && is_glob(place->object);
}

static bool symbol_is_glob(const struct ep_place *place)
{
	return place->symbol && !(place->is_literal & EP_LITERAL_SYMBOL) && is_glob(place->symbol);
}

/* "libc" for "libc.so.6" and "libc-2.31.so". */
static bool is_stem(const char *stem, const char *name)
{
	size_t size = strlen(stem);

	if (strncmp(stem, name, size) != 0)
		return false;
	return strncmp(name + size, ".so", 3) == 0 ||
	       (name[size] == '-' && name[size + 1] >= '0' && name[size + 1] <= '9');
}

bool places_object_matches(const struct objects_object *object, const struct ep_place *place)
{
	const char *slash = strrchr(object->path, '/'), *wanted = place->object;
	const char *base = slash ? slash + 1 : object->path;

	if (!wanted || !*wanted)
		return object->is_executable;
	if (object->is_engine || object->is_vdso)
		return false;
	if (object_is_glob(place))
		return glob_matches(wanted, object->name) || glob_matches(wanted, base) ||
		       glob_matches(wanted, object->path);
	if (strchr(wanted, '/')) {
		struct stat named, loaded;

		return strcmp(wanted, object->path) == 0 ||
		       (sys_stat(wanted, &named) == 0 && sys_stat(object->path, &loaded) == 0 &&
			named.st_dev == loaded.st_dev && named.st_ino == loaded.st_ino);
	}
	return strcmp(wanted, object->name) == 0 || strcmp(wanted, base) == 0 ||
	       is_stem(wanted, object->name);
}

struct found {
	uint64_t address;
	const struct objects_object *object;
	const struct objects_function *function;
	const char *name; /* that was made of its offset; NULL: that of the function */
	char *made;	  /* a name that is freed in the end; NULL: none */
	size_t namesakes;
	const char *relative;
};

struct search {
	const struct ep_place *place;
	struct objects_object **objects;
	size_t object_count;
	struct found *found;
	size_t count, room;
	bool saw_object, saw_symbol;
	bool saw_names;	  /* an object that is not stripped */
	bool saw_version; /* the symbol, but not its version */
	bool lacks_data;  /* the object, but not what is to be counted in */
};

static int add_found(struct search *search, struct found found)
{
	if (search->count == search->room) {
		size_t room = search->room ? search->room * 2 : 64;
		struct found *grown = reallocarray(search->found, room, sizeof(*grown));

		if (!grown)
			return -EP_NO_MEMORY;
		search->found = grown;
		search->room = room;
	}
	search->found[search->count++] = found;
	return 0;
}

static int add_function(struct search *search, struct objects_object *object,
			const struct objects_function *function)
{
	uint64_t offset = search->place->offset, start;

	search->saw_symbol = true;
	if (offset && function->kind == OBJECTS_FUNC && offset >= function->end - function->start)
		return -EP_BAD_OFFSET;
	start = resolvers_implementation(object, function);
	if (!start)
		return 0;
	return add_found(search, (struct found){.address = start + offset,
						.object = object,
						.function = function,
						.namesakes = 1});
}

static bool is_version(struct search *search, const struct objects_object *object,
		       const struct objects_function *function)
{
	const char *wanted = search->place->version, *version;
	bool matches;

	if (!wanted)
		return true;
	version = objects_version(object, function);
	matches = version && glob_matches(wanted + (*wanted == '@'), version) &&
		  !(*wanted == '@' && function->hidden_version);
	search->saw_version |= !matches;
	return matches;
}

/* ---- functions without a name --------------------------------------------------------------- */

/* The last one that is known of an address that nobody has named. */
static bool is_unnamed(const struct objects_object *object, size_t index)
{
	const struct objects_function *function = &object->functions[index];

	if (function->name || function->is_part ||
	    (index + 1 < object->function_count &&
	     object->functions[index + 1].start == function->start))
		return false;
	while (index-- > 0 && object->functions[index].start == function->start)
		if (object->functions[index].name)
			return false;
	return true;
}

static int add_unnamed(struct search *search, struct objects_object *object,
		       const struct objects_function *function)
{
	struct found found = {
		.address = function->start, .object = object, .function = function, .namesakes = 1};
	int error;

	found.made = malloc(UNNAMED_SIZE);
	if (!found.made)
		return -EP_NO_MEMORY;
	snprintf(found.made, UNNAMED_SIZE, UNNAMED "%lx",
		 (unsigned long)objects_file_offset(object, function->start));
	if (strncmp(search->place->symbol, UNNAMED, strlen(UNNAMED)) == 0 &&
	    !glob_matches(search->place->symbol, found.made)) {
		free(found.made);
		return 0;
	}
	search->saw_symbol = true;
	error = add_found(search, found);
	if (error)
		free(found.made);
	return error;
}

/* Of patterns those that can mean nothing else, and the one that means all. */
static int search_unnamed_glob(struct search *search, struct objects_object *object)
{
	const struct ep_place *place = search->place;
	int error = 0;

	if (place->version || place->offset ||
	    (strncmp(place->symbol, UNNAMED, strlen(UNNAMED)) != 0 &&
	     strcmp(place->symbol, ALL) != 0))
		return 0;
	for (size_t i = 0; i < object->function_count && !error; i++)
		if (is_unnamed(object, i))
			error = add_unnamed(search, object, &object->functions[i]);
	return error;
}

/* ---- functions with a name ------------------------------------------------------------------ */

static int search_glob(struct search *search, struct objects_object *object)
{
	for (size_t i = 0; i < object->function_count; i++) {
		const struct objects_function *function = &object->functions[i];
		int error;

		if (!function->name || !glob_matches(search->place->symbol, function->name) ||
		    !is_version(search, object, function))
			continue;
		error = add_function(search, object, function);
		if (error && error != -EP_BAD_OFFSET)
			return error;
	}
	return search_unnamed_glob(search, object);
}

/* An exported one is what everybody but its own file means by the name. */
static int rank(const struct objects_function *function)
{
	if (!function->exported)
		return 0;
	return function->hidden_version ? 1 : 2;
}

/* "work.constprop.0": called in place of work() where arguments allow. Cold parts are jumped to. */
static bool is_relative(const char *behind_name)
{
	return strstr(behind_name, ".constprop.") || strstr(behind_name, ".isra.") ||
	       strstr(behind_name, ".part.");
}

/* The last of the best, and the best relative. */
static const struct objects_function *
find_name(struct search *search, struct objects_object *object, const char **ret_relative)
{
	const struct objects_function *best = NULL, *relative = NULL, *function;
	struct names_walk walk;

	names_begin(&walk, object, search->place->symbol);
	while ((function = names_next(&walk))) {
		if (!function->name[walk.size]) {
			if (is_version(search, object, function) &&
			    (!best || rank(function) >= rank(best)))
				best = function;
		} else if (is_relative(function->name + walk.size) && relative < function) {
			relative = function;
		}
	}
	*ret_relative = relative ? relative->name : NULL;
	return best;
}

/* Static functions of one name: all of them. */
static int add_namesakes(struct search *search, struct objects_object *object)
{
	const struct objects_function *last = NULL, *function;
	size_t before = search->count;
	struct names_walk walk;
	int error = 0;

	names_begin(&walk, object, search->place->symbol);
	while ((function = names_next(&walk))) {
		if (function->name[walk.size] || (last && last->start == function->start))
			continue;
		error = add_function(search, object, function);
		if (error && error != -EP_BAD_OFFSET)
			return error;
		last = function;
	}
	return search->count == before ? error : 0;
}

/* "sub_1a2b": where unwind information says that a function begins at that offset in the file. */
static const struct objects_function *find_unnamed(const struct objects_object *object,
						   const char *symbol)
{
	const char *digits = symbol + strlen(UNNAMED);
	uint64_t address;

	if (strncmp(symbol, UNNAMED, strlen(UNNAMED)) != 0 || *digits == '\0' ||
	    digits[strspn(digits, "0123456789abcdef")])
		return NULL;
	address = objects_of_file_offset(object, strtoul(digits, NULL, 16));
	for (size_t i = objects_count_up_to(object, address); address && i-- > 0;) {
		if (object->functions[i].start != address)
			break;
		if (object->functions[i].kind == OBJECTS_FDE)
			return &object->functions[i];
	}
	return NULL;
}

static int search_unnamed(struct search *search, const struct objects_object *object)
{
	const struct objects_function *function = find_unnamed(object, search->place->symbol);
	uint64_t offset = search->place->offset;

	if (!function || search->place->version)
		return 0;
	search->saw_symbol = true;
	if (offset >= function->end - function->start)
		return -EP_BAD_OFFSET;
	return add_found(search, (struct found){.address = function->start + offset,
						.object = object,
						.function = function,
						.name = search->place->symbol,
						.namesakes = 1});
}

static int search_name(struct search *search, struct objects_object *object)
{
	size_t before = search->count;
	const char *relative;
	const struct objects_function *best = find_name(search, object, &relative);
	int error = 0;

	if (!best)
		return search_unnamed(search, object);
	if (best->exported)
		error = add_function(search, object, best);
	else
		error = add_namesakes(search, object);
	for (size_t i = before; i < search->count; i++) {
		search->found[i].namesakes = search->count - before;
		search->found[i].relative = relative;
	}
	return error;
}

/* ---- what an object imports ----------------------------------------------------------------- */

static bool is_imports(const struct ep_place *place)
{
	return place->symbol && place->version && strcmp(place->version, IMPORTED) == 0;
}

static int add_import(struct search *search, struct found found, const char *name)
{
	int error;

	found.made = strdup(name);
	error = found.made ? add_found(search, found) : -EP_NO_MEMORY;
	if (error)
		free(found.made);
	return error;
}

/* What the loader will find, when it is asked: the first object that exports the name. */
static int search_import(struct search *search, const struct objects_object *importer,
			 const char *name)
{
	for (size_t i = 0; i < search->object_count; i++) {
		struct objects_object *object = search->objects[i];
		const struct objects_function *function, *best = NULL;
		struct names_walk walk;
		uint64_t address;
		int error;

		if (object == importer || object->is_vdso || object->is_engine ||
		    object->is_foreign)
			continue;
		error = objects_read_functions(object);
		if (error)
			return error;
		names_begin(&walk, object, name);
		while ((function = names_next(&walk)))
			if (!function->name[walk.size] && function->exported &&
			    (!best || rank(function) > rank(best)))
				best = function;
		address = best ? resolvers_implementation(object, best) : 0;
		if (address)
			return add_import(search,
					  (struct found){.address = address,
							 .object = object,
							 .namesakes = 1},
					  name);
	}
	return 0;
}

static int match_import(struct search *search, const struct objects_object *importer,
			const struct objects_import *import)
{
	const struct ep_place *place = search->place;
	const struct objects_object *home;

	if (symbol_is_glob(place) ? !glob_matches(place->symbol, import->name)
				  : strcmp(place->symbol, import->name) != 0)
		return 0;
	search->saw_symbol = true;
	home = objects_find(import->value);
	if (home == importer || !home)
		return search_import(search, importer, import->name);
	if (home->is_engine || home->is_vdso || !objects_code_end(home, import->value))
		return 0; /* it is a variable */
	return add_import(search,
			  (struct found){.address = import->value, .object = home, .namesakes = 1},
			  import->name);
}

static int search_imports(struct search *search, struct objects_object *object)
{
	int error = objects_read_imports(object);

	search->saw_names = true;
	for (size_t i = 0; i < object->import_count && !error; i++)
		error = match_import(search, object, &object->imports[i]);
	return error;
}

static int search_offset(struct search *search, struct objects_object *object)
{
	uint64_t address = objects_of_file_offset(object, search->place->offset);

	if (!address)
		return 0;
	search->saw_symbol = true;
	return add_found(search,
			 (struct found){.address = address, .object = object, .namesakes = 1});
}

static uint16_t *semaphore_of(const struct objects_object *object, const struct ep_place *place)
{
	uint64_t ret = 0;

	if (place->semaphore && place->semaphore % sizeof(uint16_t) == 0)
		ret = objects_of_data_offset(object, place->semaphore, sizeof(uint16_t));
	return (uint16_t *)ret;
}

static int search_object(struct search *search, struct objects_object *object)
{
	int error;

	if (!places_is_within(object, search->place->within) ||
	    !places_object_matches(object, search->place))
		return 0;
	search->saw_object = true;
	if (search->place->semaphore && !semaphore_of(object, search->place)) {
		search->lacks_data = true;
		return 0;
	}
	if (!search->place->symbol)
		return search_offset(search, object);
	if (is_imports(search->place))
		return search_imports(search, object);
	error = objects_read_functions(object);
	if (!error && search->place->version)
		error = objects_read_versions(object);
	if (error)
		return error;
	search->saw_names |= object->has_symtab || !object->is_executable;
	return symbol_is_glob(search->place) ? search_glob(search, object)
					     : search_name(search, object);
}

/* Among aliases: strong before weak, default before hidden version, few underscores, short. */
static int badness(const struct found *found)
{
	const struct objects_function *function = found->function;
	int underscores = 0;

	if (!function || !function->name) /* an indirect function may have a name for it */
		return found->made && function ? INT_MAX / 2 : 0;
	while (function->name[underscores] == '_')
		underscores++;
	return function->hidden_version * 10000 + underscores * 1000 + (int)strlen(function->name);
}

static int by_address(const void *a, const void *b)
{
	const struct found *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return badness(left) - badness(right);
}

static int why_nothing(const struct search *search)
{
	const struct ep_place *place = search->place;

	if (!search->saw_object)
		return object_is_glob(place) ? -EP_NO_MATCH : -EP_NO_OBJECT;
	if (search->lacks_data)
		return -EP_NO_SEMAPHORE;
	if (!place->symbol)
		return -EP_BAD_OFFSET;
	if (search->saw_version)
		return -EP_NO_VERSION;
	if (!search->saw_names)
		return -EP_NO_SYMBOLS;
	return symbol_is_glob(place) ? -EP_NO_MATCH : -EP_NO_SYMBOL;
}

static int search_all(struct search *search)
{
	int error = objects_list(&search->objects, &search->object_count);

	for (size_t i = 0; i < search->object_count && !error; i++)
		error = search_object(search, search->objects[i]);
	if (!error && search->count == 0)
		error = why_nothing(search);
	return error;
}

static int report(const struct search *search,
		  int (*found)(const struct ep_match *match, void *data), void *data)
{
	int stop = 0;

	for (size_t i = 0; i < search->count && !stop; i++) {
		const struct found *one = &search->found[i];
		struct ep_match match = {
			.addr = (const void *)one->address,
			.object = one->object->name,
			.path = one->object->path,
			.symbol = one->made	  ? one->made
				  : one->name	  ? one->name
				  : one->function ? one->function->name
						  : NULL,
			.offset = search->place->offset,
			.file_offset = objects_file_offset(one->object, one->address),
			.namesakes = one->namesakes,
			.relative = one->relative,
			.version = search->place->version && one->function
					   ? objects_version(one->object, one->function)
					   : NULL,
			.semaphore = semaphore_of(one->object, search->place),
		};

		if (i > 0 && one->address == one[-1].address)
			continue;
		stop = found(&match, data);
	}
	return stop;
}

struct request {
	struct search search;
	int (*found)(const struct ep_match *match, void *data);
	void *data;
	int ret;
};

static void resolve(void *data)
{
	struct request *request = data;
	struct search *search = &request->search;

	request->ret = search_all(search);
	if (request->ret)
		return;
	qsort(search->found, search->count, sizeof(search->found[0]), by_address);
	request->ret = report(search, request->found, request->data);
}

int ep_resolve(const struct ep_place *place, int (*found)(const struct ep_match *match, void *data),
	       void *data)
{
	struct request request = {{.place = place}, found, data, 0};

	if (!place || !found || place->is_literal & ~(EP_LITERAL_OBJECT | EP_LITERAL_SYMBOL))
		return -EP_INVALID;
	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_lock();
	engine_hold_objects(resolve, &request);
	engine_unlock();
	for (size_t i = 0; i < request.search.count; i++)
		free(request.search.found[i].made);
	free(request.search.found);
	return request.ret;
}
