/* SPDX-License-Identifier: MIT */
/* At which return addresses an unwinder can go on, asked while objects come and go. */
#include "probe/image/callers.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/image/objects.h"

TestSuite(callers, .timeout = 400);

#define QUESTIONS 1000000
#define LOADS	  300

/* Two that follow each other: what is known of the first does not hold for the second. */
__asm__(".text\n\t.balign 16\n"
	"callers_known:\n\t.cfi_startproc\n\tnop\n\tret\n\t.cfi_endproc\n"
	"callers_unknown:\n\tnop\n\tret\n\t.balign 16\n");
extern const uint8_t callers_known[], callers_unknown[];

static void start(void)
{
	engine_lock();
	cr_assert_eq(engine_start(), 0);
	cr_assert_eq(callers_start(), 0);
	engine_unlock();
}

static uint64_t symbol(void *object, const char *name)
{
	void *ret = dlsym(object, name);

	cr_assert_not_null(ret, "%s", name);
	return (uint64_t)ret;
}

Test(callers, known_by_their_last_byte)
{
	start();
	cr_expect(callers_can_be_unwound(symbol(RTLD_DEFAULT, "qsort") + 1));
	cr_expect(callers_can_be_unwound((uint64_t)__builtin_return_address(0)));
	cr_expect(callers_can_be_unwound((uint64_t)callers_known + 1));
	cr_expect(callers_can_be_unwound((uint64_t)callers_known + 2), "behind a call at the end");
	cr_expect_not(callers_can_be_unwound((uint64_t)callers_unknown + 1));
	cr_expect_not(callers_can_be_unwound((uint64_t)callers_unknown + 2));
}

Test(callers, each_byte_of_each_function_with_unwind_information)
{
	struct objects_object *libc;
	size_t count = 0;

	start();
	engine_lock();
	libc = objects_find(symbol(RTLD_DEFAULT, "qsort"));
	cr_assert_not_null(libc);
	cr_assert_eq(objects_read_fdes(libc), 0);
	engine_unlock();
	for (size_t i = 0; i < libc->function_count; i++) {
		const struct objects_function *function = &libc->functions[i];

		if (function->kind != OBJECTS_FDE || function->end <= function->start)
			continue;
		cr_expect(callers_can_be_unwound(function->start + 1));
		cr_expect(callers_can_be_unwound(function->end));
		count++;
	}
	cr_expect_gt(count, 1000);
}

Test(callers, not_before_anybody_asked)
{
	cr_expect_not(callers_can_be_unwound((uint64_t)callers_known + 1));
	engine_lock();
	cr_assert_eq(engine_start(), 0);
	callers_refresh();
	engine_unlock();
	cr_expect_not(callers_can_be_unwound((uint64_t)callers_known + 1));
}

Test(callers, in_no_object)
{
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	start();
	cr_assert_neq(memory, MAP_FAILED);
	cr_expect_not(callers_can_be_unwound((uint64_t)memory + 16));
	cr_expect_not(callers_can_be_unwound((uint64_t)&memory));
	for (uint64_t at = 0; vdso && at < 8192; at++)
		cr_expect_not(callers_can_be_unwound(vdso + at));
	cr_expect_not(callers_can_be_unwound(0));
	cr_expect_not(callers_can_be_unwound(1));
	cr_expect_not(callers_can_be_unwound(UINT64_MAX));
	cr_expect_not(callers_can_be_unwound(1ul << 63));
}

/* ---- objects come and go ------------------------------------------------------------------- */

static void *load(void)
{
	void *ret = dlopen(EP_SMALL_OBJECT, RTLD_NOW);

	cr_assert_not_null(ret, "%s", dlerror());
	return ret;
}

Test(callers, know_what_is_loaded)
{
	uint64_t address;
	void *object;

	start();
	for (int i = 0; i < 5; i++) {
		object = load();
		address = symbol(object, "small_add") + 1;
		cr_expect(callers_can_be_unwound(address));
		dlclose(object);
		cr_expect_not(callers_can_be_unwound(address));
	}
}

/* A file of its own, which the loader takes for another object. */
static void *load_copy(void)
{
	char path[64], bytes[4096];
	int from = open(EP_SMALL_OBJECT, O_RDONLY | O_CLOEXEC), to = memfd_create("copy", 0);
	void *ret;

	for (ssize_t size; (size = read(from, bytes, sizeof(bytes))) > 0;)
		cr_assert_eq(write(to, bytes, (size_t)size), size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	ret = dlopen(path, RTLD_NOW);
	cr_assert_not_null(ret, "%s", dlerror());
	close(from);
	return ret;
}

/* More than there was room for. */
Test(callers, of_many_objects)
{
	enum { COPIES = 100 };
	void *objects[COPIES];

	start();
	for (int i = 0; i < COPIES; i++)
		objects[i] = load_copy();
	for (int i = 0; i < COPIES; i++)
		cr_expect(callers_can_be_unwound(symbol(objects[i], "small_add") + 1));
	cr_expect(callers_can_be_unwound(symbol(RTLD_DEFAULT, "qsort") + 1));
}

static _Atomic uint64_t asked;
static atomic_bool stop;

static void *ask(void *data)
{
	uint64_t always = symbol(RTLD_DEFAULT, "qsort") + 1;
	uint64_t *wrong = data;

	for (int i = 0; i < QUESTIONS; i++) {
		*wrong += !callers_can_be_unwound(always);
		callers_can_be_unwound(asked);
		*wrong += callers_can_be_unwound((uint64_t)callers_unknown + 1);
	}
	stop = true;
	return NULL;
}

Test(callers, asked_while_objects_come_and_go)
{
	uint64_t wrong = 0, loads = 0, missed = 0;
	pthread_t thread;

	start();
	asked = (uint64_t)callers_known;
	cr_assert_eq(pthread_create(&thread, NULL, ask, &wrong), 0);
	while (!stop || loads < LOADS) {
		void *object = load();

		asked = symbol(object, "small_add") + 1;
		missed += !callers_can_be_unwound(asked);
		dlclose(object);
		loads++;
	}
	pthread_join(thread, NULL);
	cr_expect_eq(wrong, 0);
	cr_expect_eq(missed, 0);
}
