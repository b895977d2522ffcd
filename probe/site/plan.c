/* SPDX-License-Identifier: MIT */
/*
 * Emulation first: it costs no copy and no jump, and control flow can only be emulated. What the
 * emulator has no rule for is boosted. Every site also gets a slot for the case that an emulated
 * access faults: there the real instruction faults by itself, which no emulation of a fault could
 * match.
 */
#include "probe/site/plan.h"

#include "fallback-xol/boost.h"
#include "fallback-xol/relocate.h"
#include "probe/site/hit.h"
#include "probe/site/promote.h"

static bool can_boost(const struct x86_insn *insn)
{
	return xol_is_relocatable(insn);
}

static bool can_emulate(const struct x86_insn *insn)
{
	struct emu_op op;

	return emu_prepare(insn, &op) == 0;
}

int plan_choose(const struct x86_insn *insn, enum ep_plan asked, struct plan_choice *ret)
{
	bool emulate = can_emulate(insn), boost = can_boost(insn);

	if (asked == EP_PLAN_EMULATE && !emulate)
		return -EP_NOT_EMULATED;
	if (asked == EP_PLAN_BOOST && !boost)
		return -EP_NOT_BOOSTED;
	if (!emulate && !boost)
		return -EP_NO_PLAN;
	ret->plan = emulate && asked != EP_PLAN_BOOST ? EP_PLAN_EMULATE : EP_PLAN_BOOST;
	ret->reason = ret->plan == EP_PLAN_BOOST && !emulate ? EP_NOT_EMULATED : 0;
	return 0;
}

static bool may_jump(enum ep_plan asked)
{
	return asked == EP_PLAN_AUTO || asked == EP_PLAN_JUMP;
}

void plan_of(const struct probe_site *site, struct plan_choice *ret)
{
	*ret = (struct plan_choice){site->plan, site->reason};
	if (atomic_load(&site->jump))
		*ret = (struct plan_choice){EP_PLAN_JUMP, 0};
	else if (may_jump(site->asked) && site->jump_reason)
		ret->reason = site->jump_reason;
}

void plan_foresee(const struct x86_insn *insn, enum ep_plan asked, struct plan_choice *choice)
{
	int error = may_jump(asked) ? promote_check(insn, asked) : 0;

	if (error)
		choice->reason = -error;
	else if (may_jump(asked))
		*choice = (struct plan_choice){EP_PLAN_JUMP, 0};
}

static int prepare_slot(struct probe_site *site)
{
	int error;

	if (site->slot)
		return 0;
	if (can_boost(&site->insn))
		return xol_boost_guarded(&site->insn, site->guard, &site->slot);
	error = xol_provoke(&site->insn, &site->slot);
	return error == -EP_NOT_EMULATED ? 0 : error; /* accesses no memory: cannot fault */
}

int plan_prepare(struct probe_site *site, const struct plan_choice *choice)
{
	int error = prepare_slot(site);

	if (error)
		return error;
	if (!(site->flags & SITE_HAS_OP) && emu_prepare(&site->insn, &site->op) == 0)
		site->flags |= SITE_HAS_OP;
	site->plan = (uint8_t)choice->plan;
	site->reason = (uint8_t)choice->reason;
	atomic_store_explicit(&site->resume,
			      choice->plan == EP_PLAN_EMULATE ? hit_resume_emulated
							      : hit_resume_boosted,
			      memory_order_release);
	return 0;
}
