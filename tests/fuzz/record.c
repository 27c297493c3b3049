/* What lies in the store: a record that passes its check is one that lt_record_write would write. */
#include <string.h>

#include "proto/record.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t payload[2 * LT_LATENT_DIMENSION_MAX], again[LT_RECORD_BYTES_MAX];
    struct lt_record record;
    struct lt_span_key key;
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
    lt_record_claimed_key(data, size, &key);
    if (lt_record_read(data, size, &record) != LT_OK)
        return 0;
    require(record.dimension <= LT_LATENT_DIMENSION_MAX && record.token_count <= LT_SPAN_TOKENS_MAX);
    lt_record_copy_payload(&record, payload);
    lt_record_copy_tokens(&record, tokens);
    const struct lt_latent latent = {.key = key,
                                     .type = record.type,
                                     .dimension = record.dimension,
                                     .namespace_id = record.namespace_id,
                                     .created = record.created,
                                     .expires = record.expires,
                                     .scale = record.scale,
                                     .token_count = record.token_count,
                                     .tokens = tokens,
                                     .payload = payload};
    require(lt_record_bytes(&latent) == size);
    lt_record_write(&latent, again);
    require(memcmp(again, data, size) == 0);
    return 0;
}
