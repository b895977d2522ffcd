/* SPDX-License-Identifier: MIT */
/*
 * The public API: enabling and disabling. A detour that only counts does not ask whether its probe
 * is enabled, so the counter goes on while it is not. What was a hit is known by one number, .base:
 *
 *	enabled		hits = counter - base
 *	disabled	hits = base
 *
 * To change from one to the other is the same subtraction, base = counter - base. But any thread,
 * and any signal handler, may do that at any moment, and be held up behind reading the counter: what is
 * counted until it goes on would be lost. So a change has two steps: the first one says that it has
 * begun, the second one brings the new base. Whoever finds that one has begun does the second step
 * himself, with the counter as it is then, and goes on with his own. Nobody waits for anybody.
 *
 * A probe with a handler is only counted when that is called. Its base is what its counter had when
 * it got it, and stays.
 */
#include "probe/api/enable.h"

#include "probe/api/handles.h"
#include "probe/thread/counters.h"

#define LOOKS 16

void enable_init(struct ep_probe *probe, bool enabled)
{
	struct probe_state_value old, new;
	bool has_base = enabled || probe_is_called(probe);

	do {
		old = probe_state_read(&probe->state);
		new.word = probe_state_next(old.word, PROBE_LIVE | (enabled ? PROBE_ENABLED : 0));
		new.base = has_base ? counters_sum(probe->counter) : 0;
	} while (!probe_state_replace(&probe->state, old, new));
}

EP_TRAP_PATH static bool replace(struct ep_probe *probe, struct probe_state_value old,
				 uint64_t flags, uint64_t base)
{
	struct probe_state_value new = {probe_state_next(old.word, flags), base};

	return probe_state_replace(&probe->state, old, new);
}

/* The second step. If it fails another one has done it. */
EP_TRAP_PATH static void finish(struct ep_probe *probe, struct probe_state_value begun)
{
	uint64_t flags = begun.word & (PROBE_ENABLED | PROBE_LIVE);

	replace(probe, begun, flags, counters_sum(probe->counter) - begun.base);
}

/* False: it has changed, look again. */
EP_TRAP_PATH static bool try_to_set(struct ep_probe *probe, struct probe_state_value old,
				    uint64_t enabled)
{
	uint64_t flags = PROBE_LIVE | enabled;

	if (probe_is_called(probe))
		return replace(probe, old, flags, old.base);
	if (!replace(probe, old, flags | PROBE_CHANGING, old.base))
		return false;
	finish(probe, (struct probe_state_value){probe_state_next(old.word, flags | PROBE_CHANGING),
						 old.base});
	return true;
}

EP_TRAP_PATH static void set(const struct ep_probe *handle, uint64_t enabled)
{
	struct ep_probe *probe = handles_find(handle);

	while (probe) {
		struct probe_state_value state = probe_state_read(&probe->state);

		if (!handles_is_of(handle, state.word) || state.word & PROBE_NEVER)
			return;
		if (state.word & PROBE_CHANGING)
			finish(probe, state);
		else if ((state.word & PROBE_ENABLED) == enabled ||
			 try_to_set(probe, state, enabled))
			return;
	}
}

EP_TRAP_PATH void ep_probe_enable(struct ep_probe *probe)
{
	set(probe, PROBE_ENABLED);
}

EP_TRAP_PATH void ep_probe_disable(struct ep_probe *probe)
{
	set(probe, 0);
}

/* A change while we read the counter makes us look again: not for ever, if somebody does little else. */
uint64_t enable_counted(struct ep_probe *probe)
{
	struct probe_state_value state;
	uint64_t sum;

	for (int looks = 0; looks < LOOKS; looks++) {
		state = probe_state_read(&probe->state);
		sum = counters_sum(probe->counter);
		if (atomic_load(&probe->state.word) == state.word)
			break;
	}
	/* Where a change has begun, the base is still that of before. */
	if (!probe_is_called(probe) &&
	    !(state.word & PROBE_ENABLED) == !(state.word & PROBE_CHANGING))
		return state.base;
	return sum - state.base;
}
