/* SPDX-License-Identifier: MIT */
/* Declarations as people write them, and as nobody should. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/prototypes.h"
#include "include/emuprobe.h"

TestSuite(cli_prototypes, .timeout = 60);

static struct trace_arena arena;
static struct ep_error_at error;

/* "RESULT NAME(ARG,ARG)", as the definitions' language has the types. */
static void check(const char *declaration, const char *expected)
{
	struct prototypes all = {0};
	char text[512];
	int size;

	cr_assert_eq(prototypes_add(&all, declaration, "test", &arena, &error), 0, "%s",
		     declaration);
	cr_assert_eq(all.count, 1, "%s", declaration);
	size = snprintf(text, sizeof(text), "%s %s(", all.list->result.fetch, all.list->name);
	for (uint32_t i = 0; i < all.list->arg_count; i++)
		size += snprintf(text + size, sizeof(text) - (size_t)size, "%s%s", i ? "," : "",
				 all.list->args[i].fetch);
	snprintf(text + size, sizeof(text) - (size_t)size, "%s)",
		 all.list->is_variadic ? ",..." : "");
	cr_expect_str_eq(text, expected, "%s: %s", declaration, text);
}

Test(cli_prototypes, types_are_those_of_C)
{
	check("int f(void);", "s32 f()");
	check("void f();", " f()");
	check("unsigned f(unsigned int a, unsigned long b, unsigned char c, unsigned short d);",
	      "u32 f(u32,u64,u8,u16)");
	check("long f(long int a, long long b, unsigned long long c, short d, char e);",
	      "s64 f(s64,s64,u64,s16,char)");
	check("double f(double, float x);", "f64 f(f64,f32)");
	check("char *f(const char *a, char **b, void *c, char d[], struct stat *restrict e);",
	      "string64 f(string64,x64,x64,string64,x64)");
	check("FILE *f(FILE *stream, const char *format, ...);", "s32 f(s32,string64,...)");
	check("size_t f(ssize_t a, uint16_t b, bool c, open_flags d);", "u64 f(s64,u16,u8,u32)");
	check("# a comment\n\n int\tf (int a,\n int b) ; # another", "s32 f(s32,s32)");
	check("int f(int,int,int,int,int,int,int,int,int);",
	      "s32 f(s32,s32,s32,s32,s32,s32,s32,s32,...)");
}

Test(cli_prototypes, first_of_a_name_counts)
{
	struct prototypes all = {0};

	cr_assert_eq(prototypes_add(&all, "int f(int); long g(void);", "test", &arena, &error), 0);
	cr_assert_eq(prototypes_add(&all, "double f(void); int h(void);", "test", &arena, &error),
		     0);
	cr_assert_eq(all.count, 3);
	cr_expect_str_eq(all.list[0].result.fetch, "s32");
}

Test(cli_prototypes, others_are_refused)
{
	static const char *const wrong[] = {
		"int",
		"int f",
		"int f(",
		"int f()",
		"int f(int",
		"int f(int;",
		"f(int);",
		"int f(thing);",
		"int f(int));",
		"int (*f)(int);",
		"int f(int a(int));",
		";",
		"...",
		"int f(,);",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct prototypes all = {0};

		cr_expect_eq(prototypes_add(&all, wrong[i], "test", &arena, &error), -EP_SYNTAX,
			     "%s", wrong[i]);
	}
}

Test(cli_prototypes, own_ones_can_be_read)
{
	struct prototypes all = {0};

	cr_assert_eq(prototypes_read(&all, NULL, &arena, &error), 0);
	cr_expect_gt(all.count, 300);
	for (size_t i = 0; i < all.count; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(all.list[i].name, all.list[k].name);
}

static void check_flags(const char *type, uint64_t value, const char *expected)
{
	struct prototypes all = {0};
	char declaration[128], text[128];

	snprintf(declaration, sizeof(declaration), "int f(%s x);", type);
	cr_assert_eq(prototypes_add(&all, declaration, "test", &arena, &error), 0, "%s", type);
	prototypes_flags(all.list->args[0].flags, value, text, sizeof(text));
	cr_expect_str_eq(text, expected, "%s %lu: %s", type, (unsigned long)value, text);
}

Test(cli_prototypes, flags_have_names)
{
	check_flags("open_flags", O_RDONLY, "O_RDONLY");
	check_flags("open_flags", O_CREAT | O_WRONLY | O_TRUNC, "O_WRONLY|O_CREAT|O_TRUNC");
	check_flags("open_flags", O_RDWR | 1u << 30, "O_RDWR|0x40000000");
	check_flags("access_mode", 0, "0");
	check_flags("whence", 2, "SEEK_END");
	check_flags("whence", (uint64_t)-7 & UINT32_MAX, "-7");
	check_flags("signal_number", 9, "SIGKILL");
	check_flags("octal", 0644, "0644");
}
