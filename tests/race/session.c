/* SPDX-License-Identifier: MIT */
/*
 * Threads that record and count, that come and go, one that publishes probes of objects which are loaded
 * later, and who reads all that meanwhile: the launcher's collector, or, where there is none, whichever
 * thread fills its ring. Built for ThreadSanitizer; without it, what is counted must be right all the same.
 *
 * The engine's part is played by hit(), which does what a hit does.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/collect.h"
#include "probe/thread/counters.h"
#include "probe/thread/thread.h"
#include "trace/action/publish.h"
#include "trace/language/parse.h"
#include "trace/report/private.h"
#include "trace/session/counts.h"

#define WRITERS	     6
#define ROUNDS	     8
#define HITS	     1500 /* of a thread */
#define PROBES_FIRST 32
#define PROBES	     256

static const struct trace_shape shape = {.process_max = 64,
					 .ring_max = 8,
					 .ring_size = 8192,
					 .heap_size = 16ul << 20,
					 .heap_max = 1};
static const char defined[] = "p main; p main a=%di:u64; p main a=%di:u64 b=%si:x64 c=\\\"text\"";
static struct trace_definitions definitions;

/* Of the program. */
static struct trace_arena memory;
static struct trace_session session;
static struct trace_process *process;
static struct trace_probe list[PROBES];
static struct trace_probes probes = {.list = list, .room = PROBES};
static struct ep_counts *counts;
static _Atomic size_t usable; /* probes */
static _Atomic bool all_done;

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "race: %s\n", what);
	_exit(1);
}

/* ---- in place of the rest of the engine and of the launcher -------------------------------- */

EP_TRAP_PATH bool probe_thread_is_guest(void)
{
	return false;
}

void ep_use_counter_memory(ep_counter_memory alloc, void *data)
{
	counters_use_memory(alloc, data);
}

void ep_probe_disable(struct ep_probe *probe)
{
	(void)probe;
}

/* ThreadSanitizer knows when memory is another's that was malloc()'s. */
struct trace_arena_chunk {
	struct trace_arena_chunk *next;
	uint64_t memory[];
};

void *trace_arena_alloc(struct trace_arena *arena, size_t size)
{
	struct trace_arena_chunk *chunk = calloc(1, sizeof(*chunk) + size);

	check(chunk, "no memory");
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk->memory;
}

char *trace_arena_copy(struct trace_arena *arena, const char *text, size_t size)
{
	char *ret = trace_arena_alloc(arena, size + 1);

	memcpy(ret, text, size);
	return ret;
}

void trace_arena_deinit(struct trace_arena *arena)
{
	while (arena->chunks) {
		struct trace_arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
}

uint64_t ep_hit_vector(const struct ep_regs *regs, unsigned int number, unsigned int byte)
{
	(void)regs;
	(void)number;
	(void)byte;
	return 0;
}

void complain(const char *format, ...)
{
	(void)format;
}

/* ---- the program --------------------------------------------------------------------------- */

static void add_probe(void)
{
	struct trace_probe *probe = &list[probes.count];

	uint32_t definition = (uint32_t)probes.count % 3;

	*probe = (struct trace_probe){
		.index = (uint32_t)probes.count,
		.view = trace_view_of(&definitions.list[definition]),
	};
	probe->view.event = "e";
	probe->view.place = "program:place";
	probe->view.insn = "nop";
	probe->view.definition = definition;
	probe->view.counter = counters_alloc();
	probes.count++;
}

static void hit(const struct trace_probe *probe, uint64_t value)
{
	struct ep_regs regs = {.rdi = value, .rsi = ~value};

	if (!counters_add(probe->view.counter))
		__atomic_fetch_add(&counts[probe->index].hits, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counts[probe->index].trapped, 1, __ATOMIC_RELAXED);
	trace_record(NULL, &regs, (void *)probe);
}

static void *write_events(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; i < HITS; i++)
		hit(&list[i % atomic_load(&usable)], i);
	return NULL;
}

static void *publish(void *unused)
{
	(void)unused;
	while (probes.count < PROBES) {
		for (int i = 0; i < 4; i++)
			add_probe();
		check(trace_publish_changes(&session, process, &probes) == 0, "not published");
		atomic_store(&usable, probes.count);
		trace_session_add_unprobed(&session, 1, "/bin/other");
		usleep(500);
	}
	return NULL;
}

/* Threads end, and others get their rings and counters. */
static void run_program(void *(*also)(void *))
{
	pthread_t writers[WRITERS], other;

	pthread_create(&other, NULL, also, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < WRITERS; i++)
			pthread_create(&writers[i], NULL, write_events, NULL);
		for (int i = 0; i < WRITERS; i++)
			pthread_join(writers[i], NULL);
	}
	pthread_join(other, NULL);
}

static void start_program(enum trace_full full)
{
	uint64_t at = trace_session_alloc(&session, PROBES * sizeof(*counts));
	long index = trace_session_add_process(&session, getpid(), 1);

	check(at && index == 0, "no memory");
	process = trace_session_process(&session, 0);
	process->counts = at;
	process->room = PROBES;
	counts = trace_session_at(&session, at, PROBES * sizeof(*counts));
	while (probes.count < PROBES_FIRST)
		add_probe();
	atomic_store(&usable, probes.count);
	check(trace_record_init(&session, 0, full) == 0, "no memory");
	trace_counts_use(&session, process);
}

