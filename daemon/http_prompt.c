#include "daemon/http_prompt.h"

#include <string.h>

static int pass(json_t *passed, const char *name, json_t *value, struct lt_error *error)
{
    return json_object_set_new(passed, name, value) == 0 ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

int lt_http_pass_prompt(const json_t *body, json_t *passed, const char **ret_name, struct lt_error *error)
{
    json_t *prompt = json_object_get(body, "prompt");
    *ret_name = "prompt";
    if (json_is_array(prompt) && json_array_size(prompt) == 1)
        prompt = json_array_get(prompt, 0);
    if (!json_is_string(prompt) || json_string_length(prompt) == 0)
        return lt_fail(error, LT_EPARAM,
                       "prompt must be one text that is not empty; send several prompts as several requests, and texts "
                       "in place of tokens");
    int code = pass(passed, "prompt", json_incref(prompt), error);
    if (code == LT_OK)
        code = pass(passed, "format", json_string("text"), error);
    *ret_name = NULL;
    return code;
}

static const char *segment_role(const char *role)
{
    static const char *const roles[][2] = {
        {"system", "document"}, {"developer", "document"}, {"user", "user"}, {"assistant", "answer"}};
    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role, roles[i][0]) == 0)
            return roles[i][1];
    return NULL;
}

/* Parts of a content are set apart by a paragraph break, which ends a span: the text of each keeps its spans. */
static json_t *join_parts(const json_t *parts)
{
    size_t index;
    json_t *part, *text = json_string("");
    json_array_foreach(parts, index, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *more = json_object_get(part, "text");
        json_t *joined = NULL;
        if (type && strcmp(type, "text") == 0 && json_is_string(more))
            joined = json_sprintf("%s%s%s", json_string_value(text), index ? "\n\n" : "", json_string_value(more));
        json_decref(text);
        text = joined;
        if (!text)
            break;
    }
    return text;
}

static int add_message(json_t *segments, size_t index, const json_t *message, struct lt_error *error)
{
    const char *role = segment_role(json_string_value(json_object_get(message, "role")));
    json_t *content = json_object_get(message, "content");
    if (!role)
        return lt_fail(error, LT_EPARAM, "messages[%zu].role must be system, developer, user or assistant", index);
    json_t *text = json_is_array(content) ? join_parts(content) : json_incref(content);
    if (!json_is_string(text) || json_string_length(text) == 0) {
        json_decref(text);
        return lt_fail(error, LT_EPARAM,
                       "messages[%zu].content must be a text that is not empty, or an array of {\"type\": \"text\", "
                       "\"text\": ...}",
                       index);
    }
    int failed = json_array_append_new(segments, json_pack("{ssso}", "role", role, "text", text));
    return failed ? lt_fail_code(error, LT_ENOMEM) : LT_OK;
}

int lt_http_pass_messages(const json_t *body, json_t *passed, const char **ret_name, struct lt_error *error)
{
    json_t *messages = json_object_get(body, "messages"), *message, *segments = json_array();
    size_t index, count = json_array_size(messages);
    const char *last = json_string_value(json_object_get(json_array_get(messages, count - 1), "role"));
    int code = segments ? LT_OK : lt_fail_code(error, LT_ENOMEM);
    *ret_name = "messages";
    if (code == LT_OK && (!last || strcmp(last, "user") != 0))
        code = lt_fail(error, LT_EPARAM, "messages must be an array whose last message has the role user");
    json_array_foreach(messages, index, message)
    {
        if (code == LT_OK)
            code = add_message(segments, index, message, error);
    }
    if (code) {
        json_decref(segments);
        return code;
    }
    *ret_name = NULL;
    return pass(passed, "segments", segments, error);
}
