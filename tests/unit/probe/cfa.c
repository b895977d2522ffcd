/* SPDX-License-Identifier: MIT */
/* Unwind information of a function that has all there is, read as unwinders read it. */
#include "probe/image/cfa.h"

#include <criterion/criterion.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/image/operand.h"

TestSuite(cfa, .timeout = 400);

#define FUNCTION(name, code)                                                                       \
	__asm__(".text\n" #name ":\n\t.cfi_startproc\n\t" code "\n\t.cfi_endproc\n");              \
	extern const uint8_t name[]

/* Each line is one byte of code, and what holds behind it. Numbers of .cfi_escape are DWARF 4's. */
FUNCTION(cfa_all, "nop; .cfi_def_cfa_offset 16;"
		  "nop; .cfi_def_cfa_register %rbp;"
		  "nop; .cfi_remember_state; .cfi_def_cfa %r10, 0;"
		  "nop; .cfi_remember_state; .cfi_escape 0x0f, 2, 0x76, 0;" /* an expression */
		  "nop; .cfi_restore_state;"
		  "nop; .cfi_restore_state;"
		  "nop; .cfi_escape 0x12, 7, 0x7d;" /* def_cfa_sf RSP, -3 * -8 */
		  "nop; .cfi_escape 0x13, 0x7c;"    /* def_cfa_offset_sf -4 * -8 */
		  "nop; .cfi_escape 0x2e, 16; .cfi_escape 0x16, 3, 2, 0x76, 0;" /* of others */
		  "nop; .cfi_offset %rip, -16;"
		  "nop; .cfi_restore %rip;"
		  "nop; .cfi_undefined %rip;"
		  "nop; .cfi_escape 0x11, 16, 1;"	   /* offset_extended_sf RIP, 1 * -8 */
		  "nop; .cfi_escape 0x10, 16, 2, 0x76, 0;" /* an expression */
		  "nop; .cfi_escape 0x06, 16;"		   /* restore_extended */
		  "nop; .cfi_escape 0x14, 16, 1;"	   /* val_offset */
		  "nop; .cfi_escape 0x05, 16, 1;"	   /* offset_extended */
		  "nop; .cfi_register %rip, %rdi;"
		  "nop; .cfi_escape 0x2f, 16, 1;" /* negative_offset_extended: not there */
		  "nop; .cfi_same_value %rip; .fill 70, 1, 0x90;" /* a long step */
		  "nop; .cfi_def_cfa_offset 64; .fill 300, 1, 0x90;"
		  "nop; .cfi_def_cfa_offset 72; .fill 70000, 1, 0x90; .cfi_def_cfa_offset 80; ret");

FUNCTION(cfa_remembers_too_much,
	 "nop; .rept 17; .cfi_remember_state; .endr; nop; .cfi_def_cfa_offset 16; ret");
FUNCTION(cfa_restores_nothing, "nop; .cfi_escape 0x0b; nop; .cfi_def_cfa_offset 16; ret");
FUNCTION(cfa_absurd, "nop; .cfi_escape 0x0e, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40;"
		     "nop; ret"); /* an offset of 2^62 */

__asm__(".text\ncfa_none:\n\tnop; ret\n");
extern const uint8_t cfa_none[];

static int init(const uint8_t *function, struct cfa *ret)
{
	struct objects_object *object;
	int error;

	engine_lock();
	object = objects_find((uint64_t)function);
	cr_assert_not_null(object);
	error = cfa_init(object, (uint64_t)function, ret);
	engine_unlock();
	return error;
}

static const struct {
	int at;
	struct cfa_rule rule;
} expected[] = {
	{0, {true, true, RSP, 8}},	 {1, {true, true, RSP, 16}},
	{2, {true, true, RBP, 16}},	 {3, {true, true, 10, 0}},
	{4, {false, true, 10, 0}},	 {5, {true, true, 10, 0}},
	{6, {true, true, RBP, 16}},	 {7, {true, true, RSP, 24}},
	{8, {true, true, RSP, 32}},	 {9, {true, true, RSP, 32}},
	{10, {true, false, RSP, 32}},	 {11, {true, true, RSP, 32}},
	{12, {true, false, RSP, 32}},	 {13, {true, true, RSP, 32}},
	{14, {true, false, RSP, 32}},	 {15, {true, true, RSP, 32}},
	{16, {true, false, RSP, 32}},	 {17, {true, true, RSP, 32}},
	{18, {true, false, RSP, 32}},	 {19, {true, false, RSP, 32}},
	{90, {true, false, RSP, 32}},	 {91, {true, false, RSP, 64}},
	{391, {true, false, RSP, 64}},	 {392, {true, false, RSP, 72}},
	{70391, {true, false, RSP, 72}}, {70392, {true, false, RSP, 80}},
};

Test(cfa, follows_each_instruction_of_the_program)
{
	struct cfa cfa;

	cr_assert_eq(init(cfa_all, &cfa), 0);
	cr_expect_eq(cfa.start, (uint64_t)cfa_all);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		struct cfa_rule rule = cfa_at(&cfa, cfa.start + (uint64_t)expected[i].at);

		cr_expect_eq(rule.known, expected[i].rule.known, "at %d", expected[i].at);
		cr_expect_eq(rule.return_address_there, expected[i].rule.return_address_there,
			     "at %d", expected[i].at);
		cr_expect_eq(rule.reg, expected[i].rule.reg, "at %d", expected[i].at);
		cr_expect_eq(rule.offset, expected[i].rule.offset, "at %d: %ld", expected[i].at,
			     rule.offset);
	}
	cfa_deinit(&cfa);
}

/* Up to what makes no sense it is as it says, from there on nothing is known. */
static void expect_break(const uint8_t *function, uint8_t instruction)
{
	struct cfa cfa;

	cr_assert_eq(init(function, &cfa), 0);
	cr_assert_eq(cfa.program.at[0], 0x41); /* advance_loc 1 */
	((uint8_t *)cfa.program.at)[1] = instruction;
	cr_expect(cfa_at(&cfa, cfa.start).known);
	cr_expect_not(cfa_at(&cfa, cfa.start + 1).known);
	cr_expect_not(cfa_at(&cfa, cfa.start + 2).known);
	cfa_deinit(&cfa);
}

Test(cfa, what_makes_no_sense_is_not_known)
{
	expect_break(cfa_remembers_too_much, 0x0a);
	expect_break(cfa_restores_nothing, 0x0b);
	expect_break(cfa_restores_nothing, 0x3f); /* there is no such instruction */
	expect_break(cfa_restores_nothing, 0x01); /* set_loc */
	expect_break(cfa_absurd, 0x0e);
}

Test(cfa, only_what_has_an_fde_has_rules)
{
	struct cfa cfa;

	cr_expect_eq(init(cfa_none, &cfa), -EP_NO_FUNCTION);
	cr_expect_eq(init(cfa_none + 1, &cfa), -EP_NO_FUNCTION);
}
