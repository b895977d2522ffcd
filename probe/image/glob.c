/* SPDX-License-Identifier: MIT */
/*
 * Patterns come from users and names from files, and neither is to be trusted: the time that
 * fnmatch(3) takes grows with the number of '*' as an exponent. What a '*' has matched need not be
 * changed any more once a later '*' is reached, since that can match as well whatever it would leave:
 * so only the last one is ever tried again.
 */
#include "probe/image/glob.h"

#include <stddef.h>
#include <string.h>

static bool is_between(char c, char first, char last)
{
	return c >= first && c <= last;
}

static bool is_lower(char c)
{
	return is_between(c, 'a', 'z');
}

static bool is_upper(char c)
{
	return is_between(c, 'A', 'Z');
}

static bool is_digit(char c)
{
	return is_between(c, '0', '9');
}

static bool is_alpha(char c)
{
	return is_lower(c) || is_upper(c);
}

static bool is_alnum(char c)
{
	return is_alpha(c) || is_digit(c);
}

static bool is_xdigit(char c)
{
	return is_digit(c) || is_between(c, 'a', 'f') || is_between(c, 'A', 'F');
}

static bool is_punct(char c)
{
	return is_between(c, '!', '~') && !is_alnum(c);
}

static bool is_space(char c)
{
	return c == ' ' || is_between(c, '\t', '\r');
}

static const struct {
	const char *name;
	bool (*has)(char c);
} classes[] = {
	{"lower:]", is_lower}, {"upper:]", is_upper}, {"digit:]", is_digit},
	{"alpha:]", is_alpha}, {"alnum:]", is_alnum}, {"xdigit:]", is_xdigit},
	{"punct:]", is_punct}, {"space:]", is_space},
};

/* Behind the class that begins at @at, "[:digit:]"; NULL: there is none. */
static const char *behind_class(const char *at, char c, bool *ret_has)
{
	if (at[0] != '[' || at[1] != ':')
		return NULL;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		size_t size = strlen(classes[i].name);

		if (strncmp(at + 2, classes[i].name, size) != 0)
			continue;
		*ret_has = classes[i].has(c);
		return at + 2 + size;
	}
	return NULL;
}

/* Behind one element of a set: a class, a range or a byte; at a zero, where it ends too early. */
static const char *behind_element(const char *at, char c, bool *ret_has)
{
	const char *behind = behind_class(at, c, ret_has);
	unsigned char first, last, byte = (unsigned char)c;

	if (behind)
		return behind;
	at += *at == '\\' && at[1];
	first = last = (unsigned char)*at++;
	if (at[0] == '-' && at[1] && at[1] != ']') {
		at++;
		at += *at == '\\' && at[1];
		last = (unsigned char)*at++;
	}
	*ret_has = byte >= first && byte <= last;
	return at;
}

/* Behind the set that begins at @at, whose '[' it is; NULL: it has no end. */
static const char *behind_set(const char *at, char c, bool *ret_has)
{
	bool inverted = at[1] == '!' || at[1] == '^', has = false;
	const char *first = at + 1 + inverted;

	for (at = first; *at && (*at != ']' || at == first);) {
		bool has_element;

		at = behind_element(at, c, &has_element);
		has |= has_element;
	}
	*ret_has = has != inverted;
	return *at ? at + 1 : NULL;
}

/* Behind what of @pattern stands for one byte, if @c is such a byte; else NULL. */
static const char *behind_match(const char *pattern, char c)
{
	const char *behind;
	bool has;

	if (*pattern == '?')
		return pattern + 1;
	if (*pattern == '[' && (behind = behind_set(pattern, c, &has)))
		return has ? behind : NULL;
	pattern += *pattern == '\\' && pattern[1];
	return *pattern == c ? pattern + 1 : NULL;
}

bool glob_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *tried = NULL; /* behind the last '*', and what it leaves */

	while (*name) {
		const char *behind;

		if (*pattern == '*') {
			star = ++pattern;
			tried = name;
			continue;
		}
		behind = *pattern ? behind_match(pattern, *name) : NULL;
		if (!behind && !star)
			return false;
		name = behind ? name + 1 : ++tried;
		pattern = behind ? behind : star;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
