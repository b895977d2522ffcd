/* SPDX-License-Identifier: MIT */
/* Unwind information as it lies in a loaded object: where its table is, how addresses are written. */
#ifndef EMUPROBE_PROBE_IMAGE_OBJECTS_FDE_H
#define EMUPROBE_PROBE_IMAGE_OBJECTS_FDE_H

#include "probe/image/cursor.h"
#include "probe/image/object.h"

/* How an address is written (LSB Core, "DWARF Exception Header Encoding"). */
#define PE_ABSPTR	  0x00
#define PE_UDATA4	  0x03
#define PE_SDATA4	  0x0b
#define PE_PCREL	  0x10
#define PE_DATAREL	  0x30
#define PE_DATAREL_SDATA4 0x3b
#define PE_FORMAT	  0x0f
#define PE_RELATIVE	  0x70
#define PE_INDIRECT	  0x80
#define PE_SIGNED	  0x08 /* of formats */
#define PE_SIZE		  0x07 /* of formats: 0: of a pointer, 1: LEB128, 2, 3, 4: 2, 4, 8 bytes */

#define OBJECTS_HEADER_SIZE 12u		/* bytes of .eh_frame_hdr in front of its table */
#define OBJECTS_LENGTH_LONG 0xffffffffu /* of a record, 64 bits follow: nobody writes that here */

/* .eh_frame_hdr, whose table has pairs of a function's start and its FDE, sorted, from @address. */
struct objects_header {
	uint64_t address, frames; /* of itself, of .eh_frame */
	uint32_t count;		  /* of pairs, as it says; 0: there is no table that can be read */
};

/**
 * Find the table of FDEs.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread; a few system calls.
 */
int objects_read_header(const struct objects_object *object, struct objects_header *ret);

/* What all FDEs that refer to it have in common. */
struct objects_cie {
	bool has_data; /* so have its FDEs */
	bool is_signal;
	uint8_t encoding; /* of addresses in its FDEs; absolute if it does not say */
	uint64_t code_alignment;
	int64_t data_alignment;
	uint64_t return_column; /* the "register" that holds the return address */
	struct cursor program;	/* that sets up the rules */
};

/** @cursor stands behind the length. False: it is no CIE. Context: any thread, wait-free. */
bool objects_read_cie(struct cursor cursor, struct objects_cie *ret);

/** A number of @encoding, as it stands there: relative to whatever it is, and not sign-extended. */
uint64_t objects_read_encoded(struct cursor *cursor, uint8_t encoding);

#endif
