/* SPDX-License-Identifier: MIT */
/*
 * Declarations are those of C, without macros and types of one's own: "char *" is a text, "FILE *" a stream,
 * what else has a "*" an address. Names of sets of flags are types, too.
 */
#include "cli/prototypes.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/base/text.h"

#define FILE_MAX (4ul << 20) /* bytes */

/* ---- flags --------------------------------------------------------------------------------- */

struct prototype_flags {
	const char *name;
	bool is_set; /* of bits; else one of the values */
	bool is_octal;
	struct {
		uint64_t value;
		const char *name;
	} names[32];
};

#define NAME(value)                                                                                \
	{                                                                                          \
		value, #value                                                                      \
	}

static const struct prototype_flags all_flags[] = {
	{"open_flags", .is_set = true,
	 .names = {NAME(O_WRONLY), NAME(O_RDWR), NAME(O_CREAT), NAME(O_EXCL), NAME(O_NOCTTY),
		   NAME(O_TRUNC), NAME(O_APPEND), NAME(O_NONBLOCK), NAME(O_SYNC), NAME(O_DSYNC),
		   NAME(O_DIRECTORY), NAME(O_NOFOLLOW), NAME(O_CLOEXEC), NAME(O_PATH)}},
	{"access_mode", .is_set = true, .names = {NAME(R_OK), NAME(W_OK), NAME(X_OK)}},
	{"map_protection", .is_set = true,
	 .names = {NAME(PROT_READ), NAME(PROT_WRITE), NAME(PROT_EXEC)}},
	{"map_flags", .is_set = true,
	 .names = {NAME(MAP_SHARED), NAME(MAP_PRIVATE), NAME(MAP_FIXED), NAME(MAP_ANONYMOUS),
		   NAME(MAP_NORESERVE), NAME(MAP_POPULATE), NAME(MAP_STACK)}},
	{"whence", .names = {NAME(SEEK_SET), NAME(SEEK_CUR), NAME(SEEK_END)}},
	{"signal_number",
	 .names = {NAME(SIGHUP),  NAME(SIGINT),	  NAME(SIGQUIT), NAME(SIGILL),	NAME(SIGTRAP),
		   NAME(SIGABRT), NAME(SIGBUS),	  NAME(SIGFPE),	 NAME(SIGKILL), NAME(SIGUSR1),
		   NAME(SIGSEGV), NAME(SIGUSR2),  NAME(SIGPIPE), NAME(SIGALRM), NAME(SIGTERM),
		   NAME(SIGCHLD), NAME(SIGCONT),  NAME(SIGSTOP), NAME(SIGTSTP), NAME(SIGTTIN),
		   NAME(SIGTTOU), NAME(SIGWINCH), NAME(SIGIO),	 NAME(SIGSYS)}},
	{"socket_family",
	 .names = {NAME(AF_UNIX), NAME(AF_INET), NAME(AF_INET6), NAME(AF_NETLINK)}},
	{"sqlite_result", .names = {{0, "SQLITE_OK"},
				    {1, "SQLITE_ERROR"},
				    {5, "SQLITE_BUSY"},
				    {6, "SQLITE_LOCKED"},
				    {19, "SQLITE_CONSTRAINT"},
				    {100, "SQLITE_ROW"},
				    {101, "SQLITE_DONE"}}},
	{"zlib_result", .names = {{0, "Z_OK"},
				  {1, "Z_STREAM_END"},
				  {0xfffffffb, "Z_BUF_ERROR"},
				  {0xfffffffd, "Z_DATA_ERROR"},
				  {0xfffffffe, "Z_STREAM_ERROR"}}},
	{"octal", .is_octal = true},
};

