/* SPDX-License-Identifier: MIT */
#include "x86/insn.h"

#include <Zydis/Zydis.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/support/patience.h"
#include "x86/opcodes.h"

TestSuite(insn, .timeout = 400);

static struct x86_insn decoded(const uint8_t *bytes, size_t size, uint64_t address)
{
	struct x86_insn insn = {0};

	cr_assert_eq(x86_decode(bytes, size, address, &insn), 0, "does not decode");
	cr_assert_eq(insn.length, size);
	return insn;
}

#define DECODED(address, ...)                                                                      \
	decoded((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), address)

static int error_of(const uint8_t *bytes, size_t size)
{
	struct x86_insn insn = {.length = 77};
	int error = x86_decode(bytes, size, 0x1000, &insn);

	cr_expect(!error || insn.length == 77, "written to on failure");
	return error;
}

#define ERROR_OF(...)                                                                              \
	error_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(insn, decode_splits_all_parts)
{
	/* add qword [fs:rax+rcx*4+0x12345678], 0x11223344, with a 2e that means nothing */
	struct x86_insn insn = DECODED(0x1000, 0x2e, 0x64, 0x48, 0x81, 0x84, 0x88, 0x78, 0x56, 0x34,
				       0x12, 0x44, 0x33, 0x22, 0x11);

	cr_expect_eq(insn.prefixes, X86_PREFIX_SEG | X86_PREFIX_FS);
	cr_expect_eq(insn.rex, 0x48);
	cr_expect_eq(insn.map, X86_MAP_1B);
	cr_expect_eq(insn.opcode, 0x81);
	cr_expect_eq(insn.modrm_offset, 4);
	cr_expect_eq(insn.sib_offset, 5);
	cr_expect_eq(insn.disp_offset, 6);
	cr_expect_eq(insn.disp_size, 4);
	cr_expect_eq(insn.disp, 0x12345678);
	cr_expect_eq(insn.imm_offset, 10);
	cr_expect_eq(insn.imm, 0x11223344);
}

Test(insn, decode_extends_signs)
{
	cr_expect_eq(DECODED(0, 0x8b, 0x45, 0xf8).disp, -8);		 /* mov eax, [rbp-8] */
	cr_expect_eq(DECODED(0, 0x83, 0xc0, 0x80).imm, -128);		 /* add eax, -128 */
	cr_expect_eq(DECODED(0, 0x66, 0x81, 0xc0, 0, 0x80).imm, -32768); /* add ax, 0x8000 */
	cr_expect_eq(DECODED(0, 0x49, 0xbf, 1, 2, 3, 4, 5, 6, 7, 0x88).imm,
		     (int64_t)0x8807060504030201); /* mov r15, imm64 */
}

Test(insn, decode_takes_no_more_than_it_is_given)
{
	const uint8_t mov[] = {0x48, 0x8b, 0x84, 0x24, 0x80, 0, 0, 0}; /* mov rax, [rsp+0x80] */

	for (size_t size = 0; size < sizeof(mov); size++)
		cr_expect_eq(error_of(mov, size), -EP_UNDECODABLE, "of %zu bytes", size);
	cr_expect_eq(error_of(mov, sizeof(mov)), 0);
}

Test(insn, decode_refuses_what_is_no_instruction)
{
	cr_expect_eq(ERROR_OF(0x06), -EP_UNDECODABLE);			 /* push es */
	cr_expect_eq(ERROR_OF(0x9a, 0, 0, 0, 0, 0, 0), -EP_UNDECODABLE); /* call far */
	cr_expect_eq(ERROR_OF(0x8d, 0xc0), -EP_UNDECODABLE);		 /* lea eax, eax */
	cr_expect_eq(ERROR_OF(0xff, 0xff), -EP_UNDECODABLE);		 /* ff /7 */
	cr_expect_eq(ERROR_OF(0xff, 0xd8), -EP_UNDECODABLE);		 /* call far rax */
	cr_expect_eq(ERROR_OF(0xf0, 0x89, 0xc0), -EP_UNDECODABLE);	 /* lock mov eax, eax */
	cr_expect_eq(ERROR_OF(0xc5, 0xf8, 0x01, 0xc0), -EP_UNDECODABLE); /* VEX 0f 01 */
	cr_expect_eq(ERROR_OF(0x66, 0xc5, 0xf8, 0x77), -EP_UNDECODABLE); /* 66 before VEX */
}

