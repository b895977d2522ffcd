/* SPDX-License-Identifier: MIT */
/*
 * Shuts itself in with landlock, as xz 5.6 and newer do: from then on it may open no file, but what
 * is open already can be used. Then it works on.
 */
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

#define NOT_HERE 77 /* this kernel has no landlock */

static int shut_in(void)
{
	const struct landlock_ruleset_attr nothing = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				     LANDLOCK_ACCESS_FS_MAKE_REG,
	};
	long rules = syscall(SYS_landlock_create_ruleset, &nothing, sizeof(nothing), 0);

	if (rules < 0)
		return -1;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_landlock_restrict_self, (int)rules, 0) == 0);
	return close((int)rules);
}

int main(void)
{
	if (shut_in())
		return NOT_HERE;
	CHECK(!fopen("/proc/self/maps", "r"));
	for (int i = 0; i < 3; i++)
		CHECK(getppid() > 0);
	puts("shut in");
	return check_failures ? 1 : 8;
}
