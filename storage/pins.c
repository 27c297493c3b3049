#include "storage/pins.h"

#include <endian.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/record.h"
#include "storage/orders.h"
#include "storage/state.h"
#include "storage/table.h"

#define PLACES (2 * (size_t)LT_PINS_MAX) /* a power of two */
#define ALL UINT32_MAX

static_assert((PLACES & (PLACES - 1)) == 0, "the number of places is a mask plus one");

/* --- the table --- */

static size_t place_of(const struct lt_span_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    return hash & (PLACES - 1);
}

/* The place of a key, or the free one where it would go. The table is never more than half full. */
static struct lt_pin *find(struct lt_pin *table, const struct lt_span_key *key)
{
    size_t place = place_of(key);
    while (table[place].bytes && memcmp(&table[place].key, key, sizeof *key) != 0)
        place = (place + 1) & (PLACES - 1);
    return &table[place];
}

static void insert(struct lt_pins *pins, const struct lt_pin *pin)
{
    struct lt_pin *place = find(pins->table, &pin->key);
    if (!place->bytes) {
        pins->count++;
        pins->bytes += pin->bytes;
        *place = *pin;
    }
}

/* Frees a place and moves up what stands behind it, so that no search stops too early. */
static void erase(struct lt_pins *pins, struct lt_pin *place)
{
    pins->count--;
    pins->bytes -= place->bytes;
    place->bytes = 0;
    for (size_t next = (size_t)(place - pins->table + 1) & (PLACES - 1); pins->table[next].bytes;
         next = (next + 1) & (PLACES - 1)) {
        struct lt_pin pin = pins->table[next];
        pins->table[next].bytes = 0;
        *find(pins->table, &pin.key) = pin;
    }
}

static int prepare(struct lt_pins *pins)
{
    if (pins->table)
        return LT_OK;
    struct lt_pin *table = lt_calloc(PLACES, sizeof *table);
    if (!table)
        return LT_ENOMEM;
    pthread_rwlock_wrlock(&pins->lock);
    pins->table = table;
    pthread_rwlock_unlock(&pins->lock);
    return LT_OK;
}

bool lt_pins_has(struct lt_pins *pins, const struct lt_span_key *key)
{
    pthread_rwlock_rdlock(&pins->lock);
    bool has = pins->count && find(pins->table, key)->bytes;
    pthread_rwlock_unlock(&pins->lock);
    return has;
}

bool lt_store_has_pin(struct lt_store *store, const struct lt_span_key *key)
{
    return lt_pins_has(&store->ledger.pins, key);
}

void lt_store_pinned(struct lt_store *store, uint64_t *ret_count, uint64_t *ret_bytes)
{
    struct lt_pins *pins = &store->ledger.pins;
    pthread_rwlock_rdlock(&pins->lock);
    *ret_count = pins->count;
    *ret_bytes = pins->bytes;
    pthread_rwlock_unlock(&pins->lock);
}

/* --- the disk --- */

static bool read_pin(const MDB_val *name, const MDB_val *value, struct lt_pin *ret_pin)
{
    uint32_t numbers[2];
    if (name->mv_size != sizeof ret_pin->key.bytes || value->mv_size != sizeof numbers)
        return false;
    memcpy(numbers, value->mv_data, sizeof numbers);
    memcpy(ret_pin->key.bytes, name->mv_data, sizeof ret_pin->key.bytes);
    ret_pin->namespace_id = le32toh(numbers[0]);
    ret_pin->bytes = le32toh(numbers[1]);
    return ret_pin->bytes != 0;
}

