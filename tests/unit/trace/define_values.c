/* SPDX-License-Identifier: MIT */
/* ep_define() with conditions, and ep_values(): what handlers have of a definition's arguments. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/support/target.h"
#include "x86/cpu.h"

TestSuite(trace_define_values, .timeout = 400);

uint64_t values_target(uint64_t number, const char *text);
uint64_t values_longer(uint64_t number);
double values_half(double number);
extern uint32_t values_variable;

uint32_t values_variable = 77;

TARGET uint64_t values_target(uint64_t number, const char *text)
{
	__asm__ volatile("" : "+r"(number), "+r"(text));
	return number + 1;
}

TARGET double values_half(double number)
{
	__asm__ volatile("" : "+x"(number));
	return number / 2;
}

static jmp_buf way_out;

TARGET uint64_t values_longer(uint64_t number)
{
	if (number == 13)
		longjmp(way_out, 1);
	__asm__ volatile("" : "+r"(number));
	return number;
}

/* ---- what handlers were told ---------------------------------------------------------------- */

static struct ep_value values[16], jumped[16];
static size_t jumped_count;
static uint64_t memory[64], first_word;
static size_t value_count, memory_size = sizeof(memory), hits, entries, ends, of_another;

static void look(struct ep_probe *probe)
{
	value_count = ep_values(probe, values, 16, memory, memory_size);
	of_another = ep_values((const struct ep_probe *)memory, values, 16, memory, memory_size);
}

static void on_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)regs;
	look(probe);
	hits += cookie == &hits;
}

static void on_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	(void)regs;
	look(probe);
	call->words[0] = 4711;
	entries += cookie == &hits;
}

static void on_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)regs;
	look(probe);
	if (call->end == EP_END_JUMP) {
		jumped_count = value_count;
		memcpy(jumped, values, sizeof(jumped));
	}
	first_word = call->words[0];
	ends += cookie == &hits;
}

static const struct ep_options of_hits = {
	.size = sizeof(of_hits), .handler = on_hit, .cookie = &hits};
static const struct ep_options of_calls = {
	.size = sizeof(of_calls), .entered = on_entry, .ended = on_end, .cookie = &hits};
static struct ep_probe **probes;
static size_t count;

static void define(const char *text, const struct ep_options *options)
{
	struct ep_error_at error = {0};

	cr_assert_eq(ep_define(text, options, &probes, &count, &error), 0, "%s: %s", text,
		     error.message);
	cr_assert_eq(count, 1);
}

static void undefine(void)
{
	cr_expect_eq(ep_probe_remove_batch(probes, count), 0);
	free(probes);
}

static struct ep_info info(void)
{
	struct ep_info ret = {.size = sizeof(ret)};

	cr_assert_eq(ep_probe_info(probes[0], &ret), 0);
	return ret;
}

static void expect_number(size_t i, const char *name, enum ep_value_kind kind, uint64_t number,
			  size_t size)
{
	cr_assert_lt(i, value_count);
	cr_expect_str_eq(values[i].name, name);
	cr_expect_eq(values[i].kind, kind, "%s", name);
	cr_expect_eq(values[i].state, EP_VALUE_WHOLE, "%s", name);
	cr_expect_eq(values[i].number, number, "%s: %lx", name, (unsigned long)values[i].number);
	cr_expect_eq(values[i].size, size, "%s: %zu", name, values[i].size);
	cr_expect_null(values[i].bytes);
}

static void expect_text(size_t i, enum ep_value_state state, const char *text)
{
	cr_assert_lt(i, value_count);
	cr_expect_eq(values[i].kind, EP_VALUE_TEXT);
	cr_expect_eq(values[i].state, state, "%zu: %d", i, values[i].state);
	cr_expect_str_eq(values[i].bytes, text);
	cr_expect_eq(values[i].size, strlen(text));
}

