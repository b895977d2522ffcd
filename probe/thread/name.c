/* SPDX-License-Identifier: MIT */
#include "probe/thread/name.h"

#include <stdbool.h>

#include "include/counting.h"
#include "probe/thread/area.h"
#include "sys/memory.h"
#include "sys/process.h"

static __thread struct {
	_Alignas(uint64_t) char name[SYS_COMM_SIZE];
	bool is_known;
} mine;

/* As the kernel reads it: up to its zero, or to what has room. */
EP_TRAP_PATH static bool read_name(uint64_t address, char *ret)
{
	uint8_t byte = 1;

	for (uint32_t i = 0; i < SYS_COMM_SIZE; i++) {
		if (byte && i + 1 < SYS_COMM_SIZE && !sys_load_uint8_t(address + i, &byte))
			return false;
		ret[i] = (char)(i + 1 < SYS_COMM_SIZE ? byte : 0);
	}
	return true;
}

EP_TRAP_PATH void probe_thread_note_name(uint64_t address)
{
	char name[SYS_COMM_SIZE];

	if (!probe_thread_has_area() || !read_name(address, name))
		return;
	for (uint32_t i = 0; i < SYS_COMM_SIZE; i++)
		mine.name[i] = name[i];
	mine.is_known = true;
}

EP_TRAP_PATH const char *ep_thread_name(void)
{
	return mine.is_known ? mine.name : NULL;
}
