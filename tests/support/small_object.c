/* SPDX-License-Identifier: MIT */
/*
 * A library that needs no other: a kilobyte of what readers of objects look at. Functions of its
 * own and exported ones, aliases, a part that was split off, a part that restarts.
 */
int small_add(int a, int b);
int small_sum(const int *list, int count);
int small_call(int (*function)(int), int a);
int small_alias(int a, int b) __attribute__((alias("small_add")));
int small_weak(int a, int b) __attribute__((weak, alias("small_add")));

/* What says how many probes stand in it. */
unsigned short small_semaphore __attribute__((section(".probes"))) = 0;

#define OWN __attribute__((noinline, used)) static

OWN int own_square(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a * a;
}

OWN int own_of_another_name(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a + 1;
}

int small_add(int a, int b)
{
	return own_square(a) + own_of_another_name(b);
}

int small_sum(const int *list, int count)
{
	int ret = 0;

	for (int i = 0; i < count; i++)
		ret = small_add(ret, list[i]);
	return ret;
}

int small_call(int (*function)(int), int a)
{
	volatile int kept[8] = {a}; /* a frame */

	for (int i = 0; i < 8; i++)
		kept[i] = function(kept[i / 2]);
	return kept[7];
}

/* linux/rseq.h, struct rseq_cs: a section that nobody enters. */
__asm__(".pushsection __rseq_cs, \"aw\"\n\t"
	".balign 32\n\t"
	".long 0, 0\n\t"
	".quad own_of_another_name, 2, small_call\n\t"
	".popsection");

#ifdef SMALL_GO
/* What Go's linker leaves in each file: a note of type 4, behind the build's own. */
__asm__(".pushsection .note.go.buildid, \"a\", @note\n\t"
	".balign 4\n\t"
	".long 4, 8, 4\n\t"
	".ascii \"Go\\0\\0\", \"build-id\"\n\t"
	".popsection");
#endif
