/* SPDX-License-Identifier: MIT */
/*
 * Claim: a call that is followed to its end is the call that it was: it finds its arguments, and
 * its caller the result, wherever the ABI has put them; handlers may change both, and nothing else
 * changes.
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/probe/followed.h"
#include "x86/cpu.h"

TestSuite(calls, .timeout = 400);

enum { THREADS = 8, RECORDS = 8192 };

/* ---- functions of all kinds ---------------------------------------------------------------- */

struct pair {
	int64_t low, high;
};

struct mixed {
	int64_t number;
	double real;
};

struct large {
	int64_t numbers[7];
};

FOLLOWED long plain(long a)
{
	FOLLOWED_STAY();
	return a * 7 + 1;
}

FOLLOWED long nested(long a)
{
	FOLLOWED_STAY();
	return plain(a) + plain(a + 1);
}

FOLLOWED double stacked(int a, double b, long c, double d, int e, double f, long g, double h, int i,
			double j, long k, double l, int m, double n, long o, double p, int q,
			double r, long s, double t, int u, double v, long w, double x)
{
	FOLLOWED_STAY();
	return a + 2 * b + 3 * (double)c + 4 * d + 5 * e + 6 * f + 7 * (double)g + 8 * h + 9 * i +
	       10 * j + 11 * (double)k + 12 * l + 13 * m + 14 * n + 15 * (double)o + 16 * p +
	       17 * q + 18 * r + 19 * (double)s + 20 * t + 21 * u + 22 * v + 23 * (double)w +
	       24 * x;
}

FOLLOWED struct pair in_two(long a)
{
	FOLLOWED_STAY();
	return (struct pair){a + 1, -a};
}

FOLLOWED struct mixed in_both(long a)
{
	FOLLOWED_STAY();
	return (struct mixed){a + 1, (double)a / 4};
}

FOLLOWED struct large in_memory(long a)
{
	struct large ret;

	FOLLOWED_STAY();
	for (int i = 0; i < 7; i++)
		ret.numbers[i] = a * i;
	return ret;
}

FOLLOWED double real(double a)
{
	FOLLOWED_STAY();
	return a / 3;
}

FOLLOWED long double long_real(long double a)
{
	FOLLOWED_STAY();
	return a / 3;
}

FOLLOWED double variable(int count, ...)
{
	va_list list;
	double ret = 0;

	va_start(list, count);
	for (int i = 0; i < count; i++)
		ret += i % 2 ? va_arg(list, double) : (double)va_arg(list, long);
	va_end(list);
	return ret;
}

FOLLOWED long recursive(long depth)
{
	long ret = depth ? recursive(depth - 1) + 1 : 0;

	FOLLOWED_STAY();
	return ret;
}

struct results {
	long plain, nested;
	double stacked;
	struct pair pair;
	long number;
	double number_real;
	struct large large;
	double real;
	long double long_real;
	double variable[2];
};

static void call_all(long a, struct results *ret)
{
	struct mixed both = in_both(a);

	memset(ret, 0, sizeof(*ret)); /* padding is compared, too */
	ret->plain = plain(a);
	ret->nested = nested(a);
	ret->stacked = stacked(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
			       20, 21, 22, a, 24);
	ret->pair = in_two(a);
	ret->number = both.number;
	ret->number_real = both.real;
	ret->large = in_memory(a);
	ret->real = real((double)a);
	ret->long_real = long_real((long double)a);
	ret->variable[0] = variable(12, 1l, 2., 3l, 4., 5l, 6., 7l, 8., 9l, 10., a, 12.);
	ret->variable[1] = variable(1, a);
}

static const struct {
	const void *function;
	uint64_t calls; /* in call_all() */
} functions[] = {
	{(const void *)plain, 3},  {(const void *)nested, 1},	 {(const void *)stacked, 1},
	{(const void *)in_two, 1}, {(const void *)in_both, 1},	 {(const void *)in_memory, 1},
	{(const void *)real, 1},   {(const void *)long_real, 1}, {(const void *)variable, 2},
};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]), TIMES = 300 };

static _Atomic uint64_t differ;

static bool is_same(const struct results *a, const struct results *b)
{
	return a->plain == b->plain && a->nested == b->nested && a->stacked == b->stacked &&
	       a->pair.low == b->pair.low && a->pair.high == b->pair.high &&
	       a->number == b->number && a->number_real == b->number_real &&
	       memcmp(&a->large, &b->large, sizeof(a->large)) == 0 && a->real == b->real &&
	       a->long_real == b->long_real && a->variable[0] == b->variable[0] &&
	       a->variable[1] == b->variable[1];
}

static void *work(void *data)
{
	const struct results *bare = data;

	for (long i = 0; i < TIMES; i++) {
		struct results now;

		call_all(i, &now);
		differ += !is_same(&now, &bare[i]);
	}
	return NULL;
}

