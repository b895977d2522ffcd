/* SPDX-License-Identifier: MIT */
/*
 * emuprobe: dynamic probes for a running x86-64 Linux process, from inside it.
 *
 * A probe calls a handler each time a thread is about to execute one instruction. No kernel
 * support, no root, no ptrace. Every function here may be called by any thread; none may be
 * called from a signal handler or a probe handler unless its description says so.
 *
 * Functions that can fail return 0 or a negative error code (see EP_ERRORS), and write to their
 * out-parameters only on success.
 */
#ifndef EMUPROBE_H
#define EMUPROBE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EP_VERSION_MAJOR 0
#define EP_VERSION_MINOR 1
#define EP_VERSION_PATCH 0

#define EP_API __attribute__((visibility("default")))

/*
 * Marks a function that runs in a trap. It goes to a section of its own, in which probes are
 * refused: a handler that uses it cannot be reached by a probe of its own making.
 */
#define EP_TRAP_PATH                                                                               \
	__attribute__((section("ep_trap_path"), no_stack_protector, no_instrument_function))

/* ---- errors -------------------------------------------------------------------------------- */

/*
 * name, value, text. A function returns the negative. From EP_NOT_EXECUTABLE on they are
 * refusals: the place exists, but a probe cannot stand there.
 */
#define EP_ERRORS(X)                                                                               \
	X(EP_INVALID, 1, "invalid argument")                                                       \
	X(EP_NO_MEMORY, 2, "out of memory")                                                        \
	X(EP_SYNTAX, 3, "malformed probe definition")                                              \
	X(EP_NO_OBJECT, 4, "no such object is loaded")                                             \
	X(EP_NO_SYMBOL, 5, "no such symbol")                                                       \
	X(EP_NO_MATCH, 6, "the pattern matches nothing")                                           \
	X(EP_AMBIGUOUS, 7, "the definition means more than one place")                             \
	X(EP_UNSUPPORTED, 8, "not supported by this machine or kernel")                            \
	X(EP_BAD_OFFSET, 9, "the offset is outside of the object or symbol")                       \
	X(EP_EXISTS, 10, "a probe of this name exists already")                                    \
	X(EP_IO, 11, "input or output failed")                                                     \
	X(EP_VALGRIND, 12, "valgrind runs the program, and cannot run probes")                     \
	X(EP_SANDBOXED, 13, "a seccomp filter kills programs for what probes need")                \
	X(EP_TRACED, 14, "a debugger or tracer keeps SIGTRAP for itself")                          \
	X(EP_OTHER_ENGINE, 15, "another copy of emuprobe works in this process already")           \
	X(EP_IN_HANDLER, 16, "called from a probe's handler")                                      \
	X(EP_NO_MEMBARRIER, 17, "the kernel refuses membarrier(2), so code cannot be changed")     \
	X(EP_NO_MEMFD, 18, "the kernel refuses memfd_create(2), so there is no memory for code")   \
	X(EP_NO_SYMBOLS, 19,                                                                       \
	  "it has no symbols (stripped): use 0xOFFSET, or ** for its functions")                   \
	X(EP_NO_VERSION, 20, "the symbol has no such version")                                     \
	X(EP_NO_SEMAPHORE, 21, "the reference counter is in no writable data of the object")       \
	X(EP_NOT_EXECUTABLE, 32, "not in executable memory")                                       \
	X(EP_NOT_AN_INSN, 33, "inside an instruction")                                             \
	X(EP_UNDECODABLE, 34, "not an instruction that the decoder knows")                         \
	X(EP_NO_FUNCTION, 35, "no symbol or unwind information says where its function starts")    \
	X(EP_FORBIDDEN, 36, "used by the engine itself when a probe is hit")                       \
	X(EP_VDSO, 37, "in the vDSO or vsyscall page")                                             \
	X(EP_RSEQ, 38, "inside a restartable sequence, which a trap would abort")                  \
	X(EP_FOREIGN_INT3, 39, "already a breakpoint of the program or of a debugger")             \
	X(EP_OUT_OF_REACH, 40, "no free memory for code within 2 GiB")                             \
	X(EP_NOT_WRITABLE, 41, "the program text cannot be changed")                               \
	X(EP_NOT_EMULATED, 42, "the emulator has no rule for this instruction")                    \
	X(EP_NOT_BOOSTED, 43, "control flow cannot be executed elsewhere")                         \
	X(EP_NOT_JUMPED, 44, "an instruction under the jump cannot be displaced")                  \
	X(EP_NO_PLAN, 45, "neither emulation nor boosting can execute this instruction")           \
	X(EP_SIGNALS_BLOCKED, 46, "a thread blocks SIGTRAP and cannot be made to unblock it")      \
	X(EP_JUMP_CODE, 47, "the five bytes of a jump are not all known code")                     \
	X(EP_JUMP_OVERLAP, 48, "another probe stands inside the five bytes of a jump")             \
	X(EP_JUMP_TARGET, 49, "a branch into the five bytes of a jump would trap")                 \
	X(EP_JUMP_ENTRY, 50, "a function that begins in the five bytes of a jump would trap")      \
	X(EP_JUMP_RETURN, 51, "a call that returns into the five bytes of a jump would trap")      \
	X(EP_SIGNAL_TAKEN, 52,                                                                     \
	  "the program has set SIGTRAP's handler by a call that was not seen")                     \
	X(EP_NOT_A_FUNCTION, 53, "calls are followed from a function's first instruction on")      \
	X(EP_NOT_FOLLOWED, 54, "it uses its return address, and not all its ways out are known")

