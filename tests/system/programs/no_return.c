/* SPDX-License-Identifier: MIT */
/*
 * Sandboxes that kill whoever returns from a signal handler. No case does, so without us each ends
 * well; a probe that traps has to find another way back, and nothing may be lost on it.
 */
#include <errno.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "check.h"

#define INSN(code, k)	      ((struct sock_filter)BPF_STMT((code), (k)))
#define JUMP(code, k, jt, jf) ((struct sock_filter)BPF_JUMP((code), (k), (jt), (jf)))
#define LOAD(field)	      INSN(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define KILL		      INSN(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW		      INSN(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define EQUALS		      (BPF_JMP | BPF_JEQ | BPF_K)

#define CALLS 500

/* As people write them. */
static struct sock_filter plain[] = {
	LOAD(arch), JUMP(EQUALS, AUDIT_ARCH_X86_64, 1, 0), KILL,
	LOAD(nr),   JUMP(EQUALS, SYS_rt_sigreturn, 0, 1),  KILL,
	ALLOW,
};

/* The same, as a generator might have it: number * 3 + 5 - 4 is 46, by way of memory and X. */
static struct sock_filter computed[] = {
	INSN(BPF_LDX | BPF_W | BPF_IMM, 3),
	LOAD(nr),
	INSN(BPF_ALU | BPF_MUL | BPF_X, 0),
	INSN(BPF_ST, 7),
	INSN(BPF_LD | BPF_W | BPF_IMM, 5),
	INSN(BPF_MISC | BPF_TAX, 0),
	INSN(BPF_LD | BPF_W | BPF_MEM, 7),
	INSN(BPF_ALU | BPF_ADD | BPF_X, 0),
	INSN(BPF_ALU | BPF_SUB | BPF_K, 4),
	INSN(BPF_JMP | BPF_JA, 1),
	ALLOW,
	JUMP(BPF_JMP | BPF_JGE | BPF_K, 46, 0, 2),
	JUMP(BPF_JMP | BPF_JGT | BPF_K, 46, 1, 0),
	KILL,
	ALLOW,
};

/* An error is no death, but what follows a return that fails is. */
static struct sock_filter refuses[] = {
	LOAD(nr),
	JUMP(EQUALS, SYS_rt_sigreturn, 0, 1),
	INSN(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	ALLOW,
};

#define PROGRAM(filter)                                                                            \
	{                                                                                          \
		sizeof(filter) / sizeof((filter)[0]), filter                                       \
	}

static void confine(struct sock_fprog program)
{
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* ---- registers ------------------------------------------------------------------------------ */

/* The sum of some registers; the trap is on its first instruction. */
uint64_t target(void);
__asm__(".globl	target\n"
	".type	target, @function\n"
	"target:	lea	(%rbx, %r12), %rax\n"
	"	add	%r13, %rax\n"
	"	add	%r8, %rax\n"
	"	movq	%xmm7, %rcx\n"
	"	add	%rcx, %rax\n"
	"	ret\n"
	".size	target, . - target\n");

static void call_it(void)
{
	for (int i = 0; i < CALLS; i++)
		target();
	printf("target %d\n", CALLS);
}

static uint64_t sum_of_registers(void)
{
	uint64_t ret;

	__asm__ volatile("movl $1, %%ebx\n\t"
			 "movl $20, %%r12d\n\t"
			 "movl $300, %%r13d\n\t"
			 "movl $4000, %%r8d\n\t"
			 "movl $50000, %%eax\n\t"
			 "movq %%rax, %%xmm7\n\t"
			 "leaq -128(%%rsp), %%rsp\n\t"
			 "std\n\t"
			 "stc\n\t"
			 "call target\n\t"
			 "pushfq\n\t"
			 "popq %%rdx\n\t"
			 "cld\n\t"
			 "andl $0x400, %%edx\n\t"
			 "addq %%rdx, %%rax\n\t"
			 "leaq 128(%%rsp), %%rsp"
			 : "=a"(ret)
			 :
			 : "rbx", "rcx", "rdx", "r8", "r12", "r13", "xmm7", "cc", "memory");
	return ret;
}

static void keeps_registers(void)
{
	confine((struct sock_fprog)PROGRAM(plain));
	for (int i = 0; i < CALLS; i++)
		CHECK(sum_of_registers() == 54321 + 0x400);
	printf("target %d\n", CALLS);
}

static void refused(void)
{
	confine((struct sock_fprog)PROGRAM(refuses));
	call_it();
}

/* ---- threads and children --------------------------------------------------------------------- */

static pthread_barrier_t confined;

static void *call_confined(void *unused)
{
	char *text = malloc(100);

	pthread_barrier_wait(&confined);
	for (int i = 0; i < CALLS; i++) {
		snprintf(text, 100, "%d", i);
		CHECK(atoi(text) == i);
		target();
	}
	free(text);
	return unused;
}

static void all_threads(void)
{
	struct sock_fprog program = PROGRAM(computed);
	pthread_t threads[3];

	pthread_barrier_init(&confined, NULL, 4);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, call_confined, NULL) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) ==
	      0);
	pthread_barrier_wait(&confined);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	printf("target %d\n", 3 * CALLS);
}

