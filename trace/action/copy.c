/* SPDX-License-Identifier: MIT */
/*
 * By words. One that crosses into the next page could fault because of bytes that are not wanted: there it
 * goes on by bytes.
 */
#include "trace/action/copy.h"

#include "sys/mapping.h"
#include "sys/memory.h"
#include "trace/language/definition.h"

#define ONES  0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

EP_TRAP_PATH static inline void put(struct trace_copy *copy, uint64_t word)
{
	atomic_store_explicit(&copy->data[copy->at++ & copy->mask], word, memory_order_relaxed);
}

/* Up to 8 bytes, the others being zero; returns how many can be read. */
EP_TRAP_PATH static inline uint32_t load(uint64_t from, uint32_t wanted, uint64_t *ret)
{
	uint64_t word = 0;
	uint32_t count = 0;
	uint8_t byte;

	if (from % SYS_PAGE_SIZE <= SYS_PAGE_SIZE - 8) {
		if (!sys_load_uint64_t(from, &word))
			return 0;
		*ret = wanted < 8 ? word & ((1ull << 8 * wanted) - 1) : word;
		return wanted;
	}
	for (; count < wanted && sys_load_uint8_t(from + count, &byte); count++)
		word |= (uint64_t)byte << 8 * count;
	*ret = word;
	return count;
}

/* The lowest bit that is set is in the first byte that is zero. */
EP_TRAP_PATH static inline uint64_t zeros_of(uint64_t word)
{
	return (word - ONES) & ~word & HIGHS;
}

/* Bytes in front of the first zero, of @count. */
EP_TRAP_PATH static inline uint32_t length_of(uint64_t word, uint32_t count)
{
	uint64_t zeros = zeros_of(word);
	uint32_t length = zeros ? (uint32_t)__builtin_ctzl(zeros) / 8 : 8;

	return length < count ? length : count;
}

/* What comes behind as many bytes as are kept. */
EP_TRAP_PATH static bool ends_at(uint64_t address)
{
	uint8_t byte;

	return sys_load_uint8_t(address, &byte) && byte == 0;
}

/* Whole words as long as there are any without a zero, in the page that @address is in; how many bytes that was. */
EP_TRAP_PATH static inline uint32_t copy_words(struct trace_copy *copy, uint64_t address,
					       uint32_t limit)
{
	uint64_t rest = SYS_PAGE_SIZE - address % SYS_PAGE_SIZE, word;
	uint32_t size = (uint32_t)(limit < rest ? limit : rest) & ~7u, done = 0;

	for (; done < size; done += 8) {
		if (!sys_load_uint64_t(address + done, &word) || zeros_of(word))
			break;
		put(copy, word);
	}
	return done;
}

EP_TRAP_PATH static void copy_text(struct trace_copy *copy, uint32_t limit, uint64_t address)
{
	uint64_t header = copy->at++, flags = 0, word;
	uint32_t size = 0;

	for (;;) {
		uint32_t wanted, got, length;

		size += copy_words(copy, address + size, limit - size);
		wanted = limit - size < 8 ? limit - size : 8;
		got = wanted ? load(address + size, wanted, &word) : 0;
		length = got ? length_of(word, got) : 0;
		if (length) /* bytes behind the end are nobody's business */
			put(copy, length < 8 ? word & ((1ull << 8 * length) - 1) : word);
		size += length;
		if (length < got)
			break;
		if (got < wanted)
			flags = size ? TRACE_BULK_CUT | TRACE_BULK_FAULTY : TRACE_BULK_FAULTY;
		else if (size == limit && !ends_at(address + size))
			flags = TRACE_BULK_CUT;
		if (flags || size == limit)
			break;
	}
	atomic_store_explicit(&copy->data[header & copy->mask], size | flags, memory_order_relaxed);
}

EP_TRAP_PATH static void copy_bytes(struct trace_copy *copy, uint32_t size, uint64_t address)
{
	uint64_t header = copy->at++, word;
	uint32_t done = 0, got = 8;

	while (done < size && got == 8) {
		uint32_t wanted = size - done < 8 ? size - done : 8;

		got = load(address + done, wanted, &word);
		if (got)
			put(copy, word);
		done += got;
	}
	atomic_store_explicit(&copy->data[header & copy->mask],
			      done | (done < size ? TRACE_BULK_FAULTY : 0), memory_order_relaxed);
}

/* As much as an address of that family has. */
EP_TRAP_PATH static uint32_t size_of_address(uint64_t address, uint32_t limit)
{
	uint16_t family = 0;

	sys_load_uint16_t(address, &family);
	if (family == TRACE_FAMILY_UNIX)
		return limit;
	return family == TRACE_FAMILY_IPV6 ? 28 : family == TRACE_FAMILY_IPV4 ? 16 : 2;
}

/* Each element is the address of a text. */
EP_TRAP_PATH static void copy_texts(struct trace_copy *copy, const struct trace_bulk *bulk,
				    uint64_t address)
{
	for (uint32_t i = 0; i < bulk->elements; i++) {
		uint64_t text;

		if (sys_load_uint64_t(address + 8ul * i, &text))
			copy_text(copy, bulk->size, text);
		else
			put(copy, TRACE_BULK_FAULTY);
	}
}

EP_TRAP_PATH static void put_nothing(struct trace_copy *copy, const struct trace_bulk *bulk)
{
	uint32_t count = bulk->kind == TRACE_STRING && bulk->elements ? bulk->elements : 1;

	while (count--)
		put(copy, TRACE_BULK_FAULTY);
}

EP_TRAP_PATH void trace_copy_bulk(struct trace_copy *copy, const struct trace_bulk *bulk,
				  uint64_t address, bool is_faulty)
{
	if (is_faulty)
		put_nothing(copy, bulk);
	else if (bulk->kind == TRACE_STRING && bulk->elements)
		copy_texts(copy, bulk, address);
	else if (bulk->kind == TRACE_STRING)
		copy_text(copy, bulk->size, address);
	else if (bulk->kind == TRACE_SOCKADDR)
		copy_bytes(copy, size_of_address(address, bulk->size), address);
	else
		copy_bytes(copy, (bulk->elements ? bulk->elements : 1u) * bulk->size, address);
}
