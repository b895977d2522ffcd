/* SPDX-License-Identifier: MIT */
/*
 * Kernels differ in what they have, and sandboxes in what they let through. Each of these lacks one
 * thing: a filter in front of the program answers as such a kernel would. The program must do what
 * it does unprobed; its probes must work, or a line says why they do not.
 */
#include "tests/system/cli.h"

TestSuite(kernels, .timeout = 200);

#define CONFINED EP_PROGRAMS "/confined"
#define PROBES	 "p:m libc.so.6:malloc; p:t target"

static const struct kernel {
	const char *lacks; /* ACTION NAME[,NAME]... of confined */
	const char *said;  /* why there are no probes; NULL: there are */
} kernels[] = {
	{"enosys membarrier", "the kernel refuses membarrier(2)"}, /* before 4.3 */
	{"einval membarrier", "the kernel refuses membarrier(2)"}, /* before 4.16: no SYNC_CORE */
	{"errno membarrier", "the kernel refuses membarrier(2)"},  /* a sandbox */
	{"enosys memfd_create", "the kernel refuses memfd_create(2)"},
	{"errno memfd_create", "the kernel refuses memfd_create(2)"},
	{"einval memfd_noexec", NULL},			     /* before 6.3 */
	{"enosys rseq", NULL},				     /* before 4.18 */
	{"enosys clone3", NULL},			     /* before 5.3 */
	{"enosys process_vm_readv,process_vm_writev", NULL}, /* CONFIG_CROSS_MEMORY_ATTACH */
	{"errno openat_write", NULL},			     /* no /proc/self/mem to write to */
	{"errno pwrite64", NULL},			     /* it opens, and cannot be written */
	{"enosys pwrite64", NULL},
	{"errno mprotect_exec", NULL}, /* as SELinux without execmod: text by /proc/self/mem */
	{"errno openat_write,mprotect_exec", "the program text cannot be changed"},
	{"enosys madvise", "not supported by this machine or kernel"}, /* no MADV_WIPEONFORK */
	{"enosys prlimit64", NULL},
	{"enosys tgkill", NULL},
	{"enosys gettid", NULL},
	{"enosys rt_sigqueueinfo", NULL},
};

static void check_outcome(const struct kernel *kernel, const char *how,
			  const struct command_result *result)
{
	cr_expect_eq(result->status, 0, "%s, %s: %s", kernel->lacks, how, command_describe(result));
	cr_expect_str_eq(result->output, "ran\n", "%s, %s: %s", kernel->lacks, how,
			 command_describe(result));
	if (kernel->said)
		cr_expect(strstr(result->error, kernel->said), "%s, %s: %s", kernel->lacks, how,
			  command_describe(result));
	else
		cr_expect(strstr(result->error, "  4  ") && !strstr(result->error, "unprobed"),
			  "%s, %s: %s", kernel->lacks, how, command_describe(result));
}

static void check_alone(const struct kernel *kernel, const char *plan)
{
	struct command_result result =
		command_shell("EMUPROBE='" PROBES "' EMUPROBE_COUNT=1 EMUPROBE_PLAN=%s " CONFINED
			      " %s env LD_PRELOAD=" PRELOAD " " WORK " call 3 print ran",
			      plan, kernel->lacks);

	check_outcome(kernel, plan, &result);
	command_result_deinit(&result);
}

Test(kernels, the_library_alone)
{
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		struct command_result bare =
			command_shell(CONFINED " %s " WORK " call 3 print ran", kernels[i].lacks);

		cr_assert_str_eq(bare.output, "ran\n", "unprobed: %s", command_describe(&bare));
		command_result_deinit(&bare);
		check_alone(&kernels[i], "auto");
		check_alone(&kernels[i], "trap");
	}
}

