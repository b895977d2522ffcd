/* SPDX-License-Identifier: MIT */
/*
 *	or      := and {"||" and}
 *	and     := not {"&&" not}
 *	not     := "!" not | "(" or ")" | test
 *	test    := operand [COMPARE operand]
 *	operand := NAME | FETCH [":" TYPE] | NUMBER [UNIT] | "TEXT" | 'C'
 *
 * becomes a tree, and that becomes jumps: each test either jumps or falls through, as whoever stands above
 * it in the tree needs it. A comparison with a value that is not to be had is false, whatever is compared.
 */
#include "trace/language/filter.h"

#include <string.h>

#include "trace/language/decimal.h"
#include "trace/language/fetch.h"
#include "trace/language/types.h"

#define NODES_MAX    256
#define NESTED_MAX   64
#define DECIMALS_MAX 18
#define NO_STEP	     UINT32_MAX

enum node_kind { NODE_TEST, NODE_NOT, NODE_AND, NODE_OR };

struct node {
	enum node_kind kind;
	struct node *left, *right;
	struct trace_step test;
};

enum operand_kind { OPERAND_VALUE, OPERAND_NUMBER, OPERAND_TEXT };

struct operand {
	enum operand_kind kind;
	const char *at;
	struct trace_type type; /* of a value */
	uint8_t chain;		/* likewise */
	bool is_negative;	/* of a number: digits * unit / 10^decimals */
	uint64_t digits, unit;	/* likewise */
	unsigned int decimals;	/* likewise */
	const char *text;	/* of a text */
	size_t text_size;	/* likewise */
};

struct filter {
	struct trace_builder *builder;
	struct trace_scanner *scanner;
	const struct trace_named *named;
	const char *at, *end;
	unsigned int nodes, nested;
	struct trace_step *steps;
	uint32_t step_count;
};

/* ---- words ----------------------------------------------------------------------------------- */

static void skip_blanks(struct filter *filter)
{
	while (filter->at < filter->end && strchr(" \t\r,", *filter->at))
		filter->at++;
}

static bool take(struct filter *filter, const char *word)
{
	size_t size = strlen(word);

	skip_blanks(filter);
	if ((size_t)(filter->end - filter->at) < size || memcmp(filter->at, word, size) != 0)
		return false;
	filter->at += size;
	return true;
}

static char next(struct filter *filter)
{
	skip_blanks(filter);
	return filter->at < filter->end ? *filter->at : '\0';
}

/* "==" before "=", "<=" before "<" */
static const struct comparison {
	const char *text;
	uint8_t compare;
	bool is_glob;
} comparisons[] = {
	{"==", TRACE_EQUAL, false},	 {"!=", TRACE_UNEQUAL, false},
	{"=~", TRACE_EQUAL, true},	 {"!~", TRACE_UNEQUAL, true},
	{"<=", TRACE_LESS_EQUAL, false}, {">=", TRACE_GREATER_EQUAL, false},
	{"<", TRACE_LESS, false},	 {">", TRACE_GREATER, false},
	{"~", TRACE_EQUAL, true},
};

static const struct comparison *take_comparison(struct filter *filter)
{
	static const struct comparison bits = {"&", TRACE_HAS_BITS, false};

	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
		if (take(filter, comparisons[i].text))
			return &comparisons[i];
	if (next(filter) == '&' && !(filter->end - filter->at > 1 && filter->at[1] == '&')) {
		filter->at++;
		return &bits;
	}
	return NULL;
}

/* ---- operands -------------------------------------------------------------------------------- */

/* Up to a blank, a comparison, or the parenthesis that closes what is around it. */
static struct trace_span take_fetch(struct filter *filter)
{
	const char *start = filter->at;
	unsigned int open = 0;
	bool in_quote = false;

	for (; filter->at < filter->end; filter->at++) {
		char c = *filter->at;

		if (c == '"')
			in_quote = !in_quote;
		if (in_quote)
			continue;
		if (strchr(" \t\r,=!<>&|~", c) || (c == ')' && !open))
			break;
		open += c == '(';
		open -= c == ')';
	}
	return (struct trace_span){start, (size_t)(filter->at - start)};
}

static int use_value(struct filter *filter, struct trace_span fetch, struct operand *ret)
{
	struct trace_arg arg = {0};
	struct trace_chain *chain;
	int error = trace_fetch_parse(filter->builder, fetch, true, &arg);

	if (error)
		return error;
	chain = &filter->builder->chains[arg.value];
	chain->is_hidden = true;
	chain->is_of_filter = true;
	ret->type = arg.type;
	ret->chain = arg.value;
	return 0;
}

