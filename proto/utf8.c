/* UTF-8 validation by the table of well-formed byte sequences (Unicode 15, table 3-7): the first byte gives the number
 * of continuation bytes and the range of the first of them; the others are all 80..bf. */
#include "proto/utf8.h"

#include <stdint.h>

struct lead {
    uint8_t first, last;     /* lead bytes */
    uint8_t follow;          /* continuation bytes */
    uint8_t lowest, highest; /* of the first continuation byte */
};

static const struct lead leads[] = {
    {0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct lead *lead_of(uint8_t byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

bool lt_utf8_valid(const char *text, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + bytes;
    while (at < end) {
        const struct lead *lead = lead_of(*at++);
        if (!lead || lead->follow > end - at)
            return false;
        for (uint8_t i = 0; i < lead->follow; i++, at++) {
            uint8_t lowest = i == 0 ? lead->lowest : 0x80;
            uint8_t highest = i == 0 ? lead->highest : 0xbf;
            if (*at < lowest || *at > highest)
                return false;
        }
    }
    return true;
}
