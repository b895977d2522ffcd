/* SPDX-License-Identifier: MIT */
/*
 * libemuprobe-attach: have a library loaded into a process that runs already, and a function of it
 * called there. For launchers; the process that is attached to needs nothing of this.
 */
#ifndef EMUPROBE_ATTACH_H
#define EMUPROBE_ATTACH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, what is so, what can be done about it */
#define EP_ATTACH_ERRORS(X)                                                                        \
	X(NO_PROCESS, "there is no such process", "ps shows which there are")                      \
	X(SELF, "a process cannot attach to itself", "ep_define() probes one's own process")       \
	X(ZOMBIE, "it has ended, and waits to be reaped by its parent",                            \
	  "there is nothing left to probe")                                                        \
	X(STOPPED, "it is stopped", "SIGCONT lets it go on; then it can be attached to")           \
	X(TRACED, "another process traces it", "it can be attached to when that has detached")     \
	X(ATTACHING, "another launcher attaches to it just now", "it can be tried again")          \
	X(NOT_PERMITTED, "it may not be traced: it is another user's, or not dumpable",            \
	  "its own user can, and root")                                                            \
	X(YAMA, "kernel.yama.ptrace_scope does not permit it",                                     \
	  "root can, or sysctl kernel.yama.ptrace_scope=0")                                        \
	X(KERNEL_THREAD, "it is a thread of the kernel", "there is no program to probe")           \
	X(OTHER_MACHINE, "it is not a 64-bit x86-64 program", "a build for x86-64 can be probed")  \
	X(STATIC, "it is statically linked: no library can be loaded into it",                     \
	  "a build that is linked dynamically can be probed")                                      \
	X(NOT_GLIBC, "its C library is not glibc: the library to load is made for glibc",          \
	  "a build for glibc can be probed")                                                       \
	X(OLD_GLIBC, "its glibc is too old: dlopen() and pthread_create() are not in it",          \
	  "glibc 2.34 and later can be probed")                                                    \
	X(OTHER_ENGINE, "it has an engine of its own: it probes itself",                           \
	  "ep_define() in the program, or a start without its own probes")                         \
	X(NO_PROC, "there is no /proc where it runs, by which the library is opened",              \
	  "it can be probed when /proc is mounted there")                                          \
	X(SANDBOXED, "its system call filter does not permit what loading a library takes",        \
	  "it can be probed from its start, before it has its filter")                             \
	X(FILTER_UNKNOWN, "it has a system call filter that only root can read",                   \
	  "root can attach to it")                                                                 \
	X(SHADOW_STACK, "its threads have shadow stacks",                                          \
	  "it can be attached to without: GLIBC_TUNABLES=glibc.cpu.x86_shstk=off")                 \
	X(BUSY,                                                                                    \
	  "no thread of it came to a safe place in time: outside of the allocator, the "           \
	  "dynamic linker and libc",                                                               \
	  "it can be tried again, with more time")                                                 \
	X(NO_RESPONSE, "its thread did not stop in time: it waits in the kernel (vfork, a disk)",  \
	  "it can be tried again")                                                                 \
	X(NO_MEMORY, "it has no memory, thread or descriptor left for what is to be loaded",       \
	  "its limits (ulimit) can be raised")                                                     \
	X(LATE, "the library was not loaded in time", "it can be tried again, with more time")     \
	X(LOAD, "the library cannot be loaded there", "")                                          \
	X(LIBRARY, "the library cannot be read", "")                                               \
	X(ENDED, "it ended meanwhile", "")                                                         \
	X(EXECUTED, "it executed another program meanwhile", "it can be tried again")              \
	X(KERNEL, "this kernel does not have what it takes: Linux 5.6", "")

enum ep_attach_error {
	EP_ATTACHED,
#define EP_ATTACH_ENUM(name, text, remedy) EP_ATTACH_##name,
	EP_ATTACH_ERRORS(EP_ATTACH_ENUM)
#undef EP_ATTACH_ENUM
};

#define EP_ATTACH_TEXT 1024

/*
 * What the function of the library is given: in memory of the process, which goes when the function
 * says so.
 *
 * It runs in a new thread, in which all signals are blocked but those of faults; another thread of the
 * process was borrowed to create it. The function reads one byte from .socket, with signals blocked:
 *
 *	1 byte   the borrowed thread is back where it was. Nobody uses .memory any more: munmap() it.
 *	0 bytes  the launcher has ended before that. The thread goes back by itself, through .memory.
 *
 * Then it closes .library, and .socket, by which the launcher knows that it runs. What it writes to .socket
 * before that is why it does not: EP_ATTACH_LOAD, and the text. The thread is detached.
 */
struct ep_attached {
	uint64_t size; /* sizeof(struct ep_attached) */
	int32_t socket;
	int32_t library;    /* descriptor; -1: the library had been loaded before */
	int32_t descriptor; /* the one that was passed */
	int32_t reserved;
	void *memory; /* in which this is */
	uint64_t memory_size;
	char text[EP_ATTACH_TEXT];
};

struct ep_attach_options {
	size_t size;	       /* sizeof(struct ep_attach_options) */
	const char *library;   /* path of a shared object */
	const char *entry;     /* its function: void *(struct ep_attached *) */
	int descriptor;	       /* passed to it, as a descriptor of its own */
	const char *text;      /* passed to it; shorter than EP_ATTACH_TEXT; NULL: "" */
	unsigned int deadline; /* in milliseconds, to begin and to load; 0: 5000 */
	/*
	 * Not 0: the new thread has a table of descriptors of its own, with the three that it is given and nothing of
	 * the program's, from Linux 5.9 on and where there is no system call filter. What it opens is not open for
	 * other threads then. Else a shell, say, that has closed its standard output, and is about to
	 * put another file there, may put it over a file that this thread has just opened.
	 */
	int own_descriptors;
};

struct ep_attach_report {
	size_t size; /* sizeof(struct ep_attach_report), set by the caller */
	uint64_t
		borrowed; /* nanoseconds for which a thread of the process was kept from its work */
	int tid;	  /* which */
	unsigned int tries; /* how often one was looked at */
	char message[512];  /* of a failure: what the dynamic linker says, or which system call */
};

/**
 * Have process @pid load options->library, unless it is there, and call options->entry.
 *
 * One thread is held by ptrace, in a place where it is in nobody's way, for as long as it takes to
 * create a thread: some hundred microseconds. That one loads the library, when nothing is traced any
 * more. Whatever fails, or if the caller is killed at any moment: the thread goes on where it was, with
 * all of its registers, its signal mask, and the system call that it was in.
 *
 * @report   May be NULL.
 *
 * @return   0: the function is running; or an enum ep_attach_error: the process is as it was.
 * Context:  one call at a time; waits, waitpid()s for threads of @pid, and takes SIGCHLD meanwhile.
 */
int ep_attach(int pid, const struct ep_attach_options *options, struct ep_attach_report *report);

/** What is so, and what can be done about it: constant strings; "?" for what is no error. */
const char *ep_attach_text(int error);
const char *ep_attach_remedy(int error);

#ifdef __cplusplus
}
#endif
#endif
