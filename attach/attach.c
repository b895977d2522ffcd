/* SPDX-License-Identifier: MIT */
/*
 * What happens, and who it is that is held up meanwhile:
 *
 *	launcher                              a thread of the process
 *	looks at everything                   runs
 *	stops one thread                      is held
 *	  makes it call mmap(), socketpair(),
 *	  recvmsg(): memory, and descriptors
 *	  lets it run the stub                pthread_create(), says so, waits
 *	  puts it back                        runs
 *	sends one byte                                           the new thread: dlopen(), and on
 *
 * The first memory is found where nobody is: the far end of the main thread's stack, as yet untouched.
 * There the way back lies until there is memory of its own. It needs the space of a page or two for
 * some microseconds, and is wiped behind.
 *
 * Descriptors go through a pair of sockets that the process makes itself, and the launcher takes one
 * of: so it does not matter whose it is, nor where, nor what can be seen by path from there.
 */
#include "include/emuprobe-attach.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "attach/filter.h"
#include "attach/place.h"
#include "attach/stub.h"
#include "attach/target.h"
#include "attach/tracee.h"
#include "sys/abi.h"

#define MILLISECOND 1000000ull
#define DEADLINE    5000     /* milliseconds */
#define STOP	    1000     /* for one thread, at least */
#define BETWEEN	    1000000l /* nanoseconds between looks for a thread */
#define BETWEEN_MAX (128 * BETWEEN)
#define STACK_ROOM  (64ul << 10) /* that the main thread's stack still has when we use its end */
#define BLOCK	    ((unsigned long)STUB_BLOCK) /* in the memory: behind the code */
#define FRAME	    (2 * SYS_PAGE_SIZE)
#define MEMORY	    (256ul << 10)
#define SCRATCH	    (MEMORY - 4 * SYS_PAGE_SIZE) /* for arguments of system calls */

_Static_assert(BLOCK == SYS_PAGE_SIZE, "the code has a page of its own, that can be executed");

struct attach {
	const struct ep_attach_options *options;
	struct ep_attach_report *report;
	struct target target;
	struct tracee *tracee;
	uint64_t deadline;
	uint64_t memory;
	uint64_t scratch; /* where there is room for the way back, without any memory of ours */
	struct stub_block block;
	int library, socket, lock; /* descriptors of ours */
	uint64_t places;	   /* where threads were found in this round, as a sum */
	bool is_heard;		   /* "done" was said */
	char heard[600];	   /* what the dynamic linker said */
};

/* For tests: the launcher dies at this step. */
static void step(int number)
{
	const char *last = getenv("EMUPROBE_ATTACH_DIES");

	if (last && atoi(last) == number)
		kill(getpid(), SIGKILL);
}

__attribute__((format(printf, 3, 4))) static int fail(struct attach *attach, int error,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(attach->report->message, sizeof(attach->report->message), format, args);
	va_end(args);
	return error;
}

/* ---- before -------------------------------------------------------------------------------- */

static int copy_library(struct attach *attach, int file, const struct stat *status)
{
	const char *slash = strrchr(attach->options->library, '/');
	off_t at = 0;
	int fd = (int)syscall(SYS_memfd_create, slash ? slash + 1 : attach->options->library,
			      MFD_CLOEXEC);

	while (fd >= 0 && at < status->st_size &&
	       sendfile(fd, file, &at, (size_t)(status->st_size - at)) > 0)
		;
	if (fd >= 0 && at == status->st_size)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What cannot be executed from where it is can be from memory. */
static int open_library(struct attach *attach)
{
	const char *path = attach->options->library;
	struct statvfs system;
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || fstat(file, &status))
		return fail(attach, EP_ATTACH_LIBRARY, "%s: %s", path, strerror(errno));
	attach->library = file;
	if (fstatvfs(file, &system) == 0 && !(system.f_flag & ST_NOEXEC) && (status.st_mode & 0004))
		return 0;
	attach->library = copy_library(attach, file, &status);
	close(file);
	return attach->library < 0
		       ? fail(attach, EP_ATTACH_LIBRARY, "%s: %s", path, strerror(errno))
		       : 0;
}

