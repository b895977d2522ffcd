/* SPDX-License-Identifier: MIT */
/*
 * Claims: no call that may have one of our numbers is taken for another, wherever the number comes
 * from; calls with a constant of another number are left alone, and so are bytes that are no call.
 */
#include "probe/guard/number.h"

#include <criterion/criterion.h>
#include <sys/syscall.h>

#include "probe/engine/lock.h"
#include "probe/image/objects.h"

TestSuite(number, .timeout = 400);

#define OTHER  GUARD_NUMBER_OTHER
#define LIKELY GUARD_NUMBER_LIKELY
#define PROVEN GUARD_NUMBER_PROVEN
#define RETURN GUARD_NUMBER_RETURN

#define CALLS(X)                                                                                   \
	/* name       elsewhere   in libc */                                                       \
	X(in_sight, PROVEN, LIKELY)                                                                \
	X(other, OTHER, OTHER)                                                                     \
	X(behind_branch, LIKELY, LIKELY)                                                           \
	X(kept, PROVEN, LIKELY)                                                                    \
	X(kept_low, PROVEN, LIKELY)                                                                \
	X(kept_other, LIKELY, LIKELY)                                                              \
	X(kept_elsewhere, LIKELY, LIKELY)                                                          \
	X(long, PROVEN, LIKELY)                                                                    \
	X(near, LIKELY, OTHER)                                                                     \
	X(too_far, OTHER, OTHER)                                                                   \
	X(argument, LIKELY, LIKELY)                                                                \
	X(from_stack, LIKELY, LIKELY)                                                              \
	X(from_memory, LIKELY, LIKELY)                                                             \
	X(behind_call, LIKELY, LIKELY)                                                             \
	X(zero, OTHER, OTHER)                                                                      \
	X(no_code, OTHER, LIKELY)                                                                  \
	X(inside, OTHER, OTHER)                                                                    \
	X(restorer, OTHER, RETURN)

#define DECLARE(name, elsewhere, in_libc) extern const uint8_t number_##name##_call[];
CALLS(DECLARE)
#undef DECLARE

static const struct {
	const char *name;
	const uint8_t *at;
	enum guard_number expected[2];
} calls[] = {
#define ROW(name, elsewhere, in_libc) {#name, number_##name##_call, {elsewhere, in_libc}},
	CALLS(ROW)
#undef ROW
};

static const uint8_t *start_of_text(const struct objects_object *object, const uint8_t *at)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t start = object->base + phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && (uint64_t)at - start < phdr->p_memsz)
			return (const uint8_t *)start;
	}
	cr_assert_fail("%p is not in its object", (const void *)at);
	return NULL;
}

Test(number, is_known_wherever_it_comes_from)
{
	engine_lock();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct objects_object *object = objects_find((uint64_t)calls[i].at);

		cr_assert_not_null(object);
		for (int is_libc = 0; is_libc < 2; is_libc++) {
			enum guard_number found = guard_number(
				calls[i].at, start_of_text(object, calls[i].at), object, is_libc);

			cr_expect_eq(found, calls[i].expected[is_libc], "%s, libc %d: %d",
				     calls[i].name, is_libc, (int)found);
		}
	}
	engine_unlock();
}

static enum guard_number in_segment_from(const uint8_t *at, uint64_t bytes_before, bool is_libc)
{
	struct objects_object *object = objects_find((uint64_t)at);

	return guard_number(at, (const uint8_t *)((uint64_t)at - bytes_before), object, is_libc);
}

Test(number, is_not_looked_for_in_front_of_the_segment)
{
	engine_lock();
	cr_assert_eq(in_segment_from(number_in_sight_call, 11, false), PROVEN);
	cr_assert_neq(in_segment_from(number_in_sight_call, 10, false), PROVEN);
	cr_assert_neq(in_segment_from(number_in_sight_call, 0, false), PROVEN);
	cr_assert_eq(in_segment_from(number_restorer_call, 7, true), RETURN);
	cr_assert_neq(in_segment_from(number_restorer_call, 6, true), RETURN);
	engine_unlock();
}

Test(number, is_in_the_table_that_copies_look_at)
{
	const uint8_t *table = guard_numbers();
	size_t count = 0;

	for (size_t i = 0; i < XOL_GUARD_NUMBERS; i++)
		count += table[i];
	cr_assert_eq(count, 19);
	cr_assert(table[SYS_rt_sigaction] && table[SYS_rt_sigprocmask] && table[SYS_rt_sigreturn]);
	cr_assert(table[SYS_clone3] && table[SYS_execve] && table[SYS_sigaltstack]);
	cr_assert_not(table[SYS_read] || table[SYS_write] || table[SYS_clone] || table[SYS_futex]);
}
