/* SPDX-License-Identifier: MIT */
/* The grammar: what is accepted, and what exactly is said of the rest. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "trace/language/parse.h"
#include "trace/language/scanner.h"
#include "x86/regs.h"

TestSuite(trace_definition, .timeout = 400);

static struct trace_arena arena;

static struct trace_definitions parse(const char *text)
{
	struct trace_definitions ret = {0};
	struct ep_error_at error = {0};

	cr_assert_eq(trace_definitions_parse(text, &arena, &ret, &error), 0, "%s: %s at %zu", text,
		     error.message, error.column);
	return ret;
}

static struct trace_definition parse_one(const char *text)
{
	struct trace_definitions all = parse(text);

	cr_assert_eq(all.count, 1, "%s", text);
	return all.list[0];
}

Test(trace_definition, symbol_of_the_executable)
{
	struct trace_definition one = parse_one("p main");

	cr_expect_str_eq(one.group, "uprobes");
	cr_expect_null(one.event);
	cr_expect_null(one.place.object);
	cr_expect_str_eq(one.place.symbol, "main");
	cr_expect_eq(one.place.offset, 0);
	cr_expect_eq(one.arg_count, 0);
	cr_expect_not(one.optional);
}

Test(trace_definition, group_event_object_offset)
{
	struct trace_definition one = parse_one("p:my_group/my_event /lib/libc.so.6:malloc+0x10");

	cr_expect_str_eq(one.group, "my_group");
	cr_expect_str_eq(one.event, "my_event");
	cr_expect_str_eq(one.place.object, "/lib/libc.so.6");
	cr_expect_str_eq(one.place.symbol, "malloc");
	cr_expect_eq(one.place.offset, 0x10);
}

Test(trace_definition, group_alone_leaves_the_event_open)
{
	struct trace_definition one = parse_one("p:g/ main");

	cr_expect_str_eq(one.group, "g");
	cr_expect_null(one.event);
}

Test(trace_definition, file_offsets)
{
	struct trace_definition one = parse_one("p /bin/sh:0x4a10");

	cr_expect_null(one.place.symbol);
	cr_expect_eq(one.place.offset, 0x4a10);
	cr_expect_eq(parse_one("p libc:4096").place.offset, 4096);
	cr_expect_eq(parse_one("p 0x1234").place.offset, 0x1234);
}

Test(trace_definition, path_with_a_colon)
{
	struct trace_definition one = parse_one("p /tmp/a:b:main");

	cr_expect_str_eq(one.place.object, "/tmp/a:b");
	cr_expect_str_eq(one.place.symbol, "main");
}

Test(trace_definition, optional_and_patterns)
{
	struct trace_definition one = parse_one("p libc*:mem?cpy??");

	cr_expect(one.optional);
	cr_expect_str_eq(one.place.symbol, "mem?cpy?");
	cr_expect(trace_is_glob(one.place.symbol));
	cr_expect(trace_is_glob(one.place.object));
	cr_expect_not(trace_is_glob("main"));
	cr_expect_not(trace_is_glob(NULL));
}

Test(trace_definition, quoted_names)
{
	struct trace_definition one = parse_one("p ./prog:\"main.(*T).Method\" %di");

	cr_expect_str_eq(one.place.object, "./prog");
	cr_expect_str_eq(one.place.symbol, "main.(*T).Method");
	cr_expect_eq(one.place.is_literal, EP_LITERAL_SYMBOL);
	cr_expect_eq(one.arg_count, 1);
	one = parse_one("p:e \"/tmp/my dir, [1];#/l:b.so\":func*?");
	cr_expect_str_eq(one.place.object, "/tmp/my dir, [1];#/l:b.so");
	cr_expect_str_eq(one.place.symbol, "func*");
	cr_expect_eq(one.place.is_literal, EP_LITERAL_OBJECT);
	cr_expect(one.optional);
	one = parse_one("p \"a\\\\b\":\"c\\\"d?\"+0x10");
	cr_expect_str_eq(one.place.object, "a\\b");
	cr_expect_str_eq(one.place.symbol, "c\"d?");
	cr_expect_eq(one.place.is_literal, EP_LITERAL_OBJECT | EP_LITERAL_SYMBOL);
	cr_expect_eq(one.place.offset, 0x10);
	cr_expect_not(one.optional);
	one = parse_one("p \"0x10\"");
	cr_expect_str_eq(one.place.symbol, "0x10");
	cr_expect_null(one.place.object);
	cr_expect_str_eq(parse_one("p \"f@GLIBC_2.14%return+1\"").place.symbol,
			 "f@GLIBC_2.14%return+1");
}

Test(trace_definition, quoted_separators_separate_nothing)
{
	struct trace_definitions all =
		parse("p \"a;b\nc # d\";p:x \"e\" # \"\np \"f,g h\":0x10;p i");

	cr_assert_eq(all.count, 4);
	cr_expect_str_eq(all.list[0].place.symbol, "a;b\nc # d");
	cr_expect_str_eq(all.list[0].text, "p \"a;b\nc # d\"");
	cr_expect_str_eq(all.list[1].place.symbol, "e");
	cr_expect_str_eq(all.list[3].place.symbol, "i");
}

Test(trace_definition, arguments)
{
	struct trace_definition one =
		parse_one("p main size=%di:u64 %rsi %al:s8 last=$arg6:x32 $arg1:char");

	cr_assert_eq(one.arg_count, 5);
	cr_expect_str_eq(one.args[0].name, "size");
	cr_expect_eq(one.args[0].type.kind, TRACE_UNSIGNED);
	cr_expect_str_eq(one.args[1].name, "arg2");
	cr_expect_eq(one.args[1].type.kind, TRACE_HEX);
	cr_expect_eq(one.args[1].type.size, 8);
	cr_expect_str_eq(one.args[2].name, "arg3");
	cr_expect_eq(one.args[4].type.kind, TRACE_CHAR);
	cr_expect_eq(one.program.recorded, 5);
	cr_expect_eq(one.program.bulk_count, 0);
}

Test(trace_definition, commas_replace_blanks)
{
	struct trace_definition one = parse_one("p:m,libc:malloc,size=%di,%si");

	cr_expect_str_eq(one.place.symbol, "malloc");
	cr_expect_eq(one.arg_count, 2);
}

Test(trace_definition, lists_and_comments)
{
	struct trace_definitions all = parse(
		"# first\n;;\n\tp:a main # behind it; not a definition\np:b main;p:c main;\n#");

	cr_assert_eq(all.count, 3);
	cr_expect_str_eq(all.list[0].text, "p:a main");
	cr_expect_str_eq(all.list[1].event, "b");
	cr_expect_str_eq(all.list[2].event, "c");
	cr_expect_eq(parse("").count, 0);
	cr_expect_eq(parse(" \n;# nothing").count, 0);
}

Test(trace_definition, remembers_columns)
{
	struct trace_definitions all = parse("p:a main;  p:b libc:malloc");

	cr_expect_eq(all.list[1].column, 11);
	cr_expect_eq(all.list[1].place_column, 15);
}

Test(trace_definition, same_event_in_another_group)
{
	cr_expect_eq(parse("p:a/x main;p:b/x main;p main;p main").count, 4);
}

Test(trace_definition, the_same_argument_twice_is_one)
{
	struct trace_definition one = parse_one("p main a=%di:u8 b=%si a=%di:u8 c=%dx");

	cr_assert_eq(one.arg_count, 3);
	cr_expect_str_eq(one.args[2].name, "c");
	cr_expect_eq(one.program.recorded, 3);
}

Test(trace_definition, calls_of_a_function)
{
	struct trace_definition one = parse_one("r:g/e libc:read");

	cr_expect(one.is_return);
	cr_expect_eq(one.max_active, 0);
	cr_expect_str_eq(one.group, "g");
	cr_expect_str_eq(one.event, "e");
	cr_expect_str_eq(one.place.symbol, "read");
	cr_expect_not(parse_one("p:e libc:read").is_return);
	cr_expect(parse_one("r main").is_return);
	cr_expect_eq(parse_one("r10:x main").max_active, 10);
	cr_expect_eq(parse_one("r4096 main").max_active, 4096);
	cr_expect_eq(parse_one("r0x10 main").max_active, 16);
}

Test(trace_definition, percent_return_is_r)
{
	struct trace_definition one = parse_one("p libc:m*%return?");

	cr_expect(one.is_return);
	cr_expect(one.optional);
	cr_expect_str_eq(one.place.symbol, "m*");
	cr_expect(parse_one("r main%return").is_return);
	one = parse_one("p /bin/sh:0x10%return");
	cr_expect(one.is_return);
	cr_expect_eq(one.place.offset, 0x10);
	one = parse_one("p \"a%b(\"%return");
	cr_expect(one.is_return);
	cr_expect_str_eq(one.place.symbol, "a%b(");
	cr_expect_not(parse_one("p \"main%return\"").is_return);
}

Test(trace_definition, values_of_a_call)
{
	struct trace_definition one = parse_one("r main $arg6 $arg1:s32 r=$retval:s64 $latency "
						"$caller t=$latency:x32 c=$caller:x64 %dx:u8");
	static const struct trace_arg wanted[] = {
		{"arg1", .type = {.kind = TRACE_HEX, .size = 8}},
		{"arg2", .type = {.kind = TRACE_SIGNED, .size = 4}},
		{"r", .type = {.kind = TRACE_SIGNED, .size = 8}, .needs_return = true},
		{"arg4", .type = {.kind = TRACE_UNSIGNED, .size = 8}, .origin = TRACE_OF_LATENCY},
		{"arg5", .type = {.kind = TRACE_SYMBOL, .size = 8}, .is_return_address = true},
		{"t", .type = {.kind = TRACE_HEX, .size = 4}, .origin = TRACE_OF_LATENCY},
		{"c", .type = {.kind = TRACE_HEX, .size = 8}, .is_return_address = true},
		{"arg8", .type = {.kind = TRACE_UNSIGNED, .size = 1}, .needs_return = true},
	};

	cr_assert_eq(one.arg_count, sizeof(wanted) / sizeof(wanted[0]));
	for (uint32_t i = 0; i < one.arg_count; i++) {
		cr_expect_str_eq(one.args[i].name, wanted[i].name);
		cr_expect_eq(one.args[i].type.kind, wanted[i].type.kind, "%u", i);
		cr_expect_eq(one.args[i].type.size, wanted[i].type.size, "%u", i);
		cr_expect_eq(one.args[i].origin, wanted[i].origin, "%u", i);
		cr_expect_eq(one.args[i].needs_return, wanted[i].needs_return, "%u", i);
		cr_expect_eq(one.args[i].is_return_address, wanted[i].is_return_address, "%u", i);
		cr_expect_eq(one.args[i].value, i);
	}
	cr_expect(one.program.is_timed);
	cr_expect_eq(one.program.kept_count, 2);
	cr_expect_not(parse_one("p main $arg1").args[0].needs_return);
}

Test(trace_definition, a_deletion_takes_out_what_it_names)
{
	struct trace_definitions all = parse("p:a main;p:g/a main;p:b main;-:uprobes/a");

	cr_assert_eq(all.count, 2);
	cr_expect_str_eq(all.list[0].group, "g");
	cr_expect_str_eq(all.list[1].event, "b");
	/* Without a group, of all groups; a group alone, all of it. */
	cr_expect_eq(parse("p:a main;p:g/a main;p:b main;-:a").count, 1);
	cr_expect_eq(parse("p:g/a main;p main;p:g/b main;p:b main;-:g/").count, 2);
	/* The name is free again, and the order stays. */
	all = parse("p:a main;-:a;p:a other;p:b main");
	cr_assert_eq(all.count, 2);
	cr_expect_str_eq(all.list[0].place.symbol, "other");
	cr_expect_eq(parse("p:a main\n-:a # gone\n").count, 0);
}

