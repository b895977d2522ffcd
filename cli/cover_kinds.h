/* SPDX-License-Identifier: MIT */
/* What can be asked of coverage. */
#ifndef EMUPROBE_CLI_COVER_KINDS_H
#define EMUPROBE_CLI_COVER_KINDS_H

#include <stdbool.h>

enum cover_level {
	COVER_NOTHING,
	COVER_FUNCTIONS,
	COVER_BLOCKS,
};

enum cover_format {
	COVER_PLAIN,
	COVER_LCOV,
	COVER_COBERTURA,
};

/** "lcov", "cobertura" or "text". @return false: none of these. */
bool cover_format_of(const char *name, enum cover_format *ret);

#endif
