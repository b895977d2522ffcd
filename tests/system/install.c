/* SPDX-License-Identifier: MIT */
/*
 * What cmake --install has put somewhere is all there, is found by the tools that look for such things, and
 * works from wherever it is moved to, for anybody.
 */
#include <unistd.h>

#include "tests/system/cli.h"

TestSuite(install, .timeout = 400);

static char folder[] = "/tmp/emuprobe-install-XXXXXX";

/* Installed, then moved: nothing may remember where it was. */
static void install(void)
{
	struct command_result result;

	cr_assert(mkdtemp(folder));
	result = command_shell("chmod 755 '%s' && cmake --install " EP_BUILD_DIR
			       " --prefix '%s/first' && mv '%s/first' '%s/moved'",
			       folder, folder, folder, folder);
	expect_status(result, 0);
	command_result_deinit(&result);
}

static void uninstall(void)
{
	struct command_result result = command_shell("rm -r '%s'", folder);

	command_result_deinit(&result);
}

#define IN_FOLDER   "cd '%s' && LIB=$(dirname $(find moved -name emuprobe.pc))/.. && "
#define NEEDS(WHAT) "command -v " WHAT " >/dev/null || exit 77; "

static void expect_in_folder(const char *command, const char *output)
{
	struct command_result result = command_shell(IN_FOLDER "%s", folder, command);

	if (result.status == 77)
		cr_skip_test("a program that is needed is not installed");
	expect_status(result, 0);
	expect_contains(result, output, output);
	command_result_deinit(&result);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	cr_assert_eq(fclose(file), 0);
}

static const char program[] = "#include <emuprobe.h>\n"
			      "#include <stdio.h>\n"
			      "#include <stdlib.h>\n"
			      "int main(void)\n"
			      "{\n"
			      "	const struct ep_options options = {.size = sizeof(options)};\n"
			      "	struct ep_info info = {.size = sizeof(info)};\n"
			      "	struct ep_error_at error;\n"
			      "	struct ep_probe **probes;\n"
			      "	size_t count;\n"
			      "	if (ep_define(\"p libc.so.6:malloc\", &options, &probes, &count,\n"
			      "		      &error))\n"
			      "		return 1;\n"
			      "	for (int i = 0; i < 7; i++)\n"
			      "		free(malloc(10));\n"
			      "	ep_probe_info(probes[0], &info);\n"
			      "	printf(\"%d hits\\n\", (int)info.hits);\n"
			      "	return 0;\n"
			      "}\n";

/* ---- what is there ------------------------------------------------------------------------- */

Test(install, everything_is_there, .init = install, .fini = uninstall)
{
	static const char *const files[] = {
		"bin/emuprobe",
		"include/emuprobe.h",
		"share/man/man1/emuprobe.1",
		"share/man/man3/emuprobe.3",
		"share/man/man7/emuprobe-definitions.7",
		"share/bash-completion/completions/emuprobe",
		"share/zsh/site-functions/_emuprobe",
		"share/fish/vendor_completions.d/emuprobe.fish",
	};
	char path[160];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/moved/%s", folder, files[i]);
		cr_expect_eq(access(path, R_OK), 0, "no %s", files[i]);
	}
	expect_in_folder("ls $LIB", "libemuprobe-preload.so\n");
	expect_in_folder("readelf -d $LIB/libemuprobe.so", "soname: [libemuprobe.so.0]");
}

Test(install, the_launcher_works, .init = install, .fini = uninstall)
{
	expect_in_folder("moved/bin/emuprobe -c -e 'p target' -- " WORK " call 3 2>&1",
			 "work:target");
}

/* Nobody has what is not readable by all. */
Test(install, a_user_without_privileges_can_use_it, .init = install, .fini = uninstall)
{
	if (getuid())
		cr_skip_test("this user has no privileges anyway");
	expect_in_folder(NEEDS("setpriv") "setpriv --reuid=65534 --regid=65534 --clear-groups "
					  "moved/bin/emuprobe -c -e 'p libc:malloc' -- ls / 2>&1",
			 "libc.so.6:malloc");
}

/* ---- what others build with it -------------------------------------------------------------- */

