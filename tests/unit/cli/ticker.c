/* SPDX-License-Identifier: MIT */
#include "cli/ticker.h"

#include <criterion/criterion.h>
#include <string.h>

static struct trace_view views[] = {
	{.event = "few", .place = "a:few", .plan = EP_PLAN_JUMP},
	{.event = "never", .place = "a:never", .plan = EP_PLAN_JUMP},
	{.event = "many", .place = "a:many", .plan = EP_PLAN_JUMP},
	{.event = "refused", .place = "a:refused", .plan = EP_PLAN_REFUSED, .reason = EP_RSEQ},
};
static struct ep_counts counts[4];
static const struct trace_summary_process process = {
	.pid = 1, .views = views, .counts = counts, .count = 4, .known = true};

static char shown[4096];

static void take(struct ticker *ticker, uint64_t few, uint64_t many, double now)
{
	struct trace_arena arena = {0};

	counts[0].hits = few;
	counts[2].hits = many;
	cr_assert_eq(ticker_take(ticker, &process, 1, &arena, now), 0);
	trace_arena_deinit(&arena);
}

static const char *show(const struct ticker *ticker)
{
	struct trace_text text = {shown, sizeof(shown) - 1, 0};

	ticker_put(ticker, &text);
	shown[text.used] = '\0';
	return shown;
}

static bool is_before(const char *text, const char *a, const char *b)
{
	const char *first = strstr(text, a), *second = strstr(text, b);

	return first && second && first < second;
}

Test(ticker, a_rate_is_of_the_last_interval_a_total_of_all)
{
	struct ticker ticker = {0};

	take(&ticker, 10, 1000, 1);
	take(&ticker, 30, 1000, 3);
	cr_expect(strstr(show(&ticker), "         10            30 "), "%s", shown);
	cr_expect(strstr(shown, "          0          1000 "), "%s", shown);
	cr_expect(strstr(shown, "after 3.0 s"), "%s", shown);
	ticker_deinit(&ticker);
}

Test(ticker, only_what_was_hit_is_shown)
{
	struct ticker ticker = {0};

	take(&ticker, 1, 1, 1);
	cr_expect(!strstr(show(&ticker), "never"), "%s", shown);
	cr_expect(!strstr(shown, "refused"), "%s", shown);
	ticker_deinit(&ticker);
}

Test(ticker, a_key_chooses_the_order_and_is_marked)
{
	struct ticker ticker = {0};

	take(&ticker, 0, 1000, 1);
	take(&ticker, 10, 1000, 2);
	cr_expect(is_before(show(&ticker), "few", "many"), "%s", shown);
	cr_expect(strstr(shown, ">rate/s"), "%s", shown);
	cr_expect(ticker_press(&ticker, 't'));
	cr_expect(is_before(show(&ticker), "many", "few"), "%s", shown);
	cr_expect(strstr(shown, ">total"), "%s", shown);
	cr_expect(ticker_press(&ticker, 'n'));
	cr_expect(is_before(show(&ticker), "few", "many"), "%s", shown);
	cr_expect(!ticker_press(&ticker, 'x'));
	cr_expect(!ticker_press(&ticker, '\0'));
	cr_expect(strstr(show(&ticker), ">event"), "%s", shown);
	ticker_deinit(&ticker);
}

/* Else lines would be broken, and the cursor would not find back. */
Test(ticker, no_line_is_longer_than_the_terminal_is_wide)
{
	static const unsigned int widths[] = {80, 100, 200};
	struct ticker ticker = {.height = 24};
	char name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	views[0].event = views[0].place = name;
	take(&ticker, 1000000000000, 1, 1e6);
	for (size_t i = 0; i < 3; i++) {
		ticker.width = widths[i];
		for (const char *line = show(&ticker); *line; line += strcspn(line, "\n") + 1)
			cr_expect_lt(strcspn(line, "\n"), widths[i] + 4, "%s", shown);
	}
	ticker_deinit(&ticker);
}

Test(ticker, no_more_lines_than_the_terminal_has)
{
	struct ticker ticker = {.height = 5, .width = 80};
	size_t lines = 0;

	take(&ticker, 5, 7, 1);
	for (const char *at = show(&ticker); *at; at++)
		lines += *at == '\n';
	cr_expect_eq(lines, (size_t)3);
	cr_expect(strstr(shown, "1 more"), "%s", shown);
	cr_expect(strstr(shown, "many"), "%s", shown);
	ticker_deinit(&ticker);
}
