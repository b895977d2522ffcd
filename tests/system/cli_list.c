/* SPDX-License-Identifier: MIT */
/*
 * Claims: -l names what can be probed, in lines that are definitions, of files and of processes, and
 * executes nothing of them.
 */
#include "tests/system/cli.h"

TestSuite(cli_list, .timeout = 400);

#define TEMPORARY "d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cd \"$d\" && "
#define HOSTILE	  "/usr/bin/python3 " EP_SOURCE_DIR "/tests/system/hostile.py "

static void expect_shell(const char *command, int status, const char *output)
{
	struct command_result result = command_shell("%s", command);

	expect_status(result, status);
	expect_contains(result, output, output);
	command_result_deinit(&result);
}

/* ---- files --------------------------------------------------------------------------------- */

Test(cli_list, functions_of_a_program)
{
	expect_shell(EMUPROBE " -l " WORK, 0, "work:target\n");
	expect_shell(EMUPROBE " -l 'tar*' " WORK, 0, "work:target\n");
	expect_shell(EMUPROBE " -l work " WORK " 2>&1", 125, "the pattern matches nothing");
	expect_shell(EMUPROBE " -l " WORK ":targe?t " WORK " 2>&1", 125, "matches nothing");
	expect_shell(EMUPROBE " -l " WORK ":targ*", 0, "work:target\n");
	/* Found as a shell finds it. */
	expect_shell("PATH=" EP_PROGRAMS ":$PATH " EMUPROBE " -l target work", 0, "work:target\n");
}

Test(cli_list, functions_of_what_a_program_needs)
{
	expect_shell(EMUPROBE " -l 'libc:malloc' " WORK, 0, "libc.so.6:malloc\n");
	expect_shell(EMUPROBE " -l 'libc.so.6:realpath' " WORK, 0,
		     "libc.so.6:realpath@GLIBC_2.2.5\n");
	expect_shell(EMUPROBE " -l 'libc:realpath@@*' " WORK " | grep -c .", 0, "1\n");
	expect_shell(EMUPROBE " -l '*:' " WORK " | sed 's/ .*//'", 0, "work\nlibc.so.6\n");
	expect_shell(EMUPROBE " -l '/lib/x86_64-linux-gnu/libc.so.6:mallo*'", 0,
		     "libc.so.6:malloc\n");
}

/* As the program is called where it runs: by the file that a link leads to. */
Test(cli_list, a_link_to_a_program_is_called_as_its_file)
{
	expect_shell(TEMPORARY "ln -s " WORK " link && " EMUPROBE " -l target ./link", 0,
		     "work:target\n");
}

/* In the folder that it names, as the dynamic linker finds it. */
Test(cli_list, libraries_are_found_as_the_linker_finds_them)
{
	expect_shell(TEMPORARY
		     "mkdir deep && echo 'void mine(void){}' >l.c && "
		     "cc -shared -fPIC l.c -Wl,-soname,libmine.so.1 -o deep/libmine.so.1 && "
		     "echo 'void mine(void);int main(void){mine();return 0;}' >p.c && "
		     "cc p.c deep/libmine.so.1 -Wl,-rpath,'$ORIGIN/deep' -o p && cd / && " EMUPROBE
		     " -l 'libmine*:m*' $d/p",
		     0, "libmine.so.1:mine\n");
}

/* Offsets rise, but for those of different segments. */
Test(cli_list, the_order_is_that_of_addresses)
{
	expect_shell(EMUPROBE
		     " -lv /lib/x86_64-linux-gnu/libc.so.6 | awk '{ print $2 }' >/tmp/$$ && "
		     "[ $(wc -l </tmp/$$) -gt 2000 ] && "
		     "while read -r at; do echo $((at)); done </tmp/$$ | sort -nc && "
		     "rm /tmp/$$ && echo sorted",
		     0, "sorted");
}

Test(cli_list, verbose_lines_say_what_a_probe_would_be)
{
	struct command_result planned = command_shell(EMUPROBE " -n -e 'p libc:m*' " WORK
							       " | awk '{ print $1, $2 }' | sort");
	struct command_result listed = command_shell(
		EMUPROBE " -lv 'libc:m*' " WORK " | awk '$1 != \"-\" { print $1, $4 }'");
	size_t found = 0;

	/* A probe has the best of several names. */
	for (char *line = strtok(planned.output, "\n"); line; line = strtok(NULL, "\n")) {
		cr_expect(strstr(listed.output, line) || strstr(line, "mem"), "%s", line);
		found++;
	}
	cr_expect_gt(found, 50);
	command_result_deinit(&planned);
	command_result_deinit(&listed);
}

