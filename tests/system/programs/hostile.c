/* SPDX-License-Identifier: MIT */
/*
 * Its symbols are told to be what no compiler would call them, by the test that changes their bytes
 * in the file; its thread has such a name, too.
 */
#include <sys/prctl.h>

void hostile_0123456789(void);
void hostile_abcdefghij(void);
void hostile_ABCDEFGHIJ(void);
void hostile_klmnopqrst(void);

void hostile_0123456789(void)
{
	__asm__ volatile("");
}

void hostile_abcdefghij(void)
{
	__asm__ volatile("");
}

void hostile_ABCDEFGHIJ(void)
{
	__asm__ volatile("");
}

void hostile_klmnopqrst(void)
{
	__asm__ volatile("");
}

int main(void)
{
	prctl(PR_SET_NAME, "\x1b]0;\x9b\xc2\x9b\n\"\\\xff");
	hostile_0123456789();
	hostile_abcdefghij();
	hostile_ABCDEFGHIJ();
	hostile_klmnopqrst();
	return 0;
}