static int find_functions(struct attach *attach)
{
	static const unsigned char call[] = {0x0f, 0x05, 0xc3};
	static const unsigned char restore[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const unsigned char shorter[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
	struct stub_block *block = &attach->block;
	const struct target *target = &attach->target;

	block->errno_location = target_symbol(target, target->libc, "__errno_location");
	block->pthread_create = target_symbol(target, target->libc, "pthread_create");
	block->pthread_detach = target_symbol(target, target->libc, "pthread_detach");
	block->dlopen = target_symbol(target, target->libc, "dlopen");
	block->dlsym = target_symbol(target, target->libc, "dlsym");
	block->dlerror = target_symbol(target, target->libc, "dlerror");
	if (!block->pthread_create || !block->pthread_detach || !block->dlopen || !block->dlsym ||
	    !block->dlerror || !block->errno_location)
		return EP_ATTACH_OLD_GLIBC;
	if (target->ours)
		block->entry = target_symbol(target, target->ours, attach->options->entry);
	block->syscall = target_bytes(target, call, sizeof(call));
	block->restore = target_bytes(target, restore, sizeof(restore));
	if (!block->restore)
		block->restore = target_bytes(target, shorter, sizeof(shorter));
	if (target->ours && !block->entry)
		return fail(attach, EP_ATTACH_LOAD, "%s is loaded there, of another build",
			    target->ours->path);
	return block->syscall && block->restore ? 0 : EP_ATTACH_NOT_GLIBC;
}

/* One launcher at a time: a name of a socket that is ours as long as we live. */
static int lock(struct attach *attach, int pid)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "emuprobe/attach/%d/%d",
			      (int)getuid(), pid);

	attach->lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (attach->lock >= 0 &&
	    bind(attach->lock, (const struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) &&
	    errno == EADDRINUSE)
		return EP_ATTACH_ATTACHING;
	return 0;
}

static bool is_late(const struct attach *attach)
{
	return tracee_now() >= attach->deadline;
}

/* What has just been executed has no libc yet. */
static int open_target(struct attach *attach, int pid)
{
	const struct timespec between = {.tv_nsec = BETWEEN};
	const char *slash = strrchr(attach->options->library, '/');
	const char *library = slash ? slash + 1 : attach->options->library;
	int error = target_open(pid, library, &attach->target);

	while (error == EP_ATTACH_NOT_GLIBC && attach->target.is_starting && !is_late(attach)) {
		target_close(&attach->target);
		nanosleep(&between, NULL);
		error = target_open(pid, library, &attach->target);
	}
	return error;
}

static int prepare(struct attach *attach, int pid)
{
	int error = open_target(attach, pid);

	if (!error)
		error = lock(attach, pid);
	if (!error)
		error = find_functions(attach);
	return error ? error : open_library(attach);
}

/* ---- a thread in a safe place -------------------------------------------------------------- */

/* 0: it is held, and in a safe place; -1: another one, or another time. */
static int try_thread(struct attach *attach, int tid)
{
	uint64_t soon = tracee_now() + STOP * MILLISECOND;
	/* One that is asked to stop must come, or it would stop later, and nobody would know. */
	int error = tracee_stop(&attach->target, tid,
				soon > attach->deadline ? soon : attach->deadline, attach->tracee);

	attach->report->tries++;
	if (error == EP_ATTACH_ENDED)
		return -1;
	if (error)
		return error;
	error = -1;
	attach->places += (uint64_t)tid * 31 + attach->tracee->state.regs.rip * 7 +
			  attach->tracee->state.regs.rsp;
	if (place_is_safe(attach->tracee))
		error = attach->target.is_filtered ? filter_check(tid) : 0;
	if (error)
		tracee_release(attach->tracee);
	return error;
}

/* A descriptor of @tid's is found by what it is to the process: not of a thread that we have made. */
static bool has_own_table(int pid, int tid)
{
	return tid != pid && syscall(SYS_kcmp, pid, tid, KCMP_FILES, 0, 0) > 0;
}

/* Those that wait, first; then any. */
static int try_threads(struct attach *attach, bool waiting)
{
	int pid = attach->target.pid, ret = -1;
	struct dirent *entry;
	char path[64];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	folder = opendir(path);
	while (folder && ret < 0 && !is_late(attach) && (entry = readdir(folder))) {
		int tid = atoi(entry->d_name);

		if (tid > 0 && place_is_waiting(pid, tid) == waiting &&
		    !strchr("DZXTt", target_state(pid, tid)) && !has_own_table(pid, tid))
			ret = try_thread(attach, tid);
	}
	if (!folder)
		return EP_ATTACH_ENDED;
	closedir(folder);
	return ret;
}

static bool has_ended(const struct attach *attach)
{
	/* Of nobody: "", whose end strchr() finds, too. */
	return strchr("ZX", target_state(attach->target.pid, attach->target.pid));
}

static int why_not(const struct attach *attach)
{
	if (has_ended(attach))
		return EP_ATTACH_ENDED;
	return target_state(attach->target.pid, attach->target.pid) == 'D' ? EP_ATTACH_NO_RESPONSE
									   : EP_ATTACH_BUSY;
}

/*
 * On a busy machine a thread that was let go waits for a processor, and if it is asked to stop again before it has one it
 * stops where it was. So who is found in the same places gets more time from round to round.
 */
static int find_thread(struct attach *attach)
{
	struct timespec between = {.tv_nsec = BETWEEN};
	uint64_t before = 0;
	int error;

	while (!is_late(attach)) {
		attach->places = 0;
		if (!target_look(&attach->target)) /* not while somebody is held */
			return EP_ATTACH_ENDED;
		error = try_threads(attach, true);
		if (error < 0)
			error = try_threads(attach, false);
		if (error >= 0)
			return error;
		if (attach->places != before)
			between.tv_nsec = BETWEEN;
		else if (between.tv_nsec < BETWEEN_MAX)
			between.tv_nsec *= 2;
		before = attach->places;
		nanosleep(&between, NULL);
	}
	return why_not(attach);
}

/* ---- memory -------------------------------------------------------------------------------- */

static bool is_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

/* The far end of the main thread's stack; 0: it is in use. */
static uint64_t find_scratch(const struct attach *attach, size_t size)
{
	static unsigned char bytes[FRAME_VECTORS_MAX + SYS_PAGE_SIZE];
	const struct target *target = &attach->target;
	uint64_t rsp = attach->tracee->state.regs.rsp;

	for (size_t i = 0; i < target->count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (strcmp(mapping->path, "[stack]") != 0)
			continue;
		if (rsp >= mapping->start && rsp < mapping->start + STACK_ROOM)
			return 0;
		if (target_read(target, mapping->start, bytes, size) &&
		    (is_zero(bytes, size) || frame_is_left(bytes, attach->block.restore)))
			return mapping->start;
	}
	return 0;
}

static void wipe(const struct attach *attach, uint64_t at, size_t size)
{
	static const unsigned char zeros[FRAME_VECTORS_MAX + SYS_PAGE_SIZE];

	target_write(&attach->target, at, zeros, size);
}

static long call(struct attach *attach, long number, long a, long b, long c, long d, long e, long f)
{
	const long all[] = {number, a, b, c, d, e, f};

	return tracee_call(attach->tracee, all);
}

static int why_failed(struct attach *attach, const char *what, long result)
{
	if (attach->tracee->is_gone)
		return has_ended(attach) ? EP_ATTACH_ENDED : EP_ATTACH_EXECUTED;
	return fail(attach, EP_ATTACH_NO_MEMORY, "%s: %s", what, strerror((int)-result));
}

static bool put_block(const struct attach *attach)
{
	return target_write(&attach->target, attach->memory + BLOCK, &attach->block,
			    sizeof(attach->block));
}

/* The part of it that the kernel writes. */
static uint64_t in_block(const struct attach *attach, size_t offset)
{
	return attach->memory + BLOCK + offset;
}

static int make_memory(struct attach *attach)
{
	size_t size = frame_size(&attach->tracee->state);
	uint64_t scratch = find_scratch(attach, size);
	long memory;

	if (!scratch)
		return fail(attach, EP_ATTACH_BUSY, "its main stack is in use to its end");
	attach->scratch = scratch;
	step(1);
	if (!tracee_put_frame(attach->tracee, scratch))
		return EP_ATTACH_EXECUTED;
	step(2);
	memory = call(attach, SYS_mmap, 0, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	step(3);
	if (memory < 0) {
		wipe(attach, scratch, size);
		return why_failed(attach, "mmap", memory);
	}
	attach->memory = (uint64_t)memory;
	if (!tracee_put_frame(attach->tracee, attach->memory + FRAME) || !put_block(attach) ||
	    !target_write(&attach->target, attach->memory, stub_begin,
			  (size_t)(stub_end - stub_begin)))
		return EP_ATTACH_EXECUTED;
	memory = call(attach, SYS_mprotect, (long)attach->memory, SYS_PAGE_SIZE,
		      PROT_READ | PROT_EXEC, 0, 0, 0);
	wipe(attach, scratch, size);
	if (memory)
		return why_failed(attach, "mprotect", memory);
	attach->tracee->restore = attach->memory + (uint64_t)(stub_abandoned - stub_begin);
	step(4);
	return tracee_put_frame(attach->tracee, attach->memory + FRAME) ? 0 : EP_ATTACH_EXECUTED;
}

/* ---- descriptors --------------------------------------------------------------------------- */

static void close_there(struct attach *attach, int fd)
{
	if (fd >= 0)
		call(attach, SYS_close, fd, 0, 0, 0, 0, 0);
}

/*
 * A shell that has closed one of these three, and is about to put another file there, would put it over ours.
 * While it is stopped ours can go elsewhere.
 */
static int move_away(struct attach *attach, int fd)
{
	long high = fd < 0 || fd > STDERR_FILENO ? -1
						 : call(attach, SYS_fcntl, fd, F_DUPFD_CLOEXEC,
							STDERR_FILENO + 1, 0, 0, 0);

	if (high < 0)
		return fd;
	close_there(attach, fd);
	return (int)high;
}

static bool send_descriptors(const struct attach *attach)
{
	const int fds[] = {attach->library, attach->options->descriptor};
	const size_t size = attach->options->descriptor < 0 ? sizeof(int) : sizeof(fds);
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {0};
	char byte = 0;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = CMSG_SPACE(size)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), fds, size);
	return sendmsg(attach->socket, &message, MSG_NOSIGNAL) == 1;
}

