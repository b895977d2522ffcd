/* SPDX-License-Identifier: MIT */
/* Text and JSON, byte by byte. */
#include <criterion/criterion.h>
#include <string.h>

#include "trace/format.h"

TestSuite(trace_format, .timeout = 400);

static char buffer[8192];

static const char *json(const char *string)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	trace_text_json(&text, string);
	buffer[text.used] = '\0';
	return buffer;
}

Test(trace_format, json_strings)
{
	cr_expect_str_eq(json("plain"), "\"plain\"");
	cr_expect_str_eq(json("a\"b\\c"), "\"a\\\"b\\\\c\"");
	cr_expect_str_eq(json("\n\t\x01\x7f"), "\"\\u000a\\u0009\\u0001\\u007f\"");
	cr_expect_str_eq(json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
			 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

Test(trace_format, json_strings_that_are_not_utf8)
{
	cr_expect_str_eq(json("\xff"), "\"\\ufffd\"");
	cr_expect_str_eq(json("\xc3"), "\"\\ufffd\"");
	cr_expect_str_eq(json("\xc0\x80"), "\"\\ufffd\\ufffd\"");
	cr_expect_str_eq(json("\xe2\x82"), "\"\\ufffd\\ufffd\"");
	cr_expect_str_eq(json("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* a surrogate */
	cr_expect_str_eq(json("\xf4\x90\x80\x80z"), "\"\\ufffd\\ufffd\\ufffd\\ufffdz\"");
}

Test(trace_format, numbers)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	trace_text_unsigned(&text, UINT64_MAX, 1, '0');
	trace_text_char(&text, ' ');
	trace_text_signed(&text, INT64_MIN);
	trace_text_char(&text, ' ');
	trace_text_hex(&text, 0);
	trace_text_char(&text, ' ');
	trace_text_hex(&text, UINT64_MAX);
	trace_text_char(&text, ' ');
	trace_text_unsigned(&text, 7, 3, '0');
	buffer[text.used] = '\0';
	cr_expect_str_eq(buffer, "18446744073709551615 -9223372036854775808 0x0 "
				 "0xffffffffffffffff 007");
}

Test(trace_format, what_does_not_fit_is_cut_off)
{
	char small[4] = "###";
	struct trace_text text = {small, 2, 0};

	trace_text_string(&text, "abc");
	trace_text_pad(&text, 0, 100);
	cr_expect_eq(text.used, 2);
	cr_expect_str_eq(small, "ab#");
}

static const char *format(enum trace_format shape, const struct trace_event *event)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	trace_format_event(&text, shape, event);
	buffer[text.used] = '\0';
	return buffer;
}

static const struct trace_arg args[] = {
	{"u", 0, 8, TRACE_TYPE_u64},  {"s", 0, 8, TRACE_TYPE_s32},  {"x", 0, 8, TRACE_TYPE_x64},
	{"c", 0, 8, TRACE_TYPE_char}, {"q", 0, 8, TRACE_TYPE_char},
};
static const uint64_t values[] = {42, (uint64_t)-7, 0xbeef, 'A', '\n'};
static const struct trace_view view = {
	.group = "g", .event = "e", .place = "libc.so.6:f", .args = args, .arg_count = 5};

Test(trace_format, event_as_text)
{
	struct trace_event event = {.view = &view,
				    .nanoseconds = 12345000000678,
				    .pid = 10,
				    .tid = 11,
				    .cpu = 3,
				    .comm = "a\033b",
				    .values = values};

	cr_expect_str_eq(format(TRACE_FORMAT_TEXT, &event),
			 "             a?b-11      [003] 12345.000000678: e: (libc.so.6:f) u=42 "
			 "s=-7 x=0xbeef c='A' q='.'\n");
}

Test(trace_format, event_as_json)
{
	struct trace_event event = {.view = &view,
				    .nanoseconds = 1000000001,
				    .pid = 10,
				    .tid = 11,
				    .cpu = 3,
				    .comm = "a\"b",
				    .values = values};

	cr_expect_str_eq(format(TRACE_FORMAT_JSON, &event),
			 "{\"type\":\"event\",\"ts\":1.000000001,\"pid\":10,\"tid\":11,\"cpu\":3,"
			 "\"comm\":\"a\\\"b\",\"group\":\"g\",\"event\":\"e\","
			 "\"place\":\"libc.so.6:f\",\"args\":{\"u\":42,\"s\":-7,\"x\":\"0xbeef\","
			 "\"c\":\"A\",\"q\":\".\"}}\n");
}