static void check_counts(const struct trace_process *of, const struct ep_counts *read_from)
{
	static struct ep_counts totals[PROBES];
	static struct trace_view views[PROBES];
	uint64_t hits = 0, trapped = 0;

	for (size_t i = 0; i < PROBES; i++)
		views[i] = list[i].view;
	trace_counts_read(&session, of, read_from, views, PROBES, totals);
	for (size_t i = 0; i < PROBES; i++) {
		hits += totals[i].hits;
		trapped += totals[i].trapped;
	}
	check(hits == WRITERS * ROUNDS * HITS && trapped == hits, "counts are wrong");
}

/* ---- with a launcher ----------------------------------------------------------------------- */

static void *collect(void *data)
{
	struct collector *collector = data;

	while (!atomic_load(&all_done)) {
		collect_pass(collector, false);
		trace_reader_reap(&collector->reader); /* more often than it would */
		collect_wait(collector, 1);
	}
	return NULL;
}

static size_t lines_of(int file)
{
	FILE *in = fdopen(file, "r");
	size_t ret = 0;
	int c;

	rewind(in);
	while ((c = getc(in)) != EOF)
		ret += c == '\n';
	fclose(in);
	return ret;
}

static void with_launcher(enum trace_full full, bool barrier)
{
	int file = memfd_create("events", 0), fd;
	struct trace_session whole;
	struct options options = {.quiet = true};
	struct collector collector;
	char output[64], path[64];
	pthread_t reader;
	uint64_t dropped, lines;

	snprintf(output, sizeof(output), "/proc/self/fd/%d", file);
	options.output = output;
	options.parsed = definitions;
	check(trace_session_create(&shape, "", 0, &fd, &whole) == 0, "no session");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check(trace_session_open(path, &session) == 0, "the session cannot be opened");
	trace_session_started(&session);
	check(collect_init(&collector, &options, &whole, fd, &memory) == 0, "no collector");
	start_program(full);
	check(trace_publish(&session, process, &probes) == 0, "not published");
	if (barrier)
		trace_record_rely_on_barrier();
	pthread_create(&reader, NULL, collect, &collector);
	run_program(publish);
	atomic_store(&all_done, true);
	pthread_join(reader, NULL);
	collect_finish(&collector);
	dropped = trace_reader_dropped(&collector.reader);
	check(collector.reader.nonsense == 0, "there are records that cannot be");
	check(collector.reader.misdated == 0, "there are times that cannot be");
	lines = lines_of(file);
	check(lines + dropped == WRITERS * ROUNDS * HITS, "events are lost");
	check(lines >= HITS, "hardly an event was read"); /* how many, depends on the machine */
	check_counts(process, counts);
}

static void waits(void)
{
	with_launcher(TRACE_FULL_WAIT, true);
}

static void waits_without_barrier(void)
{
	with_launcher(TRACE_FULL_WAIT, false);
}

static void drops(void)
{
	with_launcher(TRACE_FULL_DROP, true);
}

/* ---- alone --------------------------------------------------------------------------------- */

static void *look_again(void *unused)
{
	(void)unused;
	while (probes.count < PROBES) {
		add_probe();
		trace_private_look_again();
		atomic_store(&usable, probes.count);
		usleep(200);
	}
	return NULL;
}

static void alone(void)
{
	int file = memfd_create("events", 0);
	char output[64];
	struct trace_private_options options = {.output = output, .quiet = true};

	snprintf(output, sizeof(output), "/proc/self/fd/%d", file);
	check(trace_session_create(&trace_shape_private, "", 0, NULL, &session) == 0, "no session");
	start_program(TRACE_FULL_WRITE);
	trace_record_set_writer(&trace_private_writer);
	check(trace_private_init(&session, &probes, counts, &options, &memory) == 0, "no memory");
	run_program(look_again);
	trace_private_finish();
	check(lines_of(file) == WRITERS * ROUNDS * HITS, "events are lost");
	check_counts(process, counts);
}

#ifdef EP_SEES_RACES
#define NOTE_OF_TOOL ""
#else
#define NOTE_OF_TOOL                                                                               \
	"SKIPPED race::seen_by_thread_sanitizer: the compiler has none, only counts are checked\n"
#endif

/* ---- all ----------------------------------------------------------------------------------- */

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"waits", waits},
		{"waits without barrier", waits_without_barrier},
		{"drops", drops},
		{"alone", alone},
	};
	int failed = 0;

	check(trace_definitions_parse(defined, &memory, &definitions, NULL) == 0, "not parsed");
	fputs(NOTE_OF_TOOL, stdout);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = -1;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			cases[i].run();
			exit(0); /* where ThreadSanitizer says what it has seen */
		}
		waitpid(pid, &status, 0);
		printf("%s: %s\n", cases[i].name, status ? "failed" : "passed");
		failed += status != 0;
	}
	return failed;
}
