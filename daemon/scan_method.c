/* scan: records, page by page. Their text is read out of their tokens. */
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "daemon/background.h"
#include "daemon/models.h"
#include "daemon/reply.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "storage/listing.h"
#include "storage/pins.h"

/* A record as it is told; copied out of the store, since telling takes longer than a look. */
struct told {
    struct lt_span_key key;
    size_t bytes;
    bool sound;
    struct lt_record record;
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
};

struct page {
    struct told *records; /* [count] */
    size_t count;
};

static int take(void *context, const struct lt_listed *listed)
{
    struct page *page = context;
    struct told *told = &page->records[page->count++];
    *told = (struct told){.key = listed->key, .bytes = listed->bytes, .sound = listed->sound};
    if (told->sound) {
        told->record = listed->record;
        lt_record_copy_tokens(&listed->record, told->tokens);
    }
    return LT_OK;
}

static void write_key(struct lt_writer *writer, const char *name, const struct lt_span_key *key)
{
    char text[2 * LT_SPAN_KEY_BYTES + 1];
    sodium_bin2hex(text, sizeof text, key->bytes, sizeof key->bytes);
    lt_write_text(writer, name);
    lt_write_text(writer, text);
}

/* Five pairs at the end, of which two are nil if no model that is served has made the record. */
static void write_sound(struct lt_writer *writer, const struct lt_server *server, const struct told *told)
{
    const struct lt_record *record = &told->record;
    struct lt_namespace space = {.salt_bytes = 0};
    const struct lt_model *model = NULL;
    uint32_t now = (uint32_t)time(NULL);
    if (lt_namespace_find_id(server->store, record->namespace_id, &space) == LT_OK)
        model = lt_models_of_record(server, &space, &told->key, told->tokens, record->token_count);
    lt_write_text(writer, "text");
    if (model)
        lt_reply_token_text(writer, model, told->tokens, record->token_count);
    else
        lt_write_nil(writer);
    lt_write_text(writer, "model");
    if (model)
        lt_write_text(writer, lt_model_name(model));
    else
        lt_write_nil(writer);
    lt_pair_uint(writer, "tokens", record->token_count);
    lt_write_text(writer, "type");
    lt_write_text(writer, lt_latent_type_name(record->type));
    lt_write_text(writer, "namespace");
    lt_write_text(writer, space.name);
    lt_pair_uint(writer, "age_s", now > record->created ? now - record->created : 0);
    lt_write_text(writer, "expires_in_s");
    if (record->expires)
        lt_write_uint(writer, record->expires > now ? record->expires - now : 0);
    else
        lt_write_nil(writer);
}

static void write_record(struct lt_writer *writer, const struct lt_server *server, const struct told *told)
{
    lt_write_map(writer, told->sound ? 11 : 4);
    write_key(writer, "key", &told->key);
    lt_pair_uint(writer, "bytes", told->bytes);
    lt_pair_bool(writer, "pinned", lt_store_has_pin(server->store, &told->key));
    lt_pair_bool(writer, "sound", told->sound);
    if (told->sound)
        write_sound(writer, server, told);
}

int lt_background_scan(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    const struct lt_request *request = background->job.request;
    struct lt_listing listing = {.begun = request->scan.has_cursor};
    struct page page = {.records = lt_malloc(request->scan.count * sizeof *page.records)};
    if (!page.records)
        return lt_fail_code(error, LT_ENOMEM);
    memcpy(listing.after.bytes, request->scan.cursor, sizeof listing.after.bytes);
    int code =
        lt_store_list(background->server->store, &listing, *request->space ? background->job.space.id : LT_LIST_ALL,
                      request->scan.count, take, &page);
    if (code == LT_OK) {
        lt_write_map(writer, 2);
        lt_write_text(writer, "records");
        lt_write_array(writer, (uint32_t)page.count);
        for (size_t i = 0; i < page.count; i++)
            write_record(writer, background->server, &page.records[i]);
        if (listing.ended) {
            lt_write_text(writer, "cursor");
            lt_write_nil(writer);
        } else {
            write_key(writer, "cursor", &listing.after);
        }
    }
    lt_free(page.records);
    return code ? lt_fail_code(error, code) : LT_OK;
}
