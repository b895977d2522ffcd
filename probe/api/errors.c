/* SPDX-License-Identifier: MIT */
/*
 * Names and texts of what can go wrong, and of the plans. They are asked for by handlers and by
 * signal handlers too, so they are tables of constants and take no lock.
 */
#include "include/emuprobe.h"

#define STRING(x)	 #x
#define VERSION(a, b, c) STRING(a) "." STRING(b) "." STRING(c)

struct error_row {
	int value;
	const char *name, *text;
};

static const struct error_row rows[] = {
#define ROW(name, value, text) {value, #name, text},
	EP_ERRORS(ROW)
#undef ROW
};

static const struct error_row *find(int error)
{
	static const struct error_row success = {0, "EP_OK", "success"};
	static const struct error_row unknown = {-1, "EP_UNKNOWN", "unknown error"};

	if (error == 0)
		return &success;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value == error || -rows[i].value == error)
			return &rows[i];
	return &unknown;
}

const char *ep_strerror(int error)
{
	return find(error)->text;
}

const char *ep_error_name(int error)
{
	return find(error)->name;
}

const char *ep_version(void)
{
	return VERSION(EP_VERSION_MAJOR, EP_VERSION_MINOR, EP_VERSION_PATCH);
}

const char *ep_plan_name(enum ep_plan plan)
{
	static const char *const names[] = {
		[EP_PLAN_AUTO] = "auto",   [EP_PLAN_TRAP] = "trap", [EP_PLAN_EMULATE] = "emulate",
		[EP_PLAN_BOOST] = "boost", [EP_PLAN_JUMP] = "jump", [EP_PLAN_REFUSED] = "refused",
	};

	return (unsigned int)plan < sizeof(names) / sizeof(names[0]) ? names[plan] : "unknown";
}
