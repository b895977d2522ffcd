/* SPDX-License-Identifier: MIT */
/*
 * Each object has a sorted table of its FDEs: a copy of those of a whole process would take
 * megabytes. LSB Core, "Exception Frames", says how they are written.
 */
#include "probe/image/live.h"

#include "probe/image/objects_fde.h"
#include "sys/memory.h"

#define LETTERS_MAX 8  /* of an augmentation string */
#define LEB128_MAX  10 /* bytes of a number of 64 bits */

EP_TRAP_PATH uint64_t live_take(struct live_reader *reader, unsigned int size)
{
	uint64_t at = reader->at, ret64 = 0;
	uint32_t ret32 = 0;
	uint16_t ret16 = 0;
	uint8_t ret8 = 0;

	if (reader->failed || at > reader->end || reader->end - at < size ||
	    !(size == 8	  ? sys_load_uint64_t(at, &ret64)
	      : size == 4 ? sys_load_uint32_t(at, &ret32)
	      : size == 2 ? sys_load_uint16_t(at, &ret16)
			  : sys_load_uint8_t(at, &ret8))) {
		reader->failed = true;
		return 0;
	}
	reader->at += size;
	return ret64 | ret32 | ret16 | ret8;
}

/* *ret_bits: how many bits the number was written with. */
EP_TRAP_PATH static uint64_t take_leb128(struct live_reader *reader, unsigned int *ret_bits)
{
	uint64_t ret = 0;

	*ret_bits = 0;
	for (int i = 0; i < LEB128_MAX; i++) {
		uint64_t byte = live_take(reader, 1);

		ret |= (byte & 0x7f) << *ret_bits;
		*ret_bits += 7;
		if (!(byte & 0x80))
			return ret;
	}
	reader->failed = true;
	return 0;
}

EP_TRAP_PATH uint64_t live_take_uleb128(struct live_reader *reader)
{
	unsigned int bits;

	return take_leb128(reader, &bits);
}

EP_TRAP_PATH int64_t live_take_sleb128(struct live_reader *reader)
{
	unsigned int bits;
	uint64_t ret = take_leb128(reader, &bits);

	if (bits && bits < 64 && ret >> (bits - 1))
		ret |= -1ul << bits;
	return (int64_t)ret;
}

EP_TRAP_PATH void live_skip(struct live_reader *reader, uint64_t size)
{
	if (reader->at > reader->end || size > reader->end - reader->at)
		reader->failed = true;
	else
		reader->at += size;
}

/* 0: not of a fixed size. */
EP_TRAP_PATH static unsigned int size_of_encoded(uint8_t encoding)
{
	static const uint8_t sizes[PE_SIZE + 1] = {8, 0, 2, 4, 8, 0, 0, 0};

	return sizes[encoding & PE_SIZE];
}

EP_TRAP_PATH static uint64_t take_encoded(struct live_reader *reader, uint8_t encoding)
{
	unsigned int size = size_of_encoded(encoding);
	uint64_t at = reader->at, value;

	if (!size || (encoding & PE_INDIRECT) || (encoding & PE_RELATIVE) > PE_PCREL)
		reader->failed = true;
	value = live_take(reader, size);
	if ((encoding & PE_SIGNED) && size && size < 8 && value >> (8 * size - 1))
		value |= -1ul << (8 * size);
	return (encoding & PE_RELATIVE) == PE_PCREL ? at + value : value;
}

/* ---- records ------------------------------------------------------------------------------- */

/* What stands behind the length of the record at @address. */
EP_TRAP_PATH static struct live_reader enter(const struct live_code *code, uint64_t address)
{
	struct live_reader ret = {address, code->object_end, address < code->object_start};
	uint64_t length = live_take(&ret, sizeof(uint32_t));

	if (length == 0 || length == OBJECTS_LENGTH_LONG || length > ret.end - ret.at)
		ret.failed = true;
	ret.end = ret.at + length;
	return ret;
}

