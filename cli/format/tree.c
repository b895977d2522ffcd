/* SPDX-License-Identifier: MIT */
/*
 * The inner calls come first, so a call's node is made when all below it is known: those that it has made
 * are added up, those of the same function becoming one, and so are what these have made. Children are sorted
 * by the numbers of their names: two lists become one in one pass.
 *
 * The depth is bounded, since functions here call themselves for each level. More than a program can have
 * is nonsense from a session that it has written to.
 */
#include "cli/format/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/demangle.h"

#define MEMORY_MAX (512ul << 20)
#define CALLS_MAX  (1ul << 22) /* of a thread, of which it is not known who has made them */
#define NAME_SIZE  8192u

static void add_root(void *data, struct call *call);

void tree_init(struct tree *tree, bool is_of_hits)
{
	*tree = (struct tree){
		.threads = {.calls_max = CALLS_MAX, .forget = add_root, .data = tree},
		.arena = {.limit = MEMORY_MAX},
		.is_of_hits = is_of_hits,
	};
}

static struct node *make(struct tree *tree, uint32_t name)
{
	struct node *ret = tree->free;

	if (ret)
		tree->free = ret->next;
	else
		ret = trace_arena_alloc(&tree->arena, sizeof(*ret));
	if (ret)
		*ret = (struct node){.name = name};
	return ret;
}

static void give_back(struct tree *tree, struct node *node)
{
	node->next = tree->free;
	tree->free = node;
}

/* ---- two become one -------------------------------------------------------------------------- */

static struct node *merge_lists(struct tree *tree, struct node *a, struct node *b);

/* @b is no more. */
static void merge(struct tree *tree, struct node *a, struct node *b)
{
	a->count += b->count;
	a->total += b->total;
	a->self += b->self;
	if (b->height > a->height)
		a->height = b->height;
	a->first = merge_lists(tree, a->first, b->first);
	give_back(tree, b);
}

static struct node *merge_lists(struct tree *tree, struct node *a, struct node *b)
{
	struct node *ret = NULL, **end = &ret;

	while (a && b) {
		struct node **smaller = a->name <= b->name ? &a : &b, *one = *smaller;

		*smaller = one->next;
		if (one->name == (smaller == &a ? b : a)->name) {
			struct node *other = smaller == &a ? b : a;

			if (smaller == &a)
				b = other->next;
			else
				a = other->next;
			merge(tree, one, other);
		}
		*end = one;
		end = &one->next;
	}
	*end = a ? a : b;
	return ret;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Most calls make no others that are known: those have no node before they are added to another one. */
static bool is_leaf(const struct call *call)
{
	return call->name && !call->data;
}

static uint64_t total_of(const struct call *call)
{
	const struct node *node = call->data;

	return node ? node->total : call->to - call->from;
}

static void add_leaf(struct node *node, const struct call *call)
{
	node->count++;
	node->total += total_of(call);
	node->self += total_of(call);
}

static struct node *node_of(struct tree *tree, const struct call *call)
{
	struct node *ret = call->data;

