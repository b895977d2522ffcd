/* SPDX-License-Identifier: MIT */
/* Answers as they are shown: bounds for people and machines, nothing forged, all rows or the first ones. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "trace/report/answers.h"

TestSuite(trace_answers_report, .timeout = 400);

static char out[1 << 20];
static struct trace_arena arena;

static int collect(void *data, const char *text, size_t size)
{
	(void)data;
	strncat(out, text, size);
	return 0;
}

static const struct trace_sink sink = {.write = collect};

static const char *show(const struct trace_question *question, const struct trace_answer_sum *sum,
			bool all)
{
	*out = '\0';
	cr_assert_eq(trace_answer_text(question, sum, all, &arena, &sink), 0);
	return out;
}

static const char *show_json(const struct trace_question *question,
			     const struct trace_answer_sum *sum)
{
	*out = '\0';
	cr_assert_eq(trace_answer_json(question, sum, &arena, &sink), 0);
	return out;
}

/* ---- histograms ---------------------------------------------------------------------------- */

#define BAR "@@@@@@@@@@@@@@@@@@@@@@@@@@"

Test(trace_answers_report, has_powers_below_and_above_zero)
{
	const struct trace_question question = {
		.kind = TRACE_QUESTION_POWERS,
		.text = "m:n",
		.event = "m",
		.fields = {{"n", TRACE_FORM_SIGNED}},
		.field_count = 1,
	};
	uint64_t buckets[TRACE_POWERS] = {[0] = 1, [1] = 2, [TRACE_POWER_NEGATIVE + 1] = 1};
	const struct trace_answer_sum sum = {.hits = 4, .sum = (uint64_t)-1, .buckets = buckets};

	cr_expect_str_eq(
		show(&question, &sum, false),
		"m:n  4 hits, sum -1, mean 0\n"
		"(-4, -2]                           1 |" BAR "                          |\n"
		"[-1]                               0 |"
		"                                                    |\n"
		"[0]                                1 |" BAR "                          |\n"
		"[1]                                2 |" BAR BAR "|\n");
	cr_expect_str_eq(show_json(&question, &sum),
			 "{\"type\":\"histogram\",\"event\":\"m\",\"field\":\"n\",\"hits\":4,"
			 "\"sum\":-1,\"buckets\":[[-3,-1,1],[0,1,1],[1,2,2]]}\n");
}

Test(trace_answers_report, has_the_largest_powers)
{
	const struct trace_question question = {
		.kind = TRACE_QUESTION_POWERS,
		.text = "m:n",
		.event = "m",
		.fields = {{"n", TRACE_FORM_UNSIGNED}},
		.field_count = 1,
	};
	uint64_t buckets[TRACE_POWERS] = {[64] = 1, [128] = 3, [127] = 5};
	const struct trace_answer_sum sum = {.hits = 1, .sum = UINT64_MAX, .buckets = buckets};

	show(&question, &sum, false);
	cr_expect(strstr(out, "m:n  1 hit, sum 18446744073709551615, mean 18446744073709551615\n"));
	cr_expect(strstr(out, "\n(-16E, -8E]                        3 |"));
	cr_expect(strstr(out, "\n(-8E, -4E]                         5 |"));
	cr_expect(strstr(out, "\n[1K, 2K)                           0 |"));
	cr_expect(strstr(out, "\n[512, 1K)                          0 |"));
	cr_expect(strstr(out, "\n[8E, 16E)                          1 |"));
	show_json(&question, &sum);
	cr_expect(strstr(out, "[9223372036854775808,18446744073709551616,1]"), "%s", out);
	cr_expect(strstr(out, "[-9223372036854775807,-4611686018427387903,5]"), "%s", out);
}

Test(trace_answers_report, has_steps_and_what_is_beyond)
{
	const struct trace_question question = {
		.kind = TRACE_QUESTION_LINEAR,
		.text = "m:n,-10,20,15",
		.event = "m",
		.fields = {{"n", TRACE_FORM_SIGNED}},
		.field_count = 1,
		.low = -10,
		.step = 15,
		.steps = 2,
	};
	uint64_t buckets[4] = {4, 3, 2, 1};
	const struct trace_answer_sum sum = {.hits = 10, .buckets = buckets};

	show(&question, &sum, false);
	cr_expect(strstr(out, "\n(..., -10)                         4 |"), "%s", out);
	cr_expect(strstr(out, "\n[-10, 5)                           3 |"));
	cr_expect(strstr(out, "\n[5, 20)                            2 |"));
	cr_expect(strstr(out, "\n[20, ...)                          1 |"));
	show_json(&question, &sum);
	cr_expect(strstr(out, ":[[null,-10,4],[-10,5,3],[5,20,2],[20,null,1]]}"), "%s", out);
}