/* The launcher is a program of the same machine: it lacks it, too. */
Test(kernels, the_launcher)
{
	static const struct kernel others[] = {
		{"enosys membarrier", "the kernel refuses membarrier(2)"},
		{"errno openat_write", "the launcher's memory cannot be opened"},
		{"errno pwrite64", NULL},
		{"enosys rseq,clone3", NULL},
		{"einval memfd_noexec", NULL},
		{"enosys prlimit64", NULL},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct command_result result = command_shell(
			CONFINED " %s " EMUPROBE " -c -e '" PROBES "' -- " WORK " call 3 print ran",
			others[i].lacks);

		check_outcome(&others[i], "launcher", &result);
		command_result_deinit(&result);
	}
}

Test(kernels, without_memory_to_share_the_launcher_refuses)
{
	struct command_result result = RUN(CONFINED, "enosys", "memfd_create", EMUPROBE, "-e",
					   "p main", "--", WORK, "print", "ran");

	expect_status(result, 125);
	expect_contains(result, error, "no memory to share");
	expect_lacks(result, output, "ran");
	command_result_deinit(&result);
}

/* All that came after Linux 5.10, and what guests of other kinds lack. */
Test(kernels, of_2020)
{
	struct command_result result = command_shell(
		"EMUPROBE='" PROBES "' EMUPROBE_COUNT=1 EMUPROBE_MASK_CPU=rdtscp,rdpid,fsgsbase "
		"GLIBC_TUNABLES=glibc.pthread.rseq=0 " CONFINED " einval memfd_noexec " CONFINED
		" enosys clone3 env LD_PRELOAD=" PRELOAD " " WORK " call 3 print ran");

	cr_expect_str_eq(result.output, "ran\n", "%s", command_describe(&result));
	expect_contains(result, error, "  4  ");
	expect_lacks(result, error, "unprobed");
	command_result_deinit(&result);
}

/* ---- processors ------------------------------------------------------------------------------ */

Test(kernels, on_processors_that_lack_something)
{
	static const char *const masks[] = {
		"rdtscp", "rdpid",  "tsc",	"fsgsbase",
		"rseq",	  "avx512", "avx512bw", "rdtscp,rdpid,tsc,fsgsbase,rseq,avx512"};

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct command_result result =
			command_shell("EMUPROBE_MASK_CPU=%s " EMUPROBE " -c -e '" PROBES
				      "' -- " WORK " call 3 print ran",
				      masks[i]);

		cr_expect_str_eq(result.output, "ran\n", "%s: %s", masks[i],
				 command_describe(&result));
		cr_expect(strstr(result.error, "  4  "), "%s: %s", masks[i],
			  command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(kernels, a_processor_without_lahf_is_refused)
{
	struct command_result result = command_shell("EMUPROBE_MASK_CPU=lahf " EMUPROBE
						     " -c -e 'p target' -- " WORK " print ran");

	expect_status(result, 125);
	expect_contains(result, error, "not supported by this machine");
	expect_lacks(result, output, "ran");
	command_result_deinit(&result);
	result = command_shell("EMUPROBE_MASK_CPU=lahf EMUPROBE='p target' LD_PRELOAD=" PRELOAD
			       " " WORK " print ran");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "runs unprobed: not supported by this machine");
	command_result_deinit(&result);
}

Test(kernels, a_feature_that_is_none_is_told)
{
	struct command_result result = command_shell("EMUPROBE_MASK_CPU=avx512,avx5,x " EMUPROBE
						     " -c -e 'p target' -- " WORK " print ran");

	expect_status(result, 125);
	expect_contains(result, error, "emuprobe: EMUPROBE_MASK_CPU: no such feature: avx5\n");
	expect_lacks(result, output, "ran");
	command_result_deinit(&result);
	result = command_shell("EMUPROBE_MASK_CPU=avx5 EMUPROBE='p:t target' EMUPROBE_COUNT=1 "
			       "LD_PRELOAD=" PRELOAD " " WORK " call 3 print ran");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "emuprobe: EMUPROBE_MASK_CPU: no such feature: avx5\n");
	expect_contains(result, error, "  4  ");
	command_result_deinit(&result);
}
