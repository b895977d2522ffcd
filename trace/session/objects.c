/* SPDX-License-Identifier: MIT */
/*
 * An address in an event means what was there at that moment: objects come and go, programs execute
 * others, and the process may be gone when the event is read. So each process says what it maps, when
 * it does: in a list of what was loaded and unloaded, with the time of each. Only the newest that is
 * not younger than the event counts.
 *
 *	process.objects -> | last | -> | ... | -> | first | -> 0
 *
 * A forked child goes on with its parent's list, so lists have common ends. The reader copies each
 * entry once, and believes none: numbers must fall, so that a list has an end.
 */
#include "trace/session/objects.h"

#include <string.h>

#include "sys/files.h"
#include "trace/clock/clock.h"

#define OBJECTS_MAX (1u << 16) /* that are read at once */

_Static_assert(sizeof(struct trace_object) == 512, "eight cache lines");

/* ---- publishing ---------------------------------------------------------------------------- */

/* Where from, and to whom. */
struct writer {
	const struct trace_session *session;
	struct trace_process *process;
	uint64_t start, end;
};

/* Links a copy of @object, which has not got its place in the list yet. */
static void publish(const struct writer *writer, const struct trace_object *object)
{
	uint64_t last = atomic_load(&writer->process->objects);
	const struct trace_object *before =
		last ? trace_session_at(writer->session, last, sizeof(*before)) : NULL;
	uint64_t at = trace_session_alloc(writer->session, sizeof(*object));
	struct trace_object *to = at ? trace_session_at(writer->session, at, sizeof(*to)) : NULL;
	uint32_t cpu;

	if (!to)
		return;
	*to = *object;
	to->before = last;
	to->number = before ? before->number + 1 : 1;
	to->time = trace_clock_read(writer->session->shared->clock, &cpu);
	atomic_store(&writer->process->objects, at);
}

void trace_objects_unloaded(const struct trace_session *session, struct trace_process *process,
			    uint64_t start, uint64_t end)
{
	const struct writer writer = {session, process, start, end};
	const struct trace_object gone = {.start = start, .end = end};

	publish(&writer, &gone);
}

static const char *read_hex(const char *at, uint64_t *ret)
{
	for (*ret = 0;; at++)
		if (*at >= '0' && *at <= '9')
			*ret = *ret << 4 | (uint64_t)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			*ret = *ret << 4 | (uint64_t)(*at - 'a' + 10);
		else
			return at;
}

/* "lo-hi perms offset dev inode   path", without a newline. False: it is no code of a file. */
static bool read_mapping(const char *line, struct trace_object *ret)
{
	const char *path = strchr(line, '/'), *at;

	at = read_hex(line, &ret->start);
	if (!path || *at++ != '-' || strlen(path) >= sizeof(ret->path))
		return false;
	at = read_hex(at, &ret->end);
	if (strncmp(at, " r-xp ", 6) != 0 && strncmp(at, " --xp ", 6) != 0)
		return false;
	at = read_hex(at + 6, &ret->offset);
	memcpy(ret->path, path, strlen(path) + 1);
	return *at == ' ';
}

static void publish_line(const struct writer *writer, const char *line)
{
	struct trace_object object = {.before = 0};

	if (read_mapping(line, &object) && object.start >= writer->start &&
	    object.end <= writer->end)
		publish(writer, &object);
}

/* The lines that are complete in @text; how many bytes of it they are. */
static size_t publish_lines(const struct writer *writer, char *text, size_t size)
{
	char *line = text, *newline;

	while ((newline = memchr(line, '\n', size - (size_t)(line - text)))) {
		*newline = '\0';
		publish_line(writer, line);
		line = newline + 1;
	}
	return (size_t)(line - text);
}

void trace_objects_loaded(const struct trace_session *session, struct trace_process *process,
			  uint64_t start, uint64_t end)
{
	const struct writer writer = {session, process, start, end};
	int fd = sys_open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
	char text[8192];
	size_t used = 0;
	long got;

	if (fd < 0)
		return;
	while ((got = sys_read(fd, text + used, sizeof(text) - used)) > 0) {
		size_t done = publish_lines(&writer, text, used + (size_t)got);

		used += (size_t)got - done;
		memmove(text, text + done, used);
		if (used == sizeof(text)) /* no path is as long as that */
			break;
	}
	sys_close(fd);
}

/* ---- reading ------------------------------------------------------------------------------- */

static struct trace_known_object **bucket_of(struct trace_known_objects *known, uint64_t at)
{
	return &known->buckets[at / sizeof(struct trace_object) % TRACE_OBJECT_BUCKETS];
}

static struct trace_known_object *find_known(struct trace_known_objects *known, uint64_t at)
{
	struct trace_known_object *ret = *bucket_of(known, at);

	while (ret && ret->at != at)
		ret = ret->next;
	return ret;
}

/* @ret: unchanged where there is an error. */
static int copy_object(struct trace_known_objects *known, const struct trace_session *session,
		       uint64_t at, struct trace_known_object **ret)
{
	const struct trace_object *from = trace_session_at(session, at, sizeof(*from));
	struct trace_known_object *copy;

	if (!from)
		return -EP_INVALID;
	copy = trace_arena_alloc(known->arena, sizeof(*copy));
	if (!copy)
		return -EP_NO_MEMORY;
	memcpy(&copy->object, from, sizeof(*from));
	trace_session_forget(session, from, sizeof(*from));
	copy->object.path[sizeof(copy->object.path) - 1] = '\0';
	copy->at = at;
	*ret = copy;
	return 0;
}

static void keep(struct trace_known_objects *known, struct trace_known_object *object)
{
	struct trace_known_object **bucket = bucket_of(known, object->at);

	object->next = *bucket;
	*bucket = object;
}

/*
 * Back to one that is known, or the first. None is kept before all of them are sound: they are listed by
 * .next meanwhile, the oldest first.
 */
static int read_back(struct trace_known_objects *known, const struct trace_session *session,
		     uint64_t at, struct trace_known_object **ret_oldest,
		     struct trace_known_object **ret_known)
{
	uint64_t number = UINT64_MAX;
	struct trace_known_object *object = NULL;

	for (uint32_t count = 0; at && !(*ret_known = find_known(known, at)); count++) {
		int error = count < OBJECTS_MAX ? copy_object(known, session, at, &object)
						: -EP_INVALID;

		if (error)
			return error;
		if (object->object.number >= number)
			return -EP_INVALID;
		number = object->object.number;
		object->next = *ret_oldest;
		*ret_oldest = object;
		at = object->object.before;
	}
	return *ret_known && (*ret_known)->object.number >= number ? -EP_INVALID : 0;
}

int trace_objects_read(struct trace_known_objects *known, const struct trace_session *session,
		       const struct trace_process *process, struct trace_known_object **ret)
{
	struct trace_known_object *oldest = NULL, *last = NULL;
	int error = read_back(known, session, atomic_load(&process->objects), &oldest, &last);

	while (!error && oldest) {
		struct trace_known_object *object = oldest;

		oldest = object->next;
		object->before = last;
		keep(known, object);
		last = object;
	}
	if (!error)
		*ret = last;
	return error;
}

struct trace_known_object *trace_objects_find(struct trace_known_object *last, uint64_t address,
					      uint64_t time)
{
	for (; last; last = last->before) {
		const struct trace_object *object = &last->object;

		if (object->time <= time && address >= object->start && address < object->end)
			return object->path[0] ? last : NULL;
	}
	return NULL;
}
