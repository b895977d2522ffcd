/* SPDX-License-Identifier: MIT */
/*
 * What cannot be probed is said before it runs; what the program executes is probed whatever
 * environment it gets, or runs as without us, and the summary says so.
 */
#include "tests/system/cli.h"

#define EXECUTES EP_PROGRAMS "/executes"
#define SOURCE	 EP_SOURCE_DIR "/tests/system/programs/executes.c"

TestSuite(cli_programs, .timeout = 400);

/* Build the program by @compiler, in a folder of its own; "": that cannot be done here. */
static const char *built(const char *compiler)
{
	static char path[128];
	struct command_result result = command_shell(
		"d=$(mktemp -d /tmp/emuprobe-programs-XXXXXX) && cd $d && "
		"echo 'int main(void) { return 0; }' > t.c && %s t.c -o t 2>/dev/null || "
		"{ rm -r $d; exit 0; }; "
		"%s -D_GNU_SOURCE '%s' -o other && printf %%s $d/other",
		compiler, compiler, SOURCE);

	cr_assert_eq(result.status, 0, "%s", command_describe(&result));
	snprintf(path, sizeof(path), "%s", result.output);
	command_result_deinit(&result);
	return path;
}

static const char *need(const char *compiler)
{
	const char *path = built(compiler);

	if (!*path)
		cr_skip_test("\"%s\" makes nothing here", compiler);
	return path;
}

static void forget(const char *path)
{
	struct command_result result;

	if (!*path)
		return;
	result = command_shell("rm -r \"$(dirname '%s')\"", path);
	command_result_deinit(&result);
}

static const struct {
	const char *compiler, *why, *remedy, *word;
	bool runs; /* also where the kernel was built without support for others */
} others[] = {
	{"musl-gcc", "a program of musl", "a build for glibc", "musl", true},
	{"cc -static", "statically linked: ", "linked dynamically", "static", true},
	{"cc -static-pie", "statically linked (static-pie): ", "linked dynamically", "static-pie",
	 true},
	{"musl-gcc -static", "statically linked: ", "linked dynamically", "static", true},
	{"cc -m32", "a 32-bit program: ", "a 64-bit build", "32-bit", false},
};

#define OTHERS (sizeof(others) / sizeof(others[0]))

Test(cli_programs, refused_before_they_start)
{
	for (size_t i = 0; i < OTHERS; i++) {
		const char *path = built(others[i].compiler);
		struct command_result result;

		if (!*path) {
			printf("skipped: no \"%s\" here\n", others[i].compiler);
			continue;
		}
		result = RUN(EMUPROBE, "-e", "p target", "--", path, "print");
		expect_status(result, 125);
		cr_expect_str_eq(result.output, "");
		expect_contains(result, error, others[i].why);
		expect_contains(result, error, others[i].remedy);
		cr_expect_eq(command_count(result.error, "\n"), 1, "%s", result.error);
		command_result_deinit(&result);
		forget(path);
	}
}

Test(cli_programs, run_anyway_without_probes)
{
	const char *path = need("cc -static");
	struct command_result result =
		RUN(EMUPROBE, "--run-anyway", "-e", "p target", "--", path, "print");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "it runs without probes\n");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "--run-anyway", "-c", "-e", "p target", "--", EXECUTES, "print");
	expect_contains(result, error, "           1  ");
	command_result_deinit(&result);
	forget(path);
}

Test(cli_programs, executed_they_run_as_without_us)
{
	for (size_t i = 0; i < OTHERS; i++) {
		const char *path = built(others[i].compiler);
		char wanted[128];
		struct command_result result;

		if (!*path || (!others[i].runs && system(path) != 0)) {
			printf("skipped: \"%s\" makes nothing that runs here\n",
			       others[i].compiler);
			continue;
		}
		result = RUN(EMUPROBE, "-c", "-e", "p executes:target?", "--", EXECUTES, "inherit",
			     path, "print");
		expect_status(result, 0);
		cr_expect_str_eq(result.output, "ran\n", "%s", command_describe(&result));
		snprintf(wanted, sizeof(wanted), "not probed: other, executed 1 time: %s",
			 others[i].why);
		expect_contains(result, error, wanted);
		expect_lacks(result, error, "ERROR");
		command_result_deinit(&result);
		result = RUN(EMUPROBE, "-c", "--format=json", "-e", "p executes:target?", "--",
			     EXECUTES, "vfork", path, "print");
		snprintf(wanted, sizeof(wanted),
			 "{\"type\":\"not_probed\",\"program\":\"other\",\"executed\":2,"
			 "\"reason\":\"%s\"}\n",
			 others[i].word);
		expect_contains(result, error, wanted);
		command_result_deinit(&result);
		forget(path);
	}
}

Test(cli_programs, script_of_such_an_interpreter)
{
	const char *path = need("cc -static");
	struct command_result result = command_shell(
		"cd \"$(dirname '%s')\" && printf '#! ./other print\\n' > script && "
		"chmod +x script && '%s' -c -e 'p executes:target?' -- '%s' inherit ./script",
		path, EMUPROBE, EXECUTES);

	cr_expect_str_eq(result.output, "ran\n", "%s", command_describe(&result));
	expect_contains(result, error, "not probed: script, executed 1 time: statically linked");
	command_result_deinit(&result);
	forget(path);
}

