// SPDX-License-Identifier: MIT
/*
 * Debian's binaries are stripped, but unwind information cannot be: it names the start and the
 * extent of nearly every function. .eh_frame_hdr has a table of all FDEs (LSB Core, "Exception
 * Frames"); it is read in the loaded object's own memory, checking that each step stays inside.
 */
#include <string.h>

#include "include/emuprobe.h"
#include "probe/image/objects.h"

#define PE_UDATA4	  0x03
#define PE_SDATA4	  0x0b
#define PE_DATAREL_SDATA4 0x3b
#define PE_FORMAT	  0x0f

/* DWARF 4, "Call Frame Instruction Encodings". */
#define DW_CFA_NOP		  0x00
#define DW_CFA_REMEMBER_STATE	  0x0a
#define DW_CFA_DEF_CFA		  0x0c
#define DW_CFA_DEF_CFA_REGISTER	  0x0d
#define DW_CFA_DEF_CFA_OFFSET	  0x0e
#define DW_CFA_DEF_CFA_EXPRESSION 0x0f
#define DW_CFA_OFFSET		  0x80 /* and a register in the lower six bits */

struct eh_frame_hdr {
	uint8_t version, eh_frame_ptr_enc, fde_count_enc, table_enc;
	int32_t eh_frame_ptr;
	uint32_t fde_count;
	int32_t table[][2]; /* start of the function, its FDE; from the header's own address */
};

static bool inside(const struct objects_object *object, const void *at, size_t size)
{
	uint64_t address = (uint64_t)at;

	return address >= object->start && address < object->end && size <= object->end - address;
}

static const struct eh_frame_hdr *find_header(const struct objects_object *object)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const struct eh_frame_hdr *header;

		if (object->phdrs[i].p_type != PT_GNU_EH_FRAME)
			continue;
		header = (const void *)(object->base + object->phdrs[i].p_vaddr);
		if (inside(object, header, sizeof(*header)) && header->version == 1 &&
		    (header->eh_frame_ptr_enc & PE_FORMAT) == PE_SDATA4 &&
		    header->fde_count_enc == PE_UDATA4 && header->table_enc == PE_DATAREL_SDATA4 &&
		    inside(object, header->table, header->fde_count * sizeof(header->table[0])))
			return header;
	}
	return NULL;
}

static const uint8_t *skip_leb128(const uint8_t *at)
{
	while (*at++ & 0x80)
		;
	return at;
}

static size_t size_of_encoded(uint8_t encoding)
{
	switch (encoding & 0x07) {
	case 2:
		return 2;
	case 3:
		return 4;
	default:
		return 8;
	}
}

/* How the CIE says that addresses of its FDEs are written; absolute if it does not. */
static uint8_t address_encoding(const uint8_t *cie)
{
	uint8_t version = cie[8];
	const char *augmentation = (const char *)cie + 9;
	const uint8_t *at = cie + 9 + strlen(augmentation) + 1;

	if (augmentation[0] != 'z')
		return 0;
	at = skip_leb128(skip_leb128(at)); /* alignment factors */
	at = version == 1 ? at + 1 : skip_leb128(at);
	at = skip_leb128(at); /* augmentation data's size */
	for (const char *c = augmentation + 1; *c; c++) {
		if (*c == 'R')
			return *at;
		if (*c == 'L')
			at++;
		if (*c == 'P')
			at += 1 + size_of_encoded(*at);
	}
	return 0;
}

static uint64_t read_size(const uint8_t *at, uint8_t encoding)
{
	uint64_t value = 0;

	memcpy(&value, at, size_of_encoded(encoding));
	return value;
}

static uint64_t read_uleb128(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

/*
 * Do the rules that hold at the FDE's first instruction differ from those of a function that was
 * just called, CFA = RSP + 8 and nothing saved? Then it is a part that was split off.
 */
static bool is_frame_set_up(const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		uint8_t op = *at++;

		if (op == DW_CFA_NOP || op == DW_CFA_REMEMBER_STATE)
			continue;
		if (op == DW_CFA_DEF_CFA_OFFSET)
			return read_uleb128(&at) != 8;
		return op == DW_CFA_DEF_CFA || op == DW_CFA_DEF_CFA_REGISTER ||
		       op == DW_CFA_DEF_CFA_EXPRESSION || (op & 0xc0) == DW_CFA_OFFSET;
	}
	return false;
}

/*
 * What a signal handler returns to is never called, and its FDE begins one byte early, so that
 * unwinders find it, which look at the address before a return address: nothing says that an
 * instruction begins there.
 */
static bool is_signal_frame(const uint8_t *cie)
{
	const char *augmentation = (const char *)cie + 9;

	return augmentation[0] == 'z' && strchr(augmentation, 'S');
}

/* Fill end, is_part. What is not readable has no extent. False: it is no function. */
static bool read_fde(const struct objects_object *object, const uint8_t *fde,
		     struct objects_function *ret)
{
	uint32_t length, cie_offset;
	const uint8_t *cie, *at;
	uint8_t encoding;

	if (!inside(object, fde, 24))
		return true;
	memcpy(&length, fde, 4);
	memcpy(&cie_offset, fde + 4, 4);
	cie = fde + 4 - cie_offset;
	if (length == 0xffffffff || !inside(object, fde, 4 + (size_t)length) ||
	    !inside(object, cie, 24))
		return true;
	if (is_signal_frame(cie))
		return false;
	encoding = address_encoding(cie);
	at = fde + 8 + size_of_encoded(encoding);
	ret->end = ret->start + read_size(at, encoding);
	at += size_of_encoded(encoding);
	if (cie[9] == 'z') {
		uint64_t size = read_uleb128(&at);

		at += size;
	}
	ret->is_part = is_frame_set_up(at, fde + 4 + length);
	return true;
}

int objects_read_fdes(struct objects_object *object)
{
	const struct eh_frame_hdr *header = find_header(object);

	for (uint32_t i = 0; header && i < header->fde_count; i++) {
		const uint8_t *base = (const uint8_t *)header;
		struct objects_function function = {
			.start = (uint64_t)(base + header->table[i][0]),
			.kind = OBJECTS_FDE,
		};
		int error;

		if (!read_fde(object, base + header->table[i][1], &function) ||
		    !objects_is_code(object, function.start))
			continue;
		error = objects_add(object, &function);
		if (error)
			return error;
	}
	return 0;
}
