/* First everything is checked with the texts still in the frame, then one block is made for the segments and all texts,
 * so that a request costs one allocation however many segments it has. */
#include "proto/segments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"

static const char *const role_names[] = {
    [LT_ROLE_DOCUMENT] = "document", [LT_ROLE_USER] = "user", [LT_ROLE_ANSWER] = "answer", NULL};

const char *lt_role_name(enum lt_segment_role role)
{
    return role_names[role];
}

static int read_role(const struct lt_parameters *inner, enum lt_segment_role *ret_role)
{
    int role = -1;
    int error = lt_parameter_choice(inner, "role", role_names, &role);
    if (error)
        return error;
    if (role < 0)
        return lt_parameter_wrong(inner, "role", "\"document\", \"user\" or \"answer\"", NULL);
    *ret_role = (enum lt_segment_role)role;
    return LT_OK;
}

/* {"doc": NAME, "version": N} */
static int read_stored(const struct lt_parameters *inner, const msgpack_object *name, struct lt_segment *segment)
{
    static const char *const names[] = {"doc", "version", NULL};
    char checked[LT_DOCUMENT_NAME_MAX + 1];
    uint64_t version = 0;
    int error = lt_parameters_check_names(inner, names);
    if (!error)
        error = lt_parameter_name(inner, "doc", LT_DOCUMENT_NAME_MAX, checked);
    if (!error)
        error = lt_parameter_uint(inner, "version", 1, UINT32_MAX, &version);
    if (error)
        return error;
    *segment = (struct lt_segment){.role = LT_ROLE_DOCUMENT,
                                   .text = name->via.str.ptr,
                                   .bytes = name->via.str.size,
                                   .stored = true,
                                   .version = (uint32_t)version};
    return LT_OK;
}

static int read_segment(const struct lt_parameters *parameters, const msgpack_object *value, uint32_t index,
                        const struct lt_segments_rule *rule, struct lt_segment *segment)
{
    static const char *const names[] = {"role", "text", NULL};
    char label[48], element[24];
    struct lt_text text;
    enum lt_segment_role role = LT_ROLE_DOCUMENT;
    snprintf(element, sizeof element, "segments[%" PRIu32 "]", index);
    snprintf(label, sizeof label, "%s: %s", parameters->method, element);
    if (value->type != MSGPACK_OBJECT_MAP)
        return lt_parameter_wrong(
            parameters, element,
            rule->stored ? "a map of \"role\" and \"text\", or of \"doc\"" : "a map of \"role\" and \"text\"", value);
    struct lt_parameters inner = {value->via.map.ptr, value->via.map.size, label, parameters->error};
    const msgpack_object *name = rule->stored ? lt_parameter_find(&inner, "doc") : NULL;
    if (name)
        return read_stored(&inner, name, segment);
    int error = lt_parameters_check_names(&inner, names);
    if (!error)
        error = read_role(&inner, &role);
    if (error)
        return error;
    const msgpack_object *found = lt_parameter_find(&inner, "text");
    if (!found)
        return lt_parameter_wrong(&inner, "text", "a string", NULL);
    error = lt_parameter_text(&inner, found, "text", LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    *segment = (struct lt_segment){.role = role, .text = text.text, .bytes = text.bytes};
    return LT_OK;
}

static int read_single(const struct lt_parameters *parameters, const msgpack_object *value,
                       const struct lt_segments_rule *rule, struct lt_segment **ret_segments, size_t *ret_count)
{
    struct lt_text text;
    int error = lt_parameter_text(parameters, value, rule->single, LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    *ret_segments = lt_calloc(1, sizeof **ret_segments);
    if (!*ret_segments)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    *ret_count = 1;
    **ret_segments = (struct lt_segment){.role = rule->single_role, .text = text.text, .bytes = text.bytes};
    return LT_OK;
}

int lt_segments_read(const struct lt_parameters *parameters, const struct lt_segments_rule *rule,
                     struct lt_segment **ret_segments, size_t *ret_count)
{
    const msgpack_object *single = lt_parameter_find(parameters, rule->single);
    const msgpack_object *segments = lt_parameter_find(parameters, "segments");
    size_t bytes = 0;
    if (!single == !segments)
        return lt_fail(parameters->error, LT_EPARAM, "%s: exactly one of %s and segments must be given; found %s",
                       parameters->method, rule->single, single ? "both" : "neither");
    if (single)
        return read_single(parameters, single, rule, ret_segments, ret_count);
    int error = lt_parameter_array(parameters, segments, "segments", 1, LT_SEGMENTS_MAX);
    if (error)
        return error;
    *ret_segments = lt_calloc(segments->via.array.size, sizeof **ret_segments);
    if (!*ret_segments)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    *ret_count = segments->via.array.size;
    for (uint32_t i = 0; i < segments->via.array.size; i++) {
        error = read_segment(parameters, &segments->via.array.ptr[i], i, rule, *ret_segments + i);
        if (error)
            return error;
        bytes += (*ret_segments)[i].bytes;
    }
    if (bytes > LT_PROMPT_BYTES_MAX)
        return lt_fail(parameters->error, LT_ETOOLARGE, "%s: segments have %zu bytes together; the most is %u",
                       parameters->method, bytes, LT_PROMPT_BYTES_MAX);
    return LT_OK;
}

/* Copies `*text` to *at and points it there; *at moves on. */
static void own(const char **text, size_t bytes, char **at)
{
    if (bytes == 0)
        return;
    *text = memcpy(*at, *text, bytes);
    *at += bytes;
}

int lt_segments_own(const struct lt_parameters *parameters, struct lt_segment **segments, size_t count,
                    struct lt_text *more, size_t more_count)
{
    size_t bytes = count * sizeof **segments;
    for (size_t i = 0; i < count; i++)
        bytes += (*segments)[i].bytes;
    for (size_t i = 0; i < more_count; i++)
        bytes += more[i].bytes;
    struct lt_segment *grown = lt_realloc(*segments, bytes);
    if (!grown)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    *segments = grown;
    char *at = (char *)(grown + count);
    for (size_t i = 0; i < count; i++)
        own(&grown[i].text, grown[i].bytes, &at);
    for (size_t i = 0; i < more_count; i++)
        own(&more[i].text, more[i].bytes, &at);
    return LT_OK;
}
