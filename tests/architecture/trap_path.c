/* SPDX-License-Identifier: MIT */
/*
 * What runs in a trap is marked EP_TRAP_PATH and stands in a section of its own. A call from there
 * to anything else could take a lock, allocate, or reach a probe; a vector register would be lost
 * on the way back. The disassembly of that section, with its relocations, shows every call.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/architecture/lines.h"

#define SECTION "ep_trap_path"

TestSuite(architecture_trap_path, .timeout = 400);

/* Functions that call through a pointer, and why what they reach is on the trap path or allowed. */
static const struct {
	const char *function, *why;
} indirect_callers[] = {
	{"hit_handlers", "a probe's handler: the user's, documented to run in a signal handler"},
	{"hit_from_detour", "likewise"},
	{"trap_handler", "the plan's way on, and an intercept of the engine: EP_TRAP_PATH both"},
	{"emu_run", "a function of the emulator's tables, which are checked below"},
	{"hit_resume_emulated", "part of emu_run(), where the linker inlines it"},
	{"hit_from_detour_of_calls", "likewise"},
	{"handle", "part of hit_handlers(), where nothing is inlined"},
	{"call_one", "likewise"},
	{"calls_enter", "a probe's handler, likewise"},
	{"calls_enter_at_once", "likewise"},
	{"leave_at_once", "likewise"},
	{"enter", "likewise"},
	{"calls_leave", "likewise"},
	{"end_call", "part of calls_leave(), where nothing is inlined"},
	{"end_all", "likewise"},
	{"end_above", "likewise"},
	{"end_abandoned", "part of calls_enter(), likewise"},
	{"unwound", "a probe's handler, when an exception leaves its function"},
	{"hit_scratch", "a probe's handler"},
	{"calls_told_enter", "likewise"},
	{"calls_told_leave", "likewise; and what saves more registers around calls_leave()"},
	{"xol_detour_general", "the entry in C that its data names: hit_handlers() and the like"},
	{"xol_detour_sse", "likewise"},
	{"xol_detour_avx", "likewise"},
	{"xol_detour_avx512f", "likewise"},
	{"xol_detour_avx512", "likewise"},
	{"xol_stub_general", "likewise, of calls_leave()"},
	{"xol_stub_sse", "likewise"},
	{"xol_stub_avx", "likewise"},
	{"xol_stub_avx512f", "likewise"},
	{"xol_stub_avx512", "likewise"},
	{"calls_counted_leave", "one of these"},
	{"guard_done_jump", "back to the copy of a guarded call, where its data says"},
	{"guard_pass_jump", "likewise"},
	{"xol_doors", "likewise, behind the call"},
	{"sys_interrupted_call", "the read function that its caller names: sys_read_memory()"},
	{"is_moved", "part of it, where nothing is inlined"},
	{"is_pushed", "likewise"},
	{"is_on_stack", "likewise"},
	{"hit", "a handler of a program that probes itself, likewise"},
	{"entered", "likewise"},
	{"ended", "likewise"},
	{"enter_hit", "part of entered(), where nothing is inlined"},
	{"end_hit", "part of ended(), likewise"},
	{"trace_snapshot_take", "sys_barrier_shared(), or a test's"},
	{"write_all", "the writer of a session without launcher: EP_TRAP_PATH"},
	{"writer_follows_fork", "likewise"},
	{"emit_record", "text and JSON: EP_TRAP_PATH; other writers are the launcher's"},
	{"emit", "part of emit_record(), where nothing is inlined"},
	{"trace_reader_next", "likewise"},
	{"put_name", "the launcher's, which has no trap path; others have none"},
	{"pass_barrier", "part of trace_snapshot_take(), where nothing is inlined"},
	{"write_events", "part of trace_snapshot_take(), where the linker inlines it"},
	{"monotonic", "the vDSO's clock, whose code has been looked at (trace/clock/vdso.c)"},
	{"wall", "likewise"},
	{"ask_for_processor", "likewise"},
	{"call_program", "the program's own handler, as the kernel would have called it"},
	{"counters_add_slow", "who gives memory for counters: documented as EP_TRAP_PATH"},
	{"create_block", "likewise"},
	{"probe_thread_each", "a visitor: EP_TRAP_PATH, all of them in masks.c and thread.c"},
	{"service", "part of trap_handler(), where nothing is inlined"},
	{"call_all", "part of hit_handlers(), likewise"},
	{"call_translated", "part of call_program(), likewise"},
	{"allocate", "part of counters_add_slow(), likewise"},
	{"own_block", "likewise"},
	{"registry_each", "a visitor: EP_TRAP_PATH, where it is called on the trap path"},
};