Test(insn, decode_refuses_what_processors_differ_about)
{
	cr_expect_eq(ERROR_OF(0x66, 0xe8, 0, 0, 0, 0), -EP_UNDECODABLE);       /* data16 call */
	cr_expect_eq(ERROR_OF(0x66, 0x0f, 0x84, 0, 0, 0, 0), -EP_UNDECODABLE); /* data16 je */
	cr_expect_eq(ERROR_OF(0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0), 0); /* of TLS: REX.W wins */
}

Test(insn, decode_knows_more_than_capstone)
{
	cr_expect_eq(ERROR_OF(0x0f, 0x01, 0xee), 0);			  /* rdpkru */
	cr_expect_eq(ERROR_OF(0x0f, 0x01, 0xef), 0);			  /* wrpkru */
	cr_expect_eq(ERROR_OF(0x0f, 0xb9, 0xc0), 0);			  /* ud1 eax, eax */
	cr_expect_eq(ERROR_OF(0x0f, 0xff, 0xc0), 0);			  /* ud0 eax, eax */
	cr_expect_eq(ERROR_OF(0xc5, 0xfb, 0x93, 0xc0), 0);		  /* kmovd eax, k0 */
	cr_expect_eq(ERROR_OF(0x62, 0xf1, 0xfe, 0x28, 0x6f, 0x06), 0);	  /* vmovdqu64 */
	cr_expect_eq(ERROR_OF(0x62, 0xf3, 0x7d, 0x20, 0x3f, 0xc1, 0), 0); /* vpcmpb k0, .., 0 */
	cr_expect_eq(ERROR_OF(0x8f, 0xe8, 0x78, 0xc2, 0xef, 0x02), 0);	  /* vprotd (XOP) */
	cr_expect_eq(ERROR_OF(0xc4, 0xe2, 0xf5, 0xb4, 0x1e), 0);	  /* vpmadd52luq (VEX) */
	cr_expect_eq(ERROR_OF(0xc4, 0xe2, 0x71, 0xe6, 0x1e), 0);	  /* cmpbexadd */
}

Test(insn, target_is_absolute)
{
	struct x86_insn jmp = DECODED(0x1000, 0xeb, 0xfe);		/* jmp . */
	struct x86_insn call = DECODED(0x1000, 0xe8, 0xfb, 0x0f, 0, 0); /* call 0x2000 */
	struct x86_insn loop = DECODED(0x1000, 0xe2, 0x10);		/* loop 0x1012 */
	struct x86_insn ret = DECODED(0x1000, 0xc3);

	cr_expect_eq(x86_insn_target(&jmp), 0x1000);
	cr_expect_eq(x86_insn_target(&call), 0x2000);
	cr_expect_eq(x86_insn_target(&loop), 0x1012);
	cr_expect_eq(x86_insn_target(&ret), 0);
}

static enum x86_flow flow(struct x86_insn insn)
{
	return x86_insn_flow(&insn);
}

Test(insn, flow_of_each_kind)
{
	cr_expect_eq(flow(DECODED(0, 0x90)), X86_FLOW_NONE);
	cr_expect_eq(flow(DECODED(0, 0xe9, 0, 0, 0, 0)), X86_FLOW_JMP);
	cr_expect_eq(flow(DECODED(0, 0x74, 0)), X86_FLOW_JCC);
	cr_expect_eq(flow(DECODED(0, 0xe3, 0)), X86_FLOW_JCC);
	cr_expect_eq(flow(DECODED(0, 0x0f, 0x8f, 0, 0, 0, 0)), X86_FLOW_JCC);
	cr_expect_eq(flow(DECODED(0, 0xe8, 0, 0, 0, 0)), X86_FLOW_CALL);
	cr_expect_eq(flow(DECODED(0, 0xff, 0xd0)), X86_FLOW_CALL_IND); /* call rax */
	cr_expect_eq(flow(DECODED(0, 0xff, 0x20)), X86_FLOW_JMP_IND);  /* jmp [rax] */
	cr_expect_eq(flow(DECODED(0, 0xff, 0x30)), X86_FLOW_NONE);     /* push [rax] */
	cr_expect_eq(flow(DECODED(0, 0xc2, 8, 0)), X86_FLOW_RET);
	cr_expect_eq(flow(DECODED(0, 0x0f, 0x05)), X86_FLOW_SYSCALL);
	cr_expect_eq(flow(DECODED(0, 0xcc)), X86_FLOW_TRAP);
	cr_expect_eq(flow(DECODED(0, 0x0f, 0x0b)), X86_FLOW_TRAP);		/* ud2 */
	cr_expect_eq(flow(DECODED(0, 0xc7, 0xf8, 0, 0, 0, 0)), X86_FLOW_OTHER); /* xbegin */
	cr_expect_eq(flow(DECODED(0, 0x48, 0xcf)), X86_FLOW_OTHER);		/* iretq */
}