static void expect_state(size_t i, enum ep_value_state state)
{
	cr_assert_lt(i, value_count);
	cr_expect_eq(values[i].state, state, "%zu: %d", i, values[i].state);
}

/* ---- conditions ----------------------------------------------------------------------------- */

static void check_hits(enum ep_plan plan, const struct ep_options *from)
{
	struct ep_options options = *from;
	struct ep_counts elsewhere = {0};

	for (int shared = 0; shared < 2; shared++) {
		hits = 0;
		options.plan = plan;
		options.counts = shared ? &elsewhere : NULL;
		define("p values_target number=%di if number >= 3 && number != 5", &options);
		for (uint64_t i = 0; i < 10; i++)
			cr_expect_eq(values_target(i, ""), i + 1);
		cr_expect_eq(hits, options.handler ? 6 : 0);
		cr_expect_eq(info().hits, 6, "plan %d", plan);
		ep_probe_disable(probes[0]);
		values_target(7, "");
		ep_probe_enable(probes[0]);
		values_target(8, "");
		cr_expect_eq(info().hits, 7, "plan %d", plan);
		undefine();
	}
	cr_expect_eq(elsewhere.hits, 7);
}

Test(trace_define_values, only_what_the_condition_wants_is_handled_and_counted)
{
	const struct ep_options none = {.size = sizeof(none)};
	enum ep_plan plans[] = {EP_PLAN_TRAP, EP_PLAN_AUTO};

	for (int i = 0; i < 2; i++) {
		check_hits(plans[i], &of_hits);
		check_hits(plans[i], &none);
	}
}

Test(trace_define_values, conditions_of_calls_are_decided_at_their_end)
{
	define("r values_target if $retval > 10", &of_calls);
	for (uint64_t i = 0; i < 20; i++)
		values_target(i, "");
	cr_expect_eq(entries, 20);
	cr_expect_eq(ends, 10);
	cr_expect_eq(info().hits, 10);
	cr_expect_eq(info().returns, 10);
	undefine();
	define("r values_target if $retval > 10", NULL);
	for (uint64_t i = 0; i < 20; i++)
		values_target(i, "");
	cr_expect_eq(info().hits, 10);
	cr_expect_eq(info().returns, 10);
	undefine();
}

/* Of hits, whose calls are followed: at the entry, for both. */
Test(trace_define_values, conditions_of_hits_are_decided_at_the_entry)
{
	define("p values_longer number=%di if number > 10", &of_calls);
	for (uint64_t i = 0; i < 12; i++)
		values_longer(i);
	if (!setjmp(way_out))
		values_longer(13);
	values_longer(14);
	cr_expect_eq(entries, 3);
	cr_expect_eq(ends, 3);
	cr_expect_eq(info().hits, 3);
	cr_expect_eq(info().returns, 2);
	cr_expect_eq(info().abandoned, 1);
	undefine();
	entries = 0;
	define("p values_longer number=%di if number == 20", &of_calls);
	if (!setjmp(way_out))
		values_longer(13);
	values_longer(20);
	cr_expect_eq(entries, 1);
	cr_expect_eq(info().hits, 1);
	cr_expect_eq(info().returns, 1);
	cr_expect_eq(info().abandoned, 0);
	undefine();
}

/* ---- values --------------------------------------------------------------------------------- */

Test(trace_define_values, numbers)
{
	define("p values_target a=%di:u8 b=%di:s16 c=%di:x32 d=%di:b4@4/8 e=@values_variable:u32 "
	       "f=+0(%si):char g=$tid g2=$pid if a != 1",
	       &of_hits);
	values_target(0xfffffffe, "x");
	cr_assert_eq(value_count, 8);
	expect_number(0, "a", EP_VALUE_UNSIGNED, 0xfe, 1);
	expect_number(1, "b", EP_VALUE_SIGNED, (uint64_t)-2, 2);
	expect_number(2, "c", EP_VALUE_HEX, 0xfffffffe, 4);
	cr_expect_eq(values[3].number, 0xf);
	expect_number(4, "e", EP_VALUE_UNSIGNED, 77, 4);
	expect_number(5, "f", EP_VALUE_CHAR, 'x', 1);
	cr_expect_eq(values[6].number, (uint64_t)gettid());
	cr_expect_eq(values[7].number, (uint64_t)getpid());
	cr_expect_eq(of_another, 0);
	cr_expect_eq(ep_values(probes[0], values, 16, NULL, 0), 0, "there is no handler");
	undefine();
}

