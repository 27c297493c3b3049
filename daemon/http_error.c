#include "daemon/http_error.h"

static const struct kind {
    int code;
    unsigned status;
    const char *name; /* what OpenAI calls it, where clients know the word; NULL: as on the socket */
} kinds[] = {
    {LT_EPARAM, 400, NULL},     {LT_EUTF8, 400, NULL},
    {LT_EMALFORMED, 400, NULL}, {LT_ECONTEXT, 400, "context_length_exceeded"},
    {LT_EDENIED, 403, NULL},    {LT_ENOMODEL, 404, "model_not_found"},
    {LT_ENOTFOUND, 404, NULL},  {LT_ETOOLARGE, 413, NULL},
    {LT_EBUSY, 503, NULL},      {LT_ECANCELLED, 503, NULL},
    {LT_ESHUTDOWN, 503, NULL},
};

static struct kind kind_of(int code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].code == code)
            return kinds[i];
    return (struct kind){code, 500, NULL};
}

unsigned lt_http_error_status(int code)
{
    return kind_of(code).status;
}

const char *lt_http_error_name(int code)
{
    const char *name = kind_of(code).name;
    return name ? name : lt_error_name(code);
}

json_t *lt_http_error_json(unsigned status, const char *name, const char *message, const char *parameter)
{
    return json_pack("{s{ssssss?ss}}", "error", "message", message, "type",
                     status < 500 ? "invalid_request_error" : "server_error", "param", parameter, "code", name);
}
