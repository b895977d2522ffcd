/* SPDX-License-Identifier: MIT */
/* A loaded object and its functions. */
#ifndef EMUPROBE_PROBE_IMAGE_OBJECT_H
#define EMUPROBE_PROBE_IMAGE_OBJECT_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/listing.h"

/* A known function start. Several symbols of one address are several entries. */
struct objects_function {
	uint64_t start, end; /* end: of its symbol or FDE, or the next start where neither says */
	const char *name;    /* NULL: known from unwind information only */
	uint8_t kind;	     /* enum objects_kind */
	bool hidden_version; /* not the default version of that name */
	bool exported;	     /* other objects can refer to it */
	bool weak;
	bool is_part;	  /* split off from a function: not called, but jumped to, and seldom */
	bool guessed_end; /* neither a size nor an FDE says where it ends */
	uint16_t version; /* of the name, as the object numbers them; 0: none */
};

enum objects_kind {
	OBJECTS_FDE,   /* a start and an extent without a name */
	OBJECTS_FUNC,  /* STT_FUNC */
	OBJECTS_IFUNC, /* STT_GNU_IFUNC: the address is that of the resolver */
};

/* A pointer to what another object defines. */
struct objects_import {
	char *name;
	uint64_t
		value; /* what it was when it was read: lazily bound, it points into the object itself */
};

struct objects_object {
	const char *path;    /* of the file, "" where there is none */
	const char *name;    /* soname, or basename of the path */
	uint64_t base;	     /* load bias */
	uint64_t start, end; /* extent of all its mappings */
	ElfW(Phdr) * phdrs;  /* a copy */
	size_t phdr_count;
	const void *loaded_phdrs; /* where the loader has them: to know the object by */
	bool is_executable;	  /* the program itself */
	bool is_self;		  /* /proc/self/exe is its file, whatever has become of the path */
	bool is_vdso;
	bool is_engine;	 /* the shared object that this code is in */
	bool is_foreign; /* in another link namespace (dlmopen) */
	bool is_new;	 /* not yet told by objects_changes() */
	bool is_there;	 /* used while the loader is asked */
	bool has_gap;	 /* calls that are not guarded, and should be; see guard_gap() */
	/* Sorted by start; made at first use. */
	struct objects_function *functions;
	size_t function_count;
	bool functions_read;
	/* Those that have a name, sorted by it; NULL: not yet. See names.c. */
	const struct objects_function **named;
	size_t named_count;
	uint32_t lookups; /* of names, so far */
	bool has_symtab;  /* names of functions that it does not export, too */
	bool has_fdes;
	/* What the loader has called when it loaded it, sorted; see resolvers.c. */
	uint64_t *resolvers;
	size_t resolver_count;
	bool resolvers_read;
	/* What was found out of this address last. */
	uint64_t judged;
	bool judged_callable;
	/* Names of the versions that it defines, by their numbers; some are NULL. */
	char **versions;
	size_t version_count;
	bool versions_read;
	struct objects_import *imports;
	size_t import_count;
	bool imports_read;
	/* Restartable sequences: [start, end) pairs. */
	uint64_t (*rseq)[2];
	size_t rseq_count;
	uint64_t trap_path[2]; /* of a library or program that has handlers marked EP_TRAP_PATH */
	/* For data.c: only this symbol is looked for, and where it is. */
	const char *wanted;
	uint64_t wanted_address;
	char *names[2]; /* copies of its string tables, which names point into */
};

/** Where the executable segment ends that holds @address; 0: none does. */
uint64_t objects_code_end(const struct objects_object *object, uint64_t address);

/** How many functions start at or below @address. */
size_t objects_count_up_to(const struct objects_object *object, uint64_t address);

/** The function whose extent holds @address; the one that starts last. NULL: not known. */
const struct objects_function *objects_function_at(struct objects_object *object, uint64_t address);

/** The address of a file offset that is mapped for execution; 0: none. */
uint64_t objects_of_file_offset(const struct objects_object *object, uint64_t offset);

/**
 * The address of @size bytes at a file offset, in what the object may write to while it runs; 0: they
 * are in no such part of it.
 */
uint64_t objects_of_data_offset(const struct objects_object *object, uint64_t offset,
				uint64_t size);

/** The other way round: where in the file @address is; 0: it is not of the file. */
uint64_t objects_file_offset(const struct objects_object *object, uint64_t address);

/**
 * Was it made by Go's linker?
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held; some system calls.
 */
int objects_is_go(const struct objects_object *object, bool *ret);

/**
 * Read the names of its symbols' versions, once an object.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held; some system calls at first.
 */
int objects_read_versions(struct objects_object *object);

/** The version of a function's name; NULL: none, or it was not read. */
const char *objects_version(const struct objects_object *object,
			    const struct objects_function *function);

/* ---- for those that read it ---------------------------------------------------------------- */

char *objects_executable_path(const void *phdrs, bool *ret_is_self);

/* What an object says of itself, which may be a lie: 0 or -EP_NO_MEMORY. (objects_*.c) */
int objects_read_soname(struct objects_object *object);
int objects_read_fdes(struct objects_object *object);
int objects_read_dynsym(struct objects_object *object);
int objects_read_file(struct objects_object *object);
int objects_read_resolvers(struct objects_object *object); /* .resolvers, unsorted */

int objects_read_needs(const struct objects_object *object,
		       void (*visit)(enum ep_need what, const char *name, void *data), void *data);

/**
 * Read .imports: the pointers that @object has to what others define. Once an object.
 *
 * @return   0 or -EP_NO_MEMORY.
 */
int objects_read_imports(struct objects_object *object);

/** Add a function, if code of @object is where it starts; it ends there, too. */
int objects_add(struct objects_object *object, const struct objects_function *function);

/** Fill start and end. */
void objects_read_extent(struct objects_object *object);

/** Give back what objects_read_functions() has made. */
void objects_forget_functions(struct objects_object *object);

#endif
