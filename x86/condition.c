/* SPDX-License-Identifier: MIT */
/*
 * The condition evaluator (Intel SDM, "EFLAGS Condition Codes"). A hit on a jcc ends here, so
 * there is nothing to decode: the five status flags that conditions look at index a table of 16
 * bits, one for each code.
 */
#include "x86/condition.h"

/* Bit n: condition code n holds. Index: OF SF ZF PF CF, from the top. */
#define O(i)		  ((i) >> 4 & 1)
#define S(i)		  ((i) >> 3 & 1)
#define Z(i)		  ((i) >> 2 & 1)
#define P(i)		  ((i) >> 1 & 1)
#define C(i)		  ((i)&1)
#define PAIR(holds, code) ((holds) ? 1 << (code) : 2 << (code))
#define ROW(i)                                                                                     \
	(uint16_t)(PAIR(O(i), 0x0) |		    /* o, no */                                    \
		   PAIR(C(i), 0x2) |		    /* b, ae */                                    \
		   PAIR(Z(i), 0x4) |		    /* e, ne */                                    \
		   PAIR(C(i) || Z(i), 0x6) |	    /* be, a */                                    \
		   PAIR(S(i), 0x8) |		    /* s, ns */                                    \
		   PAIR(P(i), 0xa) |		    /* p, np */                                    \
		   PAIR(S(i) != O(i), 0xc) |	    /* l, ge */                                    \
		   PAIR(Z(i) || S(i) != O(i), 0xe)) /* le, g */
#define ROWS(i) ROW(i), ROW((i) + 1), ROW((i) + 2), ROW((i) + 3)

static const uint16_t holds[32] = {
	ROWS(0), ROWS(4), ROWS(8), ROWS(12), ROWS(16), ROWS(20), ROWS(24), ROWS(28),
};

bool x86_condition(unsigned int code, uint64_t rflags)
{
	unsigned int index = 0;

	index |= rflags & X86_CF ? 1 : 0;
	index |= rflags & X86_PF ? 2 : 0;
	index |= rflags & X86_ZF ? 4 : 0;
	index |= rflags & X86_SF ? 8 : 0;
	index |= rflags & X86_OF ? 16 : 0;
	return holds[index] >> code & 1;
}
