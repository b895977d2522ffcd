/* SPDX-License-Identifier: MIT */
/*
 * A hit runs the definition's program, and calls the program's handler if the condition holds. That finds
 * the values by a pointer of its thread, since handlers of a thread do not nest.
 *
 * What the end of a call needs of its entry is kept in the last ones of ep_call.words: the handlers have
 * the first ones. They may overwrite ours, and get wrong values then: all that is done with these is to
 * read where they point to, which may fault.
 */
#include "trace/action/values.h"

#include "include/counting.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/memory.h"
#include "sys/process.h"
#include "trace/action/copy.h"
#include "trace/action/run.h"
#include "trace/clock/clock.h"

#define LAST_WORD (EP_CALL_WORDS - 1)

_Static_assert((int)TRACE_UNSIGNED == EP_VALUE_UNSIGNED && (int)TRACE_SIGNED == EP_VALUE_SIGNED &&
		       (int)TRACE_HEX == EP_VALUE_HEX && (int)TRACE_CHAR == EP_VALUE_CHAR &&
		       (int)TRACE_FLOAT == EP_VALUE_FLOAT && (int)TRACE_SYMBOL == EP_VALUE_SYMBOL &&
		       (int)TRACE_STRING == EP_VALUE_TEXT && (int)TRACE_DUMP == EP_VALUE_BYTES &&
		       (int)TRACE_SOCKADDR == EP_VALUE_SOCKADDR,
	       "kinds have the same numbers");

/* Whose handler runs, and for what. */
struct running {
	const struct ep_probe *probe;
	const struct trace_definition *definition;
	const struct trace_run *run;
	uint64_t time; /* of a call that is timed: its end */
	struct running *outer;
};

static __thread struct running *mine;

/* Word by word: a compiler without vector registers clears more than a few by "rep stos", in 20 ns. */
EP_TRAP_PATH static inline __attribute__((always_inline)) void prepare(struct trace_run *run,
								       const struct ep_regs *regs,
								       const struct ep_call *call,
								       uint64_t *values)
{
	run->regs = regs;
	run->call = call;
	run->comm = NULL;
	run->values = values;
#pragma GCC unroll 1
	for (uint32_t i = 0; i < TRACE_FAULT_WORDS; i++) {
		run->faults[i] = 0;
		__asm__ volatile("" : : : "memory"); /* else the loop is made one of these again */
	}
}

/* ---- handlers ------------------------------------------------------------------------------ */

EP_TRAP_PATH static bool first_number(const struct running *running, uint64_t *ret);

EP_TRAP_PATH static void take_first(const struct trace_handlers *of, const struct running *running)
{
	uint64_t number;

	if (of->histogram && first_number(running, &number))
		ep_histogram_add(of->histogram, number);
}

EP_TRAP_PATH static void begin(struct running *running)
{
	running->outer = mine;
	mine = running;
}

EP_TRAP_PATH static void end(const struct running *running)
{
	mine = running->outer;
}

EP_TRAP_PATH static void hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct trace_handlers *of = cookie;
	uint64_t values[TRACE_VALUES_MAX];
	struct trace_run run;
	struct running running = {probe, of->definition, &run, 0, NULL};

	prepare(&run, regs, NULL, values);
	if (!trace_run(&of->definition->program, &run)) {
		ep_probe_uncount(probe, NULL);
		return;
	}
	take_first(of, &running);
	if (!of->handler)
		return;
	begin(&running);
	of->handler(probe, regs, of->cookie);
	end(&running);
}

/* Of a definition of hits: it is decided here. */
EP_TRAP_PATH __attribute__((noinline)) static void enter_hit(const struct trace_handlers *of,
							     struct ep_probe *probe,
							     struct ep_regs *regs,
							     struct ep_call *call)
{
	uint64_t values[TRACE_VALUES_MAX];
	struct trace_run run;
	struct running running = {probe, of->definition, &run, 0, NULL};
	bool wanted;

	prepare(&run, regs, NULL, values);
	wanted = trace_run(&of->definition->program, &run);
	if (wanted)
		take_first(of, &running);
	if (wanted && of->entered) {
		begin(&running);
		of->entered(probe, regs, call, of->cookie);
		end(&running);
	}
	if (of->definition->program.has_filter)
		call->words[LAST_WORD] = wanted;
}