/* As the process's recvmsg() wants it, in its memory. */
struct message {
	struct msghdr header;
	struct iovec data;
	char byte[8];
};

static int receive_descriptors(struct attach *attach)
{
	uint64_t at = attach->memory + SCRATCH;
	struct message message = {
		.header = {.msg_iov = (void *)(at + offsetof(struct message, data)),
			   .msg_iovlen = 1,
			   .msg_control =
				   (void *)in_block(attach, offsetof(struct stub_block, control)),
			   .msg_controllen = CMSG_SPACE(sizeof(attach->block.received))},
		.data = {(void *)(at + offsetof(struct message, byte)), 1},
	};
	struct stub_block *block = &attach->block;
	size_t size = attach->options->descriptor < 0 ? sizeof(int) : 2 * sizeof(int);
	struct cmsghdr header;
	long result;

	if (!target_write(&attach->target, at, &message, sizeof(message)))
		return EP_ATTACH_EXECUTED;
	result = call(attach, SYS_recvmsg, attach->block.socket, (long)at,
		      MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0, 0, 0);
	if (result != 1 ||
	    !target_read(&attach->target, in_block(attach, 0), block, sizeof(*block)))
		return why_failed(attach, "recvmsg", result);
	memcpy(&header, block->control, sizeof(header));
	if (header.cmsg_len != CMSG_LEN(size))
		return fail(attach, EP_ATTACH_NO_MEMORY, "recvmsg: no descriptors are left");
	for (size_t i = 0; i < size / sizeof(int); i++)
		block->received[i] = move_away(attach, block->received[i]);
	block->attached.library = block->received[0];
	block->attached.descriptor = block->received[1];
	return 0;
}

