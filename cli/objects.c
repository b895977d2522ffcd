/* SPDX-License-Identifier: MIT */
/*
 * A process's files are found by its maps, and opened by way of its own root, so that those of a
 * container are the right ones. Whether a file is still the one that is mapped, its device and inode
 * say; one that was replaced or deleted may be had from the mapping itself.
 */
#include "cli/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/libraries.h"
#include "cli/options.h"

#define FILES_MAX 4096 /* that one program consists of */

struct files {
	struct file {
		char *path;
		dev_t device;
		ino_t inode;
	} list[FILES_MAX];
	size_t count;
};

static void files_free(struct files *files)
{
	for (size_t i = 0; files && i < files->count; i++)
		free(files->list[i].path);
	free(files);
}

/* False: it is there already, or there is no room. */
static bool add_file(struct files *files, const char *path, dev_t device, ino_t inode)
{
	char *copied;

	for (size_t i = 0; i < files->count; i++)
		if (files->list[i].device == device && files->list[i].inode == inode)
			return false;
	copied = files->count < FILES_MAX ? strdup(path) : NULL;
	if (!copied)
		return false;
	files->list[files->count++] = (struct file){copied, device, inode};
	return true;
}

static int open_image(const char *path, const char *shown, bool is_program, struct ep_image **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;
	struct stat status;

	if (fd < 0)
		return -EP_IO;
	error = fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
			? ep_image_open(fd, path, shown, is_program, ret)
			: -EP_UNSUPPORTED;
	close(fd);
	return error;
}

/* ---- a file -------------------------------------------------------------------------------- */

struct needs {
	struct files *files;
	char folders[PATH_MAX], origin[PATH_MAX];
	bool again; /* the folders are known now */
};

static void add_need(enum ep_need what, const char *name, void *data)
{
	struct needs *needs = data;
	char path[PATH_MAX];
	struct stat status;

	if (what == EP_NEED_FOLDERS && !needs->again)
		snprintf(needs->folders, sizeof(needs->folders), "%s", name);
	if (what != EP_NEED_OBJECT || !needs->again ||
	    !libraries_find(name, needs->folders, needs->origin, path) || stat(path, &status))
		return;
	add_file(needs->files, path, status.st_dev, status.st_ino);
}

static void add_needs(struct files *files, const struct ep_image *image, const char *path)
{
	struct needs needs = {.files = files};
	char *slash;

	if (!realpath(path, needs.origin))
		return;
	slash = strrchr(needs.origin, '/');
	if (slash)
		*slash = '\0';
	ep_image_needs(image, add_need, &needs);
	needs.again = true;
	ep_image_needs(image, add_need, &needs);
}

/* A process knows its program by the file that was executed, whatever link led to it. */
static int open_file(const char *path, bool is_program, struct ep_image **ret)
{
	char name[PATH_MAX];

	if (is_program && access(path, X_OK) == 0 && realpath(path, name))
		return open_image(path, name, true, ret);
	return open_image(path, path, is_program, ret);
}

static int visit_file(struct files *files, size_t index, bool all, objects_visitor visit,
		      void *data)
{
	const char *path = files->list[index].path;
	struct ep_image *image;
	int error = open_file(path, index == 0, &image);

	if (error && index == 0)
		return complain("%s: %s", path,
				error == -EP_UNSUPPORTED ? "no program or library of x86-64"
							 : ep_strerror(error)),
		       EXIT_OURS;
	if (error)
		return 0;
	if (all)
		add_needs(files, image, path);
	error = visit(image, path, data);
	ep_image_close(image);
	return error;
}

int objects_of_file(const char *path, bool all, objects_visitor visit, void *data)
{
	struct files *files = calloc(1, sizeof(*files));
	int error = 0;

	if (!files || !add_file(files, path, 0, 0)) {
		complain("%s", ep_strerror(EP_NO_MEMORY));
		error = EXIT_OURS;
	}
	for (size_t i = 0; !error && i < files->count; i++)
		error = visit_file(files, i, all, visit, data);
	files_free(files);
	return error;
}

/* ---- a process ----------------------------------------------------------------------------- */

struct mapping {
	unsigned long start, end, inode;
	unsigned int major, minor;
	char permissions[8];
	int path; /* where it begins in the line */
};

static bool parse_mapping(char *line, struct mapping *ret)
{
	*ret = (struct mapping){0};
	line[strcspn(line, "\n")] = '\0';
	return sscanf(line, "%lx-%lx %7s %*x %x:%x %lu %n", &ret->start, &ret->end,
		      ret->permissions, &ret->major, &ret->minor, &ret->inode, &ret->path) >= 6 &&
	       ret->inode && ret->path && line[ret->path] == '/' && strchr(ret->permissions, 'x');
}

static int open_mapped(int pid, const struct mapping *mapping, const char *path, bool is_program,
		       struct ep_image **ret)
{
	char name[PATH_MAX + 64];
	struct stat status;

	snprintf(name, sizeof(name), "/proc/%d/root%s", pid, path);
	if (stat(name, &status) != 0 || status.st_ino != mapping->inode)
		snprintf(name, sizeof(name), "/proc/%d/map_files/%lx-%lx", pid, mapping->start,
			 mapping->end);
	return open_image(name, path, is_program, ret);
}

/* The executable is the file of /proc/PID/exe. */
static bool is_executable(int pid, const struct mapping *mapping)
{
	char name[64];
	struct stat status;

	snprintf(name, sizeof(name), "/proc/%d/exe", pid);
	return stat(name, &status) == 0 && status.st_ino == mapping->inode;
}

static int visit_mapping(int pid, const struct mapping *mapping, const char *path,
			 objects_visitor visit, void *data)
{
	struct ep_image *image;
	int error = open_mapped(pid, mapping, path, is_executable(pid, mapping), &image);

	if (error == -EP_IO)
		complain("%s: cannot be read, or is not any more what process %d has loaded", path,
			 pid);
	if (error) /* other files are mapped for execution, too */
		return 0;
	error = visit(image, path, data);
	ep_image_close(image);
	return error;
}

int objects_of_process(int pid, objects_visitor visit, void *data)
{
	struct files *files = calloc(1, sizeof(*files));
	char name[64], *line = NULL;
	size_t size = 0;
	FILE *maps;
	int error = 0;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	maps = fopen(name, "re");
	if (!maps || !files) {
		complain("process %d: %s", pid,
			 maps ? ep_strerror(EP_NO_MEMORY)
			      : strerror(errno == ENOENT ? ESRCH : errno));
		error = EXIT_OURS;
	}
	while (!error && getline(&line, &size, maps) > 0) {
		struct mapping mapping;

		if (parse_mapping(line, &mapping) &&
		    add_file(files, line + mapping.path, makedev(mapping.major, mapping.minor),
			     mapping.inode))
			error = visit_mapping(pid, &mapping, line + mapping.path, visit, data);
	}
	free(line);
	if (maps)
		fclose(maps);
	files_free(files);
	return error;
}
