/* SPDX-License-Identifier: MIT */
/*
 * The part of jump-coverage that runs inside a process that has the object loaded: preloaded, it
 * does its work before the program begins, and ends it. The decisions are the engine's own: every
 * function entry gets a jump that is ready to be written, all at once; of the other instructions
 * there are too many, so that one in so many gets one.
 */
#include "tests/oracle/jump_survey.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fallback-xol/code_memory.h"
#include "probe/image/flow.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"
#include "probe/image/place.h"
#include "probe/site/plan.h"
#include "probe/site/promote.h"

#define TRIES_MAX 100000u

static struct survey survey;

static void count(struct survey_counts *counts, int error)
{
	counts->of[-error]++;
	counts->all++;
}

static void hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)where;
	(void)vectors;
	(void)regs;
	(void)site;
}

static int make_jump(const struct x86_insn *insn)
{
	const struct xol_detour detour = {.hit = hit, .save = XOL_SAVE_GENERAL};
	struct flow_region region;
	struct xol_jump jump;
	int error = flow_region(insn, &region);

	return error ? error : xol_jump_prepare(region.insns, region.count, &detour, &jump);
}

static int judge(const struct x86_insn *insn, enum ep_plan asked)
{
	struct plan_choice choice;
	int error = plan_choose(insn, asked, &choice);

	return error ? error : promote_check(insn, asked);
}

/* ---- function entries ---------------------------------------------------------------------- */

static void judge_entry(uint64_t address)
{
	int error, error_auto;
	struct x86_insn insn;

	error = error_auto = place_check(address, &insn);
	if (!error) {
		error = judge(&insn, EP_PLAN_JUMP);
		error_auto = judge(&insn, EP_PLAN_AUTO);
	}
	if (!error)
		error = make_jump(&insn);
	count(&survey.entries[SURVEY_JUMP], error);
	count(&survey.entries[SURVEY_AUTO], error_auto ? error_auto : error);
	survey.jumps += !error;
}

static void judge_entries(const struct objects_object *object)
{
	struct xol_memory_usage usage;
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (size_t i = 0; i < object->function_count; i++)
		if (!i || object->functions[i].start != object->functions[i - 1].start)
			judge_entry(object->functions[i].start);
	clock_gettime(CLOCK_MONOTONIC, &end);
	xol_code_usage(&usage);
	survey.mappings = usage.chunks;
	survey.reserved = usage.reserved;
	survey.used = usage.used;
	survey.nanoseconds = (uint64_t)(end.tv_sec - start.tv_sec) * 1000000000 +
			     (uint64_t)end.tv_nsec - (uint64_t)start.tv_nsec;
}

/* ---- all instructions ---------------------------------------------------------------------- */

/* One byte where nothing is known. */
static unsigned int judge_insn(uint64_t address, uint64_t one_in)
{
	struct x86_insn insn;
	int error = place_decode(address, &insn);

	if (error) {
		count(&survey.insns[SURVEY_JUMP], error);
		count(&survey.insns[SURVEY_AUTO], error);
		return 1;
	}
	error = judge(&insn, EP_PLAN_JUMP);
	count(&survey.insns[SURVEY_JUMP], error);
	count(&survey.insns[SURVEY_AUTO], error ? error : judge(&insn, EP_PLAN_AUTO));
	if (!error && survey.insns[SURVEY_JUMP].all % one_in == 0) {
		survey.tried++;
		survey.out_of_reach += make_jump(&insn) == -EP_OUT_OF_REACH;
	}
	return insn.length;
}

static void judge_insns(const struct objects_object *object)
{
	uint64_t at = object->start;
	uint64_t one_in = (object->end - object->start) / 4 / TRIES_MAX + 1;

	for (size_t i = 0; i < object->function_count; i++) {
		const struct objects_function *function = &object->functions[i];

		if (function->guessed_end)
			continue;
		if (function->start > at)
			at = function->start;
		while (at < function->end)
			at += judge_insn(at, one_in);
	}
}

/* -------------------------------------------------------------------------------------------- */

static struct objects_object *find(const char *name)
{
	struct objects_object **objects;
	size_t object_count;

	if (objects_list(&objects, &object_count))
		return NULL;
	for (size_t i = 0; i < object_count; i++)
		if (*name ? strcmp(objects[i]->name, name) == 0 : objects[i]->is_executable)
			return objects[i];
	return NULL;
}

__attribute__((constructor)) static void run(void)
{
	const char *name = getenv(SURVEY_OBJECT), *result = getenv(SURVEY_RESULT);
	struct objects_object *object;

	if (!name || !result)
		return;
	object = find(name);
	if (!object || objects_read_functions(object))
		_exit(1);
	judge_entries(object);
	judge_insns(object);
	_exit(write(atoi(result), &survey, sizeof(survey)) != sizeof(survey));
}
