/* SPDX-License-Identifier: MIT */
/*
 * Claims: exactly the bytes that were asked for change; what could not be written is said and is as
 * it was; pages keep their protection; where other threads are, nothing between the bytes is written.
 */
#include "probe/site/patch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "sys/barrier.h"
#include "sys/maps.h"
#include "sys/memory.h"

TestSuite(patch, .timeout = 400);

enum { PAGE = 4096, SIZE = 3 * PAGE, MAX = 512 };

static uint8_t *text;
static uint8_t expected[SIZE];
static struct patch_byte bytes[MAX];
static size_t count;

static void setup(void)
{
	cr_assert(sys_barrier_register());
	for (size_t i = 0; i < SIZE; i++)
		expected[i] = (uint8_t)(i * 7 + i / 256);
	text = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(text, MAP_FAILED);
	memcpy(text, expected, SIZE);
	cr_assert_eq(mprotect(text, SIZE, PROT_READ | PROT_EXEC), 0);
	count = 0;
}

/* Of what is asked to be written, and of what is expected to stand there then. */
static void add(size_t offset)
{
	expected[offset] ^= 0x55;
	bytes[count++] = (struct patch_byte){(uint64_t)text + offset, expected[offset], 1};
}

static void expect_written(void)
{
	cr_assert_eq(patch_write(bytes, count), 0);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(bytes[i].error, 0, "%zu", i);
	cr_assert_arr_eq(text, expected, SIZE);
}

struct search {
	uint64_t at;
	bool is_found, readable, writable, executable;
};

static void compare_mapping(const struct sys_mapping *mapping, void *data)
{
	struct search *search = data;

	if (search->at < mapping->lo || search->at >= mapping->hi)
		return;
	search->is_found = true;
	search->readable = mapping->readable;
	search->writable = mapping->writable;
	search->executable = mapping->executable;
}

static void expect_protection(size_t page, bool writable, bool executable)
{
	struct search search = {.at = (uint64_t)text + page * PAGE};

	cr_assert_eq(sys_maps_each(compare_mapping, &search), 0);
	cr_assert(search.is_found && search.readable);
	cr_assert_eq(search.writable, writable);
	cr_assert_eq(search.executable, executable);
}

static void expect_executable(void)
{
	for (size_t page = 0; page < SIZE / PAGE; page++)
		expect_protection(page, false, true);
}

/* Single ones, runs short and long, over the end of a page, in no order. */
static void add_various(void)
{
	add(PAGE + 100);
	for (size_t i = 0; i < 20; i++)
		add(300 + i);
	for (size_t i = 0; i < 5; i++)
		add(PAGE - 3 + i);
	add(0);
	add(SIZE - 1);
	add(7);
}

Test(patch, writes_the_bytes_and_no_others, .init = setup)
{
	add_various();
	expect_written();
	expect_executable();
}

Test(patch, writes_the_same_by_mprotect, .init = setup)
{
	patch_force_mprotect(true);
	cr_assert_not(patch_was_busy());
	add_various();
	expect_written();
	expect_executable();
	cr_assert(patch_was_busy());
	cr_assert_not(patch_is_busy((uint64_t)text + 100));
}

Test(patch, writes_nothing_when_nothing_is_asked, .init = setup)
{
	expect_written();
}

/* ---- many at once ---------------------------------------------------------------------------- */

/* A child of fork() has one thread, which a test of Criterion's has not. */
static void in_one_thread(void (*run)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		run();
		_exit(0);
	}
	waitpid(child, &status, 0);
	cr_assert_eq(status, 0, "%x", (unsigned int)status);
}

static void check(bool is_good)
{
	if (!is_good)
		_exit(1);
}

static void write_many(void)
{
	struct search search = {.at = (uint64_t)text};

	for (size_t i = 0; i < 200; i++)
		add(i * 31);
	for (size_t i = 0; i < 100; i++)
		add(SIZE - 1 - i * 17);
	for (size_t i = 0; i < 100; i++)
		add(i * 31 + 1 + i % 3);
	check(patch_write(bytes, count) == 0 && memcmp(text, expected, SIZE) == 0);
	check(!sys_maps_each(compare_mapping, &search) && search.executable && !search.writable);
}

/* All ascending bytes of a page are written by one call, where there is no other thread. */
Test(patch, writes_many_at_once, .init = setup)
{
	in_one_thread(write_many);
}

/* As the engine's handler does. */
static void skip_access(int sig, siginfo_t *info, void *ucontext)
{
	greg_t *rip = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	*rip = (greg_t)sys_fault_fixup((uint64_t)*rip);
}

/* A page that is not there fails alone, with all that was to be written to it. */
static void write_many_to_a_gap(void)
{
	struct sigaction action = {.sa_sigaction = skip_access, .sa_flags = SA_SIGINFO};
	size_t gone = 0;

	sigaction(SIGSEGV, &action, NULL);
	munmap(text + PAGE, PAGE);
	for (size_t i = 0; i < 300; i++) {
		add(i * 40);
		gone += bytes[i].address / PAGE == (uint64_t)text / PAGE + 1;
	}
	check(patch_write(bytes, count) == gone);
	for (size_t i = 0; i < count; i++) {
		bool is_gone = bytes[i].address / PAGE == (uint64_t)text / PAGE + 1;

		check(bytes[i].error == (is_gone ? -EP_NOT_WRITABLE : 0));
		check(is_gone || *(uint8_t *)bytes[i].address == bytes[i].byte);
	}
}

