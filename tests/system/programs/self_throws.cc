/* SPDX-License-Identifier: MIT */
// Exceptions and forced unwinding through calls that are followed: each call ends once, as what it
// was, and the exception arrives where it does in a program without probes. "self_throws [CASE]".
#include <atomic>
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <emuprobe.h>
#include <exception>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 8, DEPTHS = 50 };

#define NOINLINE __attribute__((noipa))

static inline __attribute__((always_inline)) void stay(void)
{
	__asm__ volatile("" : : : "memory");
}

/* ---- probes -------------------------------------------------------------------------------- */

struct followed {
	struct ep_probe *probe;
	std::atomic<uint64_t> wrong;
};

static void on_entry(struct ep_probe *, struct ep_regs *regs, struct ep_call *call, void *)
{
	call->words[0] = regs->rsp;
	call->words[1] = regs->rsp * 3 + 1;
}

static void on_end(struct ep_probe *, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	struct followed *followed = static_cast<struct followed *>(cookie);

	if (call->words[1] != call->words[0] * 3 + 1 ||
	    (call->end == EP_END_RETURN) != (regs != nullptr) ||
	    (regs && regs->rsp != call->words[0] + 8))
		followed->wrong++;
	call->words[1] = 0;
}

template <typename function>
static void begin(struct followed *followed, function *target, enum ep_plan plan)
{
	struct ep_options options = {};
	int error;

	followed->wrong = 0;
	options.size = sizeof(options);
	options.plan = plan;
	options.cookie = followed;
	options.entered = on_entry;
	options.ended = on_end;
	error = ep_probe_create(reinterpret_cast<const void *>(target), &options, &followed->probe);
	if (error)
		printf("%s: %s\n", ep_plan_name(plan), ep_strerror(error));
	CHECK(error == 0);
}

static void end(struct followed *followed, enum ep_plan plan, uint64_t hits, uint64_t returns,
		uint64_t unwound, uint64_t abandoned = 0)
{
	struct ep_info info = {};

	info.size = sizeof(info);
	CHECK(ep_probe_info(followed->probe, &info) == 0);
	if (info.hits != hits || info.returns != returns || info.unwound != unwound ||
	    info.abandoned != abandoned || info.missed || followed->wrong) {
		CHECK(false);
		printf("%s, %s: hits %lu of %lu, returns %lu of %lu, unwound %lu of %lu, abandoned "
		       "%lu of %lu, missed %lu, wrong %lu\n",
		       info.symbol, ep_plan_name(plan), info.hits, hits, info.returns, returns,
		       info.unwound, unwound, info.abandoned, abandoned, info.missed,
		       followed->wrong.load());
	}
	CHECK(ep_probe_remove(followed->probe) == 0);
}

static void in_threads(unsigned int count, void *(*work)(void *), void *data = nullptr)
{
	pthread_t threads[THREADS];

	for (unsigned int i = 0; i < count; i++)
		CHECK(pthread_create(&threads[i], nullptr, work, data) == 0);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], nullptr);
}

static std::atomic<uint64_t> differ, destroyed;

struct counted {
	~counted()
	{
		destroyed++;
	}
};

/* Under each plan, alone and in threads. */
static void each(void (*check)(enum ep_plan plan, uint64_t threads))
{
	for (int plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		differ = destroyed = 0;
		check(static_cast<enum ep_plan>(plan), 1);
		CHECK(differ == 0);
		differ = destroyed = 0;
		check(static_cast<enum ep_plan>(plan), THREADS);
		CHECK(differ == 0);
	}
}

/* ---- through ------------------------------------------------------------------------------- */

NOINLINE static long throws(long depth, long number)
{
	counted here;

	if (depth == 0) {
		if (number % 4 == 3)
			throw std::runtime_error(std::to_string(number));
		throw number;
	}
	long ret = throws(depth - 1, number);
	stay();
	return ret + 1;
}

/* Where the exception arrives, and the function returns. */
NOINLINE static long catches(long depth, long number)
{
	try {
		return throws(depth, number);
	} catch (long caught) {
		return caught;
	} catch (const std::exception &caught) {
		return std::stol(caught.what());
	}
}

static void *throw_all(void *data)
{
	for (long i = 1; i <= DEPTHS; i++)
		differ += catches(i - 1, i) != i;
	return data;
}

static void check_through(enum ep_plan plan, uint64_t threads)
{
	struct followed through, in;
	uint64_t calls = threads * DEPTHS * (DEPTHS + 1) / 2;

	begin(&through, throws, plan);
	begin(&in, catches, plan);
	in_threads(static_cast<unsigned int>(threads), throw_all);
	CHECK(destroyed == calls);
	end(&through, plan, calls, 0, calls);
	end(&in, plan, threads * DEPTHS, threads * DEPTHS, 0);
}