static void put_set(const struct prototype_flags *flags, uint64_t value, struct trace_text *text)
{
	size_t start = text->used;

	for (size_t i = 0; flags->names[i].name; i++) {
		if ((value & flags->names[i].value) != flags->names[i].value)
			continue;
		trace_text_string(text, text->used > start ? "|" : "");
		trace_text_string(text, flags->names[i].name);
		value &= ~flags->names[i].value;
	}
	if (!value && text->used > start)
		return;
	trace_text_string(text, text->used > start ? "|" : "");
	if (!value && flags == all_flags)
		trace_text_string(text, "O_RDONLY");
	else if (value)
		trace_text_hex(text, value);
	else
		trace_text_char(text, '0');
}

void prototypes_flags(const struct prototype_flags *flags, uint64_t value, char *ret, size_t size)
{
	struct trace_text text = {ret, size - 1, 0};
	size_t i = 0;

	if (flags->is_octal) {
		snprintf(ret, size, "0%o", (unsigned int)value);
		return;
	}
	while (!flags->is_set && flags->names[i].name && flags->names[i].value != value)
		i++;
	if (flags->is_set)
		put_set(flags, value, &text);
	else if (flags->names[i].name)
		trace_text_string(&text, flags->names[i].name);
	else
		trace_text_signed(&text, (int32_t)value);
	ret[text.used] = '\0';
}

/* ---- types --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum prototype_kind kind;
	const char *fetch;
} words[] = {
	{"void", PROTOTYPE_NONE, ""},	      {"int", PROTOTYPE_NUMBER, "s32"},
	{"short", PROTOTYPE_NUMBER, "s16"},   {"long", PROTOTYPE_NUMBER, "s64"},
	{"char", PROTOTYPE_NUMBER, "char"},   {"unsigned", PROTOTYPE_NUMBER, "u32"},
	{"double", PROTOTYPE_FLOAT, "f64"},   {"float", PROTOTYPE_FLOAT, "f32"},
	{"bool", PROTOTYPE_NUMBER, "u8"},     {"size_t", PROTOTYPE_NUMBER, "u64"},
	{"ssize_t", PROTOTYPE_NUMBER, "s64"}, {"off_t", PROTOTYPE_NUMBER, "s64"},
	{"time_t", PROTOTYPE_NUMBER, "s64"},  {"intptr_t", PROTOTYPE_NUMBER, "s64"},
	{"int8_t", PROTOTYPE_NUMBER, "s8"},   {"uint8_t", PROTOTYPE_NUMBER, "u8"},
	{"int16_t", PROTOTYPE_NUMBER, "s16"}, {"uint16_t", PROTOTYPE_NUMBER, "u16"},
	{"int32_t", PROTOTYPE_NUMBER, "s32"}, {"uint32_t", PROTOTYPE_NUMBER, "u32"},
	{"int64_t", PROTOTYPE_NUMBER, "s64"}, {"uint64_t", PROTOTYPE_NUMBER, "u64"},
	{"pid_t", PROTOTYPE_NUMBER, "s32"},   {"uid_t", PROTOTYPE_NUMBER, "u32"},
	{"gid_t", PROTOTYPE_NUMBER, "u32"},   {"mode_t", PROTOTYPE_NUMBER, "x32"},
	{"pointer", PROTOTYPE_NUMBER, "x64"}, {"string", PROTOTYPE_STRING, "string64"},
};

static const struct prototype_type pointer = {PROTOTYPE_NUMBER, "x64", NULL};

static bool find_type(const char *name, struct prototype_type *ret)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, name) == 0) {
			*ret = (struct prototype_type){words[i].kind, words[i].fetch, NULL};
			return true;
		}
	for (size_t i = 0; i < sizeof(all_flags) / sizeof(all_flags[0]); i++)
		if (strcmp(all_flags[i].name, name) == 0) {
			*ret = (struct prototype_type){PROTOTYPE_FLAGS, "u32", &all_flags[i]};
			return true;
		}
	return false;
}

/* ---- reading ------------------------------------------------------------------------------- */

#define WORD_MAX 64

struct reading {
	const char *at, *path;
	unsigned int line;
	struct trace_arena *arena;
	struct ep_error_at *error;
	char word[WORD_MAX]; /* a name, "*", "...", or one character; "": the end */
};

