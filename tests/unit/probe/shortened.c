/* SPDX-License-Identifier: MIT */
/*
 * The file of a loaded object becomes shorter, as cp, strip and package managers that do not know
 * better make it. What is mapped of it is gone then; who reads there dies by SIGBUS, and that must not
 * be us.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/support/patience.h"
#include "tests/unit/probe/functions.h"

TestSuite(shortened, .timeout = 400);

#define STEP	    64
#define OBJECT_NAME "small.so"

static char folder[] = "/tmp/emuprobe-shortened-XXXXXX", path[64];
static char contents[1 << 20];
static size_t contents_size;

static const char *const names[] = {"small_add", "small_sum", "small_call"};
#define NAMES (sizeof(names) / sizeof(*names))

static void make_folder(void)
{
	FILE *file = fopen(EP_SMALL_OBJECT, "r");

	cr_assert_not_null(file);
	contents_size = fread(contents, 1, sizeof(contents), file);
	fclose(file);
	cr_assert_gt(contents_size, 4096);
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/" OBJECT_NAME, folder);
}

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

/* In a child: where it fails shows in its status. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* A new file each time: nobody else has mapped it. */
static void load(const void **ret)
{
	int fd;
	void *object;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	CHECK(fd >= 0 && write(fd, contents, contents_size) == (ssize_t)contents_size);
	close(fd);
	object = dlopen(path, RTLD_NOW);
	CHECK(object);
	for (size_t i = 0; i < NAMES; i++) {
		ret[i] = dlsym(object, names[i]);
		CHECK(ret[i]);
	}
}

static int count(const struct ep_match *match, void *data)
{
	CHECK(strlen(match->symbol) > 0);
	++*(int *)data;
	return 0;
}

static int count_functions(void)
{
	const struct ep_place place = {.object = OBJECT_NAME, .symbol = "*"};
	int ret = 0;

	ep_resolve(&place, count, &ret);
	return ret;
}

/* All that may be asked of its functions; whatever the answers are. */
static void use(const void *const *functions)
{
	struct ep_options options = {.size = sizeof(options)};
	struct ep_info info = {.size = sizeof(info)};

	count_functions();
	for (size_t i = 0; i < NAMES; i++) {
		struct ep_probe *probe = NULL;

		ep_check(functions[i], &options, &info);
		if (ep_probe_create(functions[i], &options, &probe) == 0) {
			CHECK(ep_probe_info(probe, &info) == 0);
			ep_probe_remove(probe);
		}
	}
	count_functions();
}

static void start_engine(void)
{
	struct ep_options options = {.size = sizeof(options)};
	struct ep_probe *probe;

	CHECK(ep_probe_create((const void *)starts_with_push, &options, &probe) == 0);
}

enum when { BEFORE_ALL, ENGINE_STARTED, SYMBOLS_READ, PROBES_ARMED, WHENS };

static void shorten_and_use(enum when when, size_t size)
{
	struct ep_options options = {.size = sizeof(options)};
	const void *functions[NAMES];
	struct ep_probe *probes[NAMES];

	if (when != BEFORE_ALL)
		start_engine();
	load(functions);
	if (when >= SYMBOLS_READ)
		CHECK(count_functions() > (int)NAMES);
	for (size_t i = 0; i < NAMES && when == PROBES_ARMED; i++)
		CHECK(ep_probe_create(functions[i], &options, &probes[i]) == 0);
	CHECK(truncate(path, (off_t)size) == 0);
	use(functions);
	if (when == PROBES_ARMED)
		ep_probe_remove_batch(probes, NAMES);
	if (when >= SYMBOLS_READ)
		CHECK(count_functions() > (int)NAMES);
}

static int status_of(void (*run)(enum when, size_t), enum when when, size_t size)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(patience(60));
		run(when, size);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

static void expect_survival(enum when when)
{
	make_folder();
	for (size_t size = 0; size < contents_size; size += STEP) {
		int status = status_of(shorten_and_use, when, size);

		cr_expect_eq(status, 0, "status %#x at %zu of %zu bytes", (unsigned)status, size,
			     contents_size);
	}
	remove_folder();
}

Test(shortened, before_anything_is_asked)
{
	expect_survival(BEFORE_ALL);
}

Test(shortened, once_the_engine_runs)
{
	expect_survival(ENGINE_STARTED);
}

Test(shortened, once_names_are_known)
{
	expect_survival(SYMBOLS_READ);
}

Test(shortened, once_it_is_probed)
{
	expect_survival(PROBES_ARMED);
}

/* Loaded segments are as before when it is done, and what stood behind them is gone. */
static void strip_and_use(enum when when, size_t size)
{
	const void *functions[NAMES];
	char command[128];
	int before = 0;

	(void)size;
	load(functions);
	if (when == SYMBOLS_READ) {
		start_engine();
		before = count_functions();
	}
	snprintf(command, sizeof(command), "strip '%s'", path);
	CHECK(system(command) == 0);
	CHECK(count_functions() >= (when == SYMBOLS_READ ? before : (int)NAMES));
	use(functions);
}

Test(shortened, strip_in_place)
{
	make_folder();
	cr_expect_eq(status_of(strip_and_use, BEFORE_ALL, 0), 0);
	cr_expect_eq(status_of(strip_and_use, SYMBOLS_READ, 0), 0);
	remove_folder();
}
