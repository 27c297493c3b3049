/* Entries of namespaces on the disk:
 *
 *   offset   bytes   field
 *   0        4       number
 *   4        4       time to live, in seconds
 *   8        8       quota, in bytes
 *   16       32      salt; all zero for `public`
 *   48       8       XXH3-64 of all that, seeded with XXH3-64 of the name
 *
 * A damaged salt would make all latents of a tenant unfindable, so a store with a damaged entry is not opened. */
#include "storage/ledger.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/alloc.h"
#include "proto/record.h"

#define ENTRY_BYTES 56
#define SALT_OFFSET 16
#define SUM_OFFSET 48
#define USAGE_NUMBERS (2 + LT_NAMESPACE_COUNTERS)

static const char usage_name[] = "namespace";

/* --- keys --- */

static void store_big_endian(uint32_t number, uint8_t *bytes)
{
    number = htobe32(number);
    memcpy(bytes, &number, sizeof number);
}

void lt_ledger_key(uint32_t number, const struct lt_span_key *key, uint8_t ret_bytes[LT_LEDGER_KEY_BYTES])
{
    store_big_endian(number, ret_bytes);
    memcpy(ret_bytes + 4, key->bytes, sizeof key->bytes);
}

bool lt_ledger_key_read(const MDB_val *value, uint32_t *ret_number, struct lt_span_key *ret_key)
{
    if (value->mv_size != LT_LEDGER_KEY_BYTES)
        return false;
    uint32_t number;
    memcpy(&number, value->mv_data, sizeof number);
    *ret_number = be32toh(number);
    memcpy(ret_key->bytes, (const uint8_t *)value->mv_data + 4, sizeof ret_key->bytes);
    return true;
}

/* The name of a namespace's numbers in the database `stats`. */
struct usage_key {
    char bytes[sizeof usage_name - 1 + 4];
};

static struct usage_key usage_key(uint32_t id)
{
    struct usage_key key;
    memcpy(key.bytes, usage_name, sizeof usage_name - 1);
    store_big_endian(id, (uint8_t *)key.bytes + sizeof usage_name - 1);
    return key;
}

/* --- entries of namespaces --- */

static uint64_t entry_sum(const void *name, size_t name_bytes, const uint8_t *bytes)
{
    return htole64(XXH3_64bits_withSeed(bytes, SUM_OFFSET, XXH3_64bits(name, name_bytes)));
}

int lt_ledger_write_space(const struct lt_environment *environment, MDB_txn *transaction,
                          const struct lt_namespace *space)
{
    uint8_t bytes[ENTRY_BYTES] = {0};
    uint32_t id = htole32(space->id), ttl = htole32(space->ttl_seconds);
    uint64_t quota = htole64(space->quota_bytes), sum;
    memcpy(bytes, &id, sizeof id);
    memcpy(bytes + 4, &ttl, sizeof ttl);
    memcpy(bytes + 8, &quota, sizeof quota);
    memcpy(bytes + SALT_OFFSET, space->salt, space->salt_bytes);
    sum = entry_sum(space->name, strlen(space->name), bytes);
    memcpy(bytes + SUM_OFFSET, &sum, sizeof sum);
    MDB_val name = {strlen(space->name), (void *)space->name}, value = {sizeof bytes, bytes};
    return lt_store_format_code(mdb_put(transaction, environment->namespaces, &name, &value, 0));
}

int lt_ledger_remove_space(const struct lt_environment *environment, MDB_txn *transaction,
                           const struct lt_namespace *space)
{
    struct usage_key usage = usage_key(space->id);
    MDB_val name = {strlen(space->name), (void *)space->name}, numbers = {sizeof usage.bytes, usage.bytes};
    int code = mdb_del(transaction, environment->namespaces, &name, NULL);
    if (!code)
        code = mdb_del(transaction, environment->stats, &numbers, NULL);
    return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
}

static bool read_space(const MDB_val *name, const MDB_val *value, struct lt_namespace *ret_space)
{
    const uint8_t *bytes = value->mv_data;
    uint64_t sum;
    if (name->mv_size == 0 || name->mv_size > LT_NAMESPACE_NAME_MAX || value->mv_size != ENTRY_BYTES)
        return false;
    memcpy(&sum, bytes + SUM_OFFSET, sizeof sum);
    if (sum != entry_sum(name->mv_data, name->mv_size, bytes))
        return false;
    struct lt_namespace space = {0};
    memcpy(&space.id, bytes, sizeof space.id);
    memcpy(&space.ttl_seconds, bytes + 4, sizeof space.ttl_seconds);
    memcpy(&space.quota_bytes, bytes + 8, sizeof space.quota_bytes);
    memcpy(space.salt, bytes + SALT_OFFSET, sizeof space.salt);
    memcpy(space.name, name->mv_data, name->mv_size);
    space.id = le32toh(space.id);
    space.ttl_seconds = le32toh(space.ttl_seconds);
    space.quota_bytes = le64toh(space.quota_bytes);
    space.salt_bytes = space.id ? LT_NAMESPACE_SALT_BYTES : 0;
    *ret_space = space;
    return true;
}

/* --- in memory --- */