static void through_many_frames(void)
{
	each(check_through);
}

/* ---- again and again ----------------------------------------------------------------------- */

NOINLINE static long rethrows(long depth, long number)
{
	try {
		return depth ? rethrows(depth - 1, number) + 1 : throws(2, number);
	} catch (long &caught) {
		caught++;
		throw;
	} catch (const std::exception &caught) {
		throw std::logic_error(caught.what() + std::string("+"));
	}
}

static void *rethrow_all(void *data)
{
	for (long i = 1; i <= DEPTHS; i++)
		try {
			rethrows(i - 1, i);
			differ++;
		} catch (long caught) {
			differ += caught != i + i;
		} catch (const std::exception &caught) {
			differ += strlen(caught.what()) !=
				  std::to_string(i).size() + static_cast<size_t>(i);
		}
	return data;
}

static void check_again(enum ep_plan plan, uint64_t threads)
{
	struct followed again, through;
	uint64_t calls = threads * DEPTHS * (DEPTHS + 1) / 2;

	begin(&again, rethrows, plan);
	begin(&through, throws, plan);
	in_threads(static_cast<unsigned int>(threads), rethrow_all);
	end(&again, plan, calls, 0, calls);
	end(&through, plan, threads * DEPTHS * 3, 0, threads * DEPTHS * 3);
}

static void thrown_again_by_each_frame(void)
{
	each(check_again);
}

/* ---- in destructors ------------------------------------------------------------------------ */

struct throwing {
	long number;
	~throwing()
	{
		differ += catches(3, number) != number;
	}
};

NOINLINE static long cleans(long depth)
{
	throwing here = {depth + 1};

	if (depth == 0)
		throw depth;
	long ret = cleans(depth - 1);
	stay();
	return ret + here.number;
}

static void *clean_all(void *data)
{
	for (long i = 0; i < 20; i++)
		try {
			cleans(i);
			differ++;
		} catch (long caught) {
			differ += caught != 0;
		}
	return data;
}

static void check_destructors(enum ep_plan plan, uint64_t threads)
{
	struct followed cleaning, through, in;
	uint64_t calls = threads * 20 * 21 / 2;

	begin(&cleaning, cleans, plan);
	begin(&through, throws, plan);
	begin(&in, catches, plan);
	in_threads(static_cast<unsigned int>(threads), clean_all);
	end(&cleaning, plan, calls, 0, calls);
	end(&through, plan, calls * 4, 0, calls * 4);
	end(&in, plan, calls, calls, 0);
}

static void thrown_and_caught_in_destructors(void)
{
	each(check_destructors);
}

/* ---- on other stacks ----------------------------------------------------------------------- */

enum { STACK_SIZE = 65536, FIBERS = 4 };

struct fiber {
	ucontext_t context;
	long number, result;
};

static thread_local struct fiber fibers[FIBERS];
static thread_local ucontext_t outside;
static thread_local int running;

/* They wait in probed calls, above and below that which throws; every other one throws out of them. */
NOINLINE static long waits(long depth)
{
	int self = running;

	if (depth == 0)
		swapcontext(&fibers[self].context, &outside);
	long ret = depth ? waits(depth - 1) : catches(4, self + 1);
	stay();
	if (self % 2)
		throw ret;
	return ret;
}

NOINLINE static long catches_all(long depth)
{
	try {
		return waits(depth);
	} catch (long caught) {
		return caught;
	}
}

static void run_fiber(void)
{
	int self = running;

	fibers[self].result = catches_all(3);
	swapcontext(&fibers[self].context, &outside);
	abort();
}

static void resume(int number)
{
	running = number;
	swapcontext(&outside, &fibers[number].context);
}

