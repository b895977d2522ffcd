/* SPDX-License-Identifier: MIT */
/* A plugin with an engine of its own inside, as libemuprobe.a. */
#include "include/emuprobe.h"

int engine_probe(const void *addr);
uint64_t engine_hits(void);

static struct ep_probe *probe;
static uint64_t calls;

static void on_hit(struct ep_probe *hit, struct ep_regs *regs, void *cookie)
{
	(void)hit;
	(void)regs;
	(void)cookie;
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

int engine_probe(const void *addr)
{
	const struct ep_options options = {.size = sizeof(options), .handler = on_hit};

	return ep_probe_create(addr, &options, &probe);
}

uint64_t engine_hits(void)
{
	return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}
