/* UTF-8 by the table of well-formed byte sequences (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing
 * past U+10FFFF. Pure; any thread. */
#ifndef LT_PROTO_UTF8_H
#define LT_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks at the character that begins at at[0]; left >= 1. LT_OK: it is complete and *ret_bytes is its length. LT_EBUSY:
 * all `left` bytes may be the beginning of one. LT_EUTF8: no character begins like this. */
int lt_utf8_character(const uint8_t *at, size_t left, size_t *ret_bytes);

/* LT_OK if all bytes are whole characters; otherwise LT_EUTF8 and the offset of the first that is not in *ret_offset.
 */
int lt_utf8_check(const char *text, size_t bytes, size_t *ret_offset);

/* Whether the bytes may be a name: whole characters, at least one, and no control characters of ASCII. */
bool lt_utf8_is_name(const char *name, size_t bytes);

#endif
