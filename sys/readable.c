/* SPDX-License-Identifier: MIT */
/*
 * May memory be read? The kernel is asked, page by page, since a fault in a handler would be ours:
 * rt_sigprocmask() copies a set before it finds that it is told to do nothing known with it, so it
 * says -EFAULT or -EINVAL and changes nothing. The engine makes this call anyway: behind a seccomp
 * filter that forbids it nothing is probed. Another answer counts as "no".
 *
 * Memory that another thread unmaps in between is not looked after: by then the program would fail
 * at random without us, too.
 */
#include "sys/readable.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>

#include "sys/abi.h"
#include "sys/call.h"

/* execve(2), "Limits on size of arguments and environment" */
#define STRING_MAX (32 * SYS_PAGE_SIZE)
#define NOT_A_WAY  (-1) /* none of SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK */

/* The page that was found readable last: strings lie behind each other, mostly. */
struct known {
	uint64_t page;
};

#define NONE_KNOWN                                                                                 \
	{                                                                                          \
		.page = 1                                                                          \
	} /* where no page begins */

EP_TRAP_PATH static bool is_there(struct known *known, uint64_t address)
{
	uint64_t page = address & -SYS_PAGE_SIZE;

	if (page == known->page)
		return true;
	if (sys6(SYS_rt_sigprocmask, NOT_A_WAY, (long)page, 0, SYS_SIGSET_SIZE, 0, 0) != -EINVAL)
		return false;
	known->page = page;
	return true;
}

EP_TRAP_PATH bool sys_readable_page(uint64_t address)
{
	struct known known = NONE_KNOWN;

	return is_there(&known, address);
}

EP_TRAP_PATH static bool is_string(struct known *known, const char *text)
{
	for (uint64_t i = 0; i < STRING_MAX; i++) {
		const char *at = text + i;

		if ((i == 0 || (uint64_t)at % SYS_PAGE_SIZE == 0) && !is_there(known, (uint64_t)at))
			return false;
		if (!*at)
			return true;
	}
	return false;
}

EP_TRAP_PATH bool sys_readable_string(const char *text)
{
	struct known known = NONE_KNOWN;

	return text && is_string(&known, text);
}

EP_TRAP_PATH bool sys_readable_vector(char *const *vector)
{
	struct known entries = NONE_KNOWN, strings = NONE_KNOWN;

	for (; vector; vector++) {
		/* It need not be aligned: an entry may lie in two pages. */
		if (!is_there(&entries, (uint64_t)vector) ||
		    !is_there(&entries, (uint64_t)vector + sizeof(*vector) - 1))
			return false;
		if (!*vector)
			return true;
		if (!is_string(&strings, *vector))
			return false;
	}
	return true;
}
