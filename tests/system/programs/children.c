/* SPDX-License-Identifier: MIT */
/* Processes that are made in every way there is. Each calls target() as often as its test says. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

extern char **environ;

void target(void);

__attribute__((noinline)) void target(void)
{
	__asm__ volatile("lea (%rdi), %rdi; lea (%rsi), %rsi");
}

static void call_target(long count)
{
	while (count-- > 0)
		target();
}

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void forks(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			call_target(100);
			free(malloc(1000));
			_exit(i);
		}
		CHECK(wait_for(pid) == i);
		call_target(1);
	}
}

static void raw_forks(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = (pid_t)(i % 2 ? syscall(SYS_fork)
					  : syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));

		if (pid == 0) {
			call_target(100);
			_exit(i);
		}
		CHECK(wait_for(pid) == i);
	}
}

static void nested_forks(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		call_target(10);
		pid = fork();
		if (pid == 0) {
			call_target(10);
			pid = fork();
			if (pid == 0) {
				call_target(10);
				_exit(3);
			}
			_exit(wait_for(pid) + 1);
		}
		_exit(wait_for(pid) + 1);
	}
	CHECK(wait_for(pid) == 5);
}

static void daemons(void)
{
	char byte = 0;
	int ends[2];
	pid_t pid;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		if (daemon(0, 0))
			_exit(1);
		call_target(10);
		byte = 42;
		if (write(ends[1], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	CHECK(wait_for(pid) == 0);
	close(ends[1]);
	CHECK(read(ends[0], &byte, 1) == 1 && byte == 42);
	close(ends[0]);
}

static pid_t make_vfork(bool execute)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 7", NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		call_target(3);
		if (!execute)
			_exit(17);
		execv("/bin/sh", argv);
		_exit(127);
	}
	return pid;
}

static void vforks(void)
{
	for (int i = 0; i < 10; i++) {
		CHECK(wait_for(make_vfork(false)) == 17);
		call_target(1);
	}
	for (int i = 0; i < 3; i++)
		CHECK(wait_for(make_vfork(true)) == 7);
}

/* What a child of vfork() sets is its own. */
static void vfork_leaves_signals_alone(void)
{
	sigset_t set, old;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigaddset(&set, SIGUSR1);
	for (int i = 0; i < 10; i++) {
		pid = vfork();
		if (pid == 0) {
			sigprocmask(SIG_BLOCK, &set, NULL);
			sigprocmask(SIG_BLOCK, NULL, &old);
			_exit(sigismember(&old, SIGTRAP) && sigismember(&old, SIGUSR1));
		}
		CHECK(wait_for(pid) == 1);
		sigprocmask(SIG_BLOCK, NULL, &old);
		CHECK(!sigismember(&old, SIGTRAP) && !sigismember(&old, SIGUSR1));
		call_target(1);
	}
}

/* What it dies of is its own affair: the probes in its parent's text stay, and the handlers. */
static void vfork_children_that_die(void)
{
	static const int deadly[] = {SIGFPE, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGTERM};
	struct sigaction action;

	for (volatile int i = 0; i < 6; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			call_target(1);
			raise(deadly[i]);
			_exit(1);
		}
		CHECK(wait_for(pid) == 1000 + deadly[i]);
		call_target(10);
		CHECK(sigaction(deadly[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	}
}

static void spawns(void)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 9", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all;

	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, 10);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETPGROUP);
	for (int i = 0; i < 4; i++) {
		pid_t pid = 0;

		CHECK(posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ) == 0);
		CHECK(wait_for(pid) == 9);
		CHECK(posix_spawnp(&pid, "no-such-program", NULL, NULL, argv, environ) == ENOENT);
		call_target(1);
	}
}

static void shells(void)
{
	char text[64] = "";
	FILE *pipe;

	for (int i = 0; i < 3; i++) {
		CHECK(WEXITSTATUS(system("exit 5")) == 5);
		pipe = popen("echo hello", "r");
		CHECK(pipe && fgets(text, sizeof(text), pipe) && strcmp(text, "hello\n") == 0);
		CHECK(pclose(pipe) == 0);
		pipe = popen("read x; test $x = 12", "w");
		CHECK(pipe && fputs("12\n", pipe) >= 0 && pclose(pipe) == 0);
		call_target(1);
	}
}

static volatile sig_atomic_t forked_in_handler;

