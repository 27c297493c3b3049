#include "daemon/latent_get.h"

#include <string.h>

#include "daemon/reply.h"
#include "proto/alloc.h"

int lt_latent_get(struct lt_store *store, enum lt_latent_type type, const struct lt_model *model,
                  const struct lt_job *job, struct lt_writer *writer)
{
    const struct lt_latent_get_request *get = &job->request->latent_get;
    uint32_t width = lt_model_shape(model)->width;
    struct lt_latent *latents = lt_calloc(get->key_count, sizeof *latents);
    enum lt_lookup *lookups = lt_calloc(get->key_count, sizeof *lookups);
    uint16_t *payloads = lt_malloc(get->key_count * width * sizeof *payloads);
    int code = latents && lookups && payloads ? LT_OK : LT_ENOMEM;
    if (code == LT_OK) {
        for (size_t i = 0; i < get->key_count; i++) {
            latents[i] = (struct lt_latent){.type = type, .dimension = width, .payload = payloads + i * width};
            memcpy(latents[i].key.bytes, get->keys[i], LT_SPAN_KEY_BYTES);
        }
        code = lt_store_get(store, latents, get->key_count, lookups);
        for (size_t i = 0; i < get->key_count; i++)
            if (lt_lookup_is_hit(lookups[i]) && latents[i].namespace_id != job->space.id)
                lookups[i] = LT_LOOKUP_MISS_NEW;
    }
    if (code == LT_OK) {
        lt_reply_latents(writer, job->request->id, model, type, latents, lookups, get->key_count);
        code = writer->error;
    }
    lt_free(latents);
    lt_free(lookups);
    lt_free(payloads);
    return code;
}