EP_TRAP_PATH static bool keeps(const struct trace_program *program)
{
	return program->kept_count || program->is_timed;
}

EP_TRAP_PATH static void keep(const struct trace_program *program, const struct ep_regs *regs,
			      struct ep_call *call)
{
	uint64_t words[EP_CALL_WORDS];

	words[TRACE_CALL_TIME] = 0;
	trace_run_keep(program, regs, words);
	if (program->is_timed)
		words[TRACE_CALL_TIME] = trace_clock_now(TRACE_CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < TRACE_CALL_KEPT + (uint32_t)program->kept_count; i++)
		call->words[LAST_WORD - i] = words[i];
}

/* The time is that of the beginning: it is taken last. */
EP_TRAP_PATH static void entered(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
				 void *cookie)
{
	const struct trace_handlers *of = cookie;

	if (!of->definition->is_return) {
		enter_hit(of, probe, regs, call);
		return;
	}
	if (of->entered)
		of->entered(probe, regs, call, of->cookie);
	if (keeps(&of->definition->program))
		keep(&of->definition->program, regs, call);
}

EP_TRAP_PATH static void end_hit(const struct trace_handlers *of, struct ep_probe *probe,
				 struct ep_regs *regs, struct ep_call *call)
{
	if (of->definition->program.has_filter && !call->words[LAST_WORD])
		ep_probe_uncount(probe, call);
	else if (of->ended)
		of->ended(probe, regs, call, of->cookie);
}

/* As the program knows it. */
EP_TRAP_PATH static struct ep_call as_kept(const struct ep_call *call)
{
	struct ep_call ret = *call;

	for (uint32_t i = 0; i < EP_CALL_WORDS; i++)
		ret.words[i] = call->words[LAST_WORD - i];
	return ret;
}

EP_TRAP_PATH __attribute__((noinline)) static void end_call(const struct trace_handlers *of,
							    struct ep_probe *probe,
							    struct ep_regs *regs,
							    struct ep_call *call)
{
	uint64_t values[TRACE_VALUES_MAX];
	struct ep_call kept = as_kept(call);
	struct trace_run run;
	struct running running = {probe, of->definition, &run, 0, NULL};

	prepare(&run, regs, &kept, values);
	if (of->definition->program.is_timed)
		running.time = trace_clock_now(TRACE_CLOCK_MONOTONIC);
	if (!trace_run(&of->definition->program, &run)) {
		ep_probe_uncount(probe, call);
		return;
	}
	take_first(of, &running);
	if (!of->ended)
		return;
	begin(&running);
	of->ended(probe, regs, call, of->cookie);
	end(&running);
}

EP_TRAP_PATH static void ended(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			       void *cookie)
{
	const struct trace_handlers *of = cookie;

	trace_run_leave(&of->definition->program);
	if (of->definition->is_return)
		end_call(of, probe, regs, call);
	else
		end_hit(of, probe, regs, call);
}

bool trace_handlers_wrap(const struct trace_definition *definition, struct ep_options *options,
			 struct trace_handlers *ret)
{
	bool follows = options->flags & EP_CALLS || options->entered || options->ended;
	bool may_ask = options->histogram ||
		       (definition->is_return ? options->ended != NULL
					      : options->handler || options->entered);

	if (!definition->program.has_filter && !(definition->arg_count && may_ask))
		return false;
	*ret = (struct trace_handlers){definition,     options->handler, options->entered,
				       options->ended, options->cookie,	 options->histogram};
	options->histogram = NULL;
	if (!options->handler && !options->entered && !options->ended)
		options->flags |= EP_GENERAL_REGS_ONLY;
	options->cookie = ret;
	options->handler = follows ? NULL : hit;
	options->entered = follows ? entered : NULL;
	options->ended = follows ? ended : NULL;
	return true;
}

bool trace_handlers_are_ours(const struct ep_options *options)
{
	return options->size >= sizeof(*options) &&
	       (options->handler == hit || options->ended == ended);
}

/* ---- values -------------------------------------------------------------------------------- */

/* The caller's, for what is copied, and for the values. */
struct output {
	struct ep_value *values;
	size_t count, max;
	_Atomic uint64_t *words;
	size_t word_count; /* left */
};

