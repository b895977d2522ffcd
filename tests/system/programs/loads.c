/* SPDX-License-Identifier: MIT */
/*
 * loads N: loads and unloads the plugin N times, in link namespaces of their own every fourth time,
 * and calls plugin_target() three times each; the constructor and the destructor once more.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[4096];

static int load(int i)
{
	void *handle = i % 4 == 3 ? dlmopen(LM_ID_NEWLM, path, RTLD_NOW) : dlopen(path, RTLD_NOW);
	long (*target)(long);

	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	target = (long (*)(long))dlsym(handle, "plugin_target");
	for (long n = 0; n < 3; n++)
		if (target(n) != n * 2 + 1)
			return 2;
	if (i == 1) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(target(5) != 11);
		if (waitpid(pid, &status, 0) != pid || status)
			return 3;
	}
	return dlclose(handle) ? 4 : 0;
}

int main(int argc, char **argv)
{
	ssize_t size = readlink("/proc/self/exe", path, 4000);

	path[size < 0 ? 0 : size] = '\0';
	strcpy(strrchr(path, '/') + 1, "plugin.so");
	for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++) {
		int error = load(i);

		if (error)
			return error;
	}
	return 0;
}
