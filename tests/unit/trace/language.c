/* SPDX-License-Identifier: MIT */
/* From a definition to the printed values: what is read where, what is said of what cannot be. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <ucontext.h>
#include <unistd.h>

#include "sys/memory.h"
#include "trace/action/record.h"
#include "trace/action/run.h"
#include "trace/language/parse.h"
#include "trace/report/reader.h"
#include "trace/report/value.h"

TestSuite(trace_language, .timeout = 400);

static const struct trace_shape shape = {
	.process_max = 1, .ring_max = 1, .ring_size = 1 << 16, .heap_size = 1 << 18, .heap_max = 1};
static struct trace_arena arena;
static struct trace_session session;
static struct trace_reader reader;
static struct trace_probe probe;
static char buffer[1 << 18];

/* Two pages, the second of which cannot be read. */
static char *last_page;
enum { PAGE = 4096 };

/* The engine's handler of faults is not there: what it does, in the fewest lines. */
static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;
	uint64_t fixup = sys_fault_fixup((uint64_t)context->uc_mcontext.gregs[REG_RIP]);

	(void)info;
	if (!fixup)
		signal(sig, SIG_DFL);
	else
		context->uc_mcontext.gregs[REG_RIP] = (long long)fixup;
}

static void setup(void)
{
	const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	int fd;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	last_page =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(last_page + PAGE, PAGE, PROT_NONE);
	cr_assert_eq(trace_session_create(&shape, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_DROP), 0);
	cr_assert_eq(trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena), 0);
	reader.processes[0] = (struct trace_reader_process){&probe.view, 1, 77, 0};
}

static void define(const char *text)
{
	struct trace_definitions all;
	struct ep_error_at error = {0};

	cr_assert_eq(trace_definitions_parse(text, &arena, &all, &error), 0, "%s: %s at %zu", text,
		     error.message, error.column);
	cr_assert(trace_program_is_sound(&all.list[0].program), "%s", text);
	probe.view = trace_view_of(&all.list[0]);
	probe.view.event = "e";
	probe.view.place = "p";
}

/* The arguments of the event, or "" where there is none. */
static const char *read_one(void)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};
	char *start;

	for (bool more = trace_reader_begin(&reader); more;)
		more = trace_reader_next(&reader, &text);
	buffer[text.used] = '\0';
	start = strstr(buffer, reader.writer == &trace_format_json ? "\"args\":" : "(p)");
	if (!start)
		return "";
	start[strcspn(start, "\n")] = '\0';
	return start + (reader.writer == &trace_format_json ? strlen("\"args\":") : strlen("(p)"));
}

static const char *shown_with(const char *args, const struct ep_regs *regs)
{
	char text[1024];

	snprintf(text, sizeof(text), "p main %s", args);
	define(text);
	trace_record(NULL, (struct ep_regs *)regs, &probe);
	return read_one();
}

/* With %di and %si pointing somewhere. */
static const char *shown(const char *args, const void *first, const void *second)
{
	const struct ep_regs regs = {.rdi = (uint64_t)first, .rsi = (uint64_t)second};

	return shown_with(args, &regs);
}

/* ---- memory --------------------------------------------------------------------------------- */

struct inner {
	int32_t number;
	const char *text;
};

struct outer {
	uint8_t byte, flags;
	int16_t two;
	uint32_t four;
	double real;
	float small;
	struct inner *inner;
	const char *texts[3];
	int8_t row[5];
};

static struct inner inner = {-3, "inner"};
static struct outer outer = {
	200, 0xb4, -2, 0xdeadbeef, 2.5, -0.125f, &inner, {"a", "bc", NULL}, {1, -2, 3, -4, 5}};

#define OFFSET(member) offsetof(struct outer, member)

