/* SPDX-License-Identifier: MIT */
/* The handler and the reader, without a probe between them. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace/action/record.h"
#include "trace/action/run.h"
#include "trace/language/parse.h"
#include "trace/report/reader.h"

TestSuite(trace_record, .timeout = 400);

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 16, .heap_max = 1};
static struct trace_probe probe;
static struct trace_arena arena;
static struct trace_session session;
static struct trace_reader reader;
static char buffer[1 << 20];

static void define(const char *text, struct trace_probe *ret)
{
	struct trace_definitions all;

	cr_assert_eq(trace_definitions_parse(text, &arena, &all, NULL), 0, "%s", text);
	*ret = (struct trace_probe){.view = trace_view_of(&all.list[0])};
	ret->view.event = "e";
	ret->view.place = "p";
}

static void setup(void)
{
	int fd;

	define("p main v=%di:u64", &probe);
	cr_assert_eq(trace_session_create(&small, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_DROP), 0);
	trace_session_process(&session, 0)->probe_count = 1;
	cr_assert_eq(trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena), 0);
	for (int i = 0; i < 4; i++)
		reader.processes[i] = (struct trace_reader_process){&probe.view, 1, 77, 0};
}

static void hit(uint64_t value)
{
	struct ep_regs regs = {.rdi = value};

	trace_record(NULL, &regs, &probe);
}

static size_t read_events(void)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};
	size_t ret = 0;

	for (bool more = trace_reader_begin(&reader); more;)
		more = trace_reader_next(&reader, &text);
	buffer[text.used] = '\0';
	for (const char *at = buffer; (at = strchr(at, '\n')); at++)
		ret++;
	return ret;
}

Test(trace_record, event_comes_out_as_it_went_in, .init = setup)
{
	hit(42);
	cr_expect_eq(read_events(), 1);
	cr_expect(strstr(buffer, "e: (p) v=42\n"), "%s", buffer);
}

Test(trace_record, full_ring_drops_and_counts, .init = setup)
{
	for (uint64_t i = 0; i < 1000; i++)
		hit(i);
	cr_expect_eq(read_events(), 4096 / 24);
	cr_expect_eq(trace_reader_dropped(&reader), 1000 - 4096 / 24);
	hit(1);
	cr_expect_eq(read_events(), 1);
}

/* ---- calls --------------------------------------------------------------------------------- */

static struct trace_probe call_probe;

static void setup_calls(void)
{
	setup();
	define("r main a=$arg2:s32 v=$retval:u64 t=$latency c=$caller:x64", &call_probe);
	for (int i = 0; i < 4; i++)
		reader.processes[i].views = &call_probe.view;
}

static void enter(struct ep_call *call, uint64_t second)
{
	struct ep_regs regs = {.rax = 77, .rsi = second};

	*call = (struct ep_call){.return_address = 0x1234};
	memset(call->words, 0xab, sizeof(call->words));
	trace_record_entered(NULL, &regs, call, &call_probe);
}

static void end(struct ep_call *call, enum ep_end how, uint64_t result)
{
	struct ep_regs regs = {.rax = result, .rsi = 99};

	call->end = how;
	trace_record_ended(NULL, how == EP_END_RETURN ? &regs : NULL, call, &call_probe);
}

Test(trace_record, call_is_one_event_at_its_end, .init = setup_calls)
{
	struct ep_call outer, inner;

	enter(&outer, (uint64_t)-5);
	enter(&inner, 6);
	cr_expect_eq(read_events(), 0);
	end(&inner, EP_END_RETURN, 60);
	cr_expect_eq(read_events(), 1);
	cr_expect(strstr(buffer, "e: (p) a=6 v=60 t="), "%s", buffer);
	cr_expect(strstr(buffer, " c=0x1234\n"), "%s", buffer);
	end(&outer, EP_END_RETURN, 50);
	cr_expect_eq(read_events(), 1);
	cr_expect(strstr(buffer, "e: (p) a=-5 v=50 t="), "%s", buffer);
}

/* Then there are no registers. */
Test(trace_record, call_that_does_not_return_says_so, .init = setup_calls)
{
	struct ep_call call;

	enter(&call, 1);
	end(&call, EP_END_UNWIND, 0);
	enter(&call, 2);
	end(&call, EP_END_JUMP, 0);
	cr_expect_eq(read_events(), 2);
	cr_expect(strstr(buffer, "a=1 v=- t="), "%s", buffer);
	cr_expect(strstr(buffer, " c=0x1234 <- unwind\n"), "%s", buffer);
	cr_expect(strstr(buffer, "a=2 v=- t="), "%s", buffer);
	cr_expect(strstr(buffer, " c=0x1234 <- jump\n"), "%s", buffer);
}

