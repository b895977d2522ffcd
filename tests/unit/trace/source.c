/* SPDX-License-Identifier: MIT */
/* Lists out of several places, and errors traced back to these. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/language/parse.h"
#include "trace/language/source.h"

TestSuite(trace_source, .timeout = 400);

static struct trace_arena arena;
static struct trace_source source;
static char folder[] = "/tmp/emuprobe-source-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(trace_source_init(&source, &arena), 0);
}

static void teardown(void)
{
	unlink("a");
	unlink("b");
	cr_expect_eq(chdir("/"), 0);
	rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

static const char *explain(void)
{
	static char text[1024];
	struct trace_definitions all;
	struct ep_error_at error = {0};

	cr_assert_eq(trace_definitions_parse(source.text, &arena, &all, &error), -EP_SYNTAX);
	trace_source_explain(&source, &error, text, sizeof(text));
	return text;
}

Test(trace_source, files_are_included, .init = setup, .fini = teardown)
{
	struct trace_definitions all;

	write_file("a", "p:one main\n@b\np:three main");
	write_file("b", "# nothing\np:two main");
	cr_assert_eq(trace_source_add(&source, "p:zero main;@a;p:four main", "-e", NULL), 0);
	cr_assert_eq(trace_definitions_parse(source.text, &arena, &all, NULL), 0, "%s",
		     source.text);
	cr_assert_eq(all.count, 5);
	cr_expect_str_eq(all.list[2].event, "two");
	cr_expect_str_eq(all.list[4].event, "four");
}

Test(trace_source, comments_include_nothing, .init = setup, .fini = teardown)
{
	cr_expect_eq(trace_source_add(&source, "p main # @nothing\n# @nothing", "-e", NULL), 0);
}

Test(trace_source, loops_end, .init = setup, .fini = teardown)
{
	struct ep_error_at error = {0};

	write_file("a", "@b");
	write_file("b", "@a");
	cr_expect_eq(trace_source_add(&source, "@a", "-e", &error), -EP_SYNTAX);
	cr_expect(strstr(error.message, "too deeply"), "%s", error.message);
}

Test(trace_source, files_that_are_none, .init = setup, .fini = teardown)
{
	struct ep_error_at error = {0};
	FILE *file;

	cr_expect_eq(trace_source_add(&source, "@none", "-e", &error), -EP_IO);
	cr_expect_str_eq(error.message, "none: No such file or directory");
	cr_expect_eq(trace_source_add(&source, "@", "-e", &error), -EP_SYNTAX);
	cr_expect_eq(trace_source_add(&source, "@/tmp", "-e", &error), -EP_IO);
	file = fopen("a", "w");
	fwrite("p\0q", 1, 3, file);
	fclose(file);
	cr_expect_eq(trace_source_add_file(&source, "a", &error), -EP_IO);
	cr_expect_str_eq(error.message, "a: not a list of definitions");
}

Test(trace_source, error_in_an_option, .init = setup, .fini = teardown)
{
	trace_source_add(&source, "p:good main", "-e", NULL);
	trace_source_add(&source, "p:x main;  p:y main a=%oops # why", "-e", NULL);
	cr_expect_str_eq(explain(), "no such register [BAD_REG_NAME]\n"
				    "  p:y main a=%oops # why\n"
				    "             ^\n");
}

Test(trace_source, error_in_a_file, .init = setup, .fini = teardown)
{
	write_file("a", "# 1\n# 2\n@b\np:x main\n\tp:y main\ta=%oops\n");
	write_file("b", "p:i main\n\n\n");
	trace_source_add_file(&source, "a", NULL);
	cr_expect_str_eq(explain(), "a:5: no such register [BAD_REG_NAME]\n"
				    "  p:y main\ta=%oops\n"
				    "          \t  ^\n");
}

Test(trace_source, explanations_are_cut_off_where_they_must, .init = setup, .fini = teardown)
{
	struct ep_error_at error = {.column = SIZE_MAX, .message = "a message"};
	char text[64];

	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, '#', sizeof(text));
		cr_expect_lt(trace_source_explain(&source, &error, text, size), size);
		cr_expect_eq(text[size], '#');
	}
}

Test(trace_source, open_quotes_stay_in_their_part, .init = setup, .fini = teardown)
{
	struct ep_error_at error = {0};
	char text[256];

	trace_source_add(&source, "p:x \"a;b\"", "-e", NULL);
	cr_expect_eq(trace_source_add(&source, "p:y main\np:z \"c;d", "-e", &error), -EP_SYNTAX);
	trace_source_explain(&source, &error, text, sizeof(text));
	cr_expect_str_eq(text, "the quote is not closed\n"
			       "  p:z \"c;d\n"
			       "      ^\n");
	write_file("a", "p:k \"l;m\"\n# \"\np:n \"o\n");
	cr_expect_eq(trace_source_add(&source, "p:y main;@a", "-e", &error), -EP_SYNTAX);
	trace_source_explain(&source, &error, text, sizeof(text));
	cr_expect_str_eq(text, "a:3: the quote is not closed\n"
			       "  p:n \"o\n"
			       "      ^\n");
}

Test(trace_source, error_behind_quotes, .init = setup, .fini = teardown)
{
	trace_source_add(&source, "p:w v;p:x \"a;b\nc;d\" $oops # ;;\np:y main", "-e", NULL);
	cr_expect_str_eq(strchr(explain(), '\n'), "\n"
						  "  c;d\" $oops # ;;\n"
						  "       ^\n");
}
