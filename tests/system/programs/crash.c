/* SPDX-License-Identifier: MIT */
/*
 * crash load|div|ud2|sse [handled|wait]: dies in the second instruction, at +3, of the function
 * crash_NAME, or survives it if it is handled; in
 * the handler it may wait.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void crash_load(void *), crash_div(void *), crash_ud2(void *), crash_sse(void *);

__asm__("	.text\n"
	"	.macro	crash name, insn:vararg\n"
	"	.balign	16\n"
	"	.globl	crash_\\name\n"
	"	.type	crash_\\name, @function\n"
	"crash_\\name:\n"
	"	.cfi_startproc\n"
	"	mov	%rdi, %rax\n"
	"	\\insn\n"
	"	nopl	(%rax)\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size	crash_\\name, . - crash_\\name\n"
	"	.endm\n"
	"	crash	load, mov (%rax), %rcx\n"
	"	crash	div, div %edi\n"
	"	crash	ud2, ud2\n"
	"	crash	sse, movdqu (%rax), %xmm0\n");

static int waits;

static void on_fault(int sig)
{
	dprintf(1, "handled %d\n", sig);
	for (int seconds = waits ? 20 : 0; seconds > 0; seconds--)
		sleep(1);
	_exit(3);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*function)(void *);
	} crashes[] = {
		{"load", crash_load}, {"div", crash_div}, {"ud2", crash_ud2}, {"sse", crash_sse}};
	static const int sigs[] = {SIGSEGV, SIGFPE, SIGILL};

	waits = argc > 2 && !strcmp(argv[2], "wait");
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	for (size_t i = 0; argc > 2 && i < sizeof(sigs) / sizeof(sigs[0]); i++)
		signal(sigs[i], on_fault);
	for (size_t i = 0; argc > 1 && i < sizeof(crashes) / sizeof(crashes[0]); i++)
		if (!strcmp(argv[1], crashes[i].name))
			crashes[i].function(NULL);
	return 1;
}
