/* SPDX-License-Identifier: MIT */
/*
 * Stubs: where a probed function returns to. There is one for each call site, so what is
 * found on the stack says by itself where the caller goes on: whatever becomes of our records, nobody
 * returns to a wrong address, and every unwinder finds the caller. The processor predicts both returns,
 * since each has its call:
 *
 *	caller:  call function -> jmp detour -> jmp stub
 *	stub:    lea 8(%rsp),%rsp	# the return address is taken off,
 *		 call *body		# and another one takes its place
 *		 ...
 *	body:    ret -------------> stub: call the handlers; push the return address; ret -> caller
 *
 * The code of all stubs is the same; what differs is data, in private memory at a fixed distance, so
 * that a new one needs no code to be written, and a child of fork() makes its own.
 */
#ifndef EMUPROBE_FALLBACK_XOL_STUB_H
#define EMUPROBE_FALLBACK_XOL_STUB_H

#define XOL_STUBS	 16384
#define XOL_STUB_SIZE	 64		 /* of code, and of data */
#define XOL_STUB_ENTRIES (2 * XOL_STUBS) /* in the table that finds them; a power of two */

/* Offsets in the code, at which the state of the stack changes; see stub.c. */
#define STUB_TAKEN    8	 /* the return address has been taken off */
#define STUB_RETURNED 14 /* where the function returns to */
#define STUB_BELOW    22 /* RSP is 128 too low */
#define STUB_HANDLED  28 /* where the handlers return to */
#define STUB_LEAVE    36 /* RSP is right again */
#define STUB_PUSHED   42 /* the return address is on the stack */
#define STUB_END      43

/* Offsets in the data. */
#define STUB_ADDRESS 0
#define STUB_SITE    8
#define STUB_WHERE   16
#define STUB_HIT     24
#define STUB_SHARED  32
#define STUB_BODY    40
#define STUB_CALLER  48
#define STUB_FULL    56

/* Of the data, from the return address into the stub. */
#define STUB_DATA (XOL_STUBS * XOL_STUB_SIZE - STUB_HANDLED)

#ifdef __ASSEMBLER__
/* In four bytes, for unwind information: how far it is from code to data. */
#define SEVEN_BITS(number, at) (((number) >> (at)) & 0x7f)
#define ULEB(number)                                                                               \
	SEVEN_BITS(number, 0) + 0x80, SEVEN_BITS(number, 7) + 0x80, SEVEN_BITS(number, 14) + 0x80, \
		SEVEN_BITS(number, 21)
#else
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fallback-xol/detour.h"
#include "include/emuprobe.h"
#include "sys/memory.h"

/* Parts of stub.S. */
extern const uint8_t xol_stub_general[], xol_stub_sse[], xol_stub_avx[];
extern const uint8_t xol_stub_avx512f[], xol_stub_avx512[];

/* The data of a stub. Constant once it is there, but for .shared, .body and .full, each value of which will do. */
struct xol_stub {
	uint64_t address; /* where the caller goes on */
	void *site;
	uint64_t where; /* its own address */
	void (*hit)(struct ep_regs *regs, void *site, uint64_t where, void *vectors);
	_Atomic(const uint8_t *) shared; /* what is called at the return */
	_Atomic uint64_t body; /* what is called; 0: stubs of traps are only returned to */
	uint64_t caller;       /* .address - 1: in the call; see stub.S */
	_Atomic(const uint8_t *)
		full; /* what saves registers around .hit: .shared, or where that goes on */
};

/**
 * Map the code, at the first call.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread that holds the registry lock.
 */
int xol_stub_init(void);

/**
 * Keep no more than the address space, if no code is mapped: nothing that takes memory when it is locked,
 * or has to be accounted for. It can still be read, as LeakSanitizer does with all of our data. Not given back: the next library would be loaded there, in the middle of ours,
 * and be taken for it by libc.
 * Context:  as xol_stub_init().
 */
void xol_stub_release(void);

/** What a stub calls around .hit, if that may use @save. Context: any. */
const uint8_t *xol_stub_code_for(enum xol_save save);

/**
 * The stub for calls of the function at @site from the call in front of @address; NULL: there is none
 * yet. Context: TRAP_PATH; wait-free.
 */
EP_TRAP_PATH struct xol_stub *xol_stub_find(const void *site, uint64_t address);

/**
 * The same, made where there is none.
 *
 * @site     Begins with the function's address; told to @hit.
 * @hit      Called at the return, with RIP @address; as in struct xol_detour. What it is told as
 *           @where is the stub.
 *
 * @return   NULL: there are no more, or xol_stub_init() has not been called.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH struct xol_stub *xol_stub_make(void *site, uint64_t address,
					    void (*hit)(struct ep_regs *, void *, uint64_t,
							void *));

/** From now on threads may go to the entry of @stub, which calls @body. */
EP_TRAP_PATH void xol_stub_calls(struct xol_stub *stub, uint64_t body);

/** Where a thread goes that has the return address on top of its stack. */
SYS_INLINE uint64_t xol_stub_entry(const struct xol_stub *stub)
{
	return (uint64_t)stub - XOL_STUBS * XOL_STUB_SIZE;
}

/** What the function finds as its return address. */
SYS_INLINE uint64_t xol_stub_return(const struct xol_stub *stub)
{
	return xol_stub_entry(stub) + STUB_RETURNED;
}

/** Is @address what a function that was called by a stub returns to? */
EP_TRAP_PATH bool xol_stub_is_return(uint64_t address);

/** Does @stub keep the vector registers around .hit? */
SYS_INLINE bool xol_stub_keeps_vectors(const struct xol_stub *stub)
{
	return atomic_load_explicit(&stub->full, memory_order_relaxed) != xol_stub_general;
}

/** From now on @stub saves what @shared does, or more. */
EP_TRAP_PATH void xol_stub_need(struct xol_stub *stub, const uint8_t *shared);

/**
 * From now on @stub calls @shared at first, unless it saves vector registers. That goes on at STUB_FULL
 * when it cannot do what is to be done.
 */
EP_TRAP_PATH void xol_stub_begin_with(struct xol_stub *stub, const uint8_t *shared);

/** The stub that @rip is in, NULL: none. Context: TRAP_PATH. */
EP_TRAP_PATH struct xol_stub *xol_stub_at(uint64_t rip);

/**
 * Where a thread in a stub is, as the program should see it: what struct xol_origin has.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool xol_stub_origin(uint64_t rip, uint64_t *ret_address, uint16_t *ret_state,
				  uint64_t *ret_resume, bool *ret_returned);

/**
 * From now on @set is called by unwinders that remove frames of called functions, once for each stub
 * that they pass. It is told the unwinder's state, the layout of which is the unwinder's own.
 */
void xol_stub_on_unwind(void (*set)(const void *context));

extern int (*xol_stub_personality_at)(int version, int actions, uint64_t kind, void *exception,
				      void *context);
extern uint8_t xol_stubs[XOL_STUBS][XOL_STUB_SIZE];
extern struct xol_stub xol_stub_data[XOL_STUBS];
extern _Atomic uint32_t xol_stub_table[XOL_STUB_ENTRIES]; /* number of a stub + 1; 0: none */
#endif

#endif
