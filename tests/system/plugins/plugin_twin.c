/* SPDX-License-Identifier: MIT */
/* As large as the plugin, and so often loaded where that was, but other code. */
long plugin_target(long number);
long plugin_calls(void);

static long calls, other;

long plugin_calls(void)
{
	return calls + other - other;
}

long plugin_target(long number)
{
	other += number;
	calls++;
	return number * 2 + 1;
}

__attribute__((constructor)) static void construct(void)
{
	plugin_target(1);
}
