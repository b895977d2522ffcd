/* SPDX-License-Identifier: MIT */
/* What is found out about functions, in words. */
#include "probe/image/exits.h"

#define TEXT_READING(name, text) [EXITS_READING_##name] = text,
#define TEXT_REFUSAL(name, text) [EXITS_REFUSAL_##name] = text,

const char *exits_reading_text(enum exits_reading reading)
{
	static const char *const texts[] = {EXITS_READINGS(TEXT_READING)};

	return texts[reading];
}

const char *exits_refusal_text(enum exits_refusal refusal)
{
	static const char *const texts[] = {EXITS_REFUSALS(TEXT_REFUSAL)};

	return texts[refusal];
}
