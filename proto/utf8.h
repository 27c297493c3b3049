/* UTF-8, as text on the wire must be. Pure; any thread. */
#ifndef LT_PROTO_UTF8_H
#define LT_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes are valid UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF, no incomplete character.
 */
bool lt_utf8_valid(const char *text, size_t bytes);

#endif
