// SPDX-License-Identifier: MIT
/*
 * The layout is computed once, by the creator; everyone else copies it when the session is opened
 * and checks it then. Memory of the heap is only ever taken, so that no process has to wait for, or
 * trust, another one; the file is sparse, so what is not touched costs nothing.
 */
#include "trace/session/session.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/barrier.h"
#include "trace/base/text.h"
#include "trace/clock/clock.h"

#define PAGE	4096ul
#define NS_PATH "/proc/self/ns/pid"
/*
 * Asked for, not insisted on: far from all code. The kernel would put the mapping right below the
 * libraries, into the 2 GiB where the engine needs room for code.
 */
#define FAR_FROM_CODE ((void *)0x200000000000)

const struct trace_shape trace_shape_launcher = {
	.process_max = 65536,
	.ring_max = 4096,
	.ring_size = 1ul << 20,
	.heap_size = 4ul << 30,
};
/* Where a limit forbids that: ulimit -v, or -f, which holds for memfds, too. */
const struct trace_shape trace_shape_small = {
	.process_max = 4096,
	.ring_max = 256,
	.ring_size = 256ul << 10,
	.heap_size = 128ul << 20,
};
const struct trace_shape trace_shape_private = {
	.process_max = 1,
	.ring_max = 1024,
	.ring_size = 1ul << 16,
	.heap_size = 128ul << 20,
};

static uint64_t place(uint64_t *end, uint64_t size)
{
	uint64_t ret = *end;

	*end += (size + PAGE - 1) / PAGE * PAGE;
	return ret;
}

static void lay_out(const struct trace_shape *shape, size_t definitions, struct trace_layout *ret)
{
	uint64_t end = 0;

	*ret = (struct trace_layout){
		.definitions_size = definitions,
		.process_max = shape->process_max,
		.ring_max = shape->ring_max,
		.ring_size = shape->ring_size,
		.heap_size = shape->heap_size,
	};
	place(&end, sizeof(struct trace_shared));
	ret->definitions = place(&end, definitions + 1);
	ret->processes = place(&end, shape->process_max * sizeof(struct trace_process));
	ret->rings = place(&end, shape->ring_max * sizeof(struct trace_ring));
	ret->heap = place(&end, shape->heap_size);
	ret->data = place(&end, shape->ring_max * shape->ring_size);
	ret->size = end;
}

/* A session that was opened may lie about itself. */
static bool is_sound(const struct trace_layout *layout, uint64_t file_size)
{
	struct trace_shape shape = {layout->process_max, layout->ring_max, layout->ring_size,
				    layout->heap_size};
	struct trace_layout again;

	if (layout->size != file_size || layout->process_max > 1ul << 24 ||
	    layout->ring_max > 1ul << 20 || layout->ring_size > 1ul << 30 ||
	    layout->heap_size > 1ul << 40 || layout->definitions_size > 1ul << 30)
		return false;
	if (layout->ring_size < PAGE || (layout->ring_size & (layout->ring_size - 1)))
		return false;
	lay_out(&shape, layout->definitions_size, &again);
	return memcmp(&again, layout, sizeof(again)) == 0;
}

static int make_file(uint64_t size)
{
	int fd = memfd_create("emuprobe", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0)
		return fd;
	close(fd);
	return -1;
}

static void fill_header(struct trace_session *session, const char *definitions, size_t size)
{
	struct trace_shared *shared = session->shared;

	shared->version = TRACE_SESSION_VERSION;
	shared->clock = trace_clock_choose();
	trace_clock_here(&shared->time_namespace);
	shared->follow = 1;
	shared->pid_namespace = trace_session_pid_namespace();
	shared->layout = session->layout;
	memcpy((char *)shared + session->layout.definitions, definitions, size);
	atomic_store(&shared->heap_used, 64); /* 0 means: none */
	shared->magic = TRACE_SESSION_MAGIC;
}

/* Gigabytes of address space, which a core file would hold in full. */
static void leave_out_of_core(const struct trace_session *session)
{
	madvise(session->shared, session->layout.size, MADV_DONTDUMP);
}

int trace_session_create(const struct trace_shape *shape, const char *definitions, size_t size,
			 int *ret_fd, struct trace_session *ret)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, fd = -1;
	struct trace_session session;

	lay_out(shape, size, &session.layout);
	if (ret_fd) {
		flags = MAP_SHARED | MAP_NORESERVE;
		fd = make_file(session.layout.size);
		if (fd < 0)
			return -EP_IO;
	}
	session.shared =
		mmap(FAR_FROM_CODE, session.layout.size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (session.shared == MAP_FAILED) {
		if (fd >= 0)
			close(fd);
		return -EP_NO_MEMORY;
	}
	leave_out_of_core(&session);
	fill_header(&session, definitions, size);
	session.shared->barrier = ret_fd && sys_barrier_shared();
	*ret = session;
	if (ret_fd)
		*ret_fd = fd;
	return 0;
}

