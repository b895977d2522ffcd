/* SPDX-License-Identifier: MIT */
/* Calls of libraries whose arguments and results are known. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of constants a compiler makes something else. */
static volatile double angle = 1.5, two = 2;
static const char *volatile text = "into the \"void\"\n";

/* It is called by libc, and calls libc. */
static int compare(const void *a, const void *b)
{
	return strcoll(a, b);
}

int main(int argc, char **argv)
{
	static char list[2][8] = {"pear", "apple"};
	int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
	FILE *stream = fopen("/dev/null", "w");
	volatile double value = pow(angle, two);

	printf("%.2f %s\n", value, getenv("NOT_THERE") ? "there" : "not there");
	fputs(text, stream);
	qsort(list, 2, sizeof(list[0]), compare);
	free(strdup("a text that is longer than what is shown of a text in a line for people"));
	fclose(stream);
	close(fd);
	if (argc > 1) {
		execl(argv[1], argv[1], NULL);
		_exit(1);
	}
	return 0;
}
