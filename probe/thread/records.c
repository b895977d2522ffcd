/* SPDX-License-Identifier: MIT */
/*
 * A stack of records, nearly: calls end in the reverse order of their entries, but for coroutines,
 * which end when they like, and for what is left by a jump. So one in the middle becomes a hole, and
 * holes are closed up when the top has come far above what is in use.
 *
 * The memory of a thread that is gone is taken over by the next one that needs some.
 */
#include "probe/thread/records.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "probe/thread/thread.h"
#include "sys/call.h"
#include "sys/mapping.h"
#include "sys/process.h"

#define OFFSET(type, field, number)                                                                \
	_Static_assert(offsetof(struct type, field) == (number), "see records.h")

OFFSET(records, top, RECORDS_TOP);
OFFSET(records, holes, RECORDS_HOLES);
OFFSET(records, suspects, RECORDS_SUSPECTS);
OFFSET(records, limit, RECORDS_LIMIT);
OFFSET(records, bottom, RECORDS_BELOW);
OFFSET(records, list, RECORDS_BELOW + RECORD_SIZE);
OFFSET(record, stack, RECORD_STACK);
OFFSET(record, expected, RECORD_EXPECTED);
OFFSET(record, state, RECORD_STATE);
OFFSET(record, is_told, RECORD_TOLD);
OFFSET(record, hit, RECORD_STATE + 4);
OFFSET(record, site, RECORD_SITE);
OFFSET(record, serial, RECORD_SERIAL);
OFFSET(record, call, RECORD_CALL);
OFFSET(record, call.return_address, RECORD_RETURN_ADDRESS);
OFFSET(record, call.xmm0, RECORD_XMM0);
OFFSET(record, call.end, RECORD_END);
_Static_assert(EP_END_RETURN == RECORD_END_RETURN, "see told.S");

__thread struct records *records_known;
static struct legacies all;

EP_TRAP_PATH static void clear(struct records *records)
{
	for (uint32_t i = 0; i < records->top; i++)
		records->list[i].state = RECORD_BUSY;
	records->top = records->holes = records->suspects = 0;
	records->refused = 0;
	records->limit = RECORDS_LIMIT_MIN;
}

EP_TRAP_PATH static struct records *take_over(uint32_t tid)
{
	struct records *records = (struct records *)legacy_take(&all, tid);

	if (records)
		clear(records);
	return records;
}

EP_TRAP_PATH static struct records *create(uint32_t tid)
{
	long at = sys_mmap(0, sizeof(struct records), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct records *records;

	if (sys_failed(at))
		return NULL;
	sys_madvise((uint64_t)at, sizeof(struct records), MADV_DONTDUMP);
	records = (struct records *)at;
	records->limit = RECORDS_LIMIT_MIN;
	records->bottom.stack = UINT64_MAX;
	legacy_add(&all, &records->legacy, tid);
	return records;
}

EP_TRAP_PATH struct records *records_own(void)
{
	uint32_t tid;

	if (records_known)
		return records_known;
	tid = (uint32_t)sys0(SYS_gettid);
	/* To a guest its parent's threads look dead. */
	if (!probe_thread_is_guest())
		records_known = take_over(tid);
	if (!records_known)
		records_known = create(tid);
	return records_known;
}

void records_follow_fork(void)
{
	if (records_known)
		atomic_store(&records_known->legacy.owner, (uint32_t)sys0(SYS_gettid));
}

EP_TRAP_PATH void records_close_up(struct records *records)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < records->top; i++) {
		const struct record *from = &records->list[i];
		struct record *to = &records->list[kept];

		if (from->state == RECORD_FREE)
			continue;
		for (uint32_t word = 0; from != to && word < sizeof(*from) / sizeof(uint64_t);
		     word++)
			((volatile uint64_t *)to)[word] = ((const uint64_t *)from)[word];
		kept++;
	}
	for (uint32_t i = kept; i < records->top; i++)
		records->list[i].state = RECORD_BUSY;
	records->top = kept;
	records->holes = 0;
}

/* Look at .top each time: a signal handler may have lowered it meanwhile. */
EP_TRAP_PATH void records_drop_holes(struct records *records)
{
	volatile uint32_t *top = &records->top;

	while (*top && records->list[*top - 1].state == RECORD_FREE) {
		*(volatile uint8_t *)&records->list[*top - 1].state = RECORD_BUSY;
		--*top;
		if (records->holes)
			records->holes--;
	}
}

EP_TRAP_PATH bool records_should_look(struct records *records)
{
	return records->limit < RECORDS_MAX || records->refused++ % RECORDS_MAX == 0;
}

EP_TRAP_PATH void records_have_looked(struct records *records)
{
	uint32_t limit = 2 * (records->top - records->holes);

	records->limit = limit < RECORDS_LIMIT_MIN ? RECORDS_LIMIT_MIN
			 : limit > RECORDS_MAX	   ? RECORDS_MAX
						   : limit;
	if (records->limit < records->top)
		records->limit = records->top;
}
