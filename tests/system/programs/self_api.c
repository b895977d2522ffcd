/* SPDX-License-Identifier: MIT */
/*
 * The library as programs use it: from plugins, threads, children, constructors and handlers, and
 * more than one copy of it. "self_api [CASE]", in the plugins' folder.
 */
#include <dlfcn.h>
#include <emuprobe.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/time.h>

#include "check.h"

static char folder[4000];

long target(long number);
long other_target(long number);

EP_API __attribute__((noinline)) long target(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number * 2 + 1;
}

__attribute__((noinline)) long other_target(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number * 3 + 2;
}

static const char *path_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static uint64_t hits_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	CHECK(ep_probe_info(probe, &info) == 0);
	return info.hits;
}

/* ---- more than one engine ------------------------------------------------------------------ */

typedef int (*probe_function)(const void *addr);
typedef uint64_t (*hits_function)(void);

static void a_second_engine_is_refused(void)
{
	void *handle = dlopen(path_of("engine.so"), RTLD_NOW | RTLD_LOCAL);
	probe_function second = (probe_function)dlsym(handle, "engine_probe");
	struct ep_probe *probe;

	CHECK(ep_probe_create((const void *)target, NULL, &probe) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(second((const void *)target) == -EP_OTHER_ENGINE);
		CHECK(second((const void *)other_target) == -EP_OTHER_ENGINE);
		CHECK(target(1) == 3 && other_target(1) == 5);
	}
	CHECK(hits_of(probe) == 3);
	CHECK(dlclose(handle) == 0);
	CHECK(target(1) == 3 && hits_of(probe) == 4);
	CHECK(ep_probe_remove(probe) == 0 && target(1) == 3);
}

/* The plugin was first. Its engine stays, and so does its handler, which is in the same object. */
static void an_engine_stays_when_its_plugin_is_closed(void)
{
	void *handle = dlopen(path_of("engine.so"), RTLD_NOW | RTLD_LOCAL);
	probe_function first = (probe_function)dlsym(handle, "engine_probe");
	hits_function hits = (hits_function)dlsym(handle, "engine_hits");
	struct ep_probe *probe;

	CHECK(first((const void *)target) == 0);
	CHECK(target(1) == 3 && hits() == 1);
	CHECK(ep_probe_create((const void *)other_target, NULL, &probe) == -EP_OTHER_ENGINE);
	CHECK(dlclose(handle) == 0);
	CHECK(target(1) == 3 && hits() == 2);
	raise(SIGURG);
	CHECK(target(1) == 3 && hits() == 3);
	/* A copy under another name is another object. */
	CHECK(first((const void *)other_target) == 0);
	CHECK(other_target(1) == 5 && hits() == 4);
}

static void the_launcher_was_first(void)
{
	struct ep_probe *probe;

	if (!getenv("EMUPROBE_SESSION"))
		return;
	CHECK(ep_probe_create((const void *)target, NULL, &probe) == -EP_OTHER_ENGINE);
	CHECK(target(1) == 3);
	getppid();
}

/* ---- handlers whose library is gone -------------------------------------------------------- */

static void handlers_that_are_gone_are_not_called(void)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		void *handle = dlopen(path_of("registers.so"), RTLD_NOW);
		struct ep_options options = {
			.size = sizeof(options),
			.plan = plan,
			.handler = (ep_handler)dlsym(handle, "forgotten_handler"),
		};
		struct ep_probe *probe, *mine;

		CHECK(options.handler);
		CHECK(ep_probe_create((const void *)target, &options, &probe) == 0);
		CHECK(ep_probe_create((const void *)target, NULL, &mine) == 0);
		CHECK(target(1) == 3 && hits_of(probe) == 1 && hits_of(mine) == 1);
		CHECK(dlclose(handle) == 0);
		CHECK(!dlopen(path_of("registers.so"), RTLD_NOW | RTLD_NOLOAD));
		CHECK(target(1) == 3 && hits_of(probe) == 1 && hits_of(mine) == 2);
		CHECK(ep_probe_remove(probe) == 0 && ep_probe_remove(mine) == 0);
		CHECK(target(1) == 3);
	}
}

static atomic_bool stop;

static void *call_for_ever(void *data)
{
	(void)data;
	while (!stop)
		CHECK(target(20) == 41 && other_target(2) == 8);
	return NULL;
}

