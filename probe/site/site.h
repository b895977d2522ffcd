/* SPDX-License-Identifier: MIT */
/* A site: one probed address, shared by all probes that stand on it. */
#ifndef EMUPROBE_PROBE_SITE_SITE_H
#define EMUPROBE_PROBE_SITE_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/emu.h"
#include "fallback-xol/jump.h"
#include "include/emuprobe.h"
#include "probe/site/condition.h"
#include "probe/site/state.h"
#include "x86/insn.h"

struct probe_site;
struct xol_stub;

/* Users have its handle, never its address: see probe/api/handles.c. */
struct ep_probe {
	struct probe_state state;
	struct ep_probe *handle;
	uint32_t number;
	uint32_t counter; /* of hits; COUNTERS_NONE: all are in counts */
	struct probe_site *site;
	struct ep_probe *next_removed;
	ep_handler handler;
	ep_call_handler entered, ended;
	void *cookie;
	_Atomic(struct ep_counts *) counts;
	struct ep_counts own_counts;
	uint64_t serial;	 /* no other probe has or had it */
	uint32_t return_counter; /* COUNTERS_NONE: all are in counts */
	uint64_t returns_base;	 /* what it had when the probe got it */
	uint32_t one_in;   /* how many calls there are for one that the handlers are told of */
	uint32_t turns;	   /* counts those until then down, in each thread */
	bool general_only; /* the handlers use no vector registers */
	bool scratch_only; /* there is one, for hits without conditions: see scratch.S */
	bool follows;	   /* calls, to their ends */
	struct probe_conditions *conditions; /* of hits that are wanted; NULL: all are */
	uint64_t semaphore;	   /* address of what is counted as long as it is there; 0: none */
	void (*freed)(void *data); /* when nobody looks at it any more; NULL: nothing is done */
	void *freed_data;
};

/** Does a hit do more than count, so that a thread in a handler misses it? */
EP_TRAP_PATH static inline bool probe_is_called(const struct ep_probe *probe)
{
	return probe->handler || probe->follows;
}

/** Is a hit with @regs none of its business? */
EP_TRAP_PATH static inline bool probe_leaves(const struct ep_probe *probe,
					     const struct ep_regs *regs)
{
	return __builtin_expect(probe->conditions != NULL, 0) &&
	       !conditions_hold(probe->conditions, regs);
}

/* The probes of a site in the order of registration. Replaced as a whole, never changed. */
struct probe_list {
	struct probe_site *site;
	struct probe_list *next_replaced;
	uint32_t count;
	struct ep_probe *probes[];
};

/* A jump that was made ready for a site; kept for ever, since a thread may be inside (G4). */
struct probe_jump {
	struct probe_jump *next; /* that was made for the same site before */
	struct xol_jump jump;
	uint8_t original[XOL_JUMP_SIZE];
	uint64_t serial; /* of the probe whose conditions the detour has; 0: it has none */
	uint8_t kind;	 /* enum probe_jump_kind */
};

/* What a jump's detour does. */
enum probe_jump_kind {
	PROBE_JUMP_SILENT,  /* is there for the site's guard only */
	PROBE_JUMP_COUNT,   /* adds one to the site's counter */
	PROBE_JUMP_GENERAL, /* calls handlers that use general registers only */
	PROBE_JUMP_SCRATCH, /* calls one handler that uses scratch registers only */
	PROBE_JUMP_VECTOR,  /* calls any handlers */
	/* Counts, and calls, where the conditions of the one probe say so. */
	PROBE_JUMP_COUNT_IF,
	PROBE_JUMP_GENERAL_IF,
	PROBE_JUMP_VECTOR_IF,
	/* Without conditions, and goes on where calls are followed. */
	PROBE_JUMP_CALLS_COUNT,
	PROBE_JUMP_CALLS_SAMPLE, /* counts most, and calls handlers for some */
	PROBE_JUMP_CALLS_TOLD,	 /* calls handlers that use scratch registers only */
	PROBE_JUMP_CALLS,
	PROBE_JUMP_CALLS_VECTOR,
};

/*
 * The life of a site, as far as its first byte goes; whether a jump is made of it is .jump.
 *
 *	                  sites_arm(), a guard: before the int3 is written
 *	    .-------------------------------------------------------.
 *	    |                                                       v
 *	SITE_DISARMED <---- the byte is put back, or ---------- SITE_ARMED
 *	    ^               the code is gone                        |  ^
 *	    |                         sites_disarm(): our int3 or   |  |  the next look says ours,
 *	    |                         theirs? the byte is left      v  |  or it is armed again
 *	    `------------------------------------------------- SITE_UNCLEAR
 *
 * Changed under the engine's lock only, and read by any trap, which services both armed states: the
 * store that arms comes after all else that a trap reads of the site (G1).
 */
