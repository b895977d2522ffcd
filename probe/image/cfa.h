/* SPDX-License-Identifier: MIT */
/*
 * Where a function's frame is at each of its instructions, going by its unwind information. CFA, the
 * canonical frame address (DWARF 4, "Call Frame Information"), is what RSP was before the call: the
 * return address stands right below.
 */
#ifndef EMUPROBE_PROBE_IMAGE_CFA_H
#define EMUPROBE_PROBE_IMAGE_CFA_H

#include "probe/image/cursor.h"
#include "probe/image/objects.h"
#include "probe/image/objects_fde.h"

#define CFA_CIE_MAX	 256u /* bytes of a CIE; usual are 24 */
#define CFA_REMEMBER_MAX 16

/* CFA = register + offset. */
struct cfa_rule {
	bool known;		   /* false: it is computed in another way, or nothing says how */
	bool return_address_there; /* at CFA - 8 */
	uint8_t reg;		   /* as the processor numbers it: RSP is 4, RBP 5 */
	int64_t offset;
};

/* An FDE, and where its program has got to. */
struct cfa {
	uint64_t start, end; /* of the code that it describes */
	uint8_t *record;     /* the FDE */
	uint8_t cie[CFA_CIE_MAX];
	struct objects_cie common;
	struct cursor program;
	uint64_t location; /* up to which @rule has been computed */
	struct cfa_rule rule, initial, remembered[CFA_REMEMBER_MAX];
	int remembered_count;
	bool broken; /* its program makes no sense from here on */
};

/**
 * Find the FDE of @address.
 *
 * @return   0, -EP_NO_FUNCTION: there is none that can be read, or -EP_NO_MEMORY.
 * Context:  engine lock held. Some microseconds. To be undone by cfa_deinit().
 */
int cfa_init(const struct objects_object *object, uint64_t address, struct cfa *ret);
void cfa_deinit(struct cfa *cfa);

/** The rule that holds in front of the instruction at @address; to be asked in ascending order. */
struct cfa_rule cfa_at(struct cfa *cfa, uint64_t address);

#endif