struct lt_ledger_entry *lt_ledger_find(const struct lt_ledger *ledger, uint32_t id)
{
    size_t low = 0, high = ledger->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ledger->entries[middle]->space.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ledger->count && ledger->entries[low]->space.id == id ? ledger->entries[low] : NULL;
}

/* The entry of a namespace, kept in the order of numbers. */
static int insert(struct lt_ledger *ledger, const struct lt_namespace *space, struct lt_ledger_entry **ret_entry)
{
    if (ledger->count == LT_NAMESPACES_MAX)
        return LT_EFULL;
    struct lt_ledger_entry *entry = lt_calloc(1, sizeof *entry);
    if (!entry)
        return LT_ENOMEM;
    entry->space = *space;
    size_t at = ledger->count++;
    for (; at > 0 && ledger->entries[at - 1]->space.id > space->id; at--)
        ledger->entries[at] = ledger->entries[at - 1];
    ledger->entries[at] = entry;
    *ret_entry = entry;
    return LT_OK;
}

static void read_usage(const struct lt_environment *environment, MDB_txn *transaction, struct lt_ledger_entry *entry)
{
    struct usage_key key = usage_key(entry->space.id);
    MDB_val name = {sizeof key.bytes, key.bytes}, value;
    uint64_t numbers[USAGE_NUMBERS] = {0};
    if (mdb_get(transaction, environment->stats, &name, &value) != MDB_SUCCESS)
        return;
    memcpy(numbers, value.mv_data, value.mv_size < sizeof numbers ? value.mv_size : sizeof numbers);
    entry->entries = le64toh(numbers[0]);
    entry->bytes = le64toh(numbers[1]);
    atomic_store(&entry->entries_kept, entry->entries);
    atomic_store(&entry->bytes_kept, entry->bytes);
    for (size_t i = 0; i < LT_NAMESPACE_COUNTERS; i++)
        atomic_store(&entry->lifetime[i], le64toh(numbers[2 + i]));
}

static int read_spaces(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                       struct lt_error *error)
{
    MDB_cursor *cursor;
    MDB_val name, value;
    struct lt_ledger_entry *entry;
    struct lt_namespace space = {.name = LT_NAMESPACE_PUBLIC};
    int code = lt_store_format_code(mdb_cursor_open(transaction, environment->namespaces, &cursor));
    if (code)
        return lt_fail_code(error, code);
    int found = mdb_cursor_get(cursor, &name, &value, MDB_FIRST);
    for (; !found && code == LT_OK; found = mdb_cursor_get(cursor, &name, &value, MDB_NEXT)) {
        if (!read_space(&name, &value, &space))
            code = lt_fail(error, LT_ESTORE, "the entry of the namespace '%.*s' is damaged; restore a backup",
                           (int)(name.mv_size < LT_NAMESPACE_NAME_MAX ? name.mv_size : LT_NAMESPACE_NAME_MAX),
                           (const char *)name.mv_data);
        else if (insert(ledger, &space, &entry) != LT_OK)
            code = lt_fail_code(error, LT_ENOMEM);
        else
            read_usage(environment, transaction, entry);
    }
    mdb_cursor_close(cursor);
    space = (struct lt_namespace){.name = LT_NAMESPACE_PUBLIC};
    if (code == LT_OK && !lt_ledger_find(ledger, 0)) {
        if (insert(ledger, &space, &entry) != LT_OK)
            return lt_fail_code(error, LT_ENOMEM);
        read_usage(environment, transaction, entry);
    }
    return code;
}

static void read_next_expiry(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction)
{
    MDB_cursor *cursor;
    MDB_val name, value;
    struct lt_span_key key;
    ledger->next_expiry = 0;
    if (mdb_cursor_open(transaction, environment->expiries, &cursor) != MDB_SUCCESS)
        return;
    if (mdb_cursor_get(cursor, &name, &value, MDB_FIRST) == MDB_SUCCESS)
        (void)lt_ledger_key_read(&name, &ledger->next_expiry, &key);
    mdb_cursor_close(cursor);
}

int lt_ledger_init(struct lt_ledger *ledger, const struct lt_environment *environment, struct lt_error *error)
{
    MDB_txn *transaction;
    int code = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &transaction);
    if (code)
        return lt_fail_code(error, lt_store_format_code(code));
    code = read_spaces(ledger, environment, transaction, error);
    if (code == LT_OK)
        read_next_expiry(ledger, environment, transaction);
    mdb_txn_abort(transaction);
    if (code == LT_OK && (code = lt_pins_init(&ledger->pins, environment)) != LT_OK)
        lt_fail(error, code, "cannot read the pins of the store: %s", lt_error_message(code));
    return code;
}

void lt_ledger_destroy(struct lt_ledger *ledger)
{
    while (ledger->count)
        lt_free(ledger->entries[--ledger->count]);
    lt_pins_finish(&ledger->pins);
}

/* --- records come and go --- */

