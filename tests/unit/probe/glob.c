/* SPDX-License-Identifier: MIT */
/* Claims: patterns mean what they mean to fnmatch(3), and cost no more than lengths multiplied. */
#include "probe/image/glob.h"

#include <criterion/criterion.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(glob, .timeout = 400);

Test(glob, agrees_with_fnmatch_where_both_are_clear)
{
	static const char *const patterns[] = {"",
					       "*",
					       "?",
					       "a",
					       "a*",
					       "*a",
					       "a*b",
					       "*a*b*",
					       "a?c",
					       "[abc]",
					       "[a-c]x",
					       "[!a-c]x",
					       "[^a]*",
					       "[]a]",
					       "[!]a]",
					       "[a-]",
					       "[[:digit:]]*",
					       "x[[:alpha:]_]*",
					       "\\*",
					       "\\?a",
					       "[\\]]",
					       "[a",
					       "a[",
					       "**",
					       "*?*",
					       "a\\",
					       "[[:upper:][:digit:]]",
					       "mem*cpy",
					       "[z-a]"};
	static const char *const names[] = {
		"",   "a", "b", "ab",	  "abc",       "acb",	  "aab", "ax", "bx",
		"dx", "]", "-", "*",	  "?a",	       "[a",	  "[",	 "a[", "1a",
		"x_", "X", "9", "memcpy", "memmovcpy", "memcpyx", "a\\", ".a", "a/b"};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			bool wanted = fnmatch(patterns[i], names[k], 0) == 0;

			if (strcmp(patterns[i], "a\\") == 0)
				wanted = strcmp(names[k], "a\\") == 0; /* fnmatch: never */
			cr_expect_eq(glob_matches(patterns[i], names[k]), wanted, "%s and %s",
				     patterns[i], names[k]);
		}
}

Test(glob, short_patterns_of_all_kinds_agree_with_fnmatch)
{
	static const char alphabet[] = "ab*?";
	char pattern[7], name[7];

	for (unsigned int p = 0; p < 1u << 12; p++) {
		for (int i = 0; i < 6; i++)
			pattern[i] = alphabet[p >> 2 * i & 3];
		pattern[6] = '\0';
		for (unsigned int n = 0; n < 1u << 6; n++) {
			for (int i = 0; i < 6; i++)
				name[i] = alphabet[n >> i & 1];
			name[n % 7] = '\0';
			cr_assert_eq(glob_matches(pattern, name), fnmatch(pattern, name, 0) == 0,
				     "%s and %s", pattern, name);
		}
	}
}

/* Each star could leave each byte to the next: 2^60 ways for whoever tries all of them. */
Test(glob, stars_do_not_multiply)
{
	char pattern[256] = "", name[4096];

	for (int i = 0; i < 60; i++)
		strcat(pattern, "*a");
	strcat(pattern, "*b");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_not(glob_matches(pattern, name));
	name[sizeof(name) - 2] = 'b';
	cr_expect(glob_matches(pattern, name));
}
