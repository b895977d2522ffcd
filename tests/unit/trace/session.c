/* SPDX-License-Identifier: MIT */
/* The shared memory: opened by path, distrusted by both sides. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/action/publish.h"
#include "trace/session/session.h"

TestSuite(trace_session, .timeout = 400);

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 16, .heap_max = 1};
static struct trace_session session;
static char path[64];
static int fd;

static void setup(void)
{
	cr_assert_eq(trace_session_create(&small, "p main", 6, &fd, &session), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
}

Test(trace_session, is_the_same_memory_when_opened, .init = setup)
{
	struct trace_session other;

	cr_assert_eq(trace_session_open(path, &other), 0);
	cr_expect_neq(other.shared, session.shared);
	cr_expect_eq(memcmp(&other.layout, &session.layout, sizeof(other.layout)), 0);
	cr_expect_str_eq((char *)other.shared + other.layout.definitions, "p main");
	atomic_store(&other.shared->wake, 4711);
	cr_expect_eq(atomic_load(&session.shared->wake), 4711);
}

Test(trace_session, other_files_are_rejected, .init = setup)
{
	struct trace_session other;

	cr_expect_eq(trace_session_open("/no/such/file", &other), -EP_IO);
	cr_expect_eq(trace_session_open("/dev/null", &other), -EP_IO);
	cr_expect_eq(trace_session_open("/tmp", &other), -EP_IO);
}

Test(trace_session, shorter_than_it_says, .init = setup)
{
	int shorter = memfd_create("shorter", MFD_CLOEXEC);
	struct trace_session other;
	char at[64];

	snprintf(at, sizeof(at), "/proc/self/fd/%d", shorter);
	cr_assert_eq(write(shorter, session.shared, 4096 * 5), 4096 * 5);
	cr_expect_eq(trace_session_open(at, &other), -EP_INVALID);
	close(shorter);
}

static struct trace_arg args[] = {
	{.name = "first", .type = {TRACE_SIGNED, .size = 2}, .origin = TRACE_OF_LATENCY},
	{.name = "second", .type = {TRACE_CHAR, .size = 1}},
};
static struct trace_definition defined[] = {
	{.group = "g"},
	{.group = "g", .args = args, .arg_count = 2, .is_return = true},
	[99] = {.group = "h"},
};
static const struct trace_definitions definitions = {defined, 100};

/* It is not even looked at: a hole of the file that is read becomes memory. */
Test(trace_session, more_than_was_published_is_not_copied)
{
	struct trace_arena arena = {0};
	struct trace_published read = {.definitions = &definitions};
	struct trace_process *process;
	struct stat status;

	cr_assert_eq(trace_session_create(&trace_shape_launcher, "p main", 6, &fd, &session), 0);
	process = trace_session_process(&session, 0);
	process->set = 64;
	process->set_size = 256ul << 20;
	cr_expect_eq(trace_publish_read(&session, process, &arena, &read), -EP_INVALID);
	cr_expect_lt(trace_arena_size(&arena), 1ul << 20);
	cr_assert_eq(fstat(fd, &status), 0);
	cr_expect_lt(status.st_blocks * 512, 1l << 20);
}

/* What the reader has mapped would be gone under it. */
Test(trace_session, cannot_be_cut_off_by_the_program, .init = setup)
{
	int own = open(path, O_RDWR | O_CLOEXEC);

	cr_assert_geq(own, 0);
	cr_expect_eq(ftruncate(own, 4096 * 5), -1);
	cr_expect_eq(ftruncate(own, 1l << 50), -1);
	cr_expect_eq(atomic_load(&trace_session_process(&session, 0)->state), TRACE_PROCESS_FREE);
	close(own);
}

Test(trace_session, fifo_does_not_block, .init = setup)
{
	char fifo[] = "/tmp/emuprobe-fifo-XXXXXX";
	struct trace_session other;

	close(mkstemp(fifo));
	unlink(fifo);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_expect_eq(trace_session_open(fifo, &other), -EP_IO);
	unlink(fifo);
}

Test(trace_session, headers_that_lie_are_rejected, .init = setup)
{
	struct trace_session other;

	for (size_t i = 0; i < sizeof(struct trace_layout) / 8; i++) {
		uint64_t *field = (uint64_t *)(void *)&session.shared->layout + i, old = *field;

		*field = old + 4096 + 8;
		cr_expect_eq(trace_session_open(path, &other), -EP_INVALID, "field %zu", i);
		*field = UINT64_MAX;
		cr_expect_eq(trace_session_open(path, &other), -EP_INVALID, "field %zu", i);
		*field = old;
	}
	session.shared->build++;
	cr_expect_eq(trace_session_open(path, &other), -EP_INVALID);
	session.shared->build--;
	session.shared->magic++;
	cr_expect_eq(trace_session_open(path, &other), -EP_INVALID);
}

