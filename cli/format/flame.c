/* SPDX-License-Identifier: MIT */
/*
 * Boxes are placed here, in pixels, so that any viewer shows the picture; the script (flame.js.h) places them
 * anew, by their share, when it is zoomed or the window's width changes. What would be narrower than a fifth of a pixel
 * is left out, and is in the sums of the boxes below it all the same.
 *
 * Names come from the program: in XML five characters have a meaning, and controls may not be there at all.
 */
#include "cli/format/flame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format/flame.js.h"

#define WIDTH	  1200.0
#define MARGIN	  10.0
#define TOP	  58.0
#define BOTTOM	  30.0
#define ROW	  17.0
#define LETTER	  6.65 /* width of one, in the font that is asked for */
#define NARROWEST 0.2
#define ROWS_MAX  500u
#define NAME_SIZE 8192u
#define TEXT_SIZE (6 * NAME_SIZE)

struct flame {
	const struct tree *tree;
	const struct trace_sink *sink;
	uint64_t whole;
	uint32_t rows;
	double height;
	uint64_t left[TREE_DEPTH_MAX + 3]; /* where the next box of that row begins */
	int error;
	char name[NAME_SIZE], escaped[TEXT_SIZE], line[TEXT_SIZE + 512];
};

/* ---- text ------------------------------------------------------------------------------------ */

static void put(struct flame *flame, const char *text, size_t size)
{
	if (!flame->error)
		flame->error = flame->sink->write(flame->sink->data, text, size);
}

__attribute__((format(printf, 2, 3))) static void print(struct flame *flame, const char *format,
							...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(flame->line, sizeof(flame->line), format, args);
	va_end(args);
	put(flame, flame->line, (size_t)size < sizeof(flame->line) ? (size_t)size : 0);
}

