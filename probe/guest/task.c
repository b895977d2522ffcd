/* SPDX-License-Identifier: MIT */
/*
 * Whoever waits for another thread to do something must tell a thread that will not do it from one
 * that gets no processor: on a busy machine a thread stands for a second between two
 * instructions. The kernel counts the nanoseconds that each has run. Those who ask may have stopped
 * all others, which may hold any lock: so nothing of libc is used here.
 */
#include "probe/guest/task.h"

#include <fcntl.h>
#include <stddef.h>

#include "sys/call.h"

enum { TEXT_MAX = 4096, PATH_LENGTH = 64 };

static char *put(char *to, const char *text)
{
	while ((*to = *text++))
		to++;
	return to;
}

static void put_path(char *to, int32_t tid, const char *file)
{
	char digits[12], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + tid % 10);
	while (tid /= 10);
	put(put(put(to, "/proc/self/task/"), at), file);
}

static bool read_text(int32_t tid, const char *file, char text[TEXT_MAX])
{
	char path[PATH_LENGTH];
	long fd, size;

	put_path(path, tid, file);
	fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	size = sys3(SYS_read, fd, text, TEXT_MAX - 1);
	sys1(SYS_close, fd);
	text[size > 0 ? size : 0] = '\0';
	return size > 0;
}

static uint64_t number_at(const char *text, uint32_t base)
{
	uint64_t number = 0;

	for (;; text++) {
		uint32_t digit = (uint32_t)(*text >= 'a' ? *text - 'a' + 10 : *text - '0');

		if (digit >= base)
			return number;
		number = number * base + digit;
	}
}

/* What stands behind @name, which begins a line. */
static const char *value_of(const char *text, const char *name)
{
	while (*text) {
		const char *at = name;

		for (; *at && *at == *text; at++)
			text++;
		if (!*at)
			return text;
		while (*text && *text != '\n')
			text++;
		text += *text == '\n';
	}
	return NULL;
}

bool task_read(int32_t tid, struct task *ret)
{
	char text[TEXT_MAX];
	const char *state, *blocked;

	if (!read_text(tid, "/status", text))
		return false;
	state = value_of(text, "State:\t");
	blocked = value_of(text, "SigBlk:\t");
	if (!state || !blocked)
		return false;
	ret->state = *state;
	ret->blocked = number_at(blocked, 16);
	ret->ran = read_text(tid, "/schedstat", text) ? number_at(text, 10) : UINT64_MAX;
	return true;
}

/* "NUMBER 0xARG1 ... 0xARG6 0xRSP 0xRIP", "-1 0xRSP 0xRIP" or "running". */
void task_read_call(int32_t tid, struct task_call *ret)
{
	char text[TEXT_MAX];
	const char *at = text, *last[2] = {text, text};

	ret->number = -1;
	if (!read_text(tid, "/syscall", text) || *text < '0' || *text > '9')
		return;
	for (; *at; at++) {
		if (at[0] != '0' || at[1] != 'x')
			continue;
		last[0] = last[1];
		last[1] = at + 2;
	}
	ret->rsp = number_at(last[0], 16);
	ret->rip = number_at(last[1], 16);
	ret->number = (int64_t)number_at(text, 10);
}

bool task_has_ended(const struct task *task)
{
	return task->state == 'Z' || task->state == 'X';
}

uint64_t task_chance(const struct task *before, const struct task *now, uint64_t pause)
{
	if (now->state != 'R' || now->ran == UINT64_MAX || before->ran == UINT64_MAX)
		return pause;
	return now->ran - before->ran;
}
