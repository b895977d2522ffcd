/* SPDX-License-Identifier: MIT */
/*
 * Code that goes away under its probes, comes back, or makes room for other code: libraries and
 * what the program generates. "self_lifetimes [CASE]", in the plugins' folder.
 */
#include <dlfcn.h>
#include <emuprobe.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"

#define PAGE 4096

typedef long (*long_function)(long);

static char folder[4000], plugin_path[4096], twin_path[4096], broken_path[4096];
static const enum ep_plan plans[] = {EP_PLAN_AUTO, EP_PLAN_TRAP, EP_PLAN_BOOST, EP_PLAN_JUMP};

enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

static struct ep_probe *make(const void *at, enum ep_plan plan)
{
	const struct ep_options options = {.size = sizeof(options), .plan = plan};
	struct ep_probe *probe = NULL;
	int error = ep_probe_create(at, &options, &probe);

	if (error)
		printf("%s\n", ep_strerror(error));
	CHECK(error == 0);
	return probe;
}

static uint64_t hits_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	CHECK(ep_probe_info(probe, &info) == 0);
	return info.hits;
}

/* ---- generated code ------------------------------------------------------------------------ */

/* lea 1(%rdi), %rax; nop; ret: adds one. */
static const unsigned char add_one[] = {0x48, 0x8d, 0x47, 0x01, 0x90, 0xc3};
/* push %rdi; pop %rax; inc %rax; ret: the first is one byte long. */
static const unsigned char push_one[] = {0x57, 0x58, 0x48, 0xff, 0xc0, 0xc3};
/* Padding, as between functions, then other code. */
static const unsigned char padding[] = {0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
/* int3, then other instructions than those that stood there. */
static const unsigned char other[] = {0xcc, 0x31, 0xc0, 0x48, 0x89, 0xf8, 0xc3, 0x90};

static unsigned char *const at = (unsigned char *)0x300000000000;

static long run(long number)
{
	return ((long_function)(uintptr_t)at)(number);
}

static void generate(const void *code, size_t size, int protection)
{
	CHECK(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == at);
	memcpy(at, code, size);
	CHECK(mprotect(at, PAGE, protection) == 0);
}

static struct ep_probe *generate_probed(const void *code, size_t size, int protection)
{
	struct ep_probe *probe;

	generate(code, size, protection);
	probe = make(at, EP_PLAN_AUTO);
	CHECK(run(4) == 5 && hits_of(probe) == 1);
	return probe;
}

#define GENERATE_PROBED(code) generate_probed(code, sizeof(code), PROT_READ | PROT_EXEC)

static void code_that_is_gone(void)
{
	struct ep_probe *probe = GENERATE_PROBED(add_one);

	munmap(at, PAGE);
	CHECK(ep_probe_remove(probe) == 0);
	probe = GENERATE_PROBED(push_one);
	mmap(at, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(ep_probe_remove(probe) == 0);
	CHECK(ep_probe_create(at, NULL, &probe) == -EP_NOT_EXECUTABLE);
	probe = GENERATE_PROBED(add_one);
	ep_probe_remove(probe);
	CHECK(memcmp(at, add_one, sizeof(add_one)) == 0);
}

/* Whatever stands there now, code or data, is not ours to write to. */
static void other_bytes_are_left_alone(void)
{
	static const struct {
		const unsigned char *bytes;
		size_t size;
	} olds[] = {{add_one, sizeof(add_one)}, {push_one, sizeof(push_one)}},
	  news[] = {{padding, sizeof(padding)}, {other, sizeof(other)}, {add_one, sizeof(add_one)}};
	static const int protections[] = {PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE, PROT_READ};

	for (int i = 0; i < 2 * 3 * 3; i++) {
		int old = i % 2, new = i / 2 % 3;
		struct ep_probe *probe =
			generate_probed(olds[old].bytes, olds[old].size, PROT_READ | PROT_EXEC);

		generate(news[new].bytes, news[new].size, protections[i / 6]);
		CHECK(ep_probe_remove(probe) == 0);
		CHECK(memcmp(at, news[new].bytes, news[new].size) == 0);
	}
}

/* The same where the program writes its own code anew. */
static void code_is_written_anew(void)
{
	for (int i = 0; i < 20; i++) {
		const unsigned char *code = i % 2 ? add_one : push_one;
		struct ep_probe *probe;

		generate(push_one, sizeof(push_one), PROT_READ | PROT_WRITE | PROT_EXEC);
		probe = make(at, EP_PLAN_AUTO);
		CHECK(run(4) == 5 && hits_of(probe) == 1);
		memcpy(at, code, sizeof(add_one)); /* still writable */
		CHECK(run(4) == 5 && hits_of(probe) == 1);
		CHECK(ep_probe_remove(probe) == 0);
		CHECK(memcmp(at, code, sizeof(add_one)) == 0);
		probe = make(at, EP_PLAN_AUTO);
		CHECK(run(4) == 5 && hits_of(probe) == 1);
		ep_probe_remove(probe);
		CHECK(memcmp(at, code, sizeof(add_one)) == 0);
	}
}

/* Compilers take the right to execute, or all rights, away for a while. */
static void code_that_is_not_executable_just_now(void)
{
	static const int meanwhile[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_EXEC};

	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 2; k++) {
			const unsigned char *code = k ? add_one : push_one;
			struct ep_probe *probe = k ? GENERATE_PROBED(add_one)
						   : GENERATE_PROBED(push_one),
					*second;

			mprotect(at, PAGE, meanwhile[i]);
			if (ep_probe_create(at, NULL, &second) == 0) /* refused, maybe */
				ep_probe_remove(second);
			CHECK(ep_probe_remove(probe) == 0);
			mprotect(at, PAGE, PROT_READ | PROT_EXEC);
			CHECK(run(7) == 8 && run(8) == 9);
			if (i == 2) /* it could be read and written all the time */
				CHECK(memcmp(at, code, sizeof(add_one)) == 0);
			probe = make(at, EP_PLAN_AUTO);
			CHECK(run(7) == 8 && hits_of(probe) == 1);
			ep_probe_remove(probe);
			CHECK(run(7) == 8);
		}
	}
}

