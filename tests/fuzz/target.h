/* A fuzz target is one function that is given any bytes. libFuzzer calls it with what it makes up (tests/fuzz/run),
 * replay.c with the inputs that are kept. What must hold is required; the rest is for the sanitizers to find. */
#ifndef LT_TESTS_FUZZ_TARGET_H
#define LT_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define require(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
