/* SPDX-License-Identifier: MIT */
/*
 * The definitions, good and bad, that the kernel tests its own parser with, as data: what it says of each
 * is what we say. From Linux, tools/testing/selftests/ftrace/test.d/kprobe: kprobe_syntax_errors.tc,
 * uprobe_syntax_errors.tc, kprobe_args_syntax.tc; its functions are one of ours here.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/emuprobe.h"
#include "trace/language/parse.h"

TestSuite(trace_kernel_cases, .timeout = 400);

void kernel_cases_read(void);

/* Begins with an instruction of more than a byte. */
__attribute__((naked, noinline, visibility("default"))) void kernel_cases_read(void)
{
	__asm__("movl %edi, %eax\n\tret");
}

enum verdict {
	SAME,  /* refused, and the caret is where the kernel's is */
	FINER, /* refused, and the caret is at another byte of the same word: that which is wrong */
	BAD,   /* refused; where, the kernel's test does not say */
	OURS,  /* accepted: it means something to us */
};

#define READ "kernel_cases_read"
#define LONG "12345678901234567890123456789012345678901234567890123456789012345"

/* '^' is where the kernel points; behind it is its word for the error. */
struct kernel_case {
	const char *text, *word;
	enum verdict verdict;
};

/* ---- heads and places ---------------------------------------------------------------------- */

static const struct kernel_case places[] = {
	{"p^100 " READ, "MAXACT_NO_KPROBE", SAME},
	{"r^1a111 " READ, "BAD_MAXACT", SAME},
	{"r^100000 " READ, "MAXACT_TOO_BIG", SAME},
	{"p ^non_exist_func", "BAD_PROBE_ADDR", SAME},
	{"p ^hoge-fuga", "BAD_PROBE_ADDR", SAME},
	{"p ^hoge+1000-1000", "BAD_PROBE_ADDR", FINER},
	{"r ^" READ "+10", "BAD_RETPROBE", FINER},
	{"p:^/bar " READ, "NO_GROUP_NAME", SAME},
	{"p:^" LONG "/bar " READ, "GROUP_TOO_LONG", SAME},
	{"p:^foo.1/bar " READ, "BAD_GROUP_NAME", FINER},
	{"p:foo/^ " READ, "NO_EVENT_NAME", OURS}, /* as in newer kernels: it is made up */
	{"p:foo/^" LONG " " READ, "EVENT_TOO_LONG", SAME},
	{"p:foo/^bar.1 " READ, "BAD_EVENT_NAME", FINER},
	{"p ^" READ "+1", "BAD_INSN_BNDRY", SAME},
	{"p ^/non_exist_file:100", "FILE_NOT_FOUND", SAME},
	{"p ^/sys:100", "NO_REGULAR_FILE", SAME},
	{"p /bin/sh:^10a", "BAD_UPROBE_OFFS", SAME},
	{"p /bin/sh:10(^1a)", "BAD_REFCNT", SAME},
	{"p /bin/sh:10(10^", "REFCNT_OPEN_BRACE", SAME},
	{"p /bin/sh:10(10)^a", "REFCNT_BAD_SUFFIX", SAME},
};

/* ---- arguments ----------------------------------------------------------------------------- */

static const struct kernel_case arguments[] = {
	{"p /bin/sh:10 ^@+ab", "BAD_FILE_OFFS", FINER},
	{"p " READ " ^$retval", "RETVAL_ON_PROBE", SAME},
	{"p " READ " ^$stack10000", "BAD_STACK_NUM", FINER},
	{"p " READ " ^$arg10000", "BAD_ARG_NUM", SAME},
	{"p " READ " ^$none_var", "BAD_VAR", SAME},
	{"p " READ " ^%none_reg", "BAD_REG_NAME", SAME},
	{"p " READ " ^@12345678abcde", "BAD_MEM_ADDR", FINER},
	{"p " READ " ^+0@0)", "DEREF_NEED_BRACE", SAME},
	{"p " READ " ^+0ab1(@0)", "BAD_DEREF_OFFS", FINER},
	{"p " READ " +0(+0(@0^)", "DEREF_OPEN_BRACE", SAME},
	{"p " READ " +0(^$comm)", "COMM_CANT_DEREF", SAME},
	{"p " READ " ^&1", "BAD_FETCH_ARG", SAME},
	{"p " READ " +0(^+0(+0(+0(+0(+0(+0(+0(+0(+0(+0(+0(+0(+0(@0))))))))))))))", "TOO_MANY_OPS",
	 OURS}, /* to any depth */
	{"p " READ " +0(@11):u8[10^", "ARRAY_NO_CLOSE", FINER},
	{"p " READ " +0(@11):u8[10]^a", "BAD_ARRAY_SUFFIX", SAME},
	{"p " READ " +0(@11):u8[^10a]", "BAD_ARRAY_NUM", SAME},
	{"p " READ " +0(@11):u8[^256]", "ARRAY_TOO_BIG", SAME},
	{"p " READ " @11:^unknown_type", "BAD_TYPE", SAME},
	{"p " READ " $stack0:^string", "BAD_STRING", OURS}, /* the word is where it lies */
	{"p " READ " @11:^b10@a/16", "BAD_BITFIELD", FINER},
	{"p " READ " ^arg123456789012345678901234567890=@11", "ARG_NAME_TOO_LONG", SAME},
	{"p " READ " ^=@11", "NO_ARG_NAME", SAME},
	{"p " READ " ^var.1=@11", "BAD_ARG_NAME", SAME},
	{"p " READ " var1=@11 ^var1=@12", "USED_ARG_NAME", SAME},
	{"p " READ " ^+1234567(+1234567(+1234567(+1234567(+1234567(+1234567(@1234))))))",
	 "ARG_TOO_LONG", OURS}, /* to any length */
	{"p " READ " arg1=^", "NO_ARG_BODY", SAME},
	{"p " READ " ^%ex", "", BAD},
	{"p " READ " ^@", "", BAD},
	{"p " READ " ^$stackp", "", BAD},
	{"p " READ " ^$stack0+10", "", BAD},
	{"p " READ " ^$stack1-10", "", BAD},
	{"p " READ " ^+(%ax)", "", BAD},
	{"p " READ " ^(%ax+10)", "", BAD},
	{"p " READ " ^-(%ax)", "", BAD},
	{"p " READ " ^(%ax)", "", BAD},
	{"p " READ " +10(^$comm)", "", BAD},
	{"p " READ " ^+0(%ax)+10", "", BAD},
	{"p " READ " varname=^varname2=%ax", "", BAD},
	{"p " READ " %ax:^:x16", "", BAD},
	{"p " READ " %ax:^y16", "", BAD},
	{"p " READ " ^x16:%ax", "", BAD},
	{"p " READ " $comm:^x64", "", BAD},
	{"p " READ " $stack:^string", "", BAD},
	{"p " READ " %ax:^string", "", BAD},
};