Test(trace_definition, versions_of_symbols)
{
	struct trace_definition one = parse_one("p libc:memcpy@GLIBC_2.14");

	cr_expect_str_eq(one.place.symbol, "memcpy");
	cr_expect_str_eq(one.place.version, "GLIBC_2.14");
	cr_expect_eq(one.version_column, 14);
	one = parse_one("p libc:memcpy@@GLIBC_2.14+0x4");
	cr_expect_str_eq(one.place.symbol, "memcpy");
	cr_expect_str_eq(one.place.version, "@GLIBC_2.14");
	cr_expect_eq(one.place.offset, 4);
	one = parse_one("r libc:\"a b\"@V*?");
	cr_expect_str_eq(one.place.symbol, "a b");
	cr_expect_str_eq(one.place.version, "V*");
	cr_expect(one.optional);
	cr_expect_str_eq(parse_one("libc:mem*@V%return").place.version, "V");
	cr_expect_null(parse_one("p libc:\"memcpy@V\"").place.version);
	cr_expect_null(parse_one("p libc:memcpy").place.version);
}

Test(trace_definition, reference_counters)
{
	struct trace_definition one = parse_one("p:e /bin/sh:0x10(0x20) %di");

	cr_expect_eq(one.place.offset, 0x10);
	cr_expect_eq(one.place.semaphore, 0x20);
	cr_expect_eq(one.semaphore_column, 16);
	one = parse_one("p ./prog:f@V+4(32)?");
	cr_expect_str_eq(one.place.symbol, "f");
	cr_expect_eq(one.place.offset, 4);
	cr_expect_eq(one.place.semaphore, 32);
	cr_expect(one.optional);
	one = parse_one("p ./prog:\"f(int)\"%return(0x20)");
	cr_expect_str_eq(one.place.symbol, "f(int)");
	cr_expect(one.is_return);
	cr_expect_eq(one.place.semaphore, 0x20);
	cr_expect_eq(parse_one("p /bin/sh:0x10(0)").place.semaphore, 0);
}

