#include "daemon/cluster_slots.h"

#include <string.h>

static uint16_t crc16(const char *bytes, size_t count)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < count; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)((uint8_t)bytes[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

uint16_t lt_cluster_slot(const char *key, size_t bytes)
{
    const char *open = memchr(key, '{', bytes);
    if (open) {
        const char *tag = open + 1, *close = memchr(tag, '}', (size_t)(key + bytes - tag));
        if (close && close > tag)
            return crc16(tag, (size_t)(close - tag)) % LT_CLUSTER_SLOTS;
    }
    return crc16(key, bytes) % LT_CLUSTER_SLOTS;
}

static bool parse_number(const char *text, size_t bytes, uint32_t most, uint32_t *ret_number)
{
    uint32_t number = 0;
    if (bytes == 0 || bytes > 5)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = 10 * number + (uint32_t)(text[i] - '0');
    }
    *ret_number = number;
    return number <= most;
}

/* A host of `bytes`, which may be none, and a port behind it. */
static bool fill(struct lt_cluster_address *address, const char *host, size_t bytes, const char *port,
                 size_t port_bytes)
{
    uint32_t number;
    if (bytes > LT_REMOTE_HOST_BYTES_MAX || !parse_number(port, port_bytes, UINT16_MAX, &number) || number == 0)
        return false;
    *address = (struct lt_cluster_address){.port = (uint16_t)number};
    memcpy(address->host, host, bytes);
    return true;
}

bool lt_cluster_address_parse(const char *text, size_t bytes, struct lt_cluster_address *ret_address)
{
    static const char port[] = "6379"; /* LT_CLUSTER_PORT */
    const char *end = text + bytes, *host = text, *host_end, *rest;
    if (bytes && *text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        rest = host_end ? host_end + 1 : NULL;
    } else {
        rest = host_end = memchr(text, ':', bytes);
        if (!host_end)
            rest = host_end = end;
    }
    if (!host_end || host_end == host)
        return false;
    struct lt_cluster_address address;
    bool sound = rest == end    ? fill(&address, host, (size_t)(host_end - host), port, sizeof port - 1)
                 : *rest == ':' ? fill(&address, host, (size_t)(host_end - host), rest + 1, (size_t)(end - rest - 1))
                                : false;
    if (sound)
        *ret_address = address;
    return sound;
}

bool lt_cluster_redirection_parse(const char *text, size_t bytes, struct lt_cluster_redirection *ret_redirection)
{
    struct lt_cluster_redirection redirection = {0};
    const char *end = text + bytes;
    if (bytes > 6 && memcmp(text, "MOVED ", 6) == 0)
        text += 6;
    else if (bytes > 4 && memcmp(text, "ASK ", 4) == 0) {
        redirection.ask = true;
        text += 4;
    } else {
        return false;
    }
    const char *space = memchr(text, ' ', (size_t)(end - text)), *colon = memrchr(text, ':', (size_t)(end - text));
    uint32_t slot;
    if (!space || !colon || colon < space || !parse_number(text, (size_t)(space - text), LT_CLUSTER_SLOTS - 1, &slot) ||
        !fill(&redirection.address, space + 1, (size_t)(colon - space - 1), colon + 1, (size_t)(end - colon - 1)))
        return false;
    redirection.slot = (uint16_t)slot;
    *ret_redirection = redirection;
    return true;
}