enum ep_error {
#define EP_ERROR_ENUM(name, value, text) name = value,
	EP_ERRORS(EP_ERROR_ENUM)
#undef EP_ERROR_ENUM
};

/**
 * The text of an error code; accepts it with either sign.
 *
 * @return   A constant string, "unknown error" for a code that does not exist.
 * Context:  any, signal handlers included.
 */
EP_API const char *ep_strerror(int error);

/**
 * The symbolic name of an error code, "EP_INVALID" say, for machines to read.
 * Context:  any, signal handlers included.
 */
EP_API const char *ep_error_name(int error);

/**
 * The version of the library that is loaded, "MAJOR.MINOR.PATCH"; EP_VERSION_* is what was compiled against.
 * Context:  any, signal handlers included.
 */
EP_API const char *ep_version(void);

/**
 * Can probes be placed in this process? Changes nothing. Where a seccomp filter is in force a child
 * is made which tries what the engine needs, since the filter may answer with death; where the
 * process is traced an int3 is executed, to see whether the tracer passes it on.
 *
 * @return   0, -EP_VALGRIND, -EP_UNSUPPORTED (a processor without lahf), -EP_SANDBOXED or
 *           -EP_TRACED.
 * Context:  any thread; makes a child at the first call, maybe.
 */
EP_API int ep_available(void);

/* ---- registers ----------------------------------------------------------------------------- */

/*
 * What a handler sees, and may change. The order is that of gregs in the kernel's signal frame,
 * so that a trap hands out the frame itself.
 *
 * rip is the probed address. A handler that changes it sends the thread there instead; the
 * probed instruction is then not executed.
 */
struct ep_regs {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
	uint64_t rip, rflags;
};

/* ---- probes -------------------------------------------------------------------------------- */

/*
 * A handle: it points to nothing that could be read. The functions below know one whose probe is
 * removed, and whatever else is no handle, and refuse it with -EP_INVALID or do nothing; in that they
 * rely on 2^32 probes not having been created in its place meanwhile.
 */
struct ep_probe;

/**
 * Called each time a thread is about to execute the probed instruction.
 *
 * Runs in that thread. Under a trap plan it runs in a signal handler, with asynchronous signals
 * blocked: call only what is safe there (signal-safety(7)). A probe reached from inside a handler
 * is passed without a call and counted as missed; so is one reached by a thread that has not got
 * libc's thread area. It must return: no longjmp, no exception.
 */
typedef void (*ep_handler)(struct ep_probe *probe, struct ep_regs *regs, void *cookie);

/* How a call of a probed function ended. */
enum ep_end {
	EP_END_RETURN, /* it returned */
	EP_END_UNWIND, /* an exception, or the cancellation of its thread, went through it */
	EP_END_JUMP, /* longjmp() and the like have left it, or its stack is gone: noticed later, when
			  the thread next enters or leaves a function that is probed like this */
	EP_END_EXIT, /* the program has ended in it: what the preloaded library is told, and nobody else */
};

