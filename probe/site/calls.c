/* SPDX-License-Identifier: MIT */
/*
 * A record is dead when the word where its return address should be is another one: the stack was used
 * for something else. The opposite does not hold, but what is stale is overwritten sooner or later; and
 * until then nobody is wrong: no other thread and no other call uses a record's memory.
 *
 * Whoever runs a handler of another site than the one that the thread has come to publishes it as
 * "passing", so that its list of probes, and the probe itself, stay as long as he looks at them (G5).
 */
#include "probe/site/calls.h"

#include "include/counting.h"
#include "probe/image/callers.h"
#include "probe/site/counts.h"
#include "probe/site/running.h"
#include "probe/thread/counters.h"
#include "sys/memory.h"
#include "sys/table.h"
#include "x86/condition.h"

#define CHAIN_MAX     64u /* calls that end with the same return: functions that go on in another one */
#define LOOKS_MAX     64u /* records that are looked at, in vain, in one hit */
#define CONTEXT_WORDS 48u /* of an unwinder's state that are looked at */

/* ---- the end of a call --------------------------------------------------------------------- */

EP_TRAP_PATH static struct ep_probe *probe_of(const struct record *record)
{
	const struct probe_list *list =
		atomic_load_explicit(&record->site->probes, memory_order_acquire);

	for (uint32_t i = 0; list && i < list->count; i++)
		if (list->probes[i]->serial == record->serial)
			return list->probes[i];
	return NULL; /* removed since */
}

EP_TRAP_PATH static void count_end(struct ep_probe *probe, enum ep_end end)
{
	struct ep_counts *counts = counts_of(probe);

	if (end == EP_END_RETURN && counters_add(probe->return_counter))
		return;
	if (end == EP_END_EXIT) /* to those who count, it is still running */
		return;
	__atomic_fetch_add(end == EP_END_RETURN	  ? &counts->returns
			   : end == EP_END_UNWIND ? &counts->unwound
						  : &counts->abandoned,
			   1, __ATOMIC_RELAXED);
}

EP_TRAP_PATH static void end_call(struct records *records, struct record *record, enum ep_end end,
				  struct ep_regs *regs, struct probe_thread *thread)
{
	struct probe_site *outer = atomic_load_explicit(&thread->passing, memory_order_relaxed);
	struct ep_probe *probe;

	record->state = RECORD_BUSY;
	atomic_store_explicit(&thread->passing, record->site, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	probe = probe_of(record);
	/* Disabled since: it ends all the same, as it began. */
	if (probe && probe_state_has_handlers(&probe->state)) {
		count_end(probe, end);
		record->call.end = end;
		if (record->is_told && probe->ended)
			probe->ended(probe->handle, regs, &record->call, probe->cookie);
	}
	atomic_store_explicit(&thread->passing, outer, memory_order_release);
	records_drop(records, record);
}

EP_TRAP_PATH static bool is_dead(const struct record *record)
{
	uint64_t word;

	return record->state == RECORD_RUNNING &&
	       (!sys_load_uint64_t(record->stack, &word) || word != record->expected);
}

/* In its caller; of a record whose .call may not be filled. */
EP_TRAP_PATH static uint64_t return_address_of(uint64_t expected)
{
	const struct xol_stub *stub = xol_stub_at(expected);

	return stub ? stub->address : expected;
}

/* Two probes' records of the same call? */
EP_TRAP_PATH static bool is_same_hit(uint32_t a, uint32_t b)
{
	return a && a == b;
}

/* Are the handlers of @probe told of this call? What a signal handler takes off in between does not matter. */
EP_TRAP_PATH static bool is_its_turn(const struct ep_probe *probe)
{
	uint64_t *left = probe->one_in > 1 ? counters_find(probe->turns) : NULL;

	if (!left)
		return true;
	if (*left) {
		--*left;
		return false;
	}
	*left = probe->one_in - 1;
	return true;
}

/* ---- entry --------------------------------------------------------------------------------- */

/*
 * The word at @record's place is its caller's: before the function is entered it is still there, and a
 * signal handler that comes in between may be on a stack above.
 */
EP_TRAP_PATH static bool may_be_entering(const struct record *record)
{
	uint64_t word;

	return sys_load_uint64_t(record->stack, &word) &&
	       word == return_address_of(record->expected);
}

/* Of a call that lies no deeper than @stack, where the thread enters a function. */
EP_TRAP_PATH static bool has_left(const struct record *record, uint64_t stack)
{
	if (record->stack == stack)
		return record->is_in_place || is_dead(record);
	return is_dead(record) && !may_be_entering(record);
}

/*
 * The thread enters a function at @stack. What lies no deeper, and was entered before, was left by a
 * jump, or is on another stack, where it waits: as long as it looks alive it stays under suspicion.
 */
EP_TRAP_PATH static void end_abandoned(struct records *records, uint64_t stack,
				       struct probe_thread *thread)
{
	uint32_t looks = 0, suspects = 0;