Test(patch, says_which_of_many_could_not_be_written, .init = setup)
{
	in_one_thread(write_many_to_a_gap);
}

/* ---- what it leaves behind ------------------------------------------------------------------- */

Test(patch, keeps_no_descriptor, .init = setup)
{
	int before = open("/dev/null", O_RDONLY), after;

	close(before);
	add(1);
	expect_written();
	after = open("/dev/null", O_RDONLY);
	cr_assert_eq(after, before);
}

Test(patch, leaves_generated_code_as_the_program_has_it, .init = setup)
{
	cr_assert_eq(mprotect(text + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	for (int by_mprotect = 0; by_mprotect < 2; by_mprotect++) {
		patch_force_mprotect(by_mprotect);
		count = 0;
		add(PAGE + 5);
		expect_written();
		expect_protection(1, true, true);
	}
	cr_assert_not(patch_was_busy(), "the page never stopped being executable");
}

/* ---- what cannot be written ------------------------------------------------------------------ */

static void expect_failure_of_second(size_t failures)
{
	cr_assert_eq(patch_write(bytes, count), failures);
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(bytes[i].error, i == 1 ? -EP_NOT_WRITABLE : 0, "%zu", i);
	cr_assert_eq(text[2], expected[2]);
	cr_assert_eq(text[SIZE - 1], expected[SIZE - 1]);
}

Test(patch, says_which_could_not_be_written, .init = setup)
{
	for (int by_mprotect = 0; by_mprotect < 2; by_mprotect++) {
		patch_force_mprotect(by_mprotect);
		munmap(text + PAGE, PAGE);
		count = 0;
		add(2);
		add(PAGE + 9);
		add(SIZE - 1);
		expect_failure_of_second(1);
	}
}

Test(patch, says_from_where_on_a_run_could_not_be_written, .init = setup)
{
	munmap(text + PAGE, PAGE);
	for (size_t i = 0; i < 5; i++)
		add(PAGE - 2 + i);
	cr_assert_eq(patch_write(bytes, count), 3);
	for (size_t i = 0; i < 5; i++)
		cr_expect_eq(bytes[i].error, i < 2 ? 0 : -EP_NOT_WRITABLE, "%zu", i);
	cr_assert_arr_eq(text, expected, PAGE);
}

Test(patch, says_that_the_barrier_was_refused)
{
	static uint8_t data[2];

	bytes[0] = (struct patch_byte){(uint64_t)&data[1], 0xcc, 1};
	cr_assert_eq(patch_write(bytes, 1), 1, "nobody has registered for it");
	cr_assert_eq(bytes[0].error, 0);
	cr_assert_eq(data[1], 0xcc);
}

/* Of the system call @nr, when one of the bits of @bits is set in the argument @argument. */
static void forbid(uint32_t nr, uint32_t argument, uint32_t bits, uint32_t action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

Test(patch, touches_no_page_that_could_not_become_executable_again, .init = setup)
{
	uint8_t before = text[5];

	patch_force_mprotect(true);
	forbid(SYS_mprotect, 2, PROT_EXEC, SECCOMP_RET_ERRNO | EACCES);
	bytes[0] = (struct patch_byte){(uint64_t)text + 5, (uint8_t)~before, 0};
	cr_assert_eq(patch_write(bytes, 1), 1);
	cr_assert_eq(bytes[0].error, -EP_NOT_WRITABLE);
	cr_assert_eq(text[5], before);
	expect_executable();
}

/* ---- where there are other threads ------------------------------------------------------------- */

static void *wait_forever(void *data)
{
	for (;;)
		pause();
	return data;
}

/* What stands between the bytes may be changing: it is not written, not even as it was. */
Test(patch, writes_nothing_between_where_there_are_other_threads, .init = setup)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, wait_forever, NULL), 0);
	for (size_t i = 0; i < 100; i++)
		add(i * 40);
	forbid(SYS_pwrite64, 2, ~15u, SECCOMP_RET_KILL_PROCESS); /* of 16 bytes or more */
	expect_written();
}

/* ---- before a core dump ---------------------------------------------------------------------- */

Test(patch, writes_what_a_dying_process_asks_for, .init = setup)
{
	static const uint8_t code[] = {1, 2, 3, 4, 5};
	long fd = patch_open();

	cr_assert_geq(fd, 0);
	cr_assert(patch_write_raw(fd, (uint64_t)text + PAGE - 2, code, sizeof(code)));
	cr_assert_arr_eq(text + PAGE - 2, code, sizeof(code));
	munmap(text, PAGE);
	cr_assert_not(patch_write_raw(fd, (uint64_t)text, code, sizeof(code)));
	patch_close(fd);
	cr_assert_eq(fcntl((int)fd, F_GETFD), -1);
}
