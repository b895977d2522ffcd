/* SPDX-License-Identifier: MIT */
/* Names that compilers have made, and such that nobody would. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/demangle.h"

TestSuite(cli_demangle, .timeout = 60);

static void check(const char *name, const char *meaning)
{
	char text[512];

	cr_expect_str_eq(demangle(name, text, sizeof(text)), meaning, "%s", name);
}

static void needs_library(void)
{
	char text[64];

	if (strcmp(demangle("_Z1fv", text, sizeof(text)), "f()") != 0)
		cr_skip_test("no C++ library is installed");
}

Test(cli_demangle, other_names_stay)
{
	static const char *const names[] = {"malloc", "", "_", "_Z", "_Zx", "_ZN", "Z1fv", "_R"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check(names[i], names[i]);
}

Test(cli_demangle, reads_cxx)
{
	static const char long_name[] =
		"_ZNSt8_Rb_treeINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4pairIKS5_iE"
		"St10_Select1stIS8_ESt4lessIS5_ESaIS8_EE8_M_eraseEPSt13_Rb_tree_nodeIS8_E";
	char text[4096];

	needs_library();
	check("_ZNSt6vectorIiSaIiEE9push_backERKi",
	      "std::vector<int, std::allocator<int> >::push_back(int const&)");
	demangle(long_name, text, sizeof(text));
	cr_expect_eq(strncmp(text, "std::_Rb_tree<std::__cxx11::basic_string<char", 45), 0);
	cr_expect_not_null(strstr(text, ">::_M_erase(std::_Rb_tree_node<"));
}

Test(cli_demangle, reads_rust)
{
	needs_library();
	check("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
	check("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Debug$GT$"
	      "3fmt17h0123456789abcdefE",
	      "<alloc::string::String as core::fmt::Debug>::fmt");
	check("_ZN3foo17h0123456789abcdegE", "foo::h0123456789abcdeg");
}

Test(cli_demangle, cuts_what_is_too_long)
{
	char text[8];

	needs_library();
	cr_expect_str_eq(demangle("_ZN4core3fmt9Formatter3padEv", text, sizeof(text)), "core::f");
	cr_expect_str_eq(demangle("_Z1fv", text, 0), "_Z1fv");
}

/* The number of a part, as names have it: in the base of 36, one less, and nothing for the first. */
static void put_number(char *to, unsigned int number)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (number >= 36)
		sprintf(to, "%c%c", digits[number / 36], digits[number % 36]);
	else
		sprintf(to, "%c", digits[number]);
}

/* f(pair<X, X>), where X is pair<Y, Y>, and so on: ten bytes each. */
static void put_doublings(char *name, unsigned int count)
{
	strcpy(name, "_Z1fSt4pairIiiE");
	for (unsigned int i = 0; i < count; i++) {
		char number[8];

		put_number(number, i);
		sprintf(name + strlen(name), "S_IS%s_S%s_E", number, number);
	}
}

Test(cli_demangle, names_that_mean_terabytes_take_no_time)
{
	char name[4096], text[512];

	for (unsigned int i = 0; i < 200; i++) {
		put_doublings(name, i);
		demangle(name, text, sizeof(text));
	}
	memset(name, 'P', sizeof(name) - 1);
	memcpy(name, "_Z1f", 4);
	name[sizeof(name) - 1] = '\0';
	demangle(name, text, sizeof(text));
}

Test(cli_demangle, its_child_holds_nothing_of_ours)
{
	char name[4096], text[512], byte;
	int ends[2];

	needs_library();
	cr_assert_eq(pipe(ends), 0);
	put_doublings(name, 9);
	cr_expect_eq(demangle(name, text, sizeof(text)), text);
	close(ends[1]);
	cr_expect_eq(read(ends[0], &byte, 1), 0);
}
