/* SPDX-License-Identifier: MIT */
/*
 * A thread is held up between its reservation and its publication, always at the same place: the
 * description of its argument lies on a page that cannot be read, so the handler faults there, and
 * what happens in the meantime is written down in the handler of that fault.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/barrier.h"
#include "trace/action/record.h"
#include "trace/language/parse.h"
#include "trace/report/reader.h"
#include "trace/session/head.h"

TestSuite(trace_order, .timeout = 60);

#define PAGE 4096

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 16, .heap_max = 1};
static struct trace_bulk
	*forbidden; /* what it copies, which is looked at as the record is written */
static struct trace_program interrupted;
static struct trace_probe plain, faulting = {.index = 1};
static struct trace_view views[2]; /* of both */
static struct trace_arena arena;
static struct trace_session session;
static struct trace_reader reader;
static char buffer[1 << 20];

static void (*meanwhile)(void);
static int faults;
static sigjmp_buf out;

static void on_fault(int sig)
{
	(void)sig;
	faults++;
	meanwhile();
}

static void let_read(void)
{
	mprotect(forbidden, PAGE, PROT_READ);
}

static void define(const char *text, struct trace_probe *ret)
{
	struct trace_definitions all;

	cr_assert_eq(trace_definitions_parse(text, &arena, &all, NULL), 0);
	ret->view = trace_view_of(&all.list[0]);
	ret->view.event = "e";
	ret->view.place = "p";
	views[ret->index] = ret->view;
}

static void setup_with(bool safe)
{
	const struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	int fd;

	forbidden = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(forbidden, MAP_FAILED);
	define("p main v=%di:u64", &plain);
	define("p main \\\"text\" v=%di:u64", &faulting);
	*forbidden = faulting.view.program->bulks[0];
	mprotect(forbidden, PAGE, PROT_NONE);
	interrupted = *faulting.view.program;
	interrupted.bulks = forbidden;
	faulting.view.program = &interrupted;
	sigaction(SIGSEGV, &action, NULL);
	cr_assert_eq(trace_session_create(&small, "", 0, &fd, &session), 0);
	close(fd);
	if (safe)
		session.shared->barrier = 0;
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_DROP), 0);
	trace_record_rely_on_barrier();
	trace_session_process(&session, 0)->probe_count = 1;
	cr_assert_eq(trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena), 0);
	for (int i = 0; i < 4; i++)
		reader.processes[i] = (struct trace_reader_process){views, 2, 77, 0};
}

static void setup(void)
{
	setup_with(false);
}

static void setup_safe(void)
{
	setup_with(true);
}

static void hit(const struct trace_probe *probe, uint64_t number)
{
	struct ep_regs regs = {.rdi = number};

	trace_record(NULL, &regs, (void *)probe);
}

/* The numbers of the events of all passes so far, and whether their times ever went back. */
static struct {
	char numbers[256];
	double last;
	bool inverted;
} seen;

static void parse(void)
{
	for (char *line = buffer, *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *time = memchr(line, ']', (size_t)(end - line));
		const char *number = memmem(line, (size_t)(end - line), "v=", 2);
		double now = time ? strtod(time + 1, NULL) : 0;

		cr_assert(number && time, "%s", line);
		seen.inverted |= now < seen.last;
		seen.last = now;
		strncat(seen.numbers, number + 2, strcspn(number + 2, "\n"));
		strcat(seen.numbers, " ");
	}
}

static void read_pass(void)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	for (bool more = trace_reader_begin(&reader); more;)
		more = trace_reader_next(&reader, &text);
	buffer[text.used] = '\0';
	parse();
}

static void *hit_as_another(void *data)
{
	hit(&plain, (uint64_t)(uintptr_t)data);
	return NULL;
}

static void hit_in_thread(uintptr_t number)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, hit_as_another, (void *)number), 0);
	pthread_join(thread, NULL);
}

/* ---- held up ------------------------------------------------------------------------------- */

static void others_go_on(void)
{
	hit_in_thread(1);
	hit_in_thread(2);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 2 ", "what others record does not wait");
	let_read();
}

static void check_held_up(void)
{
	meanwhile = others_go_on;
	hit(&faulting, 3);
	cr_expect_eq(faults, 1);
	hit_in_thread(4);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 2 3 4 ");
	cr_expect_not(seen.inverted);
	cr_expect_eq(reader.misdated, 0);
	cr_expect_eq(reader.nonsense, 0);
	cr_expect_eq(trace_reader_dropped(&reader), 0);
}

Test(trace_order, thread_that_is_held_up_takes_a_later_time, .init = setup)
{
	cr_expect(session.shared->barrier, "no barrier: this tests the safe variant twice");
	check_held_up();
}

Test(trace_order, thread_that_is_held_up_takes_a_later_time_without_barrier, .init = setup_safe)
{
	check_held_up();
}

