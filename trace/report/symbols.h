/* SPDX-License-Identifier: MIT */
/* Names of addresses in events. For the launcher: files are read, and memory is allocated. */
#ifndef EMUPROBE_TRACE_REPORT_SYMBOLS_H
#define EMUPROBE_TRACE_REPORT_SYMBOLS_H

#include "trace/session/objects.h"

struct trace_symbols;

/**
 * @arena   For what processes say of their objects. Its limit holds.
 *
 * @return  NULL: there is no memory. It is never freed.
 */
struct trace_symbols *trace_symbols_create(const struct trace_session *session,
					   struct trace_arena *arena);

/**
 * The name of an address, in @process at @time: "prog:main+0x1d", "prog:0x111d" by its offset
 * in a file that has no symbol for it, or that has changed since trace_symbols_create().
 *
 * @is_exact  false: a call returns to it, and the function that has the call is meant.
 *
 * @return   Whether it has one; else @ret is untouched. What is too long is cut.
 */
bool trace_symbols_name(struct trace_symbols *symbols, uint32_t process, uint64_t address,
			bool is_exact, uint64_t time, char *ret, size_t size);

/* What an address is called. */
struct trace_symbol {
	const char *object; /* "libc.so.6" */
	int object_length;
	const char *function; /* as in the file; NULL: none is known there */
	uint64_t offset;      /* in the function; else in the file */
};

/**
 * The same in parts, of a call's return address (@is_return), or of an instruction's.
 *
 * @return   false: nothing is known to be there. @ret points to what is never freed.
 */
bool trace_symbols_find(struct trace_symbols *symbols, uint32_t process, uint64_t address,
			bool is_return, uint64_t time, struct trace_symbol *ret);

#endif
