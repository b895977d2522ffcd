/* SPDX-License-Identifier: MIT */
/*
 * ep_backtrace() and other unwinders agree: at each instruction of real code, which a thread executes step
 * by step; in handlers under every plan; where calls are followed. And whatever a stack holds, nobody dies.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/image/walk.h"
#include "tests/support/libunwind.h"

TestSuite(walk, .timeout = 400);

enum { FRAMES = 64, TRAP_FLAG = 0x100 };

/* Of libgcc: the rules for an address, or NULL where it has none. */
const void *_Unwind_Find_FDE(void *pc, void *bases[3]);

#define NOINLINE __attribute__((noinline))

static uint64_t hits;

static void nothing(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	hits++;
}

/* Not to be stepped through: the engine has code of its own there. */
static NOINLINE void probed(void)
{
	__asm__ volatile("nop; nop; nop; nop; nop");
}

static struct ep_probe *create(const void *at, ep_handler handler, enum ep_plan plan,
			       uint32_t flags)
{
	const struct ep_options options = {
		.size = sizeof(options), .handler = handler, .plan = plan, .flags = flags};
	struct ep_probe *ret;
	int error = ep_probe_create(at, &options, &ret);

	cr_assert_eq(error, 0, "%s", ep_strerror(error));
	return ret;
}

static void start(void)
{
	create((const void *)probed, nothing, EP_PLAN_AUTO, EP_BACKTRACE);
}

/* ---- step by step -------------------------------------------------------------------------- */

static struct stepped {
	uint64_t steps, frames, wrong, unbelievable, unknown;
	uint64_t ours[FRAMES], theirs[FRAMES];
	size_t our_count, their_count;
} stepped;

static uint64_t step_end; /* where stepping ends */

static int (*init_at_context)(unw_cursor_t *, unw_context_t *, int);

static size_t trace_at(ucontext_t *context, uint64_t *ret)
{
	unw_cursor_t cursor;
	size_t count = 0;

	init_at_context(&cursor, (unw_context_t *)context, UNW_INIT_SIGNAL_FRAME);
	do {
		unw_word_t ip = 0;

		libunwind_get_reg(&cursor, UNW_REG_IP, &ip);
		if (!ip)
			break;
		ret[count++] = ip;
	} while (count < FRAMES && libunwind_step(&cursor) > 0);
	return count;
}

/* Each instruction in two of the situations in which it is executed. */
static bool is_new(uint64_t rip)
{
	static uint8_t seen[1 << 20];

	return seen[rip * 0x9e3779b97f4a7c15u >> 44]++ < 2;
}

/*
 * Some functions in assembly have unwind information that is wrong: of an address that is none nobody says
 * what comes then.
 */
static size_t believable(const uint64_t *trace, size_t count)
{
	Dl_info info;

	for (size_t i = 0; i < count; i++)
		if (!dladdr((void *)trace[i], &info))
			return i;
	return count;
}

/*
 * What stands between two functions belongs to neither: glibc's code for AVX-512 runs over the padding behind
 * its checked memcpy(). Where nothing says what the stack holds, each unwinder guesses.
 */
static bool is_described(uint64_t rip)
{
	void *bases[3];

	return _Unwind_Find_FDE((void *)rip, bases) != NULL;
}

