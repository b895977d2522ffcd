/* SPDX-License-Identifier: MIT */
#include "x86/condition.h"

#include <criterion/criterion.h>

/* Intel SDM, "EFLAGS Condition Codes", word for word; the oracle tests ask the processor. */
static bool by_the_manual(unsigned int code, uint64_t flags)
{
	bool cf = flags & X86_CF, zf = flags & X86_ZF, sf = flags & X86_SF, of = flags & X86_OF;
	bool pf = flags & X86_PF;
	const bool holds[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

	return holds[code / 2] != (code & 1);
}

Test(condition, is_as_the_manual_says)
{
	for (uint64_t flags = 0; flags < 0x1000; flags++)
		for (unsigned int code = 0; code < 16; code++)
			cr_assert_eq(x86_condition(code, flags), by_the_manual(code, flags));
}

Test(condition, ignores_other_flags)
{
	for (unsigned int code = 0; code < 16; code++)
		cr_expect_eq(x86_condition(code, ~(uint64_t)X86_STATUS_FLAGS),
			     x86_condition(code, 0));
}
