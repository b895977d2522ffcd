/* SPDX-License-Identifier: MIT */
/* Callers that are careless: nothing crashes, hangs, or counts what it should not. */
#include <criterion/criterion.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/unit/probe/functions.h"

TestSuite(misuse, .timeout = 400);

#define PLACE ((const void *)starts_with_push)

static struct ep_probe *create(ep_handler handler, uint32_t flags)
{
	struct ep_options options = {.size = sizeof(options), .handler = handler, .flags = flags};
	struct ep_probe *probe = NULL;

	cr_assert_eq(ep_probe_create(PLACE, &options, &probe), 0);
	return probe;
}

static uint64_t hits_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	return info.hits;
}

static void call(int times)
{
	while (times--)
		cr_assert_eq(starts_with_push(1, 2), 3);
}

static void count(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	++*(int *)cookie;
}

/* ---- what is no probe ---------------------------------------------------------------------- */

static void check_that_it_is_none(struct ep_probe *handle)
{
	struct ep_info info = {.size = sizeof(info)};

	ep_probe_enable(handle);
	ep_probe_disable(handle);
	cr_expect_eq(ep_probe_info(handle, &info), -EP_INVALID, "%p", (void *)handle);
	cr_expect_eq(ep_probe_remove(handle), -EP_INVALID, "%p", (void *)handle);
}

Test(misuse, the_same_probe_twice_in_a_batch)
{
	uint8_t before[8];
	struct ep_probe *other, *batch[4];

	memcpy(before, PLACE, sizeof(before));
	for (int round = 0; round < 3; round++) {
		other = create(NULL, 0);
		batch[0] = batch[2] = batch[3] = create(NULL, 0);
		batch[1] = NULL;
		cr_expect_eq(ep_probe_remove_batch(batch, 4), -EP_INVALID);
		call(2);
		cr_expect_eq(hits_of(other), 2);
		cr_expect_eq(ep_probe_remove_batch(&other, 1), 0);
		cr_expect_arr_eq(before, PLACE, sizeof(before));
	}
}

Test(misuse, a_removed_probe_is_none)
{
	struct ep_probe *old = create(NULL, 0), *new;

	cr_assert_eq(ep_probe_remove(old), 0);
	check_that_it_is_none(old);
	new = create(NULL, 0);
	cr_expect_neq(old, new, "nobody could tell them apart");
	call(3);
	check_that_it_is_none(old);
	call(4);
	cr_expect_eq(hits_of(new), 7, "not the new one's affair");
	cr_expect_eq(ep_probe_remove(new), 0);
}

Test(misuse, what_is_no_probe_at_all)
{
	struct ep_probe *probe = create(NULL, 0);
	uint64_t handle = (uint64_t)probe,
		 wrong[] = {0,
			    1,
			    2,
			    handle + 1,
			    handle & UINT32_MAX,
			    handle + (1ul << 32),
			    handle ^ (1ul << 63),
			    UINT64_MAX,
			    UINT64_MAX << 32,
			    (uint64_t)&handle,
			    (uint64_t)PLACE,
			    (handle & ~(uint64_t)UINT32_MAX) | INT32_MAX,
			    (handle & ~(uint64_t)UINT32_MAX) | UINT32_MAX};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_that_it_is_none((struct ep_probe *)wrong[i]);
	for (uint64_t bit = 1; bit; bit <<= 1)
		check_that_it_is_none((struct ep_probe *)(handle ^ bit));
	call(2);
	cr_expect_eq(hits_of(probe), 2);
}

Test(misuse, many_probes_have_different_handles)
{
	enum { COUNT = 3000 };
	static struct ep_probe *probes[COUNT];

	for (int i = 0; i < COUNT; i++)
		probes[i] = create(NULL, i % 2 ? EP_DISABLED : 0);
	call(2);
	for (int i = 0; i < COUNT; i++)
		cr_assert_eq(hits_of(probes[i]), i % 2 ? 0 : 2, "%d", i);
	cr_expect_eq(ep_probe_remove_batch(probes, COUNT), 0);
	cr_expect_eq(ep_probe_remove_batch(probes, COUNT), -EP_INVALID);
}

/* ---- NULL, and sizes ----------------------------------------------------------------------- */

