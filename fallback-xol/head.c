/* SPDX-License-Identifier: MIT */
/*
 * A boundary inside the five bytes of a jump prescribes a byte of its rel32, so that the jump's
 * target can only be at certain addresses: one of 256 or one range of 16 MiB or, with all four
 * prescribed, a single one. What is there is only a jump to the detour proper.
 *
 * Heads of neighbouring functions tend to be neighbours: so head chunks are up to 1 MiB large, one
 * mapping each, of which only the touched pages cost memory, and a map of their bytes says which
 * are taken. A new chunk is put around the best address in the gaps of the address space. The gaps
 * are remembered, since there may be thousands of heads to place at once, and read again when one
 * turns out to be taken.
 */
#include "fallback-xol/head.h"

#include "fallback-xol/arena.h"
#include "sys/abi.h"
#include "sys/table.h"

#define HALF	       ((uint64_t)1 << 31) /* reach of a rel32 to each side */
#define CURSORS	       16
#define TOUCHED	       32
#define SMALL_CHUNKS   8
#define PREDICTOR_NEAR 64 /* bytes of code around a probe */
#define STEP_COARSE    8  /* between heads whose lowest byte is free to choose */

/* ---- patterns ------------------------------------------------------------------------------ */

/* The smallest number >= @from that fits; above UINT32_MAX: none. */
static uint64_t next_fit(struct xol_pattern pattern, uint32_t from)
{
	uint32_t mask = pattern.mask, fit = (from & ~mask) | pattern.value, top, below, above;
	uint64_t next;

	if (fit == from)
		return fit;
	top = (uint32_t)1 << (31 - __builtin_clz(fit ^ from));
	below = top - 1;
	if (fit > from) /* larger already at the top difference: free bits below can be 0 */
		return fit & ~(below & ~mask);
	above = ~mask & ~(below | top); /* count up in the free bits above it */
	next = (uint64_t)(fit | ~above) + 1;
	return next > UINT32_MAX ? next : (uint32_t)(next & above) | pattern.value;
}

/* The smallest address in @range that fits, with room for a head; 0: none. */
static uint64_t first_fit(struct xol_pattern pattern, struct sys_window range)
{
	uint32_t from = (uint32_t)(range.lo - pattern.base);
	uint64_t fit = next_fit(pattern, from), at = range.lo + (fit - from);

	if (fit > UINT32_MAX || range.lo >= range.hi || at + XOL_HEAD_SIZE > range.hi)
		return 0;
	return at;
}

/* A rel32 is monotonic on each side of its base. */
static struct sys_window side(struct xol_pattern pattern, bool above)
{
	uint64_t base = pattern.base;

	if (above)
		return (struct sys_window){base, base + HALF};
	return (struct sys_window){base > HALF ? base - HALF : 0, base};
}

/* ---- chunks -------------------------------------------------------------------------------- */

struct chunk {
	struct chunk *next;
	struct xol_code code;
	uint64_t size, used;
	uint64_t generation;
	uint64_t *taken;	   /* a bit for each byte */
	uint32_t cursor[CURSORS];  /* by prescribed bytes: where the last one was found */
	uint64_t touched[TOUCHED]; /* pages that heads were put into, the last ones */
	unsigned int touched_count;
};

static struct chunk *chunks;
static size_t chunk_count;

/* Which bytes are prescribed, as four bits. */
static unsigned int cursor_index(struct xol_pattern pattern)
{
	unsigned int index = 0;

	for (unsigned int i = 0; i < 4; i++)
		index |= (pattern.mask >> (8 * i) & 1) << i;
	return index;
}

static bool is_taken(const struct chunk *chunk, uint64_t at)
{
	uint64_t first = at - chunk->code.rx, taken = 0;

	for (uint64_t i = first; i < first + XOL_HEAD_SIZE; i++)
		taken |= chunk->taken[i / 64] >> (i % 64) & 1;
	return taken;
}

static void touch(struct chunk *chunk, uint64_t at)
{
	uint64_t page = at & -SYS_PAGE_SIZE;

	for (unsigned int i = 0; i < TOUCHED; i++)
		if (chunk->touched[i] == page)
			return;
	chunk->touched[chunk->touched_count++ % TOUCHED] = page;
}

static void take(struct chunk *chunk, uint64_t at, struct xol_code *ret)
{
	uint64_t first = at - chunk->code.rx;

	for (uint64_t i = first; i < first + XOL_HEAD_SIZE; i++)
		chunk->taken[i / 64] |= (uint64_t)1 << (i % 64);
	chunk->used += XOL_HEAD_SIZE;
	touch(chunk, at);
	*ret = (struct xol_code){.rx = at, .rw = chunk->code.rw + first};
}

/*
 * Branch predictors look at the low bits of addresses only: a head whose low bits are those of the
 * code around the probe is taken for a branch there, and the thread that comes back to that code is
 * mispredicted each time. Only where the lowest byte may be chosen.
 */
