/* SPDX-License-Identifier: MIT */
/* Which function a name means, and how names look in the output. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/patience.h"
#include "tests/system/cli.h"

TestSuite(cli_names, .timeout = 400);

#define FOLDER "cd $(mktemp -d /tmp/emuprobe-names-XXXXXX) && trap 'rm -r $PWD' EXIT && "
#define WORK_A "__attribute__((noinline)) static int work(int x){__asm__(\"\");return x+1;}"

Test(cli_names, static_namesakes_are_all_probed)
{
	struct command_result result =
		command_shell(FOLDER "echo '" WORK_A
				     "int a(void){return work(1)+work(2);}' > a.c && echo '" WORK_A
				     "int a(void);int main(void){return a()+work(3)==0;}' > b.c && "
				     "cc -O1 a.c b.c -o dup && '%s' -c -e 'p:t work' -- ./dup",
			      EMUPROBE);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "dup:work (0x"), 2, "%s",
		     command_describe(&result));
	expect_contains(result, error, "           2  ");
	expect_contains(result, error, "           1  ");
	cr_expect_eq(command_count(result.error, "        note  t      2 functions of that name\n"),
		     1, "%s", command_describe(&result));
	command_result_deinit(&result);
}

#define VARIANT                                                                                    \
	"echo '__attribute__((noinline)) int work(int x){return x;}"                               \
	"int f(void) __asm__(\"work.constprop.0\");int f(void){return 0;}"                         \
	"int main(void){return work(f());}' > a.c && cc -O0 a.c -o a && "

/* Its hits are missing from those of the function, so that it is said. */
Test(cli_names, variants_beside_the_function_are_said)
{
	struct command_result result =
		command_shell(FOLDER VARIANT "'%s' -c -e 'p:w work' -- ./a &&"
					     " '%s' -n -e 'p:w work' -- ./a",
			      EMUPROBE, EMUPROBE);

	expect_status(result, 0);
	expect_contains(
		result, error,
		"        note  w      work.constprop.0 is a variant of it, with hits of its "
		"own\n");
	expect_contains(result, output, "work.constprop.0 is a variant of it");
	command_result_deinit(&result);
}

Test(cli_names, variants_of_the_compiler_are_hinted_at)
{
	struct command_result result = command_shell(
		FOLDER "echo 'int f(void) __asm__(\"work.constprop.0\");int f(void){return 0;}"
		       "int main(void){return f();}' > a.c && cc -O0 a.c -o a && "
		       "'%s' -c -e 'p work' -- ./a",
		EMUPROBE);

	expect_status(result, 125);
	expect_contains(result, error, "no such symbol; there is work.constprop.0");
	command_result_deinit(&result);
}

Test(cli_names, stripped_executable)
{
	struct command_result result =
		command_shell(FOLDER "echo 'int main(void){return 0;}' > a.c && cc -s a.c -o a && "
				     "'%s' -c -e 'p *' -- ./a",
			      EMUPROBE);

	expect_status(result, 125);
	expect_contains(result, error, "it has no symbols (stripped)");
	command_result_deinit(&result);
}

