/* SPDX-License-Identifier: MIT */
/*
 * The libraries are loaded by hand: none of them is a dependency. libcrypto chooses its code once,
 * by CPUID and the variable OPENSSL_ia32cap.
 */
#include "tests/real/workloads.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 1000 };

static uint8_t input[SIZE];

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

/* Words, so that there is something to compress. */
static void fill_input(void)
{
	static const char *const words[] = {"probe ", "slot ", "detour ", "boundary ", "plan "};
	uint64_t random = 1;

	for (size_t at = 0; at < SIZE;) {
		const char *word;

		random = random * 6364136223846793005u + 1442695040888963407u;
		word = words[random >> 61 > 4 ? 4 : random >> 61];
		for (size_t i = 0; word[i] && at < SIZE; i++)
			input[at++] = (uint8_t)word[i];
	}
}

#define LOAD(name) (*(void **)&(name) = dlsym(library, #name))

/* ---- libz ---------------------------------------------------------------------------------- */

static unsigned long (*crc32)(unsigned long, const void *, unsigned int);
static unsigned long (*adler32)(unsigned long, const void *, unsigned int);
static int (*compress2)(void *, unsigned long *, const void *, unsigned long, int);
static int (*uncompress)(void *, unsigned long *, const void *, unsigned long);

static bool load_libz(void)
{
	void *library = dlopen("libz.so.1", RTLD_NOW);

	fill_input();
	return library && LOAD(crc32) && LOAD(adler32) && LOAD(compress2) && LOAD(uncompress);
}

static uint64_t run_libz(void)
{
	uint8_t packed[2 * SIZE], unpacked[SIZE];
	uint64_t hash = 0;

	for (int level = 1; level <= 9; level += 8) {
		unsigned long packed_size = sizeof(packed), size = sizeof(unpacked);

		compress2(packed, &packed_size, input, SIZE, level);
		hash = mix(hash, packed, packed_size);
		uncompress(unpacked, &size, packed, packed_size);
		hash = mix(hash, unpacked, size);
	}
	return hash + crc32(0, input, SIZE) + (adler32(1, input, SIZE) << 32);
}

const struct workload workload_libz = {"libz", "libz.so.1", load_libz, run_libz};

/* ---- libm ---------------------------------------------------------------------------------- */

static double (*sin_)(double), (*cos_)(double), (*exp_)(double), (*log_)(double), (*tan_)(double);
static double (*pow_)(double, double), (*fma_)(double, double, double), (*fmod_)(double, double);
static double (*cbrt_)(double);
static float (*sinf_)(float), (*powf_)(float, float);
static long double (*expl_)(long double);

static bool load_libm(void)
{
	void *library = dlopen("libm.so.6", RTLD_NOW);

	if (!library)
		return false;
	*(void **)&sin_ = dlsym(library, "sin");
	*(void **)&cos_ = dlsym(library, "cos");
	*(void **)&exp_ = dlsym(library, "exp");
	*(void **)&log_ = dlsym(library, "log");
	*(void **)&tan_ = dlsym(library, "tan");
	*(void **)&pow_ = dlsym(library, "pow");
	*(void **)&fma_ = dlsym(library, "fma");
	*(void **)&fmod_ = dlsym(library, "fmod");
	*(void **)&cbrt_ = dlsym(library, "cbrt");
	*(void **)&sinf_ = dlsym(library, "sinf");
	*(void **)&powf_ = dlsym(library, "powf");
	*(void **)&expl_ = dlsym(library, "expl");
	return sin_ && cos_ && exp_ && log_ && tan_ && pow_ && fma_ && fmod_ && cbrt_ && sinf_ &&
	       powf_ && expl_;
}

static uint64_t run_libm(void)
{
	static const double values[] = {0.0, 0.1, 1.0, -2.5, 1e5, 1e22, -1e-300, 710.0, 3.14159};
	uint64_t hash = 0;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		double x = values[i];
		double results[] = {sin_(x),
				    cos_(x),
				    exp_(x),
				    log_(fabs(x)),
				    tan_(x),
				    pow_(fabs(x), x),
				    fma_(x, x, 1),
				    fmod_(x, 0.7),
				    cbrt_(x),
				    (double)sinf_((float)x),
				    (double)powf_(fabsf((float)x), 1.5f),
				    (double)expl_(x / 100)};

		hash = mix(hash, results, sizeof(results));
	}
	return hash;
}

const struct workload workload_libm = {"libm", "libm.so.6", load_libm, run_libm};

