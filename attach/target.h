/* SPDX-License-Identifier: MIT */
/* A process from outside: what it has mapped, what stands in its memory, whether it can be attached to. */
#ifndef EMUPROBE_ATTACH_TARGET_H
#define EMUPROBE_ATTACH_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target_mapping {
	uint64_t start, end, offset, inode;
	bool readable, writable, executable;
	char path[200]; /* cut */
};

struct target {
	int pid;
	const char *library; /* the name of ours */
	int memory;	     /* descriptor of /proc/PID/mem */
	int pidfd;
	struct target_mapping *mappings;
	size_t count;
	/* Objects, by their first mapping; NULL: not there. */
	const struct target_mapping *libc, *loader, *allocator, *ours;
	bool is_filtered;      /* by seccomp */
	bool is_starting;      /* glibc's loader is there, and libc is not, or not yet */
	bool allocates_itself; /* malloc() is the program's own */
};

/**
 * Look at process @pid; @library: by what name ours goes.
 *
 * @return   0 or an enum ep_attach_error; target_close() in any case.
 */
int target_open(int pid, const char *library, struct target *ret);
void target_close(struct target *target);

/** Read /proc/PID/maps again. @return false: it cannot be read. */
bool target_look(struct target *target);

/** false: not all of it could be read, or written, whatever its protection is. */
bool target_read(const struct target *target, uint64_t at, void *ret, size_t size);
bool target_write(const struct target *target, uint64_t at, const void *data, size_t size);

/** As it stands in the file that is mapped there, whatever has been written over it. false: that file is not there any more. */
bool target_read_file(const struct target *target, uint64_t at, void *ret, size_t size);

/** The mapping that @at is in, or NULL. */
const struct target_mapping *target_find(const struct target *target, uint64_t at);

/** Is @at in the object that begins with @object? */
bool target_is_in(const struct target *target, const struct target_mapping *object, uint64_t at);

/** Where the function @name is that the object exports; 0: nowhere. */
uint64_t target_symbol(const struct target *target, const struct target_mapping *object,
		       const char *name);

/** The first place with these bytes in what can be executed of files; 0: there is none. */
uint64_t target_bytes(const struct target *target, const void *bytes, size_t size);

/** A line "NAME:\tVALUE" of /proc/PID/task/TID/status, as a number, or its first letter. */
unsigned long target_status(int pid, int tid, const char *name, int base);
char target_state(int pid, int tid);

#endif
