/* SPDX-License-Identifier: MIT */
/*
 * A '*' first stands for nothing; when what is behind it does not match, it takes one byte more, and only
 * the last '*' is tried again: the first place at which what is between two of them matches is as good as any.
 */
#include "trace/action/match.h"

#include "sys/memory.h"

EP_TRAP_PATH static uint8_t byte_at(uint64_t address, uint64_t index, bool *ret_there)
{
	uint8_t ret = 0;

	if (index >= TRACE_MATCH_MAX)
		return 0;
	if (!sys_load_uint8_t(address + index, &ret))
		*ret_there = false;
	return ret;
}

/* The set that *@pattern begins behind '['; goes on behind its ']'. One that is not closed is empty. */
EP_TRAP_PATH static bool is_in_set(const char **pattern, uint8_t byte)
{
	const char *at = *pattern;
	bool is_inverted = *at == '!' || *at == '^', found = false;

	at += is_inverted;
	for (const char *first = at; *at && (*at != ']' || at == first); at++) {
		uint8_t low = (uint8_t)*at, high = low;

		if (at[1] == '-' && at[2] && at[2] != ']') {
			high = (uint8_t)at[2];
			at += 2;
		}
		found |= byte >= low && byte <= high;
	}
	*pattern = *at ? at + 1 : at;
	return *at && found != is_inverted;
}

/* Does @byte match what *@pattern begins with, which is no '*'? Goes on behind it. */
EP_TRAP_PATH static bool matches_one(const char **pattern, uint8_t byte)
{
	char c = *(*pattern)++;

	if (c == '?')
		return true;
	if (c == '[')
		return is_in_set(pattern, byte);
	if (c == '\\' && **pattern)
		c = *(*pattern)++;
	return (uint8_t)c == byte;
}

EP_TRAP_PATH static bool match_glob(uint64_t address, const char *pattern, bool *ret_there)
{
	const char *behind_star = NULL;
	uint64_t at = 0, retry = 0;
	uint8_t byte;

	while ((byte = byte_at(address, at, ret_there)) != 0) {
		if (*pattern == '*') {
			behind_star = ++pattern;
			retry = at;
		} else if (*pattern && matches_one(&pattern, byte)) {
			at++;
		} else if (behind_star) {
			pattern = behind_star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

EP_TRAP_PATH bool trace_match(uint64_t address, const char *pattern, bool is_glob, bool *ret_there)
{
	uint64_t at = 0;
	uint8_t byte;

	if (is_glob)
		return match_glob(address, pattern, ret_there);
	while ((byte = byte_at(address, at, ret_there)) != 0 && byte == (uint8_t)pattern[at])
		at++;
	return byte == (uint8_t)pattern[at];
}
