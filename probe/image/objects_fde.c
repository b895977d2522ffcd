/* SPDX-License-Identifier: MIT */
/*
 * Debian's binaries are stripped, but unwind information cannot be: it names the start and the
 * extent of nearly every function. .eh_frame_hdr has a table of all FDEs (LSB Core, "Exception
 * Frames"), and says where .eh_frame begins, which ends with its segment at the latest.
 *
 * Only the head of each record is looked at. All that is wanted is there, and a table may name one
 * long record a million times.
 */
#include <string.h>

#include "include/emuprobe.h"
#include "probe/image/call_frame.h"
#include "probe/image/objects_fde.h"
#include "probe/image/objects_piece.h"

#define RECORD_MAX 256u /* bytes of each that are looked at */

/* .eh_frame, and the CIE that was read last: most FDEs have the same. */
struct frames {
	struct objects_piece piece;
	uint64_t address;
	uint64_t cie_address; /* 0: none was read */
	struct objects_cie cie;
	bool cie_is_good;
};

/* ---- the table ----------------------------------------------------------------------------- */

static const ElfW(Phdr) * find_header(const struct objects_object *object)
{
	for (size_t i = 0; i < object->phdr_count; i++)
		if (object->phdrs[i].p_type == PT_GNU_EH_FRAME)
			return &object->phdrs[i];
	return NULL;
}

/* False: it is none that has a table. */
static bool parse_header(struct cursor *cursor, struct objects_header *ret)
{
	uint8_t version = cursor_u8(cursor), frames = cursor_u8(cursor), count = cursor_u8(cursor),
		table = cursor_u8(cursor);
	int32_t distance = (int32_t)cursor_u32(cursor);

	ret->count = cursor_u32(cursor);
	ret->frames = ret->address + (uint64_t)(int64_t)distance;
	if ((frames & PE_RELATIVE) == PE_PCREL)
		ret->frames += 4; /* where the distance stands */
	return !cursor->failed && version == 1 && count == PE_UDATA4 &&
	       table == PE_DATAREL_SDATA4 && (frames & PE_FORMAT) == PE_SDATA4;
}

int objects_read_header(const struct objects_object *object, struct objects_header *ret)
{
	const ElfW(Phdr) *phdr = find_header(object);
	struct objects_piece piece;
	struct cursor cursor;
	int error;

	*ret = (struct objects_header){0};
	if (!phdr)
		return 0;
	ret->address = object->base + phdr->p_vaddr;
	error = objects_piece_of_memory(object, ret->address, OBJECTS_HEADER_SIZE, &piece);
	cursor = objects_piece_cursor(&piece);
	if (!parse_header(&cursor, ret))
		ret->count = 0;
	objects_piece_free(&piece);
	return error;
}

static int read_table(const struct objects_object *object, const struct objects_header *header,
		      struct objects_piece *ret)
{
	return objects_piece_of_memory(object, header->address + OBJECTS_HEADER_SIZE,
				       header->count * 8ul, ret);
}

/* ---- records ------------------------------------------------------------------------------- */

/* What stands behind the length of the record at @address; failed: no record is there. */
static struct cursor enter(const struct frames *frames, uint64_t address)
{
	struct cursor cursor = objects_piece_cursor(&frames->piece);
	uint32_t length;

	cursor_skip(&cursor, address - frames->address);
	length = cursor_u32(&cursor);
	if (length == 0 || length == OBJECTS_LENGTH_LONG)
		cursor_fail(&cursor);
	return cursor_head(&cursor, length < RECORD_MAX ? length : RECORD_MAX);
}

static size_t size_of_encoded(uint8_t encoding)
{
	switch (encoding & PE_SIZE) {
	case 2:
		return 2;
	case 3:
		return 4;
	default:
		return 8;
	}
}

uint64_t objects_read_encoded(struct cursor *cursor, uint8_t encoding)
{
	uint64_t value = 0;

	cursor_copy(cursor, &value, size_of_encoded(encoding));
	return value;
}

/* What the letters behind the 'z' announce. */
static void read_augmentation(struct cursor *cursor, const char *letters, struct objects_cie *ret)
{
	for (; *letters; letters++) {
		if (*letters == 'R')
			ret->encoding = cursor_u8(cursor);
		else if (*letters == 'L')
			cursor_u8(cursor);
		else if (*letters == 'P')
			objects_read_encoded(cursor, cursor_u8(cursor));
		else if (*letters == 'S')
			ret->is_signal = true;
	}
}