static void check_floats(enum ep_plan plan)
{
	struct ep_options options = of_hits;
	double got;

	options.plan = plan;
	define("p values_half x=%xmm0:f64", &options);
	cr_expect_eq(values_half(2.5), 1.25);
	cr_assert_eq(value_count, 1);
	cr_expect_eq(values[0].kind, EP_VALUE_FLOAT);
	cr_expect_eq(values[0].size, 8);
	memcpy(&got, &values[0].number, sizeof(got));
	cr_expect_eq(got, 2.5);
	undefine();
}

Test(trace_define_values, floats)
{
	check_floats(EP_PLAN_TRAP);
	check_floats(EP_PLAN_AUTO);
}

/* Each register has its own number in it, and its upper half is not in use. */
void values_in_vectors(void);
void values_of_vectors(void);

__asm__("	.text\n"
	"	.globl	values_in_vectors, values_of_vectors\n"
	"	.type	values_in_vectors, @function\n"
	"	.type	values_of_vectors, @function\n"
	"values_in_vectors:\n"
	"	xorl	%eax, %eax\n"
	"	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	pxor	%xmm\\n, %xmm\\n\n"
	"	cvtsi2sd	%eax, %xmm\\n\n"
	"	incl	%eax\n"
	"	.endr\n"
	"	call	values_of_vectors\n"
	"	ret\n"
	"	.size	values_in_vectors, .-values_in_vectors\n"
	"values_of_vectors:\n"
	"	.cfi_startproc\n"
	"	movl	%eax, %ecx\n"
	"	movl	%eax, %edx\n"
	"	movl	%eax, %esi\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size	values_of_vectors, .-values_of_vectors\n");

/* By the detour for a processor without what @mask has. */
static void check_vectors(const char *mask)
{
	char text[512];
	size_t size = (size_t)snprintf(text, sizeof(text), "p values_of_vectors");
	double got;

	cr_assert_null(x86_cpu_mask(mask));
	for (int i = 0; i < 16; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, " x%d=%%xmm%d:f64", i,
					 i);
	define(text, &of_hits);
	cr_expect_eq(info().plan, EP_PLAN_JUMP);
	values_in_vectors();
	cr_assert_eq(value_count, 16);
	for (int i = 0; i < 16; i++) {
		memcpy(&got, &values[i].number, sizeof(got));
		cr_expect_eq(got, i, "xmm%d", i);
	}
	undefine();
}

Test(trace_define_values, vectors)
{
	check_vectors("");
}

Test(trace_define_values, vectors_without_byte_masks)
{
	check_vectors("avx512bw");
}

Test(trace_define_values, vectors_without_avx512)
{
	check_vectors("avx512");
}

Test(trace_define_values, vectors_without_avx)
{
	check_vectors("avx");
}

Test(trace_define_values, texts)
{
	define("p values_target t=+0(%si):string limited=+0(%si):string4 gone=+0(%di):string "
	       "me=$comm",
	       &of_hits);
	values_target(16, "eight by");
	cr_assert_eq(value_count, 4);
	expect_text(0, EP_VALUE_WHOLE, "eight by");
	expect_text(1, EP_VALUE_CUT, "eigh");
	expect_text(2, EP_VALUE_FAULT, "");
	expect_state(3, EP_VALUE_WHOLE);
	cr_expect(values[3].size);
	undefine();
}

