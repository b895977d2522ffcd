/* SPDX-License-Identifier: MIT */
/* What the sources may not say: opcode bytes outside of their files, paths of one machine. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/architecture/lines.h"

TestSuite(architecture_text, .timeout = 400);

/* Stores of an opcode, and byte arrays that spell instructions. Comparing with one is reading. */
#define BRANCH "0x(cc|cd|e8|e9|eb)"
#define OPCODE "0x(0f|50|58|68|90|c3|cc|cd|e8|e9|eb|ff|48|f3)"
static const char *const writes_opcode[] = {
	"[^=!<>]=[[:space:]]*" BRANCH "[,;]",
	"(\\]|\\*[a-z_]+(\\+\\+)?)[[:space:]]*=[[:space:]]*" OPCODE "[,;]",
	"u?int8_t [a-z_]+\\[[^]]*\\] = \\{[[:space:]]*" OPCODE "\\b",
	"memset\\([^,]*, *" OPCODE,
	"\"(\\\\x[0-9a-f]{2})+\"",
	"put8?\\([^)]*, *" OPCODE,
};

static bool may_write_opcodes(const char *file)
{
	return matches(file, "^(x86/encode\\.[ch]|emu/rules\\.c|tests/.*|perf/.*|.*\\.S)$");
}

/* Byte arrays that are searched for, never copied into code. */
static bool is_only_read(const char *file, const char *line)
{
	return strcmp(file, "probe/guard/perform.c") == 0 &&
	       matches(line, "const uint8_t system_call\\[");
}

static void check_opcodes(const char *file)
{
	struct lines text = lines_in(file);

	for (size_t i = 0; i < text.count; i++)
		for (size_t k = 0; k < sizeof(writes_opcode) / sizeof(*writes_opcode); k++)
			cr_expect(!matches(text.line[i], writes_opcode[k]) ||
					  is_only_read(file, text.line[i]),
				  "%s:%zu writes an opcode: %s", file, i + 1, text.line[i]);
	lines_destroy(&text);
}

Test(architecture_text, only_the_encoder_writes_opcodes)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		if (!may_write_opcodes(files.line[i]))
			check_opcodes(files.line[i]);
	lines_destroy(&files);
}

/* A path stands alone: "build/emuprobe" is none, although a checkout may be called /emuprobe. */
static bool names_path(const char *line, const char *path)
{
	for (const char *at = line; (at = strstr(at, path)); at++) {
		char before = at == line ? ' ' : at[-1], after = at[strlen(path)];

		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-/", before) &&
		    (!after || strchr("/ '\"`)", after)))
			return true;
	}
	return false;
}

static bool names_machine(const char *line)
{
	return names_path(line, EP_SOURCE_DIR) || matches(line, "(^|[^a-z])/(home/[a-z]|root/)");
}

static void check_paths(const char *file)
{
	struct lines text = lines_in(file);

	for (size_t i = 0; i < text.count; i++)
		cr_expect(!names_machine(text.line[i]), "%s:%zu names a path of this machine: %s",
			  file, i + 1, text.line[i]);
	lines_destroy(&text);
}

Test(architecture_text, nothing_names_a_path_of_this_machine)
{
	struct lines files =
		lines_of("cd '%s' && find . -path './build*' -prune -o -path ./.git -prune "
			 "-o -path ./perf/results -prune -o -path ./.cache -prune "
			 "-o -type f -print",
			 EP_SOURCE_DIR);

	cr_assert_gt(files.count, 20);
	for (size_t i = 0; i < files.count; i++)
		if (strcmp(files.line[i], "./tests/architecture/text.c") != 0)
			check_paths(files.line[i]);
	lines_destroy(&files);
}
