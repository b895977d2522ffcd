/* SPDX-License-Identifier: MIT */
#include "cli/format/folded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 8192u

struct folded {
	const struct tree *tree;
	const struct trace_sink *sink;
	const struct node *path[TREE_DEPTH_MAX + 2];
	char name[NAME_MAX_SIZE], line[NAME_MAX_SIZE + 64];
};

/* A ';' is what separates them. */
static int put_name(struct folded *folded, const struct node *node, const char *before)
{
	struct trace_text text = {folded->line, sizeof(folded->line), 0};
	size_t start;

	trace_text_string(&text, before);
	start = text.used;
	trace_text_plain_within(&text,
				tree_name(folded->tree, node, folded->name, sizeof(folded->name)),
				NAME_MAX_SIZE);
	for (size_t i = start; i < text.used; i++)
		if (text.buffer[i] == ';')
			text.buffer[i] = ',';
	return folded->sink->write(folded->sink->data, text.buffer, text.used);
}

static int put_node(void *data, const struct node *node, uint32_t depth)
{
	struct folded *folded = data;
	char number[32];
	int error = 0;

	folded->path[depth] = node;
	if (!node->self)
		return 0;
	for (uint32_t i = 0; i <= depth && !error; i++)
		error = put_name(folded, folded->path[i], i ? ";" : "");
	if (error)
		return error;
	snprintf(number, sizeof(number), " %lu\n", (unsigned long)node->self);
	return folded->sink->write(folded->sink->data, number, strlen(number));
}

int folded_put(const struct tree *tree, const struct trace_sink *sink)
{
	struct folded *folded = calloc(1, sizeof(*folded));
	int error;

	if (!folded)
		return -EP_NO_MEMORY;
	folded->tree = tree;
	folded->sink = sink;
	error = tree_each(tree, put_node, folded);
	free(folded);
	return error;
}