/* Without enough of it, what was given is not left. */
Test(trace_define_values, memory_of_any_size_will_do)
{
	static const char text[] = "a text that is rather long";

	define("p values_target t=+0(%si):string b=+0(%si):hex[20] l=+0(%si):u32[4]", &of_hits);
	for (memory_size = 0; memory_size < 160; memory_size++) {
		memset(memory, 0xee, sizeof(memory));
		values_target(1, text);
		cr_assert_eq(value_count, 3);
		for (size_t i = memory_size; i < sizeof(memory); i++)
			cr_assert_eq(((unsigned char *)memory)[i], 0xee, "%zu", memory_size);
		for (size_t i = 0; i < 3; i++) {
			bool whole = values[i].size == (size_t[]){26, 20, 16}[i];

			cr_assert_eq(values[i].state, whole ? EP_VALUE_WHOLE : EP_VALUE_CUT);
			cr_assert_eq(memcmp(values[i].bytes, text, values[i].size), 0);
		}
		cr_assert_eq(((const char *)values[0].bytes)[values[0].size], '\0');
	}
	expect_state(2, EP_VALUE_WHOLE);
	cr_expect_eq(values[1].elements + values[2].elements, 4);
	undefine();
}

Test(trace_define_values, arrays)
{
	const char *texts[] = {"one", NULL, "three"};

	define("p values_target t=+0(%si):string4[3] s=+0(%si):symbol[3] gone=+0(%di):string[2] "
	       "numbers=+0(%di):u8[4] last=%di",
	       &of_hits);
	values_target(9, (const char *)texts);
	cr_assert_eq(value_count, 8);
	expect_text(0, EP_VALUE_WHOLE, "one");
	expect_text(1, EP_VALUE_FAULT, "");
	expect_text(2, EP_VALUE_CUT, "thre");
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(values[i].element, i);
	cr_expect_eq(values[3].kind, EP_VALUE_SYMBOL);
	cr_expect_eq(values[3].elements, 3);
	cr_expect_eq(values[3].size, sizeof(texts));
	cr_expect_eq(memcmp(values[3].bytes, texts, sizeof(texts)), 0);
	expect_text(4, EP_VALUE_FAULT, "");
	expect_text(5, EP_VALUE_FAULT, "");
	expect_state(6, EP_VALUE_FAULT);
	expect_number(7, "last", EP_VALUE_HEX, 9, 8);
	undefine();
}

Test(trace_define_values, addresses_of_sockets)
{
	struct sockaddr address = {.sa_family = AF_INET, .sa_data = "1234567890123"};

	define("p values_target a=+0(%si):sockaddr", &of_hits);
	values_target(1, (const char *)&address);
	cr_assert_eq(value_count, 1);
	cr_expect_eq(values[0].kind, EP_VALUE_SOCKADDR);
	expect_state(0, EP_VALUE_WHOLE);
	cr_expect_eq(values[0].size, 16);
	cr_expect_eq(memcmp(values[0].bytes, &address, 16), 0);
	memory_size = 32;
	values_target(1, (const char *)&address);
	expect_state(0, EP_VALUE_CUT);
	cr_expect_eq(values[0].size, 0);
	undefine();
}

Test(trace_define_values, calls)
{
	uint64_t before = 0;

	define("r values_target arg=$arg1 text=+0($arg2):string ret=$retval took=$latency when=$ts",
	       &of_calls);
	values_target(41, "given");
	cr_assert_eq(value_count, 5);
	expect_number(0, "arg", EP_VALUE_HEX, 41, 8);
	expect_text(1, EP_VALUE_WHOLE, "given");
	expect_number(2, "ret", EP_VALUE_HEX, 42, 8);
	cr_expect_gt(values[3].number, before);
	cr_expect_gt(values[4].number, values[3].number);
	cr_expect_eq(first_word, 4711, "the handlers' own");
	undefine();
}

