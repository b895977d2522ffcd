/* SPDX-License-Identifier: MIT */
/* Probes in processes that run already, for as long as we do. */
#ifndef EMUPROBE_CLI_ATTACH_H
#define EMUPROBE_CLI_ATTACH_H

#include "cli/collect.h"

/**
 * Attach to what @collector's options say, collect until there is enough, and leave.
 *
 * @library  Path of what is to be loaded there.
 * @return   0 or the exit status, after a message: then nothing is probed any more.
 */
int attach_run(struct collector *collector, const char *library);

#endif
