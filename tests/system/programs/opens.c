/* SPDX-License-Identifier: MIT */
/* Opens each object that it is given, and prints by how many KiB it has grown: all, what is shared. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long kilobytes(const char *key)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long ret = -1;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			ret = strtol(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return ret;
}

int main(int argc, char **argv)
{
	long all = kilobytes("VmRSS:"), shared = kilobytes("RssShmem:");

	for (int i = 1; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW)) {
			puts(dlerror());
			return 1;
		}
	printf("all %ld\nshared %ld\n", kilobytes("VmRSS:") - all, kilobytes("RssShmem:") - shared);
	return 0;
}
