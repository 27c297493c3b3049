/* The one check of UTF-8, by the table of well-formed byte sequences (Unicode, table 3-7). */
#include <stdint.h>

#include "kernels/tokenizer.h"

/* Bytes of the well-formed character at `at`, 0 if there is none. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    size_t bytes;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf) {
        bytes = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        bytes = 3;
        low = first == 0xe0 ? 0xa0 : 0x80;  /* no overlong forms */
        high = first == 0xed ? 0x9f : 0xbf; /* no surrogates */
    } else if (first >= 0xf0 && first <= 0xf4) {
        bytes = 4;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf; /* at most U+10FFFF */
    } else {
        return 0;
    }
    if (left < bytes || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return bytes;
}

int lt_utf8_check(const char *text, size_t bytes, size_t *ret_offset)
{
    size_t at = 0;
    while (at < bytes) {
        size_t character = character_bytes((const uint8_t *)text + at, bytes - at);
        if (character == 0) {
            *ret_offset = at;
            return LT_EUTF8;
        }
        at += character;
    }
    return LT_OK;
}
