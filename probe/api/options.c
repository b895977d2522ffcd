/* SPDX-License-Identifier: MIT */
/* Options of callers that were compiled against another version of the header. */
#include "probe/api/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "probe/site/condition.h"

#define OPTIONS_MAX 4096 /* bytes, of callers to come */

static bool is_zero(const uint8_t *from, const uint8_t *end)
{
	while (from < end)
		if (*from++)
			return false;
	return true;
}

/* Callers may be older or newer than we are: what they do not know is zero, what we do not know
 * must be. */
int options_read(const struct ep_options *options, struct ep_options *ret)
{
	const uint8_t *bytes = (const uint8_t *)options;

	*ret = (struct ep_options){.size = sizeof(*ret)};
	if (!options)
		return 0;
	/* Of whole fields: half a pointer is none. */
	if (options->size < offsetof(struct ep_options, handler) || options->size % 8 ||
	    options->size > OPTIONS_MAX ||
	    (options->size > sizeof(*ret) && !is_zero(bytes + sizeof(*ret), bytes + options->size)))
		return -EP_INVALID;
	memcpy(ret, options, options->size < sizeof(*ret) ? options->size : sizeof(*ret));
	if (options_follow(ret) && (ret->handler || ret->conditions))
		return -EP_INVALID;
	if (ret->histogram) /* of a definition: ep_define() takes it out */
		return -EP_INVALID;
	if (!conditions_are_sound(ret->conditions, ret->condition_count))
		return -EP_INVALID;
	if (ret->flags & ~(uint32_t)(EP_DISABLED | EP_GENERAL_REGS_ONLY | EP_CALLS | EP_BACKTRACE |
				     EP_SCRATCH_REGS_ONLY) ||
	    (unsigned int)ret->plan > EP_PLAN_JUMP)
		return -EP_INVALID;
	return 0;
}

bool options_follow(const struct ep_options *options)
{
	return options->flags & EP_CALLS || options->entered || options->ended;
}
