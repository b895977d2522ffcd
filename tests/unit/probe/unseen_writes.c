/* SPDX-License-Identifier: MIT */
/*
 * Probes that are written before the program begins: at once, where nobody can see it, and step by
 * step as ever where that cannot be. The result is the same.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/counting.h"
#include "probe/site/patch.h"

#define WRONG 100

TestSuite(unseen_writes, .timeout = 400);

/*
 * Two functions with boundaries at 1 and 4: the jump of the second lies in two pages.
 */
uint64_t inside_page(uint64_t value);
uint64_t across_pages(uint64_t value);

__asm__(".pushsection .text.unseen, \"ax\", @progbits\n"
	"	.balign 4096\n"
	"	.globl inside_page\n"
	"	.type inside_page, @function\n"
	"inside_page:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	lea 1(%rdi), %rax\n"
	"	pop %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size inside_page, . - inside_page\n"
	"	.skip 4094 - (. - inside_page), 0xcc\n"
	"	.globl across_pages\n"
	"	.type across_pages, @function\n"
	"across_pages:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	lea 2(%rdi), %rax\n"
	"	pop %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size across_pages, . - across_pages\n"
	".popsection\n");

/* System calls that wrote something, in this process. */
static long writes(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	char line[128];
	long ret = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "syscw: %ld", &ret);
	if (file)
		fclose(file);
	return ret;
}

struct check {
	uint8_t before[2][16], after[2][16];
	struct ep_probe *probes[2];
	struct ep_info infos[2];
	long written; /* by system calls; of no meaning where the kernel does not count them */
	bool good;
};

static bool create_both(struct check *check)
{
	struct ep_request requests[] = {{.addr = (const void *)inside_page},
					{.addr = (const void *)across_pages}};
	size_t failed;

	ep_nobody_runs(true);
	check->written = writes();
	failed = ep_probe_create_batch(requests, 2);
	check->written = writes() - check->written;
	ep_nobody_runs(false);
	check->probes[0] = requests[0].probe;
	check->probes[1] = requests[1].probe;
	return failed == 0;
}

static void copy_both(uint8_t to[2][16])
{
	memcpy(to[0], (const void *)inside_page, 16);
	memcpy(to[1], (const void *)across_pages, 16);
}

static bool is_right(const struct check *check)
{
	return check->infos[0].hits == 10 && check->infos[0].plan == EP_PLAN_JUMP &&
	       check->infos[1].hits == 10 && check->infos[1].plan == EP_PLAN_JUMP &&
	       memcmp(check->before, check->after, sizeof(check->before)) == 0;
}

/* Both are jumps, count, and give the original bytes back. No assertions: it may be a child. */
static struct check check_both(void)
{
	struct check check = {
		.infos = {{.size = sizeof(struct ep_info)}, {.size = sizeof(struct ep_info)}}};

	copy_both(check.before);
	check.good = create_both(&check);
	for (uint64_t i = 0; i < 10; i++)
		check.good &= inside_page(i) == i + 1 && across_pages(i) == i + 2;
	for (int i = 0; i < 2; i++) {
		check.good &= ep_probe_info(check.probes[i], &check.infos[i]) == 0;
		check.good &= ep_probe_remove(check.probes[i]) == 0;
	}
	copy_both(check.after);
	check.good &= is_right(&check);
	return check;
}

/* So that the engine has started, and its guards are written. */
static void start(void)
{
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)inside_page, NULL, &probe), 0);
	cr_assert_eq(ep_probe_remove(probe), 0);
}

/* One page with a whole jump and the int3 of the other, which takes its three steps, 4 writes. */
Test(unseen_writes, are_whole_but_for_jumps_in_two_pages)
{
	int status;
	pid_t child;

	start();
	child = fork(); /* of one thread, whatever this process has */
	if (child == 0) {
		struct check check = check_both();

		_exit(check.good ? (int)check.written : WRONG);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	if (WEXITSTATUS(status))
		cr_expect_eq(WEXITSTATUS(status), 5);
}

static void *wait_for(void *pipe)
{
	char byte;

	return read(*(int *)pipe, &byte, 1) == 1 ? pipe : NULL;
}

Test(unseen_writes, are_steps_where_there_is_another_thread)
{
	struct patch_byte byte = {.address = (uint64_t)inside_page, .byte = 0xcc};
	pthread_t thread;
	int pipes[2];

	cr_assert_eq(pipe(pipes), 0);
	cr_assert_eq(pthread_create(&thread, NULL, wait_for, &pipes[0]), 0);
	start();
	cr_expect_eq(patch_write_unseen(&byte, 1), 1);
	cr_expect_eq(byte.error, -EP_NOT_WRITABLE);
	cr_expect_neq(*(const volatile uint8_t *)inside_page, 0xcc);
	cr_expect(check_both().good);
	cr_assert_eq(write(pipes[1], "", 1), 1);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(unseen_writes, are_steps_where_proc_self_mem_cannot_be_written)
{
	start();
	patch_force_mprotect(true);
	cr_expect(check_both().good);
}
