/* SPDX-License-Identifier: MIT */
/* The options of a probe, as the caller gives them. */
#ifndef EMUPROBE_PROBE_API_OPTIONS_H
#define EMUPROBE_PROBE_API_OPTIONS_H

#include <stdbool.h>

#include "include/emuprobe.h"

/** Check and copy @options, which may be NULL or of another size. Returns 0 or -EP_INVALID. */
int options_read(const struct ep_options *options, struct ep_options *ret);

/** Are calls to be followed to their ends? */
bool options_follow(const struct ep_options *options);

#endif
