/* SPDX-License-Identifier: MIT */
/* What events say of a program's values is what the program itself says of them. */
#include "tests/system/cli.h"

TestSuite(language, .timeout = 400);

#define VALUED EP_PROGRAMS "/valued"

/* Behind the place stands what the program prints, but for what is known at a return only. */
#define VALUES                                                                                     \
	"name=+0(+0($arg1)):string real=+8($arg1):f64 small=+16($arg1):f32 "                       \
	"low=+20($arg1):b3@0/32 high=+20($arg1):b5@3/32 row=+22($arg1):s16[4] x=$arg1:f64 "        \
	"y=$arg2:f32 n=$arg2:s32 last=$arg7:s64 secret=@secret:s32 seen=@visible:s32[3]"

/* The program's lines, and the events', as sets. */
static void expect_same(const char *plan, const char *definition, const char *cut, const char *args)
{
	struct command_result result = command_shell(
		"set -e; d=$(mktemp -d); '%s' --plan=%s -q -o $d/events -e '%s' -- %s %s >$d/said; "
		"sed 's/.*(valued:work) //' $d/events | sort >$d/a; sed '%s' $d/said | sort >$d/b; "
		"wc -l <$d/a; cmp $d/a $d/b || { wc -c $d/*; exit 1; }; rm -r $d",
		EMUPROBE, plan, definition, VALUED, args, cut);

	expect_status(result, 0);
	cr_expect_eq(strtol(result.output, NULL, 10),
		     strtol(args, NULL, 10) * (strchr(args, ' ') ? 8 : 1), "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(language, values_at_the_entry)
{
	expect_same("auto", "p:w work " VALUES, "s/ result=.*//", "50");
	expect_same("trap", "p:w work " VALUES, "s/ result=.*//", "50");
	expect_same("auto", "p:w work " VALUES, "s/ result=.*//", "50 8");
}

/* What the entry had is kept; memory is read when it returns. */
Test(language, values_at_the_return)
{
	static const char definition[] =
		"r:w work name=+0(+0($arg1)):string x=$arg1:f64 "
		"y=$arg2:f32 n=$arg2:s32 last=$arg7:s64 result=$retval:f64";
	static const char cut[] = "s/ real=.* x=/ x=/; s/ secret=.* result=/ result=/";

	expect_same("auto", definition, cut, "50");
	expect_same("trap", definition, cut, "50");
	expect_same("auto", definition, cut, "50 8");
}

static void expect_count(const char *definition, const char *count)
{
	struct command_result result =
		command_shell("'%s' -q -e '%s' -- %s 100 2>&1 >/dev/null | grep -c valued:work",
			      EMUPROBE, definition, VALUED);

	cr_expect_str_eq(result.output, count, "%s: %s", definition, command_describe(&result));
	command_result_deinit(&result);
}

Test(language, conditions)
{
	expect_count("p work n=$arg2:s32 if n < -89", "10\n");
	expect_count("p work if $arg1:f64 >= 50.5", "50\n");
	expect_count("p work if +0(+0($arg1)):string ~ \"*\\\"?\\\"\"", "10\n");
	expect_count("r work r=$retval:f64 if r > 4711 && $arg2:s32 != 0", "99\n");
	expect_count("r work us=$latency if us < 10s", "100\n");
	expect_count("r work us=$latency if us > 10s", "0\n");
	expect_count("p work if $comm == \"valued\" && $tid != $pid && $cpu < 4096", "100\n");
	expect_count("p work c=$comm if c == \"other\"", "0\n");
	expect_count("p work if $ts > 1s", "100\n");
}

/* Times of conditions are nanoseconds, whatever the clock counts. */
Test(language, conditions_on_time)
{
	struct command_result result =
		RUN(EMUPROBE, "-q", "-e",
		    "r:n libc.so.6:clock_nanosleep t=$latency if t > 1.99s && t < 3.5s", "--",
		    "sleep", "2");

	expect_status(result, 0);
	expect_contains(result, error, "n: (libc.so.6:clock_nanosleep) t=");
	command_result_deinit(&result);
}

/* Where it is only counted the condition counts, too; threads and plans do not matter. */
Test(language, conditions_of_what_is_counted)
{
	static const char *const plans[] = {"auto", "trap"};

	for (int i = 0; i < 2; i++) {
		struct command_result result =
			command_shell("'%s' -c --plan=%s -e 'p:some work if $arg2:s32 < -89' -e "
				      "'p:all work' -- %s "
				      "100 4 2>&1 >/dev/null",
				      EMUPROBE, plans[i], VALUED);

		cr_expect(strstr(result.output, "  40  ") && strstr(result.output, " 400  "), "%s",
			  command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(language, conditions_of_calls_that_are_counted_are_refused)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p main; r:w work if $arg2:s32 < 5", "--", VALUED, "1");

	expect_status(result, 125);
	expect_contains(result, error, "  r:w work if $arg2:s32 < 5\n  ^");
	command_result_deinit(&result);
}

Test(language, names_that_are_not_there)
{
	struct command_result result =
		RUN(EMUPROBE, "-e", "p:w work a=@no_such_thing:u8", "--", VALUED);

	expect_status(result, 125);
	expect_contains(result, error, "no_such_thing: no such symbol\n");
	expect_contains(result, error, "  p:w work a=@no_such_thing:u8\n             ^");
	command_result_deinit(&result);
}

/* A pointer to nothing costs the program nothing. */
Test(language, faults_are_nobodys_business)
{
	struct command_result result =
		RUN(EMUPROBE, "-q", "-e",
		    "p:w work a=+0($arg2):u64 b=+0(+0($arg2)):string c=@0x10:u8 d=+0($arg3):string",
		    "--", VALUED, "2");

	expect_status(result, 0);
	expect_contains(result, error, " a=(fault) b=(fault) c=(fault) d=(fault)\n");
	command_result_deinit(&result);
}

/* ---- beside the kernel ----------------------------------------------------------------------- */

#define TRACEFS "/sys/kernel/tracing"

/* In a buffer of its own, so that nobody else's is touched. Texts are without quotes: the kernel lets them stand. */
#define KERNELS                                                                                    \
	"number=+7(+0(%di)):char low=+20(%di):b3@0/32 high=+20(%di):b5@3/32 row=+22(%di):s16[4] "  \
	"n=%si:s32 w=%si:s16 last=+8(%sp):s64 k=+16(%di):x32 c=\\$comm st=\\$stack1:x64 "          \
	"ch=+0(+0(%di)):char u=+0(+0(%di)):u8[3] t=+0(+0(%di)):x8 name=+0(%dx):string"

Test(language, values_are_the_kernels)
{
	struct command_result result = command_shell(
		"[ -w " TRACEFS "/uprobe_events ] && [ -d " TRACEFS "/instances ] || exit 77; "
		"d=$(mktemp -d); g=ep_values_$$; i=" TRACEFS "/instances/$g; "
		"at=0x$(nm %s | awk '$3 == \"work\" { print $1 }'); "
		"one=\"p:$g/w %s:$at %s\"; "
		"trap 'echo 0 >$i/events/$g/w/enable; rmdir $i; echo \"-:$g/w\" >>" TRACEFS
		"/uprobe_events; rm -r $d' EXIT; "
		"echo \"$one\" >>" TRACEFS "/uprobe_events && mkdir $i && "
		"echo 1 >$i/events/$g/w/enable && %s 200 >/dev/null && "
		"sed -n 's/.*: w: (0x[0-9a-f]*) //p' $i/trace >$d/kernel && echo 0 "
		">$i/events/$g/w/enable && "
		"'%s' -q -o $d/events -e \"$one\" -- %s 200 >/dev/null && "
		"sed 's/.*: w: ([^)]*) //' $d/events >$d/ours && wc -l <$d/kernel && "
		"cmp $d/kernel $d/ours",
		VALUED, VALUED, KERNELS, VALUED, EMUPROBE, VALUED);

	if (result.status == 77)
		cr_skip_test("no tracefs that can be written to");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "200\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}
