/* SPDX-License-Identifier: MIT */
/*
 * The program's flags are kept by not touching them: saving and restoring them costs more than all of
 * this. So there is one question, is RCX zero?, and what is asked is brought into its form. Of a
 * comparison that is the difference, by lea, and of a difference its sign: bswap brings the
 * uppermost byte to the lower end, which is extended over all of RCX.
 */
#include "fallback-xol/condition.h"

#include "fallback-xol/builder.h"
#include "x86/encode.h"
#include "x86/regs.h"

enum { RCX = 1, RSP = 4, JRCXZ_SIZE = 2, JUMPS_MAX = 4 * XOL_CONDITIONS_MAX };

/* Every comparison is one of these two, or its opposite. */
struct question {
	bool is_equal; /* else: not less than */
	bool is_opposite;
	int64_t number;
};

static struct question question_of(const struct ep_condition *condition)
{
	struct question ret = {.number = (int64_t)condition->number};

	switch (condition->compare) {
	case EP_EQUAL:
	case EP_UNEQUAL:
		ret.is_equal = true;
		ret.is_opposite = condition->compare == EP_UNEQUAL;
		break;
	case EP_LESS:
	case EP_GREATER_EQUAL:
		ret.is_opposite = condition->compare == EP_LESS;
		break;
	default: /* one more */
		ret.is_opposite = condition->compare == EP_LESS_EQUAL;
		ret.number = (int64_t)(condition->number + 1);
	}
	return ret;
}

static bool fits(const struct ep_condition *condition)
{
	struct question question = question_of(condition);
	int64_t least = condition->is_signed ? -INT32_MAX : 0;

	return condition->compare <= EP_GREATER_EQUAL &&
	       condition->number != (condition->is_signed ? (uint64_t)INT64_MAX : UINT64_MAX) &&
	       question.number >= least && question.number <= INT32_MAX;
}

bool xol_conditions_fit(const struct ep_condition *conditions, size_t count)
{
	if (count == 0 || count > XOL_CONDITIONS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!fits(&conditions[i]))
			return false;
	return true;
}

/* ---- jumps --------------------------------------------------------------------------------- */

/* Jumps to places that are not known yet. */
struct coder {
	struct xol_builder *to;
	struct {
		size_t at;
		uint8_t target;
	} jumps[JUMPS_MAX];
	unsigned int jump_count;
	const struct ep_condition *condition;
	int rsp_is;
};

static void jump_to(struct coder *coder, uint8_t target)
{
	coder->jumps[coder->jump_count].at = coder->to->size;
	coder->jumps[coder->jump_count++].target = target;
	xol_build_jmp(coder->to, xol_build_here(coder->to)); /* filled in when the place is known */
}

static void lead(struct coder *coder, uint8_t target, uint64_t address)
{
	struct xol_builder *to = coder->to;

	for (unsigned int i = 0; i < coder->jump_count && !to->error; i++)
		if (coder->jumps[i].target == target)
			x86_put_jmp(to->bytes + coder->jumps[i].at, to->rx + coder->jumps[i].at,
				    address);
}

/* RCX is zero: past what jump_to() appends next. */
static void skip_if_zero(struct coder *coder)
{
	uint8_t bytes[8];

	xol_build_bytes(coder->to, bytes, x86_put_jrcxz(bytes, X86_JMP_REL32_SIZE));
}

/* ---- RCX ----------------------------------------------------------------------------------- */

static unsigned int encoding_of(unsigned int index)
{
	unsigned int reg = 0;

	while (x86_reg_index[reg] != index)
		reg++;
	return reg;
}

static void load(struct coder *coder, unsigned int size, bool is_signed)
{
	unsigned int reg = encoding_of(coder->condition->reg);
	uint8_t bytes[16];

	if (reg == RCX) {
		xol_build_bytes(coder->to, bytes,
				x86_put_extend_top_to_rcx(bytes, size, is_signed));
		return;
	}
	if (reg == RSP) {
		xol_build_bytes(coder->to, bytes, x86_put_lea_rcx_rsp(bytes, coder->rsp_is));
		reg = RCX;
	}
	xol_build_bytes(coder->to, bytes, x86_put_extend_to_rcx(bytes, reg, size, is_signed));
}

