/* SPDX-License-Identifier: MIT */
/*
 * Each ring is in order by itself; a heap over their oldest records merges them. A pass emits what is
 * older than its beginning: all of that is there (snapshot.c), so no later pass finds anything older.
 *
 * Every number read from a ring is checked before use: the program shares this memory. A record
 * that is older than what was emitted, or from the future, gets another time, and is counted.
 */
#include "trace/report/reader.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include "sys/barrier.h"
#include "sys/call.h"
#include "sys/mapping.h"
#include "sys/process.h"
#include "trace/language/types.h"
#include "trace/session/head.h"

#define AT_ONCE	     1024u	 /* events, until their threads are told that there is room */
#define FEW	     16u	 /* events, until they see that somebody reads */
#define SLACK	     (1ul << 20) /* of the clock: processors may differ by a little */
#define HEADER_WORDS (sizeof(struct trace_record) / 8)

int trace_reader_init(struct trace_reader *reader, const struct trace_session *session,
		      enum trace_format format, struct trace_arena *arena)
{
	const struct trace_layout *layout = &session->layout;

	*reader = (struct trace_reader){
		.session = *session,
		.writer = format == TRACE_FORMAT_JSON ? &trace_format_json : &trace_format_text,
	};
	reader->processes =
		trace_arena_alloc(arena, layout->process_max * sizeof(*reader->processes));
	reader->cursors = trace_arena_alloc(arena, layout->ring_max * sizeof(*reader->cursors));
	reader->heap = trace_arena_alloc(arena, layout->ring_max * sizeof(*reader->heap));
	reader->record = trace_arena_alloc(arena, TRACE_RECORD_MAX);
	reader->scratch = trace_arena_alloc(arena, TRACE_BYTES_MAX + 1);
	if (!reader->processes || !reader->cursors || !reader->heap || !reader->record ||
	    !reader->scratch)
		return -EP_NO_MEMORY;
	if (session->shared->keep)
		reader->copies =
			trace_arena_alloc(arena, layout->ring_max * sizeof(*reader->copies));
	if (session->shared->keep && !reader->copies)
		return -EP_NO_MEMORY;
	reader->barrier = session->shared->barrier ? sys_barrier_shared : NULL;
	trace_clock_init(&session->shared->time_namespace);
	trace_clock_map_init(&reader->map, session->shared->clock);
	return 0;
}

/* ---- the heap ------------------------------------------------------------------------------ */

EP_TRAP_PATH static bool is_older(const struct trace_reader *reader, uint32_t a, uint32_t b)
{
	return reader->cursors[reader->heap[a]].time < reader->cursors[reader->heap[b]].time;
}

EP_TRAP_PATH static void swap(struct trace_reader *reader, uint32_t a, uint32_t b)
{
	uint32_t ring = reader->heap[a];

	reader->heap[a] = reader->heap[b];
	reader->heap[b] = ring;
}

EP_TRAP_PATH static void sink(struct trace_reader *reader, uint32_t at)
{
	for (;;) {
		uint32_t left = 2 * at + 1, oldest = at;

		if (left < reader->heap_count && is_older(reader, left, oldest))
			oldest = left;
		if (left + 1 < reader->heap_count && is_older(reader, left + 1, oldest))
			oldest = left + 1;
		if (oldest == at)
			return;
		swap(reader, at, oldest);
		at = oldest;
	}
}