Test(install, pkg_config_knows_it, .init = install, .fini = uninstall)
{
	write_file("program.c", program);
	expect_in_folder(
		NEEDS("pkg-config") "export PKG_CONFIG_PATH=$PWD/$LIB/pkgconfig && "
				    "cc -Wall -Werror program.c -o program "
				    "$(pkg-config --cflags --libs emuprobe) && "
				    "LD_LIBRARY_PATH=$LIB ./program && "
				    "readelf -d program && pkg-config --modversion emuprobe",
		"7 hits\n");
	expect_in_folder("readelf -d program", "[libemuprobe.so.0]");
	expect_in_folder("moved/bin/emuprobe --version | cut -d ' ' -f 2 >version && "
			 "PKG_CONFIG_PATH=$LIB/pkgconfig pkg-config --modversion emuprobe | "
			 "cmp - version && echo same",
			 "same\n");
}

Test(install, cmake_finds_it, .init = install, .fini = uninstall)
{
	write_file("program.c", program);
	write_file("CMakeLists.txt", "cmake_minimum_required(VERSION 3.16)\n"
				     "project(user C)\n"
				     "find_package(emuprobe 0.1 REQUIRED)\n"
				     "add_executable(shared program.c)\n"
				     "target_link_libraries(shared emuprobe::emuprobe)\n"
				     "add_executable(static program.c)\n"
				     "target_link_libraries(static emuprobe::emuprobe-static)\n");
	expect_in_folder("cmake -S . -B b -DCMAKE_PREFIX_PATH=$PWD/moved && cmake --build b && "
			 "b/shared && b/static",
			 "7 hits\n7 hits\n");
	expect_in_folder("readelf -d b/static | grep -c emuprobe || true", "0\n");
}

Test(install, cmake_takes_no_other_version, .init = install, .fini = uninstall)
{
	write_file("CMakeLists.txt", "cmake_minimum_required(VERSION 3.16)\n"
				     "project(user NONE)\n"
				     "find_package(emuprobe 7.5 REQUIRED)\n");
	expect_in_folder("cmake -S . -B b -DCMAKE_PREFIX_PATH=$PWD/moved 2>&1 || true",
			 "compatible with requested version \"7.5\"");
}

/* ---- completion ---------------------------------------------------------------------------- */

/* What bash would offer for the words; the last one is being written. */
static void expect_completion(const char *words, const char *output)
{
	struct command_result result = command_shell(
		"bash -c 'source <(" EMUPROBE " --completion=bash) && COMP_WORDS=(emuprobe %s) && "
		"COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _emuprobe && "
		"printf \"%%s\\n\" \"${COMPREPLY[@]}\"'",
		words);

	expect_status(result, 0);
	expect_contains(result, output, output);
	command_result_deinit(&result);
}

Test(install, bash_completes)
{
	expect_completion("--exp", "--explain\n");
	expect_completion("--format = js", "json\n");
	expect_completion("--format =", "folded\n");
	expect_completion("--format = perf", "perfetto\n");
	expect_completion("-f " EP_SOURCE_DIR "/READ", EP_SOURCE_DIR "/README.md\n");
	expect_completion("-c -e x -- sha256su", "sha256sum\n");
	/* An option of the program is not ours. */
	expect_completion("-c -e x -- ls " EP_SOURCE_DIR "/READ", EP_SOURCE_DIR "/README.md\n");
}

/* Those of the table, as --help=all has them. */
Test(install, all_shells_know_all_options)
{
	struct command_result result =
		command_shell(EMUPROBE " --help=all | grep -oE '^  (-.,|   ) --[a-z-]+' | "
				       "grep -oE -- '--[a-z-]+' | while read o; do "
				       "for s in bash zsh fish; do " EMUPROBE " --completion=$s | "
				       "grep -q -- \"$o\\|-l ${o#--}\" || echo \"$s lacks $o\"; "
				       "done; done");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}

/* Each word that is offered as a value is one. */
Test(install, values_that_are_offered_are_accepted)
{
	struct command_result result = command_shell(
		EMUPROBE " --completion=fish | sed -n \"s/.* -l \\([a-z]*\\) .*-a '\\(.*\\)' -d.*/"
			 "\\1 \\2/p\" | while read o words; do for w in $words; do " EMUPROBE
			 " --$o=$w --version >/dev/null || echo \"--$o=$w\"; done; done");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}

Test(install, shells_can_read_it)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};

	for (size_t i = 0; i < 3; i++) {
		struct command_result result = command_shell(
			"command -v %s >/dev/null || exit 77; " EMUPROBE
			" --completion=%s >/tmp/emuprobe-completion-$$ && "
			"%s -n /tmp/emuprobe-completion-$$; s=$?; rm /tmp/emuprobe-completion-$$; "
			"exit $s",
			shells[i], shells[i], shells[i]);

		if (result.status != 77)
			expect_status(result, 0);
		command_result_deinit(&result);
	}
}