/* One memory, mapped once to be written and once to be executed. */
static void code_that_is_mapped_twice(void)
{
	for (int i = 0; i < 10; i++) {
		int fd = memfd_create("code", MFD_CLOEXEC);
		unsigned char *rw;
		struct ep_probe *probe;

		CHECK(ftruncate(fd, PAGE) == 0);
		rw = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		mmap(at, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0);
		close(fd);
		memcpy(rw, add_one, sizeof(add_one));
		probe = make(at, plans[i % PLANS]);
		CHECK(run(1) == 2 && hits_of(probe) == 1);
		memcpy(rw, push_one, sizeof(push_one));
		CHECK(run(1) == 2 && hits_of(probe) == 1);
		ep_probe_remove(probe);
		CHECK(memcmp(rw, push_one, sizeof(push_one)) == 0);
		probe = make(at, EP_PLAN_TRAP);
		CHECK(run(1) == 2 && hits_of(probe) == 1);
		ep_probe_remove(probe);
		CHECK(memcmp(rw, push_one, sizeof(push_one)) == 0 && run(1) == 2);
		munmap(rw, PAGE);
	}
}

static atomic_bool stop;

static void *generate_for_ever(void *data)
{
	(void)data;
	for (long i = 0; !stop; i++) {
		generate(i % 2 ? add_one : push_one, sizeof(add_one), PROT_READ | PROT_EXEC);
		CHECK(run(i) == i + 1);
		if (i % 2 == 0)
			munmap(at, PAGE);
	}
	return NULL;
}

