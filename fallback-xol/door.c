/* SPDX-License-Identifier: MIT */
#include "fallback-xol/door.h"

#include <stddef.h>
#include <sys/mman.h>

#include "sys/call.h"
#include "sys/mapping.h"

struct door {
	_Atomic uint64_t back;
	uint64_t owner;
};

_Static_assert(sizeof(struct door) == XOL_DOOR_SIZE &&
		       offsetof(struct door, back) == XOL_DOOR_BACK &&
		       offsetof(struct door, owner) == XOL_DOOR_OWNER,
	       "see door.S");

extern struct door xol_door_data[XOL_DOORS];

static unsigned int used;

static bool make_writable(void)
{
	return !sys_failed(sys3(SYS_mprotect, (uint64_t)xol_door_data, sizeof(xol_door_data),
				PROT_READ | PROT_WRITE));
}

unsigned int xol_door_take(uint64_t owner)
{
	for (unsigned int i = 0; i < used; i++)
		if (xol_door_data[i].owner == owner)
			return i + 1;
	if (used == XOL_DOORS || (used == 0 && !make_writable()))
		return 0;
	xol_door_data[used].owner = owner;
	return ++used;
}

EP_TRAP_PATH uint64_t xol_door_address(unsigned int door)
{
	return (uint64_t)&xol_doors[(door - 1) * XOL_DOOR_SIZE];
}

void xol_door_open(unsigned int door, uint64_t back)
{
	atomic_store_explicit(&xol_door_data[door - 1].back, back, memory_order_release);
}

EP_TRAP_PATH unsigned int xol_door_find(uint64_t rip, uint64_t *back)
{
	uint64_t offset = rip - (uint64_t)xol_doors;

	if (offset >= sizeof(xol_doors))
		return 0;
	*back = atomic_load_explicit(&xol_door_data[offset / XOL_DOOR_SIZE].back,
				     memory_order_acquire);
	return *back ? (unsigned int)(offset / XOL_DOOR_SIZE) + 1 : 0;
}
