/* SPDX-License-Identifier: MIT */
#include "fallback-xol/stub.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "fallback-xol/builder.h"
#include "fallback-xol/code_memory.h"
#include "sys/abi.h"
#include "sys/mapping.h"
#include "sys/table.h"
#include "x86/cpu.h"
#include "x86/encode.h"

#define OFFSET(field, number)                                                                      \
	_Static_assert(offsetof(struct xol_stub, field) == (number), "see stub.S")

OFFSET(address, STUB_ADDRESS);
OFFSET(site, STUB_SITE);
OFFSET(where, STUB_WHERE);
OFFSET(hit, STUB_HIT);
OFFSET(shared, STUB_SHARED);
OFFSET(body, STUB_BODY);
OFFSET(caller, STUB_CALLER);
OFFSET(full, STUB_FULL);
_Static_assert(sizeof(struct xol_stub) == XOL_STUB_SIZE, "data and code go in step");

#define RETURN_ADDRESS 8

static _Atomic uint32_t used; /* stubs; beyond XOL_STUBS: asked for in vain */
static bool is_mapped, is_released;
static void (*unwound)(const void *context);

/* ---- code ---------------------------------------------------------------------------------- */

/* From the end of an instruction at @end in the code to a field of the data. */
static int32_t to_data(const uint8_t *code, const uint8_t *end, int field)
{
	return XOL_STUBS * XOL_STUB_SIZE + field - (int32_t)(end - code);
}

enum { MEM_SIZE = 6 }; /* of call, push and jmp with a RIP-relative operand */

static void write_code(uint8_t code[XOL_STUB_SIZE])
{
	uint8_t *at = code;

	for (unsigned int i = 0; i < XOL_STUB_SIZE; i++)
		code[i] = X86_INT3;
	at += x86_put_add_rsp(at, RETURN_ADDRESS);
	at += x86_put_call_mem(at, to_data(code, at + MEM_SIZE, STUB_BODY));
	at += x86_put_add_rsp(at, -XOL_RED_ZONE);
	at += x86_put_call_mem(at, to_data(code, at + MEM_SIZE, STUB_SHARED));
	at += x86_put_add_rsp(at, XOL_RED_ZONE);
	at += x86_put_push_mem(at, to_data(code, at + MEM_SIZE, STUB_ADDRESS));
	x86_put_ret(at);
}

/* Code, data and table are one piece of whole pages. */
#define ALL_SIZE (sizeof(xol_stubs) + sizeof(xol_stub_data) + sizeof(xol_stub_table))
_Static_assert(ALL_SIZE % SYS_PAGE_SIZE == 0, "see stub.S");

static bool map_all(int protection, int flags)
{
	return !sys_failed(sys_mmap((uint64_t)xol_stubs, ALL_SIZE, protection,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0));
}

void xol_stub_release(void)
{
	if (!is_mapped && !is_released)
		is_released = map_all(PROT_READ, MAP_NORESERVE);
}

static bool take_again(void)
{
	is_released = !map_all(PROT_READ | PROT_WRITE, 0);
	return !is_released;
}

int xol_stub_init(void)
{
	uint8_t code[XOL_STUB_SIZE];
	int error;

	if (is_mapped)
		return 0;
	if (is_released && !take_again())
		return -EP_NO_MEMORY;
	write_code(code);
	error = xol_code_repeat((uint64_t)xol_stubs, sizeof(xol_stubs), code, sizeof(code));
	is_mapped = error == 0;
	return error;
}

static const uint8_t *shared_code(enum xol_save save)
{
	if (save == XOL_SAVE_GENERAL)
		return xol_stub_general;
	if (x86_cpu_has(X86_CPU_AVX512BW))
		return xol_stub_avx512;
	if (x86_cpu_has(X86_CPU_AVX512))
		return xol_stub_avx512f;
	return x86_cpu_has(X86_CPU_AVX) ? xol_stub_avx : xol_stub_sse;
}

/* ---- stubs --------------------------------------------------------------------------------- */