static int take_name(struct filter *filter, struct operand *ret)
{
	const struct trace_definition *definition = filter->builder->definition;
	struct trace_span name = {filter->at, 0};

	while (filter->at < filter->end && trace_is_name_byte(*filter->at, filter->at == name.at))
		filter->at++;
	name.size = (size_t)(filter->at - name.at);
	for (uint32_t i = 0; i < definition->arg_count; i++) {
		const struct trace_named *named = &filter->named[i];

		if (!trace_span_is(name, definition->args[i].name))
			continue;
		if (!named->is_at_hit)
			return use_value(filter, named->fetch, ret);
		filter->builder->chains[named->chain].is_of_filter = true;
		ret->type = definition->args[i].type;
		ret->chain = named->chain;
		return 0;
	}
	return trace_syntax(filter->scanner, name.at, "no argument is called %.*s",
			    name.size > 40 ? 40 : (int)name.size, name.at);
}

static bool take_unit(struct filter *filter, uint64_t *ret)
{
	static const struct {
		char name[3];
		uint64_t factor;
	} units[] = {
		{"", 1},	  {"ns", 1},	     {"us", 1000},
		{"ms", 1000000},  {"s", 1000000000}, {"k", 1ul << 10},
		{"K", 1ul << 10}, {"M", 1ul << 20},  {"G", 1ul << 30},
	};
	struct trace_span unit = {filter->at, 0};

	while (filter->at < filter->end &&
	       (trace_is_name_byte(*filter->at, false) || *filter->at == '.'))
		filter->at++;
	unit.size = (size_t)(filter->at - unit.at);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (trace_span_is(unit, units[i].name)) {
			*ret = units[i].factor;
			return true;
		}
	return false;
}

/* 0x10, 010 */
static bool take_based(struct filter *filter, struct operand *ret)
{
	struct trace_span digits = {filter->at, 0};

	while (filter->at < filter->end && trace_is_name_byte(*filter->at, false))
		filter->at++;
	digits.size = (size_t)(filter->at - digits.at);
	return trace_span_number(digits, &ret->digits);
}