/* Nobody tells the engine: what it looks at may vanish under its eyes. */
static void code_comes_and_goes_while_it_is_probed(void)
{
	int good = 0, bad = 0;
	pthread_t thread;
	struct ep_probe *probe;

	probe = make((const void *)getppid, EP_PLAN_AUTO);
	pthread_create(&thread, NULL, generate_for_ever, NULL);
	for (int i = 0; i < 15000; i++) {
		struct ep_info info = {.size = sizeof(info)};

		ep_check(at, NULL, &info);
	}
	stop = true;
	pthread_join(thread, NULL);
	for (int i = 0; i < 20; i++) {
		generate(add_one, sizeof(add_one), PROT_READ | PROT_EXEC);
		if (ep_probe_create(at, NULL, &probe)) {
			bad++;
			continue;
		}
		good++;
		CHECK(run(1) == 2 && hits_of(probe) == 1);
		ep_probe_remove(probe);
	}
	CHECK(good == 20 && !bad);
}

/* ---- libraries ----------------------------------------------------------------------------- */

static long_function target_in(void *handle)
{
	return handle ? (long_function)dlsym(handle, "plugin_target") : NULL;
}

static void check_target(long_function target, const struct ep_probe *probe)
{
	uint64_t before = hits_of(probe);

	CHECK(target(20) == 41 && hits_of(probe) == before + 1);
}

static void one_library_in_two_namespaces(void)
{
	for (int i = 0; i < PLANS; i++) {
		void *here = dlopen(plugin_path, RTLD_NOW);
		void *there = dlmopen(LM_ID_NEWLM, plugin_path, RTLD_NOW);
		long_function first = target_in(here), second = target_in(there);
		struct ep_probe *probes[2];

		CHECK(first && second && first != second);
		probes[0] = make((const void *)first, plans[i]);
		probes[1] = make((const void *)second, plans[i]);
		check_target(first, probes[0]);
		check_target(second, probes[1]);
		CHECK(hits_of(probes[0]) == 1 && hits_of(probes[1]) == 1);
		dlclose(i % 2 ? here : there);
		check_target(i % 2 ? second : first, probes[i % 2]);
		CHECK(ep_probe_remove(probes[!(i % 2)]) == 0);
		check_target(i % 2 ? second : first, probes[i % 2]);
		dlclose(i % 2 ? there : here);
		CHECK(ep_probe_remove(probes[i % 2]) == 0);
	}
}

static struct ep_probe *watched;
static int loads, unloads;

static int watch_match(const struct ep_match *match, void *data)
{
	(void)data;
	watched = make(match->addr, EP_PLAN_AUTO);
	return 1;
}

static void on_object(const struct ep_object *object, int loaded, void *data)
{
	const struct ep_place place = {
		.object = object->path, .symbol = "plugin_target", .within = object->start};

	(void)data;
	if (!strstr(object->path, "plugin") && !strstr(object->path, "replaced"))
		return;
	loads += loaded;
	unloads += !loaded;
	if (loaded) {
		CHECK(ep_resolve(&place, watch_match, NULL) == 1);
		return;
	}
	ep_probe_remove(watched);
	watched = NULL;
}

static void copy_file(const char *from, const char *to)
{
	char command[9000];

	/* A new file under the old name, as installers do. */
	snprintf(command, sizeof(command), "cp '%s' '%s.new' && mv '%s.new' '%s'", from, to, to,
		 to);
	CHECK(system(command) == 0);
}