Test(misuse, null)
{
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe, **probes;
	struct ep_error_at at;
	size_t found;

	cr_expect_eq(ep_probe_create(PLACE, NULL, NULL), -EP_INVALID);
	cr_expect_eq(ep_probe_create(NULL, NULL, &probe), -EP_NOT_EXECUTABLE);
	cr_expect_eq(ep_probe_create_batch(NULL, 3), 3);
	cr_expect_eq(ep_probe_create_batch(NULL, 0), 0);
	cr_expect_eq(ep_probe_remove_batch(NULL, 3), -EP_INVALID);
	cr_expect_eq(ep_probe_remove_batch(NULL, 0), 0);
	check_that_it_is_none(NULL);
	probe = create(NULL, 0);
	cr_expect_eq(ep_probe_info(probe, NULL), -EP_INVALID);
	cr_expect_eq(ep_check(PLACE, NULL, NULL), -EP_INVALID);
	cr_expect_eq(ep_check(NULL, NULL, &info), -EP_NOT_EXECUTABLE);
	cr_expect_eq(ep_resolve(NULL, NULL, NULL), -EP_INVALID);
	cr_expect_eq(ep_resolve(&(struct ep_place){0}, NULL, NULL), -EP_INVALID);
	cr_expect_eq(ep_watch_objects(NULL, NULL), -EP_INVALID);
	cr_expect_eq(ep_unwatch_objects(NULL, NULL), -EP_INVALID);
	cr_expect_eq(ep_define(NULL, NULL, &probes, &found, &at), -EP_INVALID);
	cr_expect_eq(ep_define("p malloc", NULL, NULL, &found, NULL), -EP_INVALID);
	cr_expect_eq(ep_define("p malloc", NULL, &probes, NULL, NULL), -EP_INVALID);
	for (int code = INT_MIN; code < INT_MIN + 3; code++)
		cr_expect_str_eq(ep_strerror(code), "unknown error");
	cr_expect_str_eq(ep_error_name(INT_MAX), "EP_UNKNOWN");
	cr_expect_str_eq(ep_plan_name((enum ep_plan) - 1), "unknown");
}

Test(misuse, batches_larger_than_memory)
{
	struct ep_request request = {.addr = PLACE};
	struct ep_probe *probe = create(NULL, 0);

	cr_expect_eq(ep_probe_create_batch(&request, SIZE_MAX), SIZE_MAX);
	cr_expect_eq(ep_probe_remove_batch(&probe, SIZE_MAX), -EP_INVALID);
	cr_expect_eq(ep_probe_remove_batch(&probe, SIZE_MAX / 2), -EP_INVALID);
	cr_expect_eq(hits_of(probe), 0);
}

Test(misuse, sizes_of_options)
{
	static const size_t wrong[] = {0, 1, 7, 12, 28, 4104, 1ul << 40, SIZE_MAX - 7, SIZE_MAX};
	struct ep_options options = {.handler = count};
	struct ep_probe *probe;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		options.size = wrong[i];
		cr_expect_eq(ep_probe_create(PLACE, &options, &probe), -EP_INVALID, "%zu",
			     wrong[i]);
	}
	options.size = 8;
	cr_assert_eq(ep_probe_create(PLACE, &options, &probe), 0);
	call(2); /* and its handler is not known */
	cr_expect_eq(hits_of(probe), 2);
}

Test(misuse, sizes_of_info)
{
	struct ep_probe *probe = create(NULL, 0);

	for (size_t size = 0; size < sizeof(struct ep_info) + 64; size++) {
		union {
			struct ep_info info;
			char bytes[sizeof(struct ep_info) + 128];
		} room;
		bool right = size >= offsetof(struct ep_info, hits) && size % 8 == 0;

		memset(&room, 'x', sizeof(room));
		room.info.size = size;
		cr_assert_eq(ep_probe_info(probe, &room.info), right ? 0 : -EP_INVALID, "%zu",
			     size);
		cr_assert_eq(room.bytes[size > sizeof(size) ? size : sizeof(size)], 'x');
		if (right && size > offsetof(struct ep_info, object))
			cr_assert(memchr(room.info.object, 0,
					 size - offsetof(struct ep_info, object)));
	}
}

/* ---- from handlers ------------------------------------------------------------------------- */

static int stop_at(const struct ep_match *match, void *data)
{
	(void)match;
	(void)data;
	return 1;
}

static void on_object(const struct ep_object *object, int loaded, void *data)
{
	(void)object;
	(void)loaded;
	(void)data;
}

static int calls_of_all;

static void call_all(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct ep_place place = {.symbol = "main"};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_request request = {.addr = PLACE};
	struct ep_probe *made = NULL;

	(void)regs;
	(void)cookie;
	calls_of_all++;
	cr_expect_eq(ep_probe_create(PLACE, NULL, &made), -EP_IN_HANDLER);
	cr_expect_eq(ep_probe_create_batch(&request, 1), 1);
	cr_expect_eq(request.error, -EP_IN_HANDLER);
	cr_expect_eq(ep_probe_info(probe, &info), -EP_IN_HANDLER);
	cr_expect_eq(ep_check(PLACE, NULL, &info), -EP_IN_HANDLER);
	cr_expect_eq(ep_resolve(&place, stop_at, NULL), -EP_IN_HANDLER);
	cr_expect_eq(ep_watch_objects(on_object, NULL), -EP_IN_HANDLER);
	cr_expect_eq(ep_unwatch_objects(on_object, NULL), -EP_IN_HANDLER);
	ep_probe_disable(probe);
	ep_probe_enable(probe);
	cr_expect_eq(ep_probe_remove(probe), 0);
	cr_expect_eq(ep_probe_remove(probe), -EP_INVALID);
	ep_probe_enable(probe);
}