Test(trace_language, memory_of_each_size, .init = setup)
{
	char args[512];

	cr_expect_str_eq(shown("+0(%di):u8 +0(%di):s8 +0(%di):x8 +0(%di):char", &outer, NULL),
			 " arg1=200 arg2=-56 arg3=0xc8 arg4='.'");
	snprintf(args, sizeof(args), "a=+%zu(%%di):s16 b=+%zu(%%di):u16 c=+%zu(%%di):x32",
		 OFFSET(two), OFFSET(two), OFFSET(four));
	cr_expect_str_eq(shown(args, &outer, NULL), " a=-2 b=65534 c=0xdeadbeef");
	snprintf(args, sizeof(args), "f=+%zu(%%di):f64 g=+%zu(%%di):f32", OFFSET(real),
		 OFFSET(small));
	cr_expect_str_eq(shown(args, &outer, NULL), " f=2.5 g=-0.125");
	cr_assert_eq(OFFSET(real), 8);
	cr_expect_str_eq(shown("-4(%di):u32 +u4(%si):u32 +0x4(%si):u32", &outer.real, &outer),
			 " arg1=3735928559 arg2=3735928559 arg3=3735928559");
}

Test(trace_language, one_in_the_other, .init = setup)
{
	char args[512];

	snprintf(args, sizeof(args), "n=+0(+%zu(%%di)):s32 t=+0(+%zu(+%zu(%%di))):string",
		 OFFSET(inner), offsetof(struct inner, text), OFFSET(inner));
	cr_expect_str_eq(shown(args, &outer, NULL), " n=-3 t=\"inner\"");
}

Test(trace_language, bits, .init = setup)
{
	/* 0xb4 = 10110100 */
	cr_expect_str_eq(shown("+1(%di):b3@2/8 +1(%di):b1@7/8 +1(%di):b4@0/8 %si:b8@4/32", &outer,
			       (void *)0xabcd),
			 " arg1=5 arg2=1 arg3=4 arg4=188");
}

Test(trace_language, arrays, .init = setup)
{
	char args[512];

	snprintf(args, sizeof(args), "r=+%zu(%%di):s8[5] t=+%zu(%%di):string[3] o=+0(%%di):u8[1]",
		 OFFSET(row), OFFSET(texts));
	cr_expect_str_eq(shown(args, &outer, NULL),
			 " r={1,-2,3,-4,5} t={\"a\",\"bc\",(fault)} o=200");
	cr_expect_str_eq(shown("+0(%di):hex[3] +0(%di):x16[2]", "\x01\xff\x80\x7f", NULL),
			 " arg1=01ff80 arg2={0xff01,0x7f80}");
}

Test(trace_language, texts, .init = setup)
{
	static const char odd[] = "a\"b\\c\n\t\x1b[31m\xff\xc3\xa4\xc2\x9b";
	char exact[17] = "0123456789abcdef", more[18] = "0123456789abcdefg";

	cr_expect_str_eq(shown("+0(%di):string +0(%si):ustring", "", "x y"),
			 " arg1=\"\" arg2=\"x y\"");
	cr_expect_str_eq(shown("+0(%di):string", odd, NULL),
			 " arg1=\"a\\\"b\\\\c\\n\\t\\x1b[31m\\xff\xc3\xa4\\xc2\\x9b\"");
	cr_expect_str_eq(shown("+0(%di):string16 +0(%si):string16", exact, more),
			 " arg1=\"0123456789abcdef\" arg2=\"0123456789abcdef\"...");
	cr_expect_str_eq(shown("+0(%di):string3 +0(%si):string1", exact, ""),
			 " arg1=\"012\"... arg2=\"\"");
	cr_expect_str_eq(shown("\\\"it is\" \\-5:s64 \\0x10", NULL, NULL),
			 " arg1=\"it is\" arg2=-5 arg3=0x10");
}

/* Of every length, at every place in the page that is the last one. */
Test(trace_language, texts_at_the_end_of_memory, .init = setup)
{
	char wanted[128];

	for (size_t length = 0; length < 40; length++)
		for (size_t left = 1; left < 48; left++) {
			char *at = last_page + PAGE - left;
			bool ends = length < left;

			memset(last_page + PAGE - 48, 'x', 48);
			if (ends)
				at[length] = '\0';
			snprintf(wanted, sizeof(wanted), " arg1=\"%.*s\"%s",
				 (int)(ends ? length : left),
				 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
				 ends ? "" : "...");
			cr_assert_str_eq(shown("+0(%di):string64", at, NULL), wanted, "%zu of %zu",
					 length, left);
		}
}

