/* SPDX-License-Identifier: MIT */
/*
 * What a guarded call keeps on the program's stack: registers, masks, the call that is made for it.
 */
#ifndef EMUPROBE_PROBE_GUARD_FRAME_H
#define EMUPROBE_PROBE_GUARD_FRAME_H

#include "x86/regs.h"

/* Byte offsets of struct guard_frame, for entry.S; view.c compares them. */
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
#endif

#endif
