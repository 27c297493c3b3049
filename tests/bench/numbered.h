/* Spans made from numbers, for programs that measure the store: span n has the key of the one token n, a payload
 * of 8-bit numbers that follows from n, and as many tokens as a span of text. Every function here ends the program,
 * with the reason, when something fails: a measurement that goes on after an error measures nothing. */
#ifndef LT_BENCH_NUMBERED_H
#define LT_BENCH_NUMBERED_H

#include <stdint.h>

#include "storage/store.h"

#define SPAN_TOKENS 9 /* of each span: as many as text has on average */

_Noreturn void stop_with(const char *what, const char *why);

double seconds_now(void);

void *room(size_t count, size_t bytes);

/* The decimal number `text`, at least 1. */
uint64_t number_argument(const char *name, const char *text);

/* A store that syncs in the system's time: what is measured is the store, not the disk's fsync. `memory_bytes` for
 * latents of this dimension that are asked for most. */
struct lt_store *open_store(const char *path, uint64_t budget_bytes, uint64_t memory_bytes, uint32_t dimension);

struct lt_span_key numbered_key(uint32_t number);

/* A latent to look up: key, type and dimension; `payload` has room for `dimension` bytes. */
struct lt_latent numbered_latent(uint32_t number, uint32_t dimension, void *payload);

/* Puts one span, and waits for the writer when its queue is full. */
void put_numbered(struct lt_store *store, uint32_t number, uint32_t dimension, void *payload);

void flush_store(struct lt_store *store);

#endif
