/* SPDX-License-Identifier: MIT */
/* --live: what is counted, shown each second while the program runs. */
#ifndef EMUPROBE_CLI_TICKER_H
#define EMUPROBE_CLI_TICKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/base/text.h"
#include "trace/report/summary.h"

enum ticker_order { TICKER_RATE, TICKER_TOTAL, TICKER_SHARE, TICKER_P50, TICKER_P99, TICKER_NAME };

struct ticker_row {
	const char *event, *place;
	uint64_t hits;
	double rate;	   /* of the last interval, per second */
	uint64_t time;	   /* nanoseconds that threads were in its calls; 0 of hits */
	uint64_t p50, p99; /* nanoseconds */
	bool is_timed;
};

struct ticker {
	struct ticker_row *rows, *before; /* of this look and of the one before */
	size_t count, before_count, room, before_room, found;
	enum ticker_order order;
	double started, looked; /* seconds; of no particular clock */
	double interval;
	unsigned int height, width; /* of the terminal; 0: it is none */
};

/** Take what is known now. @now: seconds, from the same beginning each time. @return 0 or -EP_NO_MEMORY. */
int ticker_take(struct ticker *ticker, const struct trace_summary_process *processes, size_t count,
		struct trace_arena *arena, double now);

/** Put it in the order that a key stands for. @return false: for none. */
bool ticker_press(struct ticker *ticker, char key);

/** A heading and a line for each that was hit, the first ones as far as the terminal has lines. */
void ticker_put(const struct ticker *ticker, struct trace_text *text);

void ticker_deinit(struct ticker *ticker);

#endif