Test(trace_language, what_is_not_there_is_a_fault, .init = setup)
{
	char *end = last_page + PAGE;

	cr_expect_str_eq(
		shown("+0(%di):u8 +0(%di):string +0(%di):u32[2] +0(%di):hex[4] +0(%di):sockaddr",
		      end, NULL),
		" arg1=(fault) arg2=(fault) arg3={(fault)} arg4=(fault) arg5=(fault)");
	cr_expect_str_eq(shown("a=+0(+0(%di)) b=%di:u8 c=+0(%si):u8", NULL, "\x07"),
			 " a=(fault) b=0 c=7");
	/* no byte more is read than is wanted */
	end[-1] = 9;
	cr_expect_str_eq(shown("+0(%di):u8 -1(%di):u16 +0(%di):u16", end - 1, NULL),
			 " arg1=9 arg2=2304 arg3=(fault)");
	memcpy(end - 8, "\1\0\2\0\3\0\4\0", 8);
	cr_expect_str_eq(shown("+0(%di):u16[5]", end - 8, NULL), " arg1={1,2,3,4,(fault)}");
	cr_expect_str_eq(shown("+0(%di)", (void *)0x8000000000000000, NULL), " arg1=(fault)");
}

Test(trace_language, faults_and_cuts_in_json, .init = setup)
{
	reader.writer = &trace_format_json;
	cr_expect_str_eq(
		shown("a=+0(%di) b=+0(%si):string2 c=+0(%si):string d=+0(%di):string n=%di "
		      "v=+0(%si):char[2]",
		      NULL, "xyz"),
		"{\"a\":null,\"b\":\"xy\",\"c\":\"xyz\",\"d\":null,\"n\":\"0x0\","
		"\"v\":[\"x\",\"y\"]},\"cut\":[\"b\"],\"fault\":[\"a\",\"d\"]}");
}

Test(trace_language, stack_and_arguments_on_it, .init = setup)
{
	const uint64_t stack[] = {100, 7, 8, 9};
	const struct ep_regs regs = {.rsp = (uint64_t)stack};
	char wanted[128];

	snprintf(wanted, sizeof(wanted), " arg1=100 arg2=9 arg3=7 arg4=9 arg5=%#" PRIx64, regs.rsp);
	cr_expect_str_eq(shown_with("$stack0:u64 $stack3:u64 $arg7:u64 $arg9:s32 $stack", &regs),
			 wanted);
}