#define EP_CALL_WORDS 10

/* One call of a probed function, from its entry to its end. */
struct ep_call {
	uint64_t words[EP_CALL_WORDS]; /* the handlers' own, from one to the other; not cleared */
	uint64_t return_address;       /* in the caller */
	/* At a return: the 16 bytes of xmm0, which may be changed; NULL: EP_GENERAL_REGS_ONLY. */
	uint64_t *xmm0;
	enum ep_end end; /* in .ended */
};

/**
 * Called at the entry of a function, and at the end of the same call: once each, in the thread that
 * makes the call; also when the probe was disabled in between, but not when it was removed. Contexts and limits are those of ep_handler.
 *
 * @regs   At the entry as for ep_handler. At a return those that the caller finds: rip is
 *         .return_address; what is written to rax and rdx is what it gets. Otherwise NULL.
 */
typedef void (*ep_call_handler)(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
				void *cookie);

/* How a thread gets past the probed instruction. */
enum ep_plan {
	EP_PLAN_AUTO,	 /* ask for: the best that is safe and pays */
	EP_PLAN_TRAP,	 /* ask for: emulate or boost, never a jump */
	EP_PLAN_EMULATE, /* int3; the instruction is performed on the saved registers */
	EP_PLAN_BOOST,	 /* int3; a copy is run which jumps back by itself */
	EP_PLAN_JUMP,	 /* a jump to a detour, no trap */
	EP_PLAN_REFUSED, /* info only: no probe can stand here */
};

/**
 * "auto", "trap", "emulate", "boost", "jump" or "refused".
 * Context:  any, signal handlers included.
 */
EP_API const char *ep_plan_name(enum ep_plan plan);

/* Updated by atomic additions. */
struct ep_counts {
	uint64_t hits;	  /* times the handler was called; without one, times it was reached */
	uint64_t missed;  /* times it was passed without a call: see ep_handler */
	uint64_t trapped; /* how many of the hits took a trap, and not a jump */
	/* Of calls (EP_CALLS), how they ended; those that did not are still running. */
	uint64_t returns, unwound, abandoned; /* EP_END_RETURN, _UNWIND, _JUMP */
};

enum ep_flags {
	EP_DISABLED = 1 << 0, /* armed, but the handler is not called until ep_probe_enable() */
	/* The handler, and all that it calls, is compiled without vector and x87 registers
	   (-mgeneral-regs-only): under the jump plan these are then not saved around it. Where
	   its code shows this by itself, a few instructions without a frame pointer that call
	   nothing elsewhere, the flag is not needed. */
	EP_GENERAL_REGS_ONLY = 1 << 1,
	/* The address is a function's first instruction, and calls are followed to their ends. Implied
	   by .entered and .ended. A call whose end cannot be followed is not entered, but counted as
	   missed: the 16,385th place that calls a probed function, one in code without unwind
	   information (of a JIT compiler, say), the 8,193rd call at once in a thread,
	   the 65th function in a chain of tail calls. */
	EP_CALLS = 1 << 2,
	/* Handlers may call ep_backtrace(). Takes some microseconds for each loaded object, when the first
	   such probe of a process is created. */
	EP_BACKTRACE = 1 << 3,
	/* Of its .regs a handler reads and writes only what a called function may change: rax, rcx, rdx, rsi,
	   rdi and r8 to r11, so all registers that have arguments or results; it may read rsp, rip, rflags and
	   rbp, too. The others need not be there. With EP_GENERAL_REGS_ONLY this halves what a call of the
	   handler costs under the jump plan. Where its code shows both by itself, neither flag is needed. */
	EP_SCRATCH_REGS_ONLY = 1 << 4,
};

enum ep_compare {
	EP_EQUAL,
	EP_UNEQUAL,
	EP_LESS,
	EP_LESS_EQUAL,
	EP_GREATER,
	EP_GREATER_EQUAL,
	EP_HAS_BITS, /* one of them, at least */
};

#define EP_CONDITIONS_MAX 8
#define EP_TAKE		  254 /* the hit is wanted */
#define EP_LEAVE	  255 /* it is not */

