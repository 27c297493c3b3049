/* Values as JSON and JSON as parameters, for programs that pass them through without looking: `latentctl --json`,
 * bindings. */
#include "proto/json.h"
#include "clients/c/call.h"
#include "clients/c/reply.h"

/* Fifteen digits: 0.7 stays 0.7. */
#define JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY)

char *latent_reply_json(const struct latent_reply *reply)
{
    return latent_value_json(latent_value_of(reply->result));
}

char *latent_value_json(const struct latent_value *value)
{
    json_t *json = lt_json_of(latent_object_of(value));
    char *text = json ? json_dumps(json, JSON_FLAGS) : NULL;
    json_decref(json);
    return text;
}

int latent_call(struct latent *latent, const char *method, const char *params, struct latent_reply **ret_reply)
{
    json_error_t reason;
    struct call call;
    if (!params)
        return call_plain(latent, method, ret_reply);
    json_t *json = json_loads(params, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
    if (!json)
        return lt_fail(&latent->error, LT_EPARAM, "params are not JSON: %.150s (column %d)", reason.text,
                       reason.column);
    if (!json_is_object(json)) {
        json_decref(json);
        return lt_fail(&latent->error, LT_EPARAM, "params must be a JSON object");
    }
    call_begin(&call, latent, method);
    lt_json_write(&call.writer, json);
    json_decref(json);
    return call_finish(&call, NULL, ret_reply);
}
