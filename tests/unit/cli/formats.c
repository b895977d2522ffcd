/* SPDX-License-Identifier: MIT */
/* What formats are made with: nested calls, names, texts, bytes of protocol buffers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format/folded.h"
#include "cli/format/proto.h"
#include "cli/format/utf8.h"

TestSuite(cli_formats, .timeout = 60);

static char output[4096];
static size_t used;

static int write_there(void *data, const char *text, size_t size)
{
	(void)data;
	cr_assert_leq(used + size, sizeof(output) - 1);
	memcpy(output + used, text, size);
	used += size;
	output[used] = '\0';
	return 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const struct trace_view a = {.place = "a"}, b = {.place = "b"}, c = {.place = "c;d"};

/* Of thread @tid; nanoseconds are the clock's. */
static struct trace_event call(const struct trace_view *view, int tid, uint64_t from, uint64_t to)
{
	return (struct trace_event){.view = view,
				    .nanoseconds = to,
				    .time = to,
				    .pid = 1,
				    .tid = tid,
				    .is_timed = true,
				    .began = from,
				    .duration = to - from};
}

static void add(struct tree *tree, const struct trace_view *view, int tid, uint64_t from,
		uint64_t to)
{
	const struct trace_event event = call(view, tid, from, to);

	tree_add_event(tree, &event);
}

static void expect_folded(struct tree *tree, const char *wanted)
{
	const struct trace_sink sink = {write_there, NULL};

	used = 0;
	output[0] = '\0';
	tree_finish(tree);
	cr_expect_eq(folded_put(tree, &sink), 0);
	cr_expect_str_eq(output, wanted);
	cr_expect_eq(tree->lost, 0);
	tree_deinit(tree);
}

Test(cli_formats, calls_find_those_they_have_made)
{
	struct tree tree;

	tree_init(&tree, false);
	add(&tree, &b, 1, 110, 120);
	add(&tree, &b, 2, 115, 117); /* another thread's: nobody has made it */
	add(&tree, &c, 1, 131, 135);
	add(&tree, &b, 1, 130, 140);
	add(&tree, &a, 1, 100, 200);
	add(&tree, &b, 1, 210, 211); /* behind it */
	expect_folded(&tree, "b 3\na 80\na;b 16\na;b;c,d 4\n");
}

Test(cli_formats, the_same_ways_are_added_up)
{
	struct tree tree;

	tree_init(&tree, false);
	for (uint64_t at = 1000; at < 3000; at += 100) {
		add(&tree, &b, 1, at + 10, at + 15);
		add(&tree, &b, 1, at + 20, at + 25);
		add(&tree, &a, 1, at, at + 50);
	}
	cr_expect_eq(tree.threads.torn, 0);
	tree_finish(&tree);
	cr_expect_eq(tree.root.total, 1000);
	cr_expect_eq(tree.root.first->count, 20);
	cr_expect_eq(tree.root.first->self, 800);
	cr_expect_null(tree.root.first->next);
	cr_expect_eq(tree.root.first->first->count, 40);
	cr_expect_eq(tree.root.first->first->total, 200);
	tree_deinit(&tree);
}

/* A function that calls itself is a way of its own. */
Test(cli_formats, recursion_is_not_added_up)
{
	struct tree tree;

	tree_init(&tree, false);
	add(&tree, &a, 1, 120, 130);
	add(&tree, &a, 1, 110, 140);
	add(&tree, &a, 1, 100, 150);
	expect_folded(&tree, "a 20\na;a 20\na;a;a 10\n");
}

/* What cannot be, as a program may write anything, and what there is no room for. */
Test(cli_formats, nonsense_is_bounded)
{
	struct tree tree;

	tree_init(&tree, false);
	for (uint64_t i = 0; i < 3 * TREE_DEPTH_MAX; i++)
		add(&tree, &a, 1, 1000000 - i, 1000000 + i);
	cr_expect_gt(tree.lost, 0);
	tree_finish(&tree);
	tree_deinit(&tree);
	tree_init(&tree, false);
	add(&tree, &a, 1, UINT64_MAX, 5);
	add(&tree, &b, 1, 0, UINT64_MAX);
	add(&tree, &a, 1, 0, 0);
	tree_finish(&tree);
	tree_deinit(&tree);
}

/* The old ones go to the root; a call that has made some of these says so. */
Test(cli_formats, of_too_many_calls_the_old_ones_are_forgotten)
{
	struct tree tree;
	const struct node *old, *outer;

	tree_init(&tree, false);
	tree.threads.calls_max = 16;
	for (uint64_t i = 0; i < 40; i++)
		add(&tree, &b, 1, 1000 + 10 * i, 1005 + 10 * i);
	cr_expect_eq(tree.threads.torn, 0);
	add(&tree, &a, 1, 900, 2000);
	cr_expect_eq(tree.threads.torn, 1);
	tree_finish(&tree);
	old = tree.root.first; /* "b" was named first */
	outer = old->next;
	cr_assert(outer && outer->first);
	cr_expect_eq(old->count + outer->first->count, 40);
	cr_expect_leq(outer->first->count, 16);
	cr_expect_eq(tree.root.total, 1100 + 5 * old->count);
	tree_deinit(&tree);
}

