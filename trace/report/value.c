/* SPDX-License-Identifier: MIT */
/*
 * Text is what people read: (fault) where nothing could be read, "..." behind what is cut. In JSON a value is
 * what it is, or null, and the event says which ones are cut.
 */
#include "trace/report/value.h"

#include "trace/base/float.h"
#include "trace/language/types.h"

#define SYMBOL_MAX 160 /* bytes of a symbol; of one in an array: */
#define SYMBOL_FEW 64

struct printer {
	struct trace_text *text;
	const struct trace_event *event;
	const struct trace_type *type;
	bool is_json;
};

/* What is copied, as it stands in the record. */
struct piece {
	const uint8_t *bytes;
	uint32_t size;
	bool is_cut, is_faulty;
};

EP_TRAP_PATH static struct piece take_piece(const uint64_t **bulks)
{
	uint64_t header = *(*bulks)++;
	struct piece ret = {
		.bytes = (const uint8_t *)*bulks,
		.size = (uint32_t)header,
		.is_cut = header & TRACE_BULK_CUT,
		.is_faulty = header & TRACE_BULK_FAULTY,
	};

	*bulks += (ret.size + 7) / 8;
	return ret;
}

EP_TRAP_PATH static void skip_piece(const uint64_t **bulks)
{
	take_piece(bulks);
}

EP_TRAP_PATH static enum trace_value_state state_of(const struct piece *piece)
{
	return piece->is_faulty ? TRACE_VALUE_FAULTY
	       : piece->is_cut	? TRACE_VALUE_CUT
				: TRACE_VALUE_WHOLE;
}

/* ---- numbers --------------------------------------------------------------------------------- */

EP_TRAP_PATH static char printable(uint64_t value)
{
	return value >= ' ' && value < 0x7f ? (char)value : '.';
}

EP_TRAP_PATH static void put_hex(const struct printer *printer, uint64_t value)
{
	if (printer->is_json)
		trace_text_char(printer->text, '"');
	trace_text_hex(printer->text, value);
	if (printer->is_json)
		trace_text_char(printer->text, '"');
}

/* No frame for the name where there is nobody who has any. */
EP_TRAP_PATH __attribute__((noinline)) static bool put_name(const struct printer *printer,
							    uint64_t value, bool is_exact)
{
	const struct trace_event *event = printer->event;
	const struct trace_namer *namer = event->namer;
	size_t most = printer->type->elements ? SYMBOL_FEW : SYMBOL_MAX;
	char name[SYMBOL_MAX];

	if (!namer->name(namer->data, event->process, value, is_exact, event->time, name,
			 sizeof(name)))
		return false;
	if (printer->is_json)
		trace_text_json_within(printer->text, name, most);
	else
		trace_text_plain_within(printer->text, name, most);
	return true;
}

EP_TRAP_PATH static void put_char(const struct printer *printer, uint64_t value)
{
	char one[2] = {printable(value), '\0'};

	if (printer->is_json) {
		trace_text_json(printer->text, one);
		return;
	}
	trace_text_char(printer->text, '\'');
	trace_text_char(printer->text, one[0]);
	trace_text_char(printer->text, '\'');
}

/* JSON knows no infinity. */
EP_TRAP_PATH static void put_float(const struct printer *printer, uint64_t value)
{
	bool is_short = printer->type->size == 4;
	bool in_quotes = printer->is_json && trace_float_is_special(value, is_short);

	if (in_quotes)
		trace_text_char(printer->text, '"');
	trace_float_text(printer->text, value, is_short);
	if (in_quotes)
		trace_text_char(printer->text, '"');
}