Test(trace_answers_report, of_nothing_is_a_line)
{
	const struct trace_question top = {.kind = TRACE_QUESTION_TOP,
					   .text = "m:n:v",
					   .event = "m",
					   .fields = {{"n", TRACE_FORM_SIGNED}},
					   .value = {"v", TRACE_FORM_SIGNED},
					   .field_count = 1};
	const struct trace_question histogram = {.kind = TRACE_QUESTION_POWERS,
						 .text = "m:n",
						 .event = "m",
						 .fields = {{"n", TRACE_FORM_SIGNED}},
						 .field_count = 1};
	const struct trace_answer_sum sum = {0};

	cr_expect_str_eq(show(&top, &sum, false), "m:n:v  0 hits, keys: 0\n");
	cr_expect_str_eq(show(&histogram, &sum, false), "m:n  0 hits\n");
	show_json(&top, &sum);
	cr_expect(strstr(out, ",\"rows\":[]}\n"), "%s", out);
	show_json(&histogram, &sum);
	cr_expect(strstr(out, ",\"buckets\":[]}\n"), "%s", out);
}

/* ---- tops ---------------------------------------------------------------------------------- */

static const struct trace_question by_all = {
	.kind = TRACE_QUESTION_TOP,
	.text = "m:fd,name,flags:n",
	.event = "m",
	.fields = {{"fd", TRACE_FORM_SIGNED}, {"name", TRACE_FORM_TEXT}, {"flags", TRACE_FORM_HEX}},
	.field_count = 3,
	.value = {"n", TRACE_FORM_SIGNED},
};

static void add_row(struct trace_answer_sum *sum, uint64_t hits, uint64_t total, int64_t fd,
		    const char *name, uint64_t absent)
{
	size_t length = strlen(name), words = 4 + (length + 7) / 8;
	struct trace_answer_row *row =
		trace_arena_alloc(&arena, sizeof(*row) + words * sizeof(uint64_t));

	if (!sum->rows)
		sum->rows = trace_arena_alloc(&arena, 4096 * sizeof(row));
	row->hits = hits;
	row->sum = total;
	row->words = (uint32_t)words;
	row->key[0] = absent;
	row->key[1] = (uint64_t)fd;
	row->key[2] = length;
	memcpy(&row->key[3], name, length);
	row->key[words - 1] = 0x1f;
	row->next = sum->rows[sum->row_count % 4096];
	sum->rows[sum->row_count++ % 4096] = row;
	sum->hits += hits;
	sum->sum += total;
}

Test(trace_answers_report, has_keys_of_all_kinds)
{
	struct trace_answer_sum sum = {0};

	add_row(&sum, 2, (uint64_t)-7, 3, "quo\"te\n\x1b[0m", 0);
	add_row(&sum, 5, 10, -1, "", 4);
	cr_expect_str_eq(show(&by_all, &sum, false),
			 "m:fd,name,flags:n  7 hits, sum 3, mean 0, keys: 2\n"
			 "        hits             sum            mean  fd                name"
			 "              flags\n"
			 "           5              10               2  -1                    "
			 "              -\n"
			 "           2              -7              -3  3                 "
			 "quo\"te??[0m       0x1f\n");
	cr_expect_str_eq(
		show_json(&by_all, &sum),
		"{\"type\":\"top\",\"event\":\"m\",\"keys\":[\"fd\",\"name\",\"flags\"],\"value\":"
		"\"n\",\"hits\":7,\"sum\":3,\"fallen\":{\"keys\":0,\"hits\":0,\"sum\":0},\"rows\":["
		"{\"key\":[-1,\"\",null],\"hits\":5,\"sum\":10},"
		"{\"key\":[3,\"quo\\\"te\\u000a\\u001b[0m\",\"0x1f\"],\"hits\":2,\"sum\":-7}]}\n");
}

Test(trace_answers_report, of_many_keys_has_the_first_and_how_many_more)
{
	struct trace_answer_sum sum = {.fallen = 9, .fallen_sum = 90, .fallen_keys = 8, .hits = 9};

	for (int i = 1; i <= 30; i++)
		add_row(&sum, (uint64_t)i, 0, i, "x", 0);
	show(&by_all, &sum, false);
	cr_expect(strstr(out, "\n          30               0               0  30  "), "%s", out);
	cr_expect(strstr(out, "\n          11               0               0  11  "));
	cr_expect_not(strstr(out, "\n          10               0               0  10  "));
	cr_expect(strstr(out, "\n          55  10 other keys: -v shows all\n"), "%s", out);
	cr_expect(strstr(out, "\n           9  8 times a key fell out: "));
	show(&by_all, &sum, true);
	cr_expect(strstr(out, "\n           1               0               0  1  "));
	cr_expect_not(strstr(out, "other keys"));
	show_json(&by_all, &sum);
	cr_expect(strstr(out, "\"fallen\":{\"keys\":8,\"hits\":9,\"sum\":90}"), "%s", out);
}

/* Longer than a line: it is written in parts. */
Test(trace_answers_report, of_thousands_of_keys_are_not_cut)
{
	struct trace_answer_sum sum = {0};
	size_t rows = 0;

	for (int i = 0; i < 5000; i++)
		add_row(&sum, 1, 0, i, "a name of some length, which is not short", 0);
	show_json(&by_all, &sum);
	for (const char *at = out; (at = strstr(at, "{\"key\":[")); at++)
		rows++;
	cr_expect_eq(rows, 5000);
	cr_expect_str_eq(out + strlen(out) - 3, "]}\n");
}
