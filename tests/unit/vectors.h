/* Reading tests/vectors: models, and what PyTorch and sentencepiece made of given texts. */
#ifndef LT_TESTS_VECTORS_H
#define LT_TESTS_VECTORS_H

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/model.h"
#include "proto/alloc.h"

static inline void vectors_path(const char *name, char path[4096])
{
    const char *folder = getenv("LATENTD_VECTORS");
    int bytes = snprintf(path, 4096, "%s/%s", folder ? folder : "tests/vectors", name);
    assert_in_range(bytes, 1, 4095);
}

static inline json_t *vectors_json(const char *name)
{
    char path[4096];
    json_error_t error;
    vectors_path(name, path);
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

/* The model that a JSON file names, relative to the source tree; NULL with a message if it has not been made here. */
static inline struct lt_model *vectors_model(const json_t *root, enum lt_precision precision)
{
    char path[4096], name[1024];
    struct lt_model *model = NULL;
    struct lt_error error;
    snprintf(name, sizeof name, "../../%s", json_string_value(json_object_get(root, "model")));
    vectors_path(name, path);
    if (access(path, R_OK) != 0) {
        print_message("[  SKIPPED ] %s is not there\n", path);
        return NULL;
    }
    if (lt_model_open(path, precision, &model, &error) != LT_OK)
        fail_msg("%s", error.message);
    return model;
}

/* Set-up and tear-down of tests on the small random model. */
static inline int vectors_open_tiny(void **state)
{
    json_t *root = vectors_json("tiny.json");
    *state = vectors_model(root, LT_PRECISION_STORED);
    json_decref(root);
    return 0;
}

static inline int vectors_close(void **state)
{
    lt_alloc_fail_at(0);
    lt_model_close(*state);
    return 0;
}

/* Numbers of a JSON array; the caller frees them. */
static inline uint32_t *vectors_numbers(const json_t *array, size_t *ret_count)
{
    size_t count = json_array_size(array);
    uint32_t *numbers = calloc(count + 1, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint32_t)json_integer_value(json_array_get(array, i));
    *ret_count = count;
    return numbers;
}

/* `count` floats of {"file", "offset"}; the caller frees them. */
static inline float *vectors_floats(const json_t *place, size_t count)
{
    char path[4096];
    vectors_path(json_string_value(json_object_get(place, "file")), path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    float *numbers = malloc(count * sizeof *numbers);
    long offset = (long)json_integer_value(json_object_get(place, "offset"));
    assert_int_equal(fseek(file, offset * (long)sizeof *numbers, SEEK_SET), 0);
    assert_int_equal(fread(numbers, sizeof *numbers, count, file), count);
    fclose(file);
    return numbers;
}

/* The greatest difference of two arrays. */
static inline double vectors_difference(const float *a, const float *b, size_t count)
{
    double greatest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        if (!(difference <= greatest)) /* a NaN counts, too */
            greatest = isnan(difference) ? INFINITY : difference;
    }
    return greatest;
}

/* The root of the mean square of the differences, over that of the numbers in b. */
static inline double vectors_deviation(const float *a, const float *b, size_t count)
{
    double differences = 0, numbers = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)a[i] - (double)b[i];
        differences += difference * difference;
        numbers += (double)b[i] * (double)b[i];
    }
    return sqrt(differences / numbers);
}

#endif