	if (ret || !call->name)
		return ret;
	ret = make(tree, call->name);
	if (ret)
		add_leaf(ret, call);
	else
		tree->lost++;
	return ret;
}

static void raise_height(struct node *node, const struct node *child)
{
	if (node->height <= child->height)
		node->height = child->height + 1;
}

static void add_root(void *data, struct call *call)
{
	struct tree *tree = data;
	struct node *node = node_of(tree, call);

	if (!node)
		return;
	tree->root.total += node->total;
	raise_height(&tree->root, node);
	node->next = NULL;
	tree->root.first = merge_lists(tree, tree->root.first, node);
}

static int by_number(const void *first, const void *second)
{
	const uint32_t *a = first, *b = second;

	return *a < *b ? -1 : *a > *b;
}

static bool make_room(struct tree *tree)
{
	uint32_t room = tree->names.room + 1;
	struct node **by_name;
	uint32_t *made;

	if (tree->name_room == room)
		return true;
	by_name = calloc(room, sizeof(struct node *));
	made = calloc(room, sizeof(*made));
	if (!by_name || !made) {
		free(by_name);
		free(made);
		return false;
	}
	free(tree->by_name);
	free(tree->made);
	tree->by_name = by_name;
	tree->made = made;
	tree->name_room = room;
	return true;
}

static void adopt_one(struct tree *tree, struct node *node, const struct call *call,
		      uint32_t *count)
{
	struct node *same = tree->by_name[call->name], *child;
	uint64_t total = total_of(call);

	node->self = node->self > total ? node->self - total : 0;
	if (same && is_leaf(call)) {
		add_leaf(same, call);
		return;
	}
	child = node_of(tree, call);
	if (!child)
		return;
	raise_height(node, child);
	if (same) {
		merge(tree, same, child);
		return;
	}
	tree->by_name[call->name] = child;
	tree->made[(*count)++] = call->name;
}

/*
 * There may be a million of them, in a call that lasted long, and threads wait for us meanwhile: only their
 * different names are sorted.
 */
static void adopt(struct tree *tree, struct node *node, const struct ended *ended)
{
	uint32_t count = 0;
	struct node **end = &node->first;

	for (size_t i = 0; i < ended->made_count; i++)
		adopt_one(tree, node, &ended->made[i], &count);
	qsort(tree->made, count, sizeof(*tree->made), by_number);
	for (uint32_t i = 0; i < count; i++) {
		*end = tree->by_name[tree->made[i]];
		end = &(*end)->next;
		tree->by_name[tree->made[i]] = NULL;
	}
	*end = NULL;
}

static bool is_too_deep(const struct ended *ended)
{
	for (size_t i = 0; i < ended->made_count; i++) {
		const struct node *node = ended->made[i].data;

		if (node && node->height >= TREE_DEPTH_MAX)
			return true;
	}
	return false;
}

/* False: there is no memory. */
static bool fill_call(struct tree *tree, const struct trace_event *event, struct ended *ended)
{
	struct call *call = &ended->call;
	struct node *node;

	call->name = names_number_of(&tree->names, event->view->place, NULL);
	if (!call->name || !make_room(tree))
		return false;
	if (!ended->made_count)
		return true;
	node = make(tree, call->name);
	if (!node)
		return false;
	add_leaf(node, call);
	adopt(tree, node, ended);
	call->data = node;
	return true;
}

void tree_add_event(struct tree *tree, const struct trace_event *event)
{
	struct thread *thread = event->is_timed ? threads_of(&tree->threads, event) : NULL;
	struct ended ended;

	if (!thread) {
		tree->lost += event->is_timed;
		return;
	}
	threads_end(&tree->threads, thread, event, &ended);
	if (is_too_deep(&ended)) {
		tree->lost++;
		return;
	}
	if (!fill_call(tree, event, &ended) || !threads_add(&tree->threads, thread, &ended))
		tree->lost++;
}

void tree_finish(struct tree *tree)
{
	threads_each(&tree->threads, add_root, tree);
	threads_deinit(&tree->threads);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

struct node *tree_child(struct tree *tree, struct node *node, const char *name)
{
	uint32_t number = names_number(&tree->names, name, strlen(name), NULL);
	struct node **at = &node->first, *ret;

	while (*at && (*at)->name < number)
		at = &(*at)->next;
	if (!number || (*at && (*at)->name == number))
		return number ? *at : NULL;
	ret = make(tree, number);
	if (!ret)
		return NULL;
	ret->next = *at;
	*at = ret;
	return ret;
}

/* ---- what is asked --------------------------------------------------------------------------- */

const char *tree_name(const struct tree *tree, const struct node *node, char *room, size_t size)
{
	const char *name = names_text(&tree->names, node->name), *colon = strchr(name, ':');
	static char meaning[NAME_SIZE];
	const char *demangled;

	if (tree->is_of_hits || !colon)
		return name;
	demangled = demangle(colon + 1, meaning, sizeof(meaning));
	if (demangled == colon + 1)
		return name;
	snprintf(room, size, "%.*s%s", (int)(colon + 1 - name), name, demangled);
	return room;
}

static int visit_all(const struct node *first, uint32_t depth, tree_visitor visit, void *data)
{
	int error = 0;

	for (const struct node *node = first; node && !error; node = node->next) {
		error = visit(data, node, depth);
		if (!error)
			error = visit_all(node->first, depth + 1, visit, data);
	}
	return error;
}

int tree_each(const struct tree *tree, tree_visitor visit, void *data)
{
	return visit_all(tree->root.first, 0, visit, data);
}

void tree_deinit(struct tree *tree)
{
	names_deinit(&tree->names);
	threads_deinit(&tree->threads);
	trace_arena_deinit(&tree->arena);
	free(tree->by_name);
	free(tree->made);
	tree->by_name = NULL;
	tree->made = NULL;
	tree->name_room = 0;
}