static void *run_fibers(void *data)
{
	char *stacks =
		static_cast<char *>(mmap(nullptr, FIBERS * STACK_SIZE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	static const int order[FIBERS] = {2, 1, 0, 3};

	for (int i = 0; i < FIBERS; i++) {
		getcontext(&fibers[i].context);
		fibers[i].context.uc_stack.ss_sp = stacks + i * STACK_SIZE;
		fibers[i].context.uc_stack.ss_size = STACK_SIZE;
		makecontext(&fibers[i].context, run_fiber, 0);
		resume(i);
	}
	differ += catches(7, 9) != 9;
	for (int i : order) {
		resume(i);
		differ += fibers[i].result != i + 1;
	}
	differ += catches(7, 9) != 9;
	munmap(stacks, FIBERS * STACK_SIZE);
	return data;
}

static void check_stacks(enum ep_plan plan, uint64_t threads)
{
	struct followed waiting, through, in;

	begin(&waiting, waits, plan);
	begin(&through, throws, plan);
	begin(&in, catches, plan);
	in_threads(static_cast<unsigned int>(threads), run_fibers);
	end(&waiting, plan, threads * FIBERS * 4, threads * FIBERS * 2, threads * FIBERS * 2);
	end(&through, plan, threads * (FIBERS * 5 + 16), 0, threads * (FIBERS * 5 + 16));
	end(&in, plan, threads * (FIBERS + 2), threads * (FIBERS + 2), 0);
}

static void thrown_while_others_wait(void)
{
	each(check_stacks);
}

/* ---- over what was left by a jump ---------------------------------------------------------- */

static thread_local jmp_buf landing;
static volatile bool never; /* so that the compiler believes in an end */

NOINLINE static long leaves(long depth)
{
	if (depth == 0)
		longjmp(landing, 1);
	if (never)
		return 0;
	long ret = leaves(depth - 1);
	stay();
	return ret + 1;
}

/* Its frame lies where calls were left, and does not touch what is there. */
NOINLINE static long throws_above(long number)
{
	volatile char room[4096];

	room[0] = 0;
	if (number % 2)
		throw number;
	throws(2, number);
	return room[0];
}

/* It was entered before the calls that are left. */
NOINLINE static long throws_below(long number)
{
	if (setjmp(landing) == 0)
		leaves(10);
	return throws_above(number) + 1;
}

static void *throw_below(void *data)
{
	for (long i = 1; i < 20; i++)
		try {
			throws_below(i);
			differ++;
		} catch (long caught) {
			differ += caught != i;
		}
	return data;
}

NOINLINE static void wipe_stack(void)
{
	volatile char bytes[65536];

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = 0;
}

NOINLINE static long plain(long number)
{
	stay();
	return number + 1;
}

static void *throw_and_wipe(void *data)
{
	throw_below(data);
	wipe_stack();
	for (long i = 0; i < 10; i++)
		differ += plain(i) != i + 1;
	return data;
}

static void check_left(enum ep_plan plan, uint64_t threads)
{
	struct followed left, through, below, after;
	uint64_t times = 19 * threads;

	begin(&left, leaves, plan);
	begin(&through, throws, plan);
	begin(&below, throws_below, plan);
	begin(&after, plain, plan);
	in_threads(static_cast<unsigned int>(threads), throw_and_wipe);
	end(&left, plan, 11 * times, 0, 0, 11 * times);
	end(&through, plan, 3 * 9 * threads, 0, 3 * 9 * threads);
	end(&below, plan, times, 0, times);
	end(&after, plan, 10 * threads, 10 * threads, 0);
}

static void thrown_over_what_was_left_by_a_jump(void)
{
	each(check_left);
}

/* ---- forced -------------------------------------------------------------------------------- */

static std::atomic<uint64_t> waiting_threads;

NOINLINE static long exits(long depth, bool is_cancelled)
{
	counted here;

	try {
		if (depth == 0) {
			if (!is_cancelled)
				pthread_exit(nullptr);
			waiting_threads++;
			for (;;)
				pause();
		}
		long ret = exits(depth - 1, is_cancelled);
		stay();
		return ret + 1;
	} catch (int) { /* not this */
		differ++;
		return 0;
	}
}

static void *exit_deep(void *data)
{
	exits(20, data != nullptr);
	differ++;
	return data;
}

static void cancel_all(uint64_t count)
{
	pthread_t threads[THREADS];

	waiting_threads = 0;
	for (uint64_t i = 0; i < count; i++)
		CHECK(pthread_create(&threads[i], nullptr, exit_deep, threads) == 0);
	while (waiting_threads < count)
		usleep(1000);
	for (uint64_t i = 0; i < count; i++)
		pthread_cancel(threads[i]);
	for (uint64_t i = 0; i < count; i++)
		pthread_join(threads[i], nullptr);
}

static void check_forced(enum ep_plan plan, uint64_t threads)
{
	struct followed forced;

	begin(&forced, exits, plan);
	in_threads(static_cast<unsigned int>(threads), exit_deep);
	cancel_all(threads);
	CHECK(destroyed == 2 * 21 * threads);
	end(&forced, plan, 2 * 21 * threads, 0, 2 * 21 * threads);
}

static void the_end_of_a_thread(void)
{
	each(check_forced);
}

/* -------------------------------------------------------------------------------------------- */

static const struct check_case cases[] = {
	{"through_many_frames", through_many_frames},
	{"thrown_again_by_each_frame", thrown_again_by_each_frame},
	{"thrown_and_caught_in_destructors", thrown_and_caught_in_destructors},
	{"thrown_while_others_wait", thrown_while_others_wait},
	{"thrown_over_what_was_left_by_a_jump", thrown_over_what_was_left_by_a_jump},
	{"the_end_of_a_thread", the_end_of_a_thread},
	{nullptr, nullptr},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases);
}
