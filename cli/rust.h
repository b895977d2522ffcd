/* SPDX-License-Identifier: MIT */
/* Names that compilers of Rust put into symbols, as RFC 2603 has them ("v0"): _RNvCs1234_4main3run. */
#ifndef EMUPROBE_CLI_RUST_H
#define EMUPROBE_CLI_RUST_H

#include <stdbool.h>
#include <stddef.h>

/**
 * What @name means: main::run. Cut where @ret is too short; without the hashes of crates. The name may be
 * anybody's: it says "as before" of its parts, and is read no further than there is room for.
 *
 * @return   false: it is no such name; @ret is anything.
 * Context:  any; no memory; some KiB of stack, some microseconds.
 */
bool rust_meaning(const char *name, char *ret, size_t size);

#endif
