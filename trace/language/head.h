/* SPDX-License-Identifier: MIT */
/* The first word of a definition: of what kind the probe is, its group and event. */
#ifndef EMUPROBE_TRACE_LANGUAGE_HEAD_H
#define EMUPROBE_TRACE_LANGUAGE_HEAD_H

#include "trace/language/words.h"

/**
 * Parse the head of a definition. Behind it the scanner stands in front of the place, also where the
 * first word is the place.
 *
 * @return   0, -EP_SYNTAX or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_head_parse(struct trace_words *words, struct trace_definition *definition);

#endif
