/* SPDX-License-Identifier: MIT */
/*
 * What lies in the process for the moment: one page of code (stub.S), then the block, the frame by
 * which the borrowed thread goes back, and a stack. For C and for assembly.
 */
#ifndef EMUPROBE_ATTACH_STUB_H
#define EMUPROBE_ATTACH_STUB_H

#define STUB_BLOCK 0x1000 /* from the beginning of the code */

/* Offsets in struct stub_block. */
#define STUB_ERRNO_LOCATION 0
#define STUB_PTHREAD_CREATE 8
#define STUB_DLOPEN	    16
#define STUB_DLSYM	    24
#define STUB_DLERROR	    32
#define STUB_ENTRY	    40
#define STUB_SYSCALL	    48
#define STUB_RESTORE	    56
#define STUB_FRAME	    64
#define STUB_THREAD	    72
#define STUB_SOCKET	    80
#define STUB_RESULT	    84
#define STUB_MESSAGE	    88
#define STUB_PATH	    96
#define STUB_SYMBOL	    160
#define STUB_DETACH	    224
#define STUB_PAIR	    232
#define STUB_RECEIVED	    256
#define STUB_TABLE	    264
#define STUB_RANGES	    268
#define STUB_ATTACHED	    312

/* Whose table of descriptors the new thread has; 0: it is not known yet. */
#define STUB_TABLE_OWN	  1
#define STUB_TABLE_SHARED 2

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe-attach.h"

struct stub_block {
	/* Functions of the process. */
	uint64_t errno_location, pthread_create, dlopen, dlsym, dlerror;
	uint64_t entry;	  /* of the library, if it is there; else 0 */
	uint64_t syscall; /* "syscall; ret" */
	uint64_t restore; /* "mov $15, %eax; syscall": rt_sigreturn */
	uint64_t frame;	  /* struct ucontext, to go back by */
	uint64_t thread;  /* pthread_t */
	int32_t socket;
	int32_t result; /* of pthread_create() */
	char message[8];
	char path[64], symbol[64];
	uint64_t pthread_detach;
	int32_t pair[2];     /* of sockets */
	char control[16];    /* struct cmsghdr, before what came through them */
	int32_t received[2]; /* -1: nothing, as in pair */
	int32_t table;	     /* STUB_TABLE_... */
	/* What to close for a table of its own: first and last, from the top down. None: 1, 0. */
	uint32_t ranges[5][2];
	struct ep_attached attached;
};

#define STUB_OFFSET(field, number)                                                                 \
	_Static_assert(offsetof(struct stub_block, field) == (number), "see stub.S")

STUB_OFFSET(errno_location, STUB_ERRNO_LOCATION);
STUB_OFFSET(pthread_create, STUB_PTHREAD_CREATE);
STUB_OFFSET(dlopen, STUB_DLOPEN);
STUB_OFFSET(dlsym, STUB_DLSYM);
STUB_OFFSET(dlerror, STUB_DLERROR);
STUB_OFFSET(entry, STUB_ENTRY);
STUB_OFFSET(syscall, STUB_SYSCALL);
STUB_OFFSET(restore, STUB_RESTORE);
STUB_OFFSET(frame, STUB_FRAME);
STUB_OFFSET(thread, STUB_THREAD);
STUB_OFFSET(socket, STUB_SOCKET);
STUB_OFFSET(result, STUB_RESULT);
STUB_OFFSET(message, STUB_MESSAGE);
STUB_OFFSET(path, STUB_PATH);
STUB_OFFSET(symbol, STUB_SYMBOL);
STUB_OFFSET(pthread_detach, STUB_DETACH);
STUB_OFFSET(pair, STUB_PAIR);
STUB_OFFSET(received, STUB_RECEIVED);
STUB_OFFSET(table, STUB_TABLE);
STUB_OFFSET(ranges, STUB_RANGES);
STUB_OFFSET(attached, STUB_ATTACHED);

/* The code, which is copied: it names nothing outside of itself. */
extern const uint8_t stub_begin[], stub_borrowed[], stub_abandoned[], stub_end[];

#endif
#endif
