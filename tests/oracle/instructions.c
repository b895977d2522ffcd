/* SPDX-License-Identifier: MIT */
/* Prints docs/instructions.md from the emulator's table: instructions-md > docs/instructions.md */
#include <stdio.h>

#include "emu/rules.h"

static const char *const maps[] = {"", "0f ", "0f 38 ", "0f 3a "};

static void print_opcode(const struct emu_rule *rule)
{
	char opcode[32];
	int n = snprintf(opcode, sizeof(opcode), "%s%s%02x",
			 rule->prefixes & EMU_NEEDS_F3 ? "f3 " : "", maps[rule->map], rule->opcode);

	if (rule->mask != 0xff)
		n += snprintf(opcode + n, sizeof(opcode) - (size_t)n, "..%02x",
			      rule->opcode | (uint8_t)~rule->mask);
	if (rule->digit != EMU_DIGIT_ANY)
		snprintf(opcode + n, sizeof(opcode) - (size_t)n, " /%u", rule->digit);
	printf("| `%s` ", opcode);
}

/* The sizes for which there is a function, of those that the encoding has. */
static void print_sizes(const struct emu_rule *rule)
{
	static const unsigned int columns_of[] = {1, 2 | 4 | 8, 2 | 8, 8};
	static const char *const bits[] = {"8", "16", "32", "64"};
	const char *separator = "| ";

	for (unsigned int column = 0; column < 4; column++) {
		bool exists = false;

		for (unsigned int kind = 0; kind < EMU_KINDS; kind++)
			exists |= rule->variants->run[kind][column] != NULL;
		if (!exists || !(columns_of[rule->width] >> column & 1))
			continue;
		printf("%s%s", separator, bits[column]);
		separator = ", ";
	}
	printf(" ");
}

/* A bar would end the cell. */
static void print_effect(const char *effect)
{
	printf("| `");
	for (; *effect; effect++)
		printf(*effect == '|' ? "\\|" : "%c", *effect);
	printf("` |\n");
}

int main(void)
{
	printf("# Emulated instructions\n\n"
	       "Made from the table in `emu/rules.c` by `instructions-md`; a test compares "
	       "them.\n\n"
	       "A probe on any other instruction, on one of these with a lock prefix or with "
	       "another "
	       "operand size, is boosted: a copy of it is executed. Segment overrides, 67, REX and "
	       "prefixes without effect (`rep ret`, `bnd jmp`, `notrack`) are taken as they are. A "
	       "branch with 66 and without REX.W means different things on different processors, "
	       "and is refused. Flags that the manuals leave undefined are those of the processor "
	       "that runs the emulator, but for OF after a rotation by an immediate greater than "
	       "1, "
	       "which is as after a rotation by CL.\n\n"
	       "| opcode | instruction | bits | effect |\n|---|---|---|---|\n");
	for (size_t i = 0; i < emu_rules_count; i++) {
		print_opcode(&emu_rules[i]);
		printf("| %s ", emu_rules[i].instruction);
		print_sizes(&emu_rules[i]);
		print_effect(emu_rules[i].effect);
	}
	return 0;
}
