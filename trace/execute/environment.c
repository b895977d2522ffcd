/* SPDX-License-Identifier: MIT */
/*
 * A program may be executed with an environment that its parent made up: an empty one, or one with
 * another LD_PRELOAD. What we need is put into a copy, as the caller's is not ours to change, and
 * other threads may read it. The caller is in the middle of execve(), maybe in a child of vfork():
 * so no memory but what is given, and no libc.
 */
#include "trace/execute/environment.h"

#include <stdint.h>

#define PRELOAD "LD_PRELOAD="
#define ASAN	"ASAN_OPTIONS="
/* Else programs that are built with it end at once, as it wants to be the first to be preloaded. */
#define ASAN_LEAVE "verify_asan_link_order=0"

EP_TRAP_PATH static size_t length_of(const char *text)
{
	size_t ret = 0;

	while (text[ret]) {
		ret++;
		__asm__("" : "+r"(ret)); /* or this loop becomes a call of strlen() */
	}
	return ret;
}

/* What stands behind @start; NULL: @text starts otherwise. */
EP_TRAP_PATH static const char *behind(const char *text, const char *start)
{
	while (*start)
		if (*text++ != *start++)
			return NULL;
	return text;
}

EP_TRAP_PATH bool trace_environment_is_ours(const char *variable)
{
	return behind(variable, "EMUPROBE=") || behind(variable, "EMUPROBE_");
}

EP_TRAP_PATH bool trace_environment_is_library(const char *entry, size_t size)
{
	static const char name[] = TRACE_LIBRARY;
	const size_t name_size = sizeof(name) - 1;

	return size >= name_size && behind(entry + size - name_size, name) == entry + size &&
	       (size == name_size || entry[size - name_size - 1] == '/');
}

EP_TRAP_PATH static size_t entry_size(const char *entry, bool is_preload)
{
	size_t ret = 0;

	/* ld.so(8): blanks separate libraries, too */
	while (entry[ret] && entry[ret] != ':' && !(is_preload && entry[ret] == ' '))
		ret++;
	return ret;
}

EP_TRAP_PATH static bool is_leave(const char *entry, size_t size)
{
	return behind(entry, ASAN_LEAVE) == entry + size;
}

EP_TRAP_PATH static bool is_of_ours(const char *entry, size_t size, bool is_preload)
{
	return is_preload ? trace_environment_is_library(entry, size) : is_leave(entry, size);
}

