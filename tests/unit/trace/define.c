/* SPDX-License-Identifier: MIT */
/* ep_define(): definitions for programs that probe themselves. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/emuprobe.h"
#include "tests/support/target.h"

TestSuite(trace_define, .timeout = 400);

uint64_t define_target_one(uint64_t number);
uint64_t define_target_two(uint64_t number);

TARGET uint64_t define_target_one(uint64_t number)
{
	__asm__ volatile("" : "+r"(number));
	return number + 1;
}

TARGET uint64_t define_target_two(uint64_t number)
{
	__asm__ volatile("" : "+r"(number));
	return number + 2;
}

static void add(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	*(uint64_t *)cookie += regs->rdi;
}

static uint64_t sum;
static const struct ep_options options = {
	.size = sizeof(options), .handler = add, .cookie = &sum, .plan = EP_PLAN_TRAP};
static struct ep_probe **probes;
static size_t count;
static struct ep_error_at error;

Test(trace_define, handlers_are_called)
{
	cr_assert_eq(ep_define("p define_target_one; p:x define_target_two", &options, &probes,
			       &count, &error),
		     0, "%s", error.message);
	cr_assert_eq(count, 2);
	cr_expect_eq(define_target_one(10), 11);
	cr_expect_eq(define_target_two(100), 102);
	cr_expect_eq(sum, 110);
	cr_expect_eq(ep_probe_remove_batch(probes, count), 0);
	define_target_one(1000);
	cr_expect_eq(sum, 110);
	free(probes);
}

static void note_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	(void)probe;
	(void)call;
	*(uint64_t *)cookie += regs->rax;
}

/* Of "r" definitions alone. */
Test(trace_define, calls_are_followed)
{
	const struct ep_options ends = {.size = sizeof(ends), .ended = note_end, .cookie = &sum};
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_define("r define_target_one; p define_target_two", NULL, &probes, &count,
			       &error),
		     0, "%s", error.message);
	cr_assert_eq(count, 2);
	define_target_one(1);
	define_target_two(1);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(ep_probe_info(probes[i], &info), 0);
		cr_expect_eq(info.hits, 1);
		cr_expect_eq(info.returns, i == 0);
	}
	ep_probe_remove_batch(probes, count);
	free(probes);
	cr_assert_eq(ep_define("p define_target_one%return", &ends, &probes, &count, &error), 0);
	define_target_one(41);
	cr_expect_eq(sum, 42);
	ep_probe_remove_batch(probes, count);
	free(probes);
}

/* Options of an older caller, and what is none. */
Test(trace_define, options_of_calls_may_have_any_size)
{
	struct {
		struct ep_options known;
		uint64_t unknown;
	} newer = {.known = {.size = sizeof(newer)}, .unknown = 1};
	const struct ep_options nonsense = {.size = 4097};
	const struct ep_options half = {.size = offsetof(struct ep_options, handler) + 4};

	cr_expect_eq(ep_define("r define_target_one", &newer.known, &probes, &count, &error),
		     -EP_INVALID);
	cr_expect_eq(ep_define("r define_target_one", &nonsense, &probes, &count, &error),
		     -EP_INVALID);
	cr_expect_eq(ep_define("r define_target_one", &half, &probes, &count, &error), -EP_INVALID);
}

Test(trace_define, patterns)
{
	cr_assert_eq(ep_define("p define_target_*", &options, &probes, &count, NULL), 0);
	cr_expect_eq(count, 2);
	define_target_one(1);
	define_target_two(2);
	cr_expect_eq(sum, 3);
	ep_probe_remove_batch(probes, count);
	free(probes);
}

Test(trace_define, nothing_asked_nothing_done)
{
	cr_assert_eq(ep_define("# only a comment", &options, &probes, &count, &error), 0);
	cr_expect_eq(count, 0);
	free(probes);
	cr_assert_eq(ep_define("p no_such_function?", &options, &probes, &count, &error), 0);
	cr_expect_eq(count, 0);
	free(probes);
}

static void expect_error(const char *definitions, int wanted, size_t column)
{
	struct ep_probe **untouched = (struct ep_probe **)&sum;
	size_t untouched_count = 77;

	memset(&error, 0, sizeof(error));
	cr_expect_eq(ep_define(definitions, &options, &untouched, &untouched_count, &error),
		     -wanted, "%s", definitions);
	cr_expect_eq(error.error, wanted, "%s: %s", definitions, error.message);
	cr_expect_eq(error.column, column, "%s: column %zu", definitions, error.column);
	cr_expect_neq(error.message[0], '\0');
	cr_expect_eq(untouched, (struct ep_probe **)&sum);
	cr_expect_eq(untouched_count, 77);
	cr_expect_eq(ep_define(definitions, &options, &untouched, &untouched_count, NULL), -wanted);
}

Test(trace_define, errors)
{
	expect_error("q main", EP_SYNTAX, 0);
	expect_error("p define_target_one; p define_target_two a=%bad", EP_SYNTAX, 43);
	expect_error("p define_target_one if nothing > 1", EP_SYNTAX, 23);
	expect_error("p define_target_one a=@no_such_variable", EP_NO_SYMBOL, 22);
	expect_error("p no_such_function", EP_NO_SYMBOL, 2);
	expect_error("p define_target_one; p libnothing:x", EP_NO_OBJECT, 23);
	expect_error("p no_such_*", EP_NO_MATCH, 2);
	expect_error("p define_target_one+0x100000", EP_BAD_OFFSET, 2);
	cr_expect_eq(ep_define(NULL, NULL, &probes, &count, NULL), -EP_INVALID);
	cr_expect_eq(ep_define("p main", NULL, NULL, &count, NULL), -EP_INVALID);
	cr_expect_eq(ep_define("p main", NULL, &probes, NULL, NULL), -EP_INVALID);
}