static void compare(ucontext_t *context)
{
	uint64_t ours[FRAMES], theirs[FRAMES];
	const struct ep_regs *regs = (const void *)context->uc_mcontext.gregs;
	size_t count, expected, good;

	if (!is_new(regs->rip))
		return;
	if (!is_described(regs->rip)) {
		stepped.unknown++;
		return;
	}
	count = walk_stack(regs, ours, FRAMES);
	expected = trace_at(context, theirs);
	good = believable(theirs, expected);
	stepped.steps++;
	stepped.frames += count;
	stepped.unbelievable += good < expected;
	if ((count == expected || good < expected) &&
	    memcmp(ours, theirs, good * sizeof(ours[0])) == 0)
		return;
	if (stepped.wrong++)
		return;
	memcpy(stepped.ours, ours, sizeof(ours));
	memcpy(stepped.theirs, theirs, sizeof(theirs));
	stepped.our_count = count;
	stepped.their_count = expected;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *ucontext = context;

	(void)sig;
	(void)info;
	compare(ucontext);
	if (!step_end)
		ucontext->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void name(const char *who, const uint64_t *trace, size_t count)
{
	Dl_info info;

	for (size_t i = 0; i < count; i++) {
		if (!dladdr((void *)trace[i], &info))
			info = (Dl_info){0};
		cr_log_warn("%s %zu: %#lx %s %s+%#lx", who, i, trace[i],
			    info.dli_fname ? info.dli_fname : "?",
			    info.dli_sname ? info.dli_sname : "?",
			    trace[i] -
				    (uint64_t)(info.dli_sname ? info.dli_saddr : info.dli_fbase));
	}
}

static NOINLINE void run_stepped(void (*work)(void))
{
	step_end = 1;
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
	work();
	step_end = 0;
	__asm__ volatile("nop");
}

static void check_stepped(const char *what, void (*work)(void), bool warm, uint64_t least)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	if (!libunwind_load())
		cr_skip_test("no libunwind");
	*(void **)&init_at_context =
		dlsym(dlopen("libunwind.so.8", RTLD_NOW), "_ULx86_64_init_local2");
	cr_assert_not_null(init_at_context);
	start();
	if (warm)
		work(); /* and bind what is bound at the first call */
	sigaction(SIGTRAP, &action, NULL);
	run_stepped(work);
	cr_log_info("%s: %lu instructions, %lu frames, %lu unbelievable, %lu without rules", what,
		    stepped.steps, stepped.frames, stepped.unbelievable, stepped.unknown);
	cr_expect_gt(stepped.steps, least);
	cr_expect_eq(stepped.wrong, 0, "%s: %lu of %lu", what, stepped.wrong, stepped.steps);
	cr_expect_lt(stepped.unbelievable, stepped.steps / 50);
	cr_expect_lt(stepped.unknown, stepped.steps / 50);
	if (stepped.wrong) {
		name("ours", stepped.ours, stepped.our_count);
		name("theirs", stepped.theirs, stepped.their_count);
	}
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void use_libc(void)
{
	int numbers[] = {5, 3, 9, 1, 7, 2, 8};
	char text[200];
	regex_t regex;
	time_t now = 1000000000;
	struct tm tm;
	FILE *file;

	qsort(numbers, 7, sizeof(numbers[0]), by_value);
	snprintf(text, sizeof(text), "%d %s %.17g %Lf %ls", numbers[3], "x", 0.1, 2.5L, L"wide");
	strftime(text, sizeof(text), "%c %s", localtime_r(&now, &tm));
	free(malloc(100));
	free(calloc(1000, 200));
	if (regcomp(&regex, "(a|b)*c[x-z]+$", REG_EXTENDED) == 0) {
		regexec(&regex, "ababcxyz", 0, NULL, 0);
		regfree(&regex);
	}
	file = fmemopen(text, sizeof(text), "r");
	if (file) {
		int value;

		if (fscanf(file, "%*s %d", &value) != 1)
			value = 0;
		fclose(file);
	}
	strtod("1.2345678901234567e-300", NULL);
	getenv("HOME");
	unsetenv("no such variable");
}

Test(walk, agrees_at_each_instruction_of_libc)
{
	check_stepped("libc", use_libc, true, 5000);
}

/* Bound at their first call, by the loader's resolver, which finds its caller by RBX. */
static void bind(void)
{
	srand48(drand48() < 2);
}

Test(walk, agrees_at_each_instruction_of_the_loader)
{
	check_stepped("loader", bind, false, 500);
}

static void use_cxx(void)
{
	static char *(*demangle)(const char *, char *, size_t *, int *);
	static void (*create_locale)(void *, const char *), (*destroy_locale)(void *);
	char locale[64];
	int status;

	if (!demangle) {
		void *library = dlopen("libstdc++.so.6", RTLD_NOW);

		*(void **)&demangle = dlsym(library, "__cxa_demangle");
		*(void **)&create_locale = dlsym(library, "_ZNSt6localeC1EPKc");
		*(void **)&destroy_locale = dlsym(library, "_ZNSt6localeD1Ev");
	}
	free(demangle("_ZNSt6vectorIiSaIiEE9push_backERKi", NULL, NULL, &status));
	create_locale(locale, "C.UTF-8");
	destroy_locale(locale);
}

Test(walk, agrees_at_each_instruction_of_cxx)
{
	if (!dlopen("libstdc++.so.6", RTLD_NOW))
		cr_skip_test("no C++ library is installed");
	check_stepped("C++", use_cxx, true, 2000);
}

/* Aligned to more than the ABI promises: CFA is loaded from the stack. */
static NOINLINE void realigned(void)
{
	char __attribute__((aligned(64))) buffer[256];
	size_t size = (size_t)(step_end + 40);
	char *more = __builtin_alloca(size);

	snprintf(buffer, sizeof(buffer), "%d", 3);
	memset(more, 1, size);
	if (!step_end)
		probed();
	__asm__ volatile("" : : "r"(buffer), "r"(more) : "memory");
}

static NOINLINE void framed(void)
{
	char *volatile memory = __builtin_alloca((size_t)(step_end + 100));

	realigned();
	memory[0] = 1;
}

Test(walk, agrees_at_each_instruction_of_functions_that_align_their_stack)
{
	check_stepped("aligned", framed, true, 50);
}

/* ---- in handlers --------------------------------------------------------------------------- */

struct _Unwind_Context;
int _Unwind_Backtrace(int (*each)(struct _Unwind_Context *, void *), void *data);
uint64_t _Unwind_GetIP(struct _Unwind_Context *context);

struct trace {
	uint64_t ip[FRAMES];
	size_t count;
};

static int add_frame(struct _Unwind_Context *context, void *data)
{
	struct trace *trace = data;

	if (trace->count < FRAMES)
		trace->ip[trace->count++] = _Unwind_GetIP(context);
	return 0;
}

static uint64_t agreed, differ;
static struct trace ours, theirs;

/* From the handler out to the program: what stands there from the hit on. */
static void compare_with_libgcc(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	static __thread bool is_inside;
	struct trace here = {0}, all = {0};
	size_t from = 0;

	(void)probe;
	(void)cookie;
	if (is_inside)
		return;
	is_inside = true;
	here.count = ep_backtrace(regs, here.ip, FRAMES - 8);
	_Unwind_Backtrace(add_frame, &all);
	while (from < all.count && all.ip[from] != regs->rip)
		from++;
	if (all.count && !all.ip[all.count - 1])
		all.count--; /* it says where it has ended */
	if (all.count == FRAMES)
		all.count = from + here.count;
	if (here.count == all.count - from &&
	    memcmp(here.ip, all.ip + from, here.count * sizeof(here.ip[0])) == 0) {
		agreed++;
	} else if (differ++ == 0) {
		ours = here;
		theirs = all;
	}
	is_inside = false;
}

static void check_agreed(const char *what, uint64_t least)
{
	cr_log_info("%s: %lu hits", what, agreed);
	cr_expect_geq(agreed, least, "%s: %lu", what, agreed);
	cr_expect_eq(differ, 0, "%s: %lu of %lu", what, differ, differ + agreed);
	if (differ) {
		name("ours", ours.ip, ours.count);
		name("theirs", theirs.ip, theirs.count);
	}
	agreed = differ = 0;
}

static NOINLINE void deep(int depth)
{
	if (depth)
		deep(depth - 1);
	else
		framed();
	__asm__ volatile("");
}

Test(walk, agrees_in_handlers_under_every_plan)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		struct ep_options options = {.size = sizeof(options),
					     .handler = compare_with_libgcc,
					     .plan = plan,
					     .flags = EP_BACKTRACE};
		struct ep_probe *probe;

		if (ep_probe_create((const void *)probed, &options, &probe))
			continue;
		deep(10);
		ep_probe_remove(probe);
		check_agreed(ep_plan_name(plan), 1);
	}
}

