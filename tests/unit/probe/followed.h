/* SPDX-License-Identifier: MIT */
/* For tests: a probe that follows calls, with handlers that check what they are told. */
#ifndef EMUPROBE_TESTS_FOLLOWED_H
#define EMUPROBE_TESTS_FOLLOWED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/* A function of which the compiler makes no variants, and forgets what it does. */
#ifdef __clang__
#define FOLLOWED static __attribute__((noinline, optnone))
#else
#define FOLLOWED static __attribute__((noipa))
#endif

/* So that a call stays one. */
#define FOLLOWED_STAY() __asm__ volatile("" : : : "memory")

struct followed {
	struct ep_probe *probe;
	bool is_counted;		    /* FOLLOWED_COUNTED: nothing below is told */
	_Atomic uint64_t entered, ended[3]; /* by enum ep_end */
	_Atomic uint64_t wrong;		    /* ends with words or registers of another call */
};

/* What is expected of one. */
struct followed_counts {
	uint64_t hits, returns, unwound, abandoned, missed;
};

/* Under EP_PLAN_JUMP, by code of their own: the probe has no handlers; it has, and they use scratch registers only. */
#define FOLLOWED_COUNTED ((enum ep_plan)(EP_PLAN_JUMP + 1))
#define FOLLOWED_TOLD	 ((enum ep_plan)(EP_PLAN_JUMP + 2))

/* Under one plan after the other, from EP_PLAN_AUTO to EP_PLAN_JUMP. */
#define FOLLOWED_EACH_PLAN(plan)                                                                   \
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++)

/* The same, and then these two. */
#define FOLLOWED_EACH_WAY(plan)                                                                    \
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= FOLLOWED_TOLD; plan++)

/** @plan, or where @function has an instruction that it cannot do, EP_PLAN_TRAP. */
enum ep_plan followed_plan(const void *function, enum ep_plan plan);

/** Probe @function. The test fails if that cannot be. */
void followed_begin(struct followed *followed, const void *function, enum ep_plan plan);

/** How many calls have begun. */
uint64_t followed_entered(const struct followed *followed);

/** ep_plan_name(), and those of FOLLOWED_COUNTED and FOLLOWED_TOLD. */
const char *followed_plan_name(enum ep_plan plan);

/** Nothing but the counts are as @counts says, so far. */
void followed_expect(const struct followed *followed, const char *what,
		     struct followed_counts counts);

/** That, and remove the probe. */
void followed_end(struct followed *followed, const char *what, struct followed_counts counts);

/** The same handlers, for probes of other making; the cookie is a struct followed. */
void followed_on_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		       void *cookie);
void followed_on_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie);

/** Run @work in @count threads at once, and wait for them. */
void followed_in_threads(unsigned int count, void *(*work)(void *), void *data);

#endif