static void nobody_reads(void)
{
	let_read();
}

Test(trace_order, nobody_takes_a_turn_away_for_nothing, .init = setup)
{
	meanwhile = nobody_reads;
	hit(&faulting, 1);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 ");
	cr_expect_eq(atomic_load(&trace_session_ring(&session, 0)->head), TRACE_HEAD_TAG + 40);
}

/* ---- taken away again and again ------------------------------------------------------------ */

static void lose_turn(void)
{
	_Atomic uint64_t *head = &trace_session_ring(&session, 0)->head;

	if (faults == 5)
		let_read();
	trace_head_revoke(head, atomic_load(head));
	/* Each turn faults once: the fault's own instruction is run again behind this. */
	if (faults < 5)
		siglongjmp(out, 1);
}

Test(trace_order, hits_that_were_left_by_a_jump_leave_nothing, .init = setup)
{
	meanwhile = lose_turn;
	sigsetjmp(out, 1);
	hit(&faulting, 6);
	hit(&plain, 7);
	read_pass();
	cr_expect_eq(faults, 5);
	cr_expect_str_eq(seen.numbers, "6 7 ");
	cr_expect_eq(reader.nonsense, 0);
}

static void leave(void)
{
	siglongjmp(out, 1);
}

Test(trace_order, reservation_that_was_abandoned_holds_nobody_up, .init = setup)
{
	meanwhile = leave;
	if (!sigsetjmp(out, 1))
		hit(&faulting, 1);
	cr_expect(atomic_load(&trace_session_ring(&session, 0)->head) & TRACE_HEAD_PENDING);
	hit_in_thread(2);
	read_pass();
	hit(&plain, 3);
	read_pass();
	cr_expect_str_eq(seen.numbers, "2 3 ");
	cr_expect_not(seen.inverted);
}

/* ---- at every instruction ------------------------------------------------------------------ */

#define TRAP_FLAG 0x100ul

static int steps, stop_at;

static void set_trap_flag(bool on)
{
	uint64_t flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG : flags & ~TRAP_FLAG);
}

static void on_step(int sig)
{
	(void)sig;
	steps++;
	if (!stop_at || steps == stop_at)
		meanwhile();
}

static void record_stepwise(uint64_t number, int stop)
{
	const struct sigaction action = {.sa_handler = on_step};

	sigaction(SIGTRAP, &action, NULL);
	steps = 0;
	stop_at = stop;
	set_trap_flag(true);
	hit(&plain, number);
	set_trap_flag(false);
}

static void others_record(void)
{
	hit_in_thread(1);
	read_pass();
}

static void check_every_instruction(void)
{
	int total = 2;

	meanwhile = others_record;
	hit(&plain, 0); /* from here on the ring is there, and a hit takes the same way each time */
	for (int stop = 1; stop < total; stop++) {
		record_stepwise(2, stop);
		total = steps;
		if (stop > steps) /* it took fewer than the time before */
			break;
		read_pass();
		trace_reader_reap(&reader);
		cr_expect(strstr(seen.numbers, "1 ") && strstr(seen.numbers, "2 "), "%s at step %d",
			  seen.numbers, stop);
		cr_assert_not(seen.inverted, "at step %d", stop);
		seen.numbers[0] = '\0';
	}
	cr_expect_gt(total, 30);
	cr_expect_eq(reader.misdated + reader.nonsense, 0);
	cr_expect_eq(trace_reader_dropped(&reader), 0);
}

Test(trace_order, held_up_at_every_instruction, .init = setup)
{
	check_every_instruction();
}

Test(trace_order, held_up_at_every_instruction_without_barrier, .init = setup_safe)
{
	check_every_instruction();
}

static void take_away(void)
{
	_Atomic uint64_t *head = &trace_session_ring(&session, 0)->head;
	uint64_t word = atomic_load(head);

	if (word & TRACE_HEAD_PENDING)
		trace_head_revoke(head, word);
}

Test(trace_order, whose_turn_is_taken_away_for_ever_drops_the_event, .init = setup)
{
	hit(&plain, 1);
	meanwhile = take_away;
	record_stepwise(2, 0);
	cr_expect_eq(trace_reader_dropped(&reader), 1);
	hit(&plain, 3);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 3 ");
}

/* ---- threads that are gone ----------------------------------------------------------------- */

static void die(void)
{
	raise(SIGKILL);
}