static void check_results(enum ep_plan plan, unsigned int threads, struct results *bare)
{
	struct followed followed[FUNCTIONS];

	for (int i = 0; i < FUNCTIONS; i++)
		followed_begin(&followed[i], functions[i].function, plan);
	differ = 0;
	if (threads == 1)
		work(bare);
	else
		followed_in_threads(threads, work, bare);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	for (int i = 0; i < FUNCTIONS; i++) {
		uint64_t calls = functions[i].calls * TIMES * threads;

		followed_end(&followed[i], followed_plan_name(plan),
			     (struct followed_counts){.hits = calls, .returns = calls});
	}
}

Test(calls, give_their_results)
{
	static struct results bare[TIMES];

	for (long i = 0; i < TIMES; i++)
		call_all(i, &bare[i]);
	FOLLOWED_EACH_WAY(plan)
	{
		check_results(plan, 1, bare);
		check_results(plan, THREADS, bare);
	}
}

/* ---- recursion ----------------------------------------------------------------------------- */

static void *recurse(void *data)
{
	long depth = *(long *)data;

	differ += recursive(depth) != depth;
	return NULL;
}

/* Those beyond what is remembered are missed; they return all the same. */
static void check_recursion(enum ep_plan plan, long depth, unsigned int threads)
{
	uint64_t calls = (uint64_t)depth + 1, followed_calls = calls < RECORDS ? calls : RECORDS;
	struct followed followed;
	char what[64];

	snprintf(what, sizeof(what), "%s, depth %ld", followed_plan_name(plan), depth);
	followed_begin(&followed, (const void *)recursive, plan);
	differ = 0;
	for (int i = 0; i < 3; i++)
		followed_in_threads(threads, recurse, &depth);
	cr_expect_eq(differ, 0, "%s", what);
	followed_end(&followed, what,
		     (struct followed_counts){.hits = 3 * threads * followed_calls,
					      .returns = 3 * threads * followed_calls,
					      .missed = 3 * threads * (calls - followed_calls)});
}

Test(calls, may_be_recursive)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_recursion(plan, 1000, 1);
		check_recursion(plan, 1000, THREADS);
		check_recursion(plan, RECORDS - 1, 1);
		check_recursion(plan, 9000, 1);
		check_recursion(plan, 9000, 2);
	}
}

/* ---- what handlers change ------------------------------------------------------------------ */

static void double_argument(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			    void *cookie)
{
	(void)probe;
	(void)cookie;
	call->words[0] = regs->rdi;
	regs->rdi *= 2;
}

static void change_results(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			   void *cookie)
{
	double low;

	(void)probe;
	regs->rax += 1000 + call->words[0];
	regs->rdx -= 1000;
	if (!call->xmm0)
		return;
	++*(uint64_t *)cookie;
	memcpy(&low, call->xmm0, sizeof(low));
	low *= 16;
	memcpy(call->xmm0, &low, sizeof(low));
}

static void *get_changed(void *data)
{
	(void)data;
	for (long i = 0; i < TIMES; i++) {
		struct pair pair = in_two(i);
		struct mixed both = in_both(i);

		differ += plain(i) != 14 * i + 1 + 1000 + i;
		differ += pair.low != 2 * i + 1 + 1000 + i || pair.high != -2 * i - 1000;
		differ += both.number != 2 * i + 1 + 1000 + i || both.real != (double)i / 2 * 16;
		differ += real(48) != 256;
	}
	return NULL;
}

static void check_changed(enum ep_plan plan, unsigned int threads)
{
	static const void *const changed[] = {(const void *)plain, (const void *)in_two,
					      (const void *)in_both, (const void *)real};
	struct ep_probe *probes[4];
	uint64_t with_xmm0 = 0;
	struct ep_options options = {.size = sizeof(options),
				     .plan = plan,
				     .cookie = &with_xmm0,
				     .entered = double_argument,
				     .ended = change_results};

	for (int i = 0; i < 4; i++) {
		options.plan = followed_plan(changed[i], plan);
		cr_assert_eq(ep_probe_create(changed[i], &options, &probes[i]), 0);
	}
	differ = 0;
	followed_in_threads(threads, get_changed, NULL);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	cr_expect_gt(with_xmm0, 0);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(ep_probe_remove(probes[i]), 0);
}

Test(calls, get_what_handlers_write)
{
	FOLLOWED_EACH_PLAN(plan)
	{
		check_changed(plan, 1);
		check_changed(plan, THREADS);
	}
}

/* Without vector registers there is no xmm0. */
static void look_at_xmm0(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			 void *cookie)
{
	(void)probe;
	(void)regs;
	*(uint64_t *)cookie += call->xmm0 != NULL;
	__asm__ volatile("pxor %%xmm7, %%xmm7"
			 :
			 :
			 : "xmm7"); /* else the engine sees it by itself */
}