static void expect_place(const char *text, bool is_return, const char *object, const char *symbol)
{
	struct trace_definition one = parse_one(text);

	cr_expect_eq(one.is_return, is_return, "%s", text);
	cr_expect_str_eq(one.place.symbol, symbol, "%s", text);
	cr_expect_null(one.event);
	if (object)
		cr_expect_str_eq(one.place.object, object, "%s", text);
	else
		cr_expect_null(one.place.object, "%s", text);
}

Test(trace_definition, a_place_alone_is_probed)
{
	struct trace_definitions all;

	expect_place("malloc", false, NULL, "malloc");
	expect_place("libc:malloc", false, "libc", "malloc");
	expect_place("/usr/bin/foo:main", false, "/usr/bin/foo", "main");
	expect_place("*", false, NULL, "*");
	expect_place("libc.so.6:*", false, "libc.so.6", "*");
	expect_place("uprobe:malloc", false, NULL, "malloc");
	expect_place("uprobe:libc:malloc", false, "libc", "malloc");
	expect_place("uprobe:/usr/bin/foo:main", false, "/usr/bin/foo", "main");
	expect_place("uretprobe:libc:malloc", true, "libc", "malloc");
	expect_place("libc:read%return?", true, "libc", "read");
	expect_place("pread", false, NULL, "pread");
	expect_place("read", false, NULL, "read");
	expect_place("px", false, NULL, "px");
	expect_place("\"p\"", false, NULL, "p");
	expect_place("p p", false, NULL, "p");
	expect_place("p uprobe", false, NULL, "uprobe");
	all = parse("malloc size=%di:u64 ;uprobe:libc:free %di;p:x main");
	cr_assert_eq(all.count, 3);
	cr_expect_eq(all.list[0].arg_count, 1);
	cr_expect_str_eq(all.list[0].text, "malloc size=%di:u64");
	cr_expect_eq(all.list[1].arg_count, 1);
	cr_expect_eq(all.list[1].place_column, 28);
	cr_expect_eq(all.list[1].loc_column, 33);
	cr_expect_str_eq(all.list[2].event, "x");
}