EP_TRAP_PATH static struct ep_value *add(struct output *output, const struct trace_arg *arg)
{
	struct ep_value *ret;

	if (output->count == output->max)
		return NULL;
	ret = &output->values[output->count++];
	ret->name = arg->name;
	ret->kind = (enum ep_value_kind)arg->type.kind;
	ret->state = EP_VALUE_WHOLE;
	ret->number = 0;
	__asm__ volatile("" : : : "memory"); /* as above */
	ret->bytes = NULL;
	ret->size = 0;
	ret->elements = 0;
	ret->element = 0;
	return ret;
}

EP_TRAP_PATH static void set_number(struct ep_value *value, const struct trace_arg *arg,
				    uint64_t number)
{
	value->number = number;
	value->size = arg->type.size;
}

EP_TRAP_PATH static void set_copied(struct ep_value *value, struct output *output,
				    const struct trace_copy *copy, bool cut)
{
	uint64_t first = atomic_load_explicit(&output->words[0], memory_order_relaxed);

	value->bytes = (const void *)&output->words[1];
	value->size = (uint32_t)first;
	if (first & TRACE_BULK_FAULTY && !value->size)
		value->state = EP_VALUE_FAULT;
	else if (cut || first & (TRACE_BULK_CUT | TRACE_BULK_FAULTY))
		value->state = EP_VALUE_CUT;
	output->words += copy->at;
	output->word_count -= copy->at;
}

EP_TRAP_PATH static void set_empty(struct ep_value *value, enum ep_value_state state)
{
	value->bytes = "";
	value->state = state;
}

/* A word in front says how much there is, and one behind it has the zero. */
EP_TRAP_PATH static void set_text(struct ep_value *value, struct output *output, uint32_t limit,
				  uint64_t address)
{
	struct trace_copy copy = {output->words, UINT64_MAX, 0};
	struct trace_bulk bulk = {TRACE_STRING, 0, (uint16_t)limit};

	if (output->word_count < 2) {
		set_empty(value, EP_VALUE_CUT);
		return;
	}
	if (bulk.size > 8 * (output->word_count - 2))
		bulk.size = (uint16_t)(8 * (output->word_count - 2));
	trace_copy_bulk(&copy, &bulk, address, false);
	atomic_store_explicit(&output->words[copy.at++], 0, memory_order_relaxed);
	set_copied(value, output, &copy, false);
}

EP_TRAP_PATH static void set_bytes(struct ep_value *value, struct output *output,
				   const struct trace_bulk *of, uint64_t address)
{
	uint32_t wanted = (of->elements ? of->elements : 1u) * of->size;
	uint64_t room = output->word_count ? 8 * (output->word_count - 1) : 0;
	struct trace_copy copy = {output->words, UINT64_MAX, 0};
	struct trace_bulk bulk = {TRACE_DUMP, 0, (uint16_t)(wanted < room ? wanted : room)};

	/* How long the address of a socket is is seen when it is read. */
	if (of->kind == TRACE_SOCKADDR && room >= wanted)
		bulk = *of;
	if (!bulk.size || (of->kind == TRACE_SOCKADDR && room < wanted)) {
		set_empty(value, EP_VALUE_CUT);
		return;
	}
	trace_copy_bulk(&copy, &bulk, address, false);
	set_copied(value, output, &copy, room < wanted);
}

/* Each one is a value. */
EP_TRAP_PATH static void add_texts(struct output *output, const struct trace_arg *arg,
				   const struct trace_bulk *bulk, uint64_t address, bool is_faulty)
{
	for (uint32_t i = 0; i < bulk->elements; i++) {
		struct ep_value *value = add(output, arg);
		uint64_t text;

		if (!value)
			return;
		value->element = i;
		if (!is_faulty && sys_load_uint64_t(address + 8ul * i, &text))
			set_text(value, output, bulk->size, text);
		else
			set_empty(value, EP_VALUE_FAULT);
	}
}

