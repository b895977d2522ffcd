/* SPDX-License-Identifier: MIT */
/* Text that a program has given, for files whose readers want UTF-8. */
#ifndef EMUPROBE_CLI_FORMAT_UTF8_H
#define EMUPROBE_CLI_FORMAT_UTF8_H

#include "trace/base/text.h"

/**
 * Append @string: controls stay, but for zero; each byte that is no UTF-8 becomes U+FFFD. At most @max bytes, at
 * least 16; where it is cut, "…" stands at its end, and no character is cut.
 */
void utf8_put(struct trace_text *text, const char *string, size_t max);

#endif
