/* SPDX-License-Identifier: MIT */
/* Numbers of the kernel's interface on x86-64 that no header of it or of libc has as a constant. */
#ifndef EMUPROBE_SYS_ABI_H
#define EMUPROBE_SYS_ABI_H

#define SYS_PAGE_SIZE	4096ul	     /* of memory; mappings and protections change by it */
#define SYS_SIGSET_SIZE 8ul	     /* bytes of a signal set; libc's sigset_t is larger */
#define SYS_SA_RESTORER 0x04000000ul /* sa_flags: .restorer is set, as it has to be here */

#endif
