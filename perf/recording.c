/* SPDX-License-Identifier: MIT */
/*
 * A record is cheap only as long as somebody takes it away again, from another processor, since
 * then the ring's cache lines are elsewhere. So the reader of hit_cost.c is the real one, in a
 * process of its own. It formats slower than a loop of hits records: a measurement must end before
 * the ring is full, and begin when it is empty.
 */
#include "perf/recording.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "perf/harness.h"
#include "trace/action/answer.h"
#include "trace/action/duration.h"
#include "trace/action/record.h"
#include "trace/language/parse.h"
#include "trace/report/reader.h"
#include "trace/session/head.h"

#define HEAP_SIZE   (1ul << 20)
#define BUFFER_SIZE (1ul << 20)
#define DRAIN_TRIES 100000 /* of 100 us */

static struct trace_probe recorded, recorded_call = {.index = 1};
static struct trace_arena definitions_arena;

/* As a definition says; the place is ours. */
static int define(const char *text, struct trace_probe *ret)
{
	struct trace_definitions all;
	int error = trace_definitions_parse(text, &definitions_arena, &all, NULL);

	if (error)
		return error;
	ret->view = trace_view_of(&all.list[0]);
	ret->view.event = "hit";
	ret->view.place = "hit_cost:shape";
	return 0;
}

/* Events with arguments of one kind each: of the registers below. */
static const char *const kinds[RECORDING_KINDS] = {
	[RECORDING_NONE] = "p main",
	[RECORDING_REGISTERS] = "p main a=%ax b=%bx c=%cx d=%dx e=%r8 f=%r9 g=%r10 h=%r11",
	[RECORDING_MEMORY] = ("p main a=+0(%di) b=+8(%di) c=+16(%di) d=+24(%di) e=+32(%di) "
			      "f=+40(%di) g=+48(%di) h=+56(%di)"),
	[RECORDING_TEXT_16] = "p main a=+0(%di):string",
	[RECORDING_TEXT_200] = "p main a=+0(%si):string",
};
static struct trace_probe with[RECORDING_KINDS];

#define PROBES (2 + RECORDING_KINDS)

static struct trace_view views[PROBES]; /* of all of these */

static struct trace_session session;
static enum recording_reader mode;
static _Atomic uint32_t *busy; /* shared with the reader: do not sleep */

/* ---- the reader ---------------------------------------------------------------------------- */

static void sleep_until_woken(void)
{
	static const struct timespec timeout = {.tv_nsec = 10000000};
	uint32_t seen = atomic_load(&session.shared->wake);

	atomic_store(&session.shared->sleeping, 1);
	syscall(SYS_futex, &session.shared->wake, FUTEX_WAIT, seen, &timeout, NULL, 0);
	atomic_store(&session.shared->sleeping, 0);
}

static void pass(struct trace_reader *reader, struct trace_text *text, int output)
{
	bool more = trace_reader_begin(reader);

	while (more) {
		text->used = 0;
		more = trace_reader_next(reader, text);
		if (write(output, text->buffer, text->used) < 0)
			_exit(1);
	}
}

static void read_for_ever(int pid)
{
	struct trace_arena arena = {0};
	struct trace_text text = {trace_arena_alloc(&arena, BUFFER_SIZE), BUFFER_SIZE, 0};
	struct trace_reader reader;
	int output = open("/dev/null", O_WRONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	perf_pin(perf_cpus() - 1);
	if (!text.buffer || output < 0 || getppid() != pid ||
	    trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena))
		_exit(1);
	views[recorded.index] = recorded.view;
	views[recorded_call.index] = recorded_call.view;
	for (int i = 0; i < RECORDING_KINDS; i++)
		views[with[i].index] = with[i].view;
	reader.processes[0] = (struct trace_reader_process){views, PROBES, pid, 0};
	for (;;) {
		pass(&reader, &text, output);
		if (!atomic_load(busy))
			sleep_until_woken();
	}
}

/* ---- the producer -------------------------------------------------------------------------- */

static int start_reader(void)
{
	int parent = getpid();
	pid_t child = fork();

	if (child == 0)
		read_for_ever(parent);
	return child < 0 ? -EP_NO_MEMORY : 0;
}

int recording_init(enum recording_reader reader, uint32_t threads, uint64_t ring_size)
{
	const struct trace_shape shape = {.process_max = 1,
					  .ring_max = threads,
					  .ring_size = ring_size,
					  .heap_size = HEAP_SIZE + threads * ring_size,
					  .heap_max = 1};
	int fd, error = trace_session_create(&shape, "", 0, &fd, &session);

	if (!error)
		error = define("p main a=%di:u64 b=%si:x64", &recorded);
	if (!error)
		error = define("r main a=$arg1 b=$arg2 r=$retval t=$latency", &recorded_call);
	for (uint32_t i = 0; i < RECORDING_KINDS && !error; i++) {
		with[i].index = 2 + i;
		error = define(kinds[i], &with[i]);
	}
	if (error)
		return error;
	close(fd);
	mode = reader;
	busy = trace_session_at(&session, trace_session_alloc(&session, 64), 64);
	if (!busy || trace_session_add_process(&session, getpid(), getppid()) != 0)
		return -EP_NO_MEMORY;
	if (reader == RECORDING_READER)
		error = start_reader();
	if (!error)
		error = trace_record_init(&session, 0, TRACE_FULL_DROP);
	if (!error)
		trace_record_rely_on_barrier();
	if (!error)
		trace_answer_init(&session, NULL);
	return error;
}

