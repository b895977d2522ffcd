/* SPDX-License-Identifier: MIT */
/*
 * There is no one else to write the events, and no moment but a hit when we run: so the thread that
 * fills its ring writes out all rings, merged. It does so in a trap, with plain system calls. No
 * descriptor is kept: programs close, reuse and count descriptors. The file is opened for each
 * write; standard error is used only while it is still the file that it was at the start.
 *
 * What is in the rings when the process is killed is lost. The launcher loses nothing.
 */
#include "trace/report/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/abi.h"
#include "sys/call.h"
#include "sys/files.h"
#include "sys/process.h"
#include "trace/report/reader.h"
#include "trace/report/summary.h"
#include "trace/session/answers.h"
#include "trace/session/counts.h"
#include "trace/session/head.h"
#include "trace/session/stacks.h"

#define BUFFER_SIZE	(128ul << 10)
#define HIGH_DESCRIPTOR 1000 /* out of the program's way */
#define PATIENCE	1000 /* milliseconds that a full pipe may take */
#define BIT(sig)	(1ul << ((sig)-1))
/* A FIFO without a reader, or one that does not read, must not hold the program up. */
#define OUTPUT_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static struct {
	struct trace_reader reader;
	struct trace_private_options options;
	const struct trace_probes *probes;
	struct trace_view *views;
	struct ep_counts *counts, *totals;
	struct trace_text text;
	struct stat error_file; /* what standard error was at the start */
	_Atomic uint32_t busy;
	_Atomic uint32_t finished;
	int pid;
	int kept;    /* standard error while the program exits; 0: not yet */
	bool broken; /* nobody reads any more */
	bool told;   /* that something is lost */
} own;

/* ---- output -------------------------------------------------------------------------------- */

EP_TRAP_PATH static bool is_same_file(int fd)
{
	struct stat now;

	return sys6(SYS_fstat, fd, (long)&now, 0, 0, 0, 0) == 0 &&
	       now.st_dev == own.error_file.st_dev && now.st_ino == own.error_file.st_ino;
}

EP_TRAP_PATH static int open_output(void)
{
	if (own.options.output)
		return (int)sys6(SYS_openat, AT_FDCWD, (long)own.options.output, OUTPUT_FLAGS, 0666,
				 0, 0);
	if (own.kept > 0 && is_same_file(own.kept))
		return own.kept;
	return is_same_file(STDERR_FILENO) ? STDERR_FILENO : -EBADF;
}

EP_TRAP_PATH static bool wait_for_room(int fd)
{
	struct pollfd poll = {.fd = fd, .events = POLLOUT};

	return sys6(SYS_poll, (long)&poll, 1, PATIENCE, 0, 0, 0) > 0;
}

EP_TRAP_PATH static bool write_all(int fd, const char *text, size_t size)
{
	while (size) {
		long written = sys6(SYS_write, fd, (long)text, (long)size, 0, 0, 0);

		if (written == -EINTR || (written == -EAGAIN && wait_for_room(fd)))
			continue;
		if (written < 0)
			return false;
		text += written;
		size -= (size_t)written;
	}
	return true;
}

/*
 * A pipe that nobody reads raises SIGPIPE, a limit on file sizes SIGXFSZ: by our doing, so the
 * program must not see them. They are blocked.
 */
EP_TRAP_PATH static bool write_without_signal(int fd, const char *text, size_t size)
{
	static const struct timespec now;
	uint64_t raised = BIT(SIGPIPE) | BIT(SIGXFSZ), pending = 0;
	bool ret;

	sys6(SYS_rt_sigpending, (long)&pending, SYS_SIGSET_SIZE, 0, 0, 0, 0);
	ret = write_all(fd, text, size);
	raised &= ~pending;
	if (!ret && raised)
		sys6(SYS_rt_sigtimedwait, (long)&raised, 0, (long)&now, SYS_SIGSET_SIZE, 0, 0);
	return ret;
}

/* Once. Standard error may be broken as well: then nobody is told. */
EP_TRAP_PATH static void tell(const char *text, size_t size)
{
	if (!own.options.output || own.told || !is_same_file(STDERR_FILENO))
		return;
	own.told = true;
	write_without_signal(STDERR_FILENO, text, size);
}