int lt_pins_init(struct lt_pins *pins, const struct lt_environment *environment)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    MDB_val name, value;
    struct lt_pin pin;
    int code = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &transaction);
    if (code)
        return lt_store_format_code(code);
    code = lt_store_format_code(mdb_cursor_open(transaction, environment->pins, &cursor));
    if (code == LT_OK) {
        int found = mdb_cursor_get(cursor, &name, &value, MDB_FIRST);
        for (; !found && code == LT_OK; found = mdb_cursor_get(cursor, &name, &value, MDB_NEXT)) {
            if (!read_pin(&name, &value, &pin))
                continue;
            code = pins->count == LT_PINS_MAX ? LT_ESTORE : prepare(pins);
            if (code == LT_OK)
                insert(pins, &pin);
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(transaction);
    return code;
}

void lt_pins_finish(struct lt_pins *pins)
{
    lt_free(pins->table);
    pins->table = NULL;
    pins->count = 0;
}

static int write_pin(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_pin *pin)
{
    uint32_t numbers[] = {htole32(pin->namespace_id), htole32(pin->bytes)};
    MDB_val name = {sizeof pin->key.bytes, (void *)pin->key.bytes}, value = {sizeof numbers, numbers};
    return lt_store_format_code(mdb_put(transaction, environment->pins, &name, &value, 0));
}

static int remove_pin(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key)
{
    MDB_val name = {sizeof key->bytes, (void *)key->bytes};
    int code = mdb_del(transaction, environment->pins, &name, NULL);
    return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
}

/* --- pinning and unpinning --- */

struct pinning {
    uint32_t namespace_id;
    const struct lt_span_key *keys;
    size_t count;
    struct lt_pin *pins; /* [count] that are new, or to be removed */
    size_t changed;
    uint64_t bytes; /* of the new ones */
    struct lt_keys_outcome outcome;
};

static int pin_key(struct lt_store *store, MDB_txn *transaction, struct pinning *pinning, const struct lt_span_key *key)
{
    struct lt_record_head head;
    MDB_val record;
    int code = lt_table_get(&store->environment, transaction, key, &record, NULL);
    if (code == LT_ENOTFOUND || (code == LT_OK && (!lt_record_head(record.mv_data, record.mv_size, &head) ||
                                                   head.namespace_id != pinning->namespace_id))) {
        pinning->outcome.missing++;
        return LT_OK;
    }
    if (code)
        return code;
    if (lt_pins_has(&store->ledger.pins, key)) {
        pinning->outcome.already++;
        return LT_OK;
    }
    struct lt_pin pin = {*key, pinning->namespace_id, (uint32_t)record.mv_size};
    pinning->pins[pinning->changed++] = pin;
    pinning->bytes += pin.bytes;
    pinning->outcome.done++;
    return write_pin(&store->environment, transaction, &pin);
}

static int apply_pin(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct pinning *pinning = context;
    const struct lt_pins *pins = &store->ledger.pins;
    int code = prepare(&store->ledger.pins);
    for (size_t i = 0; i < pinning->count && code == LT_OK; i++)
        code = pin_key(store, transaction, pinning, &pinning->keys[i]);
    if (code == LT_OK && (pins->count + pinning->changed > LT_PINS_MAX ||
                          pins->bytes + pinning->bytes > store->options.budget_bytes / LT_PINS_SHARE))
        code = LT_EFULL;
    return code;
}

static void pin_committed(struct lt_store *store, void *context)
{
    const struct pinning *pinning = context;
    struct lt_pins *pins = &store->ledger.pins;
    pthread_rwlock_wrlock(&pins->lock);
    for (size_t i = 0; i < pinning->changed; i++)
        insert(pins, &pinning->pins[i]);
    pthread_rwlock_unlock(&pins->lock);
}

/* A pin may be of a latent that has expired meanwhile, so the pin itself says whose it is. */
static int apply_unpin(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct pinning *pinning = context;
    struct lt_pins *pins = &store->ledger.pins;
    int code = LT_OK;
    for (size_t i = 0; i < pinning->count && code == LT_OK; i++) {
        const struct lt_pin *pin = pins->count ? find(pins->table, &pinning->keys[i]) : NULL;
        if (!pin || !pin->bytes || pin->namespace_id != pinning->namespace_id) {
            pinning->outcome.already++;
            continue;
        }
        pinning->pins[pinning->changed++] = *pin;
        pinning->outcome.done++;
        code = remove_pin(&store->environment, transaction, &pin->key);
    }
    return code;
}

static void unpin_committed(struct lt_store *store, void *context)
{
    const struct pinning *pinning = context;
    struct lt_pins *pins = &store->ledger.pins;
    pthread_rwlock_wrlock(&pins->lock);
    for (size_t i = 0; i < pinning->changed; i++) {
        struct lt_pin *place = find(pins->table, &pinning->pins[i].key);
        if (place->bytes) /* the same key may have been given twice */
            erase(pins, place);
    }
    pthread_rwlock_unlock(&pins->lock);
}

static int run(struct lt_store *store, struct pinning *pinning, struct lt_order *order,
               struct lt_keys_outcome *ret_outcome)
{
    pinning->pins = lt_malloc((pinning->count + 1) * sizeof *pinning->pins);
    order->context = pinning;
    int code = pinning->pins ? lt_order_run(store, order) : LT_ENOMEM;
    lt_free(pinning->pins);
    if (code == LT_OK)
        *ret_outcome = pinning->outcome;
    return code;
}

int lt_store_pin(struct lt_store *store, uint32_t namespace_id, const struct lt_span_key *keys, size_t count,
                 struct lt_keys_outcome *ret_outcome, struct lt_error *error)
{
    struct pinning pinning = {.namespace_id = namespace_id, .keys = keys, .count = count};
    struct lt_order order = {.apply = apply_pin, .committed = pin_committed};
    int code = run(store, &pinning, &order, ret_outcome);
    if (code == LT_EFULL)
        return lt_fail(error, code, "at most %d latents can be pinned, with at most %llu bytes, a part of the budget",
                       LT_PINS_MAX, (unsigned long long)(store->options.budget_bytes / LT_PINS_SHARE));
    return code ? lt_fail_code(error, code) : LT_OK;
}

int lt_store_unpin(struct lt_store *store, uint32_t namespace_id, const struct lt_span_key *keys, size_t count,
                   struct lt_keys_outcome *ret_outcome, struct lt_error *error)
{
    struct pinning pinning = {.namespace_id = namespace_id, .keys = keys, .count = count};
    struct lt_order order = {.apply = apply_unpin, .committed = unpin_committed};
    int code = run(store, &pinning, &order, ret_outcome);
    return code ? lt_fail_code(error, code) : LT_OK;
}

/* --- all of a namespace --- */

int lt_pins_drop(struct lt_store *store, MDB_txn *transaction, uint32_t namespace_id)
{
    const struct lt_pins *pins = &store->ledger.pins;
    int code = LT_OK;
    if (namespace_id == ALL)
        return lt_store_format_code(mdb_drop(transaction, store->environment.pins, 0));
    for (size_t i = 0; pins->count && i < PLACES && code == LT_OK; i++)
        if (pins->table[i].bytes && pins->table[i].namespace_id == namespace_id)
            code = remove_pin(&store->environment, transaction, &pins->table[i].key);
    return code;
}

void lt_pins_dropped(struct lt_store *store, uint32_t namespace_id)
{
    struct lt_pins *pins = &store->ledger.pins;
    pthread_rwlock_wrlock(&pins->lock);
    for (size_t i = 0; pins->count && i < PLACES;) {
        if (pins->table[i].bytes && (namespace_id == ALL || pins->table[i].namespace_id == namespace_id))
            erase(pins, &pins->table[i]); /* another may stand here now */
        else
            i++;
    }
    pthread_rwlock_unlock(&pins->lock);
}