const char *recording_clock_name(void)
{
	return trace_clock_name(session.shared->clock);
}

struct ep_options recording_options(enum ep_plan plan)
{
	return (struct ep_options){.size = sizeof(struct ep_options),
				   .plan = plan,
				   .handler = trace_record,
				   .cookie = &recorded,
				   .flags = EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY};
}

struct ep_options recording_call_options(enum ep_plan plan)
{
	return (struct ep_options){.size = sizeof(struct ep_options),
				   .plan = plan,
				   .entered = trace_record_entered,
				   .ended = trace_record_ended,
				   .cookie = &recorded_call,
				   .flags = EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY | EP_CALLS};
}

void recording_measure_one_in(uint32_t sample)
{
	session.shared->sample = sample;
	trace_duration_init(&session);
}

struct ep_options recording_measure_options(enum ep_plan plan)
{
	return (struct ep_options){.size = sizeof(struct ep_options),
				   .plan = plan,
				   .entered = trace_duration_entered,
				   .ended = trace_duration_ended,
				   .cookie = &recorded_call,
				   .flags = EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY | EP_CALLS};
}

void recording_begin(void)
{
	atomic_store(busy, 1);
	atomic_fetch_add(&session.shared->wake, 1);
	syscall(SYS_futex, &session.shared->wake, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool is_empty(void)
{
	for (uint64_t i = 0; i < trace_session_ring_count(&session); i++) {
		struct trace_ring *ring = trace_session_ring(&session, i);

		if (trace_head_distance(atomic_load(&ring->tail), atomic_load(&ring->head)))
			return false;
	}
	return true;
}

static void empty(void)
{
	for (uint64_t i = 0; i < trace_session_ring_count(&session); i++) {
		struct trace_ring *ring = trace_session_ring(&session, i);

		atomic_store(&ring->tail, atomic_load(&ring->head) & TRACE_HEAD_POSITION);
		atomic_store(&ring->owner, 0);
	}
}

void recording_drain(void)
{
	if (mode == RECORDING_NO_READER)
		empty();
	for (int tries = 0; !is_empty(); tries++) {
		if (tries == DRAIN_TRIES)
			abort(); /* the reader is gone */
		usleep(100);
	}
	atomic_store(busy, 0);
}

uint64_t recording_dropped(void)
{
	const struct trace_reader reader = {.session = session};

	return trace_reader_dropped(&reader);
}

void recording_clock(void)
{
	uint32_t cpu;

	trace_clock_read(session.shared->clock, &cpu);
}

void recording_clock_twice(void)
{
	recording_clock();
	recording_clock();
}

/* ---- arguments ----------------------------------------------------------------------------- */

static void record(enum recording_kind kind)
{
	static const char short_text[64] = "fifteen letters", long_text[256] = {[0 ... 198] = 'x'};
	struct ep_regs regs = {.rdi = (uint64_t)short_text, .rsi = (uint64_t)long_text};

	trace_record(NULL, &regs, &with[kind]);
}

void recording_none(void)
{
	record(RECORDING_NONE);
}

void recording_registers(void)
{
	record(RECORDING_REGISTERS);
}

void recording_memory(void)
{
	record(RECORDING_MEMORY);
}

void recording_text_16(void)
{
	record(RECORDING_TEXT_16);
}

void recording_text_200(void)
{
	record(RECORDING_TEXT_200);
}

/* ---- answers ------------------------------------------------------------------------------- */

static const struct trace_answer answers[] = {
	{.kind = TRACE_QUESTION_POWERS, .index = 0, .field_count = 1, .buckets = TRACE_POWERS},
	{.kind = TRACE_QUESTION_LINEAR,
	 .index = 1,
	 .field_count = 1,
	 .buckets = 102,
	 .span = 1000,
	 .step = 10,
	 .inverse = UINT64_MAX / 10},
	{.kind = TRACE_QUESTION_TOP, .index = 2, .field_count = 1, .value = 1},
	{.kind = TRACE_QUESTION_TOP, .index = 3, .field_count = 1, .value = 1, .texts = 1},
};

static void answer(uint32_t index, uint32_t count)
{
	static char text[] = "/etc/host...";
	static uint64_t number;
	struct trace_field_value values[2] = {{.number = number % 64}, {.number = number % 1024}};

	number += 11;
	if (answers[index].texts) {
		text[10] = (char)('0' + number % 64);
		values[0] = (struct trace_field_value){.bytes = text, .size = sizeof(text) - 1};
	} else if (answers[index].value != 1) {
		values[0].number = number % 1024;
	}
	__asm__ volatile("" : : "r"(values) : "memory");
	if (count)
		trace_answers_add(&answers[index], count, values);
}

void recording_no_answer(void)
{
	answer(0, 0);
}

void recording_histogram(void)
{
	answer(0, 1);
}

void recording_linear(void)
{
	answer(1, 1);
}

void recording_top(void)
{
	answer(2, 1);
}

void recording_top_of_texts(void)
{
	answer(3, 1);
}
