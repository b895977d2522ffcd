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

static void raise_height(struct node *node, const struct node *child)
{
	if (node->height <= child->height)
		node->height = child->height + 1;
}

static void add_child(struct tree *tree, struct node *node, struct node *child)
{
	raise_height(node, child);
	child->next = NULL;
	node->first = merge_lists(tree, node->first, child);
}

static void add_root(void *data, struct call *call)
{
	struct tree *tree = data;
	struct node *node = call->data;

	if (!node)
		return;
	tree->root.total += node->total;
	add_child(tree, &tree->root, node);
}

static int by_name(const void *first, const void *second)
{
	const struct node *a = *(struct node *const *)first, *b = *(struct node *const *)second;

	return a->name < b->name ? -1 : a->name > b->name;
}

static bool make_room(struct tree *tree, size_t count)
{
	struct node **sorted;

	if (count <= tree->sorted_room)
		return true;
	sorted = reallocarray(tree->sorted, 2 * count, sizeof(*sorted));
	if (!sorted)
		return false;
	tree->sorted = sorted;
	tree->sorted_room = 2 * count;
	return true;
}

/* One after the other, the same ones at once: lists of one name are no longer than what stays. */
static void adopt(struct tree *tree, struct node *node, const struct ended *ended)
{
	size_t count = 0;
	struct node *last = NULL;

	for (size_t i = 0; i < ended->made_count; i++)
		if (ended->made[i].data)
			tree->sorted[count++] = ended->made[i].data;
	qsort(tree->sorted, count, sizeof(*tree->sorted), by_name);
	for (size_t i = 0; i < count; i++) {
		struct node *child = tree->sorted[i];

		node->self = node->self > child->total ? node->self - child->total : 0;
		raise_height(node, child);
		if (last && last->name == child->name) {
			merge(tree, last, child);
			continue;
		}
		child->next = NULL;
		*(last ? &last->next : &node->first) = child;
		last = child;
	}
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

static struct node *make_call(struct tree *tree, const struct trace_event *event,
			      struct ended *ended)
{
	const char *place = event->view->place;
	uint32_t name = names_number(&tree->names, place, strlen(place), NULL);
	struct node *ret = name && make_room(tree, ended->made_count) ? make(tree, name) : NULL;

	if (!ret)
		return NULL;
	ret->count = 1;
	ret->total = ret->self = ended->call.to - ended->call.from;
	adopt(tree, ret, ended);
	return ret;
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
	ended.call.data = make_call(tree, event, &ended);
	if (!ended.call.data || !threads_add(&tree->threads, thread, &ended))
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
	free(tree->sorted);
	tree->sorted = NULL;
}