	for (uint32_t i = records->top; i-- > 0 && looks < LOOKS_MAX; looks++) {
		struct record *record = &records->list[i];

		if (record->state != RECORD_RUNNING || record->stack > stack)
			continue;
		if (has_left(record, stack))
			end_call(records, record, EP_END_JUMP, NULL, thread);
		else
			suspects++;
	}
	records->suspects = suspects;
}

/* Number + 1 of the newest record at @stack that has been seen; 0: none. */
EP_TRAP_PATH static uint16_t *newest_at(struct records *records, uint64_t stack)
{
	uint64_t i = sys_table_hash(stack);

	for (;; i++) {
		uint16_t *at = &records->newest[i % RECORDS_SLOTS];

		if (!*at || records->list[*at - 1].stack == stack)
			return at;
	}
}

/*
 * From the top down: another call has begun where @record's did. Not one which has gone on in it, and
 * not the same in the eyes of another probe.
 */
EP_TRAP_PATH static bool is_replaced(struct records *records, const struct record *record)
{
	uint16_t *newest = newest_at(records, record->stack);
	const struct record *newer = *newest ? &records->list[*newest - 1] : NULL;

	if (newer && !newer->is_chained && !is_same_hit(newer->hit, record->hit))
		return true;
	*newest = (uint16_t)(record - records->list + 1);
	return false;
}

/*
 * Programs that leave hundreds of calls by a jump, again and again, have more under suspicion than is
 * looked at in each hit; what they enter anew makes the old ones look alive. So from time to time all
 * are looked at: when there are twice as many as were left the last time.
 */
EP_TRAP_PATH static void end_all_abandoned(struct records *records, struct probe_thread *thread)
{
	for (uint32_t i = 0; i < RECORDS_SLOTS; i++)
		*(volatile uint16_t *)&records->newest[i] = 0;
	for (uint32_t i = records->top; i-- > 0;) {
		struct record *record = &records->list[i];

		if (record->state != RECORD_RUNNING)
			continue;
		if (is_replaced(records, record) || (is_dead(record) && !may_be_entering(record)))
			end_call(records, record, EP_END_JUMP, NULL, thread);
	}
	records_have_looked(records);
}

EP_TRAP_PATH static bool may_be_abandoned(const struct records *records, uint64_t stack)
{
	return records->suspects ||
	       (records->top && records->list[records->top - 1].stack <= stack);
}

EP_TRAP_PATH static bool chain_is_short(const struct records *records, uint64_t stack)
{
	uint32_t top = records->top;

	return top < CHAIN_MAX || records->list[top - CHAIN_MAX].stack != stack;
}

/* What stubs of @site call at first. */
EP_TRAP_PATH static const uint8_t *leave_of(const struct probe_site *site)
{
	const struct ep_probe *probe;

	if (atomic_load_explicit(&site->counted, memory_order_relaxed))
		return calls_counted_leave;
	probe = atomic_load_explicit(&site->only_calls, memory_order_relaxed);
	return probe && probe->scratch_only ? calls_told_leave : xol_stub_general;
}

/* For the next call from there: the site has the last one, and a table those of other callers. */
EP_TRAP_PATH static void remember(struct probe_site *site, struct xol_stub *stub)
{
	uint64_t i = (stub->address + (uint64_t)site) % CALLS_STUBS;

	xol_stub_begin_with(stub, leave_of(site));
	atomic_store_explicit(&calls_stubs[i], stub, memory_order_relaxed);
	atomic_store_explicit(&site->last_stub, stub, memory_order_relaxed);
}

/* The function is to return to a stub: is there one, or can one be made? */
EP_TRAP_PATH static bool find_stub(struct calls_entry *entry)
{
	uint64_t address;

	if (!sys_load_uint64_t(entry->regs->rsp, &address))
		return false;
	if (entry->site->is_left_alone) {
		entry->expected = address;
		return true;
	}
	if (xol_stub_is_return(address)) {
		entry->expected = address;
		xol_stub_need(xol_stub_at(address), entry->site->leave);
		return chain_is_short(entry->records, entry->regs->rsp);
	}
	entry->stub = xol_stub_find(entry->site, address);
	if (!entry->stub && callers_can_be_unwound(address))
		entry->stub = xol_stub_make(entry->site, address, calls_leave);
	if (!entry->stub)
		return false;
	xol_stub_need(entry->stub, entry->site->leave);
	if (!entry->trapped) {
		xol_stub_calls(entry->stub, entry->site->body);
		remember(entry->site, entry->stub);
	}
	entry->expected = xol_stub_return(entry->stub);
	return true;
}

EP_TRAP_PATH static void prepare(struct calls_entry *entry)
{
	struct probe_thread *thread = probe_thread_self();

	entry->is_prepared = true;
	entry->records = records_own();
	if (!entry->records)
		return;
	probe_thread_here.thread = thread;
	probe_thread_here.records = entry->records;
	__asm__ volatile("" : : : "memory");
	probe_thread_here.mark = XOL_THREAD_MARK;
	if (may_be_abandoned(entry->records, entry->regs->rsp))
		end_abandoned(entry->records, entry->regs->rsp, thread);
	entry->hit = records_next_hit(entry->records);
	entry->is_followed = find_stub(entry);
}

EP_TRAP_PATH static struct record *add_record(struct records *records)
{
	struct record *ret = records_push(records);

	if (ret || !records_should_look(records))
		return ret;
	end_all_abandoned(records, probe_thread_self());
	return records_push(records);
}

EP_TRAP_PATH bool calls_enter(struct calls_entry *entry, struct ep_probe *probe)
{
	struct record *record;

	if (!entry->is_prepared)
		prepare(entry);
	if (!entry->is_followed)
		return false;
	record = add_record(entry->records);
	if (!record)
		return false;
	record->stack = entry->regs->rsp;
	record->expected = entry->expected;
	record->is_in_place = entry->site->is_left_alone;
	record->is_chained = !entry->stub && !record->is_in_place;
	record->site = entry->site;
	record->serial = probe->serial;
	record->hit = entry->hit;
	record->call.return_address = return_address_of(entry->expected);
	record->call.xmm0 = NULL;
	record->is_told = is_its_turn(probe);
	if (record->is_told && probe->entered)
		probe->entered(probe->handle, entry->regs, &record->call, probe->cookie);
	record->state = RECORD_RUNNING;
	entry->begun++;
	return true;
}

/* A handler sends the thread elsewhere: the function is not entered. */
EP_TRAP_PATH static void take_back(const struct calls_entry *entry)
{
	struct records *records = entry->records;

	for (uint32_t i = 0; i < entry->begun && records->top; i++)
		records_drop(records, &records->list[records->top - 1]);
}

/* A handler may have chosen another stack: the function returns there. */
EP_TRAP_PATH static void follow_stack(const struct calls_entry *entry)
{
	struct records *records = entry->records;

	for (uint32_t i = 0; i < entry->begun && i < records->top; i++)
		records->list[records->top - 1 - i].stack = entry->regs->rsp;
}

EP_TRAP_PATH uint64_t calls_way_on(const struct calls_entry *entry)
{
	struct ep_regs *regs = entry->regs;

	if (!entry->begun)
		return 0;
	if (regs->rip != entry->site->address) {
		take_back(entry);
		return 0;
	}
	follow_stack(entry);
	if (!entry->stub)
		return 0;
	if (!entry->trapped)
		return xol_stub_entry(entry->stub);
	*(uint64_t *)regs->rsp = entry->expected;
	return 0;
}

EP_TRAP_PATH static uint64_t enter(struct records *records, struct record *record,
				   struct probe_site *site, struct ep_probe *probe,
				   struct ep_regs *regs, const struct xol_stub *stub)
{
	record->stack = regs->rsp;
	record->expected = xol_stub_return(stub);
	record->is_chained = record->is_in_place = false;
	record->site = site;
	record->serial = probe->serial;
	record->hit = records_next_hit(records);
	record->call.return_address = stub->address;
	record->call.xmm0 = NULL;
	record->is_told = is_its_turn(probe);
	if (record->is_told && probe->entered)
		probe->entered(probe->handle, regs, &record->call, probe->cookie);
	record->stack = regs->rsp; /* a handler may have chosen another stack */
	record->state = RECORD_RUNNING;
	if (regs->rip == site->address)
		return xol_stub_entry(stub);
	records_drop(records, record);
	return regs->rip;
}

EP_TRAP_PATH uint64_t calls_enter_at_once(struct probe_site *site, struct ep_regs *regs,
					  struct probe_thread *thread, uint64_t *counter)
{
	const struct xol_stub *stub = atomic_load_explicit(&site->last_stub, memory_order_relaxed);
	struct records *records = records_if_any();
	struct record *record = NULL;
	struct ep_probe *probe;
	uint64_t ret = 0, address;
	int error;

