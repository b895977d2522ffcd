/* SPDX-License-Identifier: MIT */
/*
 * How much of real code the engine can probe, and how: "coverage [FILE...]" prints two tables, of
 * function entries and of all instructions. Whatever has no rule in the emulator and can be copied
 * is boosted, as probe/site/plan.c decides; all else is refused.
 */
#include <stdio.h>
#include <string.h>

#include "emu/emu.h"
#include "fallback-xol/relocate.h"
#include "tests/oracle/objects.h"
#include "x86/encode.h"
#include "x86/insn.h"

enum verdict { EMULATED, BOOSTED, UNDECODABLE, INT3, NO_PLAN, VERDICTS };

static const char *const names[VERDICTS] = {"emulated", "boosted", "undecodable", "int3",
					    "no plan"};

struct counts {
	uint64_t of[VERDICTS], all;
};

static enum verdict judge(const struct x86_insn *insn)
{
	struct emu_op op;

	if (emu_prepare(insn, &op) == 0)
		return EMULATED;
	if (insn->map == X86_MAP_1B && insn->opcode == X86_INT3)
		return INT3;
	return xol_is_relocatable(insn) ? BOOSTED : NO_PLAN;
}

static void count(struct counts *counts, enum verdict verdict)
{
	counts->of[verdict]++;
	counts->all++;
}

/* An instruction that is not known is taken for one byte. */
static void walk(const struct object *object, const struct function *f, struct counts *entries,
		 struct counts *all)
{
	size_t left;

	for (uint64_t at = f->start; at < f->end || at == f->start;) {
		const uint8_t *code = object_code(object, at, &left);
		struct x86_insn insn = {.length = 1};
		enum verdict verdict = UNDECODABLE;

		if (!code)
			return;
		if (x86_decode(code, left, at, &insn) == 0)
			verdict = judge(&insn);
		count(all, verdict);
		if (at == f->start)
			count(entries, verdict);
		at += insn.length;
	}
}

static void print_header(const char *what)
{
	printf("%-16s %10s", what, "count");
	for (int v = 0; v < VERDICTS; v++)
		printf(" %12s", names[v]);
	printf("\n");
}

static void print(const char *path, const struct counts *counts)
{
	const char *slash = strrchr(path, '/');

	printf("%-16s %10lu", slash ? slash + 1 : path, counts->all);
	for (int v = 0; v < VERDICTS; v++)
		printf(" %11.3f%%", 100.0 * (double)counts->of[v] / (double)counts->all);
	printf("\n");
}

#define OBJECTS_MAX 64

int main(int argc, char **argv)
{
	static struct counts entries[OBJECTS_MAX], all[OBJECTS_MAX];
	const char *const *paths = argc > 1 ? (const char *const *)argv + 1 : real_objects;
	struct object object;

	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++) {
		if (!object_open(paths[i], &object)) {
			fprintf(stderr, "coverage: %s: cannot be read\n", paths[i]);
			continue;
		}
		for (size_t f = 0; f < object.count; f++)
			walk(&object, &object.functions[f], &entries[i], &all[i]);
		object_close(&object);
	}
	print_header("function entries");
	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++)
		if (entries[i].all)
			print(paths[i], &entries[i]);
	printf("\n");
	print_header("all instructions");
	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++)
		if (all[i].all)
			print(paths[i], &all[i]);
	return 0;
}