/* What a register must hold for a hit to be wanted. */
struct ep_condition {
	uint8_t reg;		 /* a word of struct ep_regs, r8 to rsp: EP_CONDITION_REG(rdi) */
	uint8_t size;		 /* 1, 2, 4 or 8: as many of its lower bytes */
	uint8_t is_signed;	 /* 0 or 1: what they are, and .number */
	uint8_t compare;	 /* enum ep_compare: they with .number */
	uint8_t then, otherwise; /* EP_TAKE, EP_LEAVE, or which condition, a later one, is next */
	uint16_t reserved;	 /* 0 */
	uint64_t number;
};

#define EP_CONDITION_REG(name) ((uint8_t)(offsetof(struct ep_regs, name) / 8))

#define EP_HISTOGRAM_OCTAVES 60
#define EP_HISTOGRAM_BUCKETS 16 /* of an octave */

/*
 * How often there were values of which size, to within 1/16. Octave 0 has the values 0 to 15, octave N those from
 * 16 << (N - 1) on, each of its buckets 1 << (N - 1) of them. All zero: there were none. Any thread may add to it
 * at any time, and who reads it meanwhile may find a value in .buckets that is not in .count yet.
 */
struct ep_histogram {
	uint64_t count, sum; /* of values; modulo 2^64 */
	uint64_t buckets[EP_HISTOGRAM_OCTAVES][EP_HISTOGRAM_BUCKETS];
};

struct ep_options {
	size_t size;		  /* sizeof(struct ep_options), at most 4096; what the library
				     does not know must be zero */
	ep_handler handler;	  /* NULL: only count */
	void *cookie;		  /* passed to the handler */
	uint32_t flags;		  /* of enum ep_flags */
	enum ep_plan plan;	  /* EP_PLAN_AUTO .. EP_PLAN_JUMP */
	struct ep_counts *counts; /* count here instead of inside the probe: memory shared with
				     another process, say. Must live as long as the probe. */
	/* Instead of .handler: at the entry and at the end of each call; NULL: nothing. */
	ep_call_handler entered, ended;
	/*
	 * Hits that are wanted; NULL: all. Others are as if the probe were not there: no handler is
	 * called, nothing is counted. Copied. Under EP_PLAN_JUMP, where three comparisons or fewer are
	 * with numbers below 2^31, they are made in the detour, in two to four nanoseconds. Not for
	 * probes that follow calls.
	 */
	const struct ep_condition *conditions;
	size_t condition_count; /* at most EP_CONDITIONS_MAX */
	/*
	 * Of ep_define() only: the first argument of each definition is added here, whenever the handler would be called,
	 * and before it is: "r PLACE ns=$latency" for durations. Must live as long as the probes. Locked
	 * additions: threads that hit it at once wait for each other.
	 */
	struct ep_histogram *histogram;
};

/**
 * Create one probe, armed and enabled.
 *
 * @addr     First byte of an instruction in this process.
 * @options  NULL for the defaults.
 * @ret      The new probe.
 *
 * @return   0, -EP_INVALID (options), -EP_NO_MEMORY, -EP_IO (the object's file cannot be read just
 *           now), -EP_UNSUPPORTED, -EP_NO_MEMBARRIER, -EP_NO_MEMFD, -EP_OTHER_ENGINE,
 *           -EP_IN_HANDLER, or one of the refusals.
 *           Whatever fails, no byte has changed, and the next call may succeed.
 * Context:  any thread; takes the registry lock. A few microseconds; more for an address in the
 *           middle of a long function, which is decoded from its start.
 */
EP_API int ep_probe_create(const void *addr, const struct ep_options *options,
			   struct ep_probe **ret);

struct ep_request {
	const void *addr;
	const struct ep_options *options;
	struct ep_probe *probe; /* out: NULL where error is not 0 */
	int error;		/* out: 0 or what ep_probe_create() would return */
};

/**
 * Create many probes at once: cheaper than one by one, since they share every barrier.
 *
 * @return   How many of them failed: their .error says why. The others are armed. @count, if
 *           @requests is NULL.
 * Context:  as ep_probe_create().
 */
EP_API size_t ep_probe_create_batch(struct ep_request *requests, size_t count);