int lt_ledger_add(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                  const struct lt_span_key *key, const void *record, size_t bytes)
{
    struct lt_record_head head;
    uint8_t name_bytes[LT_LEDGER_KEY_BYTES];
    MDB_val name = {sizeof name_bytes, name_bytes}, nothing = {0, NULL};
    int code = LT_OK;
    if (!lt_record_head(record, bytes, &head))
        return LT_EINTERNAL;
    if (head.namespace_id) {
        lt_ledger_key(head.namespace_id, key, name_bytes);
        code = lt_store_format_code(mdb_put(transaction, environment->members, &name, &nothing, 0));
    }
    if (head.expires && code == LT_OK) {
        lt_ledger_key(head.expires, key, name_bytes);
        code = lt_store_format_code(mdb_put(transaction, environment->expiries, &name, &nothing, 0));
        if (!ledger->next_expiry || head.expires < ledger->next_expiry)
            ledger->next_expiry = head.expires;
    }
    struct lt_ledger_entry *entry = lt_ledger_find(ledger, head.namespace_id);
    if (entry) {
        entry->entries++;
        entry->bytes += bytes;
        entry->touched = true;
    }
    return code;
}

static int remove_key(MDB_txn *transaction, MDB_dbi database, uint32_t number, const struct lt_span_key *key)
{
    uint8_t name_bytes[LT_LEDGER_KEY_BYTES];
    MDB_val name = {sizeof name_bytes, name_bytes};
    lt_ledger_key(number, key, name_bytes);
    int code = mdb_del(transaction, database, &name, NULL);
    return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
}

int lt_ledger_drop(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                   const struct lt_span_key *key, const void *record, size_t bytes)
{
    struct lt_record_head head;
    int code = LT_OK;
    if (!lt_record_head(record, bytes, &head))
        return LT_OK; /* too short to say anything: it was damaged on the disk */
    if (head.namespace_id)
        code = remove_key(transaction, environment->members, head.namespace_id, key);
    if (head.expires && code == LT_OK)
        code = remove_key(transaction, environment->expiries, head.expires, key);
    struct lt_ledger_entry *entry = lt_ledger_find(ledger, head.namespace_id);
    if (entry) {
        entry->entries -= entry->entries > 0;
        entry->bytes -= bytes < entry->bytes ? bytes : entry->bytes;
        entry->touched = true;
    }
    return code;
}

int lt_ledger_evicted(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                      const struct lt_span_key *key, const void *record, size_t bytes)
{
    struct lt_record_head head;
    struct lt_ledger_entry *entry =
        lt_record_head(record, bytes, &head) ? lt_ledger_find(ledger, head.namespace_id) : NULL;
    if (entry)
        lt_ledger_count(entry, LT_NAMESPACE_EVICTED, 1);
    return lt_ledger_drop(ledger, environment, transaction, key, record, bytes);
}

void lt_ledger_count(struct lt_ledger_entry *entry, enum lt_namespace_counter counter, uint64_t amount)
{
    atomic_fetch_add(&entry->counts[counter], amount);
    atomic_fetch_add(&entry->lifetime[counter], amount);
    atomic_store(&entry->counted, true);
}

void lt_ledger_clear(struct lt_ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        ledger->entries[i]->entries = ledger->entries[i]->bytes = 0;
        ledger->entries[i]->touched = true;
    }
    ledger->next_expiry = 0;
}

/* --- commits --- */

int lt_ledger_write(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction)
{
    int code = LT_OK;
    for (size_t i = 0; i < ledger->count && code == LT_OK; i++) {
        struct lt_ledger_entry *entry = ledger->entries[i];
        if (!atomic_exchange(&entry->counted, false) && !entry->touched)
            continue;
        entry->touched = true;
        uint64_t numbers[USAGE_NUMBERS] = {htole64(entry->entries), htole64(entry->bytes)};
        for (size_t c = 0; c < LT_NAMESPACE_COUNTERS; c++)
            numbers[2 + c] = htole64(atomic_load(&entry->lifetime[c]));
        struct usage_key key = usage_key(entry->space.id);
        MDB_val name = {sizeof key.bytes, key.bytes}, value = {sizeof numbers, numbers};
        code = lt_store_format_code(mdb_put(transaction, environment->stats, &name, &value, 0));
    }
    return code;
}

void lt_ledger_finish(struct lt_ledger *ledger, bool committed)
{
    for (size_t i = 0; i < ledger->count; i++) {
        struct lt_ledger_entry *entry = ledger->entries[i];
        if (!entry->touched)
            continue;
        entry->touched = false;
        if (committed) {
            atomic_store(&entry->entries_kept, entry->entries);
            atomic_store(&entry->bytes_kept, entry->bytes);
        } else {
            entry->entries = atomic_load(&entry->entries_kept);
            entry->bytes = atomic_load(&entry->bytes_kept);
            atomic_store(&entry->counted, true);
        }
    }
    if (!committed) /* the next sweep reads when something expires */
        ledger->next_expiry = 1;
}

bool lt_ledger_counted(struct lt_ledger *ledger)
{
    bool counted = false;
    pthread_rwlock_rdlock(&ledger->lock);
    for (size_t i = 0; i < ledger->count && !counted; i++)
        counted = atomic_load(&ledger->entries[i]->counted);
    pthread_rwlock_unlock(&ledger->lock);
    return counted;
}
