/* SPDX-License-Identifier: MIT */
/* The flag bits of RFLAGS, and what a condition code says of them. */
#ifndef EMUPROBE_X86_CONDITION_H
#define EMUPROBE_X86_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define X86_CF 0x0001u
#define X86_PF 0x0004u
#define X86_AF 0x0010u
#define X86_ZF 0x0040u
#define X86_SF 0x0080u
#define X86_TF 0x0100u
#define X86_IF 0x0200u
#define X86_DF 0x0400u
#define X86_OF 0x0800u
#define X86_NT 0x4000u
#define X86_RF 0x10000u
#define X86_AC 0x40000u
#define X86_ID 0x200000u

/* What arithmetic sets. */
#define X86_STATUS_FLAGS (X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF)

/**
 * Does condition @code, the low four bits of the opcode of a jcc, setcc or cmovcc, hold?
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool x86_condition(unsigned int code, uint64_t rflags);

#endif