/* By the session's clock the inner one is inside; nanoseconds were worked out with less, or more, known. */
Test(cli_formats, slices_are_nested_whatever_nanoseconds_say)
{
	struct threads threads = {.calls_max = 16};
	struct trace_event inner = call(&b, 1, 1000, 2000), outer = call(&a, 1, 990, 2010);
	struct trace_event before = call(&a, 1, 900, 980);
	struct thread *thread;
	struct ended first, second, third;

	outer.duration = 900; /* so it would begin behind the inner one */
	outer.nanoseconds = 1999;
	thread = threads_of(&threads, &before);
	cr_assert(thread && thread->is_new && thread->is_renamed && thread->is_of_new_process);
	threads_end(&threads, thread, &before, &first);
	threads_add(&threads, thread, &first);
	cr_assert_eq(threads_of(&threads, &inner), thread);
	cr_expect(!thread->is_renamed);
	threads_end(&threads, thread, &inner, &second);
	threads_add(&threads, thread, &second);
	threads_end(&threads, thread, &outer, &third);
	cr_expect_eq(third.made_count, 1);
	cr_expect_lt(third.call.from, second.call.from);
	cr_expect_geq(third.call.from, first.call.to);
	cr_expect_geq(third.call.to, second.call.to);
	threads_deinit(&threads);
}

/* ---- texts ----------------------------------------------------------------------------------- */

Test(cli_formats, names_have_one_number)
{
	struct names names = {0};
	static char texts[3000][16];
	bool is_new;

	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(texts[i], sizeof(texts[i]), "n%u", i);
		cr_assert_eq(names_number_of(&names, texts[i], &is_new), i + 1);
		cr_expect(is_new);
	}
	for (uint32_t i = 0; i < 3000; i++) {
		cr_assert_eq(names_number(&names, texts[i], strlen(texts[i]), &is_new), i + 1);
		cr_expect(!is_new);
		cr_assert_eq(names_number_of(&names, texts[i], NULL), i + 1);
		cr_expect_str_eq(names_text(&names, i + 1), texts[i]);
	}
	cr_expect_eq(names_number(&names, "n1\0x", 4, &is_new), 3001);
	names_deinit(&names);
}

static const char *utf8(const char *string, size_t max)
{
	struct trace_text text = {output, sizeof(output) - 1, 0};

	utf8_put(&text, string, max);
	output[text.used] = '\0';
	return output;
}

Test(cli_formats, any_bytes_become_utf8)
{
	cr_expect_str_eq(utf8("plain\033\n", 100), "plain\033\n");
	cr_expect_str_eq(utf8("\xc2\x9b\xe2\x82\xac", 100), "\xc2\x9b\xe2\x82\xac");
	cr_expect_str_eq(utf8("a\xff\xc3", 100), "a\xef\xbf\xbd\xef\xbf\xbd");
	cr_expect_str_eq(utf8("\xed\xa0\x80", 100), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	cr_expect_str_eq(utf8("0123456789abcdef", 16), "0123456789abcdef");
	cr_expect_str_eq(utf8("0123456789abcdefg", 16), "0123456789abc\xe2\x80\xa6");
	cr_expect_str_eq(utf8("0123456789ab\xe2\x82\xacxyz", 16), "0123456789ab\xe2\x80\xa6");
}

/* protobuf.dev, "Encoding"; a length of four bytes is one as well. */
Test(cli_formats, protocol_buffers)
{
	static const char wanted[] = "\x08\x96\x01"
				     "\xd8\x05\x00"
				     "\x12\x8a\x80\x80\x00"
				     "\x1a\x82\x80\x80\x00hi"
				     "\x08\xff\x7f"
				     "\x10\x01"
				     "\x19\x00\x00\x00\x00\x00\x00\x16\x40";
	struct trace_text text = {output, sizeof(output), 0};
	size_t opened;

	proto_number(&text, 1, 150);
	proto_number(&text, 91, 0);
	opened = proto_open(&text, 2);
	proto_string(&text, 3, "hi", 100);
	proto_number(&text, 1, 16383);
	proto_close(&text, opened);
	proto_number(&text, 2, 1);
	proto_double(&text, 3, 0x4016000000000000);
	cr_assert_eq(text.used, sizeof(wanted) - 1);
	cr_expect_eq(memcmp(output, wanted, sizeof(wanted) - 1), 0);
}
