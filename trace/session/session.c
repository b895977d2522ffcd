/* SPDX-License-Identifier: MIT */
/*
 * The layout is computed once, by the creator; everyone else copies it when the session is opened
 * and checks it then. Memory of a heap is only ever taken, so that no process has to wait for, or
 * trust, another one; the file is sparse, so what is not touched costs nothing.
 */
#include "trace/session/session.h"

#include <layout.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/abi.h"
#include "sys/barrier.h"
#include "sys/files.h"
#include "sys/mapping.h"
#include "trace/base/text.h"
#include "trace/clock/clock.h"

#define NS_PATH "/proc/self/ns/pid"
/* Asked for, not insisted on: away from the 2 GiB around all code, where the engine needs room. */
#define FAR_FROM_CODE 0x200000000000ul

/* The beginning of a heap. 0 is no position in it. */
struct heap_header {
	_Atomic uint64_t used; /* behind this */
	uint64_t unused[7];
};

const struct trace_shape trace_shape_launcher = {
	.process_max = 65536,
	.ring_max = 4096,
	.ring_size = 1ul << 20,
	.heap_size = 8ul << 30,
	.heap_max = 4096,
};
/* Where a limit forbids that: ulimit -v, or -f, which holds for memfds, too. */
const struct trace_shape trace_shape_small = {
	.process_max = 4096,
	.ring_max = 256,
	.ring_size = 256ul << 10,
	.heap_size = 192ul << 20,
	.heap_max = 1,
};
/* And where it forbids that, too. */
const struct trace_shape trace_shape_tiny = {
	.process_max = 1024,
	.ring_max = 64,
	.ring_size = 64ul << 10,
	.heap_size = 32ul << 20,
	.heap_max = 1,
};
const struct trace_shape trace_shape_private = {
	.process_max = 1,
	.ring_max = 1024,
	.ring_size = 1ul << 16,
	.heap_size = 192ul << 20,
	.heap_max = 1,
};

static uint64_t place(uint64_t *end, uint64_t size)
{
	uint64_t ret = *end;

	*end += (size + SYS_PAGE_SIZE - 1) / SYS_PAGE_SIZE * SYS_PAGE_SIZE;
	return ret;
}

static void lay_out(const struct trace_shape *shape, size_t definitions, struct trace_layout *ret)
{
	uint64_t end = 0;

	*ret = (struct trace_layout){
		.definitions_size = definitions,
		.ring_max = shape->ring_max,
		.ring_size = shape->ring_size,
		.process_max = shape->process_max,
		.heap_size = shape->heap_size,
		.heap_max = shape->heap_max,
	};
	place(&end, sizeof(struct trace_shared));
	ret->definitions = place(&end, definitions + 1);
	ret->rings = place(&end, shape->ring_max * sizeof(struct trace_ring));
	ret->processes = place(&end, shape->process_max * sizeof(struct trace_process));
	ret->heap = place(&end, shape->heap_max * shape->heap_size);
	ret->size = end;
}

/* A session that was opened may lie about itself. */
static bool is_sound(const struct trace_layout *layout, uint64_t file_size)
{
	struct trace_shape shape = {layout->process_max, layout->ring_max, layout->ring_size,
				    layout->heap_size, layout->heap_max};
	struct trace_layout again;

	if (layout->size != file_size || layout->process_max > 1ul << 24 ||
	    layout->ring_max > 1ul << 20 || layout->ring_size > 1ul << 30 ||
	    layout->heap_size > 1ul << 40 || layout->heap_max > 1ul << 16 ||
	    layout->definitions_size > 1ul << 30)
		return false;
	if (!layout->heap_max || layout->heap_size < SYS_PAGE_SIZE ||
	    layout->heap_size % SYS_PAGE_SIZE)
		return false;
	if (layout->ring_size < SYS_PAGE_SIZE || (layout->ring_size & (layout->ring_size - 1)))
		return false;
	lay_out(&shape, layout->definitions_size, &again);
	return memcmp(&again, layout, sizeof(again)) == 0;
}

static int make_file(uint64_t size)
{
	long fd = sys6(SYS_memfd_create, (long)"emuprobe", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0,
		       0);

	if (fd < 0)
		return -1;
	/* The program can open it by its path: what is mapped must not be taken away behind us. */
	if (sys6(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0) == 0 &&
	    sys6(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW, 0, 0, 0) == 0)
		return (int)fd;
	sys_close((int)fd);
	return -1;
}

static void fill_header(struct trace_session *session, const char *definitions, size_t size)
{
	struct trace_shared *shared = session->shared;

	shared->build = TRACE_SESSION_LAYOUT;
	shared->clock = trace_clock_choose();
	trace_clock_here(&shared->time_namespace);
	shared->follow = 1;
	shared->pid_namespace = trace_session_pid_namespace();
	shared->layout = session->layout;
	memcpy((char *)shared + session->layout.definitions, definitions, size);
	shared->magic = TRACE_SESSION_MAGIC;
}