Test(trace_session, heap_is_bounded, .init = setup)
{
	uint64_t at = trace_session_alloc(&session, 100);

	cr_assert_neq(at, 0);
	cr_expect_eq(trace_session_alloc(&session, 1 << 16), 0);
	cr_expect_eq(trace_session_alloc(&session, UINT64_MAX), 0);
	cr_expect_null(trace_session_at(&session, 1 << 16, 0));
	cr_expect_null(trace_session_at(&session, 0, (1 << 16) + 1));
	cr_expect_null(trace_session_at(&session, UINT64_MAX - 7, 16));
	cr_expect_null(trace_session_at(&session, 4, 8), "misaligned");
	cr_expect_not_null(trace_session_at(&session, (1 << 16) - 8, 8));
}

Test(trace_session, processes_are_bounded, .init = setup)
{
	for (int i = 0; i < 4; i++)
		cr_expect_eq(trace_session_add_process(&session, i, 0), i);
	cr_expect_eq(trace_session_add_process(&session, 5, 0), -1);
	cr_expect_eq(atomic_load(&session.shared->lost_processes), 1);
	cr_expect_eq(trace_session_process_count(&session), 4);
	cr_expect_null(trace_session_process(&session, 4));
	cr_expect_null(trace_session_ring(&session, 4));
}

/* ---- parts --------------------------------------------------------------------------------- */

static struct trace_session open_again(void)
{
	struct trace_session ret;

	cr_assert_eq(trace_session_open(path, &ret), 0);
	trace_session_started(&ret);
	return ret;
}

static long mapped_kilobytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	cr_assert(file && fscanf(file, "%ld", &pages) == 1);
	fclose(file);
	return pages * 4;
}