Test(cli_list, each_line_is_a_definition)
{
	expect_shell(TEMPORARY EMUPROBE " -l " EP_PROGRAMS "/exceptions >1 && " EMUPROBE
					" -n -f 1 " EP_PROGRAMS "/exceptions >2 && "
					"[ $(wc -l <1) = $(wc -l <2) ] && " EMUPROBE
					" -l 'libc:*' " WORK " >1 && " EMUPROBE " -n -f 1 " WORK
					" >2 && [ $(wc -l <1) = $(wc -l <2) ] && echo same",
		     0, "same");
}

/* ---- what has no name ---------------------------------------------------------------------- */

Test(cli_list, functions_without_a_name_are_called_by_their_offsets)
{
	expect_shell(TEMPORARY "cp " WORK " a && strip a && " EMUPROBE
			       " -l 'sub_*' a >1 && [ $(grep -c '^a:sub_[0-9a-f]*$' 1) -gt 10 ] && "
			       "at=$(" EMUPROBE " -lv target " WORK
			       " | awk '{ print substr($2, 3) }') && " EMUPROBE
			       " -c -e \"p:x sub_$at\" ./a call 3 2>&1",
		     0, "x      a:sub_");
	expect_shell(EMUPROBE " -n -e 'p sub_1' " WORK " 2>&1", 125, "no such symbol");
	expect_shell(EMUPROBE " -n -e 'p sub_' " WORK " 2>&1", 125, "no such symbol");
	expect_shell(EMUPROBE " -n -e 'p sub_0x10' " WORK " 2>&1", 125, "no such symbol");
}

/* ---- nothing is executed ------------------------------------------------------------------- */

Test(cli_list, nothing_of_the_file_is_executed)
{
	expect_shell(
		TEMPORARY
		"cat >a.c <<'END'\n"
		"#include <fcntl.h>\n#include <unistd.h>\n"
		"static void leave(void) { close(open(\"executed\", O_CREAT | O_WRONLY, 0600)); }\n"
		"__attribute__((constructor)) static void start(void) { leave(); }\n"
		"static int one(void) { return 1; }\n"
		"static int (*choose(void))(void) { leave(); return one; }\n"
		"int chosen(void) __attribute__((ifunc(\"choose\")));\n"
		"int main(void) { leave(); return chosen(); }\n"
		"END\n"
		"cc a.c -o a && cc -shared -fPIC a.c -o liba.so && " EMUPROBE
		" -lv ./a >1 && " EMUPROBE " -lv ./liba.so >>1 && " EMUPROBE
		" -l '*:*' ./a >>1 && [ ! -e executed ] && "
		"./a; [ -e executed ] && cat 1",
		0, "indirect: another function is chosen");
}

/* ---- processes ----------------------------------------------------------------------------- */

/* It has its libraries when it sleeps. */
#define SLEEP                                                                                      \
	"cp /bin/sleep . && { ./sleep 100 & } && pid=$! && "                                       \
	"until grep -q '^State:.S' /proc/$pid/status && grep -q libc /proc/$pid/maps; "            \
	"do sleep 0.01; done && "
#define KILL "; status=$?; kill $pid; exit $status"

Test(cli_list, functions_of_a_process)
{
	expect_shell(TEMPORARY SLEEP EMUPROBE " -l -p $pid 'libc:mallo*'" KILL, 0,
		     "libc.so.6:malloc\n");
	expect_shell(TEMPORARY SLEEP EMUPROBE " -l -p $pid | tail -n 1" KILL, 0, "sleep:sub_");
	expect_shell(TEMPORARY SLEEP EMUPROBE " -l --pid=$pid '*:' | sed 's/ .*//'" KILL, 0,
		     "libc.so.6\n");
	expect_shell(TEMPORARY SLEEP EMUPROBE " -lv -p $pid 'libc:malloc'" KILL, 0, "jump ");
}

