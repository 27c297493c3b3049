/* One pass of BLAKE2b over the fields, each behind its tag and length. Pure. */
#include "storage/key.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#define KEY_VERSION 1
#define TOKENS_AT_ONCE 64

static const char DOMAIN[] = "latentd-span";
static const char REFINED_DOMAIN[] = "latentd-refined";

static void hash_head(crypto_generichash_state *state, char tag, size_t bytes)
{
    uint8_t head[5] = {(uint8_t)tag};
    uint32_t length = htole32((uint32_t)bytes);
    memcpy(head + 1, &length, sizeof length);
    crypto_generichash_update(state, head, sizeof head);
}

static void hash_field(crypto_generichash_state *state, char tag, const void *value, size_t bytes)
{
    hash_head(state, tag, bytes);
    crypto_generichash_update(state, value, bytes);
}

static void hash_tokens(crypto_generichash_state *state, const uint32_t *tokens, size_t count)
{
    hash_head(state, 'T', count * sizeof *tokens);
    while (count) {
        uint32_t ids[TOKENS_AT_ONCE];
        size_t now = count < TOKENS_AT_ONCE ? count : TOKENS_AT_ONCE;
        for (size_t i = 0; i < now; i++)
            ids[i] = htole32(tokens[i]);
        crypto_generichash_update(state, (const uint8_t *)ids, now * sizeof *ids);
        tokens += now;
        count -= now;
    }
}

void lt_span_key(const uint8_t *fingerprint, const uint8_t *salt, size_t salt_bytes, const uint32_t *tokens,
                 size_t count, struct lt_span_key *ret_key)
{
    crypto_generichash_state state;
    uint32_t version = htole32(KEY_VERSION);
    crypto_generichash_init(&state, NULL, 0, sizeof ret_key->bytes);
    hash_field(&state, 'D', DOMAIN, sizeof DOMAIN - 1);
    hash_field(&state, 'V', &version, sizeof version);
    hash_field(&state, 'E', fingerprint, 32);
    hash_field(&state, 'S', salt, salt_bytes);
    hash_tokens(&state, tokens, count);
    crypto_generichash_final(&state, ret_key->bytes, sizeof ret_key->bytes);
}

void lt_chain_key(const uint8_t *refiner, uint32_t type, const struct lt_span_key *previous,
                  const struct lt_span_key *span, struct lt_span_key *ret_key)
{
    crypto_generichash_state state;
    uint32_t version = htole32(KEY_VERSION);
    crypto_generichash_init(&state, NULL, 0, sizeof ret_key->bytes);
    hash_field(&state, 'D', REFINED_DOMAIN, sizeof REFINED_DOMAIN - 1);
    hash_field(&state, 'V', &version, sizeof version);
    hash_field(&state, 'R', refiner, 32);
    type = htole32(type);
    hash_field(&state, 'L', &type, sizeof type);
    hash_field(&state, 'P', previous ? previous->bytes : NULL, previous ? sizeof previous->bytes : 0);
    hash_field(&state, 'K', span->bytes, sizeof span->bytes);
    crypto_generichash_final(&state, ret_key->bytes, sizeof ret_key->bytes);
}
