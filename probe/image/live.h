/* SPDX-License-Identifier: MIT */
/*
 * Unwind information that is read in a hit, where it lies in a loaded object. The object may be
 * unloaded at any moment, and say whatever it likes: it is read by accesses that may fault, only inside of
 * the object's extent, and what cannot be read is failed.
 */
#ifndef EMUPROBE_PROBE_IMAGE_LIVE_H
#define EMUPROBE_PROBE_IMAGE_LIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/* From .at, and not further than .end. Once it has failed, zeroes are read. */
struct live_reader {
	uint64_t at, end;
	bool failed;
};

/** A number of 1, 2, 4 or 8 bytes. Context of all of these: TRAP_PATH, wait-free. */
EP_TRAP_PATH uint64_t live_take(struct live_reader *reader, unsigned int size);
EP_TRAP_PATH uint64_t live_take_uleb128(struct live_reader *reader);
EP_TRAP_PATH int64_t live_take_sleb128(struct live_reader *reader);
EP_TRAP_PATH void live_skip(struct live_reader *reader, uint64_t size);

/* Code, and what its object says about it. */
struct live_code {
	_Atomic uint64_t start, end;
	_Atomic uint64_t table, count; /* pairs of start and FDE, relative to header */
	_Atomic uint64_t header;
	_Atomic uint64_t object_start, object_end;
	_Atomic bool is_vdso;
};

/* An FDE, and of its CIE what it needs. */
struct live_fde {
	uint64_t start, size; /* of the code that it describes */
	bool is_signal;	      /* of what a signal handler returns to */
	bool is_vdso;
	uint64_t code_alignment;
	int64_t data_alignment;
	uint64_t return_column;
	struct live_reader common, program; /* instructions of the CIE, of its own */
};

/** The FDE of @address. False: @code has none for it. Some hundred ns. */
EP_TRAP_PATH bool live_find(const struct live_code *code, uint64_t address, struct live_fde *ret);

#endif
