/* SPDX-License-Identifier: MIT */
/* The files that a program consists of: one that is not run, or a process. */
#ifndef EMUPROBE_CLI_OBJECTS_H
#define EMUPROBE_CLI_OBJECTS_H

#include <stdbool.h>

#include "include/listing.h"

/**
 * Called for each; @path: what it is called, where it is not the path of @image. @return Other than 0 to
 * stop.
 */
typedef int (*objects_visitor)(struct ep_image *image, const char *path, void *data);

/**
 * The file at @path, then, if @all, the libraries that it needs, and those that they need.
 *
 * @return   What @visit returned, or the exit status after a message.
 */
int objects_of_file(const char *path, bool all, objects_visitor visit, void *data);

/** What process @pid has mapped for execution, the program first. */
int objects_of_process(int pid, objects_visitor visit, void *data);

#endif
