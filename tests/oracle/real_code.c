/* SPDX-License-Identifier: MIT */
/*
 * Every instruction of real libraries: objdump says the same of its length, and each distinct form
 * is either run against this processor or is no control flow, and so boosted.
 *
 * cc1 takes objdump half a minute: it is walked where EP_ORACLE_ALL is set.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/oracle/compare.h"
#include "tests/oracle/objects.h"

TestSuite(real_code, .init = compare_init, .timeout = 600);

#define STATES_PER_FORM 300
#define FORMS		(1u << 16)

static bool is_wanted(const char *path)
{
	bool is_large = strstr(path, "cc1");

	return access(path, R_OK) == 0 && (!is_large || getenv("EP_ORACLE_ALL"));
}

typedef void visitor(const struct object *object, uint64_t at, int error,
		     const struct x86_insn *insn, void *data);

static void walk(const struct object *object, visitor *visit, void *data)
{
	for (size_t f = 0; f < object->count; f++) {
		size_t left;

		for (uint64_t at = object->functions[f].start; at < object->functions[f].end;) {
			const uint8_t *code = object_code(object, at, &left);
			struct x86_insn insn = {.length = 1};
			int error = x86_decode(code, left, at, &insn);

			visit(object, at, error, &insn, data);
			at += insn.length;
		}
	}
}

/* ---- lengths -------------------------------------------------------------------------------- */

struct lengths {
	uint8_t *of; /* by offset from the first function; 0: not the start of an instruction */
	uint64_t undecodable, all;
};

static void note_length(const struct object *object, uint64_t at, int error,
			const struct x86_insn *insn, void *data)
{
	struct lengths *lengths = data;

	lengths->all++;
	lengths->undecodable += error != 0;
	if (!error)
		lengths->of[at - object->first] = insn->length;
}

/* "  401000:\t55 48 89 e5 \tpush %rbp": the length is the number of bytes. 0: no instruction. */
static unsigned int read_line(const char *line, uint64_t *address, const char **text)
{
	char *end;

	*address = strtoull(line, &end, 16);
	if (end == line || end[0] != ':' || end[1] != '\t')
		return 0;
	unsigned int length = 0;
	const char *at = end + 2;

	while (strspn(at, "0123456789abcdef") == 2) {
		length++;
		at += 3;
	}
	*text = strchr(at, '\t') ? strchr(at, '\t') + 1 : at;
	return length;
}

/* objdump prints prefixes that do not belong to an instruction, in its view, alone. */
static bool is_prefix_alone(const char *text)
{
	return !strncmp(text, "rex", 3) || !strncmp(text, "data16\n", 7);
}

static uint64_t compare_lengths(const char *path, const struct object *object,
				const struct lengths *ours, uint64_t *compared)
{
	char command[256], line[1024];
	uint64_t differences = 0;

	snprintf(command, sizeof(command), "objdump -d -w --insn-width=16 %s", path);
	FILE *objdump = popen(command, "r");

	cr_assert(objdump);
	while (fgets(line, sizeof(line), objdump)) {
		uint64_t at;
		const char *text;
		unsigned int length = read_line(line, &at, &text);

		if (!length || at < object->first || at >= object->last ||
		    !ours->of[at - object->first])
			continue;
		++*compared;
		if (ours->of[at - object->first] == length)
			continue;
		fprintf(stderr, "%s: %d bytes, objdump %u: %s", path, ours->of[at - object->first],
			length, line);
		if (!is_prefix_alone(text) && !strstr(text, "(bad)"))
			differences++;
	}
	pclose(objdump);
	return differences;
}