Test(trace_define_values, what_did_not_return_is_absent)
{
	define("r values_longer arg=$arg1 ret=$retval text=+0($retval):string took=$latency",
	       &of_calls);
	if (!setjmp(way_out))
		values_longer(13);
	values_longer(1); /* the one before is found to be over: its values were looked at first */
	cr_expect_eq(ends, 2);
	cr_expect_eq(info().abandoned, 1);
	cr_assert_eq(value_count, 4);
	expect_number(0, "arg", EP_VALUE_HEX, 1, 8);
	expect_number(1, "ret", EP_VALUE_HEX, 1, 8);
	expect_state(2, EP_VALUE_FAULT);
	cr_assert_eq(jumped_count, 4);
	cr_expect_eq(jumped[0].number, 13);
	for (int i = 1; i < 4; i++)
		cr_expect_eq(jumped[i].state, EP_VALUE_ABSENT, "%d", i);
	undefine();
}

/* The parsed list goes with the last of its probes. */
Test(trace_define_values, memory_is_freed)
{
	size_t before = 0;

	for (int i = 0; i < 300; i++) {
		define("p values_target t=+0(%si):string if t == \"never\"", &of_hits);
		values_target(1, "");
		undefine();
		if (i == 99)
			before = mallinfo2().uordblks;
	}
	cr_expect_leq(mallinfo2().uordblks, before + 4096);
}

Test(trace_define_values, some_of_a_list_may_be_removed)
{
	struct ep_error_at error = {0};

	cr_assert_eq(
		ep_define("p values_target a=%di if a > 1; p values_longer b=%di; p values_half",
			  &of_hits, &probes, &count, &error),
		0, "%s", error.message);
	cr_assert_eq(count, 3);
	cr_expect_eq(ep_probe_remove(probes[0]), 0);
	values_longer(9);
	expect_number(0, "b", EP_VALUE_HEX, 9, 8);
	values_half(1);
	cr_expect_eq(value_count, 0);
	cr_expect_eq(hits, 2);
	ep_probe_remove(probes[2]);
	values_longer(10);
	expect_number(0, "b", EP_VALUE_HEX, 10, 8);
	ep_probe_remove(probes[1]);
	free(probes);
}

/* ---- histograms ------------------------------------------------------------------------------ */

static struct ep_histogram histogram;

static uint64_t in_buckets(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < EP_HISTOGRAM_OCTAVES; i++)
		for (int k = 0; k < EP_HISTOGRAM_BUCKETS; k++)
			sum += histogram.buckets[i][k];
	return sum;
}

static void define_histogram(const char *text, const struct ep_options *from)
{
	struct ep_options options = *from;

	memset(&histogram, 0, sizeof(histogram));
	options.histogram = &histogram;
	define(text, &options);
}

static const struct ep_options no_handlers = {.size = sizeof(no_handlers)};

static void check_histogram_of_hits(const struct ep_options *options)
{
	define_histogram("p values_target a=%di:u64", options);
	for (uint64_t i = 1; i <= 1000; i++)
		values_target(i, "");
	cr_expect_eq(histogram.count, 1000);
	cr_expect_eq(histogram.sum, 500500);
	cr_expect_eq(in_buckets(), 1000);
	cr_expect_eq(histogram.buckets[0][7], 1);
	cr_expect_eq(histogram.buckets[2][0], 2, "32 and 33");
	cr_expect_eq(ep_histogram_quantile(&histogram, 0), 1);
	cr_expect_geq(ep_histogram_quantile(&histogram, 500000), 484);
	cr_expect_leq(ep_histogram_quantile(&histogram, 500000), 516);
	cr_expect_geq(ep_histogram_quantile(&histogram, 1000000), 969);
	cr_expect_leq(ep_histogram_quantile(&histogram, 1000000), 1031);
	cr_expect_eq(info().hits, 1000);
	undefine();
}

