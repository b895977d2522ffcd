/* SPDX-License-Identifier: MIT */
#include "trace/action/link.h"

#include <link.h>
#include <stdio.h>

#include "include/counting.h"
#include "trace/action/run.h"

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

/* The executable is the first one. */
static int note_program(struct dl_phdr_info *info, size_t size, void *data)
{
	uint64_t start = UINT64_MAX, end = 0;

	(void)size;
	(void)data;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uint64_t from = info->dlpi_addr + phdr->p_vaddr;

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
			continue;
		if (from < start)
			start = from;
		if (from + phdr->p_memsz > end)
			end = from + phdr->p_memsz;
	}
	if (start < end)
		trace_run_set_program(start, end);
	return 1;
}

void trace_link_program(void)
{
	dl_iterate_phdr(note_program, NULL);
}
