/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own uprobes, through perf_event_open(2): on one thread, and gone with the
 * descriptor, whatever becomes of the test.
 */
#ifndef EMUPROBE_TESTS_SUPPORT_UPROBES_H
#define EMUPROBE_TESTS_SUPPORT_UPROBES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** NULL, or why uprobes cannot be used here. */
const char *uprobes_missing(void);

/**
 * Where a function stands in a file that has a symbol for it; in a library, an IFUNC's choice.
 *
 * @library  Its soname, to ask the dynamic linker; NULL: @path is asked.
 * @return   The file offset; 0: not found.
 */
uint64_t uprobes_offset(const char *path, const char *library, const char *symbol);

/** The path of the library of this soname, as the dynamic linker finds it; NULL: not found. */
const char *uprobes_path(const char *library);

/**
 * Count hits of @path:@offset in the thread @pid from now on; a descriptor, or -1. Not in those
 * that it starts: the kernel reads @path again then, in their memory, and they fail to start.
 */
int uprobes_count(pid_t pid, const char *path, uint64_t offset);

/** The same of the returns of the function that begins there, which the kernel calls uretprobes. */
int uprobes_count_returns(pid_t pid, const char *path, uint64_t offset);

/**
 * Count hits of @path:@offset in all processes, by tracefs; it is removed when the calling process
 * ends, however it does.
 *
 * @number   0, 1, ...: another one for each.
 * @return   0, or -1 and errno.
 */
int uprobes_count_everywhere(unsigned int number, const char *path, uint64_t offset);

/** What that has counted; UINT64_MAX: unknown. */
uint64_t uprobes_read_everywhere(unsigned int number);

/** Remove them all. */
void uprobes_stop_everywhere(void);

/** What has been counted. */
uint64_t uprobes_read(int fd);

/* Records one register at each hit, in one thread. */
struct uprobes_log {
	int fd;
	struct perf_event_mmap_page *page;
};

/** The first argument. 0, or -1 and errno. */
int uprobes_record(pid_t pid, const char *path, uint64_t offset, struct uprobes_log *ret);

/** What the function that begins there returns. */
int uprobes_record_returns(pid_t pid, const char *path, uint64_t offset, struct uprobes_log *ret);

/** The register at each hit, in order; how many of them. -1: some were lost. */
long uprobes_values(const struct uprobes_log *log, uint64_t *ret, size_t size);

#endif