/* '^' stands before the byte that the error points at. */
static const struct {
	const char *definition, *message;
} bad[] = {
	/* kind */
	{"^q main", "a definition starts with 'p'"},
	{"^:x main", "a definition starts with 'p'"},
	{"-:^x", "no definition before this one is called x"},
	{"p:a main;-:^b", "no definition before this one is called b"},
	{"p:a main;-:^g/a", "no definition before this one is called g/a"},
	{"p:a main;-:^g/", "no definition before this one is called g/"},
	{"p:g/a main;-:a;-:^a", "no definition before this one is called a"},
	{"p:a main;-:a ^main", "nothing can stand behind the event that is deleted"},
	{"-^", "expected ':' and an event's name after '-'"},
	{"-^ main", "expected ':' and an event's name after '-'"},
	{"-^x", "expected ':' and an event's name after '-'"},
	{"-^1:x", "expected ':' and an event's name after '-'"},
	{"-^:", "no name behind ':'"},
	{"-:^/x", "no group name in front of '/'"},
	{"-:^1x", "'1' cannot stand at the start of the event name"},
	{"^rx main", "a definition starts with 'p' or 'r', as in \"p main\""},
	{"^uprobe main", "a definition starts with 'p' or 'r', as in \"p main\""},
	{"^main libc:malloc %di", "as in \"p libc:malloc\""},
	{"^P:e main", "as in \"p main\""},
	{"r^-1:x main", "expected a number, ':' or a blank after 'r'"},
	{"r^0x main", "expected a number, ':' or a blank after 'r'"},
	{"r^4097:x main", "more than 4096 calls at once"},
	{"r^4294967297 main", "more than 4096 calls at once"},
	{"r^18446744073709551616 main", "expected a number, ':' or a blank after 'r'"},
	{"p^10:x main", "only 'r' can be followed by a number"},
	{"^px main", "a definition starts with 'p' or 'r'"},
	{"uprobe:^", "the place is missing"},
	{"uprobe:^:main", "no object in front of ':'"},
	{"uprobe:/bin/sh^", "no ':' and symbol or offset behind the path"},
	{"uretprobe:main^+4", "a return probe is of a whole function"},
	{"^kprobe:vfs_read", "the kernel is not probed"},
	{"^kretprobe:vfs_read", "the kernel is not probed"},
	{"^tracepoint:sched:sched_switch", "the kernel is not probed"},
	{"/usr/bin/foo^", "no ':' and symbol or offset behind the path"},
	/* names */
	{"p^: main", "no name behind ':'"},
	{"p:^/x main", "no group name in front of '/'"},
	{"p:^1g/x main", "'1' cannot stand at the start of the group name"},
	{"p:g^-h/x main", "'-' cannot stand in the group name"},
	{"p:^1x main", "'1' cannot stand at the start of the event name"},
	{"p:^libc:malloc", "for this place write \"p libc:malloc\""},
	{"p:^libc.so.6:malloc %di", "for this place write \"p libc.so.6:malloc\""},
	{"r:x^:libc:malloc", "a blank stands in front of the place: \"r:x libc:malloc\""},
	{"p:x^.y main", "'.' cannot stand in the event name"},
	{"p:g/x^/y main", "'/' cannot stand in the event name"},
	{"p:g2345678901234567890123456789012345678901234567890123456789012345/x main",
	 "the group name is longer than 63 bytes"},
	{"p:e2345678901234567890123456789012345678901234567890123456789012345 main",
	 "the event name is longer than 63 bytes"},
	{"p:x main;^p:x main", "another probe is called uprobes/x"},
	/* place */
	{"p^", "the place is missing"},
	{"p:x ^", "the place is missing: 'x' is the event's name; as a place it is \"p x\""},
	{"r:x^", "the place is missing: 'x' is the event's name; as a place it is \"r x\""},
	{"p:x ^;p main", "the place is missing"},
	{"p ^:main", "no object in front of ':'"},
	{"p libc:^", "no symbol or offset behind ':'"},
	{"p libc:^?", "no symbol or offset behind ':'"},
	{"p ^?", "no symbol or offset in front of '?'"},
	{"p /bin/sh^", "no ':' and symbol or offset behind the path"},
	{"p libc:^12x", "the file offset is not a number"},
	{"p libc:^0x", "the file offset is not a number"},
	{"p libc:^0x10+4", "the file offset is not a number"},
	{"p libc:^0x10000000000000000", "the file offset is not a number"},
	{"p libc:^089", "the file offset is not a number"},
	{"p main+^foo", "the offset behind '+' is not a number"},
	{"p main+^", "the offset behind '+' is not a number"},
	{"p main+^-1", "the offset behind '+' is not a number"},
	{"p libc:^+4", "no symbol in front of '+'"},
	{"p main^%oops", "'%' in a place"},
	{"p main^%returned", "'%' in a place"},
	{"p main^%", "'%' in a place"},
	{"p main^%return%return", "'%' in a place"},
	{"p main^%return+4", "'%' in a place"},
	{"p ^%return", "no symbol or offset in front of '%'"},
	{"r libc:^%return?", "no symbol or offset in front of '%'"},
	{"r main^+4", "a return probe is of a whole function"},
	{"p libc:\"a+b\"^+4%return", "a return probe is of a whole function"},
	{"p /bin/sh:0x10(^", "the reference counter's '(' is not closed"},
	{"p /bin/sh:0x10(0x20^", "the reference counter's '(' is not closed"},
	{"p /bin/sh:0x10%return(0x20^", "the reference counter's '(' is not closed"},
	{"p /bin/sh:0x10(0x20)^%return", "only '?' can stand behind the reference counter"},
	{"p /bin/sh:0x10(0x20)^(0x30)", "only '?' can stand behind the reference counter"},
	{"p /bin/sh:0x10(^)", "the reference counter is no offset in the file"},
	{"p /bin/sh:0x10(^x)?", "the reference counter is no offset in the file"},
	{"p ./prog:main.f(^int)", "names with '(' stand in quotes"},
	{"p /bin/sh:0x10(^0x21)", "the reference counter's offset is odd"},
	{"p /bin/sh:^(0x20)", "no symbol or offset in front of '('"},
	{"p libc:memcpy@^", "no version behind '@'"},
	{"p libc:memcpy@@^", "no version behind '@'"},
	{"p libc:memcpy@^+4", "no version behind '@'"},
	{"p libc:memcpy@V+^x", "the offset behind '+' is not a number"},
	{"p libc:^@V", "no symbol in front of '@'"},
	{"r libc:memcpy@V^+4", "a return probe is of a whole function"},
	/* quotes */
	{"p ^\"main", "the quote is not closed"},
	{"p ^\"main?", "the quote is not closed"},
	{"p ^\"main\\\";p:x a", "the quote is not closed"},
	{"p \"lib\":^\"", "the quote is not closed"},
	{"p ^\"\"", "no name between the quotes"},
	{"p ^\"\":main", "no name between the quotes"},
	{"p lib:^\"\"+1", "no name between the quotes"},
	{"p \"main\"^x", "only '@', '+' and an offset can stand behind the closing quote"},
	{"p \"main\"^\"x\"", "only '@', '+' and an offset can stand behind the closing quote"},
	{"p \"lib\"^.so:main", "only ':' can stand behind the closing quote"},
	{"p \"main\"+^x", "the offset behind '+' is not a number"},
	{"p \"main\"^%x", "'%' in a place"},
	{"p ma^\"in\"", "a quote in the middle of a name"},
	{"p lib^\"c\":main", "a quote in the middle of a name"},
	{"p \"ma^\\in\"", "stands in front of '\"' and '\\' only"},
	{"p:^\"x\" main", "'\"' cannot stand at the start of the event name"},
	{"^\"p\" main", "a definition starts with 'p'"},
	{"p \"a;b\":main ^\"%di\"", "cannot be fetched"},
	/* arguments */
	{"p main ^foo", "cannot be fetched"},
	{"p main a=^foo", "cannot be fetched"},
	{"p main a=^", "nothing to fetch"},
	{"p main ^=%di", "no name in front of '='"},
	{"p main ^1a=%di", "not a name"},
	{"p main ^a-b=%di", "not a name"},
	{"p main ^a2345678901234567890123456789012=%di", "not a name"},
	{"p main a=%di ^a=%si", "another argument is called a"},
	{"p main arg2=%di ^%si", "another argument is called arg2"},
	{"p main ^%", "no such register"},
	{"p main ^%foo", "no such register"},
	{"p main ^%raxx", "no such register"},
	{"p main ^%xmm16", "no such register"},
	{"p main %xmm0[^2]:u64", "the lanes of 8 bytes are 0 to 1"},
	{"p main %xmm0[^4]:f32", "the lanes of 4 bytes are 0 to 3"},
	{"p main %xmm0^[1", "no ']' behind the lane"},
	{"r main ^%xmm0", "not to be had at a return"},
	{"p main $arg^", "arguments are $arg1"},
	{"p main $arg^0", "arguments are $arg1"},
	{"p main $arg^x", "arguments are $arg1"},
	{"p main ^$arg600", "that far up is no argument"},
	{"p main ^$arg9:f64", "the first 8 are known"},
	{"r main $arg1 $arg2 $arg3 $arg4 $arg5 $arg6 $arg7 $arg8 $arg9 ^$arg10",
	 "more than 9 arguments to be kept"},
	{"p main+4 ^$arg1", "at a function's entry only"},
	{"p main ^$retval", "$retval is of calls, which \"r:EVENT PLACE\" follows"},
	{"p main a=^$latency:u64", "$latency is of calls"},
	{"p main ^$caller", "$caller is of calls"},
	{"p main ^$depth", "$depth is of calls"},
	{"p main ^$from_program", "$from_program is of calls"},
	{"r main ^$retvals", "no such variable"},
	{"r main $arg^0", "arguments are $arg1"},
	{"p main $stack^x", "words of the stack are $stack0"},
	{"p main $stack^8192", "words of the stack are $stack0"},
	{"p main ^$comm:u8", "a text is of type string"},
	{"p main ^$comm:string[2]", "a text is of type string"},
	{"p main ^$tid:string", "$tid is a whole number"},
	{"p main ^$ts:f64", "$ts is a whole number"},
	{"p main +0(^$comm):u8", "$comm is no address"},
	{"p main ^$foo", "no such variable"},
	{"p main ^$", "no such variable"},
	/* memory */
	{"p main @^", "no address behind '@'"},
	{"p main @^0x", "the address is not a number"},
	{"p main @^12x", "the address is not a number"},
	{"p main @+^x", "the offset in the file is not a number"},
	{"p main @+^", "the offset in the file is not a number"},
	{"p main @^-4", "no symbol behind '@'"},
	{"p main @environ+^x", "the offset from the symbol is not a number"},
	{"p main ^+8", "an address in parentheses is read"},
	{"p main ^-8:u32", "an address in parentheses is read"},
	{"p main +^x(%di)", "the distance in front of '(' is not a number"},
	{"p main +^(%di)", "the distance in front of '(' is not a number"},
	{"p main +u^(%di)", "the distance in front of '(' is not a number"},
	{"p main +^0x8000000000000000(%di)", "the distance in front of '(' is not a number"},
	{"p main +8(%di^", "no ')' at the end"},
	{"p main +8(^)", "nothing to fetch"},
	{"p main +8(+0(^foo))", "cannot be fetched"},
	{"p main +8(^%di))", "no such register"},
	/* constants */
	{"p main \\^", "a constant is"},
	{"p main \\^x", "a constant is"},
	{"p main \\^-", "a constant is"},
	{"p main \\^\"abc", "the quote is not closed"},
	{"p main ^\\\"abc\":u8", "a text is of type string"},
	{"p main +0(\\^\"abc\")", "a text is no address"},
	{"p main %di:^", "no type behind ':'"},
	{"p main %di:^u7", "no such type"},
	{"p main %di:^int", "no such type"},
	{"p main %di:^U8", "no such type"},
	{"p main ^%di:string", "a string lies in memory: +0(%di)"},
	{"p main ^%di:u8[4]", "an array lies in memory: +0(%di)"},
	{"p main ^$arg1:string", "a string lies in memory: +0($arg1)"},
	{"p main +0(%di):string^0", "a string has 1 to 4096 bytes"},
	{"p main +0(%di):string^4097", "a string has 1 to 4096 bytes"},
	{"p main +0(%di):^stringx", "no such type"},
	{"p main +0(%di):u8[^0]", "not a number of elements"},
	{"p main +0(%di):u8[^]", "not a number of elements"},
	{"p main +0(%di):u8[^65]", "more than 64 elements"},
	{"p main +0(%di):u8[^4", "no ']' at the end"},
	{"p main +0(%di):hex^", "how many bytes"},
	{"p main +0(%di):hex[^4097]", "more than 4096 elements"},
	{"p main +0(%di):sockaddr^[2]", "no arrays of sockaddr"},
	{"p main %di:b^0@0/8", "the width is not 1 to 64 bits"},
	{"p main %di:b^65@0/64", "the width is not 1 to 64 bits"},
	{"p main %di:b4@^x/8", "the offset of the bits is not a number"},
	{"p main %di:b4@2/^7", "the container has 8, 16, 32 or 64 bits"},
	{"p main %di:^b4@5/8", "the bits do not lie in the container"},
	{"p main %di:^b4@5", "a bitfield is bWIDTH@OFFSET/CONTAINER"},
	{"p main ^%al:b4@8/16", "the register has 8 bits"},
	{"p main +0(%di):string4096[2] ^+0(%di):string4096[2]",
	 "the line of an event could have more than"},
	/* conditions */
	{"p main ^if", "no condition behind"},
	{"p main if ^b > 4", "no argument is called b"},
	{"p main a=%di if a >^", "the condition ends here"},
	{"p main a=%di if a > ^)", "is expected here"},
	{"p main a=%di if a ^= 4", "'&&' or '||' is expected here"},
	{"p main a=%di if ^(a > 4", "no ')' for this one"},
	{"p main a=%di if (a > 4 ^5)", "')', '&&' or '||' is expected here"},
	{"p main a=%di if a > 4 ^a", "'&&' or '||' is expected here"},
	{"p main a=%di if a > 4 &&^", "the condition ends here"},
	{"p main a=%di:u32 if a > ^-1", "never negative"},
	{"p main a=%di if a > ^4x", "not a number"},
	{"p main a=%di if a > ^1.5", "compared with whole numbers"},
	{"p main a=%di if a > ^99999999999G", "the number is too large"},
	{"p main a=%di:s64 if a > ^9223372036854775808", "the number is too large"},
	{"p main a=%di if ^1 == 2", "two constants are compared"},
	{"p main a=%di if ^a == \"x\"", "only what is of type string"},
	{"p main a=%di if a ~ ^4", "a pattern in quotes is expected"},
	{"p main a=%di if a == ^\"x", "the quote is not closed"},
	{"p main a=%di:char if a == ^'xy'", "one character stands in single quotes"},
	{"p main s=+0(%di):string if s < ^\"x\"", "texts are compared with"},
	{"p main s=+0(%di):string if ^s", "this is no number"},
	{"p main s=+0(%di):string if s == ^s", "values are compared where both are numbers"},
	{"p main a=%di b=%si:s64 if a == ^b", "of another kind"},
	{"p main if ^%foo > 4", "no such register"},
	{"p main if %di:^u7 > 4", "no such type"},
	{"p main a=%xmm0:f64 if ^a & 4", "bits of floating-point numbers mean nothing"},
};

