/* SPDX-License-Identifier: MIT */
/*
 * A call with a time to wait that goes on after an interruption has another number, restart_syscall,
 * which means something only until a signal frame is returned from. Its own is nowhere in the registers,
 * but in the code or on the stack:
 *
 *	mov $NUMBER, %eax		right before
 *	syscall
 *
 *	push $NUMBER			in libc from 2.41 on, which has one `syscall` for all that can be
 *	call __syscall_cancel		cancelled: the number stands above the return address
 */
#include "sys/interrupted.h"

#include <asm/unistd.h>

#define MOV_EAX	     0xb8 /* mov $imm32, %eax */
#define MOV_SIZE     5
#define SYSCALL_SIZE 2
#define CALL	     0xe8
#define CALL_SIZE    5
#define PUSH_8	     0x6a
#define PUSH_32	     0x68
#define PUSH_SHORT   2	/* bytes */
#define PUSH_NEAR    48 /* bytes before the call, among which it is */
#define STACK_NEAR   64 /* words, in which the number is passed on to the `syscall` */

struct reader {
	sys_read_function *read;
	const void *data;
};

/* All that the kernel goes on with in this way (restart_block). */
EP_TRAP_PATH static bool can_go_on(uint64_t number)
{
	return number == __NR_nanosleep || number == __NR_clock_nanosleep || number == __NR_poll ||
	       number == __NR_futex;
}

EP_TRAP_PATH static bool is_moved(const struct reader *from, uint64_t rip, uint32_t *ret)
{
	uint8_t code[MOV_SIZE + SYSCALL_SIZE];

	if (!from->read(from->data, rip - sizeof(code), code, sizeof(code)) || code[0] != MOV_EAX)
		return false;
	__builtin_memcpy(ret, code + 1, sizeof(*ret));
	return can_go_on(*ret);
}

EP_TRAP_PATH static bool is_push(const uint8_t *code, uint32_t number)
{
	uint32_t pushed;

	__builtin_memcpy(&pushed, code + 1, sizeof(pushed));
	return code[0] == PUSH_8 ? code[1] == number : code[0] == PUSH_32 && pushed == number;
}

/* Is there a call before @back, and before that, @number is pushed? */
EP_TRAP_PATH static bool is_pushed(const struct reader *from, uint64_t back, uint32_t number)
{
	uint8_t code[PUSH_NEAR +
		     CALL_SIZE]; /* so far that a long push may be looked for at its end */

	if (!from->read(from->data, back - sizeof(code), code, sizeof(code)) ||
	    code[PUSH_NEAR] != CALL)
		return false;
	for (int i = 0; i <= PUSH_NEAR - PUSH_SHORT; i++)
		if (is_push(code + i, number))
			return true;
	return false;
}

EP_TRAP_PATH static bool is_on_stack(const struct reader *from, uint64_t rsp, uint32_t *ret)
{
	uint64_t words[2]; /* a return address, and what is above it */

	for (int i = 0; i < STACK_NEAR; i++, rsp += sizeof(words[0])) {
		if (!from->read(from->data, rsp, words, sizeof(words)))
			return false;
		*ret = (uint32_t)words[1];
		if (can_go_on(words[1]) && is_pushed(from, words[0], *ret))
			return true;
	}
	return false;
}

EP_TRAP_PATH long sys_interrupted_call(uint64_t rip, uint64_t rsp, sys_read_function *read,
				       const void *data)
{
	const struct reader from = {read, data};
	uint32_t number;

	return is_moved(&from, rip, &number) || is_on_stack(&from, rsp, &number) ? (long)number
										 : -1;
}