/**
 * Remove a probe. When this returns its handler is not running and will not run again, in no
 * thread; called from that handler, it will not run again once this call has returned.
 * The original bytes are restored with the last probe of an address.
 *
 * @return   0, or -EP_INVALID for NULL and for what is no probe, or none any more: nothing is done.
 * Context:  any thread, probe handlers included, but for those that are reached inside the
 *           allocator, which it calls; not signal handlers. Waits for handlers of this probe that
 *           are running.
 */
EP_API int ep_probe_remove(struct ep_probe *probe);

/**
 * Remove many probes at once; NULL entries are skipped. Otherwise as ep_probe_remove().
 *
 * @return   0, or -EP_INVALID: an entry is no probe, or the same as one before it. All others are
 *           removed.
 */
EP_API int ep_probe_remove_batch(struct ep_probe *const *probes, size_t count);

/**
 * Call the handler again, or not: the probe stays armed. Hits of a disabled probe are not counted;
 * of many threads that enable and disable it at once, each call takes effect, one after the other.
 * What is no probe is left alone.
 * Context:  any, handlers and signal handlers included. Takes no lock: an atomic operation, and for
 *           a probe without a handler a sum over all threads.
 */
EP_API void ep_probe_enable(struct ep_probe *probe);
EP_API void ep_probe_disable(struct ep_probe *probe);

struct ep_info {
	size_t size;	   /* sizeof(struct ep_info), set by the caller */
	uint64_t address;  /* of the probed instruction */
	enum ep_plan plan; /* the plan in force, EP_PLAN_REFUSED from ep_check() */
	int reason;	   /* why not a better plan: an error code (positive), 0: none */
	uint64_t hits, missed, trapped; /* see struct ep_counts */
	uint64_t symbol_offset;		/* of the address from the symbol */
	char object[64];  /* soname or basename of the object, "" for generated code */
	char symbol[192]; /* nearest symbol at or below the address, "" where none is known */
	char insn[96];	  /* the instruction, disassembled */
	uint64_t returns, unwound, abandoned; /* see struct ep_counts */
	/* Of a function that uses its return address: how many instructions are probed to see its calls
	   end. 0: it finds the address of a stub of the engine as its return address. */
	uint64_t ways_out;
};

/**
 * What is known of a probe.
 *
 * @return   0, -EP_INVALID (ret->size, or no probe), or -EP_IN_HANDLER.
 * Context:  any thread; takes the registry lock.
 */
EP_API int ep_probe_info(const struct ep_probe *probe, struct ep_info *ret);

/**
 * What ep_probe_create() would do: nothing is armed. Fills @ret also when it is a refusal.
 *
 * @return   0 or what ep_probe_create() would return.
 * Context:  any thread; takes the registry lock.
 */
EP_API int ep_check(const void *addr, const struct ep_options *options, struct ep_info *ret);

/**
 * The calls that lead to a hit: @ret[0] is regs->rip, each next one where a function returns to in its caller,
 * at most @max. Where calls are followed (EP_CALLS) these are the addresses in the program,
 * not the engine's. Signal frames are passed; behind one stands the address that was interrupted.
 *
 * Goes by the unwind information of what is loaded, as an exception does, and where there is none
 * by frame pointers. Whatever the stack holds, it only ever reads, and what cannot be read ends it.
 *
 * @regs  Of the handler, unchanged; NULL: as in .ended, when nothing has returned.
 *
 * @return   How many; 0: no probe was created with EP_BACKTRACE so far, or @regs is NULL.
 * Context:  handlers. Wait-free, no system call; 2 KiB of stack. Some nanoseconds a frame, some
 *           microseconds where an address is met for the first time.
 */
EP_API size_t ep_backtrace(const struct ep_regs *regs, uint64_t *ret, size_t max);

/* ---- places by name ------------------------------------------------------------------------ */

struct ep_place {
	const char *object; /* path, soname or basename ("libc.so.6", "libc"), or a glob of these;
			       NULL or "": the executable */
	const char *symbol; /* name, or a glob over names; NULL: offset is a file offset */
	uint64_t offset;    /* bytes from the symbol, or in the file */
	const void *within; /* only in the object that this address lies in; NULL: in all */
	int is_literal; /* EP_LITERAL_OBJECT | EP_LITERAL_SYMBOL: a name as it stands, no glob */
	/* Of the symbol, "GLIBC_2.14" say, or a glob; "@GLIBC_2.14": only if it is the default one;
	   NULL: any. */
	const char *version;
	/* Offset in the file of a 16-bit counter of the probes that want what leads to this place, as
	   USDT has them; 0: none. */
	uint64_t semaphore;
};

