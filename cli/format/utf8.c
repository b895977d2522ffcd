/* SPDX-License-Identifier: MIT */
#include "cli/format/utf8.h"

#include <string.h>

#define BAD  "\ufffd"
#define MORE "\u2026"

/* Bytes of the character there, and what stands for it. trace_text_shown() does not show controls. */
static unsigned int take(const char *at, const char **ret, unsigned int *ret_size)
{
	const unsigned char *bytes = (const unsigned char *)at;
	unsigned int size = trace_text_shown(at);

	if (!size && bytes[0] < 0x80)
		size = 1;
	if (!size && bytes[0] == 0xc2 && (bytes[1] & 0xc0) == 0x80)
		size = 2;
	*ret = size ? at : BAD;
	*ret_size = size ? size : sizeof(BAD) - 1;
	return size ? size : 1;
}

void utf8_put(struct trace_text *text, const char *string, size_t max)
{
	size_t left = text->size - text->used, end, last = text->used;

	if (max > left)
		max = left;
	end = text->used + max;
	while (*string) {
		const char *from;
		unsigned int size, taken = take(string, &from, &size);

		if (text->used + size > end)
			break;
		memcpy(text->buffer + text->used, from, size);
		text->used += size;
		string += taken;
		if (text->used + sizeof(MORE) - 1 <= end)
			last = text->used;
	}
	if (!*string || last + sizeof(MORE) - 1 > end)
		return;
	memcpy(text->buffer + last, MORE, sizeof(MORE) - 1);
	text->used = last + sizeof(MORE) - 1;
}
