/* SPDX-License-Identifier: MIT */
/*
 * The end of the program is noticed by a probe on _exit(), which every road out passes, destructors run or
 * not, but for those of a signal that kills and of a system call that is made without libc.
 */
#include "preload/ends.h"

#include "include/counting.h"
#include "trace/action/record.h"

static struct ep_probe *last;

static int take_first(const struct ep_match *match, void *data)
{
	*(const void **)data = match->addr;
	return 1;
}

bool start_watch(const char *symbol, ep_handler handler)
{
	const struct ep_place place = {.object = "libc.so.6", .symbol = symbol};
	const struct ep_options options = {.size = sizeof(options), .handler = handler};
	const void *addr;

	return ep_resolve(&place, take_first, &addr) == 1 &&
	       ep_probe_create(addr, &options, &last) == 0;
}

void start_unwatch(void)
{
	ep_probe_remove(last);
	last = NULL;
}

static void on_exit_reached(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	ep_end_calls();
}

void start_watch_calls(const struct trace_definitions *definitions)
{
	bool any = false;

	for (size_t i = 0; i < definitions->count; i++)
		any |= definitions->list[i].is_return;
	if (any)
		start_watch("_exit", on_exit_reached);
}

static void on_end_reached(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	trace_record_note_end();
}

void start_watch_end(void)
{
	start_watch("_exit", on_end_reached);
}