static void fork_in_handler(int sig)
{
	pid_t pid = _Fork();

	(void)sig;
	if (pid == 0) {
		call_target(5);
		_exit(6);
	}
	forked_in_handler += wait_for(pid) == 6;
}

static void forks_in_handlers(void)
{
	signal(SIGUSR1, fork_in_handler);
	signal(SIGTRAP, fork_in_handler);
	for (int i = 0; i < 10; i++) {
		raise(SIGUSR1);
		raise(SIGTRAP);
		__asm__ volatile("int3");
	}
	CHECK(forked_in_handler == 30);
}

static atomic_bool stop;

static void *keep_busy(void *arg)
{
	while (!stop) {
		free(malloc((size_t)(uintptr_t)arg));
		target();
	}
	return NULL;
}

/* The child has one thread, whatever the others were doing. */
static void forks_with_threads(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, keep_busy, (void *)(uintptr_t)(i + 100)) ==
		      0);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t thread;

			stop = true;
			call_target(10);
			if (pthread_create(&thread, NULL, keep_busy, (void *)10) ||
			    pthread_join(thread, NULL))
				_exit(1);
			_exit(8);
		}
		CHECK(wait_for(pid) == 8);
	}
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void *fork_and_wait(void *arg)
{
	pid_t pid = fork();

	(void)arg;
	if (pid == 0) {
		call_target(10);
		_exit(4);
	}
	return (void *)(intptr_t)wait_for(pid);
}

static void forks_by_threads(void)
{
	for (int i = 0; i < 20; i++) {
		pthread_t threads[4];
		void *ret;

		for (int k = 0; k < 4; k++)
			CHECK(pthread_create(&threads[k], NULL, fork_and_wait, NULL) == 0);
		for (int k = 0; k < 4; k++)
			CHECK(pthread_join(threads[k], &ret) == 0 && (intptr_t)ret == 4);
	}
}

/* A fork without the exit handlers of atexit(), ended by exec. */
static void executes_itself(void)
{
	char *const argv[] = {(char *)"children", (char *)"just-call", NULL};
	pid_t pid;
	int fd;

	pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(99);
	}
	CHECK(wait_for(pid) == 21);
	pid = fork();
	if (pid == 0) {
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		fexecve(fd, argv, environ);
		_exit(99);
	}
	CHECK(wait_for(pid) == 21);
}

static void *execute(void *arg)
{
	char *const argv[] = {(char *)"children", (char *)"just-call", NULL};

	(void)arg;
	execv("/proc/self/exe", argv);
	return NULL;
}

/* An exec in a thread ends all the others. */
static void executes_from_a_thread(void)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t threads[3];

			for (int k = 0; k < 2; k++)
				pthread_create(&threads[k], NULL, keep_busy, (void *)10);
			pthread_create(&threads[2], NULL, execute, NULL);
			for (;;)
				target();
		}
		CHECK(wait_for(pid) == 21);
	}
}

static void wait_in_many_ways(void)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0) {
		call_target(2);
		raise(SIGSTOP);
		_exit(13);
	}
	CHECK(waitid(P_PID, (id_t)pid, &info, WSTOPPED) == 0 && info.si_status == SIGSTOP);
	kill(pid, SIGCONT);
	CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED) == 0 && info.si_status == 13);
	pid = fork();
	if (pid == 0)
		for (;;)
			target();
	usleep(10000);
	kill(pid, SIGKILL);
	CHECK(wait_for(pid) == 1000 + SIGKILL);
}

static const struct check_case cases[] = {
	{"forks", forks},
	{"raw_forks", raw_forks},
	{"nested_forks", nested_forks},
	{"daemons", daemons},
	{"vforks", vforks},
	{"vfork_leaves_signals_alone", vfork_leaves_signals_alone},
	{"vfork_children_that_die", vfork_children_that_die},
	{"spawns", spawns},
	{"shells", shells},
	{"forks_in_handlers", forks_in_handlers},
	{"forks_with_threads", forks_with_threads},
	{"forks_by_threads", forks_by_threads},
	{"executes_itself", executes_itself},
	{"executes_from_a_thread", executes_from_a_thread},
	{"wait_in_many_ways", wait_in_many_ways},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "just-call") == 0) {
		call_target(50);
		return 21;
	}
	return check_main(argc, argv, cases);
}
