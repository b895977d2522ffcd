/* SPDX-License-Identifier: MIT */
/*
 * Registers are given small numbers where an instruction would take them for lengths or indices,
 * addresses of run_data where it would take them for pointers, and patterns else.
 */
#include "tests/unit/fallback-xol/prepare.h"

#include <cpuid.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALWAYS_SET 0x202 /* bit 1 and IF */

alignas(64) uint8_t run_stack[RUN_STACK_SIZE];

bool run_has(uint64_t feature)
{
	const int request_permission = 0x1023, tile_data = 18; /* Linux, "Using XSTATE features" */

	switch (feature) {
	case RUN_BASELINE:
		return true;
	case RUN_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	case RUN_BMI2:
		return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi");
	case RUN_AVX512F:
		return __builtin_cpu_supports("avx512f");
	case RUN_AMX:
		return !syscall(SYS_arch_prctl, request_permission, tile_data);
	default:
		return false;
	}
}

static void fill_component(unsigned int number, uint64_t *present)
{
	unsigned int size, offset, flags, reserved;

	__cpuid_count(13, number, size, offset, flags, reserved);
	if (!size || offset + size > sizeof(run_in.vector))
		return;
	for (unsigned int i = 0; i + 4 <= size; i += 4)
		memcpy(run_in.vector + offset + i, &(uint32_t){(i * 4) & 0xfc}, 4);
	*present |= (uint64_t)1 << number;
}

void run_forget_beyond_avx(struct run_state *state)
{
	const unsigned int beyond = 6; /* Intel SDM, "Enabling the XSAVE Feature Set": ZMM_Hi256 */
	unsigned int size, offset, flags, reserved;
	uint64_t present;

	__cpuid_count(13, beyond, size, offset, flags, reserved);
	if (size && offset + size <= sizeof(state->vector))
		memset(state->vector + offset, 0, size);
	memcpy(&present, state->vector + 512, sizeof(present));
	present &= ~((uint64_t)1 << beyond);
	memcpy(state->vector + 512, &present, sizeof(present));
}

void run_forget_beyond_avx512f(struct run_state *state)
{
	const unsigned int masks = 5, kept = 2; /* of eight bytes each */
	unsigned int size, offset, flags, reserved;

	__cpuid_count(13, masks, size, offset, flags, reserved);
	for (unsigned int i = 0; i + 8 <= size; i += 8)
		memset(state->vector + offset + i + kept, 0, 8 - kept);
}

static void prepare_vector(void)
{
	const uint16_t fpu_control = 0x37f;
	const uint32_t mxcsr = 0x1f80;
	uint64_t present = 3;
	unsigned int low, high;

	memset(run_in.vector, 0, sizeof(run_in.vector));
	memcpy(run_in.vector, &fpu_control, sizeof(fpu_control));
	memcpy(run_in.vector + 24, &mxcsr, sizeof(mxcsr));
	for (unsigned int i = 0; i < 256; i += 4)
		memcpy(run_in.vector + 160 + i, &(uint32_t){(i * 4) & 0xfc}, 4);
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	for (unsigned int number = 2; number < 8; number++)
		if ((low >> number & 1) && number != 3 && number != 4)
			fill_component(number, &present);
	memcpy(run_in.vector + 512, &present, sizeof(present));
}

static void prepare_memory(void)
{
	const uint16_t fpu_control = 0x37f;
	const uint32_t mxcsr = 0x1f80;
	const uint64_t flags = 0x246;

	for (unsigned int i = 0; i < 4096; i++)
		run_data[i] = (uint8_t)(i * 7 + 1);
	for (unsigned int i = RUN_STACK_SIZE - 4096; i < RUN_STACK_SIZE; i++)
		run_stack[i] = (uint8_t)(i * 5);
	memcpy(run_stack + RUN_STACK_SIZE - RUN_STACK_USED, &flags, sizeof(flags));
	memcpy(run_data + 1024, &mxcsr, sizeof(mxcsr));
	memcpy(run_data + 1028, &fpu_control, sizeof(fpu_control));
	memset(run_data + 1088, 0, 64);
	run_data[1088] = 1;	  /* palette */
	run_data[1088 + 16] = 64; /* bytes a row, rows of tile 0 */
	run_data[1088 + 48] = 16;
}

