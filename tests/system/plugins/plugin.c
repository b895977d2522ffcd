/* SPDX-License-Identifier: MIT */
/* A library that is loaded and unloaded; its constructor calls what is probed. */
long plugin_target(long number);
long plugin_calls(void);

static long calls;

long plugin_target(long number)
{
	calls++;
	return number * 2 + 1;
}

__attribute__((constructor)) static void construct(void)
{
	plugin_target(1);
}

__attribute__((destructor)) static void destruct(void)
{
	plugin_target(2);
}

long plugin_calls(void)
{
	return calls;
}