static void a_library_that_is_replaced(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "/tmp/replaced.%d.so", getpid());
	CHECK(ep_watch_objects(on_object, NULL) == 0);
	for (int i = 0; i < 6; i++) {
		void *handle;

		copy_file(i % 2 ? plugin_path : twin_path, path);
		handle = dlopen(path, RTLD_NOW);
		CHECK(watched && hits_of(watched) == 1); /* of the constructor */
		check_target(target_in(handle), watched);
		copy_file(i % 2 ? twin_path : plugin_path, path); /* while it is loaded */
		check_target(target_in(handle), watched);
		ep_probe_remove(watched);
		CHECK(target_in(handle)(1) == 3);
		watched = make((const void *)target_in(handle), plans[i % PLANS]);
		check_target(target_in(handle), watched);
		unlink(path);
		check_target(target_in(handle), watched);
		dlclose(handle);
		CHECK(!watched);
	}
	CHECK(loads == 6 && unloads == 6);
	ep_unwatch_objects(on_object, NULL);
}

static void a_library_that_cannot_be_relocated(void)
{
	CHECK(ep_watch_objects(on_object, NULL) == 0);
	for (int i = 0; i < 5; i++) {
		void *handle = dlopen(broken_path, RTLD_NOW);

		CHECK(!handle && !watched);
		handle = dlopen(plugin_path, RTLD_NOW);
		CHECK(watched);
		check_target(target_in(handle), watched);
		dlclose(handle);
		CHECK(!watched);
	}
	CHECK(loads == 10 && unloads == 10);
	ep_unwatch_objects(on_object, NULL);
}

static void *load_for_ever(void *path)
{
	while (!stop) {
		void *handle = dlopen(path, RTLD_NOW);

		CHECK(target_in(handle)(3) == 7);
		dlclose(handle);
	}
	return NULL;
}

static int look_at_match(const struct ep_match *match, void *data)
{
	++*(int *)data;
	if (*(int *)data % 16 == 0)
		usleep(200); /* time for the others to unload it, if they could */
	CHECK(match->symbol[0] && *(const volatile unsigned char *)match->addr);
	return 0;
}

/* What is looked at may be unloaded by another thread; what is found may be gone when it is used. */
static void libraries_that_vanish_while_they_are_read(void)
{
	const struct ep_place all = {.object = "plugin*", .symbol = "*"};
	struct ep_probe *probe = make((const void *)getppid, EP_PLAN_AUTO);
	pthread_t threads[2];
	int matches = 0;

	pthread_create(&threads[0], NULL, load_for_ever, plugin_path);
	pthread_create(&threads[1], NULL, load_for_ever, twin_path);
	while (matches < 8000) {
		struct ep_probe **probes;
		size_t count;

		ep_resolve(&all, look_at_match, &matches);
		if (ep_define("p plugin*:plugin_*", NULL, &probes, &count, NULL) == 0) {
			ep_probe_remove_batch(probes, count);
			free(probes);
		}
	}
	stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ep_probe_remove(probe);
}

static const struct check_case cases[] = {
	{"code_that_is_gone", code_that_is_gone},
	{"other_bytes_are_left_alone", other_bytes_are_left_alone},
	{"code_is_written_anew", code_is_written_anew},
	{"code_that_is_not_executable_just_now", code_that_is_not_executable_just_now},
	{"code_that_is_mapped_twice", code_that_is_mapped_twice},
	{"code_comes_and_goes_while_it_is_probed", code_comes_and_goes_while_it_is_probed},
	{"one_library_in_two_namespaces", one_library_in_two_namespaces},
	{"a_library_that_is_replaced", a_library_that_is_replaced},
	{"a_library_that_cannot_be_relocated", a_library_that_cannot_be_relocated},
	{"libraries_that_vanish_while_they_are_read", libraries_that_vanish_while_they_are_read},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	ssize_t size = readlink("/proc/self/exe", folder, sizeof(folder) - 1);

	folder[size < 0 ? 0 : size] = '\0';
	*strrchr(folder, '/') = '\0';
	snprintf(plugin_path, sizeof(plugin_path), "%s/plugin.so", folder);
	snprintf(twin_path, sizeof(twin_path), "%s/plugin_twin.so", folder);
	snprintf(broken_path, sizeof(broken_path), "%s/plugin_broken.so", folder);
	return check_main(argc, argv, cases);
}
