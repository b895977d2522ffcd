/* SPDX-License-Identifier: MIT */
/*
 * Requests that libc serves by threads of its own. It starts them with all signals blocked, by
 * system calls whose number it keeps in a register.
 */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "check.h"

static volatile sig_atomic_t signalled;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	signalled += info->si_code == SI_ASYNCIO;
}

static ssize_t finish(struct aiocb *request)
{
	const struct aiocb *const list[] = {request};

	while (aio_error(request) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	return aio_return(request);
}

static void reads_what_was_written(void)
{
	char name[] = "/tmp/aioXXXXXX", text[] = "what was written", back[sizeof(text)] = "";
	int fd = mkstemp(name);
	struct aiocb out = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = sizeof(text)};
	struct aiocb in = {.aio_fildes = fd, .aio_buf = back, .aio_nbytes = sizeof(back)};

	out.aio_sigevent.sigev_notify = SIGEV_NONE;
	in.aio_sigevent = out.aio_sigevent;
	unlink(name);
	CHECK(aio_write(&out) == 0 && finish(&out) == sizeof(text));
	CHECK(aio_read(&in) == 0 && finish(&in) == sizeof(back));
	CHECK(strcmp(text, back) == 0);
	CHECK(aio_fsync(O_SYNC, &out) == 0 && finish(&out) == 0);
	close(fd);
}

static void leaves_the_mask_alone(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	reads_what_was_written();
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (int sig = 1; sig < 32; sig++)
		CHECK(sigismember(&mask, sig) == (sig == SIGUSR2));
}

static void tells_by_a_signal(void)
{
	static char byte[] = "x";
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct aiocb request = {
		.aio_fildes = open("/dev/null", O_WRONLY), .aio_buf = byte, .aio_nbytes = 1};

	request.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
	request.aio_sigevent.sigev_signo = SIGUSR1;
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 1; i <= 20; i++) {
		CHECK(aio_write(&request) == 0 && finish(&request) == 1);
		for (int wait = 0; signalled < i && wait < 1000; wait++)
			usleep(1000);
		CHECK(signalled == i);
	}
}

int main(int argc, char **argv)
{
	static const struct check_case cases[] = {
		{"reads_what_was_written", reads_what_was_written},
		{"leaves_the_mask_alone", leaves_the_mask_alone},
		{"tells_by_a_signal", tells_by_a_signal},
		{0},
	};

	return check_main(argc, argv, cases);
}