	if (!records || !stub || records->top >= records->limit ||
	    may_be_abandoned(records, regs->rsp) || !sys_load_uint64_t(regs->rsp, &address) ||
	    address != stub->address ||
	    /* Made by a trap, or for a detour before this one. */
	    atomic_load_explicit(&stub->body, memory_order_relaxed) != site->body)
		return 0;
	error = running_begin(thread, site, regs->rsp);
	probe = atomic_load_explicit(&site->only_calls, memory_order_acquire);
	if (probe && probe_state_enabled(&probe->state))
		record = records_push(records);
	if (record) {
		__asm__ volatile("incq %0" : "+m"(*counter) : : "cc");
		ret = enter(records, record, site, probe, regs, stub);
	}
	running_end(thread, error, NULL);
	return ret;
}

/* ---- return -------------------------------------------------------------------------------- */

/* The topmost call that was entered at @stack, in the eyes of the probe that was told last. */
EP_TRAP_PATH static struct record *find(struct records *records, uint64_t stack)
{
	for (uint32_t i = records->top; i-- > 0;)
		if (records->list[i].state == RECORD_RUNNING && records->list[i].stack == stack)
			return &records->list[i];
	return NULL;
}

/* What lies above the call that ends, in the order of entry and on the stack, was left by a jump. */
EP_TRAP_PATH static void end_above(struct records *records, const struct record *record,
				   struct probe_thread *thread)
{
	for (uint32_t i = records->top; &records->list[i] > record + 1;) {
		struct record *above = &records->list[--i];

		if (above->stack < record->stack && is_dead(above))
			end_call(records, above, EP_END_JUMP, NULL, thread);
	}
}

/* All that ends here: the call for which the return address was taken, and those that it went on in. */
EP_TRAP_PATH static void end_all(struct records *records, uint64_t stack, uint64_t expected,
				 enum ep_end end, struct ep_regs *regs, uint64_t *xmm0,
				 struct probe_thread *thread)
{
	struct record *record = find(records, stack);
	uint32_t hit;