Test(trace_definition, each_error_points_at_its_byte)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *caret = strchr(bad[i].definition, '^');
		struct trace_definitions all;
		struct ep_error_at error = {0};
		char text[128];

		snprintf(text, sizeof(text), "%.*s%s", (int)(caret ? caret - bad[i].definition : 0),
			 bad[i].definition, caret ? caret + 1 : bad[i].definition);
		cr_assert_eq(trace_definitions_parse(text, &arena, &all, &error), -EP_SYNTAX,
			     "accepted: %s", text);
		cr_expect_eq(error.error, EP_SYNTAX);
		cr_expect(strstr(error.message, bad[i].message), "%s: \"%s\", not \"%s\"", text,
			  error.message, bad[i].message);
		if (caret)
			cr_expect_eq(error.column, (size_t)(caret - bad[i].definition),
				     "%s: column %zu", text, error.column);
	}
}

Test(trace_definition, as_many_arguments_as_the_kernel_has_and_no_more)
{
	char text[1024] = "p main";
	struct trace_definitions all;
	struct ep_error_at error;

	for (int i = 0; i < 128; i++)
		strcat(text, " %di");
	cr_assert_eq(parse_one(text).arg_count, 128);
	cr_expect_str_eq(parse_one(text).args[127].name, "arg128");
	strcat(text, " %di");
	cr_expect_eq(trace_definitions_parse(text, &arena, &all, &error), -EP_SYNTAX);
	cr_expect_eq(error.column, strlen(text) - 3);
}