static int make_sockets(struct attach *attach)
{
	uint64_t at = in_block(attach, offsetof(struct stub_block, pair));
	int *pair = attach->block.pair, ours;
	long result = call(attach, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			   (long)at, 0, 0);

	if (result || !target_read(&attach->target, at, pair, 2 * sizeof(*pair)))
		return why_failed(attach, "socketpair", result);
	step(5);
	ours = pair[1];
	pair[0] = move_away(attach, pair[0]);
	attach->block.socket = pair[0];
	attach->socket = (int)syscall(SYS_pidfd_getfd, attach->target.pidfd, ours, 0);
	if (attach->socket < 0)
		fail(attach, 0, "pidfd_getfd: %s", strerror(errno));
	pair[1] = -1;
	put_block(attach);
	close_there(attach, ours);
	return attach->socket < 0 ? EP_ATTACH_KERNEL : 0;
}

static int pass_descriptors(struct attach *attach)
{
	int error = make_sockets(attach);

	if (!error && !send_descriptors(attach))
		error = fail(attach, EP_ATTACH_NO_MEMORY, "sendmsg: %s", strerror(errno));
	if (!error)
		error = receive_descriptors(attach);
	step(6);
	return error;
}

/* ---- the stub ------------------------------------------------------------------------------ */

static int from_the_top(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return *left > *right ? -1 : *left < *right;
}