void run_prepare(uint64_t rip, uint64_t flags)
{
	uint64_t data = (uint64_t)run_data;
	uint64_t stack = (uint64_t)run_stack + RUN_STACK_SIZE - RUN_STACK_USED;

	prepare_memory();
	prepare_vector();
	memset(&run_out, 0, sizeof(run_out));
	run_in.regs = (struct ep_regs){
		.r8 = 0x8888888888888888,
		.r9 = 0x9999999999999999,
		.r10 = 0xaaaaaaaaaaaaaaaa,
		.r11 = 0xbbbbbbbbbbbbbbbb,
		.r12 = 0xcccccccccccccccc,
		.r13 = 0xdddddddddddddddd,
		.r14 = 0xeeeeeeeeeeeeeeee,
		.r15 = 0xffffffffffffffff,
		.rdi = data + 768,
		.rsi = data + 512,
		.rbp = stack + 256,
		.rbx = data + 640,
		.rdx = 0x1234567890abcdef,
		.rax = 0x123,
		.rcx = 5,
		.rsp = stack,
		.rip = rip,
		.rflags = flags | ALWAYS_SET,
	};
}

void run_at(uint64_t rip, uint64_t flags, struct run_result *ret)
{
	run_prepare(rip, flags);
	run();
	ret->state = run_out;
	memcpy(ret->data, run_data, sizeof(ret->data));
	memcpy(ret->stack, run_stack + RUN_STACK_SIZE - sizeof(ret->stack), sizeof(ret->stack));
}

unsigned int run_decode_region(uint64_t at, struct x86_insn insns[5])
{
	uint64_t end = at + 5;
	unsigned int count = 0;

	while (at < end) {
		cr_assert_eq(x86_decode((const uint8_t *)at, X86_INSN_MAX, at, &insns[count]), 0);
		at = x86_insn_end(&insns[count++]);
	}
	return count;
}

void run_patch(uint64_t address, const uint8_t *bytes, size_t size)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	cr_assert_eq(pwrite(fd, bytes, size, (off_t)address), (ssize_t)size);
	close(fd);
}

/* ---- address space ------------------------------------------------------------------------- */

#define GAPS_MAX 512

struct gaps {
	struct sys_window window, gap[GAPS_MAX];
	size_t count;
	uint64_t previous_end;
};

static void add_gap(struct gaps *gaps, uint64_t hi)
{
	struct sys_window gap =
		sys_intersect(gaps->window, (struct sys_window){gaps->previous_end, hi});

	if (gap.lo < gap.hi && gaps->count < GAPS_MAX)
		gaps->gap[gaps->count++] = gap;
}

static void visit(const struct sys_mapping *mapping, void *data)
{
	struct gaps *gaps = data;

	add_gap(gaps, mapping->lo);
	gaps->previous_end = mapping->hi;
}

void run_fill(struct sys_window window)
{
	static struct gaps gaps;

	window.lo &= ~(uint64_t)4095;
	window.hi = (window.hi + 4095) & ~(uint64_t)4095;
	gaps = (struct gaps){.window = sys_intersect(window, SYS_ANYWHERE)};
	sys_maps_each(visit, &gaps);
	add_gap(&gaps, SYS_ANYWHERE.hi);
	for (size_t i = 0; i < gaps.count; i++)
		mmap((void *)gaps.gap[i].lo, gaps.gap[i].hi - gaps.gap[i].lo, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

bool run_finds_writable_code(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], permissions[5];
	bool found = !maps;

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%*x-%*x %4s", permissions) == 1)
			found |= permissions[1] == 'w' && permissions[2] == 'x';
	if (maps)
		fclose(maps);
	return found;
}