/* What libgcc's unwinder itself calls is passed. */
Test(walk, agrees_at_each_function_of_libc)
{
	const struct ep_options options = {
		.size = sizeof(options), .handler = compare_with_libgcc, .flags = EP_BACKTRACE};
	struct ep_probe **probes;
	size_t count;
	int error = ep_define("p libc.so.6:*", &options, &probes, &count, NULL);

	cr_assert_eq(error, 0, "%s", ep_strerror(error));
	cr_assert_gt(count, 1000);
	use_libc();
	ep_probe_remove_batch(probes, count);
	check_agreed("libc", 50);
}

static void on_signal(int sig)
{
	(void)sig;
	probed();
}

Test(walk, passes_signal_frames)
{
	struct ep_probe *probe =
		create((const void *)probed, compare_with_libgcc, EP_PLAN_AUTO, EP_BACKTRACE);

	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	ep_probe_remove(probe);
	check_agreed("signal", 1);
}

/* ---- where calls are followed -------------------------------------------------------------- */

static struct trace entered, ended;

static void at_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	(void)probe;
	(void)call;
	(void)cookie;
	entered.count = ep_backtrace(regs, entered.ip, FRAMES);
}

static void at_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	struct trace trace;

	(void)probe;
	(void)call;
	(void)cookie;
	trace.count = ep_backtrace(regs, trace.ip, FRAMES);
	if (!ended.count)
		ended = trace;
}