/* All but the three of ours. */
static void fill_ranges(struct stub_block *block)
{
	int ours[] = {block->socket, block->received[0], block->received[1]};
	uint32_t above = UINT32_MAX;
	size_t count = 0;

	qsort(ours, 3, sizeof(ours[0]), from_the_top);
	for (size_t i = 0; i < 3 && ours[i] >= 0; i++) {
		if ((uint32_t)ours[i] < above) {
			block->ranges[count][0] = (uint32_t)ours[i] + 1;
			block->ranges[count++][1] = above;
		}
		if (!ours[i])
			return;
		above = (uint32_t)ours[i] - 1;
	}
	block->ranges[count][0] = 0;
	block->ranges[count][1] = above;
}

static int fill_block(struct attach *attach)
{
	struct stub_block *block = &attach->block;

	/* A filter might kill for what it has not been asked about. */
	for (size_t i = 0; i < sizeof(block->ranges) / sizeof(block->ranges[0]); i++)
		block->ranges[i][0] = 1;
	if (attach->options->own_descriptors && !attach->target.is_filtered)
		fill_ranges(block);

	/* Spelled as nobody else spells it: what is loaded is known by this name. */
	snprintf(block->path, sizeof(block->path), "/proc/thread-self/fd/../fd/%d",
		 block->attached.library);
	snprintf(block->symbol, sizeof(block->symbol), "%s", attach->options->entry);
	block->frame = attach->memory + FRAME + sizeof(uint64_t);
	block->attached.size = sizeof(block->attached);
	block->attached.socket = block->socket;
	block->attached.memory = (void *)attach->memory;
	block->attached.memory_size = MEMORY;
	if (attach->options->text)
		snprintf(block->attached.text, sizeof(block->attached.text), "%s",
			 attach->options->text);
	return put_block(attach) ? 0 : EP_ATTACH_EXECUTED;
}

/*
 * What comes through the socket: "d" of the borrowed thread, else a text of the dynamic linker. false: it was
 * closed there.
 */
static bool hear(struct attach *attach)
{
	ssize_t size =
		recv(attach->socket, attach->heard + 1, sizeof(attach->heard) - 2, MSG_DONTWAIT);

	if (size == 1 && attach->heard[1] == 'd' && !attach->is_heard) {
		attach->is_heard = true;
	} else if (size > 0) {
		attach->heard[0] = 'e';
		attach->heard[1 + size] = '\0';
	}
	return size != 0;
}

static bool wait_for_stub(struct attach *attach)
{
	struct pollfd socket = {.fd = attach->socket, .events = POLLIN};

	while (!attach->is_heard && !attach->tracee->is_gone) {
		if (poll(&socket, 1, 1) > 0)
			hear(attach);
		tracee_look(attach->tracee);
	}
	return attach->is_heard;
}

/* The new thread has left the program's table of descriptors, soon: what is there of ours is closed. */
static void leave_table(struct attach *attach)
{
	uint64_t at = in_block(attach, offsetof(struct stub_block, table));
	const int32_t shared = STUB_TABLE_SHARED;
	int32_t table = 0;

	if (attach->block.ranges[0][0] > attach->block.ranges[0][1])
		return;
	while (!table && !attach->tracee->is_gone && !is_late(attach) &&
	       target_read(&attach->target, at, &table, sizeof(table)))
		if (!table)
			usleep(50);
	if (table != STUB_TABLE_OWN || !target_write(&attach->target, at, &shared, sizeof(shared)))
		return;
	close_there(attach, attach->block.socket);
	close_there(attach, attach->block.received[0]);
	close_there(attach, attach->block.received[1]);
}

/* From here on it is not to be interrupted: it would be in the middle of pthread_create(). */
static int run_stub(struct attach *attach)
{
	uint64_t memory = attach->memory;
	uint64_t rip = memory + (uint64_t)(stub_borrowed - stub_begin);
	int32_t result = 0;

	step(7);
	if (!tracee_run(attach->tracee, rip, memory + SCRATCH, memory + BLOCK))
		return why_failed(attach, "", 0);
	step(8);
	if (!wait_for_stub(attach))
		return why_failed(attach, "", 0);
	step(9);
	if (!tracee_stop_again(attach->tracee, tracee_now() + DEADLINE * MILLISECOND))
		return why_failed(attach, "", 0);
	target_read(&attach->target, memory + BLOCK + offsetof(struct stub_block, result), &result,
		    sizeof(result));
	if (!result)
		leave_table(attach);
	step(10);
	return result ? fail(attach, EP_ATTACH_NO_MEMORY, "pthread_create: %s", strerror(result))
		      : 0;
}