Test(cli_programs, probed_in_any_environment)
{
	static const char *const ways[] = {"inherit", "null",  "none", "other", "emptied",
					   "spawn",   "vfork", "file", "raw",	"raw-at"};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		bool twice = strcmp(ways[i], "vfork") == 0;
		struct command_result result = RUN(EMUPROBE, "-c", "-e", "p target", "--", EXECUTES,
						   ways[i], EXECUTES, "none", EXECUTES, "print");

		expect_status(result, 0);
		cr_expect_str_eq(result.output, twice ? "ran\nran\n" : "ran\n", "%s: %s", ways[i],
				 command_describe(&result));
		expect_contains(result, error, twice ? "           2  " : "           1  ");
		expect_lacks(result, error, "not probed");
		command_result_deinit(&result);
	}
}

Test(cli_programs, environments_look_as_they_were_given)
{
	static const struct {
		const char *way, *output;
	} cases[] = {
		{"null", "ran\n"},
		{"none", "ran\n"},
		{"raw", "ran\n"},
		{"raw-at", "ran\n"},
		{"emptied", "ran\nLD_PRELOAD=\n"},
		{"other", "ran\nLD_PRELOAD=/no/such.so\nA=1\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command_result result = RUN(EMUPROBE, "-q", "-c", "-e", "p target", "--",
						   EXECUTES, cases[i].way, EXECUTES, "environment");

		cr_expect_str_eq(result.output, cases[i].output, "%s: %s", cases[i].way,
				 command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(cli_programs, by_the_shell_and_env)
{
	static const char *const lines[] = {"env -i '%s' print", "env LD_PRELOAD= '%s' print",
					    "unset LD_PRELOAD; '%s' print"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char line[512];
		struct command_result result;

		snprintf(line, sizeof(line), lines[i], EXECUTES);
		result = RUN(EMUPROBE, "-c", "-e", "p executes:target?", "--", "sh", "-c", line);
		expect_contains(result, error, "           1  ");
		command_result_deinit(&result);
	}
}

/* As without probes: what cannot be read is the kernel's to refuse, not ours to stumble over. */
Test(cli_programs, unreadable_and_huge_arguments)
{
	static const char path[] = EP_PROGRAMS "/bad_executes";
	struct command_result bare = RUN(path),
			      probed = RUN(EMUPROBE, "-c", "-e", "p target", "--", path);

	expect_status(bare, 0);
	expect_contains(bare, output, "path without an end EFAULT");
	expect_contains(bare, output, "\n1 variables\n100000 variables\n");
	expect_status(probed, 0);
	cr_expect_str_eq(probed.output, bare.output, "%s", command_describe(&probed));
	expect_contains(probed, error, "           3  ");
	command_result_deinit(&bare);
	command_result_deinit(&probed);
}

/* Without the launcher, too. */
Test(cli_programs, plain_preload)
{
	static const char *const env[] = {"EMUPROBE=p target", "EMUPROBE_COUNT=1",
					  "LD_PRELOAD=" PRELOAD, NULL};
	const struct command command = {
		.argv = (const char *const[]){EXECUTES, "none", EXECUTES, "environment", NULL},
		.env = env,
	};
	struct command_result result = command_run(&command);

	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "           1  ");
	command_result_deinit(&result);
}

Test(cli_programs, no_follow_leaves_them_alone)
{
	struct command_result result = RUN(EMUPROBE, "-c", "--no-follow", "-e", "p target", "--",
					   EXECUTES, "none", EXECUTES, "environment");

	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "           0  ");
	command_result_deinit(&result);
}

/* Where the library is not, and where the launcher's numbers mean nothing. */
Test(cli_programs, in_another_root_or_namespace)
{
	struct command_result result = command_shell("bwrap --ro-bind / / true");
	bool works = result.status == 0;

	command_result_deinit(&result);
	if (!works)
		cr_skip_test("bwrap does not work here");
	result = command_shell("'%s' -c -e 'p executes:target?' -- bwrap --ro-bind /usr /usr "
			       "--symlink usr/lib64 /lib64 --symlink usr/lib /lib --ro-bind '%s' "
			       "/executes /executes print",
			       EMUPROBE, EXECUTES);
	cr_expect_str_eq(result.output, "ran\n", "%s", command_describe(&result));
	expect_contains(result, error,
			"not probed: executes, executed 1 time: the library to preload is not");
	expect_lacks(result, error, "ERROR");
	command_result_deinit(&result);
	result = command_shell("'%s' -c -e 'p executes:target?' -- bwrap --ro-bind / / --proc "
			       "/proc --unshare-pid '%s' print",
			       EMUPROBE, EXECUTES);
	cr_expect_str_eq(result.output, "ran\n", "%s", command_describe(&result));
	expect_contains(result, error, "cannot reach the launcher");
	command_result_deinit(&result);
}

Test(cli_programs, mounted_noexec)
{
	struct command_result result = command_shell(
		"unshare -m sh -c 'mount -t tmpfs -o noexec none /mnt && cp %s /mnt/x && "
		"%s -e \"p main\" -- /mnt/x; echo $?; cp %s /mnt/libemuprobe-preload.so && "
		"EMUPROBE_PRELOAD=/mnt/libemuprobe-preload.so %s -e \"p main\" -- true; echo $?'",
		EXECUTES, EMUPROBE, PRELOAD, EMUPROBE);

	if (!strstr(result.output, "12"))
		cr_skip_test("nothing can be mounted here");
	cr_expect_str_eq(result.output, "126\n125\n");
	expect_contains(result, error, "/mnt/x: is on a file system that is mounted noexec");
	expect_contains(result, error, "preload.so: is on a file system that is mounted noexec");
	command_result_deinit(&result);
}
