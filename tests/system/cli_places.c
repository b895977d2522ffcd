/* SPDX-License-Identifier: MIT */
/* Places in all their spellings, from the command line to the program. */
#include "tests/system/cli.h"

TestSuite(cli_places, .timeout = 400);

#define SEMAPHORE EP_PROGRAMS "/semaphore"

/* "$at" is the place of the counter in the file. */
#define WHERE "at=$(" SEMAPHORE " where) && "

static void expect_shell(const char *command, int status, const char *output)
{
	struct command_result result = command_shell("%s", command);

	expect_status(result, status);
	expect_contains(result, output, output);
	command_result_deinit(&result);
}

/* ---- reference counters -------------------------------------------------------------------- */

Test(cli_places, a_program_is_told_that_it_is_probed)
{
	expect_shell(WHERE EMUPROBE " -c -e \"p:fire fire($at)\" -- " SEMAPHORE " 2>&1", 0,
		     "semaphore 1\n");
	expect_shell(WHERE EMUPROBE
		     " -e \"p:fire fire($at) value=%di:s32;r:end fire($at)\" -- " SEMAPHORE " 2>&1",
		     0, "semaphore 2\n");
	expect_shell(EMUPROBE " -c -e 'p:fire fire' -- " SEMAPHORE " 2>&1", 0, "semaphore 0\n");
	expect_shell(WHERE EMUPROBE " -n -e \"p:fire fire($at)\" -- " SEMAPHORE " 2>&1", 0,
		     "semaphore:fire");
}

Test(cli_places, without_the_launcher_and_in_children_too)
{
	expect_shell(WHERE "EMUPROBE=\"p:fire fire($at) value=%di:s32\" LD_PRELOAD=" PRELOAD
			   " " SEMAPHORE " 2>&1",
		     0, "(semaphore:fire) value=7\n");
	expect_shell(WHERE EMUPROBE " -c -e \"p:fire fire($at)\" -- " SEMAPHORE " fork 2>&1", 0,
		     "semaphore 1\n");
}

/* By the kernel's grammar: an offset in the file of the program. */
Test(cli_places, a_counter_that_is_nowhere_is_an_error)
{
	expect_shell(EMUPROBE " -c -e 'p:fire fire(0x10)' -- " SEMAPHORE " 2>&1", 125,
		     "emuprobe: 0x10 in the executable (semaphore): the reference counter is in no "
		     "writable data of the object\n"
		     "  p:fire fire(0x10)\n"
		     "             ^\n");
}

/* ---- deletions ----------------------------------------------------------------------------- */

Test(cli_places, what_was_deleted_is_not_placed)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p:a target; p:b main", "-e", "-:a", WORK, "call", "3");

	expect_status(result, 0);
	expect_contains(result, error, "work:main");
	expect_lacks(result, error, "work:target");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-c", "-e", "p:a target", "-e", "-:b", WORK, "call", "3");
	expect_status(result, 125);
	expect_contains(result, error,
			"emuprobe: no definition before this one is called b\n  -:b\n    ^\n");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-c", "-e", "p:a target;-:a", WORK, "call", "3");
	expect_status(result, 125);
	expect_contains(result, error, "no probes");
	command_result_deinit(&result);
}

/* ---- versions ------------------------------------------------------------------------------ */

Test(cli_places, a_version_is_part_of_the_place)
{
	expect_shell(EMUPROBE " -n -e 'p libc.so.6:realpath@GLIBC_2.2.5' " WORK " 2>&1", 0,
		     "libc.so.6:realpath@GLIBC_2.2.5");
	expect_shell(EMUPROBE " -n -e 'p libc.so.6:realpath@GLIBC_3' " WORK " 2>&1", 125,
		     "@GLIBC_2.2.5");
}

/* ---- definitions --------------------------------------------------------------------------- */

