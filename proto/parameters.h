/* Reads the parameters of a request, typed and within limits, with messages that name the parameter, what was found and
 * what would be right. Internal to proto/: the one header with msgpack-c's types in it.
 *
 * Every reader of an optional parameter leaves its output alone if the parameter is absent, so that the caller puts the
 * default there first. Errors: LT_EPARAM, and for texts LT_EUTF8 and LT_ETOOLARGE. Messages are ASCII. One thread at a
 * time. */
#ifndef LT_PROTO_PARAMETERS_H
#define LT_PROTO_PARAMETERS_H

#include <msgpack/object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/messages.h"

struct lt_parameters {
    const msgpack_object_kv *pairs;
    uint32_t count;
    const char *method; /* for messages */
    struct lt_error *error;
};

/* Takes the params of a request: [], [{...}] or {...}. */
int lt_parameters_init(struct lt_parameters *parameters, const msgpack_object *params, const char *method,
                       struct lt_error *error);

/* That every key of the map is one of `names` (ended by NULL) and stands there once. */
int lt_parameters_check_names(const struct lt_parameters *parameters, const char *const *names);

/* The value of a parameter, or NULL. */
const msgpack_object *lt_parameter_find(const struct lt_parameters *parameters, const char *name);

int lt_parameter_uint(const struct lt_parameters *parameters, const char *name, uint64_t min, uint64_t max,
                      uint64_t *ret_value);

/* min <= value <= max, or min < value <= max if `above` is set. An integer will do. */
int lt_parameter_real(const struct lt_parameters *parameters, const char *name, double min, bool above, double max,
                      double *ret_value);

/* A number that is a float or an integer, and not NaN; false if the value is none. */
bool lt_parameter_real_of(const msgpack_object *value, double *ret_real);

int lt_parameter_bool(const struct lt_parameters *parameters, const char *name, bool *ret_value);

/* One of `names` (ended by NULL): its index. */
int lt_parameter_choice(const struct lt_parameters *parameters, const char *name, const char *const *names,
                        int *ret_index);

/* A name of 1 to max bytes of UTF-8 without control characters, as a terminated string; `ret_name` has room for max
 * + 1. */
int lt_parameter_name(const struct lt_parameters *parameters, const char *name, size_t max, char *ret_name);

/* The same of `value`, which `label` names in messages ("docs[2]"). */
int lt_parameter_name_of(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                         size_t max, char *ret_name);

/* `value` as a text of 1 to max bytes of UTF-8, not copied. `label` names it in messages ("segments[2].text"). */
int lt_parameter_text(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                      size_t max, struct lt_text *ret_text);

/* `value` as an array of min to max objects. */
int lt_parameter_array(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                       uint32_t min, uint32_t max);

/* Fails with "METHOD: LABEL must be RIGHT; found <value>". `value` NULL: the parameter is missing. */
int lt_parameter_wrong(const struct lt_parameters *parameters, const char *label, const char *right,
                       const msgpack_object *value);

#endif