static const char *entity_of(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* U+FFFE and U+FFFF are the only ones that can be shown, and are not allowed. */
static bool is_forbidden(const char *at)
{
	return memcmp(at, "\ufffe", 3) == 0 || memcmp(at, "\uffff", 3) == 0;
}

/* At most @letters characters, with ".." for the last two where there are more; into .escaped. */
static const char *escape(struct flame *flame, const char *name, size_t letters)
{
	char plain[NAME_SIZE];
	struct trace_text text = {plain, sizeof(plain) - 4, 0};
	struct trace_text out = {flame->escaped, sizeof(flame->escaped) - 1, 0};
	size_t count = 0, last = 0;

	trace_text_plain_within(&text, name, sizeof(plain) - 4);
	memset(plain + text.used, 0, 4);
	for (const char *at = plain; *at; count++) {
		unsigned int size = trace_text_shown(at);
		const char *entity = entity_of(*at);

		if (count == letters) {
			out.used = last;
			trace_text_string(&out, "..");
			break;
		}
		if (count + 2 <= letters)
			last = out.used;
		if (entity)
			trace_text_string(&out, entity);
		else if (size == 3 && is_forbidden(at))
			trace_text_char(&out, '?');
		else
			for (unsigned int i = 0; i < size; i++)
				trace_text_char(&out, at[i]);
		at += size ? size : 1;
	}
	flame->escaped[out.used] = '\0';
	return flame->escaped;
}

/* ---- boxes ----------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *text, size_t size)
{
	uint32_t ret = 2166136261u;

	for (size_t i = 0; i < size; i++)
		ret = (ret ^ (unsigned char)text[i]) * 16777619u;
	return ret ^ ret >> 15;
}

/* An object has a colour, its functions shades of it: black letters can be read on all of them. */
static void color_of(const char *name, unsigned int *ret)
{
	static const unsigned char base[][3] = {{245, 160, 90},	 {240, 200, 90},  {150, 200, 120},
						{130, 190, 220}, {190, 170, 225}, {230, 150, 160},
						{170, 205, 190}};
	const char *colon = strchr(name, ':');
	uint32_t object = hash_of(name, colon ? (size_t)(colon - name) : 0);
	int shade = (int)(hash_of(name, strlen(name)) % 36) - 20;

	for (int i = 0; i < 3; i++) {
		int value = base[object % (sizeof(base) / sizeof(base[0]))][i] + shade;

		ret[i] = (unsigned int)(value > 255 ? 255 : value);
	}
}

static void put_amount(struct flame *flame, const struct node *node)
{
	double share = 100.0 * (double)node->total / (double)flame->whole;

	if (flame->tree->is_of_hits)
		print(flame, " (%lu hit%s, %.2f%%)", (unsigned long)node->total,
		      node->total == 1 ? "" : "s", share);
	else
		print(flame, " (%.6g ms, %lu call%s, itself %.6g ms, %.2f%%)",
		      (double)node->total / 1e6, (unsigned long)node->count,
		      node->count == 1 ? "" : "s", (double)node->self / 1e6, share);
}

static void put_box(struct flame *flame, const struct node *node, uint32_t depth, uint64_t left)
{
	const char *name = tree_name(flame->tree, node, flame->name, sizeof(flame->name));
	double from = (double)left / (double)flame->whole;
	double share = (double)node->total / (double)flame->whole;
	double width = share * (WIDTH - 2 * MARGIN), x = MARGIN + from * (WIDTH - 2 * MARGIN);
	double y = flame->height - BOTTOM - (depth + 2) * ROW;
	size_t letters = width > 6 ? (size_t)((width - 6) / LETTER) : 0;
	const char *colon = strchr(name, ':');
	unsigned int color[3];

	color_of(name, color);
	print(flame, "<g data-x=\"%.9g\" data-w=\"%.9g\"><title>%s", from, share,
	      escape(flame, name, NAME_SIZE));
	put_amount(flame, node);
	print(flame,
	      "</title><rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" rx=\"1\" "
	      "fill=\"#%02x%02x%02x\"/>",
	      x, y, width, ROW - 1, color[0], color[1], color[2]);
	print(flame, "<text x=\"%.2f\" y=\"%.1f\">%s</text></g>\n", x + 3, y + ROW - 5,
	      letters > 2 ? escape(flame, colon && colon[1] ? colon + 1 : name, letters) : "");
}

/* Rows are filled from left to right: a child begins where the one before it ended, or its parent. */
static int visit(void *data, const struct node *node, uint32_t depth)
{
	struct flame *flame = data;
	uint64_t left = flame->left[depth];
	double width = (double)node->total / (double)flame->whole * (WIDTH - 2 * MARGIN);

	flame->left[depth] = left + node->total;
	flame->left[depth + 1] = left;
	if (width >= NARROWEST && depth < ROWS_MAX)
		put_box(flame, node, depth, left);
	return flame->error;
}

static int find_rows(void *data, const struct node *node, uint32_t depth)
{
	struct flame *flame = data;
	double width = (double)node->total / (double)flame->whole * (WIDTH - 2 * MARGIN);

	if (width >= NARROWEST && depth < ROWS_MAX && flame->rows < depth + 1)
		flame->rows = depth + 1;
	return 0;
}

/* ---- the picture ------------------------------------------------------------------------------ */

static void put_head(struct flame *flame, const char *title)
{
	print(flame,
	      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
	      "viewBox=\"0 0 %.0f %.0f\" data-margin=\"%.0f\" data-letter=\"%.2f\">\n",
	      WIDTH, flame->height, WIDTH, flame->height, MARGIN, LETTER);
	print(flame, "<style>\n"
		     "text { font: 11px 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, "
		     "monospace; fill: #000; }\n"
		     "#title { font: bold 16px sans-serif; }\n"
		     "g:hover rect { stroke: #000; stroke-width: 1; }\n"
		     "g { cursor: pointer; }\n"
		     ".found rect { fill: #e030e0; }\n"
		     ".below { opacity: 0.5; }\n"
		     ".link { cursor: pointer; fill: #1050b0; }\n"
		     "text, title { white-space: pre; }\n"
		     "g text { pointer-events: none; }\n"
		     "</style>\n"
		     "<rect width=\"100%%\" height=\"100%%\" fill=\"#fcfcf8\"/>\n");
	print(flame, "<text id=\"title\" x=\"%.0f\" y=\"24\">%s</text>\n", MARGIN,
	      escape(flame, title, 130));
	print(flame,
	      "<text id=\"all\" class=\"link\" x=\"%.0f\" y=\"46\" visibility=\"hidden\">whole "
	      "picture</text>\n"
	      "<text id=\"search\" class=\"link\" x=\"%.0f\" y=\"46\" text-anchor=\"end\"></text>\n"
	      "<text id=\"said\" x=\"%.0f\" y=\"%.0f\"></text>\n",
	      MARGIN, WIDTH - MARGIN, MARGIN, flame->height - 10);
}

static void put_root(struct flame *flame)
{
	print(flame,
	      "<g data-x=\"0\" data-w=\"1\"><title>all (%.6g%s)</title><rect x=\"%.2f\" "
	      "y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" rx=\"1\" fill=\"#d8d8d0\"/>"
	      "<text x=\"%.2f\" y=\"%.1f\">all</text></g>\n",
	      flame->tree->is_of_hits ? (double)flame->tree->root.total
				      : (double)flame->tree->root.total / 1e6,
	      flame->tree->is_of_hits ? " hits" : " ms", MARGIN, flame->height - BOTTOM - ROW,
	      WIDTH - 2 * MARGIN, ROW - 1, MARGIN + 3, flame->height - BOTTOM - 5);
}

int flame_put(const struct tree *tree, const char *title, const struct trace_sink *sink)
{
	struct flame *flame = calloc(1, sizeof(*flame));
	int error;

	if (!flame)
		return -EP_NO_MEMORY;
	flame->tree = tree;
	flame->sink = sink;
	flame->whole = tree->root.total ? tree->root.total : 1;
	tree_each(tree, find_rows, flame);
	flame->height = TOP + BOTTOM + (flame->rows + 1) * ROW;
	put_head(flame, title);
	put_root(flame);
	tree_each(tree, visit, flame);
	put(flame, flame_script, sizeof(flame_script) - 1);
	error = flame->error;
	free(flame);
	return error;
}
