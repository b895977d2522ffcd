/* SPDX-License-Identifier: MIT */
/* What the parsers of the parts of a definition work on. */
#ifndef EMUPROBE_TRACE_LANGUAGE_WORDS_H
#define EMUPROBE_TRACE_LANGUAGE_WORDS_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"
#include "trace/language/scanner.h"

struct trace_words {
	struct trace_scanner *scanner;
	struct trace_arena *arena; /* what they keep is in it */
};

#endif
