/* SPDX-License-Identifier: MIT */
/*
 * Each is a whole number times a power of two. With a negative power it is a whole number times a power of
 * five, with the point that many digits from its end. So the digits of one whole number, all of them, are
 * what is to be rounded. It has 767 digits at most.
 */
#include "trace/base/float.h"

#define LIMB	   1000000000u
#define LIMB_MAX   90
#define DIGITS_MAX (9 * LIMB_MAX)
#define FIVES	   244140625u /* 5^12 */

struct number {
	uint32_t limbs[LIMB_MAX]; /* the lowest comes first */
	uint32_t count;
};

struct parts {
	uint64_t mantissa;
	int exponent; /* of 2 */
	bool is_negative, is_special;
};

EP_TRAP_PATH static struct parts take_apart(uint64_t bits, bool is_short)
{
	unsigned int width = is_short ? 23 : 52, highest = is_short ? 0xff : 0x7ff;
	unsigned int exponent = bits >> width & highest;
	struct parts ret = {.mantissa = bits & ((1ull << width) - 1)};

	ret.is_negative = bits >> (is_short ? 31 : 63) & 1;
	ret.is_special = exponent == highest;
	if (exponent)
		ret.mantissa |= 1ull << width;
	ret.exponent = (int)(exponent ? exponent : 1) - (int)(highest / 2) - (int)width;
	return ret;
}

EP_TRAP_PATH static void multiply(struct number *number, uint32_t factor)
{
	uint64_t carry = 0;

	for (uint32_t i = 0; i < number->count; i++) {
		uint64_t product = (uint64_t)number->limbs[i] * factor + carry;

		number->limbs[i] = (uint32_t)(product % LIMB);
		carry = product / LIMB;
	}
	if (carry && number->count < LIMB_MAX)
		number->limbs[number->count++] = (uint32_t)carry;
}

EP_TRAP_PATH static void set(struct number *number, uint64_t value)
{
	number->count = 0;
	for (; value; value /= LIMB)
		number->limbs[number->count++] = (uint32_t)(value % LIMB);
}

EP_TRAP_PATH static void scale(struct number *number, int exponent)
{
	for (; exponent >= 16; exponent -= 16)
		multiply(number, 1u << 16);
	for (; exponent > 0; exponent--)
		multiply(number, 2);
	for (; exponent <= -12; exponent += 12)
		multiply(number, FIVES);
	for (; exponent < 0; exponent++)
		multiply(number, 5);
}

/* The highest digit comes first, and is none of zero. */
EP_TRAP_PATH static uint32_t list_digits(const struct number *number, uint8_t *ret)
{
	uint32_t count = 0;

	for (uint32_t i = number->count; i--;) {
		uint32_t limb = number->limbs[i];

		for (uint32_t unit = LIMB / 10; unit; unit /= 10) {
			ret[count] = (uint8_t)(limb / unit % 10);
			count += count || ret[0];
		}
	}
	return count;
}

/* To @wanted digits, the nearest, or the even one; true: that made one more in front of them. */
EP_TRAP_PATH static bool round_digits(uint8_t *digits, uint32_t count, uint32_t wanted)
{
	bool is_more = false, up;

	for (uint32_t i = wanted + 1; i < count; i++)
		is_more |= digits[i] != 0;
	up = wanted < count &&
	     (digits[wanted] > 5 || (digits[wanted] == 5 && (is_more || digits[wanted - 1] % 2)));
	for (uint32_t i = wanted; up && i--;) {
		up = digits[i] == 9;
		digits[i] = up ? 0 : digits[i] + 1;
	}
	if (up)
		digits[0] = 1;
	return up;
}

EP_TRAP_PATH static void put_digits(struct trace_text *text, const uint8_t *digits, uint32_t from,
				    uint32_t to)
{
	while (from < to)
		trace_text_char(text, (char)('0' + digits[from++]));
}

/* d.ddde-05 */
EP_TRAP_PATH static void put_scientific(struct trace_text *text, const uint8_t *digits,
					uint32_t count, int exponent)
{
	put_digits(text, digits, 0, 1);
	if (count > 1)
		trace_text_char(text, '.');
	put_digits(text, digits, 1, count);
	trace_text_string(text, exponent < 0 ? "e-" : "e+");
	trace_text_unsigned(text, (uint64_t)(exponent < 0 ? -exponent : exponent), 2, '0');
}

EP_TRAP_PATH static void put_fixed(struct trace_text *text, const uint8_t *digits, uint32_t count,
				   int exponent)
{
	uint32_t whole = exponent < 0 ? 0 : (uint32_t)exponent + 1;

	if (!whole)
		trace_text_string(text, "0.");
	for (int i = -1; i > exponent; i--)
		trace_text_char(text, '0');
	put_digits(text, digits, 0, whole < count ? whole : count);
	for (uint32_t i = count; i < whole; i++)
		trace_text_char(text, '0');
	if (whole && whole < count)
		trace_text_char(text, '.');
	put_digits(text, digits, whole < count ? whole : count, count);
}

EP_TRAP_PATH static void put_finite(struct trace_text *text, const struct parts *parts,
				    uint32_t wanted)
{
	struct number number;
	uint8_t digits[DIGITS_MAX + 1];
	uint32_t count;
	int exponent;

	set(&number, parts->mantissa);
	scale(&number, parts->exponent);
	count = list_digits(&number, digits);
	exponent = (int)count - 1 + (parts->exponent < 0 ? parts->exponent : 0);
	exponent += round_digits(digits, count, wanted);
	if (count > wanted)
		count = wanted;
	while (count > 1 && !digits[count - 1])
		count--;
	if (exponent < -4 || exponent >= (int)wanted)
		put_scientific(text, digits, count, exponent);
	else
		put_fixed(text, digits, count, exponent);
}

EP_TRAP_PATH bool trace_float_is_special(uint64_t bits, bool is_short)
{
	return take_apart(bits, is_short).is_special;
}

EP_TRAP_PATH __attribute__((noinline)) void trace_float_text(struct trace_text *text, uint64_t bits,
							     bool is_short)
{
	struct parts parts = take_apart(bits, is_short);
	bool is_nan = parts.is_special && (bits << (is_short ? 41 : 12));

	if (parts.is_negative && !is_nan)
		trace_text_char(text, '-');
	if (parts.is_special)
		trace_text_string(text, is_nan ? "nan" : "inf");
	else if (!parts.mantissa)
		trace_text_char(text, '0');
	else
		put_finite(text, &parts, is_short ? 7 : 15);
}
