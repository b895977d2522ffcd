/* SPDX-License-Identifier: MIT */
/* Words of a definition list, each knowing its column; for the parser alone. */
#ifndef EMUPROBE_TRACE_LANGUAGE_SCANNER_H
#define EMUPROBE_TRACE_LANGUAGE_SCANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_QUOTE_OPEN "the quote is not closed"

/* A part of the list. */
struct trace_span {
	const char *at;
	size_t size;
};

struct trace_scanner {
	const char *text; /* the whole list */
	const char *at;
	struct ep_error_at *error;
};

/** Go to the next definition: past separators, blanks and comments. False at the end. */
bool trace_scan_definition(struct trace_scanner *scanner);

/** The next word of this definition, quotes and what is in them included; false at its end. */
bool trace_scan_word(struct trace_scanner *scanner, struct trace_span *ret);

/** What is left of this definition, without blanks and a comment behind it. */
struct trace_span trace_scan_rest(const struct trace_scanner *scanner);

/** Split at the first (last) @separator, which must be there: the part behind it is returned. */
struct trace_span trace_span_behind(struct trace_span span, const char *separator);
struct trace_span trace_span_before(struct trace_span span, const char *separator);
const char *trace_span_find(struct trace_span span, char wanted);
const char *trace_span_find_last(struct trace_span span, char wanted);

/** The first, and the last one that stands in no quotes. */
const char *trace_span_find_bare(struct trace_span span, char wanted);
const char *trace_span_find_last_bare(struct trace_span span, char wanted);

/** The quote that is not closed; NULL: there is none. */
const char *trace_span_open_quote(struct trace_span span);

/** What is between the quote that @span, in which none is open, begins with, and its end. */
struct trace_span trace_span_quoted(struct trace_span span);

bool trace_span_is(struct trace_span span, const char *text);

/** All of @span is a number: decimal, 0x hexadecimal, 0 octal. */
bool trace_span_number(struct trace_span span, uint64_t *ret);

/** Fill the scanner's error, pointing at @at; returns -EP_SYNTAX. */
__attribute__((format(printf, 3, 4))) int trace_syntax(struct trace_scanner *scanner,
						       const char *at, const char *format, ...);

/** Does @text, which may be NULL, have a character that means more than itself? */
bool trace_is_glob(const char *text);

/** Can @c stand in a name, at its start (@first) or behind it? */
bool trace_is_name_byte(char c, bool first);

/** Is @text a name for groups, events and arguments: letters, digits, '_', no digit first? */
bool trace_is_name(const char *text, size_t size);

#endif
