/* SPDX-License-Identifier: MIT */
/* Names that compilers have made, and such that nobody would. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/demangle.h"

TestSuite(cli_demangle, .timeout = 60);

/* @meaning: NULL: none. */
static void check(const char *name, const char *meaning)
{
	char text[512];

	cr_expect_str_eq(demangle(name, text, sizeof(text)), meaning ? meaning : name, "%s", name);
}

static void needs_library(void)
{
	char text[64];

	if (strcmp(demangle("_Z1fv", text, sizeof(text)), "f()") != 0)
		cr_skip_test("no C++ library is installed");
}

Test(cli_demangle, other_names_stay)
{
	static const char *const names[] = {"malloc", "", "_", "_Z", "_Zx", "_ZN", "Z1fv"};

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

/* The grammar, rule by rule; what they mean is what binutils' c++filt says, but for hashes and types of values. */
Test(cli_demangle, reads_rust_of_today)
{
	check("_RNvCs32gj3y4fnmh_4main3run", "main::run");
	check("_RNvC2_1y1f", "1y::f");
	check("_RINvCs32gj3y4fnmh_4main4showTldcEEB2_", "main::show::<(i32, f64, char)>");
	check("_RINvC1a4onlyTlEE", "a::only::<(i32,)>");
	check("_RNvXCs32gj3y4fnmh_4mainINtB2_6SquarefKj3_ENtB2_5Shape4areaB2_",
	      "<main::Square<f32, 3> as main::Shape>::area");
	check("_RNvMC1aNtB2_1T3new", "<a::T>::new");
	check("_RNvYNtC1a1TNtB4_1X1f", "<a::T as a::X>::f");
	check("_RNCNvC1a1f0", "a::f::{closure#0}");
	check("_RNCNvC1a1fs0_0", "a::f::{closure#2}");
	check("_RNSNvC1a1fs_7reifies", "a::f::{shim:reifies#1}");
	check("_RNvMC1aNtB2_u9Gre_6ka8i5messe", "<a::Gr\303\266\303\237e>::messe");
	check("_RINvC1a1gAhj3_Sb_RhQeEE", NULL);
	check("_RINvC1a1gAhj3_SbRhQeE", "a::g::<[u8; 3], [bool], &u8, &mut str>");
	check("_RINvC1a1gPaOzE", "a::g::<*const i8, *mut !>");
	check("_RINvC1a1gFhTsEEzFUKCPhEuE",
	      "a::g::<fn(u8, (i16,)) -> !, unsafe extern \"C\" fn(*const u8)>");
	check("_RINvC1a1gFK8rust_cold_EuE", NULL);
	check("_RINvC1a1gFK9rust_coldEuE", "a::g::<extern \"rust-cold\" fn()>");
	check("_RINvC1a1gDG_INtC1b2FnTRL0_eEEp6OutputjEL_E",
	      "a::g::<dyn for<'a> b::Fn<(&'a str,), Output = usize>>");
	check("_RINvC1a1gDNtC1b1TNtC1b1SEL_E", "a::g::<dyn b::T + b::S>");
	check("_RINvC1a1gKb1_Kb0_Kce9_Kc27_Kca_Kan5_Kj0_KpE",
	      "a::g::<true, false, '\303\251', '\\'', '\\u{a}', -5, 0, _>");
	check("_RINvC1a1gKoffffffffffffffffff_E", "a::g::<0xffffffffffffffffff>");
	check("_RINvC1a1gL_E", "a::g::<'_>");
	check("_RNvC1a1f.llvm.4711", "a::f");
	check("_RNvC1a1f.cold", "a::f.cold");
}

Test(cli_demangle, what_looks_like_rust_stays)
{
	check("_R", NULL);
	check("_RC", NULL);
	check("_Resume", NULL);
	check("_RNvC1a", NULL);
	check("_RNvC1a9f", NULL);
	check("_RNvC1a1fz", NULL);
	check("_RNvC1aB_", NULL);		     /* itself */
	check("_RNvC1a99999999999999999999f", NULL); /* no number of 64 bits */
	check("_RINvC1a1gL0_E", NULL);		     /* nobody has named it */
	check("_RINvC1a1gKb2_E", NULL);
	check("_RINvC1a1gKcd800_E", NULL);
	check("_RCu3b_A", NULL);
}

/* "as before": "_" is 0, "0_" 1. */
static size_t put_back(char *to, size_t offset)
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t length = 0, number = offset - 1;

	to[length++] = 'B';
	if (number >= 62)
		to[length++] = digits[number / 62];
	to[length++] = digits[number % 62];
	to[length++] = '_';
	return length;
}

/* A pair of what stands before, again and again, takes no longer than what there is room for. */
Test(cli_demangle, rust_that_means_terabytes_takes_no_time)
{
	char name[2048] = "_RINvC1a1gTuuE", text[4096];
	size_t length = strlen(name), last = length - 4;

	for (int i = 0; i < 90; i++) {
		size_t here = length;

		name[length++] = 'T';
		length += put_back(name + length, last - 2);
		length += put_back(name + length, last - 2);
		name[length++] = 'E';
		last = here;
	}
	name[length] = 'E';
	cr_expect_str_eq(
		demangle(name, text, 80),
		"a::g::<((), ()), (((), ()), ((), ())), ((((), ()), ((), ())), (((), ()), ((), (");
	demangle(name, text, sizeof(text));
	cr_expect_eq(strlen(text), sizeof(text) - 1);
}

/* Whatever stands there, nothing is written beyond the room that there is (run with sanitizers, too). */
Test(cli_demangle, changed_names_of_rust_are_harmless)
{
	static const char *const names[] = {
		"_RINvC1a1gDG_INtC1b2FnTRL0_eEEp6OutputjEL_E",
		"_RINvC1a1gKb1_Kb0_Kce9_Kc27_Kca_Kan5_Kj0_KpE",
		"_RNvXCs32gj3y4fnmh_4mainINtB2_6SquarefKj3_ENtB2_5Shape4areaB2_",
		"_RNvMC1aNtB2_u9Gre_6ka8i5messe",
		"_RINvC1a1gFhTsEEzFUKCPhEuE",
	};
	uint64_t random = 1;

	for (int i = 0; i < 200000; i++) {
		const char *from = names[i % 5];
		char name[128], text[64];
		size_t length = strlen(from), size = 2 + (size_t)i % 63;

		memcpy(name, from, length + 1);
		for (int changes = 0; changes < 1 + i % 4; changes++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			name[2 + (random >> 33) % (length - 2)] =
				from[2 + (random >> 13) % (length - 2)];
		}
		memset(text, '#', sizeof(text));
		if (demangle(name, text, size) == text)
			cr_assert_lt(strnlen(text, size), size, "%s", name);
		for (size_t at = size; at < sizeof(text); at++)
			cr_assert_eq(text[at], '#', "%s", name);
	}
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
