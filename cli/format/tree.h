/* SPDX-License-Identifier: MIT */
/*
 * What was called from where, added up: a node for each different way to a function. It is made of stacks
 * that were counted, or of calls with their times.
 */
#ifndef EMUPROBE_CLI_FORMAT_TREE_H
#define EMUPROBE_CLI_FORMAT_TREE_H

#include "cli/format/names.h"
#include "cli/format/threads.h"
#include "trace/report/line.h"

struct node {
	uint32_t name;	/* in .names; of the root: 0 */
	uint64_t count; /* calls */
	uint64_t total,
		self;	    /* nanoseconds, or hits of stacks; .total has that of all below in it */
	uint32_t height;    /* of those below it; none: 0 */
	struct node *first; /* of its children, in the order of .name */
	struct node *next;
};

struct tree {
	struct names names;
	struct threads threads;
	struct node root;
	struct node *free;
	struct trace_arena arena;
	struct node **by_name; /* of the call that has just ended: those it has made, or NULL */
	uint32_t *made;	       /* scratch: their names, each once */
	uint32_t name_room;
	uint64_t lost; /* calls for which there was no memory */
	bool is_of_hits;
};

/** @is_of_hits: of stacks; else times. */
void tree_init(struct tree *tree, bool is_of_hits);

/** A call has ended; other events are none of its business. */
void tree_add_event(struct tree *tree, const struct trace_event *event);

/** The child of @node that is called so; NULL: there is no memory. */
struct node *tree_child(struct tree *tree, struct node *node, const char *name);

/** There are no more calls: all are below the root, which has the sums. */
void tree_finish(struct tree *tree);

/** What a node is called, as people have written it; in @room where it is made. */
const char *tree_name(const struct tree *tree, const struct node *node, char *room, size_t size);

/* Visits each node, a parent before its children. @depth of the root's children is 0. */
typedef int (*tree_visitor)(void *data, const struct node *node, uint32_t depth);

#define TREE_DEPTH_MAX                                                                             \
	10000u /* of calls in one another; there is no room for as many in a program */

/** @return 0, or what @visit returned. */
int tree_each(const struct tree *tree, tree_visitor visit, void *data);

void tree_deinit(struct tree *tree);

#endif