static int map_file(int fd, struct trace_session *ret)
{
	struct trace_session session;
	struct trace_shared header;
	struct stat status;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode) ||
	    pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return -EP_IO;
	if (header.magic != TRACE_SESSION_MAGIC || header.version != TRACE_SESSION_VERSION ||
	    !is_sound(&header.layout, (uint64_t)status.st_size))
		return -EP_INVALID;
	session.layout = header.layout;
	session.shared = mmap(FAR_FROM_CODE, session.layout.size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (session.shared == MAP_FAILED)
		return -EP_NO_MEMORY;
	leave_out_of_core(&session);
	*ret = session;
	return 0;
}

int trace_session_open(const char *path, struct trace_session *ret)
{
	/* Numbers may mean something else in another PID namespace: a FIFO must not block us. */
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	if (fd < 0)
		return -EP_IO;
	error = map_file(fd, ret);
	close(fd);
	return error;
}

uint64_t trace_session_pid_namespace(void)
{
	struct stat status;

	return stat(NS_PATH, &status) ? 0 : (uint64_t)status.st_ino;
}

/* ---- parts --------------------------------------------------------------------------------- */

EP_TRAP_PATH void *trace_session_at(const struct trace_session *session, uint64_t at, uint64_t size)
{
	if (at >= session->layout.heap_size || size > session->layout.heap_size - at || at % 8)
		return NULL;
	return (char *)session->shared + session->layout.heap + at;
}

EP_TRAP_PATH uint64_t trace_session_alloc(const struct trace_session *session, uint64_t size)
{
	uint64_t at;

	if (size > session->layout.heap_size)
		return 0;
	size = (size + 63) / 64 * 64; /* counters of two processes share no cache line */
	at = atomic_fetch_add(&session->shared->heap_used, size);
	return trace_session_at(session, at, size) ? at : 0;
}

EP_TRAP_PATH struct trace_process *trace_session_process(const struct trace_session *session,
							 uint64_t index)
{
	char *start = (char *)session->shared + session->layout.processes;

	if (index >= session->layout.process_max)
		return NULL;
	return (struct trace_process *)(void *)start + index;
}

EP_TRAP_PATH long trace_session_add_process(const struct trace_session *session, int pid,
					    int parent)
{
	uint32_t index = atomic_fetch_add(&session->shared->process_count, 1);
	struct trace_process *process = trace_session_process(session, index);

	if (!process) {
		atomic_fetch_sub(&session->shared->process_count, 1);
		atomic_fetch_add(&session->shared->lost_processes, 1);
		return -1;
	}
	process->pid = pid;
	process->parent = parent;
	atomic_store(&process->state, TRACE_PROCESS_STARTING);
	return (long)index;
}

EP_TRAP_PATH struct trace_ring *trace_session_ring(const struct trace_session *session,
						   uint64_t index)
{
	char *start = (char *)session->shared + session->layout.rings;

	if (index >= session->layout.ring_max)
		return NULL;
	return (struct trace_ring *)(void *)start + index;
}

EP_TRAP_PATH uint64_t *trace_session_ring_data(const struct trace_session *session, uint64_t index)
{
	char *start = (char *)session->shared + session->layout.data;

	return (uint64_t *)(void *)(start + index * session->layout.ring_size);
}

EP_TRAP_PATH uint64_t trace_session_process_count(const struct trace_session *session)
{
	uint64_t count = atomic_load(&session->shared->process_count);

	return count < session->layout.process_max ? count : session->layout.process_max;
}

EP_TRAP_PATH uint64_t trace_session_ring_count(const struct trace_session *session)
{
	uint64_t count = atomic_load(&session->shared->ring_high);

	return count < session->layout.ring_max ? count : session->layout.ring_max;
}

/* ---- programs that are not probed ---------------------------------------------------------- */

/* The end of a name that is too long. */
EP_TRAP_PATH static void copy_name(char *to, const char *name)
{
	struct trace_text text = {to, TRACE_UNPROBED_NAME - 1, 0};
	size_t length = trace_text_length(name);

	if (length > text.size) {
		trace_text_string(&text, "...");
		name += length - (text.size - 3);
	}
	trace_text_plain(&text, name);
	to[text.used] = '\0';
}

EP_TRAP_PATH static bool is_name(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Claims a free one. One that another process is just writing may get a twin. */
EP_TRAP_PATH static bool is_entry(struct trace_unprobed_program *entry, uint32_t why,
				  const char *name)
{
	uint32_t state = 0;

	if (atomic_compare_exchange_strong(&entry->state, &state, 1)) {
		entry->why = why;
		copy_name(entry->name, name);
		atomic_store(&entry->state, 2);
		return true;
	}
	return state == 2 && entry->why == why && is_name(entry->name, name);
}

EP_TRAP_PATH void trace_session_add_unprobed(const struct trace_session *session, uint32_t why,
					     const char *name)
{
	struct trace_shared *shared = session->shared;
	char kept[TRACE_UNPROBED_NAME];

	copy_name(kept, name);
	for (int i = 0; i < TRACE_UNPROBED_MAX; i++)
		if (is_entry(&shared->unprobed[i], why, kept)) {
			atomic_fetch_add(&shared->unprobed[i].count, 1);
			return;
		}
	atomic_fetch_add(&shared->unprobed_others, 1);
}
