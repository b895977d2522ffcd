/* SPDX-License-Identifier: MIT */
/*
 * Claims: each call that has to be guarded is, in whatever can be read of an object's code, and
 * nothing else; an object that could not be guarded is left as it was and said to be a gap, until
 * it is gone.
 */
#include "probe/guard/scan.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/guard/number.h"
#include "probe/site/registry.h"
#include "sys/abi.h"
#include "tests/unit/probe/functions.h"

TestSuite(scan, .timeout = 400);

enum { PAGE = 4096, PAGES = 4, CALL = 5 /* offset of the call in guarded[] */ };

static const uint8_t guarded[] = {0xb8, 14, 0, 0, 0, 0x0f, 0x05, 0xc3}; /* mov; syscall; ret */
static const uint8_t unguarded[] = {0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const uint8_t marked[] = {0xb8, 14, 0, 0, 0, SYSCALL_MARK, 0x0f, 0x05, 0xc3};

static uint8_t *code, before[PAGES * PAGE];
static ElfW(Phdr) phdr;
static struct objects_object object;

/* Guards are there from the first probe on. */
static void start_engine(void)
{
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)starts_with_push, NULL, &probe), 0);
}

/* A file that cannot be written by this process, so that nothing of it can, once it is mapped. */
static int read_only_file(void)
{
	char path[] = "/tmp/emuprobe-scan-XXXXXX";
	int written = mkstemp(path), ret;

	cr_assert_geq(written, 0);
	cr_assert_eq(write(written, before, sizeof(before)), (ssize_t)sizeof(before));
	ret = open(path, O_RDONLY);
	cr_assert_geq(ret, 0);
	close(written);
	unlink(path);
	return ret;
}

static void map_code(bool writable)
{
	size_t size = sizeof(before);

	if (writable) {
		code = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		cr_assert_neq(code, MAP_FAILED);
		memcpy(code, before, size);
		cr_assert_eq(mprotect(code, size, PROT_READ | PROT_EXEC), 0);
	} else {
		code = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, read_only_file(), 0);
		if (code == MAP_FAILED)
			cr_skip_test("no code can be mapped from /tmp");
	}
	phdr = (ElfW(Phdr)){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = size};
	object = (struct objects_object){.name = "code", .path = "", .phdrs = &phdr};
	object.base = object.start = (uint64_t)code;
	object.end = object.start + size;
	object.phdr_count = 1;
}

static void put(size_t offset, const uint8_t *bytes, size_t size)
{
	memcpy(before + offset, bytes, size);
}

static void scan_code(void)
{
	engine_lock();
	guard_object(&object);
	engine_unlock();
}

static bool is_guarded(size_t call)
{
	const struct probe_site *site = registry_find((uint64_t)code + call);

	return site && site->guard && site_is_armed(site) && code[call] != 0x0f;
}

static size_t count_changed(size_t from, size_t to)
{
	size_t ret = 0;

	for (size_t i = from; i < to; i++)
		ret += code[i] != before[i];
	return ret;
}

Test(scan, guards_what_has_one_of_our_numbers)
{
	size_t count;

	start_engine();
	memset(before, 0x90, sizeof(before));
	put(100, guarded, sizeof(guarded));
	put(PAGE - 6, guarded, sizeof(guarded)); /* the call is on both pages */
	put(2 * PAGE + 500, unguarded, sizeof(unguarded));
	put(3 * PAGE + 500, marked, sizeof(marked));
	map_code(true);
	count = guard_count();
	scan_code();
	cr_assert(is_guarded(100 + CALL));
	cr_assert(is_guarded(PAGE - 6 + CALL));
	cr_assert_eq(guard_count(), count + 2);
	cr_assert_eq(count_changed(2 * PAGE, 4 * PAGE), 0, "another's number, and our own call");
	cr_assert_eq(guard_gap(), 0);
}

/* What remains of a segment whose file was shortened. */
Test(scan, goes_on_behind_pages_that_cannot_be_read)
{
	start_engine();
	memset(before, 0x90, sizeof(before));
	put(PAGE - 8, guarded, sizeof(guarded));
	put(3 * PAGE, guarded, sizeof(guarded));
	map_code(true);
	cr_assert_eq(munmap(code + PAGE, 2 * PAGE), 0);
	scan_code();
	cr_assert(is_guarded(PAGE - 8 + CALL));
	cr_assert(is_guarded(3 * PAGE + CALL));
}

/* The call's first byte, or its second one, is outside. */
Test(scan, does_not_look_out_of_the_segment)
{
	start_engine();
	memset(before, 0x90, sizeof(before));
	put(PAGE - 6, guarded, sizeof(guarded));
	put(2 * PAGE - 6, guarded, sizeof(guarded));
	map_code(true);
	phdr.p_vaddr = PAGE;
	phdr.p_filesz = PAGE;
	scan_code();
	cr_assert_eq(count_changed(0, sizeof(before)), 0);
}

Test(scan, leaves_segments_that_are_not_executed)
{
	start_engine();
	memset(before, 0x90, sizeof(before));
	put(100, guarded, sizeof(guarded));
	map_code(true);
	for (int i = 0; i < 3; i++) {
		phdr.p_type = i == 2 ? PT_NOTE : PT_LOAD;
		phdr.p_flags = i == 0 ? PF_R : i == 1 ? PF_X : PF_R | PF_X;
		scan_code();
		cr_assert_eq(count_changed(0, sizeof(before)), 0, "%d", i);
	}
}

Test(scan, says_that_there_is_a_gap_until_it_is_gone)
{
	size_t count;

	start_engine();
	memset(before, 0x90, sizeof(before));
	put(100, guarded, sizeof(guarded));
	map_code(false);
	count = guard_count();
	for (int i = 0; i < 2; i++) { /* the same object again is no second gap */
		scan_code();
		cr_assert_eq(guard_gap(), -EP_NOT_WRITABLE);
	}
	cr_assert_not(site_is_armed(registry_find((uint64_t)code + 100 + CALL)));
	cr_assert_eq(guard_count(), count);
	engine_lock();
	guard_forget(&object);
	cr_assert_eq(guard_gap(), 0);
	engine_unlock();
}

/* How many calls in it are guarded. */
static size_t check_segment(const uint8_t *start, size_t size)
{
	size_t ret = 0;

	for (uint64_t at = (uint64_t)start; at + 2 < (uint64_t)start + size; at++) {
		const struct probe_site *site = registry_find(at);

		if (!site || !site->guard)
			continue;
		cr_expect(registry_stands(site));
		cr_expect(site->insn.bytes[0] == 0x0f && site->insn.bytes[1] == 0x05);
		ret++;
	}
	return ret;
}

Test(scan, guards_libc_from_the_first_probe_on)
{
	struct objects_object *libc;
	size_t in_libc = 0;

	start_engine();
	engine_lock();
	libc = objects_find((uint64_t)gnu_get_libc_version);
	for (size_t i = 0; i < libc->phdr_count; i++) {
		const ElfW(Phdr) *segment = &libc->phdrs[i];
		const uint8_t *start = (const uint8_t *)(libc->base + segment->p_vaddr);

		if (segment->p_type == PT_LOAD && segment->p_flags & PF_X)
			in_libc += check_segment(start, segment->p_filesz);
	}
	engine_unlock();
	cr_assert_geq(in_libc, 20, "%zu", in_libc);
	cr_assert_leq(in_libc, guard_count());
}
