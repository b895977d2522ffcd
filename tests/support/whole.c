/* SPDX-License-Identifier: MIT */
#include "tests/support/whole.h"

#include <unistd.h>

#include "tests/system/cli.h"

#define WHOLE_SQL                                                                                  \
	"create table t(a integer primary key, b text);"                                           \
	"with recursive n(x) as (select 1 union all select x + 1 from n where x < 3000) "          \
	"insert into t select x, 'row ' || x from n; create index i on t(b);"                      \
	"select count(*), sum(length(b)), max(b) from t;"                                          \
	"select printf('%08.3f', avg(a)), group_concat(b) from t where a % 500 = 0;"

#define WHOLE_SHELL                                                                                \
	"for i in 1 2 3; do (echo \"subshell $i\"; exit $i); echo \"status $?\"; done | sort -r; " \
	"x=$(printf '%s\\n' c a b | sort | tr '\\n' ' '); echo \"$x\"; "                           \
	"seq 200 | grep 7 | wc -l; (trap 'echo bye' EXIT; true) & wait; echo ${x//a/z}; "          \
	"while read l; do echo \"$l\"; done < <(printf '1\\n2\\n'); kill -TERM $BASHPID & wait; "  \
	"time -p true 2>/dev/null; exit 3"

#define WHOLE_PYTHON                                                                               \
	"import json, re, subprocess, threading, zlib\n"                                           \
	"d = {str(i): [i, i / 3] for i in range(500)}\n"                                           \
	"print(zlib.crc32(json.dumps(d, sort_keys=True).encode()))\n"                              \
	"r = []\n"                                                                                 \
	"t = [threading.Thread(target=lambda n=n: r.append(sum(range(n)))) for n in range(8)]\n"   \
	"[x.start() for x in t]; [x.join() for x in t]\n"                                          \
	"print(sorted(r), len(re.findall('a+b', 'aab' * 99)))\n"                                   \
	"print(subprocess.run(['echo', 'child'], capture_output=True).stdout)\n"                   \
	"try: 1 / 0\n"                                                                             \
	"except ZeroDivisionError as e: print(e)\n"

#define WHOLE_PERL                                                                                 \
	"my %h; $h{$_ % 97} .= chr(65 + $_ % 26) for 1..20000; "                                   \
	"print join(',', map { \"$_=\" . length $h{$_} } sort keys %h), \"\\n\"; "                 \
	"open(my $p, '-|', 'echo', 'piped') or die; print <$p>; close $p; "                        \
	"my $k = fork; if (!$k) { exit 5 } waitpid($k, 0); print $? >> 8, \"\\n\"; "               \
	"eval { die \"caught\\n\" }; print $@; printf \"%.6f\\n\", sin(1);"

static const struct whole_program whole_programs[] = {
	{"sqlite3", {"/usr/bin/sqlite3", ":memory:", WHOLE_SQL}},
	{"mawk",
	 {"/usr/bin/mawk", "BEGIN { for (i = 0; i < 20000; i++) { s[i % 100] = s[i % 100] i; "
			   "n += length(s[i % 100]) } print n, substr(s[7], 1, 20), sin(1), "
			   "toupper(\"done\"); \"echo piped\" | getline x; print x; exit 4 }"}},
	{"perl", {"/usr/bin/perl", "-e", WHOLE_PERL}},
	{"xz", {"/usr/bin/xz", "-T2", "--block-size=65536", "-1", "-k", "-c", "/usr/bin/xz"}},
	{"python", {"/usr/bin/python3", "-I", "-c", WHOLE_PYTHON}},
	{"bash", {"/usr/bin/bash", "-c", WHOLE_SHELL}},
	{"threads", {EP_PROGRAMS "/threads", "8", "6", "2"}},
};

#define WHOLE_COUNT (sizeof(whole_programs) / sizeof(whole_programs[0]))

const struct whole_program *whole_find(const char *name)
{
	for (size_t i = 0; i < WHOLE_COUNT; i++)
		if (strcmp(whole_programs[i].name, name) == 0) {
			if (access(whole_programs[i].argv[0], X_OK))
				cr_skip_test("%s is not installed", name);
			return &whole_programs[i];
		}
	cr_assert_fail("no such program: %s", name);
	return NULL;
}

/* Runs it without and with @definitions only counted under @plan: the same output, status, signal.
 */
void whole_expect_same(const struct whole_program *program, const char *definitions,
		       const char *plan)
{
	const char *argv[32] = {EMUPROBE, "-c", "--plan", plan, "-e", definitions, "--"};
	struct command_result bare, probed;
	size_t used = 7;

	for (size_t i = 0; program->argv[i]; i++)
		argv[used++] = program->argv[i];
	bare = command_run(&(struct command){.argv = program->argv, .timeout = 400});
	probed = command_run(&(struct command){.argv = argv, .timeout = 300});
	cr_expect_eq(probed.status, bare.status, "%s, plan %s: status %d: %s", program->name, plan,
		     bare.status, command_describe(&probed));
	cr_expect_eq(probed.signal, bare.signal, "%s, plan %s: %s", program->name, plan,
		     command_describe(&probed));
	cr_expect(probed.output_size == bare.output_size &&
			  memcmp(probed.output, bare.output, bare.output_size) == 0,
		  "%s, plan %s: another output, %zu bytes not %zu: %s", program->name, plan,
		  probed.output_size, bare.output_size, command_describe(&probed));
	expect_contains(probed, error, "        hits");
	command_result_deinit(&bare);
	command_result_deinit(&probed);
}
