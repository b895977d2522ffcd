/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the kernel's interface on x86-64 that no header of it has as a constant for both C and
 * .S files, and the mark of our own system calls.
 */
#ifndef EMUPROBE_SYS_ABI_H
#define EMUPROBE_SYS_ABI_H

/*
 * Stands in front of each `syscall` of the engine's own, wherever that is linked in, so that it
 * can be told from the program's. A segment prefix (DS), which means nothing there.
 */
#define SYSCALL_MARK 0x3e

#define SYS_SIGSET_SIZE 8	   /* bytes of a signal set; libc's sigset_t is larger */
#define SYS_SA_RESTORER 0x04000000 /* sa_flags: .restorer is set, as it has to be here */

/* Where a signal frame says how large its XSAVE area is: in what FXSAVE leaves free. */
#define SYS_XSAVE_LEGACY 512 /* bytes of FXSAVE's area */
#define SYS_XSAVE_SOFTWARE                                                                         \
	464 /* offset of magic, size, features (asm/sigcontext.h, _fpx_sw_bytes) */
#define SYS_XSAVE_MAGIC 0x46505853

#ifndef __ASSEMBLER__
#define SYS_PAGE_SIZE 4096ul /* of memory; mappings and protections change by it */
#endif

#endif