EP_TRAP_PATH static uint32_t place_of(const void *site, uint64_t address)
{
	return (uint32_t)(sys_table_hash(address ^ (uint64_t)site << 7) % XOL_STUB_ENTRIES);
}

EP_TRAP_PATH static bool is_of(const struct xol_stub *stub, const void *site, uint64_t address)
{
	return stub->site == site && stub->address == address;
}

/* Returns a number + 1; 0: there are no more. */
EP_TRAP_PATH static uint32_t make(void *site, uint64_t address,
				  void (*hit)(struct ep_regs *, void *, uint64_t, void *))
{
	uint32_t number;

	if (!is_mapped || atomic_load_explicit(&used, memory_order_relaxed) >= XOL_STUBS)
		return 0;
	number = atomic_fetch_add(&used, 1);
	if (number >= XOL_STUBS)
		return 0;
	xol_stub_data[number].address = address;
	xol_stub_data[number].caller = address - 1;
	xol_stub_data[number].site = site;
	xol_stub_data[number].where = (uint64_t)&xol_stub_data[number];
	xol_stub_data[number].hit = hit;
	atomic_init(&xol_stub_data[number].shared, xol_stub_general);
	atomic_init(&xol_stub_data[number].full, xol_stub_general);
	return number + 1;
}

EP_TRAP_PATH struct xol_stub *xol_stub_find(const void *site, uint64_t address)
{
	for (uint32_t i = place_of(site, address);; i = (i + 1) % XOL_STUB_ENTRIES) {
		uint32_t number = atomic_load_explicit(&xol_stub_table[i], memory_order_acquire);

		if (!number)
			return NULL;
		if (is_of(&xol_stub_data[number - 1], site, address))
			return &xol_stub_data[number - 1];
	}
}

/* Two threads that want the same at once may both make one: the second is not used. */
EP_TRAP_PATH struct xol_stub *xol_stub_make(void *site, uint64_t address,
					    void (*hit)(struct ep_regs *, void *, uint64_t, void *))
{
	uint32_t made = make(site, address, hit);

	for (uint32_t i = place_of(site, address); made; i = (i + 1) % XOL_STUB_ENTRIES) {
		uint32_t number = 0;

		if (atomic_compare_exchange_strong(&xol_stub_table[i], &number, made))
			number = made;
		if (is_of(&xol_stub_data[number - 1], site, address))
			return &xol_stub_data[number - 1];
	}
	return NULL;
}

EP_TRAP_PATH void xol_stub_calls(struct xol_stub *stub, uint64_t body)
{
	if (atomic_load_explicit(&stub->body, memory_order_relaxed) != body)
		atomic_store_explicit(&stub->body, body, memory_order_relaxed);
}

EP_TRAP_PATH void xol_stub_need(struct xol_stub *stub, const uint8_t *shared)
{
	if (shared == xol_stub_general ||
	    atomic_load_explicit(&stub->full, memory_order_relaxed) == shared)
		return;
	atomic_store_explicit(&stub->full, shared, memory_order_relaxed);
	atomic_store_explicit(&stub->shared, shared, memory_order_release);
}

/* What saves vector registers stays: who wants it writes .full first. */
EP_TRAP_PATH void xol_stub_begin_with(struct xol_stub *stub, const uint8_t *shared)
{
	const uint8_t *now = atomic_load_explicit(&stub->shared, memory_order_acquire);

	if (now != shared && !xol_stub_keeps_vectors(stub))
		atomic_compare_exchange_strong(&stub->shared, &now, shared);
}

const uint8_t *xol_stub_code_for(enum xol_save save)
{
	return shared_code(save);
}

EP_TRAP_PATH static bool is_in_stubs(uint64_t address)
{
	return address - (uint64_t)xol_stubs < sizeof(xol_stubs);
}

EP_TRAP_PATH bool xol_stub_is_return(uint64_t address)
{
	return is_in_stubs(address) && address % XOL_STUB_SIZE == STUB_RETURNED;
}

