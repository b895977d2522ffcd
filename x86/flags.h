/* SPDX-License-Identifier: MIT */
/* What an instruction does to the status flags: CF, PF, AF, ZF, SF and OF. */
#ifndef EMUPROBE_X86_FLAGS_H
#define EMUPROBE_X86_FLAGS_H

#include "x86/insn.h"

enum x86_flags_use {
	X86_FLAGS_USED,	    /* reads some, or changes only some, or nobody knows */
	X86_FLAGS_REPLACED, /* writes all of them and reads none */
	X86_FLAGS_IGNORED,  /* neither reads nor writes any, and goes on behind itself */
};

/** Context: any thread. Knows the commonest instructions only; the rest are said to use flags. */
enum x86_flags_use x86_insn_flags_use(const struct x86_insn *insn);

#endif