EP_TRAP_PATH static void give_up(void)
{
	static const char text[] = "emuprobe: cannot write; no more events are written\n";

	own.broken = true;
	tell(text, sizeof(text) - 1);
}

/* A program that has shut itself in may open nothing. A FIFO without a reader is as it should be. */
EP_TRAP_PATH static void tell_about_opening(int error)
{
	static const char text[] = "emuprobe: the output cannot be opened; events are lost\n";

	if (error != -ENXIO)
		tell(text, sizeof(text) - 1);
}

EP_TRAP_PATH static void put_out(const char *text, size_t size)
{
	int fd;

	if (own.broken || !size)
		return;
	fd = open_output();
	if (fd < 0) {
		tell_about_opening(fd);
		return;
	}
	if (!write_without_signal(fd, text, size))
		give_up();
	if (own.options.output)
		sys6(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* ---- events -------------------------------------------------------------------------------- */

/*
 * Whoever holds the lock gets no signal: its handler might not come back. Those that instructions
 * raise stay open, as the engine needs them.
 */
EP_TRAP_PATH static uint64_t lock(void)
{
	uint64_t all = ~(BIT(SIGTRAP) | BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE));
	uint64_t old = 0;

	sys6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&old, SYS_SIGSET_SIZE, 0, 0);
	while (atomic_exchange_explicit(&own.busy, 1, memory_order_acquire))
		sys6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	return old;
}

EP_TRAP_PATH static void unlock(uint64_t old)
{
	atomic_store_explicit(&own.busy, 0, memory_order_release);
	sys6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, SYS_SIGSET_SIZE, 0, 0);
}

EP_TRAP_PATH static void write_events(void)
{
	bool more = trace_reader_begin(&own.reader);

	while (more) {
		own.text.used = 0;
		more = trace_reader_next(&own.reader, &own.text);
		put_out(own.text.buffer, own.text.used);
	}
}

EP_TRAP_PATH static void write_rings(bool reap)
{
	uint64_t signals = lock();

	write_events();
	if (reap)
		trace_reader_reap(&own.reader);
	unlock(signals);
}

void trace_private_say(const char *text, size_t size)
{
	uint64_t signals = lock();

	write_without_signal(STDERR_FILENO, text, size);
	unlock(signals);
}

/* ---- start, fork, end ---------------------------------------------------------------------- */

static void copy_views(void)
{
	size_t count = own.probes->count;

	for (size_t i = 0; i < count; i++)
		own.views[i] = own.probes->list[i].view;
	own.reader.processes[0] =
		(struct trace_reader_process){own.views, (uint32_t)count, own.pid,
					      trace_reader_longest(own.views, (uint32_t)count)};
}

void trace_private_look_again(void)
{
	uint64_t signals = lock();

	copy_views();
	unlock(signals);
}

static int keep_views(struct trace_arena *arena)
{
	size_t room = own.probes->room;

	own.views = trace_arena_alloc(arena, room * sizeof(*own.views));
	own.totals = trace_arena_alloc(arena, room * sizeof(*own.totals));
	if (!own.views || !own.totals)
		return -EP_NO_MEMORY;
	copy_views();
	return 0;
}

int trace_private_init(const struct trace_session *session, const struct trace_probes *probes,
		       struct ep_counts *counts, const struct trace_private_options *options,
		       struct trace_arena *arena)
{
	int error = trace_reader_init(&own.reader, session, options->format, arena);

	if (error)
		return error;
	own.options = *options;
	own.probes = probes;
	own.counts = counts;
	own.pid = sys_getpid();
	own.text = (struct trace_text){trace_arena_alloc(arena, BUFFER_SIZE), BUFFER_SIZE, 0};
	if (!own.text.buffer)
		return -EP_NO_MEMORY;
	if (sys_fstat(STDERR_FILENO, &own.error_file))
		own.broken = !options->output;
	return keep_views(arena);
}

int trace_private_check_output(void)
{
	int fd = own.options.output ? open_output() : 0;

	if (own.options.output && fd >= 0)
		sys_close(fd);
	own.told = fd < 0 && fd != -ENXIO; /* by whoever asks */
	return own.told ? fd : 0;
}

