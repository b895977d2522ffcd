/* SPDX-License-Identifier: MIT */
/* One instruction after the other, as it was before any probe. */
#ifndef EMUPROBE_PROBE_IMAGE_CODE_H
#define EMUPROBE_PROBE_IMAGE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "x86/insn.h"

#define CODE_CHUNK 1024u /* bytes that are read at once */

struct code {
	uint64_t end, next; /* addresses: of the end, of the next instruction */
	uint64_t copied;    /* address of what is in bytes */
	uint8_t bytes[CODE_CHUNK];
	size_t size;
};

/** Over what stands from @start to @end. Context of all of these: engine lock held. */
void code_init(struct code *code, uint64_t start, uint64_t end);

/** @return 1: there is one, 0: the end, or -EP_UNDECODABLE, and it is asked no more. */
int code_next(struct code *code, struct x86_insn *ret);

/** Where a direct jump goes to; 0: it is none. */
uint64_t code_jump_target(const struct x86_insn *insn);

/** The first instruction at @address that does something. False: none can be decoded. */
bool code_first(uint64_t address, struct x86_insn *ret);

/** jmp through a pointer at a fixed address, as an entry of a PLT does. */
bool code_jumps_through_pointer(const struct x86_insn *insn);

/** Where that pointer is. */
uint64_t code_pointer(const struct x86_insn *jump);

/** What that pointer holds now. False: what it holds before a PLT is bound, or no code. */
bool code_read_pointer(const struct x86_insn *jump, uint64_t *ret);

#endif
