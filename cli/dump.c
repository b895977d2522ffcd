/* SPDX-License-Identifier: MIT */
/*
 * The launcher is told by a signal, which ends those that do not wait for it. So whoever is to get it has to
 * have a descriptor of the session that the process has mapped, and a handler for the signal.
 */
#include "cli/dump.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/options.h"

/* The inode of the session that the process has mapped; 0: none. */
static unsigned long session_of(int pid)
{
	char path[64], *line = NULL;
	unsigned long ret = 0;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !ret && getline(&line, &size, maps) > 0)
		if (strstr(line, "/memfd:emuprobe"))
			sscanf(line, "%*s %*s %*s %*s %lu", &ret);
	free(line);
	if (maps)
		fclose(maps);
	return ret;
}

static bool holds(int pid, unsigned long session)
{
	char path[320];
	struct stat status;
	struct dirent *entry;
	bool ret = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = opendir(path);
	while (folder && !ret && (entry = readdir(folder))) {
		char target[64] = "";

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		ret = stat(path, &status) == 0 && status.st_ino == session &&
		      readlink(path, target, sizeof(target) - 1) > 0 &&
		      strncmp(target, "/memfd:emuprobe", sizeof("/memfd:emuprobe") - 1) == 0;
	}
	if (folder)
		closedir(folder);
	return ret;
}

static bool catches(int pid, int sig)
{
	char path[64], *line = NULL;
	unsigned long mask = 0;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0)
		sscanf(line, "SigCgt: %lx", &mask);
	free(line);
	if (file)
		fclose(file);
	return mask >> (sig - 1) & 1;
}

static int find_launcher(unsigned long session)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	int ret = 0;

	while (folder && !ret && (entry = readdir(folder))) {
		int pid = atoi(entry->d_name);

		if (pid > 0 && holds(pid, session))
			ret = pid;
	}
	if (folder)
		closedir(folder);
	return ret;
}

int dump_ask(int argc, char **argv)
{
	int pid = argc == 2 ? atoi(argv[1]) : 0, launcher;
	unsigned long session = pid > 0 ? session_of(pid) : 0;

	if (pid <= 0)
		return complain("dump: the number of one process"), EXIT_OURS;
	launcher = session ? find_launcher(session) : 0;
	if (!launcher)
		return complain("process %d is not probed, or may not be looked at", pid),
		       EXIT_OURS;
	if (!catches(launcher, SIGUSR2))
		return complain("process %d is probed without --ring", pid), EXIT_OURS;
	if (kill(launcher, SIGUSR2) == 0)
		return 0;
	complain("process %d: %s", launcher, strerror(errno));
	return EXIT_OURS;
}