#define EP_LITERAL_OBJECT 1
#define EP_LITERAL_SYMBOL 2

struct ep_match {
	const void *addr;
	const char *object; /* soname or basename; the executable's basename */
	const char *path;   /* of the file, "" where there is none */
	const char *symbol; /* NULL for a file offset */
	uint64_t offset;
	uint64_t file_offset; /* of addr, in the file; 0: it is not known */
	/* Of a name that is no glob: */
	size_t namesakes;     /* static functions of the object that share it, this one included */
	const char *relative; /* a part or variant of it that the compiler made, NULL: none; it
				 is entered instead of the function itself */
	const char *version;  /* of the symbol, where the place has one; else NULL */
	uint16_t *semaphore;  /* where the place's is loaded; NULL: it has none */
};

/**
 * Call @found for every address that @place means in the objects loaded now: functions only, one
 * call for each distinct address, an IFUNC's chosen implementation. Of functions that share a name,
 * that which an object exports, in its default version; if it exports none, all. Stops when @found
 * returns other than 0.
 *
 * @return   What @found returned last, or -EP_NO_OBJECT, -EP_NO_SYMBOL, -EP_NO_MATCH (of a glob),
 *           -EP_NO_SYMBOLS (the executable has none), -EP_NO_VERSION, -EP_BAD_OFFSET,
 *           -EP_NO_SEMAPHORE, -EP_INVALID, -EP_NO_MEMORY, -EP_IO, -EP_IN_HANDLER.
 * Context:  any thread. The strings live until @found returns.
 */
EP_API int ep_resolve(const struct ep_place *place,
		      int (*found)(const struct ep_match *match, void *data), void *data);

struct ep_object {
	const char *name; /* soname or basename */
	const char *path; /* of the file, "" where there is none */
	const void *start, *end;
};

/**
 * Called when @object was loaded, before any of its code has run, constructors included, or was
 * unloaded: then its memory is gone already, its probes do nothing, and are best removed.
 *
 * Runs in the thread that called dlopen() or dlclose(), inside of that and not in a signal handler,
 * under the registry lock. It may place and remove probes, but not load or unload objects, and must
 * not wait for other threads.
 */
typedef void (*ep_object_handler)(const struct ep_object *object, int loaded, void *data);

/**
 * Call @handler for all that is loaded and unloaded from now on, in all link namespaces.
 *
 * @return   0, -EP_INVALID, -EP_NO_MEMORY (more than 16 watchers), -EP_UNSUPPORTED (the loader does
 *           not tell), or what ep_probe_create() says when the engine cannot start.
 * Context:  any thread; takes the registry lock.
 */
EP_API int ep_watch_objects(ep_object_handler handler, void *data);

/** @return 0, or -EP_INVALID if there is no such watcher. Context: as ep_watch_objects(). */
EP_API int ep_unwatch_objects(ep_object_handler handler, void *data);

/* ---- definitions --------------------------------------------------------------------------- */

struct ep_error_at {
	int error;	   /* an EP_ error code, positive */
	size_t column;	   /* offset of the offending byte in the definition text */
	char message[192]; /* one line of English, no newline */
};

/**
 * Create the probes that a definition list means ("p:malloc libc.so.6:malloc size=%di if size > 64k",
 * see emuprobe(1)), all with the same options; those of "r" definitions with EP_CALLS as well. All or
 * nothing, except that refused places are left out.
 *
 * Of a definition with a condition ("if ..."), a handler is called for what it holds for, and only that is
 * counted, with a handler or without; ep_counts.trapped may have others. That of an "r" definition is decided
 * when the call ends: .entered is always called, .ended if it holds; if it does not, the call is taken
 * off the counts then. Otherwise it is decided at the hit or entry, for .entered and .ended alike.
 * A handler has the values of arguments by ep_values().
 *
 * ep_call.words: the handlers have the first ones. The last ones are taken by what arguments and
 * conditions of an "r" definition need of the entry, if anything: one, and one for each $argN and
 * register; by the condition of another definition, one. Overwriting them spoils these values.
 *
 * The parsed list is kept in memory until the last one of its probes that has arguments for a handler, or
 * a condition, is removed, from outside of handlers. Of one that another thread, or its own handler,
 * removes before ep_define() returns it is kept for ever.
 *
 * @ret        The probes, in an array for free(); the probes themselves go with ep_probe_remove().
 * @ret_count  How many.
 * @error      Where and why it failed; may be NULL.
 *
 * @return   0, -EP_SYNTAX, -EP_NO_OBJECT, -EP_NO_SYMBOL, -EP_NO_MATCH, -EP_NO_SYMBOLS,
 *           -EP_BAD_OFFSET, -EP_NO_MEMORY, or, if every place was refused, the first refusal.
 * Context:  as ep_probe_create(). A hit costs what its arguments and condition cost, and 2 KiB more of
 *           stack; without either nothing more.
 */