static int wrong(const struct reading *reading, const char *what)
{
	snprintf(reading->error->message, sizeof(reading->error->message), "%.120s:%u: %s",
		 reading->path, reading->line, what);
	return -EP_SYNTAX;
}

static void skip_blanks(struct reading *reading)
{
	for (; isspace((unsigned char)*reading->at) || *reading->at == '#'; reading->at++) {
		if (*reading->at == '#')
			reading->at += strcspn(reading->at, "\n");
		reading->line += *reading->at == '\n';
		if (!*reading->at)
			return;
	}
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void next(struct reading *reading)
{
	size_t size = 0;

	skip_blanks(reading);
	if (strncmp(reading->at, "...", 3) == 0)
		size = 3;
	else if (is_word(*reading->at))
		while (is_word(reading->at[size]))
			size++;
	else if (*reading->at)
		size = 1;
	snprintf(reading->word, sizeof(reading->word), "%.*s", (int)size, reading->at);
	reading->at += size;
}

static bool is(const struct reading *reading, const char *word)
{
	return strcmp(reading->word, word) == 0;
}

/* Types of two words, and words that say nothing about the value. */
static bool is_ignored(const char *word)
{
	static const char *const ignored[] = {"const",	"struct", "union",   "enum",
					      "signed", "extern", "restrict"};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (strcmp(ignored[i], word) == 0)
			return true;
	return false;
}

/* A type as it is being read. */
struct parts {
	char base[WORD_MAX], name[WORD_MAX]; /* the first word; the last of those behind it */
	unsigned int stars, longs, others;
	bool is_unsigned;
};

static void take_word(struct parts *parts, const char *word)
{
	if (strcmp(word, "unsigned") == 0)
		parts->is_unsigned = true;
	else if (strcmp(word, "long") == 0)
		parts->longs++;
	else if (is_ignored(word))
		return;
	else if (!parts->base[0] && (!(parts->is_unsigned || parts->longs) ||
				     strcmp(word, "int") == 0 || strcmp(word, "char") == 0 ||
				     strcmp(word, "short") == 0 || strcmp(word, "double") == 0))
		snprintf(parts->base, sizeof(parts->base), "%s", word);
	else
		snprintf(parts->name, sizeof(parts->name), "%s", word);
}

static bool make_type(const struct parts *parts, struct prototype_type *ret)
{
	if (parts->stars) {
		*ret = pointer;
		if (parts->stars == 1 && strcmp(parts->base, "char") == 0)
			*ret = (struct prototype_type){PROTOTYPE_STRING, "string64", NULL};
		else if (parts->stars == 1 && strcmp(parts->base, "FILE") == 0)
			*ret = (struct prototype_type){PROTOTYPE_FILE, "s32", NULL};
		return true;
	}
	if (parts->longs && strcmp(parts->base, "double") == 0)
		*ret = pointer; /* on the stack: not shown as what it is */
	else if (parts->longs)
		*ret = (struct prototype_type){PROTOTYPE_NUMBER, parts->is_unsigned ? "u64" : "s64",
					       NULL};
	else if (!find_type(parts->base[0]	 ? parts->base
			    : parts->is_unsigned ? "unsigned"
						 : "",
			    ret))
		return false;
	if (parts->is_unsigned && !parts->longs && ret->kind == PROTOTYPE_NUMBER)
		ret->fetch = strcmp(ret->fetch, "s16") == 0    ? "u16"
			     : strcmp(ret->fetch, "char") == 0 ? "u8"
							       : "u32";
	return true;
}

/* Up to what ends it: ',', ')', '(' or ';'. */
static int read_type(struct reading *reading, struct prototype_type *ret, char *ret_name)
{
	struct parts parts = {0};

	for (;
	     is_word(reading->word[0]) || is(reading, "*") || is(reading, "[") || is(reading, "]");
	     next(reading)) {
		if (is(reading, "*") || is(reading, "["))
			parts.stars++;
		else if (!is(reading, "]"))
			take_word(&parts, reading->word);
	}
	if (!make_type(&parts, ret))
		return wrong(reading, "no such type");
	if (ret_name)
		memcpy(ret_name, parts.name, WORD_MAX);
	return 0;
}

static int read_args(struct reading *reading, struct prototype *prototype)
{
	while (!is(reading, ")")) {
		struct prototype_type type;
		int error;

		next(reading);
		if (is(reading, "...")) {
			prototype->is_variadic = true;
			next(reading);
			continue;
		}
		if (is(reading, ")"))
			return 0;
		error = read_type(reading, &type, NULL);
		if (error)
			return error;
		if (!is(reading, ",") && !is(reading, ")"))
			return wrong(reading, "',' or ')' is missing behind an argument");
		if (type.kind == PROTOTYPE_NONE)
			continue;
		if (prototype->arg_count == PROTOTYPE_ARGS_MAX)
			prototype->is_variadic = true;
		else
			prototype->args[prototype->arg_count++] = type;
	}
	return 0;
}

static int read_one(struct reading *reading, struct prototype *ret)
{
	char name[WORD_MAX];
	int error = read_type(reading, &ret->result, name);

	if (error)
		return error;
	if (!name[0] || !is(reading, "("))
		return wrong(reading, "not a declaration: TYPE NAME(TYPE, ...);");
	ret->name = trace_arena_copy(reading->arena, name, strlen(name));
	if (!ret->name)
		return -EP_NO_MEMORY;
	error = read_args(reading, ret);
	if (error)
		return error;
	next(reading);
	if (!is(reading, ";"))
		return wrong(reading, "';' is missing behind a declaration");
	next(reading);
	return 0;
}

static int add(struct prototypes *prototypes, const struct prototype *prototype,
	       struct trace_arena *arena)
{
	for (size_t i = 0; i < prototypes->count; i++)
		if (strcmp(prototypes->list[i].name, prototype->name) == 0)
			return 0;
	if (prototypes->count == prototypes->room) {
		size_t room = prototypes->room ? 2 * prototypes->room : 512;
		struct prototype *grown = trace_arena_alloc(arena, room * sizeof(*grown));

		if (!grown)
			return -EP_NO_MEMORY;
		if (prototypes->count)
			memcpy(grown, prototypes->list, prototypes->count * sizeof(*grown));
		prototypes->list = grown;
		prototypes->room = room;
	}
	prototypes->list[prototypes->count++] = *prototype;
	return 0;
}

int prototypes_add(struct prototypes *prototypes, const char *text, const char *path,
		   struct trace_arena *arena, struct ep_error_at *failed)
{
	struct reading reading = {
		.at = text, .path = path, .line = 1, .arena = arena, .error = failed};
	int error = 0;

	next(&reading);
	while (!error && reading.word[0]) {
		struct prototype one = {0};

		error = read_one(&reading, &one);
		if (!error)
			error = add(prototypes, &one, arena);
	}
	return error;
}

/* ---- files --------------------------------------------------------------------------------- */

/* share/emuprobe/prototypes, with a zero behind it. */
extern const char prototypes_own[];

static int add_file(struct prototypes *prototypes, const char *path, struct trace_arena *arena,
		    struct ep_error_at *error)
{
	FILE *file = fopen(path, "re");
	char *text = trace_arena_alloc(arena, FILE_MAX + 1);
	size_t size = file && text ? fread(text, 1, FILE_MAX, file) : 0;
	bool failed = !file || !text || ferror(file) || !feof(file);

	if (file)
		fclose(file);
	if (failed) {
		snprintf(error->message, sizeof(error->message),
			 "%.120s: cannot be read, or is too large", path);
		return -EP_IO;
	}
	text[size] = '\0';
	return prototypes_add(prototypes, text, path, arena, error);
}

int prototypes_read(struct prototypes *prototypes, const char *path, struct trace_arena *arena,
		    struct ep_error_at *error)
{
	int failed = path ? add_file(prototypes, path, arena, error) : 0;

	return failed ? failed
		      : prototypes_add(prototypes, prototypes_own, "prototypes", arena, error);
}