static bool confuses_predictor(struct xol_pattern pattern, uint64_t at)
{
	return !(pattern.mask & 0xff) &&
	       ((at - pattern.base + PREDICTOR_NEAR) & 0xfff) < 2 * PREDICTOR_NEAR;
}

static uint64_t first_free(const struct chunk *chunk, struct xol_pattern pattern,
			   struct sys_window range)
{
	uint64_t step = pattern.mask & 0xff ? 1 : STEP_COARSE, at;

	while ((at = first_fit(pattern, range)) &&
	       (is_taken(chunk, at) || confuses_predictor(pattern, at)))
		range.lo = at + step;
	return at;
}

/*
 * A page that is touched costs a fault and 4 KiB, and what fits moves on with the base: from one
 * function to the next by a page's tenth, say, where there is room for hundreds of heads in a page.
 * So pages that are touched already come first, the last ones that were.
 */
static uint64_t free_in_touched(const struct chunk *chunk, struct xol_pattern pattern,
				struct sys_window range)
{
	unsigned int known = chunk->touched_count < TOUCHED ? chunk->touched_count : TOUCHED;
	uint64_t at = 0;

	for (unsigned int i = 0; i < known && !at; i++) {
		uint64_t page = chunk->touched[i];

		at = first_free(
			chunk, pattern,
			sys_intersect(range, (struct sys_window){page, page + SYS_PAGE_SIZE +
									       XOL_HEAD_SIZE - 1}));
	}
	return at;
}

/* Where only the third byte is prescribed 64 KiB fit: at their end, that later bases can reach. */
static uint64_t free_at_end(const struct chunk *chunk, struct xol_pattern pattern,
			    struct sys_window range)
{
	uint64_t first = pattern.mask & 0xffff ? 0 : first_fit(pattern, range), end;

	if (!first || !(pattern.mask & 0xff0000))
		return 0;
	end = first + 0x10000 < range.hi ? first + 0x10000 : range.hi;
	return first_free(chunk, pattern,
			  sys_intersect(range, (struct sys_window){end - SYS_PAGE_SIZE, end}));
}

static bool take_from(struct chunk *chunk, struct xol_pattern pattern, struct xol_code *ret)
{
	const struct sys_window all = {chunk->code.rx, chunk->code.rx + chunk->size};
	uint32_t *cursor = &chunk->cursor[cursor_index(pattern)];
	struct sys_window rest = {chunk->code.rx + *cursor, all.hi};

	if (chunk->used > chunk->size / 8 * 7)
		return false;
	for (int above = 0; above < 2; above++) {
		struct sys_window range = side(pattern, above);
		uint64_t at = free_in_touched(chunk, pattern, sys_intersect(range, all));

		if (!at)
			at = free_at_end(chunk, pattern, sys_intersect(range, all));
		if (!at)
			at = first_free(chunk, pattern, sys_intersect(range, rest));
		if (!at)
			at = first_free(chunk, pattern, sys_intersect(range, all));
		if (at) {
			*cursor = (uint32_t)(at - chunk->code.rx);
			take(chunk, at, ret);
			return true;
		}
	}
	return false;
}

static int chunk_create(uint64_t at, uint64_t size, bool is_lone, struct chunk **ret)
{
	struct chunk *chunk = xol_arena_alloc(sizeof(*chunk));
	uint64_t *taken = xol_arena_alloc(size / 8);
	int error;

	if (!chunk || !taken)
		return -EP_NO_MEMORY;
	error = xol_code_map(at, size, &chunk->code);
	if (error)
		return error;
	chunk->size = size;
	chunk->generation = xol_code_generation();
	chunk->taken = taken;
	chunk->next = chunks;
	chunks = chunk;
	chunk_count += !is_lone;
	*ret = chunk;
	return 0;
}

/* ---- gaps ---------------------------------------------------------------------------------- */

#define GAPS_MAX 4096

struct gap {
	struct sys_window window;
	bool growth;
};

static struct gap *gaps;
static size_t gap_count;
static uint64_t gaps_generation; /* 0: to be read */
static bool gaps_are_old;	 /* there may be more by now */

static void add_gap(struct sys_window window, bool growth, void *data)
{
	(void)data;
	window = sys_intersect(window, SYS_ANYWHERE);
	if (window.lo < window.hi && gap_count < GAPS_MAX)
		gaps[gap_count++] = (struct gap){window, growth};
}

static int read_gaps(void)
{
	if (!gaps)
		gaps = xol_arena_alloc(GAPS_MAX * sizeof(gaps[0]));
	if (!gaps)
		return -EP_NO_MEMORY;
	gap_count = 0;
	gaps_generation = xol_code_generation();
	gaps_are_old = false;
	return sys_maps_each_gap(add_gap, NULL);
}