	while (record && record->expected == expected) {
		bool is_chained = record->is_chained;

		hit = record->hit;
		end_above(records, record, thread);
		record->call.xmm0 = xmm0;
		end_call(records, record, end, regs, thread);
		record = find(records, stack);
		if (!is_chained && record && !is_same_hit(record->hit, hit))
			return;
	}
}

/* The same of a thread at @rsp that runs no handler so far, or one that it goes on with. */
EP_TRAP_PATH static void end_as_running(struct records *records, uint64_t stack, uint64_t expected,
					enum ep_end end, struct ep_regs *regs, uint64_t *xmm0,
					struct probe_thread *thread, struct probe_site *site,
					uint64_t rsp)
{
	struct probe_site *outer = atomic_load_explicit(&thread->running, memory_order_relaxed);
	uint64_t outer_rsp = thread->running_rsp;
	int error = running_begin(thread, site, rsp);

	end_all(records, stack, expected, end, regs, xmm0, thread);
	running_end(thread, error, outer);
	thread->running_rsp = outer_rsp;
}

EP_TRAP_PATH static bool is_taken(const struct probe_site *site, const struct ep_regs *regs)
{
	return atomic_load_explicit(&site->way, memory_order_relaxed) != WAY_JUMP_IF ||
	       x86_condition(site->insn.opcode & 15u, regs->rflags);
}

/* At a `ret` the program sees what its caller will find; at a jump nothing has been returned yet. */
EP_TRAP_PATH void calls_way_out(struct probe_site *site, struct ep_regs *regs,
				struct probe_thread *thread)
{
	bool returns = atomic_load_explicit(&site->way, memory_order_relaxed) == WAY_RET;
	struct records *records = records_if_any();
	struct record *record = records ? find(records, regs->rsp) : NULL;
	uint64_t rip = regs->rip, rsp = regs->rsp;
	uint32_t hit = record ? record->hit : 0;

