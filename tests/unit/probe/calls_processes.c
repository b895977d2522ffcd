/* SPDX-License-Identifier: MIT */
/* Claim: a call that is followed may fork, make threads, and be in an object that goes away. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/probe/followed.h"

TestSuite(calls_processes, .timeout = 400);

enum { THREADS = 8, DEPTH = 5 };

extern char **environ;

static _Atomic uint64_t differ;

FOLLOWED long leaf(long number)
{
	FOLLOWED_STAY();
	return number + 1;
}

FOLLOWED long nest(long depth, long (*at_bottom)(void))
{
	long ret = depth ? nest(depth - 1, at_bottom) : at_bottom();

	FOLLOWED_STAY();
	return ret;
}

/* ---- fork() -------------------------------------------------------------------------------- */

static struct followed nests, leaves;

static uint64_t get(const struct ep_probe *probe, bool is_hits)
{
	struct ep_info info = {.size = sizeof(info)};

	if (ep_probe_info(probe, &info))
		return ~0ul;
	if (info.missed || info.abandoned || info.unwound)
		return ~0ul;
	return is_hits ? info.hits : info.returns;
}

static long fork_here(void)
{
	leaf(1);
	return fork();
}

static void check_fork(enum ep_plan plan)
{
	long pid;
	int status;

	followed_begin(&nests, (const void *)nest, plan);
	followed_begin(&leaves, (const void *)leaf, plan);
	pid = nest(DEPTH, fork_here);
	leaf(2);
	if (pid == 0)
		_exit(get(nests.probe, true) != DEPTH + 1 || get(nests.probe, false) != DEPTH + 1 ||
		      get(leaves.probe, true) != 2 || get(leaves.probe, false) != 2 ||
		      nests.wrong ||
		      (!nests.is_counted && nests.ended[EP_END_RETURN] != DEPTH + 1));
	cr_expect_eq(waitpid((pid_t)pid, &status, 0), pid);
	cr_expect_eq(status, 0, "%s: %#x", followed_plan_name(plan), (unsigned int)status);
	followed_end(&nests, followed_plan_name(plan),
		     (struct followed_counts){.hits = DEPTH + 1, .returns = DEPTH + 1});
	followed_end(&leaves, followed_plan_name(plan),
		     (struct followed_counts){.hits = 2, .returns = 2});
}

static void *fork_in_thread(void *data)
{
	long pid = nest(DEPTH, fork_here);
	int status;

	(void)data;
	if (pid == 0)
		_exit(nest(DEPTH, fork_here) < 0);
	waitpid((pid_t)pid, &status, 0);
	differ += status != 0;
	return NULL;
}

/* The others' records are not the child's. */
static void check_fork_in_threads(enum ep_plan plan)
{
	uint64_t calls = THREADS * (DEPTH + 1);

	followed_begin(&nests, (const void *)nest, plan);
	differ = 0;
	followed_in_threads(THREADS, fork_in_thread, NULL);
	cr_expect_eq(differ, 0, "%s", followed_plan_name(plan));
	followed_end(&nests, followed_plan_name(plan),
		     (struct followed_counts){.hits = calls, .returns = calls});
}

Test(calls_processes, fork)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_fork(plan);
		check_fork_in_threads(plan);
	}
}

/* ---- children in the same memory ------------------------------------------------------------ */

static long vfork_here(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		leaf(1);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return status;
}

static long spawn_here(void)
{
	char name[] = "true";
	char *const argv[] = {name, NULL};
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ))
		return -1;
	waitpid(pid, &status, 0);
	return status;
}

static long thread_here(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, (void *(*)(void *))(void *)leaf, (void *)4))
		return -1;
	pthread_join(thread, NULL);
	return 0;
}