Test(insn, rip_relative_in_every_encoding)
{
	struct x86_insn lea = DECODED(0, 0x48, 0x8d, 0x05, 1, 0, 0, 0);
	struct x86_insn vex = DECODED(0, 0xc5, 0xfa, 0x6f, 0x05, 1, 0, 0, 0); /* vmovdqu */
	struct x86_insn disp32 = DECODED(0, 0x8b, 0x04, 0x25, 1, 0, 0, 0);    /* mov eax, [1] */
	struct x86_insn rbp = DECODED(0, 0x8b, 0x45, 1);		      /* mov eax, [rbp+1] */

	cr_expect(x86_insn_is_rip_relative(&lea));
	cr_expect(x86_insn_is_rip_relative(&vex));
	cr_expect(!x86_insn_is_rip_relative(&disp32));
	cr_expect(!x86_insn_is_rip_relative(&rbp));
	cr_expect_eq(vex.disp_offset, 4);
}

Test(insn, text_is_intel_syntax)
{
	struct x86_insn mov = DECODED(0, 0x48, 0x89, 0xe5);
	char text[32], little[4];

	x86_insn_text(&mov, text, sizeof(text));
	cr_expect_str_eq(text, "mov rbp, rsp");
	x86_insn_text(&mov, little, sizeof(little));
	cr_expect_str_eq(little, "mov");
}

/* ---- against another decoder ---------------------------------------------------------------- */

static bool zydis(const uint8_t *bytes, ZydisDecodedInstruction *ret)
{
	static ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, 15, ret));
}

