/* SPDX-License-Identifier: MIT */
/* The place of a definition: object, symbol, offset. */
#ifndef EMUPROBE_TRACE_LANGUAGE_PLACE_H
#define EMUPROBE_TRACE_LANGUAGE_PLACE_H

#include "trace/language/words.h"

/**
 * Parse the word that says where the probe stands.
 *
 * @return   0, -EP_SYNTAX or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_place_parse(struct trace_words *words, struct trace_definition *definition);

#endif
