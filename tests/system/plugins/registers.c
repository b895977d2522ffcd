/* SPDX-License-Identifier: MIT */
/*
 * A plugin that probes its host while it is loaded: the constructor creates, the destructor removes,
 * as it must. Its other handler is for those who forget that.
 */
#include <stdlib.h>

#include "include/emuprobe.h"

long target(long number);
void forgotten_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie);

static struct ep_probe *own;
static uint64_t calls;

static void own_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

void forgotten_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	own_handler(probe, regs, cookie);
}

__attribute__((constructor)) static void construct(void)
{
	const struct ep_options options = {.size = sizeof(options), .handler = own_handler};

	if (getenv("REGISTER") && ep_probe_create((const void *)target, &options, &own))
		abort();
}

__attribute__((destructor)) static void destruct(void)
{
	if (own)
		ep_probe_remove(own);
}