/* What the letters behind the 'z' announce. */
EP_TRAP_PATH static void take_announced(struct live_reader *cie, struct live_reader letters,
					struct live_fde *fde, uint8_t *ret_encoding)
{
	for (;;) {
		uint64_t letter = live_take(&letters, 1);

		if (letter == 'R')
			*ret_encoding = (uint8_t)live_take(cie, 1);
		else if (letter == 'L')
			live_take(cie, 1);
		else if (letter == 'P')
			live_take(cie, size_of_encoded((uint8_t)live_take(cie, 1)));
		else if (letter == 'S')
			fde->is_signal = true;
		else
			return;
	}
}

/* What stands behind the string; the same for both kinds. */
EP_TRAP_PATH static void take_numbers(struct live_reader *cie, uint64_t version,
				      struct live_fde *fde)
{
	fde->code_alignment = live_take_uleb128(cie);
	fde->data_alignment = live_take_sleb128(cie);
	fde->return_column = version == 1 ? live_take(cie, 1) : live_take_uleb128(cie);
}

/* @ret_has_data: its FDEs have data of their own. */
EP_TRAP_PATH static bool read_common(struct live_reader cie, struct live_fde *fde,
				     uint8_t *ret_encoding, bool *ret_has_data)
{
	struct live_reader letters, behind;
	uint64_t version, size;
	int count = 0;

	if (live_take(&cie, sizeof(uint32_t)) != 0)
		cie.failed = true; /* it is an FDE */
	version = live_take(&cie, 1);
	letters = cie;
	while (live_take(&cie, 1) && count < LETTERS_MAX)
		count++;
	take_numbers(&cie, version, fde);
	*ret_encoding = PE_ABSPTR;
	*ret_has_data = count != 0;
	if (count) {
		if (live_take(&letters, 1) != 'z' || count == LETTERS_MAX)
			return false;
		size = live_take_uleb128(&cie);
		behind = cie;
		live_skip(&behind, size);
		letters.end = letters.at + LETTERS_MAX;
		take_announced(&cie, letters, fde, ret_encoding);
		cie.failed |= behind.failed;
		cie.at = behind.at;
	}
	fde->common = cie;
	return !cie.failed && !letters.failed;
}

EP_TRAP_PATH static bool read_fde(const struct live_code *code, uint64_t address,
				  struct live_fde *ret)
{
	struct live_reader reader = enter(code, address);
	uint64_t cie = reader.at;
	uint8_t encoding;
	bool has_data;

	ret->is_signal = false;
	ret->is_vdso = code->is_vdso;
	cie -= live_take(&reader, sizeof(uint32_t));
	if (reader.failed || !read_common(enter(code, cie), ret, &encoding, &has_data))
		return false;
	ret->start = take_encoded(&reader, encoding);
	ret->size = take_encoded(&reader, encoding & PE_FORMAT & ~PE_SIGNED);
	if (reader.failed)
		return false;
	if (has_data)
		live_skip(&reader, live_take_uleb128(&reader));
	ret->program = reader;
	return true;
}

/* ---- the table ----------------------------------------------------------------------------- */

/* A number of the table, as an address; 0: it cannot be read. */
EP_TRAP_PATH static uint64_t number_of(const struct live_code *code, uint64_t at)
{
	uint32_t ret;

	return sys_load_uint32_t(at, &ret) ? code->header + (uint64_t)(int64_t)(int32_t)ret : 0;
}

/* The last FDE that starts at or below @address; 0: none. */
EP_TRAP_PATH static uint64_t find_record(const struct live_code *code, uint64_t address)
{
	uint64_t table = code->table, low = 0, high = code->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (number_of(code, table + middle * 8) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? number_of(code, table + low * 8 - 4) : 0;
}

EP_TRAP_PATH bool live_find(const struct live_code *code, uint64_t address, struct live_fde *ret)
{
	uint64_t record = find_record(code, address);

	return record && read_fde(code, record, ret) && address - ret->start < ret->size;
}