EP_TRAP_PATH static void add_bulk(struct output *output, const struct trace_arg *arg,
				  const struct running *running)
{
	const struct trace_program *program = &running->definition->program;
	const struct trace_bulk *bulk = &program->bulks[arg->value - program->recorded];
	uint64_t address = running->run->values[arg->value];
	bool is_faulty = trace_run_is_faulty(running->run, arg->value);
	struct ep_value *value;

	if (bulk->kind == TRACE_STRING && bulk->elements) {
		add_texts(output, arg, bulk, address, is_faulty);
		return;
	}
	value = add(output, arg);
	if (!value)
		return;
	value->elements = bulk->elements;
	if (is_faulty)
		set_empty(value, EP_VALUE_FAULT);
	else if (bulk->kind == TRACE_STRING)
		set_text(value, output, bulk->size, address);
	else
		set_bytes(value, output, bulk, address);
}

EP_TRAP_PATH static uint64_t processor(void)
{
	uint32_t ret;

	trace_clock_read(TRACE_CLOCK_MONOTONIC, &ret);
	return ret;
}

EP_TRAP_PATH static void set_latency(struct ep_value *value, const struct trace_arg *arg,
				     const struct running *running)
{
	uint64_t since = running->run->call->words[TRACE_CALL_TIME];

	set_number(value, arg, running->time > since ? running->time - since : 0);
}

/* What is not in the event's program. */
EP_TRAP_PATH static void set_other(struct ep_value *value, struct output *output,
				   const struct trace_arg *arg, const struct running *running)
{
	char name[SYS_COMM_SIZE];

	switch (arg->origin) {
	case TRACE_OF_LATENCY:
		set_latency(value, arg, running);
		return;
	case TRACE_OF_TIME:
		set_number(value, arg, trace_clock_now(TRACE_CLOCK_MONOTONIC));
		return;
	case TRACE_OF_TID:
		set_number(value, arg, (uint64_t)sys0(SYS_gettid));
		return;
	case TRACE_OF_PID:
		set_number(value, arg, (uint64_t)sys_getpid());
		return;
	case TRACE_OF_CPU:
		set_number(value, arg, processor());
		return;
	default: /* TRACE_OF_COMM */
		sys_get_comm(name);
		set_text(value, output, SYS_COMM_SIZE, (uint64_t)name);
	}
}

/* Nobody knows what is returned where nothing has, nor when a jump left the call. */
EP_TRAP_PATH static bool is_absent(const struct trace_arg *arg, const struct trace_run *run)
{
	return run->call && ((arg->needs_return && !run->regs) ||
			     (arg->origin == TRACE_OF_LATENCY && run->call->end == EP_END_JUMP));
}

EP_TRAP_PATH static void add_value(struct output *output, const struct trace_arg *arg,
				   const struct running *running)
{
	struct ep_value *value;

	if (arg->origin == TRACE_OF_PROGRAM &&
	    arg->value >= running->definition->program.recorded && !is_absent(arg, running->run)) {
		add_bulk(output, arg, running);
		return;
	}
	value = add(output, arg);
	if (!value)
		return;
	if (is_absent(arg, running->run))
		value->state = EP_VALUE_ABSENT;
	else if (arg->origin != TRACE_OF_PROGRAM)
		set_other(value, output, arg, running);
	else if (trace_run_is_faulty(running->run, arg->value))
		value->state = EP_VALUE_FAULT;
	else
		set_number(value, arg, running->run->values[arg->value]);
}

/* What is below 0 counts as 0. */
EP_TRAP_PATH static bool first_number(const struct running *running, uint64_t *ret)
{
	const struct trace_arg *arg = running->definition->args;
	struct ep_value value = {.state = EP_VALUE_ABSENT};
	struct output output = {.values = &value, .max = 1};

	add_value(&output, arg, running);
	*ret = value.kind == EP_VALUE_SIGNED && (int64_t)value.number < 0 ? 0 : value.number;
	return value.state == EP_VALUE_WHOLE;
}

EP_TRAP_PATH size_t ep_values(const struct ep_probe *probe, struct ep_value *ret, size_t max,
			      void *memory, size_t size)
{
	struct output output = {.values = ret, .max = max};
	uint64_t first = ((uint64_t)memory + 7) & ~7ull;
	const struct running *running = mine;

	if (!running || running->probe != probe || (!ret && max))
		return 0;
	output.words = (_Atomic uint64_t *)first;
	if (memory && size > first - (uint64_t)memory)
		output.word_count = (size - (first - (uint64_t)memory)) / 8;
	for (uint32_t i = 0; i < running->definition->arg_count; i++)
		add_value(&output, &running->definition->args[i], running);
	return output.count;
}