Test(trace_define_values, histogram_of_an_argument)
{
	struct ep_options by_trap = no_handlers;

	check_histogram_of_hits(&no_handlers);
	check_histogram_of_hits(&of_hits);
	by_trap.plan = EP_PLAN_TRAP;
	check_histogram_of_hits(&by_trap);
}

Test(trace_define_values, histogram_of_what_a_condition_takes)
{
	define_histogram("p values_target a=%di:u64 if a > 900", &no_handlers);
	for (uint64_t i = 1; i <= 1000; i++)
		values_target(i, "");
	cr_expect_eq(histogram.count, 100);
	cr_expect_eq(info().hits, 100);
	undefine();
}

Test(trace_define_values, histogram_of_calls)
{
	define_histogram("r values_longer got=$retval:u32", &no_handlers);
	for (uint64_t i = 100; i < 110; i++)
		values_longer(i);
	cr_expect_eq(histogram.count, 10);
	cr_expect_eq(histogram.sum, 1045);
	cr_expect_eq(info().returns, 10);
	undefine();
	define_histogram("r values_longer ns=$latency", &no_handlers);
	for (uint64_t i = 100; i < 110; i++)
		values_longer(i);
	cr_expect_eq(histogram.count, 10);
	cr_expect_lt(ep_histogram_quantile(&histogram, 0), 1000000);
	cr_expect_leq(ep_histogram_quantile(&histogram, 0),
		      ep_histogram_quantile(&histogram, 1000000));
	undefine();
}

Test(trace_define_values, histogram_of_what_is_not_there)
{
	define_histogram("r values_longer got=$retval:u32", &no_handlers);
	if (!setjmp(way_out))
		values_longer(13);
	values_longer(20);
	cr_expect_eq(histogram.count, 1, "nothing was returned by the first one");
	cr_expect_eq(histogram.sum, 20);
	undefine();
	define_histogram("p values_target a=%di:s64", &no_handlers);
	values_target((uint64_t)-5, "");
	cr_expect_eq(histogram.count, 1);
	cr_expect_eq(histogram.buckets[0][0], 1, "what is below 0 counts as 0");
	undefine();
}

Test(trace_define_values, histogram_of_no_number)
{
	static const char *const wrong[] = {
		"p values_target", "r values_target", "p values_target a=+0(%si):string",
		"p values_half a=%xmm0:f64", "p values_target a=+0(%si):u8[4]"};
	struct ep_options options = no_handlers;
	struct ep_probe **none = NULL, *one;

	options.histogram = &histogram;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ep_error_at error = {0};

		cr_expect_eq(ep_define(wrong[i], &options, &none, &count, &error), -EP_INVALID,
			     "%s", wrong[i]);
		cr_expect(strstr(error.message, "not a number"), "%s", error.message);
		cr_expect_eq(error.column, 2);
	}
	cr_expect_eq(ep_probe_create((const void *)values_target, &options, &one), -EP_INVALID);
}

static void *add_many(void *unused)
{
	for (uint64_t i = 0; i < 100000; i++)
		ep_histogram_add(&histogram, i % 64);
	return unused;
}

Test(trace_define_values, histograms_of_several_threads_and_at_their_ends)
{
	pthread_t threads[4];

	memset(&histogram, 0, sizeof(histogram));
	cr_expect_eq(ep_histogram_quantile(&histogram, 500000), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
	cr_expect_eq(histogram.count, 400000);
	cr_expect_eq(in_buckets(), 400000);
	memset(&histogram, 0, sizeof(histogram));
	ep_histogram_add(&histogram, UINT64_MAX);
	cr_expect_eq(histogram.buckets[EP_HISTOGRAM_OCTAVES - 1][EP_HISTOGRAM_BUCKETS - 1], 1);
	cr_expect_gt(ep_histogram_quantile(&histogram, 500000), (uint64_t)INT64_MAX / 32 * 30);
	cr_expect_leq(ep_histogram_quantile(&histogram, 2000000), (uint64_t)INT64_MAX);
}
