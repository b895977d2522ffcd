/* SPDX-License-Identifier: MIT */
/*
 * Programs that define probes of their own, with conditions and arguments: from threads and children,
 * while others come and go. "self_defines [CASE]".
 */
#include <emuprobe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "check.h"

#define THREADS 4
#define CALLS	20000

long target(long number, const char *text);

EP_API __attribute__((noinline)) long target(long number, const char *text)
{
	__asm__ volatile("" : "+r"(number), "+r"(text));
	return number * 2 + 1;
}

static const char definition[] = "p target number=%di:s64 text=+0(%si):string if number % 2 == 1";
static const char odd[] = "p target number=%di:s64 text=+0(%si):string if number & 1";
static const char ends[] =
	"r target number=$arg1:s64 text=+0($arg2):string if $retval & 2 && $latency < 3600s";

static atomic_ulong good, bad;

/* The text says what the number is. */
static void look(const struct ep_probe *probe)
{
	struct ep_value values[2];
	uint64_t memory[8];
	char text[32];

	if (ep_values(probe, values, 2, memory, sizeof(memory)) == 2) {
		snprintf(text, sizeof(text), "%ld", (long)values[0].number);
		if (values[0].number & 1 && strcmp(text, values[1].bytes) == 0)
			good++;
		else
			bad++;
	} else {
		bad++;
	}
}

static void on_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)regs;
	(void)cookie;
	look(probe);
}

static void on_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)regs;
	(void)call;
	(void)cookie;
	look(probe);
}

static const struct ep_options of_hits = {.size = sizeof(of_hits), .handler = on_hit};
static const struct ep_options of_ends = {.size = sizeof(of_ends), .ended = on_end};

static struct ep_probe *define(const char *text, const struct ep_options *options)
{
	struct ep_probe **probes, *ret;
	struct ep_error_at error = {0};
	size_t count = 0;

	if (ep_define(text, options, &probes, &count, &error) || count != 1) {
		printf("%s: %s\n", text, error.message);
		exit(1);
	}
	ret = probes[0];
	free(probes);
	return ret;
}

static struct ep_info info_of(const struct ep_probe *probe)
{
	struct ep_info ret = {.size = sizeof(ret)};

	CHECK(ep_probe_info(probe, &ret) == 0);
	return ret;
}

static void *call_often(void *data)
{
	char text[32];

	(void)data;
	for (long i = 0; i < CALLS; i++) {
		snprintf(text, sizeof(text), "%ld", i);
		if (target(i, text) != i * 2 + 1)
			bad++;
	}
	return NULL;
}

static void call_in_threads(void (*meanwhile)(void))
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, call_often, NULL);
	if (meanwhile)
		meanwhile();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void threads_have_their_own_values(void)
{
	struct ep_probe *hit = define(odd, &of_hits), *end = define(ends, &of_ends);

	call_in_threads(NULL);
	CHECK(bad == 0);
	CHECK(good == 2ul * THREADS * CALLS / 2);
	CHECK(info_of(hit).hits == THREADS * CALLS / 2);
	CHECK(info_of(end).hits == THREADS * CALLS / 2);
	CHECK(info_of(end).returns == THREADS * CALLS / 2);
	CHECK(ep_probe_remove(hit) == 0 && ep_probe_remove(end) == 0);
}

static void come_and_go(void)
{
	for (int i = 0; i < 200; i++) {
		struct ep_probe *hit = define(odd, &of_hits), *end = define(ends, &of_ends);

		CHECK(ep_probe_remove(i % 2 ? hit : end) == 0);
		CHECK(ep_probe_remove(i % 2 ? end : hit) == 0);
	}
}

static void definitions_come_and_go_while_threads_run(void)
{
	call_in_threads(come_and_go);
	CHECK(bad == 0);
}

static void remove_it(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)regs;
	(void)cookie;
	CHECK(ep_probe_remove(probe) == 0);
	look(probe);
}

static void a_handler_removes_its_own_probe(void)
{
	const struct ep_options options = {.size = sizeof(options), .handler = remove_it};

	for (int i = 0; i < 100; i++) {
		good = 0;
		define(odd, &options);
		CHECK(target(2, "2") == 5 && good == 0);
		CHECK(target(3, "3") == 7 && good == 1);
		CHECK(target(5, "5") == 11 && good == 1);
	}
	CHECK(bad == 0);
}

static void children_have_values(void)
{
	struct ep_probe *hit = define(odd, &of_hits);
	int status = -1;
	pid_t pid;

	CHECK(target(1, "1") == 3 && good == 1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(patience(30));
		CHECK(target(3, "3") == 7 && good == 2);
		CHECK(target(4, "4") == 9 && good == 2 && bad == 0);
		CHECK(ep_probe_remove(hit) == 0 && target(5, "5") == 11 && good == 2);
		define(ends, &of_ends);
		CHECK(target(7, "7") == 15 && good == 3 && bad == 0);
		fflush(stdout);
		_exit(check_failures != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(info_of(hit).hits == 1);
	CHECK(ep_probe_remove(hit) == 0);
}

static void what_is_wrong_is_said(void)
{
	struct ep_probe **probes;
	struct ep_error_at error = {0};
	size_t count;

	CHECK(ep_define(definition, &of_hits, &probes, &count, &error) == -EP_SYNTAX);
	CHECK(error.column == (size_t)(strchr(strstr(definition, " if "), '%') - definition));
	CHECK(error.message[0]);
}

static const struct check_case cases[] = {
	{"threads_have_their_own_values", threads_have_their_own_values},
	{"definitions_come_and_go_while_threads_run", definitions_come_and_go_while_threads_run},
	{"a_handler_removes_its_own_probe", a_handler_removes_its_own_probe},
	{"children_have_values", children_have_values},
	{"what_is_wrong_is_said", what_is_wrong_is_said},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases);
}
