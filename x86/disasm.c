/* SPDX-License-Identifier: MIT */
/*
 * The only file that includes libcapstone. A capstone handle is not for two threads at once. One
 * waits in idle_handle for whoever comes first; who finds none makes one, and closes it if another
 * waits there by then. No lock: a process that forks while another thread decodes loses a handle
 * at most, and its child never waits for a thread that it does not have.
 */
#include "x86/disasm.h"

#include <capstone/capstone.h>
#include <stdatomic.h>
#include <stdio.h>

static _Atomic(csh) idle_handle;

static csh borrow_handle(void)
{
	csh handle = atomic_exchange(&idle_handle, 0);

	if (!handle && cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		return 0;
	return handle;
}

static void return_handle(csh handle)
{
	csh none = 0;

	if (!atomic_compare_exchange_strong(&idle_handle, &none, handle))
		cs_close(&handle);
}

size_t x86_disasm(const uint8_t *code, size_t size, uint64_t address, char *text, size_t text_size)
{
	csh handle = borrow_handle();
	cs_insn insn; /* written in full; no detail: it is not asked for */

	if (!handle)
		return 0;
	insn.detail = NULL;
	bool known = cs_disasm_iter(handle, &code, &size, &address, &insn);
	return_handle(handle);
	if (known && text)
		snprintf(text, text_size, "%s%s%s", insn.mnemonic, insn.op_str[0] ? " " : "",
			 insn.op_str);
	return known ? insn.size : 0;
}
