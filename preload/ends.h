/* SPDX-License-Identifier: MIT */
/* The end of the program, seen from inside. */
#ifndef EMUPROBE_PRELOAD_ENDS_H
#define EMUPROBE_PRELOAD_ENDS_H

#include <stdbool.h>

#include "include/emuprobe.h"
#include "trace/language/definition.h"

/** Have @handler called where libc's function @symbol is entered; false: that cannot be done. */
bool start_watch(const char *symbol, ep_handler handler);

/** Undo the last start_watch(). */
void start_unwatch(void);

/** If events of calls are wanted: give those in which the thread is that ends the program an end. */
void start_watch_calls(const struct trace_definitions *definitions);

/** Say in the session that the program ends by its own will, when it does. */
void start_watch_end(void);

#endif