EP_TRAP_PATH static void push(struct trace_reader *reader, uint32_t ring)
{
	uint32_t at = reader->heap_count++;

	reader->heap[at] = ring;
	while (at && is_older(reader, at, (at - 1) / 2)) {
		swap(reader, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

EP_TRAP_PATH static void pop(struct trace_reader *reader)
{
	reader->heap[0] = reader->heap[--reader->heap_count];
	sink(reader, 0);
}

/* ---- records ------------------------------------------------------------------------------- */

EP_TRAP_PATH static uint64_t word_at(const struct trace_reader *reader, uint32_t ring, uint64_t at)
{
	uint64_t mask = reader->session.layout.ring_size / 8 - 1;

	return atomic_load_explicit(&reader->cursors[ring].data[at / 8 & mask],
				    memory_order_relaxed);
}

EP_TRAP_PATH static void forget(const struct trace_reader *reader,
				const struct trace_cursor *cursor)
{
	if (cursor->data)
		trace_session_forget(&reader->session, cursor->data,
				     reader->session.layout.ring_size);
}

/* Where the program leads us astray, we keep nothing of what we had to look at. */
EP_TRAP_PATH static void skip_all(struct trace_reader *reader, struct trace_cursor *cursor)
{
	reader->nonsense++;
	cursor->tail = cursor->head;
	forget(reader, cursor);
}

/* The last resort: nothing comes out of order, whatever stands there. */
EP_TRAP_PATH static uint64_t possible_time(struct trace_reader *reader, uint64_t time)
{
	if (time >= reader->last && (time <= reader->limit || time - reader->limit <= SLACK))
		return time;
	reader->misdated++;
	return reader->last;
}

/* Is there a record at the cursor? Notes its time. */
EP_TRAP_PATH static bool look(struct trace_reader *reader, uint32_t ring)
{
	struct trace_cursor *cursor = &reader->cursors[ring];
	uint64_t words;

	if (cursor->tail == cursor->head)
		return false;
	words = trace_record_words(word_at(reader, ring, cursor->tail));
	if (words < HEADER_WORDS || words > TRACE_RECORD_MAX / 8 ||
	    words * 8 > trace_head_distance(cursor->tail, cursor->head)) {
		skip_all(reader, cursor);
		return false;
	}
	cursor->time = possible_time(reader, word_at(reader, ring, cursor->tail + 8));
	return true;
}

/* Only the reader moves a tail: ours is the truth, whatever stands in the ring. */
EP_TRAP_PATH static void enter(struct trace_reader *reader, uint32_t index)
{
	struct trace_cursor *cursor = &reader->cursors[index];
	_Atomic uint64_t *data;

	cursor->head = cursor->word & TRACE_HEAD_POSITION;
	if (trace_head_distance(cursor->tail, cursor->head) > reader->session.layout.ring_size ||
	    cursor->word & (7 & ~TRACE_HEAD_PENDING))
		skip_all(reader, cursor);
	if (cursor->tail == cursor->head)
		return;
	/* Where it is may change with its owner: looked up, and checked, once a pass. */
	data = trace_session_ring_data(&reader->session, index);
	if (data != cursor->data)
		forget(reader, cursor);
	cursor->data = data;
	if (!cursor->data)
		skip_all(reader, cursor);
	else if (look(reader, index))
		push(reader, index);
}

EP_TRAP_PATH bool trace_reader_begin(struct trace_reader *reader)
{
	struct trace_snapshot snapshot = {0, reader->cutoff};
	uint32_t cpu;

	trace_snapshot_take(&reader->session, reader->map.clock, reader->barrier, reader->cursors,
			    &snapshot);
	reader->cutoff = snapshot.cutoff;
	reader->limit = trace_clock_read(reader->map.clock, &cpu);
	reader->heap_count = 0;
	for (uint32_t i = 0; i < snapshot.count; i++)
		enter(reader, i);
	trace_clock_map_update(&reader->map);
	return reader->heap_count > 0;
}

/* ---- what rings have kept ------------------------------------------------------------------ */

/* From @from to @to in memory of ours, at the same places. Whoever looks at the tail then looks later. */
static bool copy_kept(struct trace_reader *reader, uint32_t index, const _Atomic uint64_t *data,
		      uint64_t from, uint64_t to)
{
	uint64_t size = reader->session.layout.ring_size, mask = size / 8 - 1;
	uint64_t words = trace_head_distance(from, to) / 8, *copy;
	long at = sys_mmap(0, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_failed(at))
		return false;
	copy = reader->copies[index] = (uint64_t *)at;
	for (uint64_t i = 0; i < words; i++)
		copy[(from / 8 + i) & mask] =
			atomic_load_explicit(&data[(from / 8 + i) & mask], memory_order_acquire);
	return true;
}

/* Where the oldest record is that its thread has not given up. */
static uint64_t kept_from(struct trace_reader *reader, const struct trace_ring *ring, uint64_t head)
{
	uint64_t tail = atomic_load(&ring->tail) & TRACE_HEAD_POSITION;

	if (trace_head_distance(tail, head) <= reader->session.layout.ring_size)
		return tail;
	reader->nonsense++;
	return head;
}

/* Records at @from and behind it that are not given up by now, up to @head. */
static uint64_t still_whole(struct trace_reader *reader, const struct trace_ring *ring,
			    uint64_t from, uint64_t head)
{
	uint64_t tail = atomic_load(&ring->tail) & TRACE_HEAD_POSITION;
	uint64_t gone = trace_head_distance(from, tail), all = trace_head_distance(from, head);

	if (gone > TRACE_HEAD_POSITION / 2) /* it was not moved since, or is nonsense */
		return from;
	gone = gone < all ? gone : all;
	reader->overwritten += gone;
	return (from + gone) & TRACE_HEAD_POSITION;
}

static void enter_kept(struct trace_reader *reader, uint32_t index)
{
	struct trace_cursor *cursor = &reader->cursors[index];
	const struct trace_ring *ring = trace_session_ring(&reader->session, index);
	const _Atomic uint64_t *data = trace_session_ring_data(&reader->session, index);
	uint64_t head = cursor->word & TRACE_HEAD_POSITION;
	uint64_t from = kept_from(reader, ring, head);

	/* What was read before is not read again. */
	if (trace_head_distance(cursor->tail, head) < trace_head_distance(from, head))
		from = cursor->tail;
	cursor->tail = cursor->head = head;
	if (!data || from == head || from % 8 || head % 8 ||
	    !copy_kept(reader, index, data, from, head))
		return;
	cursor->data = (_Atomic uint64_t *)reader->copies[index];
	cursor->tail = still_whole(reader, ring, from, head);
	if (look(reader, index))
		push(reader, index);
}

bool trace_reader_begin_kept(struct trace_reader *reader)
{
	struct trace_snapshot snapshot = {0, reader->cutoff};
	uint32_t cpu;

	trace_snapshot_take(&reader->session, reader->map.clock, reader->barrier, reader->cursors,
			    &snapshot);
	reader->cutoff = snapshot.cutoff;
	reader->limit = trace_clock_read(reader->map.clock, &cpu);
	reader->heap_count = 0;
	reader->last = 0; /* threads that had written less are in time what they are */
	for (uint32_t i = 0; i < snapshot.count; i++)
		enter_kept(reader, i);
	trace_clock_map_update(&reader->map);
	return reader->heap_count > 0;
}

void trace_reader_end_kept(struct trace_reader *reader)
{
	for (uint64_t i = 0; i < reader->session.layout.ring_max; i++) {
		if (!reader->copies[i])
			continue;
		sys_munmap((uint64_t)reader->copies[i], reader->session.layout.ring_size);
		reader->copies[i] = NULL;
		reader->cursors[i].data = NULL;
	}
}

EP_TRAP_PATH static void copy_comm(const struct trace_ring *ring, char *ret)
{
	for (unsigned int i = 0; i < TRACE_COMM_SIZE; i++) {
		uint64_t word = atomic_load_explicit(&ring->comm[i / 8], memory_order_relaxed);

		ret[i] = (char)(word >> 8 * (i % 8));
	}
	ret[TRACE_COMM_SIZE] = '\0';
}

/* How many words what @bulk says takes, which begins at *@words; 0: it is no such thing. */
EP_TRAP_PATH static uint64_t size_of_bulk(const struct trace_bulk *bulk, const uint64_t *words,
					  uint64_t left)
{
	bool are_texts = bulk->kind == TRACE_STRING && bulk->elements;
	uint32_t count = are_texts ? bulk->elements : 1, most = bulk->size;
	uint64_t ret = 0;

	if (bulk->kind < TRACE_STRING)
		most *= bulk->elements;
	while (count--) {
		uint32_t bytes = ret < left ? (uint32_t)words[ret] : UINT32_MAX;

		if (bytes > most)
			return 0;
		ret += 1 + (bytes + 7ul) / 8;
	}
	return ret <= left ? ret : 0;
}

EP_TRAP_PATH static bool is_end_of(const struct trace_reader *reader, const struct trace_view *view,
				   uint32_t end)
{
	if (!view->is_return)
		return !end;
	return end <= EP_END_EXIT || (end == TRACE_END_ENTRY && reader->entries);
}

/* Is it a record of what @view says? */
EP_TRAP_PATH static bool is_of_view(const struct trace_reader *reader,
				    const struct trace_view *view, const uint64_t *record)
{
	const struct trace_program *program = view->program;
	uint64_t words = trace_record_words(record[0]);
	uint64_t at = HEADER_WORDS + trace_program_fault_words(program) + program->recorded;

	if (at > words || !is_end_of(reader, view, trace_record_end(record[0])))
		return false;
	for (uint32_t i = 0; i < program->bulk_count; i++) {
		uint64_t size = size_of_bulk(&program->bulks[i], record + at, words - at);

		if (!size)
			return false;
		at += size;
	}
	return at == words;
}

/* Of how long a call took the record has its beginning; several arguments may be the same value. */
EP_TRAP_PATH static void convert_values(const struct trace_reader *reader, uint64_t *values,
					struct trace_event *event)
{
	const struct trace_view *view = event->view;

	for (uint32_t i = 0; view->is_return && i < view->arg_count; i++) {
		const struct trace_arg *arg = &view->args[i];
		uint64_t *value = &values[arg->value];

		if (arg->origin != TRACE_OF_LATENCY)
			continue;
		event->is_timed = true;
		event->began = event->time > *value ? *value : event->time;
		event->duration = trace_clock_duration(&reader->map, event->time - event->began);
		*value = event->duration;
	}
}

EP_TRAP_PATH static void emit_record(struct trace_reader *reader, uint32_t index,
				     const struct trace_view *view, int pid,
				     struct trace_text *text)
{
	const struct trace_ring *ring = trace_session_ring(&reader->session, index);
	uint64_t owner = atomic_load(&ring->owner), *record = reader->record;
	const struct trace_program *program = view->program;
	uint64_t *faults = record + HEADER_WORDS;
	struct trace_event event = {.view = view, .faults = faults};

	event.time = reader->cursors[index].time;
	event.nanoseconds = trace_clock_convert(&reader->map, event.time);
	event.process = trace_ring_process(owner);
	event.namer = reader->namer;
	event.pid = pid;
	event.tid = trace_ring_tid(owner);
	event.cpu = trace_record_cpu(record[0]);
	event.end = trace_record_end(record[0]);
	event.values = faults + trace_program_fault_words(program);
	event.bulks = event.values + program->recorded;
	event.scratch = reader->scratch;
	convert_values(reader, faults + trace_program_fault_words(program), &event);
	copy_comm(ring, event.comm);
	reader->writer->event(reader->writer, text, &event);
}

EP_TRAP_PATH static void emit(struct trace_reader *reader, uint32_t index, struct trace_text *text)
{
	const struct trace_ring *ring = trace_session_ring(&reader->session, index);
	uint64_t tail = reader->cursors[index].tail, first = word_at(reader, index, tail);
	uint64_t words = trace_record_words(first), owner = atomic_load(&ring->owner);
	uint32_t probe = trace_record_probe(first), process = trace_ring_process(owner);
	const struct trace_reader_process *of;

	reader->record[0] = first;
	for (uint64_t i = 1; i < words && i < TRACE_RECORD_MAX / 8; i++)
		reader->record[i] = word_at(reader, index, tail + 8 * i);
	of = process < reader->session.layout.process_max ? &reader->processes[process] : NULL;
	if (!of || !of->views || probe >= of->count || words > TRACE_RECORD_MAX / 8 ||
	    !is_of_view(reader, &of->views[probe], reader->record)) {
		reader->nonsense++;
		return;
	}
	emit_record(reader, index, &of->views[probe], of->pid, text);
}

EP_TRAP_PATH static void wake_waiting(struct trace_shared *shared)
{
	atomic_fetch_add(&shared->drained, 1);
	if (atomic_load(&shared->waiting))
		sys6(SYS_futex, (long)&shared->drained, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

EP_TRAP_PATH static void publish_tails(struct trace_reader *reader)
{
	uint64_t count = trace_session_ring_count(&reader->session);
	bool moved = false;

	if (reader->copies) /* there tails are the threads' */
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct trace_ring *ring = trace_session_ring(&reader->session, i);

		if (atomic_load_explicit(&ring->tail, memory_order_relaxed) ==
		    reader->cursors[i].tail)
			continue;
		atomic_store_explicit(&ring->tail, reader->cursors[i].tail, memory_order_release);
		moved = true;
	}
	if (moved)
		wake_waiting(reader->session.shared);
}

size_t trace_reader_longest(const struct trace_view *views, uint32_t count)
{
	size_t ret = 0;

	for (uint32_t i = 0; i < count; i++) {
		size_t length =
			trace_text_length(views[i].event) + trace_text_length(views[i].place);

		if (length > ret)
			ret = length;
	}
	return ret;
}

/* For the longest event of the process of that ring. An empty text is all the room there will be. */
EP_TRAP_PATH static bool has_room(const struct trace_reader *reader, uint32_t ring,
				  const struct trace_text *text)
{
	uint64_t owner = atomic_load(&trace_session_ring(&reader->session, ring)->owner);
	uint32_t process = trace_ring_process(owner);
	size_t left = text->size - text->used, wanted = TRACE_LINE_MAX;

	if (process < reader->session.layout.process_max)
		wanted += reader->writer->stretch * reader->processes[process].longest;
	return left >= wanted || (text->used == 0 && left >= TRACE_LINE_MAX);
}

EP_TRAP_PATH bool trace_reader_next(struct trace_reader *reader, struct trace_text *text)
{
	for (uint32_t i = 0;
	     i < AT_ONCE && reader->heap_count && has_room(reader, reader->heap[0], text); i++) {
		uint32_t ring = reader->heap[0];
		struct trace_cursor *cursor = &reader->cursors[ring];

		if (cursor->time > reader->cutoff) {
			reader->heap_count = 0;
			break;
		}
		/* A writer may take its time, and threads that wait for room think that nobody reads. */
		if (i % FEW == FEW - 1)
			atomic_fetch_add(&reader->session.shared->drained, 1);
		reader->last = cursor->time;
		emit(reader, ring, text);
		/* Read again, and checked again: the program may have changed it meanwhile. */
		cursor->tail += 8 * trace_record_words(word_at(reader, ring, cursor->tail));
		cursor->tail &= TRACE_HEAD_POSITION;
		if (trace_head_distance(cursor->tail, cursor->head) >
		    reader->session.layout.ring_size)
			skip_all(reader, cursor);
		if (look(reader, ring))
			sink(reader, 0);
		else
			pop(reader);
	}
	publish_tails(reader);
	return reader->heap_count > 0;
}

/* ---- rings of threads that are gone -------------------------------------------------------- */

EP_TRAP_PATH static bool is_gone(const struct trace_reader *reader, uint64_t owner)
{
	struct trace_process *process =
		trace_session_process(&reader->session, trace_ring_process(owner));

	if (!process || process->foreign)
		return false;
	return sys_is_dead(process->pid, (uint32_t)trace_ring_tid(owner));
}

/* Only programs of its own heap can use its memory again: if that one is gone, the kernel may. */
EP_TRAP_PATH static void give_back(const struct trace_reader *reader, uint32_t index,
				   uint64_t owner)
{
	const struct trace_process *process =
		trace_session_process(&reader->session, trace_ring_process(owner));
	_Atomic uint64_t *data = trace_session_ring_data(&reader->session, index);

	if (data && !reader->session.parts && process &&
	    sys6(SYS_kill, process->pid, 0, 0, 0, 0, 0) == -ESRCH)
		sys6(SYS_madvise, (long)data, (long)reader->session.layout.ring_size, MADV_REMOVE,
		     0, 0, 0);
}

EP_TRAP_PATH void trace_reader_reap(struct trace_reader *reader)
{
	uint64_t count = trace_session_ring_count(&reader->session);

	/* What is kept of a thread is of interest when it is gone: as long as there are rings for others. */
	if (reader->copies && count < reader->session.layout.ring_max / 2)
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct trace_ring *ring = trace_session_ring(&reader->session, i);
		uint64_t owner = atomic_load(&ring->owner);

		if (!owner || !is_gone(reader, owner))
			continue;
		if (!reader->copies &&
		    trace_head_distance(reader->cursors[i].tail, atomic_load(&ring->head)))
			continue;
		give_back(reader, i, owner);
		atomic_compare_exchange_strong(&ring->owner, &owner, 0);
	}
}

uint64_t trace_reader_left(const struct trace_reader *reader)
{
	uint64_t count = trace_session_ring_count(&reader->session), ret = 0;

	if (reader->copies) /* there all that is kept is left */
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct trace_ring *ring = trace_session_ring(&reader->session, i);
		uint64_t left =
			trace_head_distance(reader->cursors[i].tail, atomic_load(&ring->head));

		if (left <= reader->session.layout.ring_size) /* else it is nonsense, and counted */
			ret += left;
	}
	return ret;
}

EP_TRAP_PATH uint64_t trace_reader_dropped(const struct trace_reader *reader)
{
	uint64_t count = trace_session_ring_count(&reader->session);
	uint64_t ret = atomic_load(&reader->session.shared->lost_events);

	for (uint32_t i = 0; i < count; i++)
		ret += atomic_load(&trace_session_ring(&reader->session, i)->dropped);
	return ret;
}
