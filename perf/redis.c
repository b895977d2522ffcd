/* SPDX-License-Identifier: MIT */
/*
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
#define START_MS  10000

struct server {
	char directory[32];
	struct sockaddr_un address;
};

const char *redis_find(void)
{
	if (access(REDIS_SERVER, X_OK) != 0)
		return "redis-server is not installed";
	return access(BENCHMARK, X_OK) == 0 ? NULL
					    : "redis-benchmark (redis-tools) is not installed";
}

static bool make_place(struct server *server)
{
	strcpy(server->directory, "/tmp/emuprobe-perf-XXXXXX");
	if (!mkdtemp(server->directory))
		return false;
	server->address.sun_family = AF_UNIX;
	snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s/socket",
		 server->directory);
	return true;
}

static void remove_place(const struct server *server)
{
	unlink(server->address.sun_path);
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

static void add_arguments(struct launch *launch, const struct server *server)
{
	const char *more[] = {
		"--port", "0", "--unixsocket", server->address.sun_path, "--daemonize", "no",
		"--save", "",  "--dir",	       server->directory};
	size_t at = 0;

	while (strcmp(launch->args[at], REDIS_SERVER) != 0)
		at++;
	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
		launch->args[++at] = more[i];
	launch->args[++at] = NULL;
}

double redis_run(struct launch *launch, unsigned requests, unsigned pipeline)
{
	struct server server = {0};
	double ret = NAN;

	if (!make_place(&server))
		return NAN;
	add_arguments(launch, &server);
	if (launch_begin(launch)) {
		if (wait_for_start(&server))
			ret = benchmark(&server, requests, pipeline);
		if (!shut_down(&server))
			kill(launch->pid, SIGTERM);
		if (!launch_wait(launch))
			ret = NAN;
	}
	remove_place(&server);
	return ret;
}