static bool take_digits(struct filter *filter, struct operand *ret)
{
	bool is_behind_point = false;

	for (; filter->at < filter->end; filter->at++) {
		char c = *filter->at;

		if (c == '.' && !is_behind_point) {
			is_behind_point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		if (__builtin_mul_overflow(ret->digits, 10, &ret->digits) ||
		    __builtin_add_overflow(ret->digits, (uint64_t)(c - '0'), &ret->digits))
			return false;
		ret->decimals += is_behind_point;
	}
	return ret->decimals <= DECIMALS_MAX;
}

static int take_number(struct filter *filter, struct operand *ret)
{
	bool is_based, is_right;

	ret->kind = OPERAND_NUMBER;
	ret->unit = 1;
	if (*filter->at == '-' || *filter->at == '+')
		ret->is_negative = *filter->at++ == '-';
	is_based = filter->end - filter->at > 1 && *filter->at == '0' && filter->at[1] != '.' &&
		   trace_is_name_byte(filter->at[1], false);
	is_right = is_based ? take_based(filter, ret)
			    : take_digits(filter, ret) && take_unit(filter, &ret->unit);
	if (!is_right)
		return trace_syntax(
			filter->scanner, ret->at,
			"not a number: 10, -1, 0x1f, 2.5, with ns, us, ms, s, k, M or G");
	return 0;
}

static int take_text(struct filter *filter, struct operand *ret)
{
	char *copy;

	ret->kind = OPERAND_TEXT;
	copy = trace_arena_alloc(filter->builder->arena, (size_t)(filter->end - filter->at) + 1);
	if (!copy)
		return -EP_NO_MEMORY;
	for (filter->at++; filter->at < filter->end && *filter->at != '"'; filter->at++) {
		if (*filter->at == '\\' && filter->end - filter->at > 1 &&
		    (filter->at[1] == '"' || filter->at[1] == '\\'))
			filter->at++;
		copy[ret->text_size++] = *filter->at;
	}
	if (filter->at == filter->end)
		return trace_syntax(filter->scanner, ret->at, TRACE_QUOTE_OPEN);
	filter->at++;
	ret->text = copy;
	return 0;
}

static int take_character(struct filter *filter, struct operand *ret)
{
	if (filter->end - filter->at < 3 || filter->at[2] != '\'')
		return trace_syntax(filter->scanner, ret->at,
				    "one character stands in single quotes");
	ret->kind = OPERAND_NUMBER;
	ret->unit = 1;
	ret->digits = (unsigned char)filter->at[1];
	filter->at += 3;
	return 0;
}

/* "-8(%di)" is fetched, "-8" is a number. */
static bool is_number(const struct filter *filter)
{
	const char *at = filter->at;

	if (at < filter->end && (*at == '-' || *at == '+'))
		at++;
	if (at == filter->end || *at < '0' || *at > '9')
		return false;
	while (at < filter->end && trace_is_name_byte(*at, false))
		at++;
	return at == filter->end || *at != '(';
}

static int take_operand(struct filter *filter, struct operand *ret)
{
	char c = next(filter);

	*ret = (struct operand){.kind = OPERAND_VALUE, .at = filter->at};
	if (is_number(filter))
		return take_number(filter, ret);
	if (c == '"')
		return take_text(filter, ret);
	if (c == '\'')
		return take_character(filter, ret);
	if (trace_fetch_begins(c))
		return use_value(filter, take_fetch(filter), ret);
	if (trace_is_name_byte(c, true))
		return take_name(filter, ret);
	return trace_syntax(
		filter->scanner, filter->at,
		c ? "an argument, something to fetch, a number or a text is expected here"
		  : "the condition ends here, where something is expected");
}

/* ---- tests ----------------------------------------------------------------------------------- */

static bool is_number_type(const struct trace_type *type)
{
	return !trace_type_is_bulk(type);
}

static uint8_t numbers_of(const struct trace_type *type)
{
	if (type->kind == TRACE_FLOAT)
		return type->size == 4 ? TRACE_NUMBER_F32 : TRACE_NUMBER_F64;
	return type->kind == TRACE_SIGNED ? TRACE_NUMBER_SIGNED : TRACE_NUMBER_UNSIGNED;
}

static int float_of(struct filter *filter, const struct operand *number, bool is_short,
		    uint64_t *ret)
{
	uint64_t digits;

	if (__builtin_mul_overflow(number->digits, number->unit, &digits))
		return trace_syntax(filter->scanner, number->at, "the number is too large");
	if (is_short)
		*ret = trace_decimal_f32(digits, number->decimals) | (uint64_t)number->is_negative
									     << 31;
	else
		*ret = trace_decimal_f64(digits, number->decimals) | (uint64_t)number->is_negative
									     << 63;
	return 0;
}

static int whole_of(struct filter *filter, const struct operand *number, bool is_signed,
		    uint64_t *ret)
{
	uint64_t value, divisor = 1;

	for (unsigned int i = 0; i < number->decimals; i++)
		divisor *= 10;
	if (__builtin_mul_overflow(number->digits, number->unit, &value))
		return trace_syntax(filter->scanner, number->at, "the number is too large");
	if (value % divisor)
		return trace_syntax(filter->scanner, number->at,
				    "compared with whole numbers, and is none");
	value /= divisor;
	if (number->is_negative && value && !is_signed)
		return trace_syntax(filter->scanner, number->at,
				    "what it is compared with is unsigned: never negative");
	if (is_signed && value > (uint64_t)INT64_MAX + number->is_negative)
		return trace_syntax(filter->scanner, number->at, "the number is too large");
	*ret = number->is_negative ? -value : value;
	return 0;
}

static int compare_number(struct filter *filter, const struct operand *value,
			  const struct operand *number, struct trace_step *test)
{
	test->code = TRACE_STEP_IF;
	test->to = value->chain;
	test->numbers = numbers_of(&value->type);
	if (!is_number_type(&value->type))
		return trace_syntax(filter->scanner, value->at, "this is no number");
	if (value->type.kind != TRACE_FLOAT)
		return whole_of(filter, number, test->numbers == TRACE_NUMBER_SIGNED,
				&test->number);
	if (test->compare == TRACE_HAS_BITS)
		return trace_syntax(filter->scanner, value->at,
				    "bits of floating-point numbers mean nothing");
	return float_of(filter, number, value->type.size == 4, &test->number);
}

static int compare_text(struct filter *filter, const struct operand *value,
			const struct operand *text, struct trace_step *test)
{
	test->code = TRACE_STEP_IF_TEXT;
	test->to = value->chain;
	test->number = (uint64_t)text->text;
	if (value->type.kind == TRACE_CHAR && text->text_size == 1 && !test->is_glob) {
		test->code = TRACE_STEP_IF;
		test->number = (unsigned char)text->text[0];
		return 0;
	}
	if (value->type.kind != TRACE_STRING || value->type.elements)
		return trace_syntax(filter->scanner, value->at,
				    "only what is of type string is compared with a text");
	if (test->compare != TRACE_EQUAL && test->compare != TRACE_UNEQUAL)
		return trace_syntax(filter->scanner, text->at,
				    "texts are compared with ==, !=, ~ and !~");
	return 0;
}

static int compare_values(struct filter *filter, const struct operand *left,
			  const struct operand *right, struct trace_step *test)
{
	uint8_t numbers = numbers_of(&left->type), other = numbers_of(&right->type);
	/* What is narrower than 64 bits is a positive number there. */
	bool fits = (numbers == TRACE_NUMBER_UNSIGNED && left->type.size < 8) ||
		    (other == TRACE_NUMBER_UNSIGNED && right->type.size < 8);

	if (!is_number_type(&left->type) || !is_number_type(&right->type))
		return trace_syntax(filter->scanner, right->at,
				    "values are compared where both are numbers");
	if (numbers != other && fits && numbers < TRACE_NUMBER_F32 && other < TRACE_NUMBER_F32)
		numbers = other = TRACE_NUMBER_SIGNED;
	if (numbers != other)
		return trace_syntax(
			filter->scanner, right->at,
			"of another kind than what it is compared with: give both a type");
	if (test->compare == TRACE_HAS_BITS && numbers >= TRACE_NUMBER_F32)
		return trace_syntax(filter->scanner, left->at,
				    "bits of floating-point numbers mean nothing");
	test->code = TRACE_STEP_IF_VALUE;
	test->to = left->chain;
	test->from = right->chain;
	test->numbers = numbers;
	return 0;
}

static uint8_t mirrored(uint8_t compare)
{
	switch (compare) {
	case TRACE_LESS:
		return TRACE_GREATER;
	case TRACE_LESS_EQUAL:
		return TRACE_GREATER_EQUAL;
	case TRACE_GREATER:
		return TRACE_LESS;
	case TRACE_GREATER_EQUAL:
		return TRACE_LESS_EQUAL;
	default:
		return compare;
	}
}

static int make_test(struct filter *filter, const struct operand *left,
		     const struct comparison *comparison, const struct operand *right,
		     struct trace_step *ret)
{
	const struct operand *swapped = left;

	*ret = (struct trace_step){.compare = comparison->compare, .is_glob = comparison->is_glob};
	if (left->kind != OPERAND_VALUE && right->kind != OPERAND_VALUE)
		return trace_syntax(filter->scanner, left->at, "two constants are compared");
	if (left->kind != OPERAND_VALUE) {
		left = right;
		right = swapped;
		ret->compare = mirrored(ret->compare);
	}
	if (comparison->is_glob && right->kind != OPERAND_TEXT)
		return trace_syntax(filter->scanner, right->at, "a pattern in quotes is expected");
	if (right->kind == OPERAND_NUMBER)
		return compare_number(filter, left, right, ret);
	if (right->kind == OPERAND_TEXT)
		return compare_text(filter, left, right, ret);
	return compare_values(filter, left, right, ret);
}

static int parse_test(struct filter *filter, struct trace_step *ret)
{
	static const struct comparison is_not = {"!=", TRACE_UNEQUAL, false};
	struct operand left, right = {.kind = OPERAND_NUMBER, .unit = 1};
	const struct comparison *comparison;
	int error = take_operand(filter, &left);

	if (error)
		return error;
	comparison = take_comparison(filter);
	if (comparison)
		error = take_operand(filter, &right);
	else
		right.at = left.at;
	return error ? error
		     : make_test(filter, &left, comparison ? comparison : &is_not, &right, ret);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static int make_node(struct filter *filter, enum node_kind kind, struct node *left,
		     struct node **ret)
{
	if (++filter->nodes > NODES_MAX)
		return trace_syntax(filter->scanner, filter->at, "the condition is too long");
	*ret = trace_arena_alloc(filter->builder->arena, sizeof(**ret));
	if (!*ret)
		return -EP_NO_MEMORY;
	(*ret)->kind = kind;
	(*ret)->left = left;
	return 0;
}

static int parse_or(struct filter *filter, struct node **ret);

static int parse_parentheses(struct filter *filter, struct node **ret)
{
	const char *open = filter->at - 1;
	int error = parse_or(filter, ret);

	if (!error && !take(filter, ")"))
		error = trace_syntax(filter->scanner, filter->at < filter->end ? filter->at : open,
				     filter->at < filter->end ? "')', '&&' or '||' is expected here"
							      : "no ')' for this one");
	return error;
}

static int parse_not(struct filter *filter, struct node **ret)
{
	int error;

	if (filter->nested++ > NESTED_MAX)
		return trace_syntax(filter->scanner, filter->at, "too much in parentheses");
	if (take(filter, "(")) {
		error = parse_parentheses(filter, ret);
	} else if (take(filter, "!")) {
		struct node *inner;

		error = parse_not(filter, &inner);
		if (!error)
			error = make_node(filter, NODE_NOT, inner, ret);
	} else {
		error = make_node(filter, NODE_TEST, NULL, ret);
		if (!error)
			error = parse_test(filter, &(*ret)->test);
	}
	filter->nested--;
	return error;
}

static int parse_and(struct filter *filter, struct node **ret)
{
	int error = parse_not(filter, ret);

	while (!error && take(filter, "&&")) {
		error = make_node(filter, NODE_AND, *ret, ret);
		if (!error)
			error = parse_not(filter, &(*ret)->right);
	}
	return error;
}

static int parse_or(struct filter *filter, struct node **ret)
{
	int error = parse_and(filter, ret);

	while (!error && take(filter, "||")) {
		error = make_node(filter, NODE_OR, *ret, ret);
		if (!error)
			error = parse_and(filter, &(*ret)->right);
	}
	return error;
}

/* ---- jumps ----------------------------------------------------------------------------------- */

/* Steps that jump to a place that is not known yet, each leading to the one before it. */
struct label {
	uint32_t last;
};

static void jump_to(struct filter *filter, struct label *label, struct trace_step step)
{
	step.skip = label->last;
	label->last = filter->step_count;
	filter->steps[filter->step_count++] = step;
}

static void place(struct filter *filter, struct label *label)
{
	for (uint32_t at = label->last; at != NO_STEP;) {
		uint32_t before = filter->steps[at].skip;

		filter->steps[at].skip = filter->step_count - 1 - at;
		at = before;
	}
}

/* Jump to @label if @node is @wanted; else go on behind. Neither is deeper than NODES_MAX. */
static void generate(struct filter *filter, const struct node *node, bool wanted,
		     struct label *label)
{
	struct label behind = {NO_STEP};
	struct trace_step test = node->test;

	switch (node->kind) {
	case NODE_TEST:
		test.wanted = wanted;
		jump_to(filter, label, test);
		break;
	case NODE_NOT:
		generate(filter, node->left, !wanted, label);
		break;
	default:
		if ((node->kind == NODE_AND) == wanted) {
			/* Both must be so: if the first one is not, that is all. */
			generate(filter, node->left, !wanted, &behind);
			generate(filter, node->right, wanted, label);
			place(filter, &behind);
		} else {
			generate(filter, node->left, wanted, label);
			generate(filter, node->right, wanted, label);
		}
	}
}

int trace_filter_parse(struct trace_builder *builder, struct trace_span span,
		       const struct trace_named *named, struct trace_filter *ret)
{
	struct filter filter = {
		.builder = builder,
		.scanner = builder->scanner,
		.named = named,
		.at = span.at,
		.end = span.at + span.size,
	};
	struct label event = {NO_STEP};
	struct node *root;
	int error = parse_or(&filter, &root);

	if (!error && next(&filter))
		error = trace_syntax(filter.scanner, filter.at, "'&&' or '||' is expected here");
	if (error)
		return error;
	filter.steps =
		trace_arena_alloc(builder->arena, (filter.nodes + 1) * sizeof(*filter.steps));
	if (!filter.steps)
		return -EP_NO_MEMORY;
	generate(&filter, root, true, &event);
	filter.steps[filter.step_count++] = (struct trace_step){.code = TRACE_STEP_REJECT};
	place(&filter, &event);
	*ret = (struct trace_filter){filter.steps, filter.step_count};
	return 0;
}