/* While there is no other thread in it: by the one that made it, whose way back is there. */
static void take_back(struct attach *attach)
{
	const struct stub_block *block = &attach->block;

	if (!attach->memory || attach->tracee->is_gone)
		return;
	close_there(attach, block->pair[0]);
	close_there(attach, block->received[0]);
	close_there(attach, block->received[1]);
	attach->tracee->restore = block->restore;
	if (!tracee_put_frame(attach->tracee, attach->scratch))
		return;
	call(attach, SYS_munmap, (long)attach->memory, MEMORY, 0, 0, 0, 0);
	wipe(attach, attach->scratch, frame_size(&attach->tracee->state));
}

static int borrow(struct attach *attach)
{
	int error = make_memory(attach);

	if (!error)
		error = pass_descriptors(attach);
	if (!error)
		error = fill_block(attach);
	if (!error)
		error = run_stub(attach);
	if (error)
		take_back(attach);
	tracee_release(attach->tracee);
	attach->report->borrowed = tracee_now() - attach->tracee->begun;
	step(11);
	return error;
}

/* ---- behind -------------------------------------------------------------------------------- */

/* Until the function has closed its socket. */
static int wait_for_function(struct attach *attach)
{
	struct pollfd socket = {.fd = attach->socket, .events = POLLIN};
	char byte;

	if (send(attach->socket, "", 1, MSG_NOSIGNAL) != 1)
		return EP_ATTACH_ENDED;
	step(12);
	while (!attach->heard[0]) {
		if (is_late(attach))
			return EP_ATTACH_LATE;
		if (poll(&socket, 1, 100) > 0 && !hear(attach))
			break;
	}
	if (attach->heard[0] && recv(attach->socket, &byte, 1, 0) >= 0)
		return fail(attach, EP_ATTACH_LOAD, "%s", attach->heard + 1);
	return has_ended(attach) ? EP_ATTACH_ENDED : 0;
}

static int run(struct attach *attach, int pid)
{
	int error = prepare(attach, pid);

	if (!error) {
		attach->tracee->call = attach->block.syscall;
		attach->tracee->restore = attach->block.restore;
		error = find_thread(attach);
	}
	if (error)
		return error;
	attach->report->tid = attach->tracee->tid;
	error = borrow(attach);
	return error ? error : wait_for_function(attach);
}

int ep_attach(int pid, const struct ep_attach_options *options, struct ep_attach_report *report)
{
	static struct tracee tracee;
	struct ep_attach_report unwanted = {.size = sizeof(unwanted)};
	struct attach attach = {
		.options = options,
		.report = report ? report : &unwanted,
		.tracee = &tracee,
		.deadline = tracee_now() +
			    (options->deadline ? options->deadline : DEADLINE) * MILLISECOND,
		.block = {.socket = -1,
			  .pair = {-1, -1},
			  .received = {-1, -1},
			  .attached = {.library = -1, .descriptor = -1}},
		.library = -1,
		.socket = -1,
		.lock = -1,
	};
	int error, priority = getpriority(PRIO_PROCESS, 0);
	sigset_t child, before;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, &before);
	setpriority(PRIO_PROCESS, 0, -20); /* as far as we may: somebody waits for us */
	*attach.report = (struct ep_attach_report){.size = attach.report->size};
	error = run(&attach, pid);
	if (attach.library >= 0)
		close(attach.library);
	if (attach.socket >= 0)
		close(attach.socket);
	if (attach.lock >= 0)
		close(attach.lock);
	target_close(&attach.target);
	setpriority(PRIO_PROCESS, 0, priority);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* ---- texts --------------------------------------------------------------------------------- */

const char *ep_attach_text(int error)
{
	switch (error) {
#define TEXT(name, text, remedy)                                                                   \
	case EP_ATTACH_##name:                                                                     \
		return text;
		EP_ATTACH_ERRORS(TEXT)
#undef TEXT
	}
	return "?";
}

const char *ep_attach_remedy(int error)
{
	switch (error) {
#define REMEDY(name, text, remedy)                                                                 \
	case EP_ATTACH_##name:                                                                     \
		return remedy;
		EP_ATTACH_ERRORS(REMEDY)
#undef REMEDY
	}
	return "?";
}
