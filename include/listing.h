/* SPDX-License-Identifier: MIT */
/*
 * Which functions a file has that is not loaded, and what probes on them would be like, for what is built
 * on the engine in this repository. Nothing of the file is executed. Not installed, and no promise to
 * anybody.
 */
#ifndef EMUPROBE_INCLUDE_LISTING_H
#define EMUPROBE_INCLUDE_LISTING_H

#include <stdbool.h>

#include "include/emuprobe.h"

struct ep_image;

/* A name of a function; several names of one function come one after the other. */
struct ep_listed {
	const char *symbol;  /* "sub_1a2b", by its offset in the file, where it has no name */
	const char *version; /* of the symbol, if it is not the default one; else NULL */
	uint64_t offset;     /* in the file */
	uint64_t size;
	bool is_unnamed;
	bool is_indirect; /* what stands here chooses another function: IFUNC */
	bool is_planned;  /* .plan, .reason and .insn are known */
	enum ep_plan plan;
	int reason;
	char insn[96];
};

/**
 * Open a program or library of x86-64.
 *
 * @path     By which it can be opened again.
 * @shown    What it is called.
 *
 * @return   0, -EP_UNSUPPORTED (another file), -EP_IO or -EP_NO_MEMORY.
 * Context:  a process in which nothing is probed, now or later; one thread.
 */
int ep_image_open(int fd, const char *path, const char *shown, bool is_program,
		  struct ep_image **ret);
void ep_image_close(struct ep_image *image);

/** Its soname, or the basename of what it is called. */
const char *ep_image_name(const struct ep_image *image);

/** Is it one of the objects that @place means? It stands for the executable if it is a program. */
bool ep_image_is_meant(const struct ep_image *image, const struct ep_place *place);

/**
 * Call @visit for all names of functions that @place means, in the order of their addresses, then of
 * names; where it is an offset in the file, for the functions around it.
 *
 * @plans    Say what probes would be like.
 *
 * @return   What @visit returned other than 0, -EP_IO or -EP_NO_MEMORY.
 */
int ep_image_functions(struct ep_image *image, const struct ep_place *place, bool plans,
		       int (*visit)(const struct ep_listed *function, void *data), void *data);

/* A basic block: what is executed as a whole, but for calls that do not return, and faults. */
struct ep_block {
	uint64_t offset;  /* in the file */
	uint64_t address; /* as the file has it, before it is loaded anywhere */
	uint32_t size;
	uint8_t byte;		  /* what it begins with */
	bool is_entry;		  /* a function begins here */
	const char *symbol;	  /* of the function; NULL: it has no name */
	uint64_t function_offset; /* where that begins, in the file */
};

/* Of code that is known. */
struct ep_block_sizes {
	uint64_t bytes;	  /* of functions */
	uint64_t unknown; /* of these, no road is known that leads there; padding as well */
};

/**
 * Call @visit for the blocks of all functions, in the order of their addresses. What is reached only by
 * a jump to an address that is computed in an unknown way, or by an exception, may be missing.
 *
 * @return   What @visit returned other than 0, or -EP_NO_MEMORY.
 */
int ep_image_blocks(struct ep_image *image, int (*visit)(const struct ep_block *block, void *data),
		    void *data, struct ep_block_sizes *ret);

enum ep_need {
	EP_NEED_OBJECT,	 /* a soname or path */
	EP_NEED_FOLDERS, /* where to look for those, separated by ':' */
};

/** Call @visit for what the loader would look for. @return 0 or -EP_NO_MEMORY. */
int ep_image_needs(const struct ep_image *image,
		   void (*visit)(enum ep_need what, const char *name, void *data), void *data);

#endif