/* What is shared is for whoever reads it: all of it. */
static int create_shared(struct trace_session *session, int *ret_fd)
{
	int fd = make_file(session->layout.size);
	long at;

	if (fd < 0)
		return -EP_IO;
	at = sys_mmap(FAR_FROM_CODE, session->layout.size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (sys_failed(at)) {
		sys_close(fd);
		return -EP_NO_MEMORY;
	}
	/* A core file would hold it in full. */
	sys_madvise((uint64_t)at, session->layout.size, MADV_DONTDUMP);
	session->shared = (struct trace_shared *)at;
	*ret_fd = fd;
	return 0;
}

/* The first heap that no process has taken; the last one is shared by all that come later. */
static bool take_heap(struct trace_session *session)
{
	const struct trace_layout *layout = &session->layout;
	uint32_t count = atomic_load(&session->shared->heap_count);

	while (count < layout->heap_max &&
	       !atomic_compare_exchange_weak(&session->shared->heap_count, &count, count + 1))
		;
	session->heap = count < layout->heap_max ? count : (uint32_t)layout->heap_max - 1;
	return trace_parts_map_heap(session->shared, session->parts, layout, session->heap);
}

/* @fd: -1: in memory of this process. */
static int map_parts(struct trace_session *session, int fd)
{
	session->shared = trace_parts_map(fd, &session->layout, &session->parts);
	return session->shared && take_heap(session) ? 0 : -EP_NO_MEMORY;
}

int trace_session_create(const struct trace_shape *shape, const char *definitions, size_t size,
			 int *ret_fd, struct trace_session *ret)
{
	struct trace_session session = {0};
	int error;

	lay_out(shape, size, &session.layout);
	error = ret_fd ? create_shared(&session, ret_fd) : map_parts(&session, -1);
	if (error)
		return error;
	fill_header(&session, definitions, size);
	session.shared->barrier = ret_fd && sys_barrier_shared();
	*ret = session;
	return 0;
}

static int map_file(int fd, struct trace_session *ret)
{
	struct trace_session session = {0};
	struct trace_shared header;
	struct stat status;
	int error;

	if (sys_fstat(fd, &status) || !S_ISREG(status.st_mode) ||
	    sys_pread(fd, &header, sizeof(header), 0) != (long)sizeof(header))
		return -EP_IO;
	if (header.magic != TRACE_SESSION_MAGIC || header.build != TRACE_SESSION_LAYOUT ||
	    !is_sound(&header.layout, (uint64_t)status.st_size))
		return -EP_INVALID;
	session.layout = header.layout;
	error = map_parts(&session, fd);
	if (!error)
		*ret = session;
	return error;
}

int trace_session_open(const char *path, struct trace_session *ret)
{
	/* Numbers may mean something else in another PID namespace: a FIFO must not block us. */
	int fd = sys_open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -EP_IO : trace_session_open_file(fd, ret);
}

int trace_session_open_file(int fd, struct trace_session *ret)
{
	int error = map_file(fd, ret);

	if (error)
		sys_close(fd);
	return error;
}

void trace_session_close(struct trace_session *session)
{
	trace_session_started(session);
	trace_parts_unmap(session->shared, session->parts, &session->layout);
	*session = (struct trace_session){0};
}

void trace_session_started(const struct trace_session *session)
{
	if (!session->parts || session->parts->file < 0)
		return;
	sys_close(session->parts->file);
	session->parts->file = -1;
}

uint64_t trace_session_pid_namespace(void)
{
	struct stat status;

	return sys_stat(NS_PATH, &status) ? 0 : (uint64_t)status.st_ino;
}

/* ---- parts --------------------------------------------------------------------------------- */

EP_TRAP_PATH static bool is_in_heaps(const struct trace_layout *layout, uint64_t at, uint64_t size)
{
	uint64_t all = layout->heap_size * layout->heap_max;

	return at < all && size <= all - at && at % 8 == 0;
}

EP_TRAP_PATH void *trace_session_at(const struct trace_session *session, uint64_t at, uint64_t size)
{
	const struct trace_layout *layout = &session->layout;

	if (!is_in_heaps(layout, at, size))
		return NULL;
	/* In the heap of another process: it may stand there for the reader. */
	if (session->parts && (at / layout->heap_size != session->heap ||
			       !trace_parts_reach(session->shared, &session->parts->heap,
						  at % layout->heap_size + size)))
		return NULL;
	return (char *)session->shared + layout->heap + at;
}

EP_TRAP_PATH void trace_session_forget(const struct trace_session *session, const void *from,
				       uint64_t size)
{
	uint64_t start = (uint64_t)from / SYS_PAGE_SIZE * SYS_PAGE_SIZE;
	uint64_t end = ((uint64_t)from + size + SYS_PAGE_SIZE - 1) / SYS_PAGE_SIZE * SYS_PAGE_SIZE;

	/* Of private memory it would be the end. */
	if (!session->parts && (uint64_t)from - (uint64_t)session->shared < session->layout.size)
		sys6(SYS_madvise, (long)start, (long)(end - start), MADV_DONTNEED, 0, 0, 0);
}

EP_TRAP_PATH uint64_t trace_session_alloc(const struct trace_session *session, uint64_t size)
{
	uint64_t heap = session->heap * session->layout.heap_size, used;
	uint64_t room = session->layout.heap_size - sizeof(struct heap_header);
	struct heap_header *header = trace_session_at(session, heap, sizeof(*header));

	if (!header || size > room)
		return 0;
	size = (size + 63) / 64 * 64; /* counters of two processes share no cache line */
	used = atomic_load(&header->used);
	do
		if (used > room || size > room - used)
			return 0;
	while (!atomic_compare_exchange_weak(&header->used, &used, used + size));
	heap += sizeof(*header) + used;
	return trace_session_at(session, heap, size) ? heap : 0;
}

EP_TRAP_PATH void trace_session_make_room(const struct trace_session *session, uint64_t size)
{
	uint64_t heap = session->heap * session->layout.heap_size, end;
	struct heap_header *header = trace_session_at(session, heap, sizeof(*header));

	end = header ? sizeof(*header) + atomic_load(&header->used) : session->layout.heap_size;
	if (end < session->layout.heap_size && size < session->layout.heap_size - end)
		trace_session_at(session, heap + end / 8 * 8, size);
}

/* It need not be mapped: it is read in pieces. */
static bool file_equals(const struct trace_session *session, uint64_t at, const char *data,
			uint64_t size)
{
	uint64_t start = session->layout.heap + at;
	char buffer[16384];

	for (uint64_t done = 0; done < size; done += sizeof(buffer)) {
		uint64_t left = size - done;
		uint64_t piece = left < sizeof(buffer) ? left : sizeof(buffer);

		if (sys_pread(session->parts->file, buffer, piece, start + done) != (long)piece ||
		    memcmp(buffer, data + done, piece) != 0)
			return false;
	}
	return true;
}

bool trace_session_equals(const struct trace_session *session, uint64_t at, const void *data,
			  uint64_t size)
{
	const void *there;

	if (!is_in_heaps(&session->layout, at, size))
		return false;
	if (session->parts && session->parts->file >= 0)
		return file_equals(session, at, data, size);
	there = trace_session_at(session, at, size);
	return there && memcmp(there, data, size) == 0;
}

/* An entry of a table; NULL: there is none, or no memory to see it in. */
EP_TRAP_PATH static void *entry_of(const struct trace_session *session, struct trace_part *part,
				   uint64_t start, uint64_t size, uint64_t index)
{
	if (session->parts && !trace_parts_reach(session->shared, part, (index + 1) * size))
		return NULL;
	return (char *)session->shared + start + index * size;
}

EP_TRAP_PATH struct trace_process *trace_session_process(const struct trace_session *session,
							 uint64_t index)
{
	if (index >= session->layout.process_max)
		return NULL;
	return entry_of(session, session->parts ? &session->parts->processes : NULL,
			session->layout.processes, sizeof(struct trace_process), index);
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
	if (index >= session->layout.ring_max)
		return NULL;
	return entry_of(session, session->parts ? &session->parts->rings : NULL,
			session->layout.rings, sizeof(struct trace_ring), index);
}

EP_TRAP_PATH _Atomic uint64_t *trace_session_ring_data(const struct trace_session *session,
						       uint64_t index)
{
	const struct trace_ring *ring = trace_session_ring(session, index);
	uint64_t at = ring ? atomic_load(&ring->data) : 0;

	return at ? trace_session_at(session, at, session->layout.ring_size) : NULL;
}

EP_TRAP_PATH bool trace_session_has_ring_data(const struct trace_session *session,
					      const struct trace_ring *ring)
{
	uint64_t at = atomic_load(&ring->data);

	return at && at / session->layout.heap_size == session->heap;
}

EP_TRAP_PATH bool trace_session_add_ring_data(const struct trace_session *session,
					      struct trace_ring *ring)
{
	uint64_t at;

	if (trace_session_has_ring_data(session, ring))
		return true;
	at = trace_session_alloc(session, session->layout.ring_size);
	if (at)
		atomic_store(&ring->data, at);
	return at;
}

EP_TRAP_PATH uint64_t trace_session_process_count(const struct trace_session *session)
{
	uint64_t count = atomic_load(&session->shared->process_count);

	return count < session->layout.process_max ? count : session->layout.process_max;
}

EP_TRAP_PATH uint64_t trace_session_ring_count(const struct trace_session *session)
{
	uint64_t count = atomic_load(&session->shared->ring_high);
	struct trace_part *rings = session->parts ? &session->parts->rings : NULL;

	if (count > session->layout.ring_max)
		count = session->layout.ring_max;
	if (rings && !trace_parts_reach(session->shared, rings, count * sizeof(struct trace_ring)))
		count = atomic_load(&rings->mapped) / sizeof(struct trace_ring);
	return count;
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

EP_TRAP_PATH void trace_session_note_end(const struct trace_session *session, int pid)
{
	for (uint64_t i = trace_session_process_count(session); i-- > 0;) {
		struct trace_process *process = trace_session_process(session, i);

		if (process && process->pid == pid) {
			atomic_store(&process->ended, 1);
			return;
		}
	}
}
