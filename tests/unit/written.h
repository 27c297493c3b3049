/* For tests that write messages: one writer over one buffer, made anew for each case by `begin` and `end`. */
#ifndef LT_TESTS_UNIT_WRITTEN_H
#define LT_TESTS_UNIT_WRITTEN_H

#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/writer.h"

static struct lt_buffer buffer;
static struct lt_writer writer;

static int begin(void **state)
{
    (void)state;
    lt_buffer_init(&buffer, 2 * LT_FRAME_BYTES_MAX);
    lt_writer_init(&writer, &buffer);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lt_buffer_finish(&buffer);
    return 0;
}

#endif
