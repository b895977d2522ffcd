/* SPDX-License-Identifier: MIT */
/*
 * Golden pairs: instructions in, their copy out, byte for byte. Names say which kind of copy:
 *
 *	near-*		in reach of everything
 *	far-*		in reach of nothing
 *	displace-*	in reach, control flow included
 *
 * Each copy is also decoded again: it must be instructions to its end, as long as it says.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "fallback-xol/displace.h"
#include "fallback-xol/relocate.h"

#define JMP_ABS_SIZE 14
#define QUAD	     8

struct blob {
	uint8_t bytes[XOL_CODE_MAX];
	size_t size;
};

static void read_blob(const char *path, struct blob *ret)
{
	FILE *file = fopen(path, "re");

	cr_assert_not_null(file, "%s", path);
	ret->size = fread(ret->bytes, 1, sizeof(ret->bytes), file);
	fclose(file);
}

/* Instructions behind each other, then the jump back behind them. */
static void copy(const struct blob *in, bool displace, struct xol_builder *to)
{
	size_t at = 0;

	while (at < in->size) {
		struct x86_insn insn;

		cr_assert_eq(x86_decode(in->bytes + at, in->size - at, HOME + at, &insn), 0);
		cr_assert_eq(displace ? xol_displace(&insn, to) : xol_relocate(&insn, to), 0);
		at += insn.length;
	}
	xol_build_jmp(to, HOME + at);
}

static bool is_jmp_absolute(const struct x86_insn *insn)
{
	static const uint8_t jmp[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp *0(%rip) */

	return insn->length == sizeof(jmp) && !memcmp(insn->bytes, jmp, sizeof(jmp));
}

static void decode_again(const struct xol_builder *copy, const char *path)
{
	size_t at = 0;

	while (at < copy->size) {
		struct x86_insn insn;

		cr_assert_eq(x86_decode(copy->bytes + at, copy->size - at, copy->rx + at, &insn), 0,
			     "%s: no instruction at %zu", path, at);
		at += insn.length + (is_jmp_absolute(&insn) ? QUAD : 0);
	}
	cr_expect_eq(at, copy->size, "%s", path);
}

static void print_bytes(const char *what, const uint8_t *bytes, size_t size)
{
	fprintf(stderr, "%s:", what);
	for (size_t i = 0; i < size; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, "\n");
}

static void check(const char *in_path, uint64_t slot, bool displace)
{
	struct xol_builder builder;
	struct blob in, out;
	char path[4096];

	snprintf(path, sizeof(path), "%.*s.out.bin", (int)(strlen(in_path) - strlen(".in.bin")),
		 in_path);
	read_blob(in_path, &in);
	read_blob(path, &out);
	xol_build_start(&builder, slot, HOME);
	copy(&in, displace, &builder);
	if (builder.size != out.size || memcmp(builder.bytes, out.bytes, out.size)) {
		print_bytes("is", builder.bytes, builder.size);
		print_bytes("should be", out.bytes, out.size);
		cr_expect(false, "%s", in_path);
	}
	decode_again(&builder, in_path);
}

static void check_all(const char *pattern, uint64_t slot, bool displace)
{
	glob_t found;

	cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
	for (size_t i = 0; i < found.gl_pathc; i++)
		check(found.gl_pathv[i], slot, displace);
	globfree(&found);
}

Test(pattern_near, is_copied)
{
	check_all(EP_PATTERNS "/near-*.in.bin", SLOT_NEAR, false);
}

Test(pattern_far, is_copied)
{
	check_all(EP_PATTERNS "/far-*.in.bin", SLOT_FAR, false);
}

Test(pattern_displace, is_copied)
{
	check_all(EP_PATTERNS "/displace-*.in.bin", SLOT_NEAR, true);
}
