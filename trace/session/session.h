/* SPDX-License-Identifier: MIT */
/* A session: making it, opening it, and what is taken of it. shared.h has its format. */
#ifndef EMUPROBE_TRACE_SESSION_SESSION_H
#define EMUPROBE_TRACE_SESSION_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "trace/session/parts.h"
#include "trace/session/shared.h"

/* One process's view of a session. */
struct trace_session {
	struct trace_shared *shared;
	struct trace_layout layout; /* a copy that the program cannot scribble upon */
	struct trace_parts *parts;  /* NULL: all of it is mapped */
	uint32_t heap;		    /* where this process takes memory from */
};

extern const struct trace_shape trace_shape_launcher, trace_shape_small, trace_shape_tiny,
	trace_shape_private;

/**
 * A new session: in a memfd if @ret_fd is given, else in memory of this process.
 *
 * @return   0, -EP_NO_MEMORY or -EP_IO.
 * Context:  any thread.
 */
int trace_session_create(const struct trace_shape *shape, const char *definitions, size_t size,
			 int *ret_fd, struct trace_session *ret);

/**
 * Map what a process needs of the session that the file @path holds. A descriptor stays open until
 * trace_session_started().
 *
 * @return   0, -EP_IO (it cannot be opened), -EP_INVALID (it is no session of this build), or
 *           -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_session_open(const char *path, struct trace_session *ret);

/** The same of a descriptor, which is closed by trace_session_started(), or if this fails. */
int trace_session_open_file(int fd, struct trace_session *ret);

/** Unmap what this process has mapped of it. Context: nobody uses it any more. */
void trace_session_close(struct trace_session *session);

/** Close the descriptor: this process looks at no heap that it has not mapped by now. */
void trace_session_started(const struct trace_session *session);

/**
 * Zeroed memory in this process's heap; 0: there is none. Context: TRAP_PATH; a system call where
 * more of it has to be mapped.
 */
EP_TRAP_PATH uint64_t trace_session_alloc(const struct trace_session *session, uint64_t size);

/**
 * Have the next @size bytes of this process's heap mapped, if possible: the program may shut itself
 * in before they are needed. Context: TRAP_PATH; a system call.
 */
EP_TRAP_PATH void trace_session_make_room(const struct trace_session *session, uint64_t size);

/**
 * Memory at a position in the heaps; NULL unless all of it lies in them and can be mapped: a probed
 * process has but its own. Context: TRAP_PATH.
 */
EP_TRAP_PATH void *trace_session_at(const struct trace_session *session, uint64_t at,
				    uint64_t size);

/**
 * The reader has seen what is at @from, and gives its memory back: reading a hole of the file
 * allocates memory, and it is the program that says where the reader looks.
 * Context: TRAP_PATH; a system call, for who has mapped all of it.
 */
EP_TRAP_PATH void trace_session_forget(const struct trace_session *session, const void *from,
				       uint64_t size);

/**
 * Do @size bytes at a position in any heap equal @data? Context: before trace_session_started().
 */
bool trace_session_equals(const struct trace_session *session, uint64_t at, const void *data,
			  uint64_t size);

/** A new entry, in state STARTING; its index, or -1. Context: TRAP_PATH. */
EP_TRAP_PATH long trace_session_add_process(const struct trace_session *session, int pid,
					    int parent);

/** A program called @name was executed and is not probed, @why. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_session_add_unprobed(const struct trace_session *session, uint32_t why,
					     const char *name);

/** What process @pid was probed as has ended by its own will, or is not probed any more. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_session_note_end(const struct trace_session *session, int pid);

/** NULL beyond the end. Context: TRAP_PATH. */
EP_TRAP_PATH struct trace_process *trace_session_process(const struct trace_session *session,
							 uint64_t index);
EP_TRAP_PATH struct trace_ring *trace_session_ring(const struct trace_session *session,
						   uint64_t index);

/** Where a ring's events are, of layout.ring_size bytes; NULL: nowhere. Context: TRAP_PATH. */
EP_TRAP_PATH _Atomic uint64_t *trace_session_ring_data(const struct trace_session *session,
						       uint64_t index);

/** Are the data of @ring in this process's heap? Context: TRAP_PATH. */
EP_TRAP_PATH bool trace_session_has_ring_data(const struct trace_session *session,
					      const struct trace_ring *ring);

/**
 * Put a ring that is this thread's into this process's heap, unless it is there.
 *
 * @return   false: there is no memory.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool trace_session_add_ring_data(const struct trace_session *session,
					      struct trace_ring *ring);

/** How many entries of processes and rings may be in use; of rings, no more than can be seen. */
EP_TRAP_PATH uint64_t trace_session_process_count(const struct trace_session *session);
EP_TRAP_PATH uint64_t trace_session_ring_count(const struct trace_session *session);

/** A number for the PID namespace of this process; 0: unknown. Context: any thread. */
uint64_t trace_session_pid_namespace(void);

#endif
