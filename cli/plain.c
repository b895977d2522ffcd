/* SPDX-License-Identifier: MIT */
#include "cli/plain.h"

#include <string.h>

#include "trace/base/text.h"

void plain_put(const char *text, FILE *to)
{
	while (*text) {
		unsigned int size = trace_text_shown(text);

		fwrite(size ? text : "?", size ? size : 1, 1, to);
		text += size ? size : 1;
	}
}

bool plain_is(const char *text)
{
	unsigned int size = 1;

	while (*text && size) {
		size = trace_text_shown(text);
		text += size;
	}
	return size != 0;
}

void plain_put_escaped(const char *text, const char *others, FILE *to)
{
	while (*text) {
		unsigned int size = trace_text_shown(text);

		if (size && *text != '\\' && !strchr(others, *text)) {
			fwrite(text, size, 1, to);
			text += size;
		} else {
			fprintf(to, "\\x%02x", (unsigned char)*text++);
		}
	}
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

void plain_unescape(char *text)
{
	char *to = text;

	while (*text) {
		bool escaped = text[0] == '\\' && text[1] == 'x' && digit(text[2]) >= 0 &&
			       digit(text[3]) >= 0 && digit(text[2]) + digit(text[3]) > 0;

		*to++ = escaped ? (char)(digit(text[2]) << 4 | digit(text[3])) : *text;
		text += escaped ? 4 : 1;
	}
	*to = '\0';
}