static void child(void)
{
	int status;

	confine((struct sock_fprog)PROGRAM(plain));
	if (fork() == 0) {
		for (int i = 0; i < CALLS; i++)
			target();
		_exit(7);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	printf("target %d\n", CALLS);
}

/* What is wrong must be refused as without us, and confines nobody. */
static void nonsense(void)
{
	struct sock_fprog none = {0, NULL}, nowhere = {3, (struct sock_filter *)8};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno == EFAULT);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &none) == -1 && errno == EINVAL);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &nowhere) == -1 && errno == EFAULT);
	CHECK(prctl(PR_GET_SECCOMP) == 0);
	call_it();
}

/* ---- signals that wait for the end of a trap -------------------------------------------------- */

enum { SIGNALS = 200 };

static sigjmp_buf back;
static volatile sig_atomic_t handled;
static volatile bool was_elsewhere;

/* Where objects are, but for the engine's. */
static struct range {
	uint64_t start, end;
} ranges[64];
static size_t count;

static int add_range(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	for (int i = 0; i < info->dlpi_phnum && !strstr(info->dlpi_name, "emuprobe"); i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type != PT_LOAD || !(header->p_flags & PF_X) || count == 64)
			continue;
		ranges[count].start = info->dlpi_addr + header->p_vaddr;
		ranges[count].end = ranges[count].start + header->p_memsz;
		count++;
	}
	return 0;
}

static bool is_in_program(uint64_t address)
{
	for (size_t i = 0; i < count; i++)
		if (address >= ranges[i].start && address < ranges[i].end)
			return true;
	return false;
}

/* While target() is called for ever, R12 holds the one, and before it does R13 the other. */
#define FIRST  0x1234567812345678
#define SECOND 0x7654321076543210

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (!is_in_program((uint64_t)regs[REG_RIP]) ||
	    (regs[REG_R12] == FIRST && regs[REG_R13] != SECOND))
		was_elsewhere = true;
	handled++;
	siglongjmp(back, 1);
}

static void call_for_ever(void)
{
	__asm__ volatile("movabs %1, %%r13\n\t"
			 "movabs %0, %%r12\n\t"
			 "leaq -128(%%rsp), %%rsp\n"
			 "1:\tcall target\n\t"
			 "jmp 1b"
			 :
			 : "i"(FIRST), "i"(SECOND)
			 : "memory");
}

static void signals(void)
{
	const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
	const struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};

	dl_iterate_phdr(add_range, NULL);
	sigaction(SIGALRM, &action, NULL);
	confine((struct sock_fprog)PROGRAM(plain));
	sigsetjmp(back, 1);
	if (handled < SIGNALS) {
		setitimer(ITIMER_REAL, &often, NULL);
		call_for_ever();
	}
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(!was_elsewhere);
}

int main(int argc, char **argv)
{
	static const struct check_case cases[] = {
		{"keeps_registers", keeps_registers},
		{"refused", refused},
		{"all_threads", all_threads},
		{"child", child},
		{"nonsense", nonsense},
		{"signals", signals},
		{NULL, NULL},
	};

	return check_main(argc, argv, cases);
}
