/* SPDX-License-Identifier: MIT */
/*
 * Each shell has a language of its own for the same facts: which options there are, what each one takes, and
 * what it is for. The facts are in the table and the text of --help=all; here are the languages. Behind the
 * program's name, all of them go on with what they know of that program.
 */
#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

#define WHAT_MAX   72 /* characters of what an option is for */
#define COLUMN_MIN 10 /* where that begins in its line; options are left of it */

/* What an option takes, where it is more than any text. */
static const struct values {
	const char *option;
	const char *words; /* NULL: a file */
} values[] = {
	{"completion", "bash zsh fish"},
	{"file", NULL},
	{"flame", NULL},
	{"format", "text json perfetto chrome ctf callgrind folded"},
	{"help", "all"},
	{"output", NULL},
	{"plan", "auto trap emulate boost jump"},
	{"prototypes", NULL},
};

static const struct values *values_of(const struct option *option)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i].option, option->name) == 0)
			return &values[i];
	return NULL;
}

static bool is_file(const struct option *option)
{
	const struct values *known = values_of(option);

	return known && !known->words;
}

static const char *words_of(const struct option *option)
{
	const struct values *known = values_of(option);

	return known ? known->words : NULL;
}

static char letter_of(const struct option *option)
{
	return option->val > ' ' && option->val < 0x7f ? (char)option->val : '\0';
}

/* ---- what it is for ------------------------------------------------------------------------- */

/* Where the text explains "--NAME": "  -c, --count  " or "      --hist=". */
static const char *find_option(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strcspn(text, "-") <= 6 && strncmp(text + 6, "--", 2) == 0 &&
		    strncmp(text + 8, name, length) == 0 && strchr("=[ \n", text[8 + length]))
			return text + 8 + length;
	return NULL;
}

/* The first line of it, up to where the next thing begins, without what shells would take for their own. */
static void copy_what(const char *from, char *ret)
{
	size_t used = 0;

	for (; *from && !strchr("\n;(", *from) && used < WHAT_MAX; from++)
		if (!strchr("'\"[]\\$`:", *from))
			ret[used++] = *from;
	while (used && strchr(" ,", ret[used - 1]))
		used--;
	ret[used] = '\0';
}

static void describe(const char *text, const struct option *option, char *ret)
{
	const char *at = find_option(text, option->name);

	*ret = '\0';
	if (!at)
		return;
	while (*at && *at != '\n' && strncmp(at, "  ", 2) != 0)
		at++;
	if (*at == '\n') /* where it did not fit behind the option */
		at += strspn(at + 1, " ") > COLUMN_MIN;
	copy_what(at + strspn(at, " "), ret);
}

/* ---- bash ----------------------------------------------------------------------------------- */

static const char bash_start[] =
	"# bash completion for emuprobe; made by emuprobe --completion=bash\n"
	"_emuprobe()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} i\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t--) ((i++)); break ;;\n"
	"\t\t=) ((i++)) ;;\n";

static const char bash_middle[] = " [ \"${COMP_WORDS[i + 1]}\" != = ] || ((i++)); ((i++)) ;;\n"
				  "\t\t-*) ;;\n"
				  "\t\t*) break ;;\n"
				  "\t\tesac\n"
				  "\tdone\n"
				  "\tif ((i < COMP_CWORD)); then # behind the program's name\n"
				  "\t\tif declare -F _command_offset >/dev/null; then\n"
				  "\t\t\t_command_offset \"$i\"\n"
				  "\t\telse\n"
				  "\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
				  "\t\tfi\n"
				  "\t\treturn\n"
				  "\tfi\n"
				  "\t[ \"$option\" != = ] || option=${COMP_WORDS[COMP_CWORD - 2]}\n"
				  "\tif [ \"$cur\" = = ]; then\n"
				  "\t\toption=${COMP_WORDS[COMP_CWORD - 1]} cur=\n"
				  "\tfi\n"
				  "\tcase $option in\n";