Test(trace_order, killed_in_between, .init = setup)
{
	pid_t pid;
	int status;

	hit(&plain, 1);
	pid = fork();
	meanwhile = die;
	if (pid == 0) {
		hit(&faulting, 2);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	cr_assert(WIFSIGNALED(status));
	cr_expect(atomic_load(&trace_session_ring(&session, 1)->head) & TRACE_HEAD_PENDING);
	hit(&plain, 3);
	read_pass();
	trace_reader_reap(&reader);
	cr_expect_eq(atomic_load(&trace_session_ring(&session, 1)->owner), 0);
	hit_in_thread(4); /* in the ring of the dead */
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 3 4 ");
	cr_expect_not(seen.inverted);
}

static void stop(void)
{
	raise(SIGSTOP);
	let_read();
}

Test(trace_order, stopped_in_between, .init = setup)
{
	pid_t pid = fork();
	int status;

	meanwhile = stop;
	if (pid == 0) {
		hit(&faulting, 3);
		_exit(0);
	}
	waitpid(pid, &status, WUNTRACED);
	cr_assert(WIFSTOPPED(status));
	hit(&plain, 1);
	hit(&plain, 2);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 2 ");
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 2 3 ");
	cr_expect_not(seen.inverted);
}

/* ---- the fast variant's cmpxchg ------------------------------------------------------------ */

static uint64_t pending_word;
static int barriers;

/* As if the thread's cmpxchg had read the word before it was revoked, and stored behind that. */
static bool publish_late(void)
{
	struct trace_ring *ring = trace_session_ring(&session, 0);

	if (++barriers == 2) {
		cr_expect_neq(atomic_load(&ring->head), pending_word, "it was not revoked");
		atomic_store(&ring->head, pending_word - TRACE_HEAD_PENDING + 24);
	}
	return true;
}

Test(trace_order, publication_that_overwrites_the_revocation_is_seen, .init = setup)
{
	struct trace_ring *ring;

	hit(&plain, 1);
	ring = trace_session_ring(&session, 0);
	pending_word = atomic_load(&ring->head) - 24 + TRACE_HEAD_PENDING;
	atomic_store(&ring->head, pending_word);
	hit_in_thread(2);
	reader.barrier = publish_late;
	read_pass();
	cr_expect_eq(barriers, 2);
	cr_expect_str_eq(seen.numbers, "1 2 ", "the older one in the same pass");
	cr_expect_not(seen.inverted);
}

/* A cmpxchg that fails writes back what it found. */
static bool undo_revocation(void)
{
	struct trace_ring *ring = trace_session_ring(&session, 0);

	if (++barriers == 2 || barriers == 3)
		atomic_store(&ring->head, pending_word);
	return true;
}

Test(trace_order, revocation_that_was_undone_is_made_again, .init = setup)
{
	struct trace_ring *ring;

	hit(&plain, 1);
	ring = trace_session_ring(&session, 0);
	pending_word = atomic_load(&ring->head) - 24 + TRACE_HEAD_PENDING;
	atomic_store(&ring->head, pending_word);
	hit_in_thread(2);
	reader.barrier = undo_revocation;
	read_pass();
	cr_expect_eq(barriers, 4);
	cr_expect_not(atomic_load(&ring->head) & TRACE_HEAD_PENDING);
	cr_expect_str_eq(seen.numbers, "2 ");
}

static bool fail(void)
{
	return false;
}

Test(trace_order, without_its_barrier_a_pass_writes_nothing, .init = setup)
{
	hit(&plain, 1);
	reader.barrier = fail;
	read_pass();
	cr_expect_str_eq(seen.numbers, "");
	reader.barrier = sys_barrier_shared;
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 ");
}

/* ---- scribbles ----------------------------------------------------------------------------- */

Test(trace_order, times_that_cannot_be_are_replaced_and_counted, .init = setup)
{
	hit(&plain, 1);
	read_pass();
	hit(&plain, 2);
	trace_session_ring_data(&session, 0)[3 + 1] = 5; /* the past */
	hit(&plain, 3);
	trace_session_ring_data(&session, 0)[6 + 1] = UINT64_MAX - 7; /* the future */
	hit(&plain, 4);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 2 3 4 ");
	cr_expect_not(seen.inverted);
	cr_expect_eq(reader.misdated, 2);
}

Test(trace_order, positions_wrap_around, .init = setup)
{
	struct trace_ring *ring;

	hit(&plain, 1);
	read_pass();
	ring = trace_session_ring(&session, 0);
	atomic_store(&ring->head, TRACE_HEAD_POSITION - 40);
	atomic_store(&ring->tail, TRACE_HEAD_POSITION - 40);
	ring->tail_seen = TRACE_HEAD_POSITION - 40;
	reader.cursors[0].tail = TRACE_HEAD_POSITION - 40;
	for (uint64_t i = 2; i < 6; i++)
		hit(&plain, i);
	read_pass();
	cr_expect_str_eq(seen.numbers, "1 2 3 4 5 ");
	cr_expect_eq(reader.nonsense, 0);
	cr_expect_eq(trace_reader_dropped(&reader), 0);
}
