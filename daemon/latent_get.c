/* A response is laid out as if every latent will be found, so that each is copied once, from the store to where it is
 * sent from. Where some are not found, the others move up. */
#include "daemon/latent_get.h"

#include <string.h>

#include "kernels/model.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "proto/writer.h"

#define HEAD_BYTES 256  /* at least what stands before the latents, and between them and the scales */
#define LATENT_BYTES 14 /* at least what a latent has beside its payload: two headers, a scale */

/* One request at work. */
struct getting {
    const struct lt_model *model;
    enum lt_latent_type type;
    const struct lt_request *request;
    size_t count; /* keys */
    struct lt_writer writer;
    struct lt_latent *latents; /* [count] */
    enum lt_lookup *lookups;   /* [count] */
    size_t first;              /* offset of the first latent in the response */
    size_t stride;             /* bytes of a latent there, with its header */
};

static void write_head(const struct getting *getting, struct lt_writer *writer)
{
    lt_write_response(writer, getting->request->id);
    lt_write_map(writer, getting->type == LT_LATENT_I8 ? 5 : 4);
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(getting->model));
    lt_pair_uint(writer, "dimension", lt_model_shape(getting->model)->width);
    lt_write_text(writer, "type");
    lt_write_text(writer, lt_latent_type_name(getting->type));
    lt_write_text(writer, "latents");
    lt_write_array(writer, (uint32_t)getting->count);
}

/* Writes the response but for the payloads, which the latents then point to. All have the same header before them, so
 * it is made once. */
static int lay_out(struct getting *getting, struct lt_buffer *bytes)
{
    uint32_t width = lt_model_shape(getting->model)->width;
    size_t payload_bytes = lt_latent_payload_bytes(getting->type, width);
    getting->latents = lt_malloc(getting->count * sizeof *getting->latents);
    getting->lookups = lt_malloc(getting->count * sizeof *getting->lookups);
    if (!getting->latents || !getting->lookups)
        return LT_ENOMEM;
    lt_writer_init(&getting->writer, bytes);
    int code = lt_buffer_reserve(bytes, HEAD_BYTES + getting->count * (payload_bytes + LATENT_BYTES));
    if (code)
        return code;
    write_head(getting, &getting->writer);
    getting->first = bytes->size;
    lt_write_binary_space(&getting->writer, payload_bytes);
    if (getting->writer.error)
        return getting->writer.error;
    getting->stride = bytes->size - getting->first;
    uint8_t *first = bytes->data + getting->first;
    size_t header_bytes = getting->stride - payload_bytes;
    for (size_t i = 0; i < getting->count; i++) {
        struct lt_latent *latent = &getting->latents[i];
        uint8_t *place = first + i * getting->stride;
        memmove(place, first, header_bytes);
        *latent = (struct lt_latent){.type = getting->type, .dimension = width, .payload = place + header_bytes};
        memcpy(latent->key.bytes, getting->request->latent_get.keys[i], LT_SPAN_KEY_BYTES);
    }
    bytes->size = getting->first + getting->count * getting->stride;
    return LT_OK;
}

static void close_gaps(struct getting *getting)
{
    struct lt_buffer *bytes = getting->writer.buffer;
    bytes->size = getting->first;
    for (size_t i = 0; i < getting->count; i++)
        if (lt_lookup_is_hit(getting->lookups[i])) {
            memmove(bytes->data + bytes->size, bytes->data + getting->first + i * getting->stride, getting->stride);
            bytes->size += getting->stride;
        } else {
            lt_write_nil(&getting->writer);
        }
}

static void write_scales(struct getting *getting)
{
    lt_write_text(&getting->writer, "scales");
    lt_write_array(&getting->writer, (uint32_t)getting->count);
    for (size_t i = 0; i < getting->count; i++)
        if (lt_lookup_is_hit(getting->lookups[i]))
            lt_write_real(&getting->writer, getting->latents[i].scale);
        else
            lt_write_nil(&getting->writer);
}

/* Latents of other namespaces are as good as not found. Returns whether there were any. */
static bool hide_others(struct getting *getting, const struct lt_namespace *space)
{
    bool any = false;
    for (size_t i = 0; i < getting->count; i++)
        if (lt_lookup_is_hit(getting->lookups[i]) && getting->latents[i].namespace_id != space->id) {
            getting->lookups[i] = LT_LOOKUP_MISS_NEW;
            any = true;
        }
    return any;
}

static int get(const struct lt_server *server, size_t model, const struct lt_namespace *space,
               const struct lt_request *request, bool only_memory, struct lt_buffer *ret_bytes)
{
    struct getting getting = {.model = server->models[model],
                              .type = server->config->latent_type,
                              .request = request,
                              .count = request->latent_get.key_count};
    struct lt_buffer bytes;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    int code = lay_out(&getting, &bytes);
    if (code == LT_OK && only_memory)
        code = lt_store_get_in_memory(server->store, getting.latents, getting.count, getting.lookups) ? LT_OK
                                                                                                      : LT_ENOTFOUND;
    else if (code == LT_OK)
        code = lt_store_get(server->store, getting.latents, getting.count, getting.lookups);
    if (code == LT_OK && hide_others(&getting, space) && only_memory)
        code = LT_ENOTFOUND;
    if (code == LT_OK && !only_memory)
        close_gaps(&getting);
    if (code == LT_OK && getting.type == LT_LATENT_I8)
        write_scales(&getting);
    if (code == LT_OK)
        code = getting.writer.error;
    lt_free(getting.latents);
    lt_free(getting.lookups);
    if (code)
        lt_buffer_finish(&bytes);
    else
        *ret_bytes = bytes;
    return code;
}

int lt_latent_get_in_memory(const struct lt_server *server, size_t model, const struct lt_namespace *space,
                            const struct lt_request *request, struct lt_buffer *ret_bytes)
{
    return get(server, model, space, request, true, ret_bytes);
}

int lt_latent_get(const struct lt_server *server, size_t model, const struct lt_namespace *space,
                  const struct lt_request *request, struct lt_buffer *ret_bytes)
{
    return get(server, model, space, request, false, ret_bytes);
}
