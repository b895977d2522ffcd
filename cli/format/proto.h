/* SPDX-License-Identifier: MIT */
/*
 * Protocol buffers' wire format (protobuf.dev, "Encoding"), as much of it as is needed to write a message.
 * What does not fit into the text is cut: who calls this has seen to it that there is room.
 */
#ifndef EMUPROBE_CLI_FORMAT_PROTO_H
#define EMUPROBE_CLI_FORMAT_PROTO_H

#include "trace/base/text.h"

/** A field that is a number: of types uint64, int64, enum and bool. */
void proto_number(struct trace_text *text, unsigned int field, uint64_t value);

/** A double, of which @bits are the bits. */
void proto_double(struct trace_text *text, unsigned int field, uint64_t bits);

/** A string: valid UTF-8, whatever @string has; @max bytes of it at most, and "…" where it was cut. */
void proto_string(struct trace_text *text, unsigned int field, const char *string, size_t max);

/** Begin a message inside of the one that is being written. @return what proto_close() wants. */
size_t proto_open(struct trace_text *text, unsigned int field);
void proto_close(struct trace_text *text, size_t opened);

#endif
