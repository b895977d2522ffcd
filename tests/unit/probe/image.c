/* SPDX-License-Identifier: MIT */
/*
 * Claims: a file that is not loaded says what it would say if it were, and no file, whatever it claims to
 * be, costs more than what there is of it, or is executed.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/listing.h"

TestSuite(image, .timeout = 400);

struct seen {
	size_t count, unnamed;
	uint64_t last;
	char names[4096];
};

static int see(const struct ep_listed *function, void *data)
{
	struct seen *seen = data;

	cr_expect_geq(function->offset, seen->last, "%s", function->symbol);
	seen->last = function->offset;
	seen->count++;
	seen->unnamed += function->is_unnamed;
	if (strlen(seen->names) + strlen(function->symbol) + 2 < sizeof(seen->names))
		strcat(strcat(seen->names, function->symbol), " ");
	return 0;
}

static struct ep_image *open_image(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct ep_image *ret = NULL;

	cr_assert_geq(fd, 0);
	cr_assert_eq(ep_image_open(fd, path, path, false, &ret), 0);
	close(fd);
	return ret;
}

static const struct ep_place all = {.symbol = "*"};

Test(image, has_the_functions_that_are_loaded)
{
	static const char *const names[] = {"own_square ",  "own_of_another_name ", "small_add ",
					    "small_alias ", "small_weak ",	    "small_sum ",
					    "small_call "};
	struct ep_image *image = open_image(EP_SMALL_OBJECT);
	struct seen seen = {0};

	cr_expect_str_eq(ep_image_name(image), "small.so");
	cr_assert_eq(ep_image_functions(image, &all, true, see, &seen), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect(strstr(seen.names, names[i]), "%s: %s", names[i], seen.names);
	/* small_add has three names, and each is there once. */
	cr_expect_eq(seen.count - seen.unnamed, sizeof(names) / sizeof(names[0]));
	ep_image_close(image);
}

Test(image, knows_its_soname)
{
	struct ep_image *image = open_image(EP_SMALL_OBJECT_SYSV);
	struct ep_place place = {.object = "libsmall"};

	cr_expect_str_eq(ep_image_name(image), "libsmall.so.1");
	cr_expect(ep_image_is_meant(image, &place));
	place.object = EP_SMALL_OBJECT_SYSV;
	cr_expect(ep_image_is_meant(image, &place));
	place.object = "libother";
	cr_expect_not(ep_image_is_meant(image, &place));
	cr_expect_not(ep_image_is_meant(image, &all), "it is no program");
	ep_image_close(image);
}

static int compare_plan(const struct ep_listed *function, void *data)
{
	struct ep_info info = {.size = sizeof(info)};
	const void *address = dlsym(data, function->symbol);

	if (!address)
		return 0;
	ep_check(address, NULL, &info);
	cr_expect_eq(function->plan, info.plan, "%s", function->symbol);
	cr_expect_eq(function->reason, info.reason, "%s", function->symbol);
	cr_expect_str_eq(function->insn, info.insn, "%s", function->symbol);
	return 0;
}

Test(image, foresees_the_plans_of_what_is_loaded)
{
	struct ep_image *image = open_image(EP_SMALL_OBJECT);

	cr_assert_eq(ep_image_functions(image, &all, true, compare_plan,
					dlopen(EP_SMALL_OBJECT, RTLD_NOW)),
		     0);
	ep_image_close(image);
}

Test(image, is_meant_by_offsets_and_versions)
{
	static const struct ep_place offset = {.offset = 0x10},
				     version = {.symbol = "*", .version = "V"};
	struct ep_image *image = open_image(EP_SMALL_OBJECT);
	struct seen seen = {0};

	cr_assert_eq(ep_image_functions(image, &offset, false, see, &seen), 0);
	cr_expect_eq(seen.count, 0);
	cr_assert_eq(ep_image_functions(image, &version, false, see, &seen), 0);
	cr_expect_eq(seen.count, 0);
	ep_image_close(image);
}

static void note_need(enum ep_need what, const char *name, void *data)
{
	if (what == EP_NEED_OBJECT)
		strcat(strcat(data, name), " ");
}

Test(image, says_what_it_needs)
{
	struct ep_image *image = open_image("/proc/self/exe");
	char needs[1024] = "";

	cr_assert_eq(ep_image_needs(image, note_need, needs), 0);
	cr_expect(strstr(needs, "libc.so.6 "), "%s", needs);
	ep_image_close(image);
}

