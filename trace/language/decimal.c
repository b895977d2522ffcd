/* SPDX-License-Identifier: MIT */
/* The quotient with more bits than are wanted, and whether anything is left: that is all rounding needs. */
#include "trace/language/decimal.h"

struct quotient {
	unsigned __int128 value; /* its highest bit is bit 127 or lower */
	int exponent;		 /* of its lowest bit */
	int is_more;		 /* something is left behind it */
};

static struct quotient divide(uint64_t digits, unsigned int decimals)
{
	unsigned __int128 dividend = (unsigned __int128)digits << 64;
	uint64_t divisor = 1;
	struct quotient ret;
	int shift = 0;

	while (decimals--)
		divisor *= 10;
	while (!(dividend >> 127)) {
		dividend <<= 1;
		shift++;
	}
	ret.value = dividend / divisor;
	ret.is_more = dividend % divisor != 0;
	ret.exponent = -64 - shift;
	return ret;
}

static unsigned int length_of(unsigned __int128 value)
{
	unsigned int ret = 0;

	for (; value; value >>= 1)
		ret++;
	return ret;
}

/* To the nearest, and to the even one of two that are as near; the exponent is never out of range. */
static uint64_t round_to(struct quotient from, unsigned int bits, int bias)
{
	unsigned int dropped = length_of(from.value) - bits;
	unsigned __int128 half = (unsigned __int128)1 << (dropped - 1);
	unsigned __int128 rest = from.value & ((half << 1) - 1);
	uint64_t mantissa = (uint64_t)(from.value >> dropped);

	if (rest > half || (rest == half && (from.is_more || (mantissa & 1))))
		mantissa++;
	/* The leading bit adds one to the exponent; so does a carry out of all of them. */
	return mantissa +
	       ((uint64_t)(from.exponent + (int)dropped + (int)bits - 2 + bias) << (bits - 1));
}

uint64_t trace_decimal_f64(uint64_t digits, unsigned int decimals)
{
	return digits ? round_to(divide(digits, decimals), 53, 1023) : 0;
}

uint32_t trace_decimal_f32(uint64_t digits, unsigned int decimals)
{
	return digits ? (uint32_t)round_to(divide(digits, decimals), 24, 127) : 0;
}