static uint64_t now(void)
{
	struct timespec ret;

	clock_gettime(CLOCK_MONOTONIC, &ret);
	return (uint64_t)ret.tv_sec * 1000000000 + (uint64_t)ret.tv_nsec;
}

/* As the kernel's clock has it, but for how far two clocks agree. */
Test(trace_record, latency_is_from_entry_to_end_in_nanoseconds, .init = setup_calls)
{
	struct ep_call call;
	uint64_t around, within, latency;

	around = now();
	enter(&call, 1);
	within = now();
	usleep(20000);
	within = now() - within;
	end(&call, EP_END_RETURN, 0);
	around = now() - around;
	cr_expect_eq(read_events(), 1);
	latency = strtoul(strstr(buffer, " t=") + 3, NULL, 10);
	cr_expect_geq(latency + 1000 + within / 1000, within);
	cr_expect_leq(latency, around + 1000 + around / 1000);
}

/* Not the words that others may use, and nothing where no time is wanted. */
Test(trace_record, entry_keeps_what_is_wanted_and_no_more, .init = setup_calls)
{
	struct ep_call call;

	define("r main a=$arg2:s32 b=$arg2", &call_probe);
	enter(&call, 6);
	for (int i = 0; i < EP_CALL_WORDS; i++)
		cr_expect_eq(call.words[i], i == TRACE_CALL_KEPT ? 6 : 0xabababababababab, "%d", i);
}

/* Of those whose definition asks for it; what has no end in a child does not count there. */
Test(trace_record, depth_is_how_many_calls_a_thread_is_in, .init = setup_calls)
{
	struct ep_call outer, inner, next;

	define("r main d=$depth if $depth < 3", &call_probe);
	enter(&outer, 1);
	enter(&inner, 1);
	enter(&next, 1);
	end(&next, EP_END_RETURN, 0);
	cr_expect_eq(read_events(), 0);
	end(&inner, EP_END_JUMP, 0);
	cr_expect_eq(read_events(), 1);
	cr_expect(strstr(buffer, "d=2 <- jump\n"), "%s", buffer);
	enter(&next, 1);
	end(&next, EP_END_RETURN, 0);
	end(&outer, EP_END_RETURN, 0);
	cr_expect_eq(read_events(), 2);
	cr_expect(strstr(buffer, "d=2\n"), "%s", buffer);
	cr_expect(strstr(buffer, "d=1\n"), "%s", buffer);
}

Test(trace_record, child_of_a_fork_is_in_no_call, .init = setup_calls)
{
	struct ep_call outer, inner;
	pid_t child;
	int status;

	define("r main d=$depth", &call_probe);
	enter(&outer, 1);
	child = fork();
	if (child == 0) {
		enter(&inner, 1);
		_exit((int)inner.words[TRACE_CALL_KEPT]);
	}
	waitpid(child, &status, 0);
	cr_expect_eq(WEXITSTATUS(status), 1);
	enter(&inner, 1);
	cr_expect_eq(inner.words[TRACE_CALL_KEPT], 2);
}

Test(trace_record, knows_whether_the_executable_calls, .init = setup_calls)
{
	struct ep_call call;

	define("r main f=$from_program", &call_probe);
	trace_run_set_program(0x1235, 0x2000);
	enter(&call, 1);
	end(&call, EP_END_RETURN, 0);
	trace_run_set_program(0x1000, 0x1235);
	enter(&call, 1);
	end(&call, EP_END_RETURN, 0);
	trace_run_set_program(0x1000, 0x1234);
	enter(&call, 1);
	end(&call, EP_END_RETURN, 0);
	cr_expect_eq(read_events(), 3);
	cr_expect(strstr(buffer, "f=0\n"), "%s", buffer);
	cr_expect(strstr(strstr(buffer, "f=1\n"), "f=0\n"), "%s", buffer);
}

