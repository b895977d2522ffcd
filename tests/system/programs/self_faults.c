/* SPDX-License-Identifier: MIT */
/*
 * Whatever fails while probes are made or removed, the program runs on, each function unprobed or
 * fully probed; the next try works. "self_faults [CASE]"; each case walks through all its faults,
 * N = 1, 2, 3 ... until the work is done before the N-th comes.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <emuprobe.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"
#include "tests/support/inject.h"

#define STEPS_MAX 4000

/*
 * Each adds its arguments. The first is `push %rbp; mov %rsp, %rbp`, so that its jump has two
 * boundaries; the second has one instruction of five bytes; the third a call; the last an SSE
 * instruction, which is boosted.
 */
__asm__(".text\n"
	".macro function name\n"
	"	.type \\name, @function\n"
	"\\name:	.cfi_startproc\n"
	".endm\n"
	".macro end name\n"
	"	.cfi_endproc\n"
	"	.size \\name, . - \\name\n"
	"	.balign 16\n"
	".endm\n"
	"	.balign 64\n"
	"add_text:\n"
	"function add_push\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	lea (%rdi,%rsi), %eax\n"
	"	pop %rbp\n"
	"	ret\n"
	"end add_push\n"
	"function add_long\n"
	"	lea 0(%rdi,%rsi), %rax\n"
	"	nopl 0(%rax,%rax)\n"
	"	ret\n"
	"end add_long\n"
	"function add_call\n"
	"	call add_push\n"
	"	ret\n"
	"end add_call\n"
	"function add_sse\n"
	"	pxor %xmm0, %xmm0\n"
	"	lea (%rdi,%rsi), %eax\n"
	"	ret\n"
	"end add_sse\n"
	"add_text_end:\n");

long add_push(long a, long b);
long add_long(long a, long b);
long add_call(long a, long b);
long add_sse(long a, long b);
extern const char add_text[], add_text_end[];

#define TEXT_SIZE ((size_t)(add_text_end - add_text))

static char original[512], plugin_path[4096];

/* ---- what must hold ------------------------------------------------------------------------ */

