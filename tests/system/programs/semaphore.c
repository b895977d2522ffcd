/* SPDX-License-Identifier: MIT */
/*
 * Has a function whose argument is costly to make, so it is called only if somebody is there to see it:
 * as programs with USDT do.
 *
 *	semaphore where   prints the offset of the counter in the file
 *	semaphore         prints the counter, and calls fire() if it is not zero
 *	semaphore fork    the same in a child
 */
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint16_t semaphore __attribute__((section(".probes"))) = 0;

__attribute__((noinline)) void fire(int value);

void fire(int value)
{
	__asm__ volatile("" : : "r"(value));
}

static int print_offset(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	(void)data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uint64_t at = (uint64_t)&semaphore - info->dlpi_addr - phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && at < phdr->p_filesz)
			printf("0x%lx\n", (unsigned long)(phdr->p_offset + at));
	}
	return 1; /* of the program only */
}

static void work(void)
{
	printf("semaphore %d\n", semaphore);
	fflush(stdout);
	if (semaphore)
		fire(7);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "where") == 0)
		return dl_iterate_phdr(print_offset, NULL) != 1;
	if (argc > 1 && fork() != 0)
		return wait(NULL) < 0;
	work();
	return 0;
}
