/* SPDX-License-Identifier: MIT */
/* Chooses how a thread gets past a probed instruction. Alone sees emu/ and boost.h. */
#ifndef EMUPROBE_PROBE_SITE_PLAN_H
#define EMUPROBE_PROBE_SITE_PLAN_H

#include "probe/site/site.h"

/* The plan that was chosen, and why no better one. */
struct plan_choice {
	enum ep_plan plan;
	int reason; /* positive error code, 0: none */
};

/**
 * Choose the plan for @insn of which @asked, which may leave the choice to us, permits the best.
 *
 * @return   0, -EP_NOT_EMULATED, -EP_NOT_BOOSTED, -EP_NO_PLAN.
 * Context:  any thread; allocates nothing.
 */
int plan_choose(const struct x86_insn *insn, enum ep_plan asked, struct plan_choice *ret);

/** What is in force at @site. Context: engine lock held. */
void plan_of(const struct probe_site *site, struct plan_choice *ret);

/** Will what was chosen be promoted? Changes @choice if so. Context: engine lock held. */
void plan_foresee(const struct x86_insn *insn, enum ep_plan asked, struct plan_choice *choice);

/**
 * Make @site (with its insn filled) ready for @choice; an armed site may be changed.
 *
 * @return   0, -EP_OUT_OF_REACH, -EP_NO_MEMORY.
 * Context:  engine lock held.
 */
int plan_prepare(struct probe_site *site, const struct plan_choice *choice);

#endif
