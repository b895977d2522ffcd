/* SPDX-License-Identifier: MIT */
/*
 * A library with indirect functions, one for the library itself and one for others, and with symbols that
 * only say that they are: they must not be called.
 */
typedef int function(void);

int indirect_exported(void) __attribute__((ifunc("choose_exported")));
int indirect_astray(void) __attribute__((ifunc("choose_astray")));
int indirect_use(void);
int indirect_calls(void);

static int calls;

static int chosen_exported(void)
{
	return 1;
}

static int chosen_own(void)
{
	return 2;
}

__attribute__((used)) static function *choose_exported(void)
{
	calls++;
	return chosen_exported;
}

__attribute__((used)) static function *choose_astray(void)
{
	return (function *)0x1234;
}

__attribute__((used)) static function *choose_own(void)
{
	return chosen_own;
}

static int indirect_own(void) __attribute__((ifunc("choose_own")));

int indirect_use(void)
{
	return indirect_own();
}

/* How often choose_exported() was called. */
int indirect_calls(void)
{
	return calls;
}

__attribute__((used, noinline)) static void deadly(void)
{
	__builtin_trap();
}

/* In the file's symbol table only; the other one, exported, inside of a function. */
__asm__(".type indirect_liar, @gnu_indirect_function\n\t"
	".set indirect_liar, deadly\n\t"
	".globl indirect_inside\n\t"
	".type indirect_inside, @gnu_indirect_function\n\t"
	".set indirect_inside, indirect_calls + 1");

/* As in libc, but for what it reads: its return address. */
__asm__(".globl lcong48_r\n\t"
	".type lcong48_r, @function\n"
	"lcong48_r:\n\t"
	".cfi_startproc\n\t"
	"mov (%rsp), %rax\n\t"
	"ret\n\t"
	".cfi_endproc\n\t"
	".size lcong48_r, . - lcong48_r");