Test(trace_define, refused_places_are_left_out)
{
	cr_assert_eq(ep_define("p libc.so.6:malloc+1; p define_target_one", &options, &probes,
			       &count, &error),
		     0, "%s", error.message);
	cr_expect_eq(count, 1);
	ep_probe_remove_batch(probes, count);
	free(probes);
}

Test(trace_define, all_refused_is_an_error)
{
	expect_error("p libc.so.6:malloc+1", EP_NOT_AN_INSN, 2);
}

Test(trace_define, bad_options_leave_nothing_behind)
{
	struct ep_options bad = options;

	bad.size = 3;
	cr_expect_eq(ep_define("p define_target_one", &bad, &probes, &count, &error), -EP_INVALID);
}

/* ---- what may have been meant -------------------------------------------------------------- */

__attribute__((noinline, visibility("default"))) void define_hint_target(void);

void define_hint_target(void)
{
	__asm__ volatile("");
}

static void expect_hint(const char *definition, const char *message)
{
	memset(&error, 0, sizeof(error));
	cr_expect_lt(ep_define(definition, &options, &probes, &count, &error), 0, "%s", definition);
	cr_expect_str_eq(error.message, message, "%s: \"%s\"", definition, error.message);
}

Test(trace_define, a_name_that_another_object_has_is_said)
{
	expect_hint("malloc", "malloc in the executable (unit-trace): no such symbol; there is "
			      "libc.so.6:malloc [BAD_PROBE_ADDR]");
	expect_hint("p ld-linux-x86-64.so.2:malloc",
		    "malloc in ld-linux-x86-64.so.2: no such symbol; there is libc.so.6:malloc "
		    "[BAD_PROBE_ADDR]");
	expect_hint("pthread_cond_tim*", "pthread_cond_tim* in the executable (unit-trace): the "
					 "pattern matches nothing; there is "
					 "libc.so.6:pthread_cond_tim*");
	expect_hint("p libc.so:malloc",
		    "libc.so: no such object is loaded (a '?' behind the place "
		    "waits for it); there is libc.so.6:malloc [FILE_NOT_FOUND]");
}

Test(trace_define, names_that_are_similar_are_said)
{
	expect_hint("define_hnit_target",
		    "define_hnit_target in the executable (unit-trace): no "
		    "such symbol; similar: define_hint_target [BAD_PROBE_ADDR]");
	expect_hint("p define_hint_targe+4",
		    "define_hint_targe in the executable (unit-trace): no "
		    "such symbol; similar: define_hint_target [BAD_PROBE_ADDR]");
	expect_hint("p libc.so.6:pthread_cond_wiat",
		    "pthread_cond_wiat in libc.so.6: no such symbol; similar: "
		    "libc.so.6:pthread_cond_wait [BAD_PROBE_ADDR]");
	expect_hint("p pthread_cond_wiat",
		    "pthread_cond_wiat in the executable (unit-trace): no such symbol; similar: "
		    "libc.so.6:pthread_cond_wait [BAD_PROBE_ADDR]");
	expect_hint("p libc.so:0x1234", "libc.so: no such object is loaded (a '?' behind the place "
					"waits for it); similar: libc.so.6 [FILE_NOT_FOUND]");
	/* Three letters more are another name; one of two letters would be similar to many. */
	expect_hint("define_hint_target123", "define_hint_target123 in the executable "
					     "(unit-trace): no such symbol [BAD_PROBE_ADDR]");
	expect_hint("zq", "zq in the executable (unit-trace): no such symbol [BAD_PROBE_ADDR]");
	/* An offset is not mended by another name. */
	expect_hint("p define_hint_target+0x1000000",
		    "define_hint_target in the executable (unit-trace): the offset is outside of "
		    "the object or symbol");
}

Test(trace_define, versions_that_there_are_are_said)
{
	cr_expect_eq(ep_define("p libc.so.6:realpath@GLIBC_9", &options, &probes, &count, &error),
		     -EP_NO_VERSION);
	cr_expect(strstr(error.message, "realpath@GLIBC_9 in libc.so.6: the symbol has no such "
					"version; there are @"),
		  "%s", error.message);
	cr_expect(strstr(error.message, " @GLIBC_2.2.5"), "%s", error.message);
	cr_expect(strstr(error.message, " @@GLIBC_2.3"), "%s", error.message);
	cr_expect_eq(error.column, strlen("p libc.so.6:realpath@"));
	expect_hint("p define_hint_target@V",
		    "define_hint_target@V in the executable (unit-trace): "
		    "the symbol has no such version; it has none");
}

/* What does not fit into the message whole is left out. */
Test(trace_define, no_hint_is_cut)
{
	char name[128], text[160];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text), "p %s", name);
	cr_expect_lt(ep_define(text, &options, &probes, &count, &error), 0);
	cr_expect_lt(strlen(error.message), sizeof(error.message));
	cr_expect_null(strstr(error.message, "similar"));
}