EP_API int ep_define(const char *definitions, const struct ep_options *options,
		     struct ep_probe ***ret, size_t *ret_count, struct ep_error_at *error);

/* What the type of an argument makes of it. */
enum ep_value_kind {
	EP_VALUE_UNSIGNED,
	EP_VALUE_SIGNED, /* .number has its sign: cast it to int64_t */
	EP_VALUE_HEX,
	EP_VALUE_CHAR,
	EP_VALUE_FLOAT,	 /* the bits of a float or double, by .size */
	EP_VALUE_SYMBOL, /* an address */
	EP_VALUE_TEXT,
	EP_VALUE_BYTES,	   /* hex[N] */
	EP_VALUE_SOCKADDR, /* a struct sockaddr, as long as its family needs */
};

enum ep_value_state {
	EP_VALUE_WHOLE,
	EP_VALUE_CUT,	 /* not all of it is in .bytes: for its limit, for want of room, or the rest
			    cannot be read */
	EP_VALUE_FAULT,	 /* it cannot be read */
	EP_VALUE_ABSENT, /* there is none: what is returned, of a call that did not return */
};

struct ep_value {
	const char *name; /* of the argument; lives as long as the probe */
	enum ep_value_kind kind;
	enum ep_value_state state;
	uint64_t number; /* if .bytes is NULL */
	/* A text, with a zero behind it that .size does not count, or the elements of an array, or
	   bytes, in the memory that was given. Of an array of bitfields: what they lie in. */
	const void *bytes;
	size_t size;	   /* in bytes: of .bytes, or of the number where it was */
	uint32_t elements; /* of an array, whole; else 0 */
	uint32_t element; /* of an array of texts, each of which is a value: which one, from 0 on */
};

/**
 * The arguments of the definition, in its order, for a handler that was called for it: .handler; .entered,
 * but for "r" definitions; .ended of "r" definitions. Numbers are what they were at the hit; texts
 * and arrays are read now. $latency is in nanoseconds, and ends where the call did; $ts is
 * CLOCK_MONOTONIC, now, in nanoseconds. Vector registers are the program's, unless a handler of
 * another probe at this address has come first and changed them.
 *
 * @probe    As the handler was given it.
 * @ret      Room for @max values.
 * @memory   Of @size bytes: for texts and arrays, each of which takes its bytes and up to 24 more. NULL if
 *           @size is 0.
 *
 * @return   How many were written; 0: the handler has none, or @probe is another one.
 * Context:  handlers. Wait-free; a system call for each $tid, $pid and $comm. Some nanoseconds an
 *           argument, and what reading texts and arrays takes.
 */
EP_API size_t ep_values(const struct ep_probe *probe, struct ep_value *ret, size_t max,
			void *memory, size_t size);

/**
 * Count one more @value; those from 2^63 on count as 2^63 - 1.
 * Context:  any, handlers included. Wait-free; three locked additions.
 */
EP_API void ep_histogram_add(struct ep_histogram *to, uint64_t value);

/**
 * The value below or at which @per_million of a million values are: 500000 for the median, 1000000 for the
 * largest. It is the middle of a bucket, at most 1/32 away from one that was there.
 *
 * @return   0: there are none.
 * Context:  any, handlers included; a look at each of the buckets.
 */
EP_API uint64_t ep_histogram_quantile(const struct ep_histogram *of, uint32_t per_million);

#ifdef __cplusplus
}
#endif
#endif
