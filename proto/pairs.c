#include "proto/pairs.h"

void lt_pair_uint(struct lt_writer *writer, const char *name, uint64_t value)
{
    lt_write_text(writer, name);
    lt_write_uint(writer, value);
}

void lt_pair_real(struct lt_writer *writer, const char *name, double value)
{
    lt_write_text(writer, name);
    lt_write_real(writer, value);
}

void lt_pair_bool(struct lt_writer *writer, const char *name, bool value)
{
    lt_write_text(writer, name);
    lt_write_bool(writer, value);
}

void lt_pair_text(struct lt_writer *writer, const char *name, const char *text)
{
    lt_write_text(writer, name);
    if (text)
        lt_write_text(writer, text);
    else
        lt_write_nil(writer);
}

void lt_pair_milliseconds(struct lt_writer *writer, const char *name, double seconds)
{
    lt_write_text(writer, name);
    if (seconds < 0)
        lt_write_nil(writer);
    else
        lt_write_real(writer, 1e3 * seconds);
}
