/* SPDX-License-Identifier: MIT */
/*
 * What is loaded is described as the program's authors made it, whatever stands there by now. Only
 * the sites know which bytes are theirs, and they are built on this description: so they tell it.
 */
#include "probe/image/original.h"

#include "sys/copy.h"

static bool read_unchanged(uint64_t address, uint8_t *ret, size_t size)
{
	return sys_copy_all(address, ret, size);
}

static original_reader reader = read_unchanged;

void original_set_reader(original_reader set)
{
	reader = set;
}

static original_overlay overlay;

void original_set_overlay(original_overlay set)
{
	overlay = set;
}

bool original_read(uint64_t address, uint8_t *ret, size_t size)
{
	bool done = reader(address, ret, size);

	if (done && overlay)
		overlay(address, ret, size);
	return done;
}
