/* SPDX-License-Identifier: MIT */
#include "probe/site/registry.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(registry, finds_nothing_in_an_empty_table)
{
	cr_assert_null(registry_find(0x1000));
}

Test(registry, finds_each_of_many_and_nothing_else)
{
	enum { COUNT = 5000 };
	struct probe_site *sites = calloc(COUNT, sizeof(*sites));

	for (uint64_t i = 0; i < COUNT; i++) {
		sites[i].address = 0x400000 + i * 3;
		cr_assert_eq(registry_insert(&sites[i]), 0);
	}
	for (uint64_t i = 0; i < COUNT; i++) {
		cr_assert_eq(registry_find(0x400000 + i * 3), &sites[i]);
		cr_assert_null(registry_find(0x400001 + i * 3));
	}
}

Test(registry, replaces_a_site_of_the_same_address)
{
	struct probe_site a = {.address = 0x1234}, b = {.address = 0x1234};

	cr_assert_eq(registry_insert(&a), 0);
	cr_assert_eq(registry_insert(&b), 0);
	cr_assert_eq(registry_find(0x1234), &b);
}

Test(registry, shows_the_original_bytes_of_armed_sites)
{
	uint8_t code[] = {0x90, 0xcc, 0x90, 0xcc}, original[4];
	struct probe_site site = {.address = (uint64_t)&code[1], .insn.bytes = {0x55}};

	cr_assert_eq(registry_insert(&site), 0);
	atomic_store(&site.state, SITE_ARMED);
	registry_read_original((uint64_t)code, original, sizeof(original));
	cr_assert_eq(original[1], 0x55);
	cr_assert_eq(original[3], 0xcc, "an int3 of the program's own stays");
	atomic_store(&site.state, SITE_DISARMED);
	registry_read_original((uint64_t)code, original, sizeof(original));
	cr_assert_eq(original[1], 0xcc);
}
