/* SPDX-License-Identifier: MIT */
#include "probe/site/running.h"

#include <errno.h>

int64_t running_errno_offset;

void running_init(void)
{
	running_errno_offset = (char *)&errno - (char *)running_load_fs(0);
}
