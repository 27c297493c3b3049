#include "storage/encoders.h"

#include <string.h>

static const char encoders_name[] = "encoders";

static void add(struct lt_encoders *encoders, const uint8_t *fingerprint)
{
    for (size_t i = 0; i < encoders->count; i++)
        if (memcmp(encoders->fingerprints[i], fingerprint, LT_FINGERPRINT_BYTES) == 0)
            return;
    if (encoders->count < LT_STORE_ENCODERS_MAX)
        memcpy(encoders->fingerprints[encoders->count++], fingerprint, LT_FINGERPRINT_BYTES);
}

int lt_encoders_init(struct lt_encoders *encoders, const struct lt_environment *environment, const uint8_t *const *used,
                     size_t used_count)
{
    MDB_txn *transaction;
    MDB_val name = {sizeof encoders_name - 1, (void *)encoders_name}, value;
    *encoders = (struct lt_encoders){.count = 0};
    for (size_t i = 0; i < used_count; i++)
        add(encoders, used[i]);
    int code = mdb_txn_begin(environment->env, NULL, 0, &transaction);
    if (code)
        return lt_store_format_code(code);
    code = mdb_get(transaction, environment->meta, &name, &value);
    if (code == MDB_SUCCESS)
        for (size_t byte = 0; byte + LT_FINGERPRINT_BYTES <= value.mv_size; byte += LT_FINGERPRINT_BYTES)
            add(encoders, (const uint8_t *)value.mv_data + byte);
    else
        value = (MDB_val){0, NULL};
    size_t bytes = encoders->count * LT_FINGERPRINT_BYTES;
    bool changed = value.mv_size != bytes || (bytes && memcmp(value.mv_data, encoders->fingerprints, bytes) != 0);
    if (code == MDB_NOTFOUND)
        code = MDB_SUCCESS;
    value = (MDB_val){bytes, encoders->fingerprints};
    if (!code && changed)
        code = mdb_put(transaction, environment->meta, &name, &value, 0);
    if (code) {
        mdb_txn_abort(transaction);
        return lt_store_format_code(code);
    }
    return lt_store_format_code(mdb_txn_commit(transaction));
}