EP_TRAP_PATH struct xol_stub *xol_stub_at(uint64_t rip)
{
	uint64_t data = (rip & ~(XOL_STUB_SIZE - 1ull)) + sizeof(xol_stubs);

	return is_in_stubs(rip) ? (struct xol_stub *)data : NULL;
}

/* ---- where a thread in a stub is ------------------------------------------------------------ */

/* From .begin on, until the next one. */
static const struct part {
	uint8_t begin, state, resume;
	bool returned; /* the program sees the caller, not the beginning of the function */
} parts[] = {
	{0, XOL_STATE_EXACT, 0, false},
	{STUB_TAKEN, XOL_STATE_POPPED, 0, false},
	{STUB_RETURNED, XOL_STATE_EXACT, STUB_RETURNED, true},
	{STUB_BELOW, XOL_STATE_BELOW, STUB_RETURNED, true},
	{STUB_HANDLED, XOL_STATE_BELOW, STUB_LEAVE, true},
	{STUB_LEAVE, XOL_STATE_EXACT, STUB_LEAVE, true},
	{STUB_PUSHED, XOL_STATE_PUSHED, STUB_LEAVE, true},
};

EP_TRAP_PATH bool xol_stub_origin(uint64_t rip, uint64_t *ret_address, uint16_t *ret_state,
				  uint64_t *ret_resume, bool *ret_returned)
{
	const struct xol_stub *stub = xol_stub_at(rip);
	const struct part *part = parts;
	uint64_t offset = rip % XOL_STUB_SIZE;

	if (!stub)
		return false;
	for (unsigned int i = 1; i < sizeof(parts) / sizeof(parts[0]) && offset >= parts[i].begin;
	     i++)
		part = &parts[i];
	*ret_address = part->returned ? stub->address : *(const uint64_t *)stub->site;
	*ret_state = part->state;
	*ret_resume = xol_stub_entry(stub) + part->resume;
	*ret_returned = part->returned;
	return true;
}

/* ---- unwinding ----------------------------------------------------------------------------- */

void xol_stub_on_unwind(void (*set)(const void *context))
{
	unwound = set;
}

/* As the C++ ABI calls a personality routine: nothing to do here, and nowhere to land. */
enum { SEARCH_PHASE = 1, CLEANUP_PHASE = 2, CONTINUE_UNWIND = 8 };

typedef int (*personality)(int version, int actions, uint64_t kind, void *exception, void *context);

static int pass(int version, int actions, uint64_t kind, void *exception, void *context);

/* Where the FDE of the stubs finds it; NULL: they have none. */
personality xol_stub_personality_at = pass;

/*
 * LLVM's unwinder takes a stub's frame for that of its caller, since their stack pointers are the
 * same, and in the second phase ends the program if that does not catch what it said it would. It
 * does not ask a frame without a personality. What it hands out begins with the address of a table of
 * functions, all in its own object; with libgcc that is where RAX was saved, in a frame near by most
 * often.
 */
static bool are_near(uint64_t a, uint64_t b, uint64_t distance)
{
	return a - b + distance < 2 * distance;
}

static bool is_llvm(const uint64_t *context, uint64_t code)
{
	const uint64_t object = (uint64_t)1 << 30, frame = (uint64_t)64 << 10;
	uint64_t table, function;

	return sys_load_uint64_t((uint64_t)context, &table) && are_near(table, code, object) &&
	       !are_near(table, (uint64_t)context, frame) && sys_load_uint64_t(table, &function) &&
	       are_near(function, code, object);
}

static int pass(int version, int actions, uint64_t kind, void *exception, void *context)
{
	(void)version;
	(void)kind;
	(void)exception;
	if ((actions & SEARCH_PHASE) && is_llvm(context, (uint64_t)__builtin_return_address(0)))
		*(personality volatile *)&xol_stub_personality_at = NULL;
	if (actions & CLEANUP_PHASE)
		unwound(context);
	return CONTINUE_UNWIND;
}