static void plugins_register_while_threads_run(void)
{
	pthread_t threads[2];

	setenv("REGISTER", "1", 1);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, call_for_ever, NULL);
	for (int i = 0; i < 150; i++) {
		void *handle = dlopen(path_of("registers.so"), RTLD_NOW);

		CHECK(handle);
		CHECK(target(1) == 3);
		CHECK(dlclose(handle) == 0);
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- from handlers ------------------------------------------------------------------------- */

static int errors[8], handler_calls;
static struct ep_probe *removed_inside;

static void on_other_object(const struct ep_object *object, int loaded, void *data)
{
	(void)object;
	(void)loaded;
	(void)data;
}

static int ignore_match(const struct ep_match *match, void *data)
{
	(void)match;
	(void)data;
	return 0;
}

static void call_everything(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct ep_place place = {.symbol = "target"};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *made = NULL, **several = NULL;
	struct ep_error_at error;
	size_t count = 0;

	(void)regs;
	(void)cookie;
	errors[0] = ep_probe_create((const void *)other_target, NULL, &made);
	errors[1] = ep_check((const void *)other_target, NULL, &info);
	errors[2] = ep_resolve(&place, ignore_match, NULL);
	errors[3] = ep_define("p libc.so.6:getppid", NULL, &several, &count, &error);
	errors[4] = ep_watch_objects(on_other_object, NULL);
	errors[5] = ep_unwatch_objects(on_other_object, NULL);
	errors[6] = made || several || count;
	ep_probe_disable(probe);
	ep_probe_enable(probe);
	handler_calls++;
	if (removed_inside)
		CHECK(ep_probe_remove(removed_inside) == 0);
	removed_inside = NULL;
}

static void handlers_are_told_what_they_may_not(void)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		const struct ep_options options = {
			.size = sizeof(options), .handler = call_everything, .plan = plan};
		struct ep_probe *probe;

		handler_calls = 0;
		CHECK(ep_probe_create((const void *)target, &options, &probe) == 0);
		CHECK(ep_probe_create((const void *)other_target, NULL, &removed_inside) == 0);
		CHECK(target(1) == 3 && handler_calls == 1);
		for (int i = 0; i < 6; i++)
			CHECK(errors[i] == -EP_IN_HANDLER);
		CHECK(!errors[6] && !removed_inside);
		CHECK(target(1) == 3 && handler_calls == 2);
		removed_inside = probe; /* and the handler's own */
		CHECK(target(1) == 3 && handler_calls == 3);
		CHECK(target(1) == 3 && handler_calls == 3);
	}
}

EP_TRAP_PATH static void marked_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	__atomic_fetch_add((int *)cookie, 1, __ATOMIC_RELAXED);
}

/* The section is the program's, the engine another object. */
static void marked_handlers_are_not_probed(void)
{
	int calls = 0;
	const struct ep_options options = {
		.size = sizeof(options), .handler = marked_handler, .cookie = &calls};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe;

	CHECK(ep_probe_create((const void *)target, &options, &probe) == 0);
	CHECK(ep_probe_create((const void *)marked_handler, NULL, &probe) == -EP_FORBIDDEN);
	CHECK(ep_check((const void *)marked_handler, NULL, &info) == -EP_FORBIDDEN);
	CHECK(target(1) == 3 && calls == 1);
}

/* ---- from signal handlers ------------------------------------------------------------------ */

static struct ep_probe *switched;
static volatile int switches;

static void on_alarm(int sig)
{
	(void)sig;
	if (++switches % 2)
		ep_probe_disable(switched);
	else
		ep_probe_enable(switched);
	CHECK(ep_strerror(EP_INVALID) && target(1) == 3);
}