/* Detours that keep the vector registers for a handler which may use them; who only looks at them. */
static bool may_use_vectors(const char *function)
{
	return matches(function, "^(xol_(detour|stub)_(sse|avx|avx512f?)|ep_live_vector)$");
}

/* Compilers put behind a name what they did to the function: ".isra.0", ".lto_priv.2". */
static bool may_call_indirectly(const char *function)
{
	size_t length = strcspn(function, ".");

	for (size_t i = 0; i < sizeof(indirect_callers) / sizeof(*indirect_callers); i++)
		if (strlen(indirect_callers[i].function) == length &&
		    strncmp(indirect_callers[i].function, function, length) == 0)
			return true;
	return false;
}

/* ---- symbols ------------------------------------------------------------------------------- */

struct symbol {
	char name[128];
	size_t object; /* index of the object file that defines it */
	bool local, function, in_section;
};

struct symbols {
	struct symbol *all;
	size_t count;
};

/* "VALUE FLAGS SECTION\tSIZE [.hidden] NAME"; FLAGS are seven characters. */
static bool parse_symbol(const char *line, size_t object, struct symbol *ret)
{
	char section[128];
	const char *tab = strchr(line, '\t'), *name = strrchr(line, ' ');

	if (!tab || !name || strlen(line) < 26 || line[16] != ' ')
		return false;
	if (sscanf(line + 25, "%127[^\t]", section) != 1 || strcmp(section, "*UND*") == 0)
		return false;
	*ret = (struct symbol){.object = object,
			       .local = line[17] == 'l',
			       .function = line[23] == 'F' || starts_with(section, ".text"),
			       .in_section = strcmp(section, SECTION) == 0};
	snprintf(ret->name, sizeof(ret->name), "%s", name + 1);
	return true;
}

static void read_symbols(const char *file, size_t object, struct symbols *symbols)
{
	struct lines table = lines_of("objdump -t -w '%s'", file);
	struct symbol symbol;

	for (size_t i = 0; i < table.count; i++) {
		if (!parse_symbol(table.line[i], object, &symbol))
			continue;
		symbols->all = reallocarray(symbols->all, symbols->count + 1, sizeof(symbol));
		symbols->all[symbols->count++] = symbol;
	}
	lines_destroy(&table);
}

static const struct symbol *find(const struct symbols *symbols, size_t object, const char *name)
{
	for (size_t i = 0; i < symbols->count; i++) {
		const struct symbol *symbol = &symbols->all[i];

		if (strcmp(symbol->name, name) == 0 && (!symbol->local || symbol->object == object))
			return symbol;
	}
	return NULL;
}

/* ---- one instruction ----------------------------------------------------------------------- */

/* "  1f:\tcall   24 <f+0x24>\t20: R_X86_64_PLT32\tmalloc-0x4" */
struct insn {
	const char *function; /* that it stands in */
	const char *text;
	bool vectors_reported;	    /* of this function */
	char type[32], target[128]; /* of the relocation, "" for none */
};

static void parse_relocation(const char *line, struct insn *insn)
{
	const char *at = strstr(line, ": R_X86_64_");

	insn->type[0] = insn->target[0] = '\0';
	if (!at)
		return;
	sscanf(at + strlen(": R_X86_64_"), "%31s %127s", insn->type, insn->target);
	for (char *addend = insn->target + 1; *addend; addend++)
		if ((*addend == '+' || *addend == '-') && starts_with(addend + 1, "0x"))
			*addend = '\0';
}

static bool is_branch(const struct insn *insn)
{
	return matches(insn->text,
		       "^((bnd|notrack|data16|rex\\.W|cs|ds) )*(call|j[a-z]+|loop[a-z]*)\\b");
}

/* Why a relocation may not be here, or NULL. */
static const char *objection(const struct symbols *symbols, size_t object, const struct insn *insn)
{
	const struct symbol *symbol;

	if (strcmp(insn->target, SECTION) == 0 || matches(insn->type, "^(GOT)?TPOFF"))
		return NULL;
	/* The address of the stubs, whose code is made at run time (fallback-xol/stub.S). */
	if (strcmp(insn->target, "xol_stubs") == 0 && !is_branch(insn))
		return NULL;
	if (starts_with(insn->type, "TLS"))
		return "thread-local storage by a call of __tls_get_addr()";
	if (matches(insn->target, "^__(start|stop)_"))
		return NULL;
	symbol = find(symbols, object, insn->target);
	if (!symbol)
		return insn->target[0] == '.' && !starts_with(insn->target, ".text")
			       ? NULL
			       : "outside of the engine";
	if (symbol->in_section || (!symbol->function && !is_branch(insn)))
		return NULL;
	return "not EP_TRAP_PATH";
}

