/* SPDX-License-Identifier: MIT */
/* "self_dlopened LIBRARY": is not linked with the library, and closes it with its probes in place. */
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>

#include "check.h"
#include "include/emuprobe.h"

long target(long number);

__attribute__((noinline)) long target(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number * 2 + 1;
}

int main(int argc, char **argv)
{
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe;

	(void)check_main;
	if (argc < 2)
		return 2;
	for (int i = 0; i < 5; i++) {
		void *handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
		__typeof__(ep_probe_create) *create =
			(__typeof__(create))dlsym(handle, "ep_probe_create");
		__typeof__(ep_probe_info) *get = (__typeof__(get))dlsym(handle, "ep_probe_info");
		__typeof__(ep_probe_remove) *take =
			(__typeof__(take))dlsym(handle, "ep_probe_remove");

		CHECK(create && get && take);
		if (i == 0) { /* not used yet, it goes like any other */
			CHECK(dlclose(handle) == 0 && !dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD));
			continue;
		}
		CHECK(create((const void *)target, NULL, &probe) == 0);
		CHECK(target(1) == 3);
		CHECK(dlclose(handle) == 0);
		signal(SIGUSR1, SIG_IGN);
		CHECK(target(1) == 3 && target(2) == 5);
		CHECK(get(probe, &info) == 0 && info.hits == 3);
		if (i % 2)
			CHECK(take(probe) == 0);
	}
	return check_failures;
}