/* Of several that are open at once, each has its own. */
Test(image, several_may_be_open)
{
	struct ep_image *first = open_image(EP_SMALL_OBJECT),
			*second = open_image(EP_SMALL_OBJECT_SYSV);
	struct seen one = {0}, two = {0};

	cr_assert_eq(ep_image_functions(first, &all, true, see, &one), 0);
	ep_image_close(first);
	cr_assert_eq(ep_image_functions(second, &all, true, see, &two), 0);
	ep_image_close(second);
	cr_expect_eq(one.count, two.count);
}

/* ---- files that lie ------------------------------------------------------------------------ */

struct made {
	ElfW(Ehdr) header;
	ElfW(Phdr) phdrs[4];
	char rest[4096];
};

static void make(struct made *made)
{
	memset(made, 0, sizeof(*made));
	memcpy(made->header.e_ident, ELFMAG, SELFMAG);
	made->header.e_ident[EI_CLASS] = ELFCLASS64;
	made->header.e_machine = EM_X86_64;
	made->header.e_type = ET_DYN;
	made->header.e_phentsize = sizeof(ElfW(Phdr));
	made->header.e_phoff = offsetof(struct made, phdrs);
	made->header.e_phnum = 4;
	made->phdrs[0] = (ElfW(Phdr)){.p_type = PT_LOAD,
				      .p_flags = PF_R | PF_X,
				      .p_filesz = sizeof(*made),
				      .p_memsz = sizeof(*made)};
}

static int try_image(const struct made *made)
{
	int fd = memfd_create("made", MFD_CLOEXEC), error;
	struct ep_image *image;
	struct seen seen = {0};
	char path[64];

	cr_assert_eq(write(fd, made, sizeof(*made)), (ssize_t)sizeof(*made));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	error = ep_image_open(fd, path, "made", true, &image);
	if (!error) {
		cr_expect_eq(ep_image_functions(image, &all, true, see, &seen), 0);
		ep_image_close(image);
	}
	close(fd);
	return error;
}

Test(image, files_of_other_kinds_are_refused)
{
	struct made made;

	make(&made);
	cr_expect_eq(try_image(&made), 0);
	made.header.e_machine = EM_AARCH64;
	cr_expect_eq(try_image(&made), -EP_UNSUPPORTED);
	make(&made);
	made.header.e_type = ET_REL;
	cr_expect_eq(try_image(&made), -EP_UNSUPPORTED);
	make(&made);
	made.header.e_ident[EI_CLASS] = ELFCLASS32;
	cr_expect_eq(try_image(&made), -EP_UNSUPPORTED);
	make(&made);
	made.header.e_phoff = UINT64_MAX - 8;
	cr_expect_eq(try_image(&made), -EP_UNSUPPORTED);
	make(&made);
	made.header.e_phnum = 0;
	cr_expect_eq(try_image(&made), -EP_UNSUPPORTED);
}

Test(image, segments_may_lie_about_their_sizes)
{
	static const uint64_t lies[] = {0,	   1,	      4095,	  4096,
					1ul << 31, 1ul << 36, 1ul << 40,  1ul << 47,
					1ul << 63, INT64_MAX, UINT64_MAX, UINT64_MAX - 4095};
	struct made made;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		for (size_t k = 0; k < 5; k++) {
			make(&made);
			made.phdrs[1] = made.phdrs[0];
			made.phdrs[1].p_vaddr = 0x10000;
			if (k == 0)
				made.phdrs[1].p_vaddr = lies[i];
			else if (k == 1)
				made.phdrs[1].p_memsz = lies[i];
			else if (k == 2)
				made.phdrs[1].p_filesz = lies[i];
			else if (k == 3)
				made.phdrs[1].p_offset = lies[i];
			else
				made.phdrs[1].p_filesz = made.phdrs[1].p_memsz = lies[i];
			cr_expect(try_image(&made) == 0 || try_image(&made) == -EP_UNSUPPORTED ||
					  try_image(&made) == -EP_NO_MEMORY ||
					  try_image(&made) == -EP_IO,
				  "%zu %zu", i, k);
		}
}

/* Segments that are all the same megabytes: no more of them is read than twice the file. */
Test(image, the_file_is_not_read_again_and_again)
{
	struct made made;

	make(&made);
	for (int i = 0; i < 4; i++) {
		made.phdrs[i] = made.phdrs[0];
		made.phdrs[i].p_vaddr = (uint64_t)i << 24;
		made.phdrs[i].p_filesz = made.phdrs[i].p_memsz = 1 << 23;
	}
	cr_expect_eq(try_image(&made), -EP_UNSUPPORTED);
}