Test(trace_definition, error_may_be_ignored)
{
	struct trace_definitions all;

	cr_expect_eq(trace_definitions_parse("q q", &arena, &all, NULL), -EP_SYNTAX);
}

static struct trace_definition parse_timed(const char *text)
{
	struct trace_definitions all;
	struct ep_error_at error;

	cr_assert_eq(trace_definitions_parse_timed(text, true, &arena, &all, &error), 0, "%s",
		     text);
	cr_assert(trace_program_is_sound(&all.list[0].program), "%s", text);
	return all.list[0];
}

/* Recorded for a writer; it has no name, so nobody shows it. */
Test(trace_definition, calls_can_be_timed_though_nobody_asked)
{
	struct trace_definition one = parse_timed("r main a=$arg1:u8 if $retval > 3");

	cr_assert_eq(one.arg_count, 2);
	cr_expect_str_eq(one.args[1].name, "");
	cr_expect_eq(one.args[1].origin, TRACE_OF_LATENCY);
	cr_expect_eq(one.program.recorded, 2);
	cr_expect(one.program.is_timed);
	cr_expect(one.program.has_filter);
	cr_expect_eq(parse_timed("p main a=%di").arg_count, 1);
	cr_expect_eq(parse_timed("r main t=$latency:u32").arg_count, 1);
	cr_expect_eq(parse_one("r main").arg_count, 0);
}

Test(trace_definition, a_call_with_all_arguments_is_not_timed)
{
	char text[1024] = "r main";

	for (int i = 0; i < TRACE_ARGS_MAX; i++)
		strcat(text, " %ax");
	cr_expect_eq(parse_timed(text).arg_count, TRACE_ARGS_MAX);
	cr_expect(!parse_timed(text).program.is_timed);
}
