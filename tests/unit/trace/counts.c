/* SPDX-License-Identifier: MIT */
/* Threads' counters in the session: added up, and distrusted. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/counting.h"
#include "trace/session/counts.h"

TestSuite(trace_counts, .timeout = 400);

#define CALLS 10000

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 18, .heap_max = 1};
static struct trace_session session;
static struct ep_probe *probe;
static struct trace_view views[2];
static struct ep_counts counts[2], totals[2];

void counted_function(void);

__attribute__((noinline)) void counted_function(void)
{
	__asm__ volatile("nopl 0(%rax,%rax,1)");
}

static struct trace_process *entry(uint64_t index)
{
	return trace_session_process(&session, index);
}

static void setup(void)
{
	int fd;

	cr_assert_eq(trace_session_create(&small, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(ep_probe_create((const void *)counted_function, NULL, &probe), 0);
	views[0].counter = ep_probe_counter(probe);
	views[1].counter = TRACE_NO_COUNTER;
	views[0].return_counter = views[1].return_counter = TRACE_NO_COUNTER;
	cr_assert_neq(views[0].counter, TRACE_NO_COUNTER);
	counted_function(); /* before: forgotten */
	trace_counts_use(&session, entry(0));
}

static uint64_t read_hits(uint64_t index)
{
	trace_counts_read(&session, entry(index), counts, views, 2, totals);
	return totals[0].hits;
}

static void call(void)
{
	for (int i = 0; i < CALLS; i++)
		counted_function();
}

static void *call_in_thread(void *data)
{
	call();
	return data;
}

Test(trace_counts, of_several_threads_are_added_up, .init = setup)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, call_in_thread, NULL);
	call();
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(read_hits(0), 5 * CALLS);
	counts[0] = (struct ep_counts){
		.hits = 1, .missed = 2, .trapped = 3, .returns = 4, .unwound = 5, .abandoned = 6};
	cr_expect_eq(read_hits(0), 5 * CALLS + 1);
	cr_expect_eq(totals[0].missed, 2);
	cr_expect_eq(totals[0].trapped, 3);
	cr_expect_eq(totals[0].returns, 4);
	cr_expect_eq(totals[0].unwound, 5);
	cr_expect_eq(totals[0].abandoned, 6);
	views[0].return_counter = views[0].counter;
	read_hits(0);
	cr_expect_eq(totals[0].returns, 5 * CALLS + 4);
	cr_expect_eq(totals[1].hits, 0);
}

Test(trace_counts, of_a_child_are_its_own, .init = setup)
{
	pid_t pid;
	int status;

	call();
	trace_session_add_process(&session, 2, 1);
	pid = fork();
	if (pid == 0) {
		trace_counts_use(&session, entry(1));
		counted_function();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
	cr_expect_eq(read_hits(0), CALLS);
	cr_expect_eq(read_hits(1), 1);
}

/* 256 KiB of heap hold 7 blocks: after that hits are counted with a lock, not lost. */
Test(trace_counts, without_memory_are_where_the_others_are, .init = setup)
{
	pthread_t thread;

	ep_probe_set_counts(probe, &counts[0]);
	while (trace_session_alloc(&session, 4096))
		;
	call();
	pthread_create(&thread, NULL, call_in_thread, NULL);
	pthread_join(thread, NULL);
	cr_expect_eq(read_hits(0), 2 * CALLS);
	cr_expect_eq(counts[0].hits, 2 * CALLS);
}

Test(trace_counts, can_be_cleared, .init = setup)
{
	call();
	trace_counts_clear(&session, entry(0));
	cr_expect_eq(read_hits(0), 0);
	call();
	cr_expect_eq(read_hits(0), CALLS);
}

/* Links that lead out of the heap, nowhere, or round and round (see the asan preset). */
Test(trace_counts, scribbled_lists_do_no_harm, .init = setup)
{
	static const uint64_t wrong[] = {
		1, 7, 8, 64, 4096, (1 << 18) - 8, 1 << 18, UINT64_MAX - 7, UINT64_MAX};
	uint64_t first = 0, *next;

	call();
	first = atomic_load(&entry(0)->blocks);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		atomic_store(&entry(0)->blocks, wrong[i]);
		read_hits(0);
	}
	atomic_store(&entry(0)->blocks, first);
	next = trace_session_at(&session, first, 16);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		next[0] = wrong[i];
		read_hits(0);
	}
	next[0] = first; /* a ring */
	read_hits(0);
	next[0] = 0;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		next[1] = wrong[i];
		read_hits(0);
	}
	next[1] = 0;
	cr_expect_eq(read_hits(0), CALLS);
}
