#include "proto/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *lt_error_name(int code)
{
    switch (code) {
#define LT_ERROR_NAME(name, number, wire, message)                                                                     \
    case LT_##name:                                                                                                    \
        return wire;
        LT_ERROR_MAP(LT_ERROR_NAME)
#undef LT_ERROR_NAME
    default:
        return "unknown";
    }
}

const char *lt_error_message(int code)
{
    switch (code) {
    case LT_OK:
        return "no error";
#define LT_ERROR_TEXT(name, number, wire, message)                                                                     \
    case LT_##name:                                                                                                    \
        return message;
        LT_ERROR_MAP(LT_ERROR_TEXT)
#undef LT_ERROR_TEXT
    default:
        return "unknown error";
    }
}

int lt_error_code(const char *name)
{
#define LT_ERROR_MATCH(identifier, number, wire, message)                                                              \
    if (strcmp(name, wire) == 0)                                                                                       \
        return LT_##identifier;
    LT_ERROR_MAP(LT_ERROR_MATCH)
#undef LT_ERROR_MATCH
    return LT_EINTERNAL;
}

int lt_fail(struct lt_error *error, int code, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return code;
}

int lt_fail_code(struct lt_error *error, int code)
{
    return lt_fail(error, code, "%s", lt_error_message(code));
}
