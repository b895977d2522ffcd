/* SPDX-License-Identifier: MIT */
/*
 * Runs the small program in an FDE that says how CFA is computed, as far as that and the place of the
 * return address are concerned; of all other registers it only skips what is said. It may have been
 * written by anybody: each step reads at least one byte, and there are no loops.
 */
#include "probe/image/cfa.h"

#include <stdlib.h>

#include "include/emuprobe.h"
#include "probe/image/call_frame.h"
#include "sys/copy.h"

#define OFFSET_MAX (1l << 40) /* bytes of CFA from a register: no stack is larger */
#define RECORD_MAX (1u << 20) /* bytes of an FDE: of the largest functions it has some thousand */

#define RETURN_COLUMN 16 /* psABI, "DWARF Register Number Mapping" */
#define RETURN_OFFSET (-8)

static uint8_t processor_register(uint64_t column)
{
	static const uint8_t numbers[8] = {0, 2, 1, 3, 6, 7, 5, 4};

	return column < 8 ? numbers[column] : (uint8_t)column;
}

/* ---- the program --------------------------------------------------------------------------- */

static void set_register(struct cfa *cfa, uint64_t column)
{
	cfa->rule.known = column < RETURN_COLUMN;
	cfa->rule.reg = cfa->rule.known ? processor_register(column) : 0;
}

static void set_place(struct cfa *cfa, uint64_t column, bool there)
{
	if (column == RETURN_COLUMN)
		cfa->rule.return_address_there = there;
}

static void set_offset(struct cfa *cfa, uint64_t column, int64_t offset)
{
	int64_t place;

	set_place(cfa, column,
		  !__builtin_mul_overflow(offset, cfa->common.data_alignment, &place) &&
			  place == RETURN_OFFSET);
}

static void set_cfa_factored(struct cfa *cfa, int64_t offset)
{
	if (__builtin_mul_overflow(offset, cfa->common.data_alignment, &cfa->rule.offset))
		cfa->rule.known = false;
}

static void skip_block(struct cursor *program)
{
	cursor_skip(program, cursor_uleb128(program));
}

static void remember(struct cfa *cfa)
{
	if (cfa->remembered_count == CFA_REMEMBER_MAX)
		cfa->broken = true;
	else
		cfa->remembered[cfa->remembered_count++] = cfa->rule;
}

static void restore(struct cfa *cfa)
{
	if (cfa->remembered_count == 0)
		cfa->broken = true;
	else
		cfa->rule = cfa->remembered[--cfa->remembered_count];
}

/* What says where CFA is. False: something else does. */
static bool run_cfa(struct cfa *cfa, struct cursor *program, uint8_t op)
{
	switch (op) {
	case DW_CFA_DEF_CFA:
		set_register(cfa, cursor_uleb128(program));
		cfa->rule.offset = (int64_t)cursor_uleb128(program);
		return true;
	case DW_CFA_DEF_CFA_SF:
		set_register(cfa, cursor_uleb128(program));
		set_cfa_factored(cfa, cursor_sleb128(program));
		return true;
	case DW_CFA_DEF_CFA_REGISTER:
		set_register(cfa, cursor_uleb128(program));
		return true;
	case DW_CFA_DEF_CFA_OFFSET:
		cfa->rule.offset = (int64_t)cursor_uleb128(program);
		return true;
	case DW_CFA_DEF_CFA_OFFSET_SF:
		set_cfa_factored(cfa, cursor_sleb128(program));
		return true;
	case DW_CFA_DEF_CFA_EXPRESSION:
		cfa->rule.known = false;
		skip_block(program);
		return true;
	case DW_CFA_REMEMBER_STATE:
		remember(cfa);
		return true;
	case DW_CFA_RESTORE_STATE:
		restore(cfa);
		return true;
	default:
		return false;
	}
}