Test(misuse, everything_from_a_handler)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		struct ep_options options = {
			.size = sizeof(options), .handler = call_all, .plan = plan};
		struct ep_probe *probe;

		calls_of_all = 0;
		cr_assert_eq(ep_probe_create(PLACE, &options, &probe), 0);
		call(3);
		cr_expect_eq(calls_of_all, 1);
		check_that_it_is_none(probe);
	}
}

static int create_there(const struct ep_match *match, void *data)
{
	struct ep_probe *probe;
	int error = ep_probe_create(match->addr, NULL, &probe);

	if (!error)
		error = ep_probe_remove(probe);
	*(int *)data += !error;
	return error;
}

Test(misuse, probes_made_while_places_are_looked_up)
{
	const struct ep_place place = {.object = "libc.so.6", .symbol = "strto[a-z]*"};
	int made = 0;

	cr_expect_eq(ep_resolve(&place, create_there, &made), 0);
	cr_expect_gt(made, 1);
}

/* ---- many at once -------------------------------------------------------------------------- */

enum { TOGGLERS = 3 };

static struct ep_probe *shared;
static pthread_barrier_t barrier;
static atomic_bool stop;
static _Atomic int removed;

static void *toggle(void *data)
{
	int rounds = *(const int *)data;

	for (int i = 0; i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		for (int j = 0; j < 4; j++) {
			ep_probe_enable(shared);
			ep_probe_disable(shared);
		}
		ep_probe_enable(shared);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* What was counted while nobody changed anything stays counted, and what was not is not. */
Test(misuse, threads_that_enable_and_disable_lose_no_count)
{
	int rounds = 20000;
	pthread_t threads[TOGGLERS];
	uint64_t wanted = 0;

	shared = create(NULL, 0);
	pthread_barrier_init(&barrier, NULL, TOGGLERS + 1);
	for (int i = 0; i < TOGGLERS; i++)
		pthread_create(&threads[i], NULL, toggle, &rounds);
	for (int i = 0; i < rounds; i++) {
		call(3);
		wanted += 3;
		ep_probe_disable(shared);
		call(5);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		cr_assert_eq(hits_of(shared), wanted, "round %d: %lu, not %lu", i, hits_of(shared),
			     wanted);
	}
	for (int i = 0; i < TOGGLERS; i++)
		pthread_join(threads[i], NULL);
}

static void *toggle_for_ever(void *data)
{
	(void)data;
	while (!stop) {
		ep_probe_disable(shared);
		ep_probe_enable(shared);
	}
	return NULL;
}

static void toggle_in_handler(int sig)
{
	(void)sig;
	ep_probe_disable(shared);
	ep_probe_enable(shared);
}

/* Signals interrupt those that change it. Never more hits than calls, and no less than there were. */
Test(misuse, signal_handlers_that_enable_and_disable_lose_no_count)
{
	const struct itimerval often = {{0, 200}, {0, 200}};
	struct sigaction action = {.sa_handler = toggle_in_handler, .sa_flags = SA_RESTART};
	uint64_t calls = 0, last = 0;
	pthread_t threads[TOGGLERS];

	shared = create(NULL, 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < TOGGLERS; i++)
		pthread_create(&threads[i], NULL, toggle_for_ever, NULL);
	for (int i = 0; i < 20000; i++) {
		call(10);
		calls += 10;
		cr_assert_leq(hits_of(shared), calls);
	}
	stop = true;
	for (int i = 0; i < TOGGLERS; i++)
		pthread_join(threads[i], NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	last = hits_of(shared);
	cr_assert_leq(last, calls);
	call(10);
	cr_assert_eq(hits_of(shared), last + 10);
}

static void *remove_shared(void *data)
{
	(void)data;
	pthread_barrier_wait(&barrier);
	removed += ep_probe_remove(shared) == 0;
	return NULL;
}

Test(misuse, threads_that_remove_the_same_probe)
{
	pthread_t threads[TOGGLERS];

	pthread_barrier_init(&barrier, NULL, TOGGLERS);
	for (int round = 0; round < 200; round++) {
		shared = create(NULL, 0);
		removed = 0;
		for (int i = 0; i < TOGGLERS; i++)
			pthread_create(&threads[i], NULL, remove_shared, NULL);
		for (int i = 0; i < TOGGLERS; i++)
			pthread_join(threads[i], NULL);
		cr_assert_eq(removed, 1);
		call(1);
	}
}

Test(misuse, unknown_bits_of_a_place)
{
	struct ep_place place = {.symbol = "starts_with_push", .is_literal = EP_LITERAL_SYMBOL};

	cr_expect_eq(ep_resolve(&place, stop_at, NULL), 1);
	place.is_literal = -1;
	cr_expect_eq(ep_resolve(&place, stop_at, NULL), -EP_INVALID);
	place.is_literal = 4;
	cr_expect_eq(ep_resolve(&place, stop_at, NULL), -EP_INVALID);
}
