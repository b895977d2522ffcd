/* SPDX-License-Identifier: MIT */
/*
 * Slots, heads and detours alone, without traps and patching: what making 100,000 of them takes in
 * time and memory, what it takes to ask where a thread in a slot really is, and what a detour costs
 * over a bare call. Looks behind the public API, since no probe can show these apart.
 *
 * What is made is never freed, so each sample is made in a child process.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fallback-xol/arena.h"
#include "fallback-xol/boost.h"
#include "fallback-xol/jump.h"
#include "perf/harness.h"

enum {
	COUNT = 100000,
	SPACING = 64, /* bytes between functions */
};

/* push %rbp; mov %rsp,%rbp; sub $16,%rsp; leave; ret: boundaries at 1 and 4 */
static const uint8_t function[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xc9, 0xc3};

struct made {
	double ns, bytes, mappings, lookup_ns;
};

static void hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)where;
	(void)vectors;
	(void)regs;
	(void)site;
}

/* ---- making -------------------------------------------------------------------------------- */

static int make_slot(uint64_t address, uint64_t *ret)
{
	struct x86_insn insn;

	if (x86_decode(function, sizeof(function), address, &insn))
		return -1;
	return xol_boost(&insn, ret);
}

static int prepare_jump(uint64_t address, enum xol_save save, struct xol_jump *ret)
{
	struct xol_detour detour = {.hit = hit, .save = save};
	struct x86_insn insns[XOL_JUMP_SIZE];
	unsigned int count = 0;

	for (size_t at = 0; at < XOL_JUMP_SIZE; at += insns[count++].length)
		if (x86_decode(function + at, sizeof(function) - at, address + at, &insns[count]))
			return -1;
	return xol_jump_prepare(insns, count, &detour, ret);
}

static int make_jump(uint64_t address, uint64_t *ret)
{
	struct xol_jump jump;
	int error = prepare_jump(address, XOL_SAVE_VECTOR, &jump);

	*ret = jump.entry[0];
	return error;
}

static size_t memory_used(size_t *chunks)
{
	struct xol_memory_usage usage;

	xol_code_usage(&usage);
	*chunks = usage.chunks;
	return usage.used + xol_arena_reserved();
}

static void look_up(const uint64_t *slots, struct made *ret)
{
	uint64_t start = perf_now_ns();
	struct xol_origin origin;

	for (int i = 0; i < COUNT; i++)
		if (!xol_origin(slots[(uint64_t)i * 7919 % COUNT], &origin))
			_exit(1);
	ret->lookup_ns = (double)(perf_now_ns() - start) / COUNT;
}

static void make_all(int (*make)(uint64_t address, uint64_t *ret), struct made *ret)
{
	static uint64_t slots[COUNT];
	size_t chunks_before, chunks, before = memory_used(&chunks_before);
	uint64_t start = perf_now_ns();

	for (int i = 0; i < COUNT; i++)
		if (make((uint64_t)function + (uint64_t)i * SPACING, &slots[i]))
			_exit(1);
	ret->ns = (double)(perf_now_ns() - start) / COUNT;
	ret->bytes = (double)(memory_used(&chunks) - before) / COUNT;
	ret->mappings = 2 * (double)(chunks - chunks_before);
	look_up(slots, ret);
}

struct making {
	int (*make)(uint64_t address, uint64_t *ret);
	size_t field; /* of struct made */
};

static double make_in_child(void *data)
{
	const struct making *making = data;
	struct made *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	double value;
	int status;

	if (!child) {
		make_all(making->make, made);
		_exit(0);
	}
	waitpid(child, &status, 0);
	value = status ? NAN : *(double *)(void *)((char *)made + making->field);
	munmap(made, sizeof(*made));
	return value;
}

/* ---- detours ------------------------------------------------------------------------------- */

struct subject {
	int save; /* -1: no detour */
	void (*code)(void);
};

static const char *prepare_subject(void *data)
{
	struct subject *subject = data;
	struct xol_code code;
	struct xol_jump jump;

	if (subject->code)
		return NULL;
	if (xol_code_alloc((uint64_t)hit, SPACING, &code))
		return "no code memory";
	memcpy(code.rw, function, sizeof(function));
	if (subject->save >= 0) {
		if (prepare_jump(code.rx, (enum xol_save)subject->save, &jump))
			return "no jump";
		memcpy(code.rw, jump.bytes, sizeof(jump.bytes));
	}
	subject->code = (void (*)(void))code.rx;
	return NULL;
}

static void call(void *data, uint64_t loops)
{
	const struct subject *subject = data;

	while (loops-- > 0)
		subject->code();
}

/* ---- the table ----------------------------------------------------------------------------- */

static void add_making(struct perf_table *table, const char *row, struct making *makings)
{
	static const struct {
		const char *column, *unit;
		size_t field;
	} columns[] = {
		{"make", NULL, offsetof(struct made, ns)},
		{"memory", "B", offsetof(struct made, bytes)},
		{"mappings", "", offsetof(struct made, mappings)},
		{"xol_origin", NULL, offsetof(struct made, lookup_ns)},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		makings[i] = (struct making){makings[0].make, columns[i].field};
		perf_add(table, (struct perf_case){.row = row,
						   .column = columns[i].column,
						   .unit = columns[i].unit,
						   .value = make_in_child,
						   .data = &makings[i],
						   .rounds = 11,
						   .against = -1});
	}
}

static void add_calls(struct perf_table *table)
{
	static struct subject subjects[] = {
		{.save = -1}, {XOL_SAVE_GENERAL, 0}, {XOL_SAVE_VECTOR, 0}};
	static const char *const columns[] = {"bare", "general registers", "vector registers"};
	int bare = -1;

	for (int i = 0; i < 3; i++) {
		int index = perf_add(table, (struct perf_case){.row = "call through a detour",
							       .column = columns[i],
							       .begin = prepare_subject,
							       .loop = call,
							       .data = &subjects[i],
							       .against = bare});
		bare = i ? bare : index;
	}
}

int main(int argc, char **argv)
{
	static struct making slots[4] = {{.make = make_slot}}, jumps[4] = {{.make = make_jump}};
	struct perf_table table = {.program = "out_of_line",
				   .question = "What do slots and detours cost?"};
	struct perf_options options;

	perf_parse(argc, argv, &options);
	perf_pin(0);
	add_calls(&table);
	add_making(&table, "100,000 slots, each", slots);
	add_making(&table, "100,000 jumps, each", jumps);
	return perf_run(&table, &options);
}
