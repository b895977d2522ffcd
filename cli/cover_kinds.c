/* SPDX-License-Identifier: MIT */
/* Options are read before anything is known of coverage. */
#include "cli/cover_kinds.h"

#include <stddef.h>
#include <string.h>

bool cover_format_of(const char *name, enum cover_format *ret)
{
	static const char *const names[] = {"text", "lcov", "cobertura"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum cover_format)i;
			return true;
		}
	return false;
}
