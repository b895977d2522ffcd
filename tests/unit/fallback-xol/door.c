/* SPDX-License-Identifier: MIT */
/* Which syscall goes through which door, and what a thread in one is told. */
#include "fallback-xol/door.h"

#include <criterion/criterion.h>

enum { OWNER = 0x1000, BACK = 0x2000 };

Test(door, each_syscall_keeps_its_own)
{
	unsigned int one = xol_door_take(OWNER), two = xol_door_take(OWNER + 2);

	cr_expect_gt(one, 0);
	cr_expect_gt(two, 0);
	cr_expect_neq(one, two);
	cr_expect_eq(xol_door_take(OWNER), one);
	cr_expect_eq(xol_door_address(two) - xol_door_address(one), XOL_DOOR_SIZE);
}

Test(door, leads_back_when_it_is_open)
{
	unsigned int door = xol_door_take(OWNER);
	uint64_t address = xol_door_address(door), back = 0;

	cr_expect_eq(xol_door_find(address, &back), 0, "nobody can be there");
	xol_door_open(door, BACK);
	for (uint64_t at = address; at < address + XOL_DOOR_SIZE; at++) {
		cr_expect_eq(xol_door_find(at, &back), door);
		cr_expect_eq(back, BACK);
	}
	cr_expect_eq(xol_door_find(address - 1, &back), 0);
	xol_door_open(door, BACK + 8);
	xol_door_find(address, &back);
	cr_expect_eq(back, BACK + 8);
}

Test(door, there_are_no_more_than_that)
{
	unsigned int last = 0, door;

	for (uint64_t owner = OWNER; (door = xol_door_take(owner)); owner++)
		last = door;
	cr_expect_eq(last, XOL_DOORS);
	cr_expect_eq(xol_door_take(OWNER), 1);
}

/* Byte by byte: what the offsets in door.h and the FDE stand for. */
Test(door, is_a_system_call_and_a_way_back)
{
	const uint8_t *code = (const uint8_t *)xol_door_address(xol_door_take(OWNER));

	cr_expect_eq(code[1], 0x0f);
	cr_expect_eq(code[2], 0x05);
	cr_expect_eq(code[XOL_DOOR_DONE], 0xff);
	cr_expect_eq(code[XOL_DOOR_DONE + 1], 0x25);
}
