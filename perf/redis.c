/* SPDX-License-Identifier: MIT */
/*
 * The server is the same binary as redis-check-rdb, and looks at its name: with a link of that name
 * the package redis-server is not needed, which would start a server on the machine's behalf.
 *
 * The benchmark's own figure is taken, which begins when all clients are connected. The server is
 * asked to shut down, so that the launcher comes to its summary.
 */
#include "perf/redis.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BENCHMARK "/usr/bin/redis-benchmark"
#define BINARY	  "/usr/bin/redis-check-rdb"
#define START_MS  10000

struct server {
	char directory[32], program[64];
	struct sockaddr_un address;
};

const char *redis_find(void)
{
	return access(BINARY, X_OK) == 0 && access(BENCHMARK, X_OK) == 0
		       ? NULL
		       : "redis-tools is not installed";
}

static bool make_place(struct server *server)
{
	strcpy(server->directory, "/tmp/emuprobe-perf-XXXXXX");
	if (!mkdtemp(server->directory))
		return false;
	snprintf(server->program, sizeof(server->program), "%s/" REDIS_SERVER, server->directory);
	server->address.sun_family = AF_UNIX;
	snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s/socket",
		 server->directory);
	return symlink(BINARY, server->program) == 0;
}

static void remove_place(const struct server *server)
{
	unlink(server->address.sun_path);
	unlink(server->program);
	rmdir(server->directory);
}

static int connect_once(const struct server *server)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&server->address, sizeof(server->address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool wait_for_start(const struct server *server)
{
	for (int ms = 0; ms < START_MS; ms += 5) {
		int fd = connect_once(server);

		if (fd >= 0) {
			close(fd);
			return true;
		}
		usleep(5000);
	}
	return false;
}

static bool shut_down(const struct server *server)
{
	static const char command[] = "SHUTDOWN NOSAVE\r\n";
	int fd = connect_once(server);
	bool sent;

	if (fd < 0)
		return false;
	sent = write(fd, command, sizeof(command) - 1) == sizeof(command) - 1;
	close(fd);
	return sent;
}

/* "SET","417827.31",... */
static double benchmark(const struct server *server, unsigned requests, unsigned pipeline)
{
	char command[PATH_MAX], line[256];
	double ret = NAN;
	FILE *output;

	snprintf(command, sizeof(command),
		 BENCHMARK " -s %s -t set -n %u -c 20 -P %u --csv 2>/dev/null",
		 server->address.sun_path, requests, pipeline);
	output = popen(command, "r");
	while (output && fgets(line, sizeof(line), output))
		if (sscanf(line, "\"SET\",\"%lf\"", &ret) == 1)
			break;
	if (output)
		pclose(output);
	return ret;
}

/* Returns where they begin. */
static const char **add_arguments(struct launch *launch, const struct server *server)
{
	const char *arguments[] = {server->program,
				   "--port",
				   "0",
				   "--unixsocket",
				   server->address.sun_path,
				   "--daemonize",
				   "no",
				   "--save",
				   "",
				   "--dir",
				   server->directory,
				   NULL};
	const char **at = launch->args;

	while (strcmp(*at, REDIS_SERVER) != 0)
		at++;
	memcpy(at, arguments, sizeof(arguments));
	return at;
}

static double serve(struct launch *launch, const struct server *server, unsigned requests,
		    unsigned pipeline)
{
	double ret = NAN;

	if (!launch_begin(launch))
		return NAN;
	if (wait_for_start(server))
		ret = benchmark(server, requests, pipeline);
	if (!shut_down(server))
		kill(launch->pid, SIGTERM);
	return launch_wait(launch) ? ret : NAN;
}

double redis_run(struct launch *launch, unsigned requests, unsigned pipeline)
{
	struct server server = {0};
	const char **arguments;
	double ret;

	if (!make_place(&server))
		return NAN;
	arguments = add_arguments(launch, &server);
	ret = serve(launch, &server, requests, pipeline);
	arguments[0] = REDIS_SERVER;
	arguments[1] = NULL;
	remove_place(&server);
	return ret;
}
