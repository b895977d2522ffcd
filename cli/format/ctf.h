/* SPDX-License-Identifier: MIT */
/* Common Trace Format 1.8: a folder that babeltrace2(1) and Trace Compass read. */
#ifndef EMUPROBE_CLI_FORMAT_CTF_H
#define EMUPROBE_CLI_FORMAT_CTF_H

#include "trace/report/writer.h"

/**
 * @path     Of the folder, which is made if it is not there.
 * @ret      It writes its files itself; its .begin and .end may be given any sink.
 *
 * @return   0, or an errno.
 */
int ctf_create(const char *path, struct trace_format_writer *ret);

#endif
