/* SPDX-License-Identifier: MIT */
/* libcapstone behind one function: its names and ours clash, so no file can include both. */
#ifndef EMUPROBE_X86_DISASM_H
#define EMUPROBE_X86_DISASM_H

#include <stddef.h>
#include <stdint.h>

/**
 * Disassemble one instruction; Intel syntax to @text, unless that is NULL.
 *
 * @return   Its length, 0: libcapstone does not know it.
 * Context:  any thread. About 300 ns.
 */
size_t x86_disasm(const uint8_t *code, size_t size, uint64_t address, char *text, size_t text_size);

#endif