static uint64_t random_u64(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Random bytes behind the beginnings that are worth it. */
static void random_bytes(uint8_t bytes[15])
{
	static const uint8_t starts[] = {0x66, 0xf2, 0xf3, 0x48, 0x0f, 0xc5, 0xc4, 0x62, 0x8f};
	uint64_t choice = random_u64() % 16;

	for (int i = 0; i < 15; i++)
		bytes[i] = (uint8_t)(random_u64() >> 24);
	if (choice < sizeof(starts))
		bytes[0] = starts[choice];
	if (bytes[0] == 0x48 && choice & 1)
		bytes[1] = 0x0f;
}

/* To Zydis the address in mov al, [address] is a displacement; the manual calls it an operand. */
static bool is_moffs(const struct x86_insn *insn)
{
	return insn->map == X86_MAP_1B && (insn->opcode & 0xfc) == 0xa0;
}

/* What both accept has one length, and its displacement in one place. */
Test(insn, decode_agrees_with_zydis)
{
	unsigned int both = 0, ours_alone = 0;

	for (int i = 0; i < 2000000; i++) {
		ZydisDecodedInstruction theirs;
		struct x86_insn insn;
		uint8_t bytes[15];

		random_bytes(bytes);
		if (x86_decode(bytes, sizeof(bytes), 0, &insn))
			continue;
		if (!zydis(bytes, &theirs)) {
			ours_alone++;
			continue;
		}
		both++;
		if (is_moffs(&insn))
			theirs.raw.disp.size = 0;
		if (insn.length != theirs.length || insn.disp_size * 8 != theirs.raw.disp.size ||
		    (insn.disp_size && insn.disp_offset != theirs.raw.disp.offset)) {
			char text[96];

			x86_insn_text(&insn, text, sizeof(text));
			cr_expect(0, "%02x %02x %02x %02x %02x: %s: %u bytes, Zydis %u", bytes[0],
				  bytes[1], bytes[2], bytes[3], bytes[4], text, insn.length,
				  theirs.length);
		}
	}
	fprintf(stderr, "%u in both, %u in ours alone\n", both, ours_alone);
	cr_expect(both > 500000);
}

/*
 * The beginning of a VEX or EVEX instruction with registers in all its fields. Tiles have to be
 * three different ones, so vvvv, reg and rm are.
 */
static void fill_in(uint8_t bytes[15], bool evex, unsigned int map, unsigned int pp, uint8_t opcode,
		    unsigned int choice)
{
	static const uint8_t unused_and_two_others[] = {0x78, 0x00, 0x70};
	uint8_t w_vvvv = (uint8_t)((choice & 1) << 7 | unused_and_two_others[choice >> 1 & 3]);
	uint8_t length = choice >> 3 & 3, mask = choice >> 5 & 1, modrm = (uint8_t)(choice >> 6);

	memset(bytes, 0, 15);
	bytes[0] = evex ? 0x62 : 0xc4;
	bytes[1] = (uint8_t)((evex ? 0xf0 : 0xe0) | map);
	bytes[2] = (uint8_t)(w_vvvv | (evex ? 4 : (length & 1) << 2) | pp);
	if (evex)
		bytes[3] = (uint8_t)(length << 5 | 8 | mask);
	bytes[3 + evex] = opcode;
	bytes[4 + evex] = (uint8_t)((modrm & 7) << 3 | (modrm & 8 ? 0xc1 : 0x04));
	bytes[5 + evex] = 0x08; /* SIB, for what gathers and for tiles */
}

/* No processor that runs our programs has these; two of them are the only jumps. */
static bool is_of_knights_corner(const ZydisDecodedInstruction *insn)
{
	return insn->meta.isa_ext == ZYDIS_ISA_EXT_KNC ||
	       insn->meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
	       insn->meta.category == ZYDIS_CATEGORY_COND_BR;
}

/* Does Zydis know any such instruction? */
static bool exists_to_zydis(bool evex, unsigned int map, unsigned int pp, uint8_t opcode)
{
	ZydisDecodedInstruction theirs;
	uint8_t bytes[15];

	for (unsigned int choice = 0; choice < 1u << 10; choice++) {
		if ((choice >> 1 & 3) == 3)
			continue;
		fill_in(bytes, evex, map, pp, opcode, choice);
		if (zydis(bytes, &theirs) && !is_of_knights_corner(&theirs))
			return true;
	}
	return false;
}

Test(insn, decode_knows_all_of_vex_and_evex_that_zydis_knows)
{
	for (unsigned int i = 0; i < 2 * 8 * 4 * 256; i++) {
		bool evex = i >> 13;
		unsigned int map = i >> 10 & 7, pp = i >> 8 & 3;

		if (map && exists_to_zydis(evex, map, pp, (uint8_t)i))
			cr_expect(x86_vex_exists(evex, map, pp, (uint8_t)i),
				  "%s map %u, prefix %u: %02x", evex ? "EVEX" : "VEX", map, pp,
				  i & 0xff);
	}
}

/* ---- threads and processes ------------------------------------------------------------------ */

static void *decode_much(void *failures)
{
	const uint8_t movdqu[] = {0xf3, 0x0f, 0x6f, 0x06}; /* movdqu xmm0, [rsi]: asks capstone */
	struct x86_insn insn;

	for (int i = 0; i < 20000; i++)
		if (x86_decode(movdqu, sizeof(movdqu), 0, &insn) || insn.length != 4)
			++*(int *)failures;
	return NULL;
}

Test(insn, decode_is_for_many_threads)
{
	pthread_t threads[4];
	int failures[4] = {0};

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, decode_much, &failures[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		cr_expect_eq(failures[i], 0);
	}
}

/* No lock is left behind that a thread of the parent held. */
Test(insn, decode_works_in_a_child_forked_under_threads)
{
	pthread_t thread;
	int failures = 0, status;

	pthread_create(&thread, NULL, decode_much, &failures);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0) {
			int mine = 0;

			alarm(patience(60));
			decode_much(&mine);
			_exit(mine != 0);
		}
		waitpid(child, &status, 0);
		cr_expect_eq(status, 0);
	}
	pthread_join(thread, NULL);
}
