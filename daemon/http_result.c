#include "daemon/http_result.h"

#include "proto/parameters.h"

const msgpack_object *lt_http_at(const msgpack_object *map, const char *name)
{
    if (!map || map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    const struct lt_parameters fields = {.pairs = map->via.map.ptr, .count = map->via.map.size};
    return lt_parameter_find(&fields, name);
}

uint64_t lt_http_number_at(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = lt_http_at(map, name);
    return value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64 : 0;
}

json_t *lt_http_text_at(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = lt_http_at(map, name);
    return value && value->type == MSGPACK_OBJECT_STR ? json_stringn_nocheck(value->via.str.ptr, value->via.str.size)
                                                      : NULL;
}

uint64_t lt_http_cached_tokens(const msgpack_object *result)
{
    const msgpack_object *spans = lt_http_at(result, "spans");
    uint64_t tokens = 0;
    for (uint32_t i = 0; spans && i < spans->via.array.size; i++)
        if (lt_http_at(&spans->via.array.ptr[i], "tier"))
            tokens += lt_http_number_at(&spans->via.array.ptr[i], "tokens");
    return tokens;
}