static struct trace reached;

static void at_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	reached.count = ep_backtrace(regs, reached.ip, FRAMES);
}

static struct ep_probe *follow(const void *at, enum ep_plan plan)
{
	const struct ep_options options = {.size = sizeof(options),
					   .entered = at_entry,
					   .ended = at_end,
					   .plan = plan,
					   .flags = EP_BACKTRACE};
	struct ep_probe *ret;

	cr_assert_eq(ep_probe_create(at, &options, &ret), 0);
	return ret;
}

static NOINLINE void call_deep(void)
{
	deep(5);
	__asm__ volatile("");
}

/* Up to call_deep(), which may be called from more than one place. */
static void expect_equal(const struct trace *a, const struct trace *b, size_t from)
{
	enum { DEEP = 10 };

	cr_assert_gt(b->count, DEEP);
	cr_expect_eq(a->count, b->count - from);
	if (memcmp(a->ip, b->ip + from, (DEEP - from) * sizeof(a->ip[0])) == 0)
		return;
	cr_expect_fail("they differ");
	name("one", a->ip, a->count);
	name("other", b->ip + from, b->count - from);
}

static void check_followed(enum ep_plan plan)
{
	struct ep_probe *probe = create((const void *)probed, at_hit, plan, EP_BACKTRACE),
			*probes[3];
	struct trace plain = {.count = 0};

	for (int i = 0; i < 3; i++) {
		reached.count = entered.count = ended.count = 0;
		call_deep();
		if (i > 0) {
			expect_equal(&reached, &plain, 0);
			/* The last that was entered is the first that ends. */
			expect_equal(&ended, &entered, 1);
			continue;
		}
		plain = reached;
		probes[0] = follow((const void *)deep, plan);
		probes[1] = follow((const void *)framed, plan);
		probes[2] = follow((const void *)realigned, plan);
	}
	ep_probe_remove_batch(probes, 3);
	ep_probe_remove(probe);
}

Test(walk, finds_true_callers_where_calls_are_followed)
{
	check_followed(EP_PLAN_AUTO);
	check_followed(EP_PLAN_TRAP);
}

/* ---- where nothing helps ------------------------------------------------------------------- */

Test(walk, says_nothing_before_anybody_asked)
{
	struct ep_regs regs = {.rip = (uint64_t)probed};
	uint64_t ret[4];

	cr_expect_eq(ep_backtrace(&regs, ret, 4), 0);
	start();
	cr_expect_eq(ep_backtrace(&regs, ret, 4), 1);
	cr_expect_eq(ep_backtrace(&regs, ret, 0), 0);
	cr_expect_eq(ep_backtrace(NULL, ret, 4), 0);
}

