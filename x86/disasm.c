/* SPDX-License-Identifier: MIT */
/*
 * The only file that includes libcapstone. A capstone handle is not for two threads at once. One
 * waits in idle_handle for whoever comes first; who finds none makes one, and closes it if another
 * waits there by then. No lock: a process that forks while another thread decodes loses a handle
 * at most, and its child never waits for a thread that it does not have.
 *
 * Capstone does not check what its allocations return. Where there is no memory they come from a
 * reserve, and what was taken from it is lost: handles are made seldom.
 */
#include "x86/disasm.h"

#include <capstone/capstone.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define RESERVE	   ((size_t)256 << 10)
#define HANDLE_MAX ((size_t)64 << 10) /* more than one ever takes; 4.0.2: 31 KiB */

static _Atomic(csh) idle_handle;
static _Alignas(16) char reserve[RESERVE];
static atomic_size_t reserve_used;

/* ---- memory for capstone ------------------------------------------------------------------- */

static bool is_reserve(const void *memory)
{
	return (uintptr_t)memory - (uintptr_t)reserve < RESERVE;
}

static void *take_reserve(size_t size)
{
	size_t at = atomic_fetch_add(&reserve_used, (size + 15) & ~(size_t)15);

	return at <= RESERVE && size <= RESERVE - at ? reserve + at : NULL;
}

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (memory)
		return memory;
	return take_reserve(size);
}

static void *allocate_zeroed(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory)
		return memory;
	return take_reserve(count * size); /* never used before: zero */
}

/* Nothing grows what is in the reserve: tables of a fixed size. */
static void *reallocate(void *memory, size_t size)
{
	return is_reserve(memory) ? NULL : realloc(memory, size);
}

static void release(void *memory)
{
	if (!is_reserve(memory))
		free(memory);
}

static bool open_handle(csh *ret)
{
	cs_opt_mem memory = {allocate, allocate_zeroed, reallocate, release, vsnprintf};

	if (atomic_load(&reserve_used) > RESERVE - HANDLE_MAX)
		return false;
	cs_option(0, CS_OPT_MEM, (size_t)(uintptr_t)&memory);
	return cs_open(CS_ARCH_X86, CS_MODE_64, ret) == CS_ERR_OK;
}

/* ---- handles ------------------------------------------------------------------------------- */

static csh borrow_handle(void)
{
	csh handle = atomic_exchange(&idle_handle, 0);

	return handle || open_handle(&handle) ? handle : 0;
}

static void return_handle(csh handle)
{
	csh none = 0;

	if (!atomic_compare_exchange_strong(&idle_handle, &none, handle))
		cs_close(&handle);
}

/* What snprintf() calls may be probed, and trap. */
static void join(const char *mnemonic, const char *operands, char *to, size_t size)
{
	size_t used = 0;

	for (; *mnemonic && used + 1 < size; mnemonic++)
		to[used++] = *mnemonic;
	if (*operands && used + 1 < size)
		to[used++] = ' ';
	for (; *operands && used + 1 < size; operands++)
		to[used++] = *operands;
	if (size)
		to[used] = '\0';
}

size_t x86_disasm(const uint8_t *code, size_t size, uint64_t address, char *text, size_t text_size)
{
	csh handle = borrow_handle();
	cs_insn insn; /* written in full; no detail: it is not asked for */
	bool known;

	if (!handle)
		return 0;
	insn.detail = NULL;
	known = cs_disasm_iter(handle, &code, &size, &address, &insn);
	return_handle(handle);
	if (known && text)
		join(insn.mnemonic, insn.op_str, text, text_size);
	return known ? insn.size : 0;
}