static void check_here(enum ep_plan plan, long (*here)(void), uint64_t leaf_calls)
{
	followed_begin(&nests, (const void *)nest, plan);
	followed_begin(&leaves, (const void *)leaf, plan);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(nest(DEPTH, here), 0);
	followed_end(
		&nests, followed_plan_name(plan),
		(struct followed_counts){.hits = 10 * (DEPTH + 1), .returns = 10 * (DEPTH + 1)});
	followed_end(&leaves, followed_plan_name(plan),
		     (struct followed_counts){.hits = 10 * leaf_calls, .returns = 10 * leaf_calls});
}

Test(calls_processes, children_in_the_same_memory_and_threads)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_here(plan, vfork_here, 1);
		check_here(plan, spawn_here, 0);
		check_here(plan, thread_here, 1);
	}
}

/* Of libc: vfork() itself cannot return into a stub, and what never returns is no call for ever. */
static void check_libc(enum ep_plan plan)
{
	static const char *const names[] = {"vfork", "execve",	"posix_spawn",
					    "fork",  "waitpid", "execl"};
	struct followed followed[6];

	for (int i = 0; i < 6; i++)
		followed_begin(&followed[i], dlsym(RTLD_DEFAULT, names[i]), plan);
	for (int i = 0; i < 5; i++) {
		cr_expect_eq(vfork_here(), 0);
		cr_expect_eq(spawn_here(), 0);
	}
	for (int i = 0; i < 6; i++) {
		cr_expect_eq(followed[i].wrong, 0, "%s", names[i]);
		cr_expect_eq(ep_probe_remove(followed[i].probe), 0);
	}
}

Test(calls_processes, functions_of_libc_that_make_children)
{
	FOLLOWED_EACH_WAY(plan)
	if (plan == EP_PLAN_AUTO || plan == EP_PLAN_TRAP)
		check_libc(plan);
}

/* ---- objects that go away ------------------------------------------------------------------- */

enum { CALLBACKS = 8 }; /* small_call()'s */

struct small {
	void *object;
	int (*add)(int, int);
	int (*call)(int (*)(int), int);
};

FOLLOWED int next(int number)
{
	FOLLOWED_STAY();
	return number + 1;
}

static struct small small_open(void)
{
	struct small ret = {.object = dlopen(EP_SMALL_OBJECT, RTLD_NOW)};

	*(void **)&ret.add = dlsym(ret.object, "small_add");
	*(void **)&ret.call = dlsym(ret.object, "small_call");
	cr_assert(ret.object && ret.add && ret.call);
	return ret;
}

static void use_object(const struct small *small, struct followed *called, enum ep_plan plan,
		       bool is_removed_later)
{
	struct followed adds, calls;
	uint64_t before = followed_entered(called);

	followed_begin(&adds, (const void *)small->add, plan);
	followed_begin(&calls, (const void *)small->call, plan);
	for (int k = 0; k < 10; k++)
		cr_expect(small->add(3, 2) == 12 && small->call(next, 5) == 9);
	cr_expect_eq(followed_entered(called), before + 10 * CALLBACKS);
	followed_expect(&adds, followed_plan_name(plan),
			(struct followed_counts){.hits = 10, .returns = 10});
	followed_expect(&calls, followed_plan_name(plan),
			(struct followed_counts){.hits = 10, .returns = 10});
	if (is_removed_later)
		dlclose(small->object);
	ep_probe_remove(adds.probe);
	ep_probe_remove(calls.probe);
	if (!is_removed_later)
		dlclose(small->object);
}

/* What is called by the object has stubs that return there. */
static void check_unload(enum ep_plan plan)
{
	struct followed called;

	followed_begin(&called, (const void *)next, plan);
	for (int i = 0; i < 20; i++) {
		struct small small = small_open();

		use_object(&small, &called, plan, i % 2);
	}
	followed_end(&called, followed_plan_name(plan),
		     (struct followed_counts){.hits = 20 * 10 * CALLBACKS,
					      .returns = 20 * 10 * CALLBACKS});
}

Test(calls_processes, objects_that_are_unloaded)
{
	FOLLOWED_EACH_WAY(plan)
	check_unload(plan == EP_PLAN_EMULATE || plan == EP_PLAN_BOOST ? EP_PLAN_TRAP : plan);
}
