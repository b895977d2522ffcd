/* SPDX-License-Identifier: MIT */
/*
 * A thread of our own does all that is to be done in a program that was attached to: it arms the probes,
 * waits until they are not wanted any more, and removes them. So nobody else is needed for that, and it
 * is done when the launcher dies, too: its lease ends then (trace/session/shared.h).
 *
 * The library stays, as the engine does, for the next time.
 */
#include "preload/attached.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "preload/settings.h"
#include "preload/shared.h"
#include "sys/call.h"
#include "sys/files.h"
#include "sys/mapping.h"
#include "sys/process.h"
#include "trace/session/session.h"

/* The process in which there is somebody: a child of fork() has inherited no thread that would leave. */
static _Atomic int32_t owner;
#define STARTED_WITH (-1)

static struct trace_arena
	arena; /* of the last time: a thread may still read what it executes with */

struct texts {
	char library[EP_ATTACH_TEXT];
	char session[EP_ATTACH_TEXT];
};

void attached_forbid(void)
{
	atomic_store(&owner, STARTED_WITH);
}

/* ---- what we were given -------------------------------------------------------------------- */

static void split(const char *text, struct texts *ret)
{
	size_t length = strcspn(text, "\n");

	snprintf(ret->library, sizeof(ret->library), "%.*s", (int)length, text);
	snprintf(ret->session, sizeof(ret->session), "%s", text[length] ? text + length + 1 : "");
}

/* The name that we were loaded by means something else as soon as the descriptor is closed. */
static void take_name(const char *path)
{
	struct link_map *map = NULL;
	Dl_info info;
	char *copy;

	if (!dladdr((void *)take_name, &info))
		return;
	for (map = _r_debug.r_map; map && map->l_addr != (uint64_t)info.dli_fbase;
	     map = map->l_next)
		;
	if (!map || strncmp(map->l_name, ATTACHED_NAME, strlen(ATTACHED_NAME)) != 0)
		return;
	copy = strdup(path);
	if (copy)
		map->l_name = copy;
}

/* What is said of the process goes by the name of this thread, which is another's just now. */
static void take_comm(void)
{
	int fd = sys_open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	char comm[SYS_COMM_SIZE + 1] = "";
	long size = fd < 0 ? 0 : sys_read(fd, comm, SYS_COMM_SIZE);

	if (fd >= 0)
		sys_close(fd);
	if (size <= 0)
		return;
	comm[size - 1] = '\0'; /* a newline */
	sys2(SYS_prctl, PR_SET_NAME, comm);
}

/* Until the borrowed thread is back, or the launcher is gone: then it may still be on its way. */
static bool take_over(const struct ep_attached *attached)
{
	char byte;
	long size;

	do
		size = sys_read(attached->socket, &byte, 1);
	while (size == -EINTR);
	if (attached->library >= 0)
		sys_close(attached->library);
	return size == 1;
}

static int open_session(const struct ep_attached *attached, struct trace_session *ret)
{
	static const char why[] = "what is loaded there is of another build of emuprobe: it can be "
				  "attached to by that one, or after a restart";
	int error = trace_session_open_file(attached->descriptor, ret);

	if (error == -EP_INVALID)
		sys6(SYS_sendto, attached->socket, (long)why, sizeof(why) - 1, MSG_NOSIGNAL, 0, 0);
	sys_close(attached->socket);
	return error;
}

/* ---- the lease ----------------------------------------------------------------------------- */

static long futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	return sys6(SYS_futex, (long)word, operation, value, 0, 0, 0);
}

static bool is_let(uint32_t lease)
{
	return (lease & FUTEX_TID_MASK) && !(lease & FUTEX_OWNER_DIED);
}

static void wait_for_end(struct trace_shared *shared)
{
	uint32_t lease = atomic_load(&shared->lease);

	while (is_let(lease)) {
		if (!(lease & FUTEX_WAITERS))
			atomic_compare_exchange_strong(&shared->lease, &lease,
						       lease | FUTEX_WAITERS);
		else
			futex(&shared->lease, FUTEX_WAIT, lease);
		lease = atomic_load(&shared->lease);
	}
	futex(&shared->lease, FUTEX_WAKE, INT_MAX); /* the kernel wakes one only */
	if (lease & FUTEX_OWNER_DIED)
		atomic_store(&shared->over, 1); /* for children that are probed */
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void put_verdict(struct trace_session *session, uint32_t verdict)
{
	atomic_store(&session->shared->verdict, verdict);
	futex(&session->shared->verdict, FUTEX_WAKE, INT_MAX);
}

static void refuse(struct trace_session *session, const char *why)
{
	struct trace_report *report = &session->shared->report;

	report->error = EP_OTHER_ENGINE;
	report->column = SIZE_MAX;
	snprintf(report->message, sizeof(report->message), "%s", why);
	atomic_store(&report->ready, 1);
	put_verdict(session, TRACE_VERDICT_REFUSED);
}

static void serve(struct trace_session *session, const struct texts *texts)
{
	struct trace_shared *shared = session->shared;
	char variable[EP_ATTACH_TEXT + 32];
	char *envp[] = {variable, NULL};
	const struct settings settings = {.session = texts->session, .follow = true};
	bool is_probed;

	snprintf(variable, sizeof(variable), "EMUPROBE_SESSION=%s", texts->session);
	trace_arena_deinit(&arena);
	atomic_fetch_add(&shared->attached, 1);
	is_probed = start_attached(session, &settings, envp, &arena);
	sys2(SYS_prctl, PR_SET_NAME, "emuprobe");
	put_verdict(session, is_probed ? TRACE_VERDICT_PROBED : TRACE_VERDICT_REFUSED);
	if (is_probed)
		wait_for_end(shared);
	start_leave();
	atomic_fetch_sub(&shared->attached, 1);
	futex(&shared->attached, FUTEX_WAKE, INT_MAX);
}

/* Inherited from a parent that was attached to: what it has armed is here, too, and of no use. */
static bool take_process(void)
{
	int32_t self = sys_getpid(), before = atomic_load(&owner);

	if (before == self || before == STARTED_WITH ||
	    !atomic_compare_exchange_strong(&owner, &before, self))
		return false;
	if (before)
		start_leave();
	return true;
}

static void serve_session(struct trace_session *session, const struct texts *texts)
{
	if (!take_process()) {
		refuse(session, atomic_load(&owner) == STARTED_WITH
					? "it was started with probes"
					: "another launcher probes it already");
		return;
	}
	serve(session, texts);
	atomic_store(&owner, 0);
}

void *emuprobe_attached(struct ep_attached *attached)
{
	const struct ep_attached copy = *attached;
	struct trace_session session;
	struct texts texts = {.library = ""};

	take_comm();
	split(attached->text, &texts);
	take_name(texts.library);
	if (!take_over(&copy)) {
		sys_close(copy.descriptor);
		sys_close(copy.socket);
		return NULL;
	}
	sys_munmap((uint64_t)copy.memory, copy.memory_size);
	if (open_session(&copy, &session))
		return NULL;
	serve_session(&session, &texts);
	trace_session_close(&session);
	return NULL;
}
