/* SPDX-License-Identifier: MIT */
/*
 * The program writes to the same terminal, and knows nothing of the table. So the table hangs below the line
 * where the program goes on: it is written, and the cursor put back above it. What the program writes pushes
 * the next table down. Where there is no terminal nothing is moved: tables come one after the other.
 */
#include "cli/screen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/ticker.h"

#define INTERVAL 1.0 /* seconds */
#define SIZE	 (64 << 10)
#define CLEAR	 "\r\033[J" /* from here to the end of the screen */

static struct {
	struct ticker ticker;
	struct termios saved;
	bool is_live, is_terminal;
	int keys; /* descriptor of the terminal; -1: no key is read */
	char buffer[SIZE];
} screen = {.keys = -1};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void put(const char *text, size_t size)
{
	if (write(STDERR_FILENO, text, size) < 0)
		return;
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* In the background they are somebody else's. */
static void take_keys(void)
{
	struct termios raw;
	int fd = open("/dev/tty", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &screen.saved)) {
		close(fd);
		return;
	}
	raw = screen.saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &raw);
	screen.keys = fd;
	atexit(screen_end);
}

static bool look_at_keys(void)
{
	bool any = false;
	char key;

	if (screen.keys < 0)
		return false;
	while (read(screen.keys, &key, 1) == 1)
		any |= ticker_press(&screen.ticker, key);
	return any;
}

/* ---- the table ----------------------------------------------------------------------------- */

static void measure(void)
{
	struct winsize size;

	if (!screen.is_terminal || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_row)
		return;
	screen.ticker.height = size.ws_row;
	screen.ticker.width = size.ws_col;
}

static void show_table(void)
{
	struct trace_text text = {screen.buffer, SIZE - 32, 0};
	unsigned int lines = 0;

	measure();
	if (screen.is_terminal)
		trace_text_string(&text, CLEAR "\n");
	ticker_put(&screen.ticker, &text);
	for (size_t i = 0; i < text.used; i++)
		lines += text.buffer[i] == '\n';
	if (screen.is_terminal)
		text.used += (size_t)snprintf(text.buffer + text.used, 32, "\r\033[%uA", lines);
	put(text.buffer, text.used);
}

static void look_at_counts(const struct collector *collector)
{
	struct trace_arena arena = {0};

	if (!ticker_take(&screen.ticker, collector->processes, collector->known, &arena, now()))
		show_table();
	trace_arena_deinit(&arena);
}

/* -------------------------------------------------------------------------------------------- */

void screen_begin(const struct options *options)
{
	screen.is_live = options->live;
	screen.is_terminal = isatty(STDERR_FILENO);
	progress_allow(screen.is_terminal && !options->quiet);
	screen.ticker.started = screen.ticker.looked = now();
	screen.ticker.order = TICKER_RATE;
	for (size_t i = 0; i < options->parsed.count; i++)
		if (options->parsed.list[i].is_return)
			screen.ticker.order = TICKER_SHARE;
	if (screen.is_live && screen.is_terminal)
		take_keys();
}

void screen_look(const struct collector *collector)
{
	if (!collector->known || !collector->processes[0].known) {
		progress_work("waiting for the probes to be placed");
		return;
	}
	progress_done();
	if (!screen.is_live)
		return;
	if (now() - screen.ticker.looked >= INTERVAL)
		look_at_counts(collector);
	else if (look_at_keys() && screen.ticker.count)
		show_table();
}

void screen_end(void)
{
	if (screen.is_live && screen.is_terminal)
		put(CLEAR, strlen(CLEAR));
	if (screen.keys >= 0)
		tcsetattr(screen.keys, TCSANOW, &screen.saved);
	screen.keys = -1;
	screen.is_live = false;
}
