/* SPDX-License-Identifier: MIT */
/* Probes itself while it loads, unloads and generates code. "self_loader", in the plugins' folder.
 */
#include <dlfcn.h>
#include <emuprobe.h>
#include <errno.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

static char plugin_path[4096], twin_path[4096];

static struct ep_probe *probe;
static int loads, unloads;
static enum ep_plan plan;

static int place_probe(const struct ep_match *match, void *data)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};

	(void)data;
	CHECK(ep_probe_create(match->addr, &options, &probe) == 0);
	return 1;
}

static void on_object(const struct ep_object *object, int loaded, void *data)
{
	struct ep_place place = {
		.object = object->name, .symbol = "plugin_target", .within = object->start};

	CHECK(data == &loads);
	if (!strstr(object->path, "plugin"))
		return;
	if (loaded) {
		loads++;
		CHECK(ep_resolve(&place, place_probe, NULL) == 1);
	} else {
		unloads++;
		ep_probe_remove(probe);
		probe = NULL;
	}
}

static uint64_t hits(void)
{
	struct ep_info info = {.size = sizeof(info)};

	CHECK(ep_probe_info(probe, &info) == 0);
	return info.hits;
}

static void use(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	long (*target)(long) = handle ? (long (*)(long))dlsym(handle, "plugin_target") : NULL;
	long (*calls)(void) = handle ? (long (*)(void))dlsym(handle, "plugin_calls") : NULL;

	CHECK(target && calls && probe);
	if (!target || !calls || !probe)
		return;
	CHECK(hits() == 1); /* of the constructor */
	for (long i = 0; i < 10; i++)
		CHECK(target(i) == i * 2 + 1);
	CHECK(hits() == 11 && calls() == 11);
	CHECK(dlclose(handle) == 0);
	CHECK(!probe);
}

static void constructors_are_probed(void)
{
	for (plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		loads = unloads = 0;
		CHECK(ep_watch_objects(on_object, &loads) == 0);
		for (int i = 0; i < 20; i++)
			use(i % 3 == 2 ? twin_path : plugin_path);
		CHECK(loads == 20 && unloads == 20);
		CHECK(ep_unwatch_objects(on_object, &loads) == 0);
		CHECK(ep_unwatch_objects(on_object, &loads) == -EP_INVALID);
	}
}

static void other_namespaces_are_watched(void)
{
	void *handle;

	CHECK(ep_watch_objects(on_object, &loads) == 0);
	for (int i = 0; i < 5; i++) {
		handle = dlmopen(LM_ID_NEWLM, plugin_path, RTLD_NOW);
		CHECK(handle);
		if (!handle)
			return;
		CHECK(loads == i + 1 && probe && hits() == 1);
		CHECK(((long (*)(long))dlsym(handle, "plugin_target"))(4) == 9);
		CHECK(hits() == 2);
		dlclose(handle);
		CHECK(unloads == i + 1);
	}
	ep_unwatch_objects(on_object, &loads);
}

/* A program that does not watch: its probes are left behind by dlclose(). */
static void probes_of_unloaded_objects_do_nothing(void)
{
	for (plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		struct ep_probe *left[10];

		for (int i = 0; i < 10; i++) {
			const char *path = i % 2 ? twin_path : plugin_path;
			void *handle = dlopen(path, RTLD_NOW);
			long (*target)(long) = (long (*)(long))dlsym(handle, "plugin_target");
			const struct ep_options options = {.size = sizeof(options), .plan = plan};

			CHECK(target(3) == 7);
			CHECK(ep_probe_create((const void *)target, &options, &probe) == 0);
			CHECK(target(3) == 7 && hits() == 1);
			left[i] = probe;
			dlclose(handle);
			CHECK(hits() >= 1);
		}
		CHECK(ep_probe_remove_batch(left, 10) == 0);
		for (int i = 0; i < 2; i++) {
			void *handle = dlopen(i ? twin_path : plugin_path, RTLD_NOW);
			const unsigned char *code = dlsym(handle, "plugin_target");

			CHECK(code[0] != 0xcc && code[0] != 0xe9);
			CHECK(((long (*)(long))(uintptr_t)code)(3) == 7);
			dlclose(handle);
		}
	}
}