	if (!record || !is_taken(site, regs))
		return;
	while (record && record->is_in_place && is_same_hit(record->hit, hit)) {
		end_above(records, record, thread);
		if (returns) {
			regs->rip = record->call.return_address;
			regs->rsp = rsp + sizeof(uint64_t);
		}
		end_call(records, record, returns ? EP_END_RETURN : EP_END_JUMP,
			 returns ? regs : NULL, thread);
		regs->rip = rip;
		regs->rsp = rsp;
		record = find(records, rsp);
	}
}

/* The counter at @where, as xol_where(); NULL: the thread has not got it, or it is none. */
EP_TRAP_PATH static uint64_t *counter_at(uint64_t where)
{
	char *block = where ? (char *)running_load_fs((int32_t)where) : NULL;

	return block ? (uint64_t *)(void *)(block + (where >> 32)) : NULL;
}

/* Byte by byte, as they were stored: one load over several stores waits until these are in the cache. */
EP_TRAP_PATH static bool is_plain(const struct record *record)
{
	return __atomic_load_n(&record->state, __ATOMIC_RELAXED) == RECORD_RUNNING &&
	       !__atomic_load_n(&record->is_in_place, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&record->is_chained, __ATOMIC_RELAXED);
}

/*
 * The commonest case: the record on top is the only one that ends, and its probe the only one there.
 * The site is the one that the stub names: the processor has that long before it has the record.
 */
EP_TRAP_PATH static bool leave_at_once(struct records *records, struct ep_regs *regs,
				       const struct xol_stub *stub, struct probe_thread *thread,
				       void *vectors)
{
	uint64_t stack = regs->rsp - sizeof(uint64_t);
	struct record *record = &records->list[records->top - 1];
	struct probe_site *site = stub->site;
	uint64_t *returns = counter_at(site->returns_at);
	struct ep_probe *probe;
	int error;

	if (!returns || !records->top || record->stack != stack || !is_plain(record) ||
	    record->expected != xol_stub_return(stub) || thread->engine_depth ||
	    atomic_load_explicit(&thread->running, memory_order_relaxed))
		return false;
	error = running_begin(thread, site, regs->rsp);
	probe = atomic_load_explicit(&site->only_calls, memory_order_acquire);
	if (!probe || probe->serial != record->serial || !probe_state_enabled(&probe->state) ||
	    probe->return_counter != site->return_counter) {
		atomic_store_explicit(&thread->running, NULL, memory_order_release);
		return false;
	}
	__asm__ volatile("incq %0" : "+m"(*returns) : : "cc");
	record->state = RECORD_BUSY;
	record->call.end = EP_END_RETURN;
	record->call.xmm0 = xol_stub_keeps_vectors(stub) ? vectors : NULL;
	if (record->is_told && probe->ended)
		probe->ended(probe->handle, regs, &record->call, probe->cookie);
	records_drop(records, record);
	running_end(thread, error, NULL);
	return true;
}

EP_TRAP_PATH void calls_leave(struct ep_regs *regs, void *site, uint64_t stub, void *vectors)
{
	struct probe_thread *thread = probe_thread_self();
	struct records *records = thread ? records_if_any() : NULL;

	if (!records ||
	    leave_at_once(records, regs, (const struct xol_stub *)stub, thread, vectors))
		return;
	end_as_running(records, regs->rsp - sizeof(uint64_t),
		       xol_stub_return((const struct xol_stub *)stub), EP_END_RETURN, regs,
		       xol_stub_keeps_vectors((const struct xol_stub *)stub) ? vectors : NULL,
		       thread, site, regs->rsp);
}

/* The records of the thread are in the order of their entry. */
EP_TRAP_PATH bool ep_call_is_nested(const struct ep_call *call)
{
	const struct record *record =
		(const void *)((const char *)call - offsetof(struct record, call));
	const struct records *records = records_if_any();

	for (const struct record *below = record; records && below > records->list;)
		if ((--below)->state == RECORD_RUNNING && below->serial == record->serial)
			return true;
	return false;
}

/* ---- unwinding ----------------------------------------------------------------------------- */

/*
 * Which stub an unwinder passes is in its state: its instruction pointer, where a function would have
 * returned to, and its stack pointer, which is just above the word from where that was read. These two
 * are looked for wherever they may be, since each unwinder has a layout of its own: libgcc, the two
 * libunwinds.
 *
 * Returns the address of that word; 0: they are not there.
 */
EP_TRAP_PATH static uint64_t find_passed(const uint64_t *context, uint64_t here)
{
	uint64_t ip = 0, word, below;

	for (unsigned int i = 0; i < CONTEXT_WORDS && !xol_stub_is_return(ip); i++)
		if (!sys_load_uint64_t((uint64_t)&context[i], &ip))
			return 0;
	if (!xol_stub_is_return(ip))
		return 0;
	for (unsigned int i = 0; i < CONTEXT_WORDS; i++) {
		if (!sys_load_uint64_t((uint64_t)&context[i], &word))
			return 0;
		if (word > here && sys_load_uint64_t(word - sizeof(word), &below) && below == ip)
			return word - sizeof(word);
	}
	return 0;
}

/* The innermost call on the stack that is at @here: others may wait on stacks above. */
EP_TRAP_PATH static uint64_t find_innermost(const struct records *records, uint64_t here)
{
	uint64_t ret = 0;

	for (uint32_t i = records->top; i-- > 0;) {
		const struct record *record = &records->list[i];

		if (record->state == RECORD_RUNNING && record->stack > here &&
		    (!ret || record->stack < ret) && !is_dead(record))
			ret = record->stack;
	}
	return ret;
}

EP_TRAP_PATH static void unwound(const void *context)
{
	struct probe_thread *thread = probe_thread_self();
	struct records *records = thread ? records_if_any() : NULL;
	uint64_t here = (uint64_t)__builtin_frame_address(0);
	const struct record *record;
	uint64_t stack;

	if (!records)
		return;
	stack = find_passed(context, here);
	if (!stack)
		stack = find_innermost(records, here);
	record = find(records, stack);
	if (!record)
		return;
	end_as_running(records, stack, record->expected, EP_END_UNWIND, NULL, NULL, thread,
		       record->site, here);
}

/* ---- the end of the program ---------------------------------------------------------------- */

EP_TRAP_PATH void calls_exit(struct probe_thread *thread)
{
	struct records *records = records_if_any();

	for (uint32_t i = records ? records->top : 0; i-- > 0;) {
		struct record *record = &records->list[i];

		if (record->state == RECORD_RUNNING)
			end_call(records, record, is_dead(record) ? EP_END_JUMP : EP_END_EXIT, NULL,
				 thread);
	}
}

/* Is all that the only probe of @site does to count calls, at least most of them? */
static bool is_counted(const struct probe_site *site, const struct ep_probe *probe)
{
	return probe && !probe->handler &&
	       ((!probe->entered && !probe->ended) || (probe->one_in > 1 && probe->general_only)) &&
	       site->return_counter != COUNTERS_NONE &&
	       probe->return_counter == site->return_counter && !site->is_left_alone;
}

void calls_choose_way(struct probe_site *site)
{
	struct ep_probe *probe = atomic_load(&site->only_calls);

	if (site->return_counter != COUNTERS_NONE) {
		struct counters_where where = counters_where(site->return_counter);

		site->returns_at = xol_where(where.thread_offset, where.offset);
	}
	if (!is_counted(site, probe)) {
		atomic_store_explicit(&site->counted, 0, memory_order_release);
		return;
	}
	if (probe->one_in > 1) {
		struct counters_where where = counters_where(probe->turns);

		site->turns_at = xol_where(where.thread_offset, where.offset);
	}
	/* Who reads it when it is gone finds memory still, and that it is not enabled. */
	site->counted_probe = probe;
	atomic_store_explicit(&site->counted, probe->serial, memory_order_release);
}

/* Never less than before: calls are on their way. */
void calls_choose_leave(struct probe_site *site, const struct probe_list *list)
{
	enum xol_save save = XOL_SAVE_GENERAL;

	for (uint32_t i = 0; list && i < list->count; i++)
		if (list->probes[i]->follows && !list->probes[i]->general_only)
			save = XOL_SAVE_VECTOR;
	if (!site->leave || save == XOL_SAVE_VECTOR)
		site->leave = xol_stub_code_for(save);
}

int calls_init(void)
{
	int error = xol_stub_init();

	if (!error)
		error = callers_start();
	if (!error)
		xol_stub_on_unwind(unwound);
	records_own(); /* a sandbox that is entered later may forbid to make them */
	return error;
}

void calls_deinit(void)
{
	xol_stub_release();
}