/* With the time of the beginning that the end will have, and without what only a return has. */
Test(trace_record, entries_are_events_where_they_are_wanted, .init = setup_calls)
{
	struct ep_call call;

	session.shared->entries = 1;
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_DROP), 0);
	reader.entries = true;
	enter(&call, 5);
	cr_expect_eq(read_events(), 1);
	cr_expect(strstr(buffer, "a=5 v=- t="), "%s", buffer);
	cr_expect(strstr(buffer, "<- entry\n"), "%s", buffer);
	end(&call, EP_END_RETURN, 9);
	cr_expect_eq(read_events(), 1);
	cr_expect(strstr(buffer, "a=5 v=9 t="), "%s", buffer);
	cr_expect(!strstr(buffer, "<-"), "%s", buffer);
	reader.entries = false;
	enter(&call, 5);
	cr_expect_eq(read_events(), 0);
	cr_expect_eq(reader.nonsense, 1);
}

static void *read_for_a_while(void *data)
{
	size_t *total = data;

	while (*total < 20000)
		*total += read_events();
	return NULL;
}

Test(trace_record, full_ring_waits_for_a_reader_that_makes_progress, .init = setup)
{
	pthread_t thread;
	size_t total = 0;

	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_WAIT), 0);
	pthread_create(&thread, NULL, read_for_a_while, &total);
	for (uint64_t i = 0; i < 20000; i++)
		hit(i);
	pthread_join(thread, NULL);
	cr_expect_eq(total, 20000);
	cr_expect_eq(trace_reader_dropped(&reader), 0);
}

Test(trace_record, reader_that_is_gone_is_waited_for_once, .init = setup, .timeout = 5)
{
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_WAIT), 0);
	for (uint64_t i = 0; i < 1000; i++)
		hit(i);
	cr_expect_eq(trace_reader_dropped(&reader), 1000 - 4096 / 24);
	cr_expect_eq(atomic_load(&session.shared->waiting), 0);
}

static void *hit_once(void *data)
{
	(void)data;
	hit(7);
	return NULL;
}

static void run_threads(int count)
{
	for (int i = 0; i < count; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, hit_once, NULL);
		pthread_join(thread, NULL);
	}
}

Test(trace_record, threads_without_a_ring_are_counted, .init = setup)
{
	run_threads(6);
	cr_expect_eq(read_events(), 4);
	cr_expect_eq(trace_reader_dropped(&reader), 2);
	trace_reader_reap(&reader);
	run_threads(3);
	cr_expect_eq(read_events(), 3);
}

/* By the bare system call, too: a page that the kernel wipes tells. */
static void check_fork(pid_t pid)
{
	int status;

	if (pid == 0) {
		hit(2);
		_exit(atomic_load(&session.shared->process_count) == 2 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
	cr_expect_eq(trace_session_process(&session, 1)->pid, pid);
	cr_expect_eq(trace_session_process(&session, 1)->parent, getpid());
	cr_expect_eq(trace_session_process(&session, 1)->probe_count, 1);
	cr_expect_neq(trace_session_process(&session, 1)->counts, 0);
}

Test(trace_record, child_gets_a_process_entry_of_its_own, .init = setup)
{
	hit(1);
	check_fork(fork());
	hit(3);
	cr_expect_eq(read_events(), 3);
	cr_expect_eq(trace_ring_process(trace_session_ring(&session, 0)->owner), 0);
	cr_expect_eq(trace_ring_process(trace_session_ring(&session, 1)->owner), 1);
}

Test(trace_record, fork_by_a_bare_system_call_is_noticed, .init = setup)
{
	hit(1);
	check_fork((pid_t)syscall(SYS_fork));
	cr_expect_eq(read_events(), 2);
}

/* Then its hits are in its parent's: to say that they are its own, too, would count them twice. */
Test(trace_record, child_without_room_for_counts_has_none, .init = setup)
{
	struct trace_process *parent = trace_session_process(&session, 0);
	int status;

	parent->counts = trace_session_alloc(&session, sizeof(struct ep_counts));
	parent->room = small.heap_size / sizeof(struct ep_counts);
	cr_assert_neq(parent->counts, 0);
	if (fork() == 0)
		_exit((int)trace_record_follow_fork() - 1);
	wait(&status);
	cr_expect_eq(status, 0);
	cr_expect_eq(atomic_load(&parent[1].state), TRACE_PROCESS_RUNNING);
	cr_expect_eq(parent[1].counts, 0);
}

Test(trace_record, vfork_is_none, .init = setup)
{
	pid_t pid;

	hit(1);
	pid = vfork();
	if (pid == 0) {
		hit(2);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	hit(3);
	cr_expect_eq(atomic_load(&session.shared->process_count), 1);
	cr_expect_eq(read_events(), 3);
}