Test(cli_names, long_ones_are_whole_in_json)
{
	struct command_result result = command_shell(
		FOLDER
		"n=$(printf 'a%%.0s' $(seq 5000)) && "
		"echo \"int ${n}1(int x){return x;} int main(void){return ${n}1(0);}\" > a.c "
		"&& cc -O0 a.c -o a && '%s' -c --format=json -e 'p a*' -- ./a 2>&1 | "
		"grep -c \"\\\"place\\\":\\\"a:${n}1\\\",.*}\\$\"",
		EMUPROBE);

	cr_expect_str_eq(result.output, "1\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

#define NAME_GO	  "main.(*T).Method"
#define NAME_MANY "a b,c;d[e]*?%%return#g" /* in a format */

Test(cli_names, any_can_be_quoted)
{
	struct command_result result = command_shell(
		FOLDER "mkdir 'my dir;[1]' && cat > a.c <<'END'\n"
		       "#define F __attribute__((noinline)) int\n"
		       "F go(int x) {__asm__ volatile(\"\"); return x;}\n"
		       "F many(int x) {__asm__ volatile(\"\"); return x;}\n"
		       "int main(void) {return go(go(0)) + many(0);}\n"
		       "END\n"
		       "cc -O0 -c a.c -o a.o && objcopy --redefine-sym 'go=" NAME_GO "' "
		       "--redefine-sym 'many=" NAME_MANY "' a.o && "
		       "cc a.o -o 'my dir;[1]/a b' && "
		       "for object in '' '\"a b\":' \"\\\"$PWD/my dir;[1]/a b\\\":\"; do "
		       "'%s' -c -e \"p:go $object\\\"" NAME_GO "\\\";"
		       "p:many $object\\\"" NAME_MANY "\\\"\" -- './my dir;[1]/a b' || exit; done",
		EMUPROBE);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "  go     a b:main.(*T).Method\n"), 3, "%s",
		     command_describe(&result));
	cr_expect_eq(command_count(result.error, "  many   a b:a b,c;d[e]*?%return#g\n"), 3, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(cli_names, wrong_quotes_are_pointed_at)
{
	struct command_result result =
		RUN(EMUPROBE, "-e", "p main", "-e", "p:x \"a;b", "-e", "p \"c\"", "--", "true");

	expect_status(result, 125);
	expect_contains(result, error, "the quote is not closed\n  p:x \"a;b\n      ^\n");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p \"no*\"", "--", EP_PROGRAMS "/work");
	expect_status(result, 125);
	expect_contains(result, error,
			"no* in the executable (work): no such symbol [BAD_PROBE_ADDR]\n");
	command_result_deinit(&result);
}

#define MANY	"4000"
#define SHARED	"150"
#define SECONDS 10
#define KIB	(200l << 10)

/* In a child, whose own children are the launcher and what it runs: no compiler counts. */
static int run_in_bounds(const char *program, const char *output)
{
	struct timespec before, after;
	struct rusage usage;
	struct command_result result;

	clock_gettime(CLOCK_MONOTONIC, &before);
	result = RUN(EMUPROBE, "-c", "--format=json", "-o", output, "-e", "p s*", "--", program);
	clock_gettime(CLOCK_MONOTONIC, &after);
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("%ld s, %ld KiB\n", (long)(after.tv_sec - before.tv_sec), usage.ru_maxrss);
	fflush(stdout);
	return (result.status ? 1 : 0) | (usage.ru_maxrss > KIB ? 2 : 0) |
	       (after.tv_sec - before.tv_sec > patience(SECONDS) ? 4 : 0);
}

/* Made-up event names share all but their end. */
Test(cli_names, many_that_share_their_start)
{
	struct command_result made = command_shell(
		"d=$(mktemp -d /tmp/emuprobe-names-XXXXXX) && cd $d && "
		"s=$(printf 's%%.0s' $(seq " SHARED ")) && { for i in $(seq " MANY "); do "
		"echo \"void $s$i(void){__asm__ volatile(\\\"\\\");}\"; done; echo 'int "
		"main(void){'; "
		"for i in $(seq " MANY
		"); do echo \"$s$i();\"; done; echo 'return 0;}'; } > a.c && "
		"cc -O0 a.c -o a && printf %%s $d");
	struct command_result seen;
	char program[256], output[256];
	int status = -1;
	pid_t pid;

	cr_assert_eq(made.status, 0, "%s", command_describe(&made));
	snprintf(program, sizeof(program), "%s/a", made.output);
	snprintf(output, sizeof(output), "%s/json", made.output);
	pid = fork();
	if (pid == 0)
		_exit(run_in_bounds(program, output));
	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "%d", WEXITSTATUS(status));
	seen = command_shell("grep -cE '\"event\":\"s{" SHARED "}[0-9]+\","
			     "\"place\":\"a:s{" SHARED "}[0-9]+\",.*\"hits\":1,.*}$' '%s' && "
			     "cut -d, -f4 '%s' | sort -u | grep -c . && rm -r '%s'",
			     output, output, made.output);
	cr_expect_str_eq(seen.output, MANY "\n" MANY "\n", "%s", command_describe(&seen));
	command_result_deinit(&made);
	command_result_deinit(&seen);
}

/* ---- names that talk to terminals ---------------------------------------------------------- */

#define HOSTILE	     "/usr/bin/python3 " EP_SOURCE_DIR "/tests/system/hostile.py "
#define MAKE_HOSTILE FOLDER HOSTILE "make " EP_PROGRAMS "/hostile hostile && chmod +x hostile && "

static void expect_filter_passes(const char *arguments, const char *filter)
{
	struct command_result result =
		command_shell(MAKE_HOSTILE "'%s' %s | %s", EMUPROBE, arguments, filter);

	expect_status(result, 0);
	command_result_deinit(&result);
}

