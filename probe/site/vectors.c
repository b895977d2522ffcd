/* SPDX-License-Identifier: MIT */
/*
 * Handlers that leave vector registers alone find them as the program left them, unless a signal came in
 * between: then they are in its frame, behind which the kernel has reset them.
 */
#include "include/counting.h"

#include "probe/thread/thread.h"

/* In a signal frame, of which struct ep_regs is the beginning (Linux, struct sigcontext): words. */
#define FRAME_FPSTATE 23

/* Of the first vector register in what it points to (Intel SDM volume 1, "FXSAVE Area"): bytes. */
#define FXSAVE_XMM 160

#define EACH_REGISTER(X)                                                                           \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define STORE(number)                                                                              \
	case number:                                                                               \
		__asm__ volatile("movups %%xmm" #number ", %0" : "=m"(*ret));                      \
		break;

struct vector {
	uint8_t bytes[16];
};

EP_TRAP_PATH __attribute__((noinline)) void ep_live_vector(unsigned int number, struct vector *ret);

EP_TRAP_PATH __attribute__((noinline)) void ep_live_vector(unsigned int number, struct vector *ret)
{
	switch (number) {
		EACH_REGISTER(STORE)
	default:
		*ret = (struct vector){{0}};
	}
}

EP_TRAP_PATH static uint64_t word_of(const uint8_t *bytes)
{
	uint64_t ret;

	__builtin_memcpy(&ret, bytes, sizeof(ret));
	return ret;
}

EP_TRAP_PATH uint64_t ep_hit_vector(const struct ep_regs *regs, unsigned int number,
				    unsigned int byte)
{
	const struct probe_thread *thread = probe_thread_if_known();
	struct vector vector;
	uint64_t fpstate;

	if (!thread || thread->frame != regs) {
		ep_live_vector(number, &vector);
		return word_of(vector.bytes + byte);
	}
	fpstate = ((const uint64_t *)(const void *)regs)[FRAME_FPSTATE];
	return fpstate ? word_of((const uint8_t *)fpstate + FXSAVE_XMM + sizeof(vector) * number +
				 byte)
		       : 0;
}