static void judge_lengths(const char *path)
{
	struct object object;
	struct lengths lengths = {0};
	uint64_t compared = 0;

	if (!object_open(path, &object))
		return;
	lengths.of = calloc(1, object.last - object.first);
	walk(&object, note_length, &lengths);
	uint64_t differences = compare_lengths(path, &object, &lengths, &compared);

	fprintf(stderr, "%s: %lu instructions, %lu undecodable, %lu compared with objdump\n", path,
		lengths.all, lengths.undecodable, compared);
	cr_expect(differences == 0, "%s: %lu lengths differ", path, differences);
	cr_expect(lengths.undecodable * 2000 < lengths.all, "%s: 0.05 %% undecodable", path);
	cr_expect(compared * 100 > lengths.all * 99, "%s: objdump starts elsewhere", path);
	free(lengths.of);
	object_close(&object);
}

Test(real_code, has_the_lengths_that_objdump_says)
{
	for (size_t i = 0; real_objects[i]; i++)
		if (is_wanted(real_objects[i]))
			judge_lengths(real_objects[i]);
}

/* ---- forms ---------------------------------------------------------------------------------- */

struct forms {
	uint32_t seen[FORMS]; /* hash set of keys; 0: free */
	uint64_t run, boosted, traps, refused, not_run, failed;
};

/* All that picks a row, a function and a way to address. */
static uint32_t form_key(const struct x86_insn *insn)
{
	unsigned int prefixes = insn->prefixes & ~(unsigned int)X86_PREFIX_SEG;
	unsigned int mod = insn->modrm_offset ? (insn->modrm >> 6 == 3 ? 1 : 2) : 0;
	unsigned int memory = insn->sib_offset ? 1 : x86_insn_is_rip_relative(insn) ? 2 : 0;
	uint32_t key = insn->encoding;

	key = key * 5 + insn->map;
	key = key << 8 | insn->opcode;
	key = key << 7 | prefixes;
	key = key << 1 | (insn->rex & X86_REX_W ? 1 : 0);
	key = key * 3 + mod;
	key = key * 3 + (mod == 2 ? memory : 0);
	key = key << 3 | (insn->modrm >> 3 & 7);
	return key + 1;
}

static bool is_new(struct forms *forms, uint32_t key)
{
	uint32_t at = key * 2654435761u >> 16;

	while (forms->seen[at % FORMS] && forms->seen[at % FORMS] != key)
		at++;
	if (forms->seen[at % FORMS])
		return false;
	forms->seen[at % FORMS] = key;
	return true;
}

static void judge_unemulated(const struct x86_insn *insn, struct forms *forms)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL:
		forms->boosted++;
		break;
	case X86_FLOW_TRAP:
		forms->traps++;
		break;
	default:
		forms->refused++;
	}
}

/* A form whose first example the harness cannot aim is tried again with the next one. */
static bool run_form(const struct x86_insn *insn, struct forms *forms)
{
	struct trial trial;

	for (int tries = 0; tries < 20; tries++) {
		if (!generate_from(insn, &trial))
			continue;
		forms->run++;
		if (!compare_states(&trial, AIM_INSIDE, STATES_PER_FORM))
			forms->failed++;
		return true;
	}
	return false;
}

static void judge_form(const struct object *object, uint64_t at, int error,
		       const struct x86_insn *insn, void *data)
{
	struct forms *forms = data;
	struct emu_op op;

	(void)object;
	(void)at;
	if (error || !is_new(forms, form_key(insn)))
		return;
	if (emu_prepare(insn, &op))
		judge_unemulated(insn, forms);
	else if (!run_form(insn, forms))
		forms->not_run++;
}

Test(real_code, is_emulated_as_the_cpu_does_or_boosted)
{
	static struct forms forms;
	struct object object;

	for (size_t i = 0; real_objects[i]; i++) {
		if (access(real_objects[i], R_OK) || !object_open(real_objects[i], &object))
			continue;
		walk(&object, judge_form, &forms);
		object_close(&object);
	}
	fprintf(stderr,
		"forms: %lu run, %lu not run (FS without a register), %lu boosted, %lu trap, "
		"%lu without a plan\n",
		forms.run, forms.not_run, forms.boosted, forms.traps, forms.refused);
	cr_expect(forms.failed == 0);
	cr_expect(forms.not_run * 20 < forms.run);
	cr_expect(forms.refused <= 4, "xbegin and far transfers alone have no plan");
}
