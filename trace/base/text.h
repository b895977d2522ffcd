/* SPDX-License-Identifier: MIT */
/*
 * Text put together by hand, where printf() cannot be called. What does not fit is cut off.
 * Context:  TRAP_PATH, all of it.
 */
#ifndef EMUPROBE_TRACE_BASE_TEXT_H
#define EMUPROBE_TRACE_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_ESCAPE_MAX 6 /* bytes that one becomes in JSON */

struct trace_text {
	char *buffer;
	size_t size, used;
};

EP_TRAP_PATH void trace_text_char(struct trace_text *text, char c);
EP_TRAP_PATH void trace_text_string(struct trace_text *text, const char *string);

/** Blanks up to @column, counted from @start. */
EP_TRAP_PATH void trace_text_pad(struct trace_text *text, size_t start, size_t column);

/** Decimal, at least @digits of them, filled up with @fill. */
EP_TRAP_PATH void trace_text_unsigned(struct trace_text *text, uint64_t value, unsigned int digits,
				      char fill);
EP_TRAP_PATH void trace_text_signed(struct trace_text *text, int64_t value);

/** 0x and hexadecimal digits. */
EP_TRAP_PATH void trace_text_hex(struct trace_text *text, uint64_t value);

/**
 * Bytes of the character at @at, if it is one that can be shown: well-formed UTF-8, and no control
 * character, U+0080 to U+009F included, which could forge lines or talk to a terminal. Else 0.
 */
EP_TRAP_PATH unsigned int trace_text_shown(const char *at);

/** In quotes, escaped for JSON as all controls are; bytes that are not UTF-8 become U+FFFD. */
EP_TRAP_PATH void trace_text_json(struct trace_text *text, const char *string);

/** The same without the quotes, as much as fits; what does not is returned. */
EP_TRAP_PATH const char *trace_text_json_some(struct trace_text *text, const char *string);

/** As trace_text_json() in @max bytes, at least 16; where it is cut, "…" stands at its end. */
EP_TRAP_PATH void trace_text_json_within(struct trace_text *text, const char *string, size_t max);

/** '?' instead of what cannot be shown. */
EP_TRAP_PATH void trace_text_plain(struct trace_text *text, const char *string);

/** The same in @max bytes, at least 16; where it is cut, "…" stands at its end. */
EP_TRAP_PATH void trace_text_plain_within(struct trace_text *text, const char *string, size_t max);

EP_TRAP_PATH size_t trace_text_length(const char *string);

#endif