static int entries_of(const char *folder)
{
	DIR *dir = opendir(folder);
	int count = 0;

	while (dir && readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	int c, lines = 0;

	while (file && (c = getc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

static bool is_original(void)
{
	bool ret = memcmp(add_text, original, TEXT_SIZE) == 0;

	for (size_t i = 0; i < TEXT_SIZE; i++)
		if (add_text[i] != original[i])
			printf("byte %zu is %#x\n", i, (unsigned char)add_text[i]);
	return ret;
}

static uint64_t hits_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	CHECK(ep_probe_info(probe, &info) == 0);
	return info.hits;
}

static void call_all(void)
{
	CHECK(add_push(1, 2) == 3 && add_long(3, 4) == 7);
	CHECK(add_call(5, 6) == 11 && add_sse(7, 8) == 15);
}

/* Of the system, not of the place: what a fault may come out as. */
static bool is_right_error(int error)
{
	return error == -EP_NO_MEMORY || error == -EP_UNSUPPORTED || error == -EP_NO_MEMBARRIER ||
	       error == -EP_NOT_WRITABLE || error == -EP_SIGNALS_BLOCKED ||
	       error == -EP_OUT_OF_REACH || error == -EP_IO;
}

/* ---- a batch of probes --------------------------------------------------------------------- */

enum { PROBES = 6 };

static struct ep_request requests[PROBES];
static struct ep_options options[PROBES];

static void fill_requests(void)
{
	static const enum ep_plan plans[PROBES] = {EP_PLAN_JUMP, EP_PLAN_AUTO, EP_PLAN_JUMP,
						   EP_PLAN_AUTO, EP_PLAN_TRAP, EP_PLAN_AUTO};
	const char *places[PROBES] = {
		(const char *)(uintptr_t)add_push,     (const char *)(uintptr_t)add_long,
		(const char *)(uintptr_t)add_call,     (const char *)(uintptr_t)add_sse,
		(const char *)(uintptr_t)add_push + 1, /* below the first's jump */
		(const char *)(uintptr_t)add_push};

	for (int i = 0; i < PROBES; i++) {
		options[i] = (struct ep_options){.size = sizeof(options[i]), .plan = plans[i]};
		requests[i] = (struct ep_request){.addr = places[i], .options = &options[i]};
	}
}

/* Every probe that exists counts exactly; the others left no trace. */
static void check_requests(size_t failed)
{
	static const uint64_t calls[PROBES] = {2, 1, 1, 1, 2, 2};
	uint64_t before[PROBES];
	size_t errors = 0;

	for (int i = 0; i < PROBES; i++) {
		CHECK(!requests[i].probe == (requests[i].error != 0));
		CHECK(!requests[i].error || is_right_error(requests[i].error));
		errors += requests[i].error != 0;
		before[i] = requests[i].probe ? hits_of(requests[i].probe) : 0;
	}
	CHECK(errors == failed);
	CHECK(failed < PROBES || is_original());
	call_all();
	for (int i = 0; i < PROBES; i++)
		if (requests[i].probe)
			CHECK(hits_of(requests[i].probe) == before[i] + calls[i]);
}

static void remove_requests(void)
{
	struct ep_probe *probes[PROBES];

	for (int i = 0; i < PROBES; i++)
		probes[i] = requests[i].probe;
	CHECK(ep_probe_remove_batch(probes, PROBES) == 0);
}

/* Without faults all of it works, whatever happened before. */
static void check_retry(void)
{
	fill_requests();
	CHECK(ep_probe_create_batch(requests, PROBES) == 0);
	check_requests(0);
	remove_requests();
	CHECK(is_original());
	call_all();
}

static int verdict(void)
{
	fflush(stdout);
	return check_failures;
}

/* ---- cases --------------------------------------------------------------------------------- */

static int make(void)
{
	int files = entries_of("/proc/self/fd");
	size_t failed;

	fill_requests();
	inject_start();
	failed = ep_probe_create_batch(requests, PROBES);
	inject_stop();
	check_requests(failed);
	remove_requests();
	CHECK(is_original());
	CHECK(entries_of("/proc/self/fd") == files);
	check_retry();
	return verdict();
}

static int make_later(void)
{
	struct ep_probe *first;

	CHECK(ep_probe_create((const void *)getppid, NULL, &first) == 0);
	return make();
}

static atomic_bool stop;
static _Atomic long rounds;

static void *call_for_ever(void *data)
{
	(void)data;
	while (!atomic_load(&stop)) {
		call_all();
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

/* As above, while another thread runs through it all. */
static int make_beside_a_thread(void)
{
	pthread_t thread;
	size_t failed;
	long before;

	CHECK(pthread_create(&thread, NULL, call_for_ever, NULL) == 0);
	fill_requests();
	inject_start();
	failed = ep_probe_create_batch(requests, PROBES);
	inject_stop();
	CHECK(failed < PROBES || is_original());
	/* Who could not list the threads knows nothing of the other one. */
	CHECK(inject_refused() != SYS_getdents64 || failed == PROBES);
	for (before = rounds; rounds < before + 3;)
		sched_yield();
	remove_requests();
	CHECK(is_original());
	fill_requests();
	CHECK(ep_probe_create_batch(requests, PROBES) == 0);
	for (before = rounds; rounds < before + 3;)
		sched_yield();
	remove_requests();
	CHECK(is_original());
	stop = true;
	pthread_join(thread, NULL);
	return verdict();
}

/* What could not be taken out does no harm, and can be probed again. */
static int take_away(void)
{
	int files = entries_of("/proc/self/fd");

	fill_requests();
	CHECK(ep_probe_create_batch(requests, PROBES) == 0);
	inject_start();
	remove_requests();
	inject_stop();
	for (int i = 0; i < 2000; i++)
		call_all();
	CHECK(entries_of("/proc/self/fd") == files);
	check_retry();
	return verdict();
}

static int count_matches(const struct ep_match *match, void *data)
{
	(void)match;
	++*(int *)data;
	return 0;
}

static int look(void)
{
	const struct ep_place place = {.symbol = "main"},
			      libc = {.object = "libc.so.6", .symbol = "mall*"};
	struct ep_info info = {.size = sizeof(info)};
	int found = 0, error, files = entries_of("/proc/self/fd");

	inject_start();
	error = ep_resolve(&place, count_matches, &found);
	CHECK(error == 0 ? found == 1 : is_right_error(error) && !found);
	error = ep_resolve(&libc, count_matches, &found);
	CHECK(error == 0 || is_right_error(error));
	error = ep_check((const void *)add_push, NULL, &info);
	CHECK(error == 0 || is_right_error(error));
	inject_stop();
	CHECK(entries_of("/proc/self/fd") == files);
	CHECK(ep_check((const void *)add_push, NULL, &info) == 0);
	CHECK(strcmp(info.object, "self_faults") == 0 && strncmp(info.insn, "push", 4) == 0);
	found = 0;
	CHECK(ep_resolve(&place, count_matches, &found) == 0 && found == 1);
	check_retry();
	return verdict();
}

static int define(void)
{
	int files = entries_of("/proc/self/fd"), failed;
	struct ep_error_at error = {0};
	struct ep_probe **probes = NULL;
	size_t count = 0;

	inject_start();
	failed = ep_define("p libc.so.6:getppid\np libc.so.6:getpid*", NULL, &probes, &count,
			   &error);
	inject_stop();
	CHECK(failed ? is_right_error(failed) && error.error == -failed && !probes : count >= 2);
	if (!failed) {
		getppid();
		CHECK(hits_of(probes[0]) == 1);
		CHECK(ep_probe_remove_batch(probes, count) == 0);
		free(probes);
	}
	CHECK(entries_of("/proc/self/fd") == files);
	CHECK(ep_define("p libc.so.6:getppid", NULL, &probes, &count, NULL) == 0);
	getppid();
	CHECK(hits_of(probes[0]) == 1 && count == 1);
	free(probes);
	check_retry();
	return verdict();
}

static struct ep_probe *in_plugin;
static int loads;

static int place_probe(const struct ep_match *match, void *data)
{
	int error = ep_probe_create(match->addr, NULL, &in_plugin);

	(void)data;
	CHECK(!error || is_right_error(error));
	return 1;
}

static void on_object(const struct ep_object *object, int loaded, void *data)
{
	struct ep_place place = {
		.object = object->name, .symbol = "plugin_target", .within = object->start};

	(void)data;
	if (!strstr(object->path, "plugin"))
		return;
	if (loaded) {
		loads++;
		ep_resolve(&place, place_probe, NULL);
	} else {
		ep_probe_remove(in_plugin);
		in_plugin = NULL;
	}
}

static long use_plugin(void)
{
	void *handle = dlopen(plugin_path, RTLD_NOW);
	long (*target)(long) = handle ? (long (*)(long))dlsym(handle, "plugin_target") : NULL;
	long hits = -1;

	if (!handle)
		return -1;
	for (long i = 0; i < 10; i++)
		CHECK(target(i) == i * 2 + 1);
	if (in_plugin)
		hits = (long)hits_of(in_plugin);
	inject_stop();
	dlclose(handle);
	return hits;
}

/* The loader's own calls are refused as well: then dlopen() fails, and says so. */
static int load(void)
{
	CHECK(ep_watch_objects(on_object, NULL) == 0);
	inject_start();
	use_plugin();
	inject_stop();
	CHECK(!in_plugin);
	loads = 0;
	CHECK(use_plugin() == 11);
	CHECK(loads == 1 && !in_plugin);
	check_retry();
	return verdict();
}

/*
 * The same fault again and again: each attempt may get a little farther than the last, but at some
 * point nothing more is taken.
 */
static int leak(void)
{
	enum { ROUNDS = 60, LAST = 10 };
	int at[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		fill_requests();
		inject_start();
		ep_probe_create_batch(requests, PROBES);
		inject_stop();
		remove_requests();
		CHECK(is_original());
		at[i] = mappings();
	}
	CHECK(at[ROUNDS - 1] <= at[ROUNDS - LAST]);
	if (at[ROUNDS - 1] > at[ROUNDS - LAST])
		printf("%d, %d mappings\n", at[ROUNDS - LAST], at[ROUNDS - 1]);
	check_retry();
	return verdict();
}

/* ---- limits -------------------------------------------------------------------------------- */

static uint64_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	CHECK(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	return pages * 4096;
}

/* The program has used up what it may, or nearly so. */
static void make_within(int resource, rlim_t soft)
{
	struct rlimit limit, old;
	pid_t pid = fork();
	int status = -1;

	if (pid) {
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		return;
	}
	alarm(patience(30));
	check_failures = 0;
	getrlimit(resource, &old);
	limit = (struct rlimit){soft, old.rlim_max};
	fill_requests();
	CHECK(setrlimit(resource, &limit) == 0);
	ep_probe_create_batch(requests, PROBES);
	call_all();
	CHECK(setrlimit(resource, &old) == 0);
	for (int i = 0; i < PROBES; i++)
		CHECK(!requests[i].error || is_right_error(requests[i].error));
	remove_requests();
	CHECK(is_original());
	check_retry();
	_exit(verdict());
}

static void limits(void)
{
	uint64_t now = address_space() + (1 << 20);

	for (rlim_t files = 0; files < 6; files++)
		make_within(RLIMIT_NOFILE, files);
	make_within(RLIMIT_FSIZE, 0);
	for (uint64_t more = 0; more < 16 << 20; more += 512 << 10)
		make_within(RLIMIT_AS, now + more);
	make_within(RLIMIT_DATA, 0);
	make_within(RLIMIT_MEMLOCK, 0);
	make_within(RLIMIT_SIGPENDING, 0);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
	call_all();
}

/* Each @stride-th fault; all of them where there is time. */
static void walk_by(enum inject_kind kind, int (*run)(void), int stride)
{
	int n = 1, failed = 0, before = check_failures;

	if (getenv("EP_ALL_FAULTS")) {
		stride = 1;
		alarm(patience(300));
	}

	check_failures = 0; /* children inherit it */
	for (int done = 1; done && n < STEPS_MAX && failed < 5; n += stride) {
		done = inject_run(kind, n, run);
		failed += done < 0;
	}
	check_failures = before;
	CHECK(!failed && n > 2 && n < STEPS_MAX);
	printf("%s: %d\n", inject_names[kind], n - stride - 1);
}

static void walk_all(int (*run)(void), int stride)
{
	for (enum inject_kind kind = INJECT_ALLOCATION; kind <= INJECT_SYSTEM_CALLS; kind++)
		walk_by(kind, run, stride);
}

static void making(void)
{
	walk_all(make, 3);
}

static void making_later(void)
{
	walk_all(make_later, 1);
}

static void making_beside_a_thread(void)
{
	walk_all(make_beside_a_thread, 9);
}

static void removing(void)
{
	walk_all(take_away, 1);
}

static void looking(void)
{
	walk_all(look, 1);
}

static void defining(void)
{
	walk_all(define, 7);
}

static void loading(void)
{
	walk_all(load, 1);
}

static void leaking(void)
{
	walk_by(INJECT_ALLOCATION, leak, 13);
	walk_by(INJECT_SYSTEM_CALL, leak, 23);
}

static void signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigaction(SIGUSR1, &action, NULL);
	walk_by(INJECT_SIGNAL, make, 7);
	walk_by(INJECT_SIGNAL, make_beside_a_thread, 11);
	walk_by(INJECT_SIGNAL, take_away, 1);
}

static int one_fault(const char *name, int kind, int n)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} runs[] = {
		{"make", make},
		{"make_later", make_later},
		{"beside", make_beside_a_thread},
		{"remove", take_away},
		{"look", look},
		{"define", define},
		{"load", load},
		{"leak", leak},
	};

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (strcmp(runs[i].name, name) == 0)
			return inject_run((enum inject_kind)kind, n, runs[i].run) < 0;
	return 2;
}

static const struct check_case cases[] = {
	{"making", making},
	{"making_later", making_later},
	{"making_beside_a_thread", making_beside_a_thread},
	{"removing", removing},
	{"looking", looking},
	{"defining", defining},
	{"loading", loading},
	{"leaking", leaking},
	{"limits", limits},
	{"signals", signals},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	ssize_t size = readlink("/proc/self/exe", plugin_path, 4000);

	plugin_path[size < 0 ? 0 : size] = '\0';
	strcpy(strrchr(plugin_path, '/') + 1, "plugin.so");
	memcpy(original, add_text, TEXT_SIZE);
	if (argc == 5) /* CASE - KIND N: just one */
		return one_fault(argv[1], atoi(argv[3]), atoi(argv[4]));
	if (!inject_can()) {
		printf("skipped: no seccomp notifications here\n");
		return 77;
	}
	return check_main(argc, argv, cases);
}
