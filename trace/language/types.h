/* SPDX-License-Identifier: MIT */
/* Types of arguments. */
#ifndef EMUPROBE_TRACE_LANGUAGE_TYPES_H
#define EMUPROBE_TRACE_LANGUAGE_TYPES_H

#include "trace/language/definition.h"
#include "trace/language/scanner.h"

/**
 * Parse u8..u64, s8..s64, x8..x64, f32, f64, char, symbol, symstr, string, ustring, string1..string4096,
 * sockaddr, bWIDTH@OFFSET/CONTAINER, hex[N], or TYPE[N].
 *
 * @return   0 or -EP_SYNTAX.
 * Context:  any thread.
 */
int trace_type_parse(struct trace_scanner *scanner, struct trace_span span, struct trace_type *ret);

/** Is it copied into the record from memory, rather than one word of it? */
static inline __attribute__((always_inline)) bool trace_type_is_bulk(const struct trace_type *type)
{
	return type->elements || type->kind >= TRACE_STRING;
}

/** @value as @type says: so much of it, widened to 64 bits. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t trace_type_widen(const struct trace_type *type, uint64_t value);

/** Bytes that a value may take when it is printed. Context: any. */
uint32_t trace_type_text(const struct trace_type *type);

/** Bytes of an element of what is copied; of a text at most. Context: any. */
static inline uint16_t trace_type_element(const struct trace_type *type)
{
	return type->kind >= TRACE_STRING ? type->limit : type->size;
}

#endif
