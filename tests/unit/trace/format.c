/* SPDX-License-Identifier: MIT */
/* Text and JSON, byte by byte. */
#include <criterion/criterion.h>
#include <string.h>

#include "trace/report/format.h"

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
	cr_expect_str_eq(json("\xc2\x9bm\xc2\x80\xc2\x9f\xc2\xa0"),
			 "\"\\u009bm\\u0080\\u009f\xc2\xa0\"");
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
	{.name = "u", .type = {TRACE_UNSIGNED, .size = 8}, .value = 0},
	{.name = "s", .type = {TRACE_SIGNED, .size = 4}, .value = 1},
	{.name = "x", .type = {TRACE_HEX, .size = 8}, .value = 2},
	{.name = "c", .type = {TRACE_CHAR, .size = 1}, .value = 3},
	{.name = "q", .type = {TRACE_CHAR, .size = 1}, .value = 4},
};
static const uint64_t values[] = {42, (uint64_t)-7, 0xbeef, 'A', '\n'};
static const struct trace_program five_numbers = {.value_count = 5, .recorded = 5};
static const struct trace_view view = {.group = "g",
				       .event = "e",
				       .place = "libc.so.6:f",
				       .args = args,
				       .arg_count = 5,
				       .program = &five_numbers};

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

/* ---- calls --------------------------------------------------------------------------------- */

static const struct trace_arg call_args[] = {
	{.name = "a", .type = {TRACE_UNSIGNED, .size = 8}, .value = 0},
	{.name = "r", .type = {TRACE_SIGNED, .size = 4}, .value = 1, .needs_return = true},
	{.name = "t", .type = {TRACE_UNSIGNED, .size = 8}, .value = 2, .origin = TRACE_OF_LATENCY},
	{.name = "f", .type = {TRACE_SYMBOL, .size = 8}, .value = 3},
};
static const uint64_t call_values[] = {42, (uint64_t)-1, 1500, 0x401000};
static const struct trace_view call_view = {.group = "g",
					    .event = "e",
					    .place = "o:f",
					    .args = call_args,
					    .arg_count = 4,
					    .program = &five_numbers,
					    .is_return = true};

static const char *format_call(enum trace_format shape, enum ep_end end)
{
	const struct trace_event event = {
		.view = &call_view, .comm = "c", .end = end, .values = call_values};
	const char *line = format(shape, &event);

	return strstr(line, shape == TRACE_FORMAT_JSON ? "\"place\"" : "e: (");
}

Test(trace_format, call_as_text)
{
	cr_expect_str_eq(format_call(TRACE_FORMAT_TEXT, EP_END_RETURN),
			 "e: (o:f) a=42 r=-1 t=1500 f=0x401000\n");
	cr_expect_str_eq(format_call(TRACE_FORMAT_TEXT, EP_END_UNWIND),
			 "e: (o:f) a=42 r=- t=1500 f=0x401000 <- unwind\n");
	cr_expect_str_eq(format_call(TRACE_FORMAT_TEXT, EP_END_JUMP),
			 "e: (o:f) a=42 r=- t=1500 f=0x401000 <- jump\n");
}

Test(trace_format, call_as_json)
{
	cr_expect_str_eq(format_call(TRACE_FORMAT_JSON, EP_END_RETURN),
			 "\"place\":\"o:f\",\"end\":\"return\",\"args\":{\"a\":42,\"r\":-1,"
			 "\"t\":1500,\"f\":\"0x401000\"}}\n");
	cr_expect_str_eq(format_call(TRACE_FORMAT_JSON, EP_END_UNWIND),
			 "\"place\":\"o:f\",\"end\":\"unwind\",\"args\":{\"a\":42,\"r\":null,"
			 "\"t\":1500,\"f\":\"0x401000\"}}\n");
	cr_expect(strstr(format_call(TRACE_FORMAT_JSON, EP_END_JUMP), "\"end\":\"jump\""));
}

/* ---- names --------------------------------------------------------------------------------- */

static const char *repeated(const char *what, size_t count)
{
	static char ret[200000];

	ret[0] = '\0';
	for (size_t i = 0, size = strlen(what); i < count; i++)
		memcpy(ret + i * size, what, size + 1);
	return ret;
}

/* Between the first quote and the mark: nothing but whole units, as JSON has them. */
static void expect_whole(const char *unit, const char *at, size_t size)
{
	char wanted[64];
	struct trace_text text = {wanted, sizeof(wanted), 0};
	size_t one;

	trace_text_json(&text, unit);
	one = text.used - 2;
	cr_expect_eq((size - 5) % one, 0, "%s", wanted);
	for (size_t i = 1; i + one < size - 4; i += one)
		cr_expect_eq(memcmp(at + i, wanted + 1, one), 0);
}