/* Without unwind information: by the top of the stack, and by the frame pointer. */
__asm__(".text\n\t.balign 16\n"
	"walk_unknown:\n\tnop; nop; nop; nop; nop\n\tret\n"
	"walk_framed:\n\tpush %rbp\n\tmov %rsp, %rbp\n\tsub $64, %rsp\n\tcall walk_unknown\n"
	"walk_after:\n\tleave\n\tret\n\t.balign 16\n");
extern const uint8_t walk_unknown[], walk_after[];
void walk_framed(void);

Test(walk, follows_frame_pointers_where_nothing_else_is_known)
{
	struct ep_options options = {
		.size = sizeof(options), .handler = at_hit, .flags = EP_BACKTRACE};
	struct ep_probe *probe;

	start();
	if (ep_probe_create(walk_unknown, &options, &probe)) {
		struct ep_regs regs = {.rip = (uint64_t)walk_unknown};
		uint64_t stack[16] = {0}, ret[8];

		/* It is no function that can be probed: as it would be. */
		stack[0] = (uint64_t)walk_after;
		stack[8] = (uint64_t)&stack[12];
		stack[9] = (uint64_t)walk_after;
		regs.rsp = (uint64_t)stack;
		regs.rbp = (uint64_t)&stack[8];
		cr_expect_eq(ep_backtrace(&regs, ret, 8), 3);
		cr_expect_eq(ret[1], (uint64_t)walk_after);
		cr_expect_eq(ret[2], (uint64_t)walk_after);
		return;
	}
	walk_framed();
	cr_expect_gt(reached.count, 3);
	cr_expect_eq(reached.ip[1], (uint64_t)walk_after);
}

static uint64_t state = 88172645463325252u;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* Addresses of code, of the stack, and of nothing. */
static uint64_t any_word(const uint64_t *stack, size_t count)
{
	const uint64_t code[] = {(uint64_t)printf, (uint64_t)check_followed, (uint64_t)qsort,
				 (uint64_t)_Unwind_Backtrace, (uint64_t)ep_backtrace};
	uint64_t kind = any() % 8;

	if (kind < 4)
		return code[any() % 5] + any() % 65536 - 16384;
	if (kind < 6)
		return (uint64_t)&stack[any() % (count + 2)] + (any() % 16 == 0);
	return kind == 6 ? any() : any() % 64;
}

Test(walk, survives_whatever_the_stack_holds)
{
	enum { WORDS = 512, ROUNDS = 30000 };
	uint64_t *stack =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t ret[FRAMES + 1], longest = 0;

	start();
	munmap(stack + WORDS, 4096);
	for (int i = 0; i < ROUNDS; i++) {
		struct ep_regs regs;
		size_t count;

		for (int k = 0; k < 40; k++)
			stack[any() % WORDS] = any_word(stack, WORDS);
		for (size_t k = 0; k < sizeof(regs) / 8; k++)
			(&regs.r8)[k] = any_word(stack, WORDS);
		ret[FRAMES] = 1;
		count = ep_backtrace(&regs, ret, FRAMES);
		cr_assert(count >= 1 && count <= FRAMES);
		cr_assert_eq(ret[FRAMES], 1);
		longest = count > longest ? count : longest;
	}
	cr_expect_gt(longest, 5);
}

/* ---- objects come and go ------------------------------------------------------------------- */

static atomic_bool stop;

static void *load_and_unload(void *data)
{
	(void)data;
	for (int i = 0; i < 50; i++) {
		void *library = dlopen("libm.so.6", RTLD_NOW);

		((double (*)(double))dlsym(library, "lgamma"))(0.5);
		dlclose(library);
	}
	stop = true;
	return NULL;
}

Test(walk, knows_what_is_loaded)
{
	struct ep_probe *probe =
		create((const void *)probed, compare_with_libgcc, EP_PLAN_AUTO, EP_BACKTRACE);
	pthread_t thread;

	pthread_create(&thread, NULL, load_and_unload, NULL);
	while (!stop)
		deep(3);
	pthread_join(thread, NULL);
	ep_probe_remove(probe);
	check_agreed("loading", 100);
}