/* It is in the mapping still, for those who may look there. */
Test(cli_list, functions_of_a_process_whose_file_is_gone)
{
	struct command_result result =
		command_shell(TEMPORARY SLEEP
			      "ls /proc/$pid/map_files/* >/dev/null 2>&1 && rm sleep && "
			      "cp /bin/ls sleep && " EMUPROBE " -lv -p $pid 2>&1 | wc -l; " EMUPROBE
			      " -lv /bin/sleep | wc -l" KILL);
	int gone = 0, there = 0;

	if (sscanf(result.output, "%d %d", &gone, &there) != 2)
		cr_skip_test("mappings of processes cannot be opened here");
	cr_expect_eq(gone, there, "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* ---- names --------------------------------------------------------------------------------- */

Test(cli_list, names_of_cxx_and_rust_are_demangled)
{
	struct command_result has = command_shell("ldconfig -p | grep -q libstdc++.so.6");

	if (has.status)
		cr_skip_test("no libstdc++");
	expect_shell(TEMPORARY
		     "echo 'int f(int) __asm__(\"_ZN3one3twoEi\"); int f(int a){return a;}"
		     "int g(void) __asm__(\"_ZN4core3fmt17h0123456789abcdefE\");"
		     "int g(void){return 1;} int main(void){return 0;}' >a.c && cc a.c && " EMUPROBE
		     " -l '_Z*' a.out",
		     0,
		     "a.out:_ZN3one3twoEi  # one::two(int)\n"
		     "a.out:_ZN4core3fmt17h0123456789abcdefE  # core::fmt\n");
	command_result_deinit(&has);
}

/* Each argument is a template of two of the one before: 2^34 of the first. */
Test(cli_list, a_name_that_is_too_long_when_demangled_stays_as_it_is)
{
	expect_shell(
		TEMPORARY
		"n=_Z1f1AIiiE && p=0 && for i in 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O "
		"P Q R S T U V W X Y; do n=${n}S_IS${p}_S${p}_E; p=$i; done && "
		"echo \"int f(void) __asm__(\\\"$n\\\"); int f(void){return 0;}"
		"int h(int) __asm__(\\\"_Z5aftersi\\\"); int h(int a){return a;}"
		"int g(int) __asm__(\\\"_Z6beforei\\\"); int main(void){return 0;}"
		"int g(int a){return a;}\" >a.c && cc a.c && " EMUPROBE " -l '_Z*' a.out",
		0, "before(int)\n");
}

Test(cli_list, nothing_of_a_name_reaches_a_terminal)
{
	expect_shell(TEMPORARY HOSTILE
		     "make " EP_PROGRAMS "/hostile hostile && chmod +x hostile && " EMUPROBE
		     " -l ./hostile | " HOSTILE "plain && " EMUPROBE " -lv ./hostile | " HOSTILE
		     "plain && echo plain",
		     0, "plain");
}

Test(cli_list, json)
{
	struct command_result result = command_shell(
		"command -v jq >/dev/null || exit 77; " EMUPROBE " --format=json -lv 'libc:*' " WORK
		" | jq -es 'map(select(.type == \"function\" and .object == \"libc.so.6\" and "
		"(.size | type) == \"number\" and (.indirect or .plan != null))) | length > 2000'");

	if (result.status == 77)
		cr_skip_test("no jq");
	expect_status(result, 0);
	command_result_deinit(&result);
	expect_shell(EMUPROBE " --format=json -l target " WORK, 0,
		     "{\"type\":\"function\",\"object\":\"work\",\"symbol\":\"target\",");
	expect_shell(EMUPROBE " --format=json -l 'libc:' " WORK, 0,
		     "{\"type\":\"object\",\"object\":\"libc.so.6\",\"path\":\"/");
}

/* ---- errors -------------------------------------------------------------------------------- */

Test(cli_list, what_is_wrong_is_said)
{
	expect_shell(EMUPROBE " -l 2>&1", 125, "emuprobe: -l: no program or library\n");
	expect_shell(EMUPROBE " -l /etc/passwd 2>&1", 125,
		     "emuprobe: /etc/passwd: no program or library of x86-64\n");
	expect_shell(EMUPROBE " -l no-such-program 2>&1", 127,
		     "emuprobe: no-such-program: not found");
	expect_shell(EMUPROBE " -l 'p:x' " WORK " 2>&1", 125, "the place is missing");
	expect_shell(EMUPROBE " -l 'main;target' " WORK " 2>&1", 125,
		     "emuprobe: -l main;target: a place, or a pattern of places, is needed\n");
	expect_shell(EMUPROBE " -l 'lib(c:x' " WORK " 2>&1", 125, "matches nothing");
	expect_shell(EMUPROBE " -l a b c 2>&1", 125,
		     "emuprobe: -l: too much behind the options: c\n");
	expect_shell(EMUPROBE " -l -p 0 2>&1", 125, "emuprobe: --pid=0: the number of a process\n");
	expect_shell(EMUPROBE " -l -p 2147483647 2>&1", 125,
		     "emuprobe: process 2147483647: No such process\n");
	expect_shell(EMUPROBE " -p 1 -e main " WORK " 2>&1", 125,
		     "a program to run, or one that runs already (-p, --name), not both\n");
	expect_shell(EMUPROBE " -l /bin/sh >/dev/full 2>/dev/stdout | cat; exit 125", 125, "");
}