static void setup_large(void)
{
	cr_assert_eq(trace_session_create(&trace_shape_launcher, "", 0, &fd, &session), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
}

Test(trace_session, is_mapped_as_it_is_used, .init = setup_large)
{
	long before = mapped_kilobytes();
	struct trace_session other = open_again();
	uint64_t at;

	cr_expect_lt(mapped_kilobytes() - before, 200);
	at = trace_session_alloc(&other, 10 << 20);
	cr_assert_neq(at, 0);
	memset(trace_session_at(&other, at, 10 << 20), 'x', 10 << 20);
	cr_expect_eq(((char *)trace_session_at(&session, at, 10 << 20))[(10 << 20) - 1], 'x');
	cr_expect_lt(mapped_kilobytes() - before, 200 + 10 * 1024 + 64);
	trace_session_ring(&other, 4095)->owner = 47;
	cr_expect_eq(trace_session_ring(&session, 4095)->owner, 47);
	trace_session_process(&other, 65535)->pid = 11;
	cr_expect_eq(trace_session_process(&session, 65535)->pid, 11);
}

Test(trace_session, each_has_a_heap_of_its_own, .init = setup_large)
{
	struct trace_session one = open_again(), two = open_again();
	uint64_t first = trace_session_alloc(&one, 8), second = trace_session_alloc(&two, 8);

	cr_assert_neq(first, 0);
	cr_assert_neq(second, 0);
	*(char *)trace_session_at(&one, first, 8) = 1;
	*(char *)trace_session_at(&two, second, 8) = 2;
	cr_expect_null(trace_session_at(&one, second, 8));
	cr_expect_null(trace_session_at(&two, first, 8));
	cr_expect_eq(*(char *)trace_session_at(&session, first, 8), 1);
	cr_expect_eq(*(char *)trace_session_at(&session, second, 8), 2);
}

Test(trace_session, the_last_heap_is_for_all_that_come_late)
{
	const struct trace_shape two = {.process_max = 4,
					.ring_max = 4,
					.ring_size = 4096,
					.heap_size = 1 << 20,
					.heap_max = 2};
	uint64_t seen[4];

	cr_assert_eq(trace_session_create(&two, "", 0, &fd, &session), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	for (int i = 0; i < 4; i++) {
		struct trace_session other = open_again();

		seen[i] = trace_session_alloc(&other, 200 << 10);
		cr_expect_not_null(trace_session_at(&other, seen[i], 200 << 10), "%d", i);
		for (int k = 0; k < i; k++)
			cr_expect_geq(seen[i] - seen[k], 200 << 10);
	}
	cr_expect_eq(seen[1] / two.heap_size, 1);
	cr_expect_eq(seen[3] / two.heap_size, 1);
}

static struct trace_session grown;

static void *take_memory(void *seed)
{
	for (int i = 0; i < 500; i++) {
		uint64_t at = trace_session_alloc(&grown, 4096);
		uint64_t *to = at ? trace_session_at(&grown, at, 4096) : NULL;

		if (!to || *to)
			return (void *)1; /* somebody else's */
		*to = (uint64_t)seed;
	}
	return NULL;
}

Test(trace_session, grows_for_many_threads_at_once, .init = setup_large)
{
	pthread_t threads[8];

	grown = open_again();
	for (uint64_t i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, take_memory, (void *)(i + 1));
	for (int i = 0; i < 8; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		cr_expect_null(failed, "%d", i);
	}
}

/* It ends where something else begins, and takes nothing away from that. */
Test(trace_session, does_not_grow_over_others, .init = setup_large)
{
	struct trace_session other = open_again();
	uint64_t heap =
		(uint64_t)other.shared + other.layout.heap + other.heap * other.layout.heap_size;
	char *wall = mmap((void *)(heap + (1 << 20)), 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	*wall = 'w';
	cr_expect_neq(trace_session_alloc(&other, 512 << 10), 0);
	cr_expect_eq(trace_session_alloc(&other, 1 << 20), 0);
	cr_expect_eq(*wall, 'w');
}

/* As if the program had locked all that is mapped, and may lock no more. */
Test(trace_session, grows_where_no_more_may_be_locked, .init = setup_large)
{
	struct trace_session other = open_again();
	uint64_t heap =
		(uint64_t)other.shared + other.layout.heap + other.heap * other.layout.heap_size;
	struct rlimit limit = {64 << 10, 64 << 10};
	int status;

	if (fork() == 0) {
		if (setrlimit(RLIMIT_MEMLOCK, &limit) || (geteuid() == 0 && setuid(65534)) ||
		    mlock((void *)heap, 64 << 10))
			_exit(2);
		_exit(!trace_session_alloc(&other, 1 << 20));
	}
	wait(&status);
	cr_expect_eq(status, 0);
}

Test(trace_session, others_heaps_can_be_compared_at_the_start, .init = setup_large)
{
	char text[10000];
	struct trace_session one = open_again(), two;
	uint64_t at = trace_session_alloc(&one, sizeof(text));

	memset(text, 'a', sizeof(text));
	memcpy(trace_session_at(&one, at, sizeof(text)), text, sizeof(text));
	cr_assert_eq(trace_session_open(path, &two), 0);
	cr_expect(trace_session_equals(&two, at, text, sizeof(text)));
	text[sizeof(text) - 1] = 'b';
	cr_expect_not(trace_session_equals(&two, at, text, sizeof(text)));
	cr_expect_not(trace_session_equals(&two, UINT64_MAX - 7, text, sizeof(text)));
	trace_session_started(&two);
	text[sizeof(text) - 1] = 'a';
	cr_expect_not(trace_session_equals(&two, at, text, sizeof(text)));
}

/* ---- publish ------------------------------------------------------------------------------- */

static struct trace_arena arena;
static struct trace_probe list[] = {
	{.view = {.event = "e1",
		  .place = "o:f",
		  .insn = "nop",
		  .plan = EP_PLAN_BOOST,
		  .reason = EP_NOT_EMULATED}},
	{.view = {.event = "e2",
		  .place = "o:h+0x4",
		  .insn = "",
		  .definition = 1,
		  .plan = EP_PLAN_REFUSED,
		  .reason = EP_RSEQ}},
};
static struct trace_probes probes = {.list = list, .count = 2, .room = 2};

Test(trace_session, published_probes_can_be_read, .init = setup)
{
	struct trace_process *process = trace_session_process(&session, 0);
	struct trace_published read = {.definitions = &definitions};
	struct trace_view *views;

	cr_assert_eq(trace_publish(&session, process, &probes), 0);
	cr_expect_eq(atomic_load(&process->state), TRACE_PROCESS_RUNNING);
	cr_assert_eq(trace_publish_read(&session, process, &arena, &read), 0);
	cr_assert_eq(read.count, 2);
	views = read.views;
	cr_expect_str_eq(views[0].event, "e1");
	cr_expect_str_eq(views[0].insn, "nop");
	cr_expect_eq(views[0].plan, EP_PLAN_BOOST);
	cr_expect_str_eq(views[1].place, "o:h+0x4");
	cr_expect_eq(views[1].reason, EP_RSEQ);
	cr_assert_eq(views[1].arg_count, 2);
	cr_expect_str_eq(views[1].args[1].name, "second");
	cr_expect_eq(views[1].program, &defined[1].program);
	cr_expect_str_eq(views[1].group, "g");
	cr_expect_not(views[0].is_return);
	cr_expect(views[1].is_return);
}

Test(trace_session, equal_probes_are_published_once, .init = setup)
{
	struct trace_process *process = trace_session_process(&session, 0);

	for (int i = 0; i < 3; i++)
		trace_session_add_process(&session, i, 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(trace_publish(&session, &process[i], &probes), 0);
	cr_expect_eq(process[0].set, process[1].set);
	list[0].view.event = "e9";
	cr_assert_eq(trace_publish(&session, &process[2], &probes), 0);
	cr_expect_neq(process[0].set, process[2].set);
}

static uint64_t heap_used(void)
{
	return atomic_load((_Atomic uint64_t *)trace_session_at(&session, 0, 8));
}

Test(trace_session, only_changes_are_published, .init = setup)
{
	struct trace_process *process = trace_session_process(&session, 0);
	struct trace_probe many[402] = {list[0], list[1]};
	struct trace_probes growing = {.list = many, .count = 2, .room = 402};
	struct trace_published read = {.definitions = &definitions},
			       again = {.definitions = &definitions};
	uint64_t before;

	cr_assert_eq(trace_publish(&session, process, &growing), 0);
	before = heap_used();
	for (int i = 0; i < 100; i++) {
		many[growing.count] = list[0];
		many[growing.count++].view.definition = (uint32_t)i;
		cr_assert_eq(trace_publish_changes(&session, process, &growing), 0);
		cr_assert_eq(trace_publish_read(&session, process, &arena, &read), 0);
		cr_assert_eq(read.count, growing.count);
	}
	cr_expect_leq(heap_used() - before, 100 * 256);
	many[0].view.plan = EP_PLAN_EMULATE;
	many[0].is_published = false;
	cr_assert_eq(trace_publish_changes(&session, process, &growing), 0);
	cr_assert_eq(trace_publish_read(&session, process, &arena, &read), 0);
	cr_assert_eq(trace_publish_read(&session, process, &arena, &again), 0, "all at once");
	cr_assert_eq(again.count, 102);
	for (uint32_t i = 0; i < 102; i++) {
		cr_expect_eq(again.views[i].definition, read.views[i].definition, "%u", i);
		cr_expect_eq(again.views[i].plan, read.views[i].plan, "%u", i);
	}
	cr_expect_eq(again.views[0].plan, EP_PLAN_EMULATE);
	cr_expect_eq(again.views[101].definition, 99);
}

/* A list of changes that has no end, an entry beyond the next one. */
Test(trace_session, changes_that_lie_are_rejected, .init = setup)
{
	struct trace_process *process = trace_session_process(&session, 0);
	struct trace_published read = {.definitions = &definitions};
	uint64_t *block, before;

	cr_assert_eq(trace_publish(&session, process, &probes), 0);
	list[1].is_published = false;
	cr_assert_eq(trace_publish_changes(&session, process, &probes), 0);
	block = trace_session_at(&session, atomic_load(&process->changes), 64);
	before = block[2];
	block[2] = atomic_load(&process->changes);
	cr_expect_eq(trace_publish_read(&session, process, &arena, &read), -EP_INVALID);
	block[2] = before;
	((uint32_t *)(block + 5))[0] = 3;
	cr_expect_eq(trace_publish_read(&session, process, &arena, &read), -EP_INVALID);
	cr_expect_eq(read.set, 0);
	((uint32_t *)(block + 5))[0] = 1;
	cr_expect_eq(trace_publish_read(&session, process, &arena, &read), 0);
}

/* Every byte of the block, replaced: nothing may be read out of bounds (see the asan preset). */
Test(trace_session, scribbled_probes_do_no_harm, .init = setup)
{
	struct trace_process *process = trace_session_process(&session, 0);
	unsigned char *block;

	cr_assert_eq(trace_publish(&session, process, &probes), 0);
	block = trace_session_at(&session, process->set, process->set_size);
	for (uint64_t i = 0; i < process->set_size; i++)
		for (int value = 0; value < 256; value += 51) {
			unsigned char old = block[i];
			struct trace_published read = {.definitions = &definitions};

			block[i] = (unsigned char)value;
			if (trace_publish_read(&session, process, &arena, &read) == 0)
				for (uint32_t k = 0; k < read.count; k++)
					cr_expect_lt(strlen(read.views[k].event) +
							     strlen(read.views[k].place),
						     process->set_size);
			block[i] = old;
			trace_arena_deinit(&arena);
		}
	list[0].view.definition = 100; /* there is none */
	cr_assert_eq(trace_publish(&session, process, &probes), 0);
	cr_expect_eq(trace_publish_read(&session, process, &arena,
					&(struct trace_published){.definitions = &definitions}),
		     -EP_INVALID);
	process->set = UINT64_MAX - 7;
	cr_expect_eq(trace_publish_read(&session, process, &arena,
					&(struct trace_published){.definitions = &definitions}),
		     -EP_INVALID);
}