EP_TRAP_PATH static bool list_has_ours(const char *list, bool is_preload)
{
	for (;;) {
		size_t size = entry_size(list, is_preload);

		if (is_of_ours(list, size, is_preload))
			return true;
		if (!list[size])
			return false;
		list += size + 1;
	}
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Other threads may change what was measured before: so never more than there is room for. */
struct writer {
	char **at, **at_end;
	char *text, *text_end;
	bool is_full; /* what was written is of no use */
};

EP_TRAP_PATH static void put_entry(struct writer *writer, char *entry)
{
	if (writer->at == writer->at_end)
		writer->is_full = true;
	else
		*writer->at++ = entry;
}

EP_TRAP_PATH static void put(struct writer *writer, const char *text, size_t size)
{
	writer->is_full |= size > (size_t)(writer->text_end - writer->text);
	for (size_t i = 0; i < size && !writer->is_full; i++) {
		*writer->text++ = text[i];
		__asm__("" ::: "memory"); /* or this loop becomes a call of memcpy() */
	}
}

EP_TRAP_PATH static void put_all(struct writer *writer, const char *text)
{
	put(writer, text, length_of(text));
}

EP_TRAP_PATH static void begin(struct writer *writer)
{
	put_entry(writer, writer->text);
}

EP_TRAP_PATH static void end(struct writer *writer)
{
	put(writer, "", 1);
}

/* NAME=, ours and theirs: the dynamic linker takes the first first. */
EP_TRAP_PATH static void put_list(struct writer *writer, const char *name, const char *first,
				  const char *second)
{
	begin(writer);
	put_all(writer, name);
	put_all(writer, first);
	if (second) {
		put(writer, ":", 1);
		put_all(writer, second);
	}
	end(writer);
}

/*
 * A variable without our entries of its list; none where nothing else stood in it: "OURS:" was
 * empty before.
 */
EP_TRAP_PATH static void put_cleaned(struct writer *writer, const char *name, const char *list,
				     bool is_preload)
{
	struct writer before = *writer;
	bool any = false, kept = false;

	begin(writer);
	put_all(writer, name);
	for (size_t size; *list; list += list[size] ? size + 1 : size) {
		size = entry_size(list, is_preload);
		kept |= list[size] && !list[size + 1];
		if (is_of_ours(list, size, is_preload))
			continue;
		if (any)
			put(writer, ":", 1);
		put(writer, list, size);
		any = kept = true;
	}
	end(writer);
	if (!kept && !writer->is_full)
		*writer = before;
}

EP_TRAP_PATH static size_t count_of(char *const *envp)
{
	size_t ret = 0;

	while (envp && envp[ret])
		ret++;
	return ret;
}

EP_TRAP_PATH size_t trace_environment_size(char *const *envp, const struct trace_environment *ours)
{
	/* The vector's end, LD_PRELOAD, ASAN_OPTIONS, the mark. */
	size_t pointers = count_of(envp) + 4;
	size_t added =
		sizeof(PRELOAD) + sizeof(ASAN) + sizeof(ASAN_LEAVE) + 2 + length_of(ours->library);
	size_t bytes = added;

	for (size_t i = 0; ours->variables[i]; i++)
		pointers++;
	for (; envp && *envp; envp++)
		if (behind(*envp, PRELOAD) || behind(*envp, ASAN))
			bytes += length_of(*envp) + added;
	return pointers * sizeof(char *) + bytes;
}

/* Where the strings are: behind a vector of @count. */
EP_TRAP_PATH static struct writer writer_in(void *block, size_t size, size_t count)
{
	char **entries = block;
	bool fits = count <= size / sizeof(*entries);

	return (struct writer){
		.at = entries,
		.at_end = fits ? entries + count : entries,
		.text = (char *)(entries + (fits ? count : 0)),
		.text_end = fits ? (char *)block + size : block,
	};
}

/* The vector, which ends here; NULL: there was no room for all of it. */
EP_TRAP_PATH static char **finish(struct writer *writer, void *block)
{
	put_entry(writer, NULL);
	return writer->is_full ? NULL : block;
}

EP_TRAP_PATH char **trace_environment_clean(char *const *envp, void *block, size_t size)
{
	struct writer writer = writer_in(block, size, count_of(envp) + 1);

	for (; envp && *envp; envp++) {
		const char *preload = behind(*envp, PRELOAD), *asan = behind(*envp, ASAN);

		if (preload && list_has_ours(preload, true))
			put_cleaned(&writer, PRELOAD, preload, true);
		else if (asan && list_has_ours(asan, false))
			put_cleaned(&writer, ASAN, asan, false);
		else if (!trace_environment_is_ours(*envp))
			put_entry(&writer, *envp);
	}
	return finish(&writer, block);
}

/* ---- what is missing ----------------------------------------------------------------------- */

/* Is there a variable of this one's name? */
EP_TRAP_PATH static bool has_name(char *const *envp, const char *variable)
{
	for (; envp && *envp; envp++) {
		const char *a = *envp, *b = variable;

		while (*a && *a == *b && *a != '=')
			a++, b++;
		if (*a == '=' && *b == '=')
			return true;
	}
	return false;
}

/* The value of NAME=; the first one counts. */
EP_TRAP_PATH static const char *value_of(char *const *envp, const char *name)
{
	const char *ret = NULL;

	for (; envp && *envp && !ret; envp++)
		ret = behind(*envp, name);
	return ret;
}

EP_TRAP_PATH static bool is_complete(char *const *envp, const struct trace_environment *ours)
{
	const char *preload = value_of(envp, PRELOAD), *asan = value_of(envp, ASAN);

	for (size_t i = 0; ours->variables[i]; i++)
		if (!has_name(envp, ours->variables[i]))
			return false;
	return preload && list_has_ours(preload, true) &&
	       (!ours->calms_asan || (asan && list_has_ours(asan, false)));
}

/* @others: NULL: there is no LD_PRELOAD. The first library is initialized first. */
EP_TRAP_PATH static void put_preload(struct writer *writer, const struct trace_environment *ours,
				     const char *others)
{
	if (others && list_has_ours(others, true))
		put_list(writer, PRELOAD, others, NULL);
	else
		put_list(writer, PRELOAD, ours->library, others);
}

EP_TRAP_PATH static void put_asan(struct writer *writer, const char *others)
{
	if (!others)
		put_list(writer, ASAN, ASAN_LEAVE, NULL);
	else
		put_list(writer, ASAN, others, list_has_ours(others, false) ? NULL : ASAN_LEAVE);
}

/* Theirs, in their order. */
EP_TRAP_PATH static void put_theirs(struct writer *writer, char *const *envp,
				    const struct trace_environment *ours)
{
	for (; envp && *envp; envp++) {
		const char *preload = behind(*envp, PRELOAD), *asan = behind(*envp, ASAN);

		if (preload)
			put_preload(writer, ours, preload);
		else if (asan && ours->calms_asan)
			put_asan(writer, asan);
		else
			put_entry(writer, *envp);
	}
}

EP_TRAP_PATH char **trace_environment_complete(char *const *envp,
					       const struct trace_environment *ours, void *block,
					       size_t size)
{
	static const char hide[] = TRACE_HIDE "=1";
	size_t count = count_of(envp) + 4;
	struct writer writer;

	if (is_complete(envp, ours))
		return NULL;
	for (size_t i = 0; ours->variables[i]; i++)
		count++;
	writer = writer_in(block, size, count);
	put_theirs(&writer, envp, ours);
	if (!value_of(envp, PRELOAD))
		put_preload(&writer, ours, NULL);
	if (ours->calms_asan && !value_of(envp, ASAN))
		put_asan(&writer, NULL);
	for (size_t i = 0; ours->variables[i]; i++)
		if (!has_name(envp, ours->variables[i]))
			put_entry(&writer, (char *)(uintptr_t)ours->variables[i]);
	if (!has_name(envp, hide))
		put_entry(&writer, (char *)(uintptr_t)hide);
	return finish(&writer, block);
}
