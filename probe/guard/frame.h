/* SPDX-License-Identifier: MIT */
/*
 * What a guarded call keeps on the program's stack: registers, masks, the call that is made for it.
 */
#ifndef EMUPROBE_PROBE_GUARD_FRAME_H
#define EMUPROBE_PROBE_GUARD_FRAME_H

#include "x86/regs.h"

/* Byte offsets of struct guard_frame, for guard_entry.S; guard_frame.c compares them. */
#define GUARD_DATA   EP_REGS_SIZE
#define GUARD_END    (GUARD_DATA + 8)
#define GUARD_COOKIE (GUARD_DATA + 16)
#define GUARD_STATE  (GUARD_DATA + 24)
#define GUARD_MASK   (GUARD_DATA + 32)
#define GUARD_CHILD  (GUARD_DATA + 40)
#define GUARD_CALL   (GUARD_DATA + 80)
#define GUARD_SIZE   (GUARD_CALL + 56)
#define GUARD_ROOM   (GUARD_SIZE + 128) /* and the program's red zone */

/* Of struct probe_thread. */
#define GUARD_OF_THREAD 0

/* What guard_decide() and guard_work() want. */
#define GUARD_PASS	  0 /* the call as it is, by the program's own copy */
#define GUARD_WAIT	  1 /* .call, which has a mask of its own */
#define GUARD_WORK	  2 /* guard_work(), with all signals blocked */
#define GUARD_DONE	  7 /* nothing: .regs has the result */
#define GUARD_LEAVE_DONE  3 /* set .mask, and go on behind the call */
#define GUARD_LEAVE_PASS  4 /* set .mask, and make the call as it is */
#define GUARD_WAIT_MASKED 5 /* as WAIT, then LEAVE_DONE */
#define GUARD_CLONE	  6 /* .call; guard_child() in the child; both LEAVE_DONE */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

enum guard_state {
	GUARD_BEFORE,	/* nothing has been done yet */
	GUARD_BLOCKING, /* likewise, and signals are about to be blocked, or just have been */
	GUARD_WORKING,	/* all signals but those that we own are blocked; .mask is the program's */
};

/* The arguments of a system call. */
struct guard_call {
	uint64_t rax, rdi, rsi, rdx, r10, r8, r9;
};

struct guard_frame {
	struct ep_regs regs; /* the program's; RIP is that of the call */
	uint64_t data;	     /* GUARDED_*: of its copy */
	uint64_t end;	     /* the address behind the call */
	uint64_t cookie;     /* its own address, while it is in use */
	uint64_t state;	     /* enum guard_state */
	uint64_t mask;	     /* see GUARD_WORKING */
	uint64_t child;	     /* the frame of the child that is about to be made */
	uint64_t wanted;     /* the mask that the program wants to wait with */
	uint64_t waiting;    /* that which the kernel gets */
	uint64_t pair[2];    /* of pselect6(): a pointer to the mask, and its size */
	struct guard_call call;
};

/* Where a signal has found a thread. */
enum guard_place {
	GUARD_NOWHERE,	/* not in a guarded call */
	GUARD_IN_FRONT, /* of the call; nothing has been done */
	GUARD_WAITED,	/* in a wait, which it has ended */
	GUARD_BEHIND,	/* the call is done */
};

struct guard_view {
	enum guard_place place;
	uint64_t resume;	   /* where a thread with the registers as shown goes on */
	struct guard_frame *frame; /* NULL: left already, or not yet filled */
};

/**
 * Is a thread with @regs in a guarded call? Then make them what the program would see.
 *
 * @return   false: it is not, and @regs are as they were.
 * Context:  TRAP_PATH; in a signal handler of the thread itself.
 */
EP_TRAP_PATH bool guard_view(struct ep_regs *regs, struct guard_view *ret);

/** Make @regs, which are shown as after a wait, those in front of it. Context: TRAP_PATH. */
EP_TRAP_PATH void guard_restart(struct ep_regs *regs, const struct guard_view *view);

/**
 * Is a thread with @regs and the signal mask @mask in guard_work(), or in a handler of ours, which
 * must be finished? It is not shown as anything else.
 * Context:  TRAP_PATH; as guard_view().
 */
EP_TRAP_PATH bool guard_is_working(const struct ep_regs *regs, uint64_t mask);

/* guard_entry.S, from begin to end, with the places that guard_view() tells apart. */
void guard_enter(void);
extern const uint8_t guard_lowered[], guard_pushed[], guard_saved[], guard_waited[], guard_pass[],
	guard_pass_moved[], guard_pass_jump[], guard_done[], guard_done_moved[], guard_done_jump[],
	guard_leave[], guard_left[], guard_clone[], guard_entry_end[];

/* Called from there. */
EP_TRAP_PATH int guard_decide(struct guard_frame *frame);
EP_TRAP_PATH int guard_work(struct guard_frame *frame);
EP_TRAP_PATH void guard_child(struct guard_frame *frame);
#endif

#endif
