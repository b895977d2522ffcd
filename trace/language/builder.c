/* SPDX-License-Identifier: MIT */
#include "trace/language/builder.h"

#include <string.h>

#include "trace/language/types.h"

int trace_builder_add(struct trace_builder *builder, struct trace_step step)
{
	uint32_t room = builder->room ? 2 * builder->room : 32;
	struct trace_step *steps;

	if (builder->count == TRACE_STEPS_MAX)
		return trace_syntax(builder->scanner, builder->scanner->at,
				    "too much is fetched by one event");
	if (builder->count == builder->room) {
		steps = trace_arena_alloc(builder->arena, room * sizeof(*steps));
		if (!steps)
			return -EP_NO_MEMORY;
		if (builder->count)
			memcpy(steps, builder->steps, builder->count * sizeof(*steps));
		builder->steps = steps;
		builder->room = room;
	}
	step.to = (uint8_t)(builder->chain_count - 1);
	builder->steps[builder->count++] = step;
	return 0;
}

int trace_builder_begin(struct trace_builder *builder, const char *at)
{
	if (builder->chain_count == TRACE_VALUES_MAX)
		return trace_syntax(builder->scanner, at, "more than %d values in one event",
				    TRACE_VALUES_MAX);
	builder->chains[builder->chain_count++] = (struct trace_chain){.first = builder->count};
	return 0;
}

static bool reads_memory(const struct trace_step *step)
{
	return step->code >= TRACE_STEP_LOAD_1 && step->code <= TRACE_STEP_LOAD_8;
}

/* Where a value is not to be had its thread goes on behind the last of its steps. */
void trace_builder_end(struct trace_builder *builder)
{
	struct trace_chain *chain = trace_builder_chain(builder);

	chain->count = builder->count - chain->first;
	for (uint32_t i = chain->first; i < builder->count; i++) {
		builder->steps[i].skip = builder->count - 1 - i;
		chain->may_fault |= reads_memory(&builder->steps[i]);
	}
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void number_values(struct trace_builder *builder, struct trace_program *program)
{
	uint8_t next = 0;

	for (int turn = 0; turn < 3; turn++) { /* numbers, what is copied, what is not recorded */
		for (uint32_t i = 0; i < builder->chain_count; i++) {
			struct trace_chain *chain = &builder->chains[i];

			if ((chain->is_hidden ? 2 : chain->is_bulk ? 1 : 0) == turn)
				chain->value = next++;
		}
		if (turn == 0)
			program->recorded = next;
		if (turn == 1)
			program->bulk_count = (uint8_t)(next - program->recorded);
	}
	program->value_count = next;
}

static void put(const struct trace_builder *builder, struct trace_program *program,
		struct trace_step step)
{
	if (step.code <= TRACE_STEP_IF_TEXT)
		step.to = builder->chains[step.to].value;
	if (step.code == TRACE_STEP_IF_VALUE)
		step.from = builder->chains[step.from].value;
	program->steps[program->step_count++] = step;
}

/* Links know their step by its number. */
static void move_links(const struct trace_builder *builder, uint32_t from, uint32_t to)
{
	for (struct trace_link *link = builder->links; link; link = link->next)
		if (link->step == (from | TRACE_STEP_UNPLACED))
			link->step = to;
}

static void put_chains(struct trace_builder *builder, struct trace_program *program, bool of_filter)
{
	for (uint32_t i = 0; i < builder->chain_count; i++) {
		const struct trace_chain *chain = &builder->chains[i];

		for (uint32_t k = 0; k < chain->count && chain->is_of_filter == of_filter; k++) {
			move_links(builder, chain->first + k, program->step_count);
			put(builder, program, builder->steps[chain->first + k]);
		}
	}
}

static uint32_t words_of(const struct trace_bulk *bulk)
{
	uint32_t elements = bulk->elements ? bulk->elements : 1;

	if (bulk->kind == TRACE_STRING)
		return elements * (1 + (bulk->size + 7u) / 8);
	return 1 + (elements * bulk->size + 7u) / 8;
}

static int note_bulks(struct trace_builder *builder, struct trace_program *program)
{
	struct trace_bulk *bulks =
		trace_arena_alloc(builder->arena, (program->bulk_count + 1u) * sizeof(*bulks));

	if (!bulks)
		return -EP_NO_MEMORY;
	for (uint32_t i = 0; i < builder->chain_count; i++) {
		const struct trace_chain *chain = &builder->chains[i];
		struct trace_bulk *bulk = &bulks[chain->value - program->recorded];

		if (!chain->is_bulk || chain->is_hidden)
			continue;
		*bulk = (struct trace_bulk){.kind = chain->type.kind,
					    .elements = chain->type.elements,
					    .size = trace_type_element(&chain->type)};
		program->bulk_words += words_of(bulk);
	}
	program->bulks = bulks;
	return 0;
}

static void note_facts(const struct trace_builder *builder, struct trace_program *program)
{
	for (uint32_t i = 0; i < builder->chain_count; i++) {
		const struct trace_chain *chain = &builder->chains[i];

		program->may_fault |= chain->may_fault && !chain->is_hidden && !chain->is_bulk;
	}
	for (uint32_t i = 0; i < builder->count; i++) {
		program->asks_latency |= builder->steps[i].code == TRACE_STEP_LATENCY;
		program->asks_program |= builder->steps[i].code == TRACE_STEP_FROM_PROGRAM;
	}
	for (uint32_t i = 0; i < builder->kept_count; i++)
		program->counts_depth |= builder->kept[i].kind == TRACE_KEEP_DEPTH;
	program->kept_count = (uint8_t)builder->kept_count;
	memcpy(program->kept, builder->kept, sizeof(program->kept));
	program->links = builder->links;
	program->is_timed = builder->is_timed;
}

static bool is_plain(const struct trace_builder *builder, const struct trace_program *program)
{
	if (builder->definition->is_return || program->step_count != program->recorded + 1u)
		return false;
	for (uint32_t i = 0; i < program->recorded; i++)
		if (program->steps[i].code > TRACE_STEP_REGISTER_SIGNED ||
		    program->steps[i].to != i)
			return false;
	return !program->bulk_count;
}

int trace_builder_finish(struct trace_builder *builder, const struct trace_step *filter,
			 uint32_t filter_count)
{
	struct trace_program *program = &builder->definition->program;
	int error;

	*program = (struct trace_program){0};
	program->steps = trace_arena_alloc(builder->arena, (builder->count + filter_count + 1) *
								   sizeof(*program->steps));
	if (!program->steps)
		return -EP_NO_MEMORY;
	number_values(builder, program);
	note_facts(builder, program);
	program->has_filter = filter_count != 0;
	error = note_bulks(builder, program);
	if (error)
		return error;
	if (program->recorded + program->bulk_words > TRACE_RECORD_WORDS)
		return trace_syntax(builder->scanner, builder->scanner->at,
				    "an event may have %u bytes, and this could have %u",
				    8 * TRACE_RECORD_WORDS,
				    8 * (program->recorded + program->bulk_words));
	put_chains(builder, program, true);
	for (uint32_t i = 0; i < filter_count; i++)
		put(builder, program, filter[i]);
	put_chains(builder, program, false);
	put(builder, program, (struct trace_step){.code = TRACE_STEP_ACCEPT});
	program->is_plain = is_plain(builder, program);
	return 0;
}