static void check_registers(struct insn *insn)
{
	cr_expect(!strstr(insn->text, "%fs:0x28"), "%s has a stack protector", insn->function);
	if (insn->vectors_reported || may_use_vectors(insn->function) ||
	    !matches(insn->text, "%([xyz]?mm[0-9]|st\\b|k[0-7])"))
		return;
	insn->vectors_reported = true;
	cr_expect(false, "%s uses vector registers: %s", insn->function, insn->text);
}

static void check_insn(const struct symbols *symbols, size_t object, struct insn *insn)
{
	const char *why;

	check_registers(insn);
	if (insn->type[0]) {
		why = objection(symbols, object, insn);
		cr_expect_null(why, "%s refers to %s: %s", insn->function, insn->target, why);
	} else if (is_branch(insn) && strchr(insn->text, '*')) {
		cr_expect(may_call_indirectly(insn->function), "%s calls through a pointer: %s",
			  insn->function, insn->text);
	}
}

/* ---- all of it ----------------------------------------------------------------------------- */

static size_t check_object(const struct symbols *symbols, size_t object, const char *file)
{
	struct lines code =
		lines_of("objdump -drw --no-show-raw-insn -j " SECTION " '%s' 2>/dev/null", file);
	char function[128] = "?";
	struct insn insn = {.function = function};
	size_t functions = 0;

	for (size_t i = 0; i < code.count; i++) {
		char *tab = strchr(code.line[i], '\t');

		if (sscanf(code.line[i], "%*x <%127[^>]>:", function) == 1) {
			functions++;
			insn.vectors_reported = false;
		} else if (tab && code.line[i][0] == ' ') {
			insn.text = tab + 1;
			parse_relocation(tab, &insn);
			check_insn(symbols, object, &insn);
		}
	}
	lines_destroy(&code);
	return functions;
}

/* With LTO the linker makes the code. What it made is in other files: tests/compilers/run. */
static const char *linked_objects(void)
{
	return getenv("EMUPROBE_LINKED_OBJECTS");
}

static struct lines read_objects(struct symbols *symbols)
{
	const char *list = linked_objects();
	struct lines ret = lines_of("grep -v '^$' '%s'", list ? list : EP_OBJECT_LIST);

	cr_assert_gt(ret.count, 0);
	for (size_t i = 0; i < ret.count; i++)
		read_symbols(ret.line[i], i, symbols);
	return ret;
}

Test(architecture_trap_path, calls_only_itself)
{
	struct symbols symbols = {0};
	struct lines objects = read_objects(&symbols);
	size_t functions = 0;

	for (size_t i = 0; i < objects.count; i++)
		functions += check_object(&symbols, i, objects.line[i]);
	cr_assert_gt(functions, 0, "no function is EP_TRAP_PATH: is the section's name right?");
	free(symbols.all);
	lines_destroy(&objects);
}

/* "0000000000000018 R_X86_64_64  ep_trap_path+0x0000000000000040" */
static size_t check_pointers(const struct symbols *symbols, size_t object, const char *file)
{
	struct lines pointers =
		lines_of("objdump -rw -j .data.rel.ro -j .data.rel.ro.local -j .data "
			 "'%s' 2>/dev/null | grep ' R_X86_64_64 '",
			 file);
	size_t functions = 0;

	for (size_t i = 0; i < pointers.count; i++) {
		char *target = strrchr(pointers.line[i], ' ') + 1;
		const struct symbol *symbol;

		target[strcspn(target, "+")] = '\0';
		symbol = find(symbols, object, target);
		functions += strcmp(target, SECTION) == 0 || (symbol && symbol->in_section);
		cr_expect(!starts_with(target, ".text") &&
				  !(symbol && symbol->function && !symbol->in_section),
			  "%s: a table holds %s, which is not EP_TRAP_PATH", file, target);
	}
	lines_destroy(&pointers);
	return functions;
}

Test(architecture_trap_path, tables_of_the_emulator_hold_only_trap_path_functions)
{
	struct symbols symbols = {0};
	struct lines objects;
	size_t functions = 0;

	if (linked_objects())
		cr_skip_test("the linker puts the emulator's tables together with all others");
	objects = read_objects(&symbols);
	for (size_t i = 0; i < objects.count; i++)
		if (strstr(objects.line[i], "/emu/"))
			functions += check_pointers(&symbols, i, objects.line[i]);
	cr_assert_gt(functions, 0, "no table was found");
	free(symbols.all);
	lines_destroy(&objects);
}
