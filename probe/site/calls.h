/* SPDX-License-Identifier: MIT */
/*
 * Calls of probed functions, from entry to end. At the entry a record is made for each probe, and the
 * return address is exchanged for that of a stub (fallback-xol/stub.h), which comes here at the
 * return; so does an unwinder that passes the stub. What is left by a jump is found later, by what the
 * stack holds in its place.
 */
#ifndef EMUPROBE_PROBE_SITE_CALLS_H
#define EMUPROBE_PROBE_SITE_CALLS_H

#define CALLS_STUBS 4096 /* a power of two */

#ifndef __ASSEMBLER__
#include "fallback-xol/stub.h"
#include "probe/site/site.h"
#include "probe/thread/records.h"
#include "probe/thread/thread.h"
#include "sys/memory.h"

/* A hit at which calls may begin. */
struct calls_entry {
	struct probe_site *site;
	struct ep_regs *regs;
	bool trapped;
	bool is_prepared, is_followed;
	struct records *records;
	struct xol_stub *stub; /* NULL: the return address stays, or is a stub's already */
	uint64_t expected, hit;
	uint32_t begun;
};

/* Not all of it: that would cost more than what is done with it. TRAP_PATH. */
SYS_INLINE void calls_begin(struct calls_entry *entry, struct probe_site *site,
			    struct ep_regs *regs, bool trapped)
{
	entry->site = site;
	entry->regs = regs;
	entry->trapped = trapped;
	entry->is_prepared = entry->is_followed = false;
	entry->stub = NULL;
	entry->begun = 0;
}

/**
 * A call begins in the eyes of @probe.
 *
 * @return   false: it cannot be followed.
 * Context:  TRAP_PATH; the site is published as running.
 */
EP_TRAP_PATH bool calls_enter(struct calls_entry *entry, struct ep_probe *probe);

/**
 * What the handlers leave to be done: exchange the return address, if a call is followed.
 *
 * @return   Where the thread goes to enter the function; 0: to the site's own way on.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH uint64_t calls_way_on(const struct calls_entry *entry);

/**
 * All of that at once, in the commonest case: an idle @thread, and one probe, which is enabled and counts
 * with @counter; the call came from where the last one did, and none was left by a jump.
 *
 * @return   Where the thread goes to enter the function; 0: nothing was done.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH uint64_t calls_enter_at_once(struct probe_site *site, struct ep_regs *regs,
					  struct probe_thread *thread, uint64_t *counter);

/**
 * The thread is about to leave a function by the way out @site: after its handlers.
 * Context:  TRAP_PATH; the site is published as running.
 */
EP_TRAP_PATH void calls_way_out(struct probe_site *site, struct ep_regs *regs,
				struct probe_thread *thread);

/* What stubs call when a function returns: the thread is at the return address. TRAP_PATH. */
EP_TRAP_PATH void calls_leave(struct ep_regs *regs, void *site, uint64_t stub, void *vectors);

/** The program ends here: so do all calls of the calling thread, @thread. TRAP_PATH. */
EP_TRAP_PATH void calls_exit(struct probe_thread *thread);

/*
 * Where the one probe of a site only counts: what its detour and the stubs call. They do it by themselves, or
 * go on in what is called otherwise.
 */
extern const uint8_t calls_counted_enter[], calls_counted_leave[];
/* The same where handlers are told of one call in some. */
extern const uint8_t calls_sampled_enter[];

/* Where its handlers use scratch registers only. */
extern const uint8_t calls_told_enter[], calls_told_leave[];

/* Stubs by site and caller, for these: any of them, at (address + site) % CALLS_STUBS. */
extern _Atomic(struct xol_stub *) calls_stubs[CALLS_STUBS];

/** The probes of @site are about to be those of @list. Context: engine lock held. */
void calls_choose_leave(struct probe_site *site, const struct probe_list *list);

/** They are, from now on: may they be counted? Context: engine lock held. */
void calls_choose_way(struct probe_site *site);

/* Context: once, before the first probe of a call; engine lock held. 0 or -EP_NO_MEMORY. */
int calls_init(void);

/** Give back what calls_init() has not taken yet. Context: engine lock held. */
void calls_deinit(void);
#endif

#endif