/* What the rings held is the parent's to write. */
EP_TRAP_PATH static void follow_fork(void)
{
	uint64_t rings = trace_session_ring_count(&own.reader.session);

	own.pid = (int)sys6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	trace_session_process(&own.reader.session, 0)->pid = own.pid;
	own.reader.processes[0].pid = own.pid;
	for (uint64_t i = 0; i < rings; i++) {
		struct trace_ring *ring = trace_session_ring(&own.reader.session, i);

		/* Pending for a thread that is not here, or for this one, which will begin again. */
		trace_head_revoke(&ring->head, atomic_load(&ring->head) | TRACE_HEAD_PENDING);
		own.reader.cursors[i].tail = atomic_load(&ring->head) & TRACE_HEAD_POSITION;
		atomic_store(&ring->tail, own.reader.cursors[i].tail);
		atomic_store(&ring->owner, 0);
	}
	own.reader.last = 0; /* it may live in another time namespace */
	trace_clock_map_init(&own.reader.map, own.reader.map.clock);
	for (size_t i = 0; i < own.probes->count; i++)
		own.counts[i] = (struct ep_counts){0};
	trace_counts_clear(&own.reader.session, trace_session_process(&own.reader.session, 0));
	trace_durations_clear(trace_session_process(&own.reader.session, 0));
	trace_answer_clear(trace_session_process(&own.reader.session, 0));
	trace_stacks_clear(trace_session_process(&own.reader.session, 0));
	atomic_store(&own.busy, 0); /* the thread that held it is not here */
}

const struct trace_writer trace_private_writer = {write_rings, follow_fork};

static int write_summary(void *data, const char *text, size_t size)
{
	(void)data;
	if (own.text.size - own.text.used < size) {
		put_out(own.text.buffer, own.text.used);
		own.text.used = 0;
	}
	for (size_t i = 0; i < size; i++)
		trace_text_char(&own.text, text[i]);
	return 0;
}

static void summarize(void)
{
	const struct trace_sink sink = {.write = write_summary};
	const struct trace_summary_process process = {
		.pid = own.pid,
		.views = own.views,
		.counts = own.totals,
		.count = (uint32_t)own.probes->count,
		.session = &own.reader.session,
		.timed = own.options.times_calls ? trace_session_process(&own.reader.session, 0)
						 : NULL,
		.unit = {own.options.times_calls ? &own.reader.map : NULL,
			 own.reader.session.shared->sample},
	};
	struct trace_arena arena = {0};

	own.text.used = 0;
	trace_clock_map_update(&own.reader.map);
	if (own.options.format == TRACE_FORMAT_JSON)
		trace_summary_json(&process, 1, &arena, &sink);
	else
		trace_summary_table(&process, 1, own.options.verbose, &arena, &sink);
	put_out(own.text.buffer, own.text.used);
	trace_arena_deinit(&arena);
}

/* What follows calls functions that may be counted without asking whether they are enabled. */
static void stop_counting(void)
{
	for (size_t i = 0; i < own.probes->count; i++)
		if (own.probes->list[i].handle)
			ep_probe_disable(own.probes->list[i].handle);
	trace_counts_read(&own.reader.session, trace_session_process(&own.reader.session, 0),
			  own.counts, own.views, (uint32_t)own.probes->count, own.totals);
}

static bool is_guest(void)
{
	return sys6(SYS_getpid, 0, 0, 0, 0, 0, 0) != own.pid;
}

void trace_private_keep_output(void)
{
	if (is_guest() || own.options.output || own.kept > 0 || !is_same_file(STDERR_FILENO))
		return;
	for (int at = HIGH_DESCRIPTOR; at > 0 && own.kept <= 0; at /= 4)
		own.kept = (int)sys6(SYS_fcntl, STDERR_FILENO, F_DUPFD_CLOEXEC, at, 0, 0, 0);
}

void trace_private_write_before_exec(void)
{
	if (!is_guest())
		write_rings(false);
}

void trace_private_finish(void)
{
	uint64_t signals;

	if (is_guest() || atomic_exchange(&own.finished, 1))
		return;
	stop_counting();
	signals = lock();
	write_events();
	if (!own.options.quiet)
		summarize();
	unlock(signals);
}
