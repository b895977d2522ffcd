/* SPDX-License-Identifier: MIT */
/*
 * A process is probed as long as it has the session mapped: from its parent's fork() on, before it
 * has said a word, until it ends or executes something that is not probed. The session is a file
 * without a name, but its inode can be found in /proc/PID/maps. To look into all of /proc takes
 * milliseconds, so the kernel is asked first whether anybody has it mapped: it lets nobody seal a
 * file against writing that is mapped for writing.
 */
#include "cli/outlive.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOKS	 3
#define PAUSE_NS 15000000

/* "ADDRESS PERMISSIONS OFFSET DEVICE INODE PATH", one of them with the session. */
static bool find_session(FILE *maps, unsigned long inode)
{
	char *line = NULL;
	size_t size = 0;
	bool ret = false;

	while (!ret && getline(&line, &size, maps) > 0) {
		unsigned long found = 0;

		ret = strstr(line, "/memfd:emuprobe") &&
		      sscanf(line, "%*s %*s %*s %*s %lu", &found) == 1 && found == inode;
	}
	free(line);
	return ret;
}

static FILE *open_file(int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

static bool maps_session(int pid, unsigned long inode)
{
	FILE *maps = open_file(pid, "maps");
	bool ret = maps && find_session(maps, inode);

	if (maps)
		fclose(maps);
	return ret;
}

static void read_comm(int pid, char *ret, size_t size)
{
	FILE *file = open_file(pid, "comm");

	snprintf(ret, size, "?");
	if (!file)
		return;
	if (fgets(ret, (int)size, file))
		ret[strcspn(ret, "\n")] = '\0';
	fclose(file);
}

static void look(unsigned long inode, struct outlive *ret)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	*ret = (struct outlive){0};
	while (folder && (entry = readdir(folder))) {
		int pid = atoi(entry->d_name);

		if (pid <= 0 || pid == getpid() || !maps_session(pid, inode))
			continue;
		ret->pid = pid;
		ret->count++;
	}
	if (folder)
		closedir(folder);
	if (ret->count)
		read_comm(ret->pid, ret->comm, sizeof(ret->comm));
}

void outlive_wait(int fd, int pid)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct stat status;

	if (fstat(fd, &status))
		return;
	for (int i = 0; i < 1000 && maps_session(pid, status.st_ino); i++)
		nanosleep(&pause, NULL);
}

/*
 * One that forks and ends meanwhile may be missed, and its child, too; and one that executes another program has
 * nothing mapped for some milliseconds. So, several looks, and a pause between them.
 */
void outlive_look(int fd, struct outlive *ret)
{
	struct stat status;

	*ret = (struct outlive){0};
	if (fstat(fd, &status))
		return;
	for (int i = 0; i < LOOKS && !ret->count; i++) {
		if (i)
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		look(status.st_ino, ret);
	}
}

bool outlive_any(const struct trace_session *session, int fd)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	uint64_t header = session->layout.definitions, rest = session->layout.size - header;

	/* Signals still change the header. */
	if (mmap(session->shared, header, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ||
	    munmap((char *)session->shared + header, rest))
		return false;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0;
}
