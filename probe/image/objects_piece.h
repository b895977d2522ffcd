/* SPDX-License-Identifier: MIT */
/* A part of an object in memory of our own, where nobody can take it away. */
#ifndef EMUPROBE_PROBE_IMAGE_OBJECTS_PIECE_H
#define EMUPROBE_PROBE_IMAGE_OBJECTS_PIECE_H

#include "probe/image/cursor.h"
#include "probe/image/object.h"

struct objects_piece {
	uint8_t *bytes; /* NULL: none; else a zero stands behind them */
	size_t size;
};

/**
 * Copy what is loaded at @address: @size bytes, or as many as its segment has of the file, as can be
 * read, and as are less than a gibibyte. What lies in no segment is an empty piece.
 *
 * @return   0 or -EP_NO_MEMORY; the piece is empty then.
 * Context:  any thread; a few system calls. The piece is to be freed by objects_piece_free().
 */
int objects_piece_of_memory(const struct objects_object *object, uint64_t address, uint64_t size,
			    struct objects_piece *ret);

/** The same of an open file; -EP_IO: it cannot be read just now. */
int objects_piece_of_file(int fd, uint64_t offset, uint64_t size, struct objects_piece *ret);

void objects_piece_free(struct objects_piece *piece);

/** The string at @at; NULL: it begins outside of the piece. */
const char *objects_piece_string(const struct objects_piece *piece, uint64_t at);

struct cursor objects_piece_cursor(const struct objects_piece *piece);

/**
 * The name of the function that the loader will put into the pointer at @slot, as a piece with a zero at
 * its end; it may be longer than the piece. An empty one: no relocation says so.
 *
 * @return   0 or -EP_NO_MEMORY; the piece is empty then.
 * Context:  as objects_piece_of_memory().
 */
int objects_read_slot(const struct objects_object *object, uint64_t slot,
		      struct objects_piece *ret);

/**
 * Add the functions of a symbol table. @versions: of each symbol, as DT_VERSYM has them; or empty.
 * @strings: to live as long as @object.
 *
 * @return   0 or -EP_NO_MEMORY.
 */
int objects_add_symbols(struct objects_object *object, struct cursor symbols,
			struct cursor versions, const struct objects_piece *strings, bool exported);

#endif