/* However much room they need: whole, or with a mark, never in the middle of a character. */
Test(trace_format, cut_strings_are_marked)
{
	static const char *const units[] = {"a", "\"", "\xc3\xa4", "\xe2\x82\xac", "\x01", "\xff"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		for (size_t max = 16; max < 48; max++) {
			struct trace_text text = {buffer, sizeof(buffer), 0};

			trace_text_json_within(&text, repeated(units[i], 60), max);
			cr_expect_leq(text.used, max);
			cr_expect_geq(text.used, max - 10);
			cr_expect_eq(memcmp(buffer + text.used - 4, "…\"", 4), 0);
			expect_whole(units[i], buffer, text.used);
			text = (struct trace_text){buffer, sizeof(buffer), 0};
			trace_text_plain_within(&text, repeated(units[i], 60), max);
			cr_expect_leq(text.used, max);
			cr_expect_eq(memcmp(buffer + text.used - 3, "…", 3), 0);
		}
	cr_expect_str_eq(json(repeated("a", 100)) + 101, "\"");
}

/* Two names, each too long for a line. */
Test(trace_format, no_event_is_longer_than_a_line)
{
	static char line[TRACE_LINE_MAX + 1], name[100000];
	const struct trace_view named = {.group = "g", .event = name, .place = name};
	const struct trace_event event = {.view = &named, .comm = "c"};

	memset(name, '\x01', sizeof(name) - 1);
	for (enum trace_format format = TRACE_FORMAT_TEXT; format <= TRACE_FORMAT_JSON; format++) {
		struct trace_text text = {line, sizeof(line), 0};

		trace_format_event(&text, format, &event);
		cr_assert_leq(text.used, TRACE_LINE_MAX);
		line[text.used] = '\0';
		cr_expect(strstr(line, format ? "…\",\"args\":{}}\n" : "…)\n"));
	}
}

/* Machines read it: no name is cut for which there is room. */
Test(trace_format, names_in_json_are_whole)
{
	static char line[1 << 20], name[100001];
	const struct trace_view named = {.group = "g", .event = name, .place = name};
	const struct trace_event event = {.view = &named, .comm = "c"};
	struct trace_text text = {line, sizeof(line) - 1, 0};

	memset(name, 'n', sizeof(name) - 1);
	trace_format_event(&text, TRACE_FORMAT_JSON, &event);
	cr_expect_gt(text.used, 2 * (sizeof(name) - 1));
	cr_expect_null(strstr(line, "…"));
	text.used = 0;
	trace_format_event(&text, TRACE_FORMAT_TEXT, &event);
	line[text.used] = '\0';
	cr_expect_leq(text.used, TRACE_LINE_MAX);
	cr_expect_not_null(strstr(line, "…"));
}

static const char *plain(const char *string)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	trace_text_plain(&text, string);
	buffer[text.used] = '\0';
	return buffer;
}

/* ESC [ and CSI, which is the same in one character, in UTF-8 and as a byte; lines, bells. */
Test(trace_format, nothing_of_a_name_talks_to_a_terminal)
{
	cr_expect_str_eq(plain("a\x1b[31mb"), "a?[31mb");
	cr_expect_str_eq(plain("a\xc2\x9b"
			       "31mb"),
			 "a?31mb");
	cr_expect_str_eq(plain("a\x9b"
			       "31mb"),
			 "a?31mb");
	cr_expect_str_eq(plain("a\nb\rc\td\ae\x7f"), "a?b?c?d?e?");
	cr_expect_str_eq(plain("\xc2"), "?");
	cr_expect_str_eq(plain("\xc2\xa0\xc3\xa4\xe2\x82\xac"), "\xc2\xa0\xc3\xa4\xe2\x82\xac");
	for (int c = 0x80; c < 0xa0; c++) {
		const char utf8[] = {(char)0xc2, (char)c, '.', '\0'}, raw[] = {(char)c, '.', '\0'};

		cr_expect_str_eq(plain(utf8), "?.", "U+%04X", c);
		cr_expect_str_eq(plain(raw), "?.", "%#x", c);
	}
}

/* Whatever the limit, and however many bytes a character has. */
Test(trace_format, cut_text_is_utf8_too)
{
	static const char euros[] = "a\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
				    "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";

	for (size_t max = 16; max < sizeof(euros) + 2; max++) {
		struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

		trace_text_plain_within(&text, euros, max);
		buffer[text.used] = '\0';
		cr_expect_leq(text.used, max);
		for (const char *at = buffer; *at; at += trace_text_shown(at))
			cr_assert_gt(trace_text_shown(at), 0, "within %zu", max);
		cr_expect_eq(strstr(buffer, "…") != NULL, max < sizeof(euros) - 1, "within %zu",
			     max);
	}
}