/* Of the thread's name neither. */
Test(cli_names, nothing_of_a_name_reaches_a_terminal)
{
	static const char *const arguments[] = {
		"-c -e 'p *hostile_*' -- ./hostile 2>&1",
		"-v -c -e 'p *hostile_*' -- ./hostile 2>&1",
		"-n -e 'p *hostile_*' -- ./hostile 2>&1",
		"-o /dev/stdout -e 'p *hostile_*' -- ./hostile 2>/dev/null",
		"--format=json -o /dev/stdout -e 'p *hostile_*' -- ./hostile 2>/dev/null",
		"--format=json -c -e 'p *hostile_*' -- ./hostile 2>&1",
		"--cover -o - -- ./hostile 2>&1",
		"--cover --format=lcov -o - -- ./hostile 2>&1",
		"--cover --format=cobertura -o - -- ./hostile 2>&1",
		"--graph='*hostile_*' -- ./hostile 2>&1",
	};

	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		expect_filter_passes(arguments[i], HOSTILE "plain");
}

#define EVENTS "--format=json -o /dev/stdout -e 'p *hostile_*' -- ./hostile 2>/dev/null"
#define COUNTS "--format=json -c -e 'p *hostile_*' -- ./hostile 2>&1"

Test(cli_names, json_has_hostile_names_in_full)
{
	expect_filter_passes(EVENTS, HOSTILE "json");
	expect_filter_passes(COUNTS, HOSTILE "json");
}

Test(cli_names, json_of_hostile_names_is_read_by_jq)
{
	if (system("command -v jq > /dev/null") != 0)
		cr_skip_test("no jq");
	expect_filter_passes(
		EVENTS, "jq -es 'map(select(.type == \"event\").place) | unique | length == 4'");
	expect_filter_passes(
		COUNTS, "jq -es 'map(select(.type == \"probe\").place) | unique | length == 4'");
}

Test(cli_names, nothing_of_an_error_reaches_a_terminal)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p nothing\x1b[31m\xc2\x9b", EP_PROGRAMS "/hostile");

	expect_status(result, 125);
	expect_contains(result, error, "nothing?[31m?");
	expect_lacks(result, error, "\x1b");
	expect_lacks(result, error, "\xc2\x9b");
	command_result_deinit(&result);
}

/* What an object and a file are called reaches terminals as well. */
Test(cli_names, nothing_of_a_file_reaches_a_terminal)
{
	struct command_result result = command_shell(
		FOLDER
		"n=$(printf 'libh\\033[31m\\n\\233\"x.so') && "
		"echo 'int f(int x) { return x * 3; }' | gcc -shared -fPIC -o \"$n\" -xc - "
		"-Wl,-soname,\"$n\" && ln -s \"$n\" l.so && "
		"echo 'int f(int); int main() { return f(0); }' | gcc -o \"$n+\" -xc - -xnone "
		"./l.so "
		"-Wl,-rpath,. && { '%s' --cover --cover-object='libh*' -o list -- \"./$n+\" && "
		"'%s' --cover --cover-object='libh*' -o list -- \"./$n+\"; cat list; "
		"'%s' \"./$n+\"; '%s' -c -e 'p f' -e 'p main' -- \"./$n+\"; '%s' \"./$n-\"; "
		"'%s' --format=\"$n\" -e 'p main' -- \"./$n+\"; } 2>&1 | " HOSTILE "plain",
		EMUPROBE, EMUPROBE, EMUPROBE, EMUPROBE, EMUPROBE, EMUPROBE);

	expect_status(result, 0);
	command_result_deinit(&result);
}

/* In /proc/PID/maps it is written otherwise. */
Test(cli_names, of_a_program_with_a_newline)
{
	struct command_result result = command_shell(
		FOLDER "cp " EP_PROGRAMS "/covered \"$(printf 'a\\nb')\" && '%s' -c -e "
		       "'p main' -- \"./$(printf 'a\\nb')\"",
		EMUPROBE);

	expect_contains(result, error, "a?b:main");
	command_result_deinit(&result);
}

/* The launcher looks at it from time to time: then, too, it is all of it. */
Test(cli_names, of_a_thread_with_a_newline)
{
	struct command_result result = RUN(EMUPROBE, "-q", "-o", "/dev/stdout", "-e", "p:t target",
					   "--", EP_PROGRAMS "/work", "call", "1", "name",
					   "one\ntwo", "sleep", "500", "call", "1");

	expect_status(result, 0);
	expect_contains(result, output, "one?two");
	command_result_deinit(&result);
}
