/* SPDX-License-Identifier: MIT */
/*
 * Who does not know what to ask has given a program and no probes. What it consists of is in its files: so
 * only what it has is suggested, by names that are there, and with its own arguments behind it.
 */
#include "cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/objects.h"
#include "cli/options.h"
#include "cli/plain.h"
#include "cli/program.h"

#define OTHERS_SIZE 512

struct suggestion {
	const char *object, *symbols; /* which must all be there, between blanks */
	const char *question, *options;
};

static const struct suggestion suggestions[] = {
	{"libsqlite3.so.0", "sqlite3_prepare_v2", "Which SQL does it prepare?",
	 "-q -e 'p:sql libsqlite3.so.0:sqlite3_prepare_v2 text=+0($arg2):string'"},
	{"libsqlite3.so.0", "sqlite3_step sqlite3_prepare_v2 sqlite3_finalize",
	 "How long do its statements take?",
	 "-c -e 'r:prepare libsqlite3.so.0:sqlite3_prepare_v2; r:step "
	 "libsqlite3.so.0:sqlite3_step; "
	 "r:end libsqlite3.so.0:sqlite3_finalize' --hist step"},
	{"libpq.so.5", "PQexec", "Which queries does it send, and how long do they take?",
	 "-q -e 'r:query libpq.so.5:PQexec text=+0($arg2):string t=$latency'"},
	{"libssl.so.3", "SSL_read SSL_write", "How much does it send and receive by TLS?",
	 "-c -e 'r:tls_read libssl.so.3:SSL_read n=$retval:s32; "
	 "r:tls_write libssl.so.3:SSL_write n=$retval:s32' --hist tls_read:n --hist tls_write:n"},
	{"libcurl.so.4", "curl_easy_perform", "How long do its transfers take?",
	 "-c -e 'r:transfer libcurl.so.4:curl_easy_perform' --hist transfer"},
	{"libz.so.1", "deflate inflate", "How long does it compress and decompress?",
	 "-c -e 'r libz.so.1:deflate; r libz.so.1:inflate'"},
	{"libstdc++.so.6", "__cxa_throw", "Where are exceptions thrown?",
	 "-c -e 'p:throw libstdc++.so.6:__cxa_throw' --stacks throw"},
	{"libc.so.6", "open64 openat64 fopen64", "Which files does it open?",
	 "-q -e 'p:open libc.so.6:open64 path=+0($arg1):string; "
	 "p:openat libc.so.6:openat64 path=+0($arg2):string; "
	 "p:fopen libc.so.6:fopen64 path=+0($arg1):string'"},
	{"libc.so.6", "read write", "How long does it wait to read and to write, by descriptor?",
	 "-c -e 'r:read libc.so.6:read fd=$arg1:s32 t=$latency; "
	 "r:write libc.so.6:write fd=$arg1:s32 t=$latency' --top read:fd:t --top write:fd:t"},
	{"libc.so.6", "malloc", "How large are the blocks that it allocates?",
	 "-c -e 'p:malloc libc.so.6:malloc size=$arg1:u64' --hist malloc:size"},
	{"libc.so.6", "malloc", "Who allocates?",
	 "-c -e 'p:malloc libc.so.6:malloc' --stacks malloc"},
	{"libc.so.6", "pthread_mutex_lock", "Which locks does it wait for longer than 1 ms?",
	 "-q -e 'r:lock libc.so.6:pthread_mutex_lock mutex=$arg1 who=$caller t=$latency if t > "
	 "1ms'"},
};

struct suggester {
	char *const *command;
	const char *interpreter; /* NULL: the program is no script */
	struct ep_image *image;
	const char *name;     /* of the object */
	size_t named, others; /* functions */
	size_t objects;
	char libraries[OTHERS_SIZE]; /* that nothing is known of */
};

/* ---- a command ------------------------------------------------------------------------------ */

/* As a shell reads it. */
static void put_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=./:,@%";

	if (*word && !word[strspn(word, plain)]) {
		fputs(word, stdout);
		return;
	}
	if (!plain_is(word)) {
		fputs("$'", stdout);
		plain_put_escaped(word, "'", stdout);
		putchar('\'');
		return;
	}
	putchar('\'');
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	putchar('\'');
}

static void put_program_of(const struct suggester *suggester)
{
	fputs(" --", stdout);
	for (char *const *word = suggester->command; *word; word++) {
		putchar(' ');
		put_word(*word);
	}
	putchar('\n');
}

