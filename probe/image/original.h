/* SPDX-License-Identifier: MIT */
/* Program text as it was before any probe (G7). */
#ifndef EMUPROBE_PROBE_IMAGE_ORIGINAL_H
#define EMUPROBE_PROBE_IMAGE_ORIGINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef bool (*original_reader)(uint64_t address, uint8_t *ret, size_t size);

/**
 * Set what original_read() calls: who changes text knows what stood there. Context: engine lock
 * held.
 */
void original_set_reader(original_reader reader);

/** What original_read() has done to each copy. Context: as original_set_reader(). */
typedef void (*original_overlay)(uint64_t address, uint8_t *copy, size_t size);
void original_set_overlay(original_overlay overlay);

/**
 * Copy @size bytes of text.
 *
 * @return   false: they cannot be read.
 * Context:  engine lock held.
 */
bool original_read(uint64_t address, uint8_t *ret, size_t size);

#endif