Test(calls, have_xmm0_unless_the_handler_says_that_it_is_general)
{
	FOLLOWED_EACH_PLAN(plan)
	{
		uint64_t seen = 0;
		struct ep_probe *probe;
		struct ep_options options = {.size = sizeof(options),
					     .plan = followed_plan((const void *)real, plan),
					     .cookie = &seen,
					     .ended = look_at_xmm0};

		/* First: what is saved at a return is never less than before. */
		options.flags = EP_GENERAL_REGS_ONLY;
		cr_assert_eq(ep_probe_create((const void *)long_real, &options, &probe), 0);
		long_real(1);
		cr_expect_eq(seen, 0, "%s", followed_plan_name(plan));
		cr_expect_eq(ep_probe_remove(probe), 0);
		options.flags = 0;
		cr_assert_eq(ep_probe_create((const void *)real, &options, &probe), 0);
		real(1);
		cr_expect_eq(seen, 1, "%s", followed_plan_name(plan));
		cr_expect_eq(ep_probe_remove(probe), 0);
	}
}

/* ---- vector registers ---------------------------------------------------------------------- */

/* It changes nothing but RAX and the flags. */
__asm__(".pushsection .text\n"
	".p2align 4\n"
	".type calls_quiet, @function\n"
	"calls_quiet:\n"
	".cfi_startproc\n"
	"	leaq	1(%rdi), %rax\n"
	"	leaq	2(%rax), %rax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size calls_quiet, .-calls_quiet\n"
	".popsection\n");
long calls_quiet(long a);

/* Load all vector registers from @from, call calls_quiet(), store them to @to. */
__asm__(".pushsection .text\n"
	".p2align 4\n"
	".type calls_with_ymm, @function\n"
	"calls_with_ymm:\n"
	".cfi_startproc\n"
	"	pushq	%rbx\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_offset rbx, -16\n"
	"	movq	%rsi, %rbx\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vmovups	32*\\n(%rdi), %ymm\\n\n"
	".endr\n"
	"	call	calls_quiet\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vmovups	%ymm\\n, 32*\\n(%rbx)\n"
	".endr\n"
	"	vzeroupper\n"
	"	popq	%rbx\n"
	".cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size calls_with_ymm, .-calls_with_ymm\n"
	".popsection\n");
void calls_with_ymm(const void *from, void *to);

static void spoil_vectors(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			  void *cookie)
{
	(void)probe;
	(void)regs;
	(void)call;
	(void)cookie;
	__asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\t"
			 "vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0\n\t"
			 ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\t"
			 "vmovups %%ymm0, %%ymm\\n\n\t"
			 ".endr"
			 :
			 :
			 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* A detour loads upper halves only if it finds a bit in one of them: so none, or one, or all. */
static void fill_ymm(uint8_t registers[16 * 32], uint8_t seed, unsigned int round)
{
	for (unsigned int k = 0; k < 16 * 32; k++)
		registers[k] = (uint8_t)(seed + k * 37 + round);
	if (round % 3 == 0)
		return;
	for (unsigned int n = 0; n < 16; n++)
		memset(registers + n * 32 + 16, 0, 16);
	if (round % 3 == 1)
		registers[round / 3 % 16 * 32 + 16 + round / 48 % 16] = 1;
}

static void *keep_ymm(void *data)
{
	uint8_t from[16 * 32], to[16 * 32];
	uint8_t seed = (uint8_t)(uint64_t)&from;

	(void)data;
	for (int i = 0; i < TIMES; i++) {
		fill_ymm(from, seed, (unsigned int)i);
		memset(to, 0, sizeof(to));
		calls_with_ymm(from, to);
		differ += memcmp(from, to, sizeof(to)) != 0;
	}
	return NULL;
}

static void expect_ymm_kept(void)
{
	FOLLOWED_EACH_PLAN(plan)
	{
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .entered = spoil_vectors,
					     .ended = spoil_vectors};
		struct ep_probe *probe;

		differ = 0;
		cr_assert_eq(ep_probe_create((const void *)calls_quiet, &options, &probe), 0);
		keep_ymm(NULL);
		followed_in_threads(THREADS, keep_ymm, NULL);
		cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
		cr_expect_eq(ep_probe_remove(probe), 0);
	}
}

Test(calls, keep_vector_registers)
{
	if (!__builtin_cpu_supports("avx"))
		cr_skip_test("no AVX here");
	expect_ymm_kept();
}

/* The handlers use no wider ones, and nor does what is called around them. */
Test(calls, keep_vector_registers_as_where_there_is_no_avx512)
{
	if (!__builtin_cpu_supports("avx"))
		cr_skip_test("no AVX here");
	cr_assert_null(x86_cpu_mask("avx512"));
	expect_ymm_kept();
}
