/* SPDX-License-Identifier: MIT */
/* Asks a launcher that keeps events (--ring) for what it has. */
#ifndef EMUPROBE_CLI_DUMP_H
#define EMUPROBE_CLI_DUMP_H

/** emuprobe dump PID, of the launcher or of a process that it probes: @return the exit status. */
int dump_ask(int argc, char **argv);

#endif