/* @is_exact: it is not where something returns to. */
EP_TRAP_PATH static void put_number(const struct printer *printer, uint64_t value, bool is_exact)
{
	switch (printer->type->kind) {
	case TRACE_UNSIGNED:
		trace_text_unsigned(printer->text, value, 1, '0');
		break;
	case TRACE_SIGNED:
		trace_text_signed(printer->text, (int64_t)value);
		break;
	case TRACE_CHAR:
		put_char(printer, value);
		break;
	case TRACE_FLOAT:
		put_float(printer, value);
		break;
	case TRACE_SYMBOL:
		if (!printer->event->namer || !put_name(printer, value, is_exact))
			put_hex(printer, value);
		break;
	default:
		put_hex(printer, value);
	}
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Controls and what is no UTF-8 as \xHH, the commonest ones as in C. */
EP_TRAP_PATH static void put_escaped(struct trace_text *text, uint8_t byte)
{
	static const char letters[][2] = {{'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}};

	trace_text_char(text, '\\');
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (byte == (uint8_t)letters[i][0]) {
			trace_text_char(text, letters[i][1]);
			return;
		}
	trace_text_char(text, 'x');
	trace_text_char(text, "0123456789abcdef"[byte >> 4]);
	trace_text_char(text, "0123456789abcdef"[byte & 15]);
}

EP_TRAP_PATH static void put_quoted(struct trace_text *text, const char *string)
{
	trace_text_char(text, '"');
	while (*string) {
		unsigned int shown = trace_text_shown(string);

		if (*string == '"' || *string == '\\')
			trace_text_char(text, '\\');
		if (!shown)
			put_escaped(text, (uint8_t)*string++);
		while (shown--)
			trace_text_char(text, *string++);
	}
	trace_text_char(text, '"');
}

/* With a zero behind it; one that is in the middle, where nobody has put one, ends it. */
EP_TRAP_PATH static const char *text_of(const struct printer *printer, const struct piece *piece)
{
	char *to = printer->event->scratch;

	for (uint32_t i = 0; i < piece->size; i++) {
		to[i] = (char)piece->bytes[i];
		__asm__("" : : : "memory"); /* or this becomes a call of memcpy() */
	}
	to[piece->size] = '\0';
	return to;
}

/* Nothing at all is there. */
EP_TRAP_PATH static void put_fault(const struct printer *printer)
{
	trace_text_string(printer->text, printer->is_json ? "null" : "(fault)");
}

EP_TRAP_PATH static enum trace_value_state put_string(const struct printer *printer,
						      const uint64_t **bulks)
{
	struct piece piece = take_piece(bulks);

	if (piece.is_faulty && !piece.size) {
		put_fault(printer);
		return TRACE_VALUE_FAULTY;
	}
	if (printer->is_json) {
		trace_text_json(printer->text, text_of(printer, &piece));
	} else {
		put_quoted(printer->text, text_of(printer, &piece));
		if (piece.is_cut)
			trace_text_string(printer->text, "...");
	}
	return state_of(&piece);
}

EP_TRAP_PATH static enum trace_value_state put_dump(const struct printer *printer,
						    const struct piece *piece)
{
	if (printer->is_json)
		trace_text_char(printer->text, '"');
	for (uint32_t i = 0; i < piece->size; i++) {
		trace_text_char(printer->text, "0123456789abcdef"[piece->bytes[i] >> 4]);
		trace_text_char(printer->text, "0123456789abcdef"[piece->bytes[i] & 15]);
	}
	if (printer->is_json)
		trace_text_char(printer->text, '"');
	else if (piece->is_faulty)
		trace_text_string(printer->text, "...");
	return state_of(piece);
}

/* ---- addresses of sockets --------------------------------------------------------------------- */

/* Bytes of ports and addresses are in the order of the network. */
enum { PORT = 2, IPV4 = 4, IPV4_SIZE = 8, IPV6 = 8, IPV6_SIZE = 24, PATH = 2 };

EP_TRAP_PATH static unsigned int two_bytes(const uint8_t *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

EP_TRAP_PATH static void put_ipv4(struct trace_text *text, const uint8_t *bytes)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			trace_text_char(text, '.');
		trace_text_unsigned(text, bytes[IPV4 + i], 1, '0');
	}
}

/* RFC 5952: the first of the longest rows of zeros, from two on, is left out. */
EP_TRAP_PATH static int longest_row(const uint8_t *groups, int *ret_size)
{
	int best = -1;

	*ret_size = 1;
	for (int i = 0; i < 8; i++) {
		int size = 0;

		while (i + size < 8 && !two_bytes(groups + 2 * (i + size)))
			size++;
		if (size > *ret_size) {
			*ret_size = size;
			best = i;
		}
	}
	return best;
}

EP_TRAP_PATH static void put_group(struct trace_text *text, unsigned int value)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		if (value >> shift || !shift)
			trace_text_char(text, "0123456789abcdef"[value >> shift & 15]);
}

EP_TRAP_PATH static void put_ipv6(struct trace_text *text, const uint8_t *bytes)
{
	const uint8_t *groups = bytes + IPV6;
	int size, row = longest_row(groups, &size);

	trace_text_char(text, '[');
	for (int i = 0; i < 8; i++) {
		if (i == row) {
			trace_text_string(text, "::");
			i += size - 1;
			continue;
		}
		if (i && i != row + size)
			trace_text_char(text, ':');
		put_group(text, two_bytes(groups + 2 * i));
	}
	trace_text_char(text, ']');
}

/* Of an abstract one the first byte is zero: "@name". */
EP_TRAP_PATH static void put_path(const struct printer *printer, const struct piece *piece)
{
	struct piece path = {piece->bytes + PATH, piece->size - PATH, false, false};
	bool is_abstract = path.size && !path.bytes[0];
	const char *name;

	path.bytes += is_abstract;
	path.size -= is_abstract;
	name = text_of(printer, &path);
	trace_text_string(printer->text, is_abstract ? "unix:@" : "unix:");
	if (printer->is_json)
		trace_text_json_some(printer->text, name);
	else
		trace_text_plain(printer->text, name);
}

EP_TRAP_PATH static enum trace_value_state put_sockaddr(const struct printer *printer,
							const struct piece *piece)
{
	struct trace_text *text = printer->text;
	unsigned int family = piece->size >= 2 ? piece->bytes[0] | piece->bytes[1] << 8 : 0;

	if (printer->is_json)
		trace_text_char(text, '"');
	if (family == TRACE_FAMILY_IPV4 && piece->size >= IPV4_SIZE)
		put_ipv4(text, piece->bytes);
	else if (family == TRACE_FAMILY_IPV6 && piece->size >= IPV6_SIZE)
		put_ipv6(text, piece->bytes);
	else if (family == TRACE_FAMILY_UNIX)
		put_path(printer, piece);
	else
		trace_text_string(text, "family ");
	if (family == TRACE_FAMILY_IPV4 || family == TRACE_FAMILY_IPV6) {
		trace_text_char(text, ':');
		trace_text_unsigned(text, piece->size >= 4 ? two_bytes(piece->bytes + PORT) : 0, 1,
				    '0');
	} else if (family != TRACE_FAMILY_UNIX) {
		trace_text_unsigned(text, family, 1, '0');
	}
	if (printer->is_json)
		trace_text_char(text, '"');
	return family == TRACE_FAMILY_UNIX ? TRACE_VALUE_WHOLE : state_of(piece);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

EP_TRAP_PATH static uint64_t element_at(const uint8_t *bytes, unsigned int size)
{
	uint64_t ret = 0;

	while (size--)
		ret = ret << 8 | bytes[size];
	return ret;
}

EP_TRAP_PATH static enum trace_value_state put_numbers(const struct printer *printer,
						       const uint64_t **bulks)
{
	struct piece piece = take_piece(bulks);
	unsigned int size = printer->type->size;

	for (uint32_t at = 0; at + size <= piece.size; at += size) {
		if (at)
			trace_text_char(printer->text, ',');
		put_number(printer,
			   trace_type_widen(printer->type, element_at(piece.bytes + at, size)),
			   true);
	}
	if (piece.is_faulty && !printer->is_json)
		trace_text_string(printer->text, piece.size >= size ? ",(fault)" : "(fault)");
	return state_of(&piece);
}

EP_TRAP_PATH static enum trace_value_state put_strings(const struct printer *printer,
						       const uint64_t **bulks)
{
	enum trace_value_state ret = TRACE_VALUE_WHOLE, one;

	for (uint32_t i = 0; i < printer->type->elements; i++) {
		if (i)
			trace_text_char(printer->text, ',');
		one = put_string(printer, bulks);
		if (one > ret)
			ret = one;
	}
	return ret;
}

EP_TRAP_PATH static enum trace_value_state put_array(const struct printer *printer,
						     const uint64_t **bulks)
{
	enum trace_value_state ret;

	trace_text_char(printer->text, printer->is_json ? '[' : '{');
	ret = printer->type->kind == TRACE_STRING ? put_strings(printer, bulks)
						  : put_numbers(printer, bulks);
	trace_text_char(printer->text, printer->is_json ? ']' : '}');
	return ret;
}

/* ---- any ------------------------------------------------------------------------------------- */

EP_TRAP_PATH static enum trace_value_state put_bulk(const struct printer *printer,
						    const uint64_t **bulks)
{
	struct piece piece;

	if (printer->type->elements)
		return put_array(printer, bulks);
	if (printer->type->kind == TRACE_STRING)
		return put_string(printer, bulks);
	piece = take_piece(bulks);
	if (piece.is_faulty && !piece.size) {
		put_fault(printer);
		return TRACE_VALUE_FAULTY;
	}
	return printer->type->kind == TRACE_DUMP ? put_dump(printer, &piece)
						 : put_sockaddr(printer, &piece);
}

EP_TRAP_PATH static uint64_t readers_value(const struct trace_event *event, uint8_t origin)
{
	switch (origin) {
	case TRACE_OF_TIME:
		return event->nanoseconds;
	case TRACE_OF_TID:
		return (uint32_t)event->tid;
	case TRACE_OF_PID:
		return (uint32_t)event->pid;
	default:
		return event->cpu;
	}
}

EP_TRAP_PATH static void put_comm(const struct printer *printer)
{
	if (printer->is_json)
		trace_text_json(printer->text, printer->event->comm);
	else
		put_quoted(printer->text, printer->event->comm);
}

EP_TRAP_PATH static enum trace_value_state put_one(const struct printer *printer,
						   const struct trace_arg *arg)
{
	const struct trace_event *event = printer->event;
	const struct trace_program *program = event->view->program;

	if (arg->origin == TRACE_OF_COMM) {
		put_comm(printer);
		return TRACE_VALUE_WHOLE;
	}
	if (arg->origin > TRACE_OF_LATENCY) {
		put_number(printer, trace_type_widen(&arg->type, readers_value(event, arg->origin)),
			   true);
		return TRACE_VALUE_WHOLE;
	}
	if (program->may_fault && event->faults[arg->value / 64] >> (arg->value % 64) & 1) {
		put_fault(printer);
		return TRACE_VALUE_FAULTY;
	}
	put_number(printer,
		   arg->origin == TRACE_OF_LATENCY
			   ? trace_type_widen(&arg->type, event->values[arg->value])
			   : event->values[arg->value],
		   !arg->is_return_address);
	return TRACE_VALUE_WHOLE;
}

/* It goes on behind what is not shown. */
EP_TRAP_PATH static void skip(const struct trace_arg *arg, const uint64_t **bulks)
{
	uint32_t count =
		arg->type.kind == TRACE_STRING && arg->type.elements ? arg->type.elements : 1;

	while (trace_type_is_bulk(&arg->type) && count--)
		skip_piece(bulks);
}

EP_TRAP_PATH static enum trace_value_state put(const struct printer *printer, uint32_t index,
					       const uint64_t **bulks)
{
	const struct trace_arg *arg = &printer->event->view->args[index];

	if (arg->needs_return && printer->event->end != EP_END_RETURN) {
		skip(arg, bulks);
		trace_text_string(printer->text, printer->is_json ? "null" : "-");
		return TRACE_VALUE_ABSENT;
	}
	if (arg->origin == TRACE_OF_PROGRAM && trace_type_is_bulk(&arg->type))
		return put_bulk(printer, bulks);
	return put_one(printer, arg);
}

EP_TRAP_PATH enum trace_value_state trace_value_text(struct trace_text *text,
						     const struct trace_event *event, uint32_t arg,
						     const uint64_t **bulks)
{
	const struct printer printer = {text, event, &event->view->args[arg].type, false};

	return put(&printer, arg, bulks);
}

EP_TRAP_PATH enum trace_value_state trace_value_json(struct trace_text *text,
						     const struct trace_event *event, uint32_t arg,
						     const uint64_t **bulks)
{
	const struct printer printer = {text, event, &event->view->args[arg].type, true};

	return put(&printer, arg, bulks);
}

/* ---- values that are not printed ------------------------------------------------------------- */

int trace_value_kind(const struct trace_arg *arg)
{
	if (arg->origin == TRACE_OF_COMM || arg->type.elements)
		return TRACE_VALUE_TEXT;
	switch (arg->type.kind) {
	case TRACE_UNSIGNED:
		return TRACE_VALUE_UNSIGNED;
	case TRACE_SIGNED:
		return TRACE_VALUE_SIGNED;
	case TRACE_HEX:
		return TRACE_VALUE_HEX;
	case TRACE_FLOAT:
		return TRACE_VALUE_DOUBLE;
	default:
		return TRACE_VALUE_TEXT;
	}
}

/* IEEE 754 binary32 as binary64, without a register for such numbers. */
static uint64_t widen_float(uint64_t value)
{
	uint64_t sign = value >> 31 & 1, fraction = value & 0x7fffff;
	int exponent = (int)(value >> 23 & 0xff);

	if (exponent == 0xff)
		return sign << 63 | 0x7ffull << 52 | fraction << 29;
	if (!exponent && !fraction)
		return sign << 63;
	if (!exponent)
		for (exponent = 1; !(fraction & 0x800000); exponent--)
			fraction <<= 1;
	return sign << 63 | (uint64_t)(exponent + 1023 - 127) << 52 | (fraction & 0x7fffff) << 29;
}

static uint64_t number_of(const struct trace_event *event, const struct trace_arg *arg)
{
	if (arg->origin > TRACE_OF_LATENCY)
		return trace_type_widen(&arg->type, readers_value(event, arg->origin));
	if (arg->origin == TRACE_OF_LATENCY)
		return trace_type_widen(&arg->type, event->values[arg->value]);
	if (arg->type.kind == TRACE_FLOAT && arg->type.size == 4)
		return widen_float(event->values[arg->value]);
	return event->values[arg->value];
}

static enum trace_value_state take_string(const struct trace_event *event, const uint64_t **bulks,
					  struct trace_text *room, const char **ret)
{
	const struct printer printer = {room, event, NULL, false};
	struct piece piece = take_piece(bulks);

	if (!piece.is_faulty || piece.size)
		*ret = text_of(&printer, &piece);
	return state_of(&piece);
}

/* Whatever it is, as people read it. */
static enum trace_value_state print(const struct trace_event *event, uint32_t arg,
				    const uint64_t **bulks, struct trace_text *room,
				    const char **ret)
{
	enum trace_value_state state;

	room->used = 0;
	room->size--;
	state = trace_value_text(room, event, arg, bulks);
	room->size++;
	room->buffer[room->used] = '\0';
	*ret = room->buffer;
	return state;
}

enum trace_value_state trace_value_take(const struct trace_event *event, uint32_t index,
					const uint64_t **bulks, struct trace_text *room,
					struct trace_value *ret)
{
	const struct trace_arg *arg = &event->view->args[index];
	bool is_text = trace_value_kind(arg) == TRACE_VALUE_TEXT;
	enum trace_value_state state = TRACE_VALUE_WHOLE;
	const uint64_t *faults = event->view->program->may_fault ? event->faults : NULL;

	*ret = (struct trace_value){TRACE_VALUE_NONE, 0, NULL};
	if (arg->needs_return && event->end != EP_END_RETURN) {
		skip(arg, bulks);
		return TRACE_VALUE_ABSENT;
	}
	if (!is_text && arg->origin <= TRACE_OF_LATENCY && faults &&
	    faults[arg->value / 64] >> (arg->value % 64) & 1)
		return TRACE_VALUE_FAULTY;
	if (arg->origin == TRACE_OF_COMM)
		ret->text = event->comm;
	else if (is_text && arg->type.kind == TRACE_STRING && !arg->type.elements)
		state = take_string(event, bulks, room, &ret->text);
	else if (is_text)
		state = print(event, index, bulks, room, &ret->text);
	else
		ret->number = number_of(event, arg);
	if (!is_text || ret->text)
		ret->kind = trace_value_kind(arg);
	return state;
}
