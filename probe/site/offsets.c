/* SPDX-License-Identifier: MIT */
#include "probe/site/offsets.h"

#include <stddef.h>

#include "probe/site/site.h"
#include "probe/thread/area.h"
#include "probe/thread/records.h"
#include "probe/thread/thread.h"

#define OFFSET(type, field, number)                                                                \
	_Static_assert(offsetof(struct type, field) == (number), "see offsets.h")

OFFSET(probe_site, address, SITE_ADDRESS);
OFFSET(probe_site, only, SITE_ONLY);
OFFSET(probe_site, only_calls, SITE_ONLY_CALLS);
OFFSET(probe_site, last_stub, SITE_LAST_STUB);
OFFSET(probe_site, counted, SITE_COUNTED);
OFFSET(probe_site, counted_probe, SITE_PROBE);
OFFSET(probe_site, returns_at, SITE_RETURNS_AT);
OFFSET(probe_site, turns_at, SITE_TURNS_AT);
OFFSET(probe_site, body, SITE_BODY);
OFFSET(ep_probe, state.word, PROBE_STATE);
OFFSET(ep_probe, handle, PROBE_HANDLE);
OFFSET(ep_probe, handler, PROBE_HANDLER);
OFFSET(ep_probe, entered, PROBE_ENTERED);
OFFSET(ep_probe, ended, PROBE_ENDED);
OFFSET(ep_probe, cookie, PROBE_COOKIE);
OFFSET(ep_probe, serial, PROBE_SERIAL);
OFFSET(ep_probe, scratch_only, PROBE_SCRATCH_ONLY);
OFFSET(probe_thread, tid, THREAD_TID);
OFFSET(probe_thread, calls, THREAD_CALLS);
OFFSET(probe_thread, running, THREAD_RUNNING);
OFFSET(probe_thread, running_rsp, THREAD_RUNNING_RSP);
OFFSET(probe_thread, engine_depth, THREAD_ENGINE_DEPTH);
OFFSET(probe_thread_here, records, HERE_RECORDS);
OFFSET(probe_thread_here, thread, HERE_THREAD);
_Static_assert(sizeof(struct record) == RECORD_SIZE, "see counted.S");
