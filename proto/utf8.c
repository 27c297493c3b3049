#include "proto/utf8.h"

#include "proto/error.h"

struct lead {
    uint8_t first, last;     /* lead bytes */
    uint8_t bytes;           /* of the whole character */
    uint8_t lowest, highest; /* of the second byte; all later ones are 80..bf */
};

static const struct lead leads[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static const struct lead *lead_of(uint8_t byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

int lt_utf8_character(const uint8_t *at, size_t left, size_t *ret_bytes)
{
    const struct lead *lead = lead_of(at[0]);
    if (!lead)
        return LT_EUTF8;
    for (size_t i = 1; i < lead->bytes; i++) {
        if (i == left)
            return LT_EBUSY;
        if (at[i] < (i == 1 ? lead->lowest : 0x80) || at[i] > (i == 1 ? lead->highest : 0xbf))
            return LT_EUTF8;
    }
    *ret_bytes = lead->bytes;
    return LT_OK;
}

int lt_utf8_check(const char *text, size_t bytes, size_t *ret_offset)
{
    for (size_t at = 0, character; at < bytes; at += character)
        if (lt_utf8_character((const uint8_t *)text + at, bytes - at, &character) != LT_OK) {
            *ret_offset = at;
            return LT_EUTF8;
        }
    return LT_OK;
}

bool lt_utf8_is_name(const char *name, size_t bytes)
{
    size_t offset;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return bytes > 0 && lt_utf8_check(name, bytes, &offset) == LT_OK;
}
