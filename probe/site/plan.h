/* SPDX-License-Identifier: MIT */
/* Chooses how a thread gets past a probed instruction. The only file that knows both ways. */
#ifndef EMUPROBE_PROBE_SITE_PLAN_H
#define EMUPROBE_PROBE_SITE_PLAN_H

#include "probe/site/site.h"

/* What was chosen for whom, and why nothing better. */
struct plan_choice {
	enum ep_plan plan;
	int reason; /* positive error code, 0: none */
};

/**
 * What @asked means for @insn.
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