Test(trace_language, addresses_of_sockets, .init = setup)
{
	const struct sockaddr_in four = {.sin_family = AF_INET,
					 .sin_port = htons(8080),
					 .sin_addr.s_addr = htonl(0x7f000001)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/x.sock"};
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0abstract"};
	const struct sockaddr other = {.sa_family = AF_NETLINK};

	six.sin6_addr.s6_addr[0] = 0x20;
	six.sin6_addr.s6_addr[1] = 0x01;
	six.sin6_addr.s6_addr[15] = 1;
	cr_expect_str_eq(shown("+0(%di):sockaddr +0(%si):sockaddr", &four, &six),
			 " arg1=127.0.0.1:8080 arg2=[2001::1]:443");
	memset(&six.sin6_addr, 0, 16);
	cr_expect_str_eq(shown("+0(%di):sockaddr +0(%si):sockaddr", &six, &path),
			 " arg1=[::]:443 arg2=unix:/run/x.sock");
	cr_expect_str_eq(shown("+0(%di):sockaddr +0(%si):sockaddr", &name, &other),
			 " arg1=unix:@abstract arg2=family 16");
}

Test(trace_language, what_the_reader_knows, .init = setup)
{
	char wanted[128];
	const char *line = shown("$tid $pid:u64 $comm", NULL, NULL);

	snprintf(wanted, sizeof(wanted), " arg1=%d arg2=77 arg3=\"", gettid());
	cr_expect_eq(strncmp(line, wanted, strlen(wanted)), 0, "%s", line);
	cr_expect_eq(probe.view.program->step_count, 1, "nothing is done in the hit");
}

/* ---- conditions ----------------------------------------------------------------------------- */

static bool passes(const char *condition, uint64_t first, uint64_t second)
{
	char args[512];

	snprintf(args, sizeof(args), "a=%%di:u64 b=%%si:s32 c=%%si:char if %s", condition);
	return *shown(args, (void *)first, (void *)second);
}

Test(trace_language, comparisons, .init = setup)
{
	static const struct {
		const char *condition;
		bool less, equal, greater; /* of 9, 10 and 11 */
	} rows[] = {
		{"a == 10", false, true, false},
		{"a != 10", true, false, true},
		{"a < 10", true, false, false},
		{"a <= 10", true, true, false},
		{"a > 10", false, false, true},
		{"a >= 10", false, true, true},
		{"10 < a", false, false, true},
		{"10 >= a", true, true, false},
		{"b > 0xa", false, false, true},
		{"b<012", true, false, false},
		{"%di == a && a==10", false, true, false},
		{"a&1", true, false, true},
		{"a & 2", false, true, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(passes(rows[i].condition, 9, 9), rows[i].less, "%s",
			     rows[i].condition);
		cr_expect_eq(passes(rows[i].condition, 10, 10), rows[i].equal, "%s",
			     rows[i].condition);
		cr_expect_eq(passes(rows[i].condition, 11, 11), rows[i].greater, "%s",
			     rows[i].condition);
	}
}

Test(trace_language, signs, .init = setup)
{
	cr_expect(passes("b < 0", 0, (uint64_t)-1));
	cr_expect(passes("b == -1", 0, 0xffffffff));
	cr_expect(passes("b > -2 && b < 1", 0, (uint64_t)-1));
	cr_expect_not(passes("a < 1", (uint64_t)-1, 0));
	cr_expect(passes("a > 9223372036854775807", 1ull << 63, 0));
	cr_expect(passes("%al == 0 || %di:s64 == -9223372036854775808", 1ull << 63, 0));
	cr_expect(passes("%di:u32 > b", 5, (uint64_t)-1));
}

Test(trace_language, units, .init = setup)
{
	cr_expect(passes("a == 4k", 4096, 0));
	cr_expect(passes("a == 1.5k", 1536, 0));
	cr_expect(passes("a == 2M && a == 0.001953125G", 2 << 20, 0));
	cr_expect(passes("a == 1ms", 1000000, 0));
	cr_expect(passes("a == 2.5us", 2500, 0));
	cr_expect(passes("a == 1s || a == 3ns", 3, 0));
	cr_expect(passes("c == 'x'", 0, 'x'));
	cr_expect(passes("c == \"x\"", 0, 'x'));
}

/* All ways in which three tests can come out, against C's own operators. */
Test(trace_language, conditions_are_as_in_c, .init = setup)
{
	for (int bits = 0; bits < 8; bits++) {
		bool A = bits & 1, B = bits & 2, C = bits & 4;
		const struct ep_regs regs = {.rdi = A, .rsi = B, .rdx = C};
		char text[256];

#define CHECK(condition)                                                                           \
	snprintf(text, sizeof(text), "A=%%di B=%%si C=%%dx if %s", #condition);                    \
	cr_expect_eq(*shown_with(text, &regs) != 0, (condition), "%s with %d", #condition, bits)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wparentheses"
		CHECK(A && B && C);
		CHECK(A || B || C);
		CHECK(A && B || C);
		CHECK(A || B && C);
		CHECK((A || B) && C);
		CHECK(A && (B || C));
		CHECK(!A);
		CHECK(!!A);
		CHECK(!(A && B));
		CHECK(!(A || B) || C);
		CHECK(!(A && !(B || !C)));
		CHECK(((A)));
		CHECK(!A && !B && !C);
		CHECK(!(!A || !(B && C)));
#pragma GCC diagnostic pop
	}
}

static bool text_passes(const char *condition, const char *text)
{
	char args[512];

	snprintf(args, sizeof(args), "s=+0(%%di):string8 if %s", condition);
	return *shown(args, text, NULL);
}

Test(trace_language, texts_in_conditions, .init = setup)
{
	cr_expect(text_passes("s == \"abc\"", "abc"));
	cr_expect_not(text_passes("s == \"abc\"", "abcd"));
	cr_expect_not(text_passes("s == \"abc\"", "ab"));
	cr_expect(text_passes("s != \"abc\"", "ab"));
	cr_expect_not(text_passes("s != \"abc\"", "abc"));
	cr_expect(text_passes("s == \"\"", ""));
	cr_expect(text_passes("s == \"a\\\"\\\\\"", "a\"\\"));
	cr_expect(text_passes("s == \"*\"", "*"));
	cr_expect_not(text_passes("s == \"*\"", "x"));
	/* longer than what is kept of it */
	cr_expect(text_passes("s == \"0123456789\"", "0123456789"));
	cr_expect(text_passes("+0(%di):string == \"x\" || +0(%di):string ~ \"y*\"", "yes"));
}

Test(trace_language, patterns, .init = setup)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{"*", "", true},
		{"*", "abc", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abc", true},
		{"a*c", "abd", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"???", "abc", true},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]x", "dx", true},
		{"[]]", "]", true},
		{"[a-]", "-", true},
		{"\\\\*", "*", true},
		{"\\\\*", "x", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "xxbxxaxx", false},
		{"/etc/*.conf", "/etc/a/b.conf", true},
		{"[a", "a", false},
		{"", "", true},
		{"", "x", false},
	};
	char condition[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(condition, sizeof(condition), "s ~ \"%s\"", rows[i].pattern);
		cr_expect_eq(text_passes(condition, rows[i].text), rows[i].matches, "%s of %s",
			     condition, rows[i].text);
		snprintf(condition, sizeof(condition), "s !~ \"%s\"", rows[i].pattern);
		cr_expect_neq(text_passes(condition, rows[i].text), rows[i].matches);
	}
}

/* What is not to be had is not equal to anything, and not unequal either. */
Test(trace_language, faults_pass_no_comparison, .init = setup)
{
	cr_expect_str_eq(shown("if +0(%di):u8 == 0", NULL, NULL), "");
	cr_expect_str_eq(shown("if +0(%di):u8 != 0", NULL, NULL), "");
	cr_expect_str_eq(shown("if !(+0(%di):u8 == 0)", NULL, NULL), "");
	define("p main x=%di if !(+0(%di):u8 == 0)");
	trace_record(NULL, &(struct ep_regs){0}, &probe);
	cr_expect_str_eq(read_one(), " x=0x0");
	cr_expect_not(text_passes("s == \"x\"", NULL));
	cr_expect_not(text_passes("s != \"x\"", NULL));
	cr_expect_not(text_passes("s ~ \"*\"", NULL));
}

static bool float_passes(const char *condition, double value, float small)
{
	struct {
		double value;
		float small;
	} pair = {value, small};
	char args[512];

	snprintf(args, sizeof(args), "d=+0(%%di):f64 f=+8(%%di):f32 if %s", condition);
	return *shown(args, &pair, NULL);
}

Test(trace_language, floats_in_conditions, .init = setup)
{
	static const double values[] = {-1e300, -2.5, -1, -0.0, 0, 1e-300, 0.1, 1, 2.5, 1e300};

	cr_expect(float_passes("d == 0.1 && f == 0.1", 0.1, 0.1f));
	cr_expect(float_passes("d < -1 && f > 2", -1.5, 2.5f));
	cr_expect(float_passes("d == 0", -0.0, 0));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			struct {
				double a, b;
			} pair = {values[i], values[k]};

			cr_expect_eq(*shown("x=+0(%di):f64 if x < +8(%di):f64", &pair, NULL) != 0,
				     values[i] < values[k], "%g < %g", values[i], values[k]);
		}
	cr_expect_not(float_passes("d == d || d < 1 || d >= 1 || d != 1", __builtin_nan(""), 0));
}

/* A hit that is no event costs what its condition looks at, and no more. */
Test(trace_language, condition_comes_first, .init = setup)
{
	define("p main s=+0(+8(%di)):string n=%si if n > 5");
	cr_expect_eq(probe.view.program->steps[0].code, TRACE_STEP_REGISTER);
	cr_expect_eq(probe.view.program->steps[1].code, TRACE_STEP_IF);
	cr_expect_eq(probe.view.program->steps[2].code, TRACE_STEP_REJECT);
}

/* Names that share their record with what is only looked at. */
Test(trace_language, many_values, .init = setup)
{
	char args[1024] = "", wanted[2048] = "";
	const struct ep_regs regs = {.rdi = 12};

	for (int i = 1; i <= 100; i++) {
		strcat(args, "%di:u8 ");
		sprintf(wanted + strlen(wanted), " arg%d=12", i);
	}
	strcat(args, "if arg100 == 12 && %si == 0 && %dx == 0");
	cr_expect_str_eq(shown_with(args, &regs), wanted);
}

/* ---- values for writers with types of their own --------------------------------------------- */

static char taken[4096];

static void take(const struct trace_format_writer *writer, struct trace_text *text,
		 const struct trace_event *event)
{
	static const char *const kinds[] = {"none", "unsigned", "signed", "hex", "double", "text"};
	char room[TRACE_BYTES_MAX + 1];
	const uint64_t *bulks = event->bulks;
	size_t used = 0;

	(void)writer;
	(void)text;
	for (uint32_t i = 0; i < event->view->arg_count; i++) {
		struct trace_text all = {room, sizeof(room), 0};
		struct trace_value value;
		double number;

		trace_value_take(event, i, &bulks, &all, &value);
		memcpy(&number, &value.number, sizeof(number));
		used += (size_t)snprintf(taken + used, sizeof(taken) - used, " %s",
					 kinds[value.kind]);
		if (value.kind == TRACE_VALUE_TEXT)
			used += (size_t)snprintf(taken + used, sizeof(taken) - used, ":%s",
						 value.text);
		else if (value.kind == TRACE_VALUE_DOUBLE)
			used += (size_t)snprintf(taken + used, sizeof(taken) - used, ":%g", number);
		else if (value.kind != TRACE_VALUE_NONE)
			used += (size_t)snprintf(taken + used, sizeof(taken) - used, ":%ld",
						 (long)value.number);
	}
}

static const char *taken_of(const char *args, const void *first, const void *second)
{
	static const struct trace_format_writer writer = {.event = take};

	reader.writer = &writer;
	taken[0] = '\0';
	shown(args, first, second);
	return taken;
}

Test(trace_language, values_are_taken_as_they_are, .init = setup)
{
	static const float smalls[] = {-0.125f, 0.0f, 1e-44f, INFINITY};
	static const uint64_t bad = 8;
	char args[512];

	cr_expect_str_eq(taken_of("%di:s32 %di:u8 %di:x16 %di:char", (void *)-3, NULL),
			 " signed:-3 unsigned:253 hex:65533 text:'.'");
	cr_expect_str_eq(taken_of("+0(%di):f32 +4(%di):f32 +8(%di):f32 +12(%di):f32", smalls, NULL),
			 " double:-0.125 double:0 double:9.80909e-45 double:inf");
	snprintf(args, sizeof(args),
		 "+%zu(%%di):f64 +%zu(%%di):s8[5] +0(%%si):string $comm +0(+0(%%si)):u64 "
		 "+0(+0(%%si)):string +0(%%si):string",
		 OFFSET(real), OFFSET(row));
	cr_expect_str_eq(taken_of(args, &outer, "a\n\xff"),
			 " double:2.5 text:{1,-2,3,-4,5} text:a\n\xff text:unit-trace none none "
			 "text:a\n\xff");
	cr_expect_str_eq(taken_of("+0(+0(%si)):u64 +0(+0(%si)):string %di:u8", (void *)7, &bad),
			 " none none unsigned:7");
}
