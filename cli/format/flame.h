/* SPDX-License-Identifier: MIT */
/* A flame graph: a picture of the tree, as an SVG file that needs no other file. */
#ifndef EMUPROBE_CLI_FORMAT_FLAME_H
#define EMUPROBE_CLI_FORMAT_FLAME_H

#include "cli/format/tree.h"

/**
 * A box for each node, as wide as its share of the whole, on top of the one that has called it. In a browser a
 * click makes a box as wide as the picture, and what is typed is searched for; without scripts it is a
 * picture.
 *
 * @title    What stands above it.
 *
 * @return   0 or an error.
 */
int flame_put(const struct tree *tree, const char *title, const struct trace_sink *sink);

#endif