/* Generated code comes and goes without telling anyone. */
static void generated_code_comes_and_goes(void)
{
	static const unsigned char versions[2][12] = {
		/* lea 1(%rdi), %rax; lea 0(%rsi), %rsi; ret */
		{0x48, 0x8d, 0x47, 0x01, 0x48, 0x8d, 0x76, 0x00, 0xc3},
		/* lea 2(%rdi), %rax; nop; nop; ret */
		{0x48, 0x8d, 0x47, 0x02, 0x90, 0x90, 0xc3},
	};
	void *const at = (void *)0x300000000000;

	for (plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		const struct ep_options options = {.size = sizeof(options), .plan = plan};
		struct ep_probe *before = NULL;

		for (int i = 0; i < 20; i++) {
			unsigned char *code = mmap(at, 4096, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			long (*run)(long) = (long (*)(long))(uintptr_t)code;
			long right = 10 + (i % 2 ? 2 : 1);

			memcpy(code, versions[i % 2], sizeof(versions[0]));
			mprotect(code, 4096, PROT_READ | PROT_EXEC);
			CHECK(run(10) == right);
			CHECK(ep_probe_create(code, &options, &probe) == 0);
			CHECK(run(10) == right && run(10) == right && hits() == 2);
			if (i % 3 == 0) {
				CHECK(ep_probe_remove(probe) == 0);
				CHECK(memcmp(code, versions[i % 2], sizeof(versions[0])) == 0);
				probe = NULL;
			}
			munmap(code, 4096);
			ep_probe_remove(before);
			before = probe;
		}
		ep_probe_remove(before);
	}
}

static atomic_bool stop;

static void *load_and_unload(void *path)
{
	while (!stop) {
		void *handle = dlopen(path, RTLD_NOW);

		if (handle)
			dlclose(handle);
	}
	return NULL;
}

static atomic_int deaths;

static void count_object(const struct ep_object *object, int loaded, void *data)
{
	(void)data;
	if (strstr(object->path, "plugin") && !loaded)
		atomic_fetch_add(&deaths, 1);
}

static void loading_and_probing_at_once(void)
{
	pthread_t threads[2];

	CHECK(ep_watch_objects(count_object, NULL) == 0);
	pthread_create(&threads[0], NULL, load_and_unload, plugin_path);
	pthread_create(&threads[1], NULL, load_and_unload, twin_path);
	for (int i = 0; i < 300; i++) {
		CHECK(ep_probe_create((const void *)getppid, NULL, &probe) == 0);
		getppid();
		CHECK(hits() == 1);
		ep_probe_remove(probe);
	}
	stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	CHECK(deaths > 0);
}

/* ---- guards that cannot be placed ---------------------------------------------------------------- */

#define HIGH(argument) (offsetof(struct seccomp_data, args[argument]) + 4)
#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, field)
#define IS(value, no)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, no)
#define IS_HIGH(no)    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x7000, 0, no)
#define REFUSE	       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* Text of libraries can be written no more; that of the executable, far below, can. */
static bool protect_libraries(void)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IS(SYS_pwrite64, 3),
		LOAD(HIGH(3)),
		IS_HIGH(1),
		REFUSE,
		LOAD(offsetof(struct seccomp_data, nr)),
		IS(SYS_mprotect, 5),
		LOAD(offsetof(struct seccomp_data, args[2])),
		IS(PROT_READ | PROT_WRITE, 3),
		LOAD(HIGH(0)),
		IS_HIGH(1),
		REFUSE,
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

__attribute__((noinline)) static void here(void)
{
	__asm__ volatile("");
}

static int try(void)
{
	struct ep_probe *made;
	int error = ep_probe_create((const void *)here, NULL, &made);

	if (!error)
		ep_probe_remove(made);
	return error;
}

static void guards_that_cannot_be_placed_are_noticed(void)
{
	char path[4096];
	void *handle;

	snprintf(path, sizeof(path), "%.*scalls.so",
		 (int)(strrchr(plugin_path, '/') - plugin_path + 1), plugin_path);
	CHECK(try() == 0);
	handle = dlopen(path, RTLD_NOW);
	CHECK(handle && try() == 0);
	dlclose(handle);
	CHECK(protect_libraries());
	handle = dlopen(path, RTLD_NOW);
	CHECK(handle && try() == -EP_NOT_WRITABLE);
	dlclose(handle);
	CHECK(try() == 0);
}

static const struct check_case cases[] = {
	{"constructors_are_probed", constructors_are_probed},
	{"other_namespaces_are_watched", other_namespaces_are_watched},
	{"probes_of_unloaded_objects_do_nothing", probes_of_unloaded_objects_do_nothing},
	{"generated_code_comes_and_goes", generated_code_comes_and_goes},
	{"loading_and_probing_at_once", loading_and_probing_at_once},
	{"guards_that_cannot_be_placed_are_noticed", guards_that_cannot_be_placed_are_noticed},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	ssize_t size = readlink("/proc/self/exe", plugin_path, 4000);
	char *slash;

	plugin_path[size < 0 ? 0 : size] = '\0';
	slash = strrchr(plugin_path, '/') + 1;
	*slash = '\0';
	memcpy(twin_path, plugin_path, sizeof(twin_path));
	strcat(plugin_path, "plugin.so");
	strcat(twin_path, "plugin_twin.so");
	return check_main(argc, argv, cases);
}
