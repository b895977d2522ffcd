/* SPDX-License-Identifier: MIT */
/* Functions to probe, one for each first instruction that matters; written in shapes.S. */
#ifndef EMUPROBE_PERF_SHAPES_H
#define EMUPROBE_PERF_SHAPES_H

#define SHAPES(X)                                                                                  \
	X(push)                                                                                    \
	X(sub)                                                                                     \
	X(mov)                                                                                     \
	X(lea)                                                                                     \
	X(endbr64)                                                                                 \
	X(nop5)                                                                                    \
	X(ret)                                                                                     \
	X(sse)                                                                                     \
	X(rip)                                                                                     \
	X(call)

#define SHAPE_DECLARE(name) void shape_##name(void);
SHAPES(SHAPE_DECLARE)
#undef SHAPE_DECLARE

/* A ret alone: what a call costs. */
void shape_leaf(void);

/* An int3 and a ret: the program's own breakpoint, for the floor. */
void shape_int3(void);

/* Where its handler returns to: rt_sigreturn(2). */
void shape_restorer(void);

#endif
