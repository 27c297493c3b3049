/* Spans made from numbers, for programs that measure the store: span n has the key of the one token n and a payload
 * that follows from n. Every function here ends the program, with the reason, when something fails: a measurement that
 * goes on after an error measures nothing. */
#ifndef LT_BENCH_NUMBERED_H
#define LT_BENCH_NUMBERED_H

#include <stdint.h>

#include "storage/store.h"

_Noreturn void stop_with(const char *what, const char *why);

double seconds_now(void);

void *room(size_t count, size_t bytes);

/* The decimal number `text`, at least 1. */
uint64_t number_argument(const char *name, const char *text);

/* A store that syncs in the system's time: what is measured is the store, not the disk's fsync. */
struct lt_store *open_store(const char *path, uint64_t budget_bytes);

struct lt_span_key numbered_key(uint32_t number);

/* Fills a latent's key and payload, which has room for `dimension` numbers. */
void numbered_latent(uint32_t number, uint32_t dimension, void *payload, struct lt_latent *ret_latent);

/* Puts one span, and waits for the writer when its queue is full. */
void put_numbered(struct lt_store *store, uint32_t number, uint32_t dimension, void *payload);

void flush_store(struct lt_store *store);

#endif