static void signal_handlers_switch_probes(void)
{
	const long us = 300 * patience(1); /* else there is time for nothing but handlers */
	const struct itimerval timer = {{0, us}, {0, us}}, none = {{0, 0}, {0, 0}};
	struct ep_probe *probe;

	signal(SIGALRM, on_alarm);
	CHECK(ep_probe_create((const void *)target, NULL, &switched) == 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 500 || switches < 50; i++) {
		CHECK(ep_probe_create((const void *)target, NULL, &probe) == 0);
		CHECK(target(1) == 3 && hits_of(probe) >= 1);
		CHECK(ep_probe_remove(probe) == 0);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	CHECK(switches >= 50);
}

/* ---- from threads and children ------------------------------------------------------------- */

static void *use_everything(void *data)
{
	const struct ep_place place = {.symbol = "*target"};
	const void *at = data ? (const void *)target : (const void *)other_target;
	const uint64_t own = 1;

	for (int i = 0; i < 150; i++) {
		struct ep_options options = {.size = sizeof(options),
					     .plan = (enum ep_plan)(i % (EP_PLAN_JUMP + 1))};
		struct ep_info info = {.size = sizeof(info)};
		struct ep_probe *probe, **several;
		size_t count;

		CHECK(ep_probe_create(at, &options, &probe) == 0);
		CHECK(target(1) == 3 && other_target(1) == 5);
		CHECK(hits_of(probe) >= own);
		CHECK(ep_check(at, NULL, &info) == 0);
		CHECK(ep_resolve(&place, ignore_match, NULL) == 0);
		CHECK(ep_define("p *target", NULL, &several, &count, NULL) == 0 && count >= 2);
		CHECK(ep_probe_remove_batch(several, count) == 0);
		CHECK(ep_probe_remove(probe) == 0);
		free(several);
	}
	return NULL;
}

static void threads_use_it_at_once(void)
{
	unsigned char before[2][16];
	pthread_t threads[4];

	memcpy(before[0], (const void *)target, 16);
	memcpy(before[1], (const void *)other_target, 16);
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, use_everything, (void *)(i % 2));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(memcmp(before[0], (const void *)target, 16) == 0);
	CHECK(memcmp(before[1], (const void *)other_target, 16) == 0);
}

static void *probe_for_ever(void *data)
{
	struct ep_probe *probe;

	(void)data;
	while (!stop) {
		CHECK(ep_probe_create((const void *)other_target, NULL, &probe) == 0);
		CHECK(ep_probe_remove(probe) == 0);
	}
	return NULL;
}

static int use_in_child(const struct ep_probe *inherited)
{
	struct ep_probe *own;

	alarm(patience(30));
	check_failures = 0;
	target(1);
	CHECK(hits_of(inherited) >= 1);
	CHECK(ep_probe_create((const void *)target, NULL, &own) == 0);
	CHECK(target(1) == 3 && hits_of(own) == 1);
	CHECK(ep_probe_remove(own) == 0 && target(1) == 3);
	CHECK(ep_probe_create((const void *)other_target, NULL, &own) == 0);
	CHECK(other_target(1) == 5 && hits_of(own) == 1);
	fflush(stdout);
	return check_failures;
}

static void children_use_it(void)
{
	struct ep_probe *probe;
	pthread_t thread;

	CHECK(ep_probe_create((const void *)target, NULL, &probe) == 0);
	pthread_create(&thread, NULL, probe_for_ever, NULL);
	for (int i = 0; i < 60; i++) {
		int status = -1;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(use_in_child(probe));
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		CHECK(target(1) == 3 && hits_of(probe) == (uint64_t)i + 1);
	}
	stop = true;
	pthread_join(thread, NULL);
}

static const struct check_case cases[] = {
	{"a_second_engine_is_refused", a_second_engine_is_refused},
	{"an_engine_stays_when_its_plugin_is_closed", an_engine_stays_when_its_plugin_is_closed},
	{"the_launcher_was_first", the_launcher_was_first},
	{"handlers_that_are_gone_are_not_called", handlers_that_are_gone_are_not_called},
	{"plugins_register_while_threads_run", plugins_register_while_threads_run},
	{"handlers_are_told_what_they_may_not", handlers_are_told_what_they_may_not},
	{"marked_handlers_are_not_probed", marked_handlers_are_not_probed},
	{"signal_handlers_switch_probes", signal_handlers_switch_probes},
	{"threads_use_it_at_once", threads_use_it_at_once},
	{"children_use_it", children_use_it},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	ssize_t size = readlink("/proc/self/exe", folder, sizeof(folder) - 1);

	folder[size < 0 ? 0 : size] = '\0';
	*strrchr(folder, '/') = '\0';
	return check_main(argc, argv, cases);
}
