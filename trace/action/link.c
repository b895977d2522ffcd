/* SPDX-License-Identifier: MIT */
#include "trace/action/link.h"

#include <stdio.h>

#include "include/counting.h"

static int find(const struct trace_definition *definition, const struct trace_link *link,
		const void **ret)
{
	const char *const objects[] = {NULL, definition->place.object, "*"};
	struct ep_place place = {.symbol = link->symbol, .is_literal = EP_LITERAL_SYMBOL};
	int error;

	if (!link->symbol) {
		place = definition->place;
		place.symbol = NULL;
		place.offset = link->offset;
		return ep_resolve_data(&place, ret);
	}
	for (int i = 0; i < 3; i++) {
		place.object = objects[i];
		error = ep_resolve_data(&place, ret);
		if (!error)
			return 0;
		if (error != -EP_NO_SYMBOL && error != -EP_NO_OBJECT)
			return error;
	}
	return -EP_NO_SYMBOL;
}

static int report(const struct trace_link *link, int failed, struct ep_error_at *error)
{
	if (!error)
		return failed;
	error->error = -failed;
	error->column = link->column;
	if (link->symbol)
		snprintf(error->message, sizeof(error->message), "%.100s: %s", link->symbol,
			 ep_strerror(failed));
	else
		snprintf(error->message, sizeof(error->message), "0x%lx: %s",
			 (unsigned long)link->offset, ep_strerror(failed));
	return failed;
}

int trace_link(const struct trace_definition *definition, struct ep_error_at *error)
{
	for (const struct trace_link *link = definition->program.links; link; link = link->next) {
		const void *address;
		int failed = find(definition, link, &address);

		if (failed)
			return report(link, failed, error);
		definition->program.steps[link->step].number =
			(uint64_t)address + (link->symbol ? link->offset : 0);
	}
	return 0;
}
