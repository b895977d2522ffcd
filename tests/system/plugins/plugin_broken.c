/* SPDX-License-Identifier: MIT */
/* Cannot be relocated: dlopen(RTLD_NOW) maps it, finds that out, and takes it away again. */
long plugin_target(long number);
long nobody_has_this(long number);

long plugin_target(long number)
{
	return nobody_has_this(number);
}
