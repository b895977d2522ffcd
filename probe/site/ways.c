/* SPDX-License-Identifier: MIT */
#include "probe/site/ways.h"

#include <stdlib.h>

#include "probe/image/exits.h"
#include "probe/site/sites.h"

/* 0: @exits can be watched, or need not be. */
static int check(const struct exits *exits)
{
	if (exits->refusal == EXITS_REFUSAL_NOT_A_START)
		return -EP_NOT_A_FUNCTION;
	if (!exits->reading)
		return 0;
	if (exits->refusal)
		return -EP_NOT_FOLLOWED;
	for (size_t i = 0; i < exits->count; i++)
		if (exits->ways[i].kind == EXITS_JUMP_UNDECIDED)
			return -EP_NOT_FOLLOWED;
	return 0;
}

int ways_check(uint64_t address, uint64_t *ret)
{
	struct exits *exits = malloc(sizeof(*exits));
	int error = exits ? exits_find(address, exits) : -EP_NO_MEMORY;

	if (!error)
		error = check(exits);
	if (!error)
		*ret = exits->reading ? exits->count : 0;
	free(exits);
	return error;
}

/* An instruction may be a way out of several functions, which share it. */
static void use(struct probe_site *way, enum exits_kind kind)
{
	atomic_store_explicit(&way->only, NULL, memory_order_release);
	atomic_store_explicit(&way->only_calls, NULL, memory_order_release);
	atomic_store_explicit(&way->counted, 0, memory_order_release);
	if (way->way_uses++ == 0)
		atomic_store_explicit(&way->way,
				      kind == EXITS_RET	      ? WAY_RET
				      : kind == EXITS_JUMP_IF ? WAY_JUMP_IF
							      : WAY_JUMP,
				      memory_order_release);
}

static void stop_using(struct probe_site *way)
{
	if (--way->way_uses)
		return;
	atomic_store_explicit(&way->way, WAY_NONE, memory_order_release);
	if (atomic_load(&way->probes) || way->guard || way->intercept)
		sites_arm(&way, 1, false); /* it stays, and needs less of its jump now */
	else
		sites_disarm(&way, 1);
}

void ways_close(struct probe_site *site)
{
	for (uint32_t i = 0; i < site->way_count; i++)
		stop_using(site->ways[i]);
	site->way_count = 0;
	free(site->ways);
	site->ways = NULL;
	site->is_left_alone = false;
}

static int open_all(struct probe_site *site, const struct exits *exits, enum ep_plan asked)
{
	int error = 0;

	site->ways = calloc(exits->count + 1, sizeof(struct probe_site *));
	if (!site->ways)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < exits->count && !error; i++) {
		struct probe_site *way = NULL;

		error = exits->ways[i].address == site->address
				? 0
				: sites_get_known(exits->ways[i].address, asked, &way);
		if (error)
			break;
		site->ways[site->way_count++] = way ? way : site;
		use(site->ways[i], exits->ways[i].kind);
	}
	if (!error)
		error = sites_arm(site->ways, site->way_count, false);
	for (uint32_t i = 0; i < site->way_count && !error; i++)
		if (!site_is_armed(site->ways[i]) && site->ways[i] != site)
			error = -EP_NOT_WRITABLE;
	return error;
}

int ways_open(struct probe_site *site, enum ep_plan asked)
{
	struct exits *exits = malloc(sizeof(*exits));
	int error = exits ? exits_find(site->address, exits) : -EP_NO_MEMORY;

	if (!error)
		error = check(exits);
	site->is_left_alone = !error && exits->reading;
	if (site->is_left_alone)
		error = open_all(site, exits, asked);
	if (error)
		ways_close(site);
	free(exits);
	return error;
}