static void put_command(const struct suggester *suggester, const char *options)
{
	printf("  emuprobe %s", options);
	put_program_of(suggester);
}

static void put_question(const struct suggester *suggester, const char *question,
			 const char *options)
{
	printf("\n%s\n", question);
	put_command(suggester, options);
}

/* ---- the program ---------------------------------------------------------------------------- */

static int count(const struct ep_listed *function, void *data)
{
	struct suggester *suggester = data;

	if (function->is_unnamed)
		suggester->others++;
	else
		suggester->named++;
	return 0;
}

static void put_program(struct suggester *suggester)
{
	const struct ep_place all = {.symbol = "*"};

	ep_image_functions(suggester->image, &all, false, count, suggester);
	plain_put(suggester->name, stdout);
	printf(" has %zu functions, %zu with a name.\n", suggester->named + suggester->others,
	       suggester->named);
	if (suggester->others > suggester->named)
		put_question(suggester,
			     "Which of its own functions are slow? (It is stripped: they have no "
			     "names, but places.)",
			     "-c -e 'r **'");
	else if (suggester->named)
		put_question(suggester, "Which of its own functions are slow?", "-c -e 'r *'");
	if (!suggester->named && !suggester->others)
		return;
	put_question(suggester, "What calls what, and which calls take longer than 1 ms?",
		     "--graph --min-time=1ms");
	put_question(suggester, "The same as a flame graph, for a browser?",
		     "--graph --flame=flame.svg");
	put_question(suggester, "What does it call of its libraries, and what does it get?",
		     "--calls");
	if (!suggester->interpreter) /* --cover has to be told what of a script is meant */
		put_question(suggester, "Which of its functions are never reached?",
			     "--cover=functions -o reached.txt");
}

/* ---- its libraries -------------------------------------------------------------------------- */

static int note(const struct ep_listed *function, void *data)
{
	(void)function;
	*(bool *)data = true;
	return 0;
}

static bool has_all(struct ep_image *image, const char *symbols)
{
	char name[64];
	const struct ep_place place = {.symbol = name};

	while (*symbols) {
		int size = (int)strcspn(symbols, " ");
		bool any = false;

		snprintf(name, sizeof(name), "%.*s", size, symbols);
		if (ep_image_functions(image, &place, false, note, &any) || !any)
			return false;
		symbols += size + (symbols[size] == ' ');
	}
	return true;
}

static void put_library(struct suggester *suggester)
{
	size_t used = strlen(suggester->libraries);
	bool any = false;

	for (size_t i = 0; i < sizeof(suggestions) / sizeof(suggestions[0]); i++) {
		const struct suggestion *suggestion = &suggestions[i];

		if (strcmp(suggester->name, suggestion->object) != 0 ||
		    !has_all(suggester->image, suggestion->symbols))
			continue;
		put_question(suggester, suggestion->question, suggestion->options);
		any = true;
	}
	if (!any && strncmp(suggester->name, "ld-linux", 8) != 0 && plain_is(suggester->name))
		snprintf(suggester->libraries + used, OTHERS_SIZE - used, "%s%s", used ? " " : "",
			 suggester->name);
}

static int visit(struct ep_image *image, const char *path, void *data)
{
	struct suggester *suggester = data;

	(void)path;
	suggester->image = image;
	suggester->name = ep_image_name(image);
	if (suggester->objects++ == 0)
		put_program(suggester);
	else
		put_library(suggester);
	return 0;
}

static void put_other_libraries(const struct suggester *suggester)
{
	const char *first = suggester->libraries;
	char options[OTHERS_SIZE + 32];

	if (!*first)
		return;
	snprintf(options, sizeof(options), "-c -e 'p \"%.*s\":*'", (int)strcspn(first, " "), first);
	printf("\nWhich functions of its other libraries does it call? (%s)\n", first);
	put_command(suggester, options);
}

int suggest_run(const char *path, char *const *command)
{
	static struct suggester suggester;
	struct trace_executable executable;

	complain("no probes: %s was not run. It could be asked:", command[0]);
	trace_executable_look(AT_FDCWD, path, &executable);
	suggester.command = command;
	suggester.interpreter = executable.interpreter;
	if (suggester.interpreter)
		path = suggester.interpreter;
	if (objects_of_file(path, true, visit, &suggester))
		return EXIT_OURS;
	put_other_libraries(&suggester);
	puts("\nemuprobe -l lists functions, --examples has other questions, --help the rest.");
	if (fflush(stdout))
		complain("standard output: %s", strerror(errno));
	return EXIT_OURS;
}
