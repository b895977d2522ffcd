/* SPDX-License-Identifier: MIT */
/* Names and the like for people: nothing in them can forge a line, or talk to a terminal. */
#ifndef EMUPROBE_CLI_PLAIN_H
#define EMUPROBE_CLI_PLAIN_H

#include <stdbool.h>
#include <stdio.h>

/** '?' instead of what cannot be shown: trace_text_shown(). */
void plain_put(const char *text, FILE *to);

/** Can all of @text be shown as it is? */
bool plain_is(const char *text);

/**
 * "\xHH" for each byte of what cannot be shown, for a backslash, and for each of @others: so that it can be
 * read back by plain_unescape().
 */
void plain_put_escaped(const char *text, const char *others, FILE *to);

/** In place. What is no "\xHH" stays as it is. */
void plain_unescape(char *text);

#endif
