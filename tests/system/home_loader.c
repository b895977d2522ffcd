/* SPDX-License-Identifier: MIT */
/* Objects come and go: probes stand before constructors run, and are forgotten in time. */
#include "tests/system/home.h"

TestSuite(home_loader, .timeout = 400);

Test(home_loader, programs_that_probe_themselves)
{
	struct command_result result = RUN(EP_PROGRAMS "/self_loader");

	expect_status(result, 0);
	command_result_deinit(&result);
}

#define TARGET "p:t plugin.so:plugin_target?"

/* The constructor, three calls, the destructor; a child of one calls once more. */
Test(home_loader, definitions_wait_for_objects)
{
	for (int i = 0; i < HOME_ALL; i++) {
		struct command_result result =
			RUN(EMUPROBE, "-c", "--format=json", home_plans[i], "-e", TARGET, "-e",
			    "p libc.so.6:*", EP_PROGRAMS "/loads", "12");

		expect_status(result, 0);
		cr_expect_eq(home_hits(result.error), 12 * 5 + 1, "%s: %ld", home_plans[i],
			     home_hits(result.error));
		command_result_deinit(&result);
	}
}

static long plugin_hits(const char *text)
{
	static const char place[] = "\"place\":\"plugin.so:plugin_target\"";
	long sum = 0;

	while ((text = strstr(text, place)) && (text = strstr(text, "\"hits\":")))
		sum += strtol(text + strlen("\"hits\":"), NULL, 10);
	return sum;
}

/* A pattern that matches something at the start waits for more no less than a name, and no more. */
Test(home_loader, definitions_wait_if_told_so_only)
{
	static const struct {
		const char *definition;
		int status;
		long hits;
	} cases[] = {
		{"p:t plugin.so:plugin_target", 125, 0},
		{"p:t plugin.so:plugin_target?", 0, 4 * 5 + 1},
		{"p:t plug*.so:plugin_target", 125, 0},
		{"p:t plug*.so:plugin_*get?", 0, 4 * 5 + 1},
		/* There are others at the start. */
		{"p:t *:plugin_target", 125, 0},
		{"p:t *:p*_t*", 0, 0},
		{"p:t *:p*_t*?", 0, 4 * 5 + 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command_result result = RUN(EMUPROBE, "-c", "--format=json", "-e",
						   cases[i].definition, EP_PROGRAMS "/loads", "4");

		expect_status(result, cases[i].status);
		cr_expect_eq(plugin_hits(result.error), cases[i].hits, "%s: %s",
			     cases[i].definition, command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(home_loader, events_of_objects_that_came_later)
{
	struct command_result result = RUN(EMUPROBE, "-e", "p:t plugin.so:plugin_target? n=%di:u64",
					   EP_PROGRAMS "/loads", "6");

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "(plugin.so:plugin_target) n="), 6 * 5 + 1, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(home_loader, definitions_wait_without_a_launcher)
{
	const struct command command = {
		.argv = (const char *const[]){EP_PROGRAMS "/loads", "6", NULL},
		.env = (const char *const[]){"LD_PRELOAD=" PRELOAD,
					     "EMUPROBE=p:t plugin.so:plugin_target? n=%di:u64",
					     "EMUPROBE_FORMAT=json", NULL},
	};
	struct command_result result = command_run(&command);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "\"type\":\"event\""), 6 * 5 + 1, "%s",
		     command_describe(&result));
	cr_expect_eq(home_hits(result.error), 6 * 5 + 1);
	command_result_deinit(&result);
}
