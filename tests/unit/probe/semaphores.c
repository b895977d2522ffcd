/* SPDX-License-Identifier: MIT */
/*
 * Claims: the counter that a place names is one more for each probe that stands there, and what it was
 * when they are gone; nothing else is ever written to.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "include/emuprobe.h"

TestSuite(semaphores, .timeout = 400);

/* As USDT has them: other data of the program is in other sections. */
static volatile uint16_t semaphore __attribute__((section(".probes"), used)) = 0;
static volatile uint16_t full __attribute__((section(".probes"), used)) = UINT16_MAX;
static const uint16_t constant[8] = {0x1234};
static volatile uint16_t cleared[4096]; /* not in the file */

void semaphore_target(void);

__attribute__((noinline, aligned(16), visibility("default"))) void semaphore_target(void)
{
	__asm__ volatile("");
}

struct question {
	uint64_t address, offset;
};

static int find_offset(struct dl_phdr_info *info, size_t size, void *data)
{
	struct question *question = data;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum && !question->offset; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uint64_t at = question->address - info->dlpi_addr - phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && at < phdr->p_memsz)
			question->offset = phdr->p_offset + at;
	}
	return question->offset != 0;
}

static uint64_t offset_of(const volatile void *address)
{
	struct question question = {(uint64_t)address, 0};

	cr_assert(dl_iterate_phdr(find_offset, &question));
	return question.offset;
}

static struct ep_probe **probes;
static size_t count;
static struct ep_error_at error;

static int define(const char *place, const volatile void *counter)
{
	char text[256];

	snprintf(text, sizeof(text), "%s(0x%lx)", place, offset_of(counter));
	memset(&error, 0, sizeof(error));
	return ep_define(text, NULL, &probes, &count, &error);
}

Test(semaphores, count_the_probes_that_are_there)
{
	struct ep_probe **first;

	cr_assert_eq(define("p semaphore_target", &semaphore), 0, "%s", error.message);
	cr_expect_eq(semaphore, 1);
	first = probes;
	cr_assert_eq(define("r semaphore_target", &semaphore), 0, "%s", error.message);
	cr_expect_eq(semaphore, 2);
	ep_probe_disable(first[0]);
	cr_expect_eq(semaphore, 2, "a disabled probe is still there");
	cr_expect_eq(ep_probe_remove(first[0]), 0);
	cr_expect_eq(semaphore, 1);
	cr_expect_eq(ep_probe_remove(probes[0]), 0);
	cr_expect_eq(semaphore, 0);
	free(first);
	free(probes);
}

Test(semaphores, of_all_that_a_pattern_matches)
{
	cr_assert_eq(define("p semaphore_targe*", &semaphore), 0, "%s", error.message);
	cr_expect_eq(semaphore, count);
	cr_expect_eq(ep_probe_remove_batch(probes, count), 0);
	cr_expect_eq(semaphore, 0);
	free(probes);
}

Test(semaphores, stay_within_their_bits)
{
	cr_assert_eq(define("p semaphore_target", &full), 0, "%s", error.message);
	cr_expect_eq(full, UINT16_MAX);
	full = 0; /* by the program */
	cr_expect_eq(ep_probe_remove(probes[0]), 0);
	cr_expect_eq(full, 0);
	free(probes);
}

static void expect_refused(const volatile void *counter)
{
	cr_expect_eq(define("p semaphore_target", counter), -EP_NO_SEMAPHORE);
	cr_expect_str_eq(strchr(error.message, ' '),
			 " in the executable (unit-probe): the reference counter is in no writable "
			 "data of the object");
	cr_expect_eq(error.column, strlen("p semaphore_target"));
}

Test(semaphores, are_in_data_of_the_object_that_it_may_write_to)
{
	expect_refused(constant);
	expect_refused(&semaphore_target);
	expect_refused(&cleared[4000]);
	cr_expect_eq(constant[0], 0x1234);
}

Test(semaphores, that_cannot_be_written_to_just_now_are_left_alone)
{
	static volatile uint16_t page[4096]
		__attribute__((section(".probes"), aligned(4096))) = {7};

	cr_assert_eq(mprotect((void *)page, 4096, PROT_READ), 0);
	cr_assert_eq(define("p semaphore_target", page), 0, "%s", error.message);
	cr_expect_eq(page[0], 7);
	cr_expect_eq(ep_probe_remove(probes[0]), 0);
	free(probes);
}

/* What is mapped there afterwards is somebody else's. */
Test(semaphores, that_are_unloaded_are_not_written_to)
{
	void *small = dlopen(EP_SMALL_OBJECT, RTLD_NOW), *other;
	volatile uint16_t *counter = small ? dlsym(small, "small_semaphore") : NULL;
	uint64_t page = (uint64_t)counter & ~4095ul;

	cr_assert_not_null(counter);
	cr_assert_eq(define("p small.so:small_sum", counter), 0, "%s", error.message);
	cr_expect_eq(*counter, 1);
	dlclose(small);
	other = mmap((void *)page, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	cr_assert_eq((uint64_t)other, page, "it was not unloaded");
	*counter = 5;
	cr_expect_eq(ep_probe_remove(probes[0]), 0);
	cr_expect_eq(*counter, 5);
	free(probes);
}
