/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand. inject_run() runs a function in a child whose system calls, while the child says
 * so, are seen by the parent (seccomp(2), SECCOMP_RET_USER_NOTIF): it counts them and refuses the
 * N-th, or all from the N-th on. Allocations are counted in the child itself, by the program's own
 * malloc().
 */
#ifndef EMUPROBE_TESTS_SUPPORT_INJECT_H
#define EMUPROBE_TESTS_SUPPORT_INJECT_H

#include <stdbool.h>

enum inject_kind {
	INJECT_NOTHING,
	INJECT_ALLOCATION,   /* the N-th fails */
	INJECT_ALLOCATIONS,  /* all from the N-th on */
	INJECT_SYSTEM_CALL,  /* the N-th is refused */
	INJECT_SYSTEM_CALLS, /* all of the kind of the N-th, from there on */
	INJECT_SIGNAL,	     /* SIGUSR1 comes before the N-th system call */
	INJECT_KINDS
};

extern const char *const inject_names[INJECT_KINDS];

/* In the child, around what is to fail. */
void inject_start(void);
void inject_stop(void);

/* The fault that was injected since inject_start(): a system call's number, 0 for memory; -1: none. */
long inject_done(void);

/* The system call that has been refused since inject_start(); -1: none, but a signal perhaps. */
long inject_refused(void);

/* False: this kernel, or a sandbox around us, does not let us. */
bool inject_can(void);

/*
 * @run     In a child, with the N-th fault of @kind; returns how many checks failed.
 * @return  -1: something failed, and was printed. 1: the fault was injected. 0: it was not reached.
 */
int inject_run(enum inject_kind kind, int n, int (*run)(void));

#endif