/* What says where registers are saved: of interest if it is the return address. */
static void run_saved(struct cfa *cfa, struct cursor *program, uint8_t op)
{
	uint64_t column = op >= DW_CFA_ADVANCE_LOC ? op & 0x3f : cursor_uleb128(program);

	switch (op >= DW_CFA_ADVANCE_LOC ? op & 0xc0 : op) {
	case DW_CFA_OFFSET:
	case DW_CFA_OFFSET_EXTENDED:
		set_offset(cfa, column, (int64_t)cursor_uleb128(program));
		break;
	case DW_CFA_OFFSET_EXTENDED_SF:
		set_offset(cfa, column, cursor_sleb128(program));
		break;
	case DW_CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_offset(cfa, column, (int64_t)-cursor_uleb128(program));
		break;
	case DW_CFA_RESTORE:
	case DW_CFA_RESTORE_EXTENDED:
		set_place(cfa, column, cfa->initial.return_address_there);
		break;
	case DW_CFA_REGISTER:
	case DW_CFA_VAL_OFFSET:
	case DW_CFA_VAL_OFFSET_SF:
		set_place(cfa, column, false);
		cursor_uleb128(program);
		break;
	case DW_CFA_EXPRESSION:
	case DW_CFA_VAL_EXPRESSION:
		set_place(cfa, column, false);
		skip_block(program);
		break;
	case DW_CFA_UNDEFINED:
	case DW_CFA_SAME_VALUE:
		set_place(cfa, column, false);
		break;
	default:
		cfa->broken = true;
	}
}

/* False: it is no step to a later address; *ret is where one leads to. */
static bool read_advance(struct cfa *cfa, struct cursor *program, uint8_t op, uint64_t *ret)
{
	uint64_t steps = 0;

	if ((op & 0xc0) == DW_CFA_ADVANCE_LOC)
		steps = op & 0x3f;
	else if (op == DW_CFA_ADVANCE_LOC1)
		steps = cursor_u8(program);
	else if (op == DW_CFA_ADVANCE_LOC2)
		steps = cursor_u16(program);
	else if (op == DW_CFA_ADVANCE_LOC4)
		steps = cursor_u32(program);
	else
		return false;
	if (__builtin_mul_overflow(steps, cfa->common.code_alignment, &steps) ||
	    steps > cfa->end - cfa->location)
		cfa->broken = true;
	else
		*ret = cfa->location + steps;
	return true;
}

static void run_one(struct cfa *cfa, struct cursor *program, uint8_t op)
{
	if (op == DW_CFA_NOP)
		return;
	if (op == DW_CFA_SET_LOC)
		cfa->broken = true; /* compilers do without */
	else if (op == DW_CFA_GNU_ARGS_SIZE)
		cursor_uleb128(program);
	else if (!run_cfa(cfa, program, op))
		run_saved(cfa, program, op);
	cfa->broken |= program->failed;
}

/* Up to what holds for @address. */
static void run_to(struct cfa *cfa, struct cursor *program, uint64_t address)
{
	while (cursor_left(program) && !cfa->broken) {
		struct cursor before = *program;
		uint8_t op = cursor_u8(program);
		uint64_t location = cfa->location;

		if (!read_advance(cfa, program, op, &location)) {
			run_one(cfa, program, op);
		} else if (location > address) {
			*program = before;
			return;
		}
		cfa->location = location;
	}
}

struct cfa_rule cfa_at(struct cfa *cfa, uint64_t address)
{
	struct cfa_rule ret;

	run_to(cfa, &cfa->program, address);
	ret = cfa->rule;
	ret.known &= !cfa->broken && ret.offset > -OFFSET_MAX && ret.offset < OFFSET_MAX;
	return ret;
}

/* ---- the record ---------------------------------------------------------------------------- */

static bool is_inside(const struct objects_object *object, uint64_t address, uint64_t size)
{
	return address >= object->start && address <= object->end && size <= object->end - address;
}

