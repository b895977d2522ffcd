/* SPDX-License-Identifier: MIT */
/*
 * Who reads help has a question and a screen of 24 lines, so that what is asked most stands there, as lines
 * that can be copied; all options are one word away.
 */
#include "cli/help.h"

#include <stdio.h>

static const char overview[] =
	"emuprobe runs a program with probes on its functions, and shows what they did.\n"
	"usage: emuprobe [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"\n"
	"  emuprobe PROGRAM                        what could be asked of this program\n"
	"  emuprobe -l PROGRAM                     its functions; -l 'libc:mem*' PROGRAM\n"
	"  emuprobe --graph -- PROGRAM             its own functions, calls within calls\n"
	"  emuprobe --calls -- PROGRAM             what it calls of libraries, and gets\n"
	"  emuprobe -c -e 'r *' -- PROGRAM         which of its own functions are slow\n"
	"  emuprobe -c -e 'p libc:malloc' -- PROGRAM     how often a function is called\n"
	"  emuprobe -e 'p libc:open64 path=+0($arg1):string' -- PROGRAM\n"
	"                                          each call, with its arguments\n"
	"  emuprobe -e 'r libc:read n=$retval:s64 t=$latency if t > 5ms' -- PROGRAM\n"
	"                                          slow calls only: result and time\n"
	"\n"
	"  -e DEFINITION    p PLACE [ARG...] [if CONDITION]: whenever a thread is there;\n"
	"                   r PLACE ...: calls, when they end. PLACE: [OBJECT:]FUNCTION\n"
	"  -c, --live       count, and time calls: a table at the end, or each second\n"
	"  --hist --top --stacks    which values, how often, called from where\n"
	"  -o FILE --format=json    where events are written, and how\n"
	"  -n, --explain    what the probes would be, and why\n"
	"\n"
	"--help=all has every option, --examples ten questions with their commands,\n"
	"man emuprobe(1) all of it, man emuprobe-definitions(7) what -e takes.\n";

void help_overview(void)
{
	fputs(overview, stdout);
}

/* Of programs that every system has. Each of these lines is run by a test. */
static const struct {
	const char *question, *command;
} examples[] = {
	{"How often does a program call some functions of a library?",
	 "emuprobe -c -e 'p libc:malloc; p libc:free; p libc:mem*' -- ls /"},
	{"Which files are opened?",
	 "emuprobe -q -e 'p:open libc:open64 path=+0($arg1):string' -- cat /etc/hostname"},
	{"Which functions of the program itself take how long?",
	 "emuprobe -c -e 'r *' -- bash -c 'for i in 1 2 3; do echo $i; done'"},
	{"How large are the blocks that are allocated?",
	 "emuprobe -c -e 'p:malloc libc:malloc size=$arg1:u64' --hist malloc:size -- ls /"},
	{"Which descriptors is how much read from?",
	 "emuprobe -c -e 'r:read libc:read fd=$arg1:s32 n=$retval:s64' --top read:fd:n -- cat "
	 "/etc/passwd"},
	{"Who calls a function?", "emuprobe -c -e 'p:write libc:write' --stacks write -- ls /"},
	{"How are the times of its calls distributed?",
	 "emuprobe -c -e 'r:read libc:read' --hist read -- sort /etc/passwd"},
	{"Which calls fail, and with which arguments?",
	 "emuprobe -q -e 'r:open libc:open64 path=+0($arg1):string ret=$retval:s32 if ret < 0' -- "
	 "sh -c 'cat /no/such/file || true'"},
	{"The first five events of a busy function, as JSON, in a file?",
	 "emuprobe -q -e 'p:strlen libc:strlen text=+0($arg1):string' --first 5 --format=json "
	 "-o /tmp/events.json -- ls /"},
	{"What would the probes be, and why not better?", "emuprobe -n -e 'p libc:str*' -- ls"},
};

void help_examples(void)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		printf("%s%s\n  %s\n", i ? "\n" : "", examples[i].question, examples[i].command);
}
