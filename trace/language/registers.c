/* SPDX-License-Identifier: MIT */
/*
 * Two worlds meet: kernel tracing says %ax for the whole register, the processor manual says %rax,
 * and means 16 bits by %ax. Definitions must work unchanged where they come from the kernel, so
 * %ax, %di, %ip ... are whole registers; a width is asked for by the type.
 */
#include "trace/language/registers.h"

#include <string.h>

#include "x86/regs.h"

struct name {
	char text[7];
	uint8_t offset, size;
};

/* rax, the kernel's ax; eax; al; ah */
#define LETTERED(letter, offset)                                                                   \
	{"r" letter "x", offset, 8}, {letter "x", offset, 8}, {"e" letter "x", offset, 4},         \
		{letter "l", offset, 1},                                                           \
	{                                                                                          \
		letter "h", offset + 1, 1                                                          \
	}
/* rsi, the kernel's si; esi; sil */
#define NAMED(name, offset)                                                                        \
	{"r" name, offset, 8}, {name, offset, 8}, {"e" name, offset, 4},                           \
	{                                                                                          \
		name "l", offset, 1                                                                \
	}
/* r8, r8d, r8w, r8b */
#define NUMBERED(name, offset)                                                                     \
	{name, offset, 8}, {name "d", offset, 4}, {name "w", offset, 2},                           \
	{                                                                                          \
		name "b", offset, 1                                                                \
	}

static const struct name names[] = {
	LETTERED("a", EP_REGS_RAX),    LETTERED("b", EP_REGS_RBX),    LETTERED("c", EP_REGS_RCX),
	LETTERED("d", EP_REGS_RDX),    NAMED("si", EP_REGS_RSI),      NAMED("di", EP_REGS_RDI),
	NAMED("bp", EP_REGS_RBP),      NAMED("sp", EP_REGS_RSP),      NUMBERED("r8", EP_REGS_R8),
	NUMBERED("r9", EP_REGS_R9),    NUMBERED("r10", EP_REGS_R10),  NUMBERED("r11", EP_REGS_R11),
	NUMBERED("r12", EP_REGS_R12),  NUMBERED("r13", EP_REGS_R13),  NUMBERED("r14", EP_REGS_R14),
	NUMBERED("r15", EP_REGS_R15),  {"rip", EP_REGS_RIP, 8},	      {"ip", EP_REGS_RIP, 8},
	{"eip", EP_REGS_RIP, 4},       {"rflags", EP_REGS_RFLAGS, 8}, {"flags", EP_REGS_RFLAGS, 8},
	{"eflags", EP_REGS_RFLAGS, 4},
};

bool trace_register_find(const char *name, size_t size, struct trace_register *ret)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].text) != size || memcmp(names[i].text, name, size) != 0)
			continue;
		*ret = (struct trace_register){names[i].offset, names[i].size};
		return true;
	}
	return false;
}

/* System V ABI for x86-64, "Parameter Passing". */
bool trace_register_of_argument(unsigned long number, struct trace_register *ret)
{
	static const uint8_t offsets[] = {EP_REGS_RDI, EP_REGS_RSI, EP_REGS_RDX,
					  EP_REGS_RCX, EP_REGS_R8,  EP_REGS_R9};

	if (number < 1 || number > sizeof(offsets))
		return false;
	*ret = (struct trace_register){offsets[number - 1], 8};
	return true;
}
