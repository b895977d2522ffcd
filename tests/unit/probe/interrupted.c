/* SPDX-License-Identifier: MIT */
/* Claim: of a call that goes on after an interruption its own number is found, or it is said that it is not known. */
#include "sys/interrupted.h"

#include <asm/unistd.h>
#include <criterion/criterion.h>
#include <string.h>

TestSuite(interrupted);

/* A process: code from CODE on, a stack from STACK on, nothing else. */
enum { CODE = 0x1000, STACK = 0x8000, SIZE = 256, RIP = CODE + 100 };

struct memory {
	uint8_t code[SIZE];
	uint64_t stack[SIZE / 8];
};

static bool read_memory(const void *data, uint64_t at, void *ret, size_t size)
{
	const struct memory *memory = data;

	if (at >= CODE && at + size <= CODE + SIZE)
		memcpy(ret, memory->code + at - CODE, size);
	else if (at >= STACK && at + size <= STACK + SIZE)
		memcpy(ret, (const char *)memory->stack + at - STACK, size);
	else
		return false;
	return true;
}

static void put_code(struct memory *memory, uint64_t end, const char *code, size_t size)
{
	memcpy(memory->code + end - size - CODE, code, size);
}

static long find(const struct memory *memory)
{
	return sys_interrupted_call(RIP, STACK, read_memory, memory);
}

#define PUT(end, code) put_code(&memory, end, code, sizeof(code) - 1)

Test(interrupted, before_the_call)
{
	struct memory memory = {0};

	PUT(RIP, "\xb8\x23\x00\x00\x00\x0f\x05"); /* mov $35, %eax; syscall */
	cr_expect_eq(find(&memory), __NR_nanosleep);
	PUT(RIP, "\xb8\x00\x00\x00\x00\x0f\x05"); /* read() is begun anew otherwise */
	cr_expect_eq(find(&memory), -1);
}

/* The return address is in the fourth word, behind push, instructions and call. */
static void expect_pushed(const char *push, size_t size, uint64_t number, uint64_t distance,
			  long expected)
{
	struct memory memory = {.stack = {0, RIP, number, CODE + 200, number}};

	PUT(RIP, "\x0f\x05");
	put_code(&memory, CODE + 195 - distance, push, size);
	PUT(CODE + 200, "\xe8\x00\x00\x00\x00");
	cr_expect_eq(find(&memory), expected, "%lu, %lu bytes before", number, distance);
}

Test(interrupted, on_the_stack)
{
	expect_pushed("\x6a\x07", 2, __NR_poll, 0, __NR_poll);
	expect_pushed("\x6a\x07", 2, __NR_poll, 2, __NR_poll);
	expect_pushed("\x6a\x07", 2, __NR_poll, 46, __NR_poll);
	expect_pushed("\x6a\x07", 2, __NR_poll, 47, -1);
	expect_pushed("\x68\xe6\x00\x00\x00", 5, __NR_clock_nanosleep, 0, __NR_clock_nanosleep);
	expect_pushed("\x68\xe6\x00\x00\x00", 5, __NR_clock_nanosleep, 43, __NR_clock_nanosleep);
	expect_pushed("\x68\xca\x00\x00\x00", 5, __NR_futex, 9, __NR_futex);
	expect_pushed("\x6a\x08", 2, __NR_poll, 0, -1);
	expect_pushed("\x6a\x01", 2, __NR_write, 0, -1);
}

Test(interrupted, nothing_is_read_beyond_what_there_is)
{
	struct memory memory = {0};

	memset(&memory, 7, sizeof(memory));
	cr_expect_eq(find(&memory), -1);
	cr_expect_eq(sys_interrupted_call(3, UINT64_MAX - 3, read_memory, &memory), -1);
}