enum site_state {
	SITE_DISARMED, /* a late trap goes back to the instruction (G3) */
	SITE_ARMED,    /* the first byte is our int3, or is about to be, or was just now */
	SITE_UNCLEAR,  /* armed, in generated code that may have been replaced: never written to */
};

/* What a site is to functions whose calls are followed by their ways out: see ways.h. */
enum site_way {
	WAY_NONE,
	WAY_RET,
	WAY_JUMP,    /* to another function */
	WAY_JUMP_IF, /* if the flags say so */
};

/* What there is of a site, beyond its state. Read and changed under the engine's lock only. */
enum site_flag {
	SITE_HAS_OP = 1 << 0,	    /* .op is valid */
	SITE_COUNTER_LENT = 1 << 1, /* .counter counts for one of its probes */
	SITE_RETURNS = 1 << 2, /* of a guard: what stands behind it is executed next, so is code */
};

/*
 * Sites are never freed, only disarmed: a thread may have taken the trap and not yet looked the
 * address up (G3). Memory is bounded by the number of distinct addresses ever probed (G4).
 */
struct probe_site {
	uint64_t address;
	_Atomic(struct probe_list *) probes; /* NULL: none */
	/* The same, if it is one with a handler which counts with .counter; else NULL. */
	_Atomic(struct ep_probe *) only;
	/* The same, if it follows calls. */
	_Atomic(struct ep_probe *) only_calls;
	_Atomic(struct xol_stub *) last_stub; /* that was used, by whichever thread */
	/* The serial number of its one probe, if that does nothing but count calls; else 0. */
	_Atomic uint64_t counted;
	struct ep_probe *counted_probe; /* the last such */
	uint64_t returns_at;		/* where .return_counter is, as xol_where() */
	uint64_t turns_at;		/* the same of its .turns */
	/* Of a function whose calls are followed: where it goes on behind its handlers. */
	uint64_t body;
	/* Continue the program after the handlers: the plan in force. TRAP_PATH. */
	_Atomic(void (*)(const struct probe_site *site, struct ep_regs *regs)) resume;
	/* Does the engine itself want this instruction? Before resume; true: it is done. TRAP_PATH
	 */
	bool (*intercept)(const struct probe_site *site, struct ep_regs *regs, void *ucontext);
	const struct xol_guard *guard; /* the engine's own, of a syscall; NULL: none */
	uint64_t slot; /* boosted copy, or what makes a fault happen again; 0: none */
	/* In the text, partly at least: its boundaries may be reached. NULL: not promoted. */
	_Atomic(const struct probe_jump *) jump;
	_Atomic(struct probe_jump *) jumps; /* that are ready, the newest first */
	const uint8_t *leave; /* what stubs call when it returns, if its calls are followed */
	/* Serial number of the probe whose conditions have no room in a detour here. */
	uint64_t unfit;
	struct probe_site **ways; /* its ways out, with .is_left_alone */
	uint32_t way_count;
	uint32_t way_uses;	 /* to how many functions it is one itself */
	uint32_t counter;	 /* for the detour that only counts; COUNTERS_NONE: not yet */
	uint32_t return_counter; /* likewise, of the probe that has .counter */
	uint32_t waiters;	 /* calls that wait until its handlers have returned */
	uint8_t plan;		 /* enum ep_plan, of resume */
	uint8_t reason;		 /* enum ep_error: why no better plan, 0: none */
	uint8_t flags;		 /* enum site_flag */
	uint8_t asked;		 /* enum ep_plan */
	uint8_t jump_reason;	 /* enum ep_error: why not a jump, 0: not tried, or it is one */
	uint8_t remade; /* how often a jump was made for conditions that another one could not have */
	uint8_t behind;	       /* generated code: the byte behind an instruction of one byte */
	bool is_left_alone;    /* its return address is: its ways out are probed */
	_Atomic uint8_t state; /* enum site_state */
	_Atomic uint8_t way;   /* enum site_way: what it is itself */
	struct emu_op op;      /* valid with SITE_HAS_OP */
	struct x86_insn insn;  /* with the original bytes (G7) */
};

/** May our int3 stand at @site? Acquires what was made ready for it. TRAP_PATH; any thread. */
EP_TRAP_PATH static inline bool site_is_armed(const struct probe_site *site)
{
	return atomic_load(&site->state) != SITE_DISARMED;
}

#endif