Test(cli_places, definitions_name_files_and_offsets)
{
	struct command_result result =
		RUN(EMUPROBE, "-D", "-e", "p:g/a target+0 one=%di:u64,%si:s8 # not this", "-e",
		    "libc:mall*c", "-e", "p libc.so.6:read%return $retval", "-e",
		    "p:odd libc.so.6:malloc+1", WORK, "print", "ran");
	struct command_result libc = command_shell("ldd " WORK " | awk '/libc.so/ { print $3 }'");
	char wanted[512];

	expect_status(result, 0);
	expect_lacks(result, output, "ran");
	libc.output[strcspn(libc.output, "\n")] = '\0';
	expect_contains(result, output, "p:g/a " WORK ":0x");
	expect_contains(result, output, " one=%di:u64 %si:s8\n");
	snprintf(wanted, sizeof(wanted), "\np:uprobes/malloc %s:0x", libc.output);
	expect_contains(result, output, wanted);
	snprintf(wanted, sizeof(wanted), "\nr:uprobes/r_libc_read %s:0x", libc.output);
	expect_contains(result, output, wanted);
	expect_contains(result, output, " $retval\n");
	snprintf(wanted, sizeof(wanted), "\n# inside an instruction: p:uprobes/odd %s:0x",
		 libc.output);
	expect_contains(result, output, wanted);
	command_result_deinit(&result);
	command_result_deinit(&libc);
}

#define TEMPORARY "d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cd \"$d\" && "

Test(cli_places, definitions_that_were_printed_mean_the_same)
{
	expect_shell(TEMPORARY EMUPROBE
		     " -D -e 'p libc:s*; r * $retval' " WORK
		     " | grep -v '^#' >1 && test $(grep -c . 1) -gt 150 && " EMUPROBE
		     " -D -f 1 " WORK " >2 && cmp 1 2 && echo same",
		     0, "same");
	/* What the kernel has no words for. */
	expect_shell(TEMPORARY "cp " SEMAPHORE " './a b;c' && at=$(./'a b;c' where) && " EMUPROBE
			       " -D -e \"p:x fire($at) %di\" './a b;c' | tee 1 && " EMUPROBE
			       " -f 1 -c './a b;c'",
		     0, "/a b;c\":0x");
}

/* A made up name is as long as the symbol; one that can be read has 63 bytes at most. */
Test(cli_places, names_of_definitions_are_as_long_as_can_be_read)
{
	expect_shell(
		TEMPORARY
		"f=$(printf 'a%.0s' $(seq 100)) && echo \"int ${f}1(void){return 0;}"
		"int ${f}2(void){return 1;} int main(void){return 0;}\" >a.c && cc a.c && " EMUPROBE
		" -D -e 'p aa*' ./a.out | tee 1 && " EMUPROBE " -D -f 1 ./a.out | cmp - 1 && "
		"test $(grep -c . 1) = 2 && echo good",
		0, "good");
}

#define TRACEFS "/sys/kernel/tracing"

Test(cli_places, the_kernel_takes_the_definitions)
{
	struct command_result result = command_shell(
		"[ -w " TRACEFS "/uprobe_events ] || exit 77; " TEMPORARY EMUPROBE
		" -D -e 'p:ep_places_'$$'/a libc.so.6:mall*c size=%%di:u64' "
		"-e 'r:ep_places_'$$'/b libc.so.6:read $retval:s64' "
		"-e 'p:ep_places_'$$'/c main %%ip' " WORK " >1 || exit; "
		"while read -r line; do echo \"$line\" >>" TRACEFS "/uprobe_events || exit 1; "
		"done <1; grep -c \"ep_places_$$/\" " TRACEFS "/uprobe_events; "
		"for event in $(sed 's/^.:\\([^ ]*\\).*/\\1/' 1); do "
		"echo \"-:$event\" >>" TRACEFS "/uprobe_events || exit 1; done");

	if (result.status == 77)
		cr_skip_test("no tracefs that can be written to");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "3\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}
