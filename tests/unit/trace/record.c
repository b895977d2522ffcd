/* SPDX-License-Identifier: MIT */
/* The handler and the reader, without a probe between them. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/action/record.h"
#include "trace/report/reader.h"

TestSuite(trace_record, .timeout = 400);

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 16, .heap_max = 1};
static struct trace_arg arg = {"v", 64, 8, TRACE_TYPE_u64}; /* rdi */
static struct trace_probe probe = {
	.view = {.group = "g", .event = "e", .place = "p", .args = &arg, .arg_count = 1}};
static struct trace_arena arena;
static struct trace_session session;
static struct trace_reader reader;
static char buffer[1 << 20];

static void setup(void)
{
	int fd;

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