/* ---- libc ---------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static bool load_strings(void)
{
	fill_input();
	input[SIZE - 1] = 0;
	return true;
}

static uint64_t run_strings(void)
{
	uint16_t numbers[100];
	char copy[SIZE], text[200];
	uint64_t hash = 0;
	size_t volatile size = SIZE;

	for (size_t from = 0; from < 70; from += 23) {
		memcpy(copy, input + from, size - from);
		memmove(copy + 3, copy, size / 2);
		hash = mix(hash, copy, size - from);
		memset(copy, 7, from + 10);
		hash += strlen((char *)input + from) + strnlen((char *)input, from);
		hash += (uint64_t)((uint8_t *)memchr(input + from, 'd', size - from) - input);
		hash += (uint64_t)((uint8_t *)memmem(input, size, "plan detour ", 12) - input);
		hash += (uint64_t)(strstr((char *)input, "slot boundary") - (char *)input);
		hash += (uint64_t)(memcmp(input, input + from, size - from) > 0);
		hash += (uint64_t)(strchr((char *)input + from, 'y') - (char *)input);
	}
	memcpy(numbers, input, sizeof(numbers));
	qsort(numbers, 100, sizeof(numbers[0]), by_value);
	snprintf(text, sizeof(text), "%.17g %s %#x %ld", strtod("1.2345678901234e-7", NULL), "text",
		 77u, strtol("-12345678", NULL, 10));
	return mix(mix(hash, numbers, sizeof(numbers)), text, strlen(text));
}

const struct workload workload_strings = {"strings", "libc.so.6", load_strings, run_strings};

/* ---- libcrypto ----------------------------------------------------------------------------- */

static const void *(*EVP_sha256)(void), *(*EVP_aes_256_gcm)(void);
static int (*EVP_Digest)(const void *, size_t, void *, unsigned int *, const void *, void *);
static void *(*EVP_CIPHER_CTX_new)(void);
static void (*EVP_CIPHER_CTX_free)(void *);
static int (*EVP_EncryptInit_ex)(void *, const void *, void *, const void *, const void *);
static int (*EVP_EncryptUpdate)(void *, void *, int *, const void *, int);
static int (*EVP_EncryptFinal_ex)(void *, void *, int *);
static int (*EVP_CIPHER_CTX_ctrl)(void *, int, int, void *);

static bool load_libcrypto(void)
{
	void *library = dlopen("libcrypto.so.3", RTLD_NOW);

	fill_input();
	return library && LOAD(EVP_sha256) && LOAD(EVP_aes_256_gcm) && LOAD(EVP_Digest) &&
	       LOAD(EVP_CIPHER_CTX_new) && LOAD(EVP_CIPHER_CTX_free) && LOAD(EVP_EncryptInit_ex) &&
	       LOAD(EVP_EncryptUpdate) && LOAD(EVP_EncryptFinal_ex) && LOAD(EVP_CIPHER_CTX_ctrl);
}

static uint64_t run_sha256(void)
{
	uint8_t digest[32];
	unsigned int size = sizeof(digest);

	EVP_Digest(input, SIZE, digest, &size, EVP_sha256(), NULL);
	return mix(0, digest, size);
}

static uint64_t run_aes_gcm(void)
{
	uint8_t output[SIZE + 32], tag[16];
	void *context = EVP_CIPHER_CTX_new();
	int size = 0, more = 0;

	EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, input, input + 32);
	EVP_EncryptUpdate(context, NULL, &size, input, 20);
	EVP_EncryptUpdate(context, output, &size, input, SIZE);
	EVP_EncryptFinal_ex(context, output + size, &more);
	EVP_CIPHER_CTX_ctrl(context, 0x10 /* EVP_CTRL_GCM_GET_TAG */, 16, tag);
	EVP_CIPHER_CTX_free(context);
	return mix(mix(0, output, (size_t)size), tag, sizeof(tag));
}

const struct workload workload_sha256 = {"sha256", "libcrypto.so.3", load_libcrypto, run_sha256},
		      workload_aes_gcm = {"aes-gcm", "libcrypto.so.3", load_libcrypto, run_aes_gcm};

/* ---- sqlite -------------------------------------------------------------------------------- */

static int (*sqlite3_open)(const char *, void **), (*sqlite3_close)(void *);
static int (*sqlite3_exec)(void *, const char *, int (*)(void *, int, char **, char **), void *,
			   char **);

static bool load_sqlite(void)
{
	void *library = dlopen("libsqlite3.so.0", RTLD_NOW);

	return library && LOAD(sqlite3_open) && LOAD(sqlite3_close) && LOAD(sqlite3_exec);
}

static int add_row(void *data, int count, char **values, char **names)
{
	(void)names;
	for (int i = 0; i < count; i++)
		*(uint64_t *)data = mix(*(uint64_t *)data, values[i], strlen(values[i]));
	return 0;
}

static uint64_t run_sqlite(void)
{
	uint64_t hash = 0;
	void *db;

	sqlite3_open(":memory:", &db);
	sqlite3_exec(db,
		     "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);"
		     "CREATE INDEX i ON t(b);"
		     "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM n WHERE x<12)"
		     "INSERT INTO t SELECT x, printf('%05x', x*7919%101), x/7.0 FROM n;"
		     "SELECT b, sum(c), count(*) FROM t WHERE b > '00010' GROUP BY a%3 ORDER BY b;"
		     "SELECT group_concat(b,'-') FROM t WHERE b LIKE '%4%';",
		     add_row, &hash, NULL);
	sqlite3_close(db);
	return hash;
}

const struct workload workload_sqlite = {"sqlite", "libsqlite3.so.0", load_sqlite, run_sqlite};