static const char bash_end[] =
	"\tif [[ $cur == -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$all\" -- \"$cur\")\n"
	"\t\t[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2>/dev/null\n"
	"\telse\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$cur\"; compgen -f -- \"$cur\")\n"
	"\tfi\n"
	"}\n"
	"complete -o filenames -F _emuprobe emuprobe\n";

/* "-f | --file": as patterns of case. */
static void put_pattern(const struct option *option, const char *before)
{
	printf("%s--%s", before, option->name);
	if (letter_of(option))
		printf(" | -%c", letter_of(option));
}

static void put_bash_values(const struct option *table)
{
	for (const struct option *option = table; option->name; option++) {
		if (option->has_arg == no_argument)
			continue;
		put_pattern(option, "\t");
		if (is_file(option))
			fputs(") mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n",
			      stdout);
		else if (words_of(option))
			printf(") mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\"); return "
			       ";;\n",
			       words_of(option));
		else
			puts(") return ;;");
	}
}

static void put_bash(const struct option *table)
{
	const char *before = "\t\t";

	fputs(bash_start, stdout);
	for (const struct option *option = table; option->name; option++) {
		if (option->has_arg != required_argument)
			continue;
		put_pattern(option, before);
		before = " | ";
	}
	putchar(')');
	fputs(bash_middle, stdout);
	put_bash_values(table);
	fputs("\tesac\n\tlocal all='", stdout);
	for (const struct option *option = table; option->name; option++) {
		printf("--%s%s ", option->name, option->has_arg == required_argument ? "=" : "");
		if (letter_of(option))
			printf("-%c ", letter_of(option));
	}
	puts("'");
	fputs(bash_end, stdout);
}

/* ---- zsh ------------------------------------------------------------------------------------ */

static void put_zsh_option(const struct option *option, const char *what)
{
	const char *equals = option->has_arg == required_argument ? "=" : "";

	fputs("  '*'", stdout);
	if (letter_of(option))
		printf("{-%c%s,--%s%s}", letter_of(option), *equals ? "+" : "", option->name,
		       equals);
	else
		printf("--%s%s", option->name, *equals ? "=" : "");
	printf("'[%s]", what);
	if (option->has_arg == optional_argument)
		fputs(":", stdout);
	if (option->has_arg == no_argument)
		puts("' \\");
	else if (is_file(option))
		printf(":%s:_files' \\\n", option->name);
	else if (words_of(option))
		printf(":%s:(%s)' \\\n", option->name, words_of(option));
	else
		printf(":%s: ' \\\n", option->name);
}

static void put_zsh(const struct option *table, const char *text)
{
	char what[WHAT_MAX + 1];

	puts("#compdef emuprobe\n# made by emuprobe --completion=zsh\n_arguments -S \\");
	for (const struct option *option = table; option->name; option++) {
		describe(text, option, what);
		put_zsh_option(option, what);
	}
	puts("  '(-):program: _alternative \"commands:command:_command_names -e\" "
	     "\"files:file:_files\"' \\\n"
	     "  '*::argument: _normal'");
}

/* ---- fish ----------------------------------------------------------------------------------- */

static void put_fish(const struct option *table, const char *text)
{
	char what[WHAT_MAX + 1];

	puts("# fish completion for emuprobe; made by emuprobe --completion=fish");
	puts("complete -c emuprobe -x -a '(__fish_complete_subcommand)'");
	for (const struct option *option = table; option->name; option++) {
		describe(text, option, what);
		printf("complete -c emuprobe -l %s", option->name);
		if (letter_of(option))
			printf(" -s %c", letter_of(option));
		if (is_file(option))
			fputs(" -r -F", stdout);
		else if (option->has_arg == required_argument)
			fputs(" -x", stdout);
		if (words_of(option))
			printf(" -a '%s'", words_of(option));
		printf(" -d '%s'\n", what);
	}
}

bool completion_put(const char *shell, const struct option *table, const char *text)
{
	if (strcmp(shell, "bash") == 0)
		put_bash(table);
	else if (strcmp(shell, "zsh") == 0)
		put_zsh(table, text);
	else if (strcmp(shell, "fish") == 0)
		put_fish(table, text);
	else
		return false;
	return true;
}
