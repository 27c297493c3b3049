/* Pairs of a map that is being written: a name, and a value of one kind. */
#ifndef LT_PROTO_PAIRS_H
#define LT_PROTO_PAIRS_H

#include "proto/writer.h"

void lt_pair_uint(struct lt_writer *writer, const char *name, uint64_t value);
void lt_pair_real(struct lt_writer *writer, const char *name, double value);
void lt_pair_bool(struct lt_writer *writer, const char *name, bool value);

/* Terminated; NULL is nil. */
void lt_pair_text(struct lt_writer *writer, const char *name, const char *text);

/* A time in milliseconds; less than none, which nobody measured, is nil. */
void lt_pair_milliseconds(struct lt_writer *writer, const char *name, double seconds);

#endif