static const char *const good_arguments[] = {
	"p " READ " %ax",
	"p " READ " @" READ,
	"p " READ " @0x1234",
	"p " READ " @" READ "+10",
	"p " READ " @" READ "-10",
	"p " READ " $stack",
	"p " READ " $stack0",
	"p " READ " $stack1",
	"r " READ " $retval",
	"p " READ " $comm",
	"p " READ " +0(%ax)",
	"p " READ " -0(%ax)",
	"p " READ " +10($stack)",
	"p " READ " +0($stack1)",
	"p " READ " +10(@" READ "-10)",
	"p " READ " +0(+10(+20($stack)))",
	"p " READ " varname=%ax",
	"p " READ " %ax:x16",
	"p " READ " $comm:string",
	"p " READ " +0($stack):string",
};

/* ---- the tests ----------------------------------------------------------------------------- */

/* Without the '^'; where it was. */
static size_t read_case(const struct kernel_case *one, char *ret, size_t size)
{
	size_t column = strcspn(one->text, "^");

	snprintf(ret, size, "%.*s%s", (int)column, one->text, one->text + column + 1);
	return column;
}

/* Is @at in the word that @column is in, or directly behind it? */
static bool is_in_word(const char *text, size_t column, size_t at)
{
	size_t start = column, end = column + strcspn(text + column, " ");

	while (start && text[start - 1] != ' ')
		start--;
	return at >= start && at <= end;
}

static const char *in_brackets(const char *word)
{
	static char ret[64];

	snprintf(ret, sizeof(ret), " [%s]", word);
	return ret;
}

static void judge(const struct kernel_case *one, int failed, const struct ep_error_at *error)
{
	char text[512];
	size_t column = read_case(one, text, sizeof(text));

	if (one->verdict == OURS) {
		cr_expect_eq(failed, 0, "%s: %s", text, error->message);
		return;
	}
	cr_expect_lt(failed, 0, "accepted: %s (%s)", text, one->word);
	if (one->word[0] &&
	    strcmp(one->word, "NO_REGULAR_FILE") != 0) /* it is not loaded, whatever it is */
		cr_expect(strstr(error->message, in_brackets(one->word)), "%s (%s): %s", text,
			  one->word, error->message);
	if (one->verdict == SAME)
		cr_expect_eq(error->column, column, "%s (%s): %s, at %zu", one->text, one->word,
			     error->message, error->column);
	else if (one->verdict == FINER)
		cr_expect(is_in_word(text, column, error->column), "%s (%s): %s, at %zu", one->text,
			  one->word, error->message, error->column);
}

Test(trace_kernel_cases, heads_and_places)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct ep_error_at error = {0};
		struct ep_probe **probes;
		char text[512];
		size_t count;

		read_case(&places[i], text, sizeof(text));
		judge(&places[i], ep_define(text, NULL, &probes, &count, &error), &error);
	}
}

static int parse(const char *text, struct ep_error_at *error)
{
	struct trace_definitions definitions;
	struct trace_arena arena = {0};
	int failed = trace_definitions_parse(text, &arena, &definitions, error);

	trace_arena_deinit(&arena);
	return failed;
}

Test(trace_kernel_cases, arguments)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		struct ep_error_at error = {0};
		char text[512];

		read_case(&arguments[i], text, sizeof(text));
		judge(&arguments[i], parse(text, &error), &error);
	}
}

Test(trace_kernel_cases, good_arguments)
{
	for (size_t i = 0; i < sizeof(good_arguments) / sizeof(good_arguments[0]); i++) {
		struct ep_error_at error = {0};

		cr_expect_eq(parse(good_arguments[i], &error), 0, "%s: %s", good_arguments[i],
			     error.message);
	}
}
