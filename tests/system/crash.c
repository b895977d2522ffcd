/* SPDX-License-Identifier: MIT */
/* A program that dies of a fault leaves a core file in which nothing shows that it was probed. */
#include "tests/system/cli.h"

TestSuite(crash, .timeout = 400);

#define CRASH EP_PROGRAMS "/crash"

static const struct {
	const char *name;
	int signal;
} crashes[] = {{"load", SIGSEGV}, {"div", SIGFPE}, {"ud2", SIGILL}, {"sse", SIGSEGV}};

enum { CRASHES = sizeof(crashes) / sizeof(crashes[0]) };

static const char *const plans[] = {"auto", "trap", "boost", "jump"};

static char folder[] = "/tmp/emuprobe-crash-XXXXXX";

static void make_folder(void)
{
	cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
	struct command_result result = command_shell("rm -rf %s", folder);

	command_result_deinit(&result);
}

/* Probes on both instructions, whichever plan they get. */
static struct command_result run(const char *name, const char *plan, const char *prefix,
				 const char *suffix)
{
	return command_shell(
		"cd %s; rm -f core*; %s; ulimit -t 20; "
		"exec %s --plan=%s -q -c -e 'p:a crash_%s' -e 'p:b crash_%s+3' -- " CRASH " %s %s",
		folder, prefix, EMUPROBE, plan, name, name, name, suffix);
}

/* The text and the rest of what a debugger says about @file, a core file or nothing. */
static struct command_result look(const char *name, const char *file)
{
	return command_shell("cd %s; gdb -nx -batch -q " CRASH
			     " %s -ex 'x/12xb &crash_%s' -ex 'p/d (long)$pc - (long)&crash_%s'"
			     " -ex 'p/x $rdi' -ex bt 2>&1 | grep -v '^warning\\|debuginfod'",
			     folder, file, name, name);
}

static void expect_original(const char *name, const char *plan)
{
	struct command_result bare = look(name, ""), core = look(name, "core*");
	const char *end = strstr(bare.output, "No registers");
	/* "0x1139 <crash_load>:\t0x48\t..": the bytes, wherever it was loaded. */
	const char *text = strchr(bare.output, ':');
	char line[80] = "";

	cr_assert(text && end, "%s", command_describe(&bare));
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
	cr_expect(strstr(core.output, line), "%s under %s: text is not %s: %s", name, plan, line,
		  core.output);
	cr_expect(strstr(core.output, "= 3\n"), "%s under %s: %s", name, plan, core.output);
	cr_expect(strstr(core.output, "= 0x0\n"), "%s under %s: %s", name, plan, core.output);
	cr_expect(strstr(core.output, "main ("), "%s under %s: %s", name, plan, core.output);
	command_result_deinit(&bare);
	command_result_deinit(&core);
}

/* None of our reservations of address space is in it. */
static void expect_small(void)
{
	struct command_result result =
		command_shell("cd %s; find . -name 'core*' -size +32M", folder);

	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}

Test(crash, dies_of_the_same_signal_under_every_plan, .init = make_folder, .fini = remove_folder)
{
	for (int i = 0; i < CRASHES; i++) {
		for (int plan = 0; plan < 4; plan++) {
			struct command_result result =
				run(crashes[i].name, plans[plan], "ulimit -c 0", "");

			cr_expect_eq(result.signal, crashes[i].signal, "%s under %s: %s",
				     crashes[i].name, plans[plan], command_describe(&result));
			command_result_deinit(&result);
		}
	}
}

Test(crash, is_handled_under_every_plan, .init = make_folder, .fini = remove_folder)
{
	for (int i = 0; i < CRASHES; i++) {
		for (int plan = 0; plan < 4; plan++) {
			struct command_result result =
				run(crashes[i].name, plans[plan], "ulimit -c 0", "handled");
			char text[32];

			snprintf(text, sizeof(text), "handled %d\n", crashes[i].signal);
			cr_expect_str_eq(result.output, text, "%s under %s: %s", crashes[i].name,
					 plans[plan], command_describe(&result));
			expect_status(result, 3);
			command_result_deinit(&result);
		}
	}
}

Test(crash, leaves_a_core_with_original_text_and_registers, .init = make_folder,
     .fini = remove_folder)
{
	struct command_result can = command_shell(
		"cd %s; ulimit -c unlimited; sh -c 'kill -SEGV $$'; gdb -v && ls", folder);

	if (!strstr(can.output, "core"))
		cr_skip("no core files here");
	command_result_deinit(&can);
	for (int i = 0; i < CRASHES; i++) {
		for (int plan = 0; plan < 4; plan++) {
			struct command_result result =
				run(crashes[i].name, plans[plan], "ulimit -c unlimited", "");

			cr_expect_eq(result.signal, crashes[i].signal);
			command_result_deinit(&result);
			expect_small();
			expect_original(crashes[i].name, plans[plan]);
		}
	}
}

/* A debugger that finds it in its handler shows how it got there. */
static void expect_shown(const char *name, const char *plan)
{
	struct command_result result =
		command_shell("cd %s; LD_PRELOAD=" PRELOAD " EMUPROBE_COUNT=1 EMUPROBE_PLAN=%s"
			      " EMUPROBE='p:a crash_%s; p:b crash_%s+3' " CRASH " %s wait >out &"
			      " until grep -q handled out; do sleep 0.02; done;"
			      " gdb -nx -batch -q -p $! -ex bt 2>&1; kill -KILL $!",
			      folder, plan, name, name, name);
	char frame[64];
	const char *at = strstr(result.output, "<signal handler called>");

	snprintf(frame, sizeof(frame), "in crash_%s ()", name);
	at = at ? strstr(at, frame) : NULL;
	at = at ? strstr(at, "in main (") : NULL;
	cr_expect(at, "%s under %s: %s", name, plan, command_describe(&result));
	command_result_deinit(&result);
}

Test(crash, is_shown_by_a_debugger, .init = make_folder, .fini = remove_folder)
{
	struct command_result can = command_shell("sleep 5 & gdb -nx -batch -q -p $! -ex bt 2>&1");

	if (!strstr(can.output, "#0"))
		cr_skip("no debugger, or it may not attach");
	command_result_deinit(&can);
	for (int i = 0; i < CRASHES; i++)
		expect_shown(crashes[i].name, plans[i]);
}