bool objects_read_cie(struct cursor cursor, struct objects_cie *ret)
{
	bool is_cie = cursor_u32(&cursor) == 0;
	uint8_t version = cursor_u8(&cursor);
	const char *augmentation = cursor_string(&cursor);
	uint64_t size;

	*ret = (struct objects_cie){.encoding = PE_ABSPTR};
	ret->code_alignment = cursor_uleb128(&cursor);
	ret->data_alignment = cursor_sleb128(&cursor);
	ret->return_column = version == 1 ? cursor_u8(&cursor) : cursor_uleb128(&cursor);
	ret->has_data = *augmentation == 'z';
	if (ret->has_data) {
		struct cursor data;

		size = cursor_uleb128(&cursor);
		data = cursor_head(&cursor, size);
		read_augmentation(&data, augmentation + 1, ret);
		cursor_skip(&cursor, size);
		cursor.failed |= data.failed;
	}
	ret->program = cursor;
	return is_cie && !cursor.failed;
}

static const struct objects_cie *cie_at(struct frames *frames, uint64_t address)
{
	if (frames->cie_address != address) {
		frames->cie_is_good = objects_read_cie(enter(frames, address), &frames->cie);
		frames->cie_address = address;
	}
	return frames->cie_is_good ? &frames->cie : NULL;
}

/*
 * Do the rules that hold at the FDE's first instruction differ from those of a function that was
 * just called, CFA = RSP + 8 and nothing saved? Then it is a part that was split off.
 */
static bool is_frame_set_up(struct cursor *cursor)
{
	while (cursor_left(cursor)) {
		uint8_t op = cursor_u8(cursor);

		if (op == DW_CFA_NOP || op == DW_CFA_REMEMBER_STATE)
			continue;
		if (op == DW_CFA_DEF_CFA_OFFSET)
			return cursor_uleb128(cursor) != 8;
		return op == DW_CFA_DEF_CFA || op == DW_CFA_DEF_CFA_REGISTER ||
		       op == DW_CFA_DEF_CFA_EXPRESSION || (op & 0xc0) == DW_CFA_OFFSET;
	}
	return false;
}

/*
 * Fill end, is_part. What is not readable has no extent.
 *
 * False: it is no function. What a signal handler returns to is never called, and its FDE begins one
 * byte early, so that unwinders find it, which look at the address before a return address: nothing
 * says that an instruction begins there.
 */
static bool read_fde(struct frames *frames, uint64_t address, struct objects_function *ret)
{
	struct cursor cursor = enter(frames, address);
	uint64_t size;
	const struct objects_cie *cie;

	/* How far back its CIE is, from this number. */
	cie = cie_at(frames, address + 4 - cursor_u32(&cursor));
	if (!cie)
		return true;
	if (cie->is_signal)
		return false;
	objects_read_encoded(&cursor, cie->encoding); /* start */
	size = objects_read_encoded(&cursor, cie->encoding);
	if (cie->has_data)
		cursor_skip(&cursor, cursor_uleb128(&cursor));
	if (cursor.failed)
		return true;
	ret->end = ret->start + size;
	ret->is_part = is_frame_set_up(&cursor);
	return true;
}

static int add_all(struct objects_object *object, const struct objects_header *header,
		   struct cursor table, struct frames *frames)
{
	int error = 0;

	while (cursor_left(&table) && !error) {
		int32_t start = (int32_t)cursor_u32(&table), fde = (int32_t)cursor_u32(&table);
		struct objects_function function = {
			.start = header->address + (uint64_t)(int64_t)start,
			.kind = OBJECTS_FDE,
		};

		if (!table.failed &&
		    read_fde(frames, header->address + (uint64_t)(int64_t)fde, &function))
			error = objects_add(object, &function);
	}
	return error;
}

/* Up to the last record that the table names. */
static int read_frames(const struct objects_object *object, const struct objects_header *header,
		       struct cursor table, struct frames *ret)
{
	uint64_t size = 0;

	*ret = (struct frames){.address = header->frames};
	if (!cursor_left(&table))
		return 0;
	while (cursor_left(&table)) {
		uint64_t at;

		cursor_u32(&table);
		at = header->address + (uint64_t)(int64_t)(int32_t)cursor_u32(&table) -
		     header->frames;
		if (at > size && at <= INT32_MAX)
			size = at;
	}
	return objects_piece_of_memory(object, ret->address, size + sizeof(uint32_t) + RECORD_MAX,
				       &ret->piece);
}

int objects_read_fdes(struct objects_object *object)
{
	struct objects_piece table = {0};
	struct frames frames = {0};
	struct objects_header header;
	int error = objects_read_header(object, &header);

	if (!error)
		error = read_table(object, &header, &table);
	if (!error)
		error = read_frames(object, &header, objects_piece_cursor(&table), &frames);
	if (!error)
		error = add_all(object, &header, objects_piece_cursor(&table), &frames);
	objects_piece_free(&frames.piece);
	objects_piece_free(&table);
	return error;
}