/* What has just been mapped there; what others map is noticed when it is in the way. */
static void take_from_gaps(struct sys_window taken)
{
	size_t count = gap_count;

	for (size_t i = 0; i < count; i++) {
		struct sys_window gap = gaps[i].window;

		if (taken.lo >= gap.hi || taken.hi <= gap.lo)
			continue;
		gaps[i].window.hi = taken.lo > gap.lo ? taken.lo : gap.lo;
		if (taken.hi < gap.hi)
			add_gap((struct sys_window){taken.hi, gap.hi}, gaps[i].growth, NULL);
	}
	gaps_are_old = true;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* A fit near the end of the gap that is nearer to the base. */
static uint64_t fit_in_gap(struct xol_pattern pattern, struct sys_window gap, bool above)
{
	const uint64_t near_end = (uint64_t)1 << 20;
	struct sys_window range = sys_intersect(side(pattern, above), gap), near = range;
	uint64_t at = 0;

	if (range.lo >= range.hi)
		return 0;
	if (!above && range.hi - range.lo > near_end) {
		near.lo = range.hi - near_end;
		at = first_fit(pattern, near);
	}
	return at ? at : first_fit(pattern, range);
}

static const struct gap *best_gap(struct xol_pattern pattern, bool growth, uint64_t *ret)
{
	const struct gap *best = NULL;

	for (size_t i = 0; i < gap_count; i++) {
		if (gaps[i].growth != growth)
			continue;
		for (int above = 0; above < 2; above++) {
			uint64_t at = fit_in_gap(pattern, gaps[i].window, above);

			if (!at ||
			    (best && distance(at, pattern.base) >= distance(*ret, pattern.base)))
				continue;
			best = &gaps[i];
			*ret = at;
		}
	}
	return best;
}

/*
 * As large as possible, around @at, inside @gap; the first few small, since they may be all. A page,
 * for a head that will be the only one there.
 */
static int chunk_create_around(uint64_t at, struct sys_window gap, bool is_lone, struct chunk **ret)
{
	static const uint64_t sizes[] = {(uint64_t)1 << 20, (uint64_t)64 << 10, SYS_PAGE_SIZE};
	size_t first = is_lone ? 2 : chunk_count < SMALL_CHUNKS;
	int error = -EP_OUT_OF_REACH;

	for (size_t i = first; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t lo = at & ~(sizes[i] - 1), hi = lo + sizes[i];
		struct sys_window chunk;

		if (at + XOL_HEAD_SIZE > hi)
			hi += SYS_PAGE_SIZE;
		chunk = sys_intersect(gap, (struct sys_window){lo, hi});
		if (at + XOL_HEAD_SIZE > chunk.hi)
			continue;
		error = chunk_create(chunk.lo, chunk.hi - chunk.lo, is_lone, ret);
		if (!error)
			return 0;
	}
	return error;
}

/* ---- allocation ---------------------------------------------------------------------------- */

static int alloc_in_new_chunk(struct xol_pattern pattern, bool growth, struct xol_code *ret)
{
	struct chunk *chunk = NULL;
	uint64_t at = 0;
	const struct gap *gap = best_gap(pattern, growth, &at);
	int error;

	if (!gap && gaps_are_old)
		gaps_generation = 0;
	if (!gap)
		return -EP_OUT_OF_REACH;
	error = chunk_create_around(at, gap->window, pattern.is_lone, &chunk);
	if (error) {
		gaps_generation = 0; /* they are not what they were */
		return error;
	}
	take_from_gaps((struct sys_window){chunk->code.rx, chunk->code.rx + chunk->size});
	take_from_gaps((struct sys_window){(uint64_t)chunk->code.rw,
					   (uint64_t)chunk->code.rw + chunk->size});
	if (!take_from(chunk, pattern, ret))
		take(chunk, at, ret);
	return 0;
}

int xol_head_alloc(struct xol_pattern pattern, bool growth, struct xol_code *ret)
{
	uint64_t generation = xol_code_generation();
	int error = -EP_OUT_OF_REACH;

	for (struct chunk *chunk = chunks; chunk; chunk = chunk->next)
		if (chunk->generation == generation && take_from(chunk, pattern, ret))
			return 0;
	for (int tries = 0; tries < 3; tries++) {
		bool fresh = gaps_generation != generation;

		if (fresh && read_gaps())
			return -EP_NO_MEMORY;
		error = alloc_in_new_chunk(pattern, growth, ret);
		if (error != -EP_OUT_OF_REACH || (fresh && gaps_generation))
			break;
	}
	return error;
}

/* ---- from a head to its address ------------------------------------------------------------ */

static struct sys_table heads = {.alloc = xol_arena_alloc};

EP_TRAP_PATH uint64_t xol_head_find(uint64_t rip)
{
	return sys_table_find(&heads, rip);
}

int xol_head_publish(uint64_t head, uint64_t address)
{
	return sys_table_put(&heads, head, address);
}