static bool copy_inside(const struct objects_object *object, uint64_t address, void *to,
			size_t size)
{
	return is_inside(object, address, size) && sys_copy_all(address, to, size);
}

/* The address of the last FDE that starts at or below @address; 0: none. */
static uint64_t find_record(const struct objects_object *object,
			    const struct objects_header *header, uint64_t address)
{
	uint64_t table = header->address + OBJECTS_HEADER_SIZE, ret = 0;
	size_t low = 0, high = header->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int32_t pair[2];

		if (!copy_inside(object, table + middle * sizeof(pair), pair, sizeof(pair)))
			return 0;
		if (header->address + (uint64_t)(int64_t)pair[0] <= address) {
			ret = header->address + (uint64_t)(int64_t)pair[1];
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return ret;
}

/* What stands behind the length, which is of @max at most; 0: nothing that can be used. */
static uint32_t record_length(const struct objects_object *object, uint64_t address, uint32_t max)
{
	uint32_t length;

	if (!copy_inside(object, address, &length, sizeof(length)) || length > max ||
	    !is_inside(object, address + sizeof(length), length))
		return 0;
	return length;
}

static bool read_common(const struct objects_object *object, uint64_t address, struct cfa *ret)
{
	uint32_t length = record_length(object, address, sizeof(ret->cie));

	return length && sys_copy_all(address + sizeof(length), ret->cie, length) &&
	       objects_read_cie(cursor_over(ret->cie, length), &ret->common) &&
	       ret->common.return_column == RETURN_COLUMN;
}

/* How addresses are written: an offset from where it stands, of four bytes, or an address. */
static bool read_start(struct cursor *record, uint64_t at, uint8_t encoding, uint64_t *ret)
{
	uint64_t value = objects_read_encoded(record, encoding);

	if (encoding == PE_ABSPTR)
		*ret = value;
	else if (encoding == (PE_PCREL | PE_SDATA4))
		*ret = at + (uint64_t)(int64_t)(int32_t)value;
	else
		return false;
	return true;
}

/* @address: of what stands behind the length. */
static bool read_record(const struct objects_object *object, uint64_t address, uint32_t length,
			struct cfa *ret)
{
	struct cursor record = cursor_over(ret->record, length);
	uint64_t cie = address - cursor_u32(&record), size;

	if (record.failed || !read_common(object, cie, ret) ||
	    !read_start(&record, address + sizeof(uint32_t), ret->common.encoding, &ret->start))
		return false;
	size = objects_read_encoded(&record, ret->common.encoding & PE_FORMAT);
	if (ret->common.has_data)
		cursor_skip(&record, cursor_uleb128(&record));
	ret->end = ret->start + size;
	ret->program = record;
	return !record.failed && ret->end > ret->start;
}

static void run_common(struct cfa *cfa)
{
	struct cursor program = cfa->common.program;

	cfa->location = cfa->start;
	run_to(cfa, &program, cfa->start);
	cfa->initial = cfa->rule;
	cfa->remembered_count = 0;
}

int cfa_init(const struct objects_object *object, uint64_t address, struct cfa *ret)
{
	struct objects_header header;
	uint32_t length;
	uint64_t at;
	int error = objects_read_header(object, &header);

	if (error)
		return error;
	at = find_record(object, &header, address);
	length = at ? record_length(object, at, RECORD_MAX) : 0;
	if (!length)
		return -EP_NO_FUNCTION;
	*ret = (struct cfa){.record = malloc(length)};
	if (!ret->record)
		return -EP_NO_MEMORY;
	at += sizeof(length);
	if (!sys_copy_all(at, ret->record, length) || !read_record(object, at, length, ret) ||
	    address - ret->start >= ret->end - ret->start) {
		cfa_deinit(ret);
		return -EP_NO_FUNCTION;
	}
	run_common(ret);
	return 0;
}

void cfa_deinit(struct cfa *cfa)
{
	free(cfa->record);
	cfa->record = NULL;
}