static void subtract(struct coder *coder, int64_t number)
{
	uint8_t bytes[16];

	xol_build_bytes(coder->to, bytes, x86_put_lea_rcx_rcx(bytes, (int32_t)-number));
}

static void swap(struct coder *coder)
{
	uint8_t bytes[4];

	xol_build_bytes(coder->to, bytes, x86_put_bswap_rcx(bytes));
}

static void extend(struct coder *coder, unsigned int size, bool is_signed)
{
	uint8_t bytes[8];

	xol_build_bytes(coder->to, bytes, x86_put_extend_to_rcx(bytes, RCX, size, is_signed));
}

/* Zero where no bit above the lower 32 is set. */
static void keep_upper_half(struct coder *coder)
{
	swap(coder);
	extend(coder, 4, false);
}

/* Of a difference of less than 56 bits: its uppermost byte is all sign. */
static void keep_sign(struct coder *coder)
{
	swap(coder);
	extend(coder, 1, false);
}

/* Of any number: zero where it is not negative. */
static void keep_sign_of_any(struct coder *coder)
{
	swap(coder);
	extend(coder, 1, true);
	keep_sign(coder);
}

/* ---- comparisons --------------------------------------------------------------------------- */

/* What follows ends, if it has not jumped, with RCX zero where the answer is yes. */

static void ask_narrow(struct coder *coder, int64_t number)
{
	load(coder, coder->condition->size, coder->condition->is_signed);
	subtract(coder, number);
	keep_sign(coder);
}

/* Not less than @number, of 64 bits, known not to be negative, nor is the number. */
static void ask_wide_positive(struct coder *coder, int64_t number, uint8_t yes)
{
	load(coder, 8, false);
	keep_upper_half(coder);
	skip_if_zero(coder);
	jump_to(coder, yes);
	load(coder, 4, false);
	subtract(coder, number);
	keep_sign(coder);
}

static void ask_wide(struct coder *coder, int64_t number, uint8_t yes, uint8_t no)
{
	if (coder->condition->is_signed) {
		load(coder, 8, false);
		keep_sign_of_any(coder);
		skip_if_zero(coder);
		if (number >= 0) {
			jump_to(coder, no);
		} else {
			/* Negative, both: the difference is one of 64 bits. */
			size_t over = coder->to->size;

			xol_build_jmp(coder->to, xol_build_here(coder->to));
			jump_to(coder, yes);
			if (!coder->to->error)
				x86_put_jmp(coder->to->bytes + over, coder->to->rx + over,
					    xol_build_here(coder->to));
			load(coder, 8, false);
			subtract(coder, number);
			keep_sign_of_any(coder);
			return;
		}
	}
	ask_wide_positive(coder, number, yes);
}

/* @next: what follows. */
static void build_one(struct coder *coder, uint8_t next)
{
	uint8_t then = coder->condition->then, otherwise = coder->condition->otherwise;
	struct question question = question_of(coder->condition);
	uint8_t yes = question.is_opposite ? otherwise : then;
	uint8_t no = question.is_opposite ? then : otherwise;

	if (question.is_equal) {
		load(coder, coder->condition->size, coder->condition->is_signed);
		subtract(coder, question.number);
	} else if (coder->condition->size == 8) {
		ask_wide(coder, question.number, yes, no);
	} else {
		ask_narrow(coder, question.number);
	}
	skip_if_zero(coder);
	jump_to(coder, no);
	if (yes != next)
		jump_to(coder, yes);
}

void xol_build_conditions(struct xol_builder *to, const struct ep_condition *conditions,
			  size_t count, uint64_t leave, int rsp_is)
{
	struct coder coder = {.to = to, .rsp_is = rsp_is};

	for (size_t i = 0; i < count; i++) {
		lead(&coder, (uint8_t)i, xol_build_here(to));
		coder.condition = &conditions[i];
		build_one(&coder, i + 1 < count ? (uint8_t)(i + 1) : EP_TAKE);
	}
	lead(&coder, EP_TAKE, xol_build_here(to));
	lead(&coder, EP_LEAVE, leave);
}
