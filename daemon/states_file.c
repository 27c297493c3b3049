/* The file is written under another name and renamed when it is whole. It is not synced: its checksum tells if the
 * machine stopped before it was on the disk, and then it is lost like the memory that it stands for. */
#include "daemon/states_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "daemon/log.h"
#include "daemon/states.h"
#include "proto/limits.h"

#define VERSION 1
#define SUM_BYTES sizeof(uint64_t)

static const char magic[8] = {'L', 'T', 'S', 'T', 'A', 'T', 'E', 'S'};

struct paths {
    char file[LT_PATH_BYTES_MAX + 32];
    char part[LT_PATH_BYTES_MAX + 32];
};

static struct paths paths_in(const char *folder)
{
    struct paths paths;
    snprintf(paths.file, sizeof paths.file, "%s/states", folder);
    snprintf(paths.part, sizeof paths.part, "%s/states.part", folder);
    return paths;
}

static int fail(struct lt_error *error, const char *what, const char *path, int reason)
{
    return lt_fail(error, reason == ENOSPC || reason == EDQUOT ? LT_EFULL : LT_EIO, "cannot %s %s: %s", what, path,
                   strerror(reason));
}

/* --- writing --- */

struct output {
    FILE *file;
    XXH3_state_t sum;
};

static int put(void *context, const void *bytes, size_t count)
{
    struct output *output = context;
    XXH3_64bits_update(&output->sum, bytes, count);
    return fwrite(bytes, 1, count, output->file) == count ? LT_OK : LT_EIO;
}

static int add_up(void *context, const void *bytes, size_t count)
{
    (void)bytes;
    *(uint64_t *)context += count;
    return LT_OK;
}

static bool has_states(const struct lt_served_model *served)
{
    return served->states && lt_states_count(served->states) > 0;
}

static int put_model(struct output *output, const struct lt_served_model *served, enum lt_latent_type type)
{
    const uint32_t latent_type = (uint32_t)type;
    uint64_t bytes = 0;
    int code = lt_states_write(served->states, add_up, &bytes);
    if (code == LT_OK)
        code = put(output, lt_model_fingerprint(served->model), LT_FINGERPRINT_BYTES);
    if (code == LT_OK)
        code = put(output, &latent_type, sizeof latent_type);
    if (code == LT_OK)
        code = put(output, &bytes, sizeof bytes);
    return code ? code : lt_states_write(served->states, put, output);
}

static int put_all(struct output *output, const struct lt_served_model *served, size_t served_count, uint32_t models,
                   enum lt_latent_type type)
{
    const uint32_t numbers[2] = {VERSION, models};
    XXH3_INITSTATE(&output->sum);
    XXH3_64bits_reset(&output->sum);
    int code = put(output, magic, sizeof magic);
    if (code == LT_OK)
        code = put(output, numbers, sizeof numbers);
    for (size_t i = 0; code == LT_OK && i < served_count; i++)
        if (has_states(&served[i]))
            code = put_model(output, &served[i], type);
    const uint64_t sum = XXH3_64bits_digest(&output->sum);
    return code ? code : put(output, &sum, sizeof sum);
}

/* LT_EIO, LT_EFULL, LT_ENOMEM: no file is left, and `error` is filled. */
static int write_file(const char *folder, const struct lt_served_model *served, size_t served_count,
                      enum lt_latent_type type, size_t *ret_count, struct lt_error *error)
{
    const struct paths paths = paths_in(folder);
    struct output output;
    uint32_t models = 0;
    *ret_count = 0;
    for (size_t i = 0; i < served_count; i++) {
        models += has_states(&served[i]);
        *ret_count += has_states(&served[i]) ? lt_states_count(served[i].states) : 0;
    }
    if (models == 0)
        return LT_OK;
    int file = open(paths.part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    output.file = file < 0 ? NULL : fdopen(file, "w");
    if (!output.file) {
        int reason = errno;
        if (file >= 0)
            close(file);
        return fail(error, "make", paths.part, reason);
    }
    errno = 0;
    int code = put_all(&output, served, served_count, models, type), reason = errno;
    if (fclose(output.file) != 0 && code == LT_OK) {
        code = LT_EIO;
        reason = errno;
    }
    if (code == LT_EIO)
        code = fail(error, "write", paths.part, reason);
    else if (code)
        lt_fail_code(error, code);
    else if (rename(paths.part, paths.file) != 0)
        code = fail(error, "rename", paths.part, errno);
    if (code)
        unlink(paths.part);
    return code;
}

void lt_states_leave(const char *folder, const struct lt_served_model *served, size_t served_count,
                     enum lt_latent_type type)
{
    struct lt_error error;
    size_t count;
    if (write_file(folder, served, served_count, type, &count, &error))
        lt_log(LT_LOG_WARNING, "mixed states were not kept for the next run: %s", error.message);
    else if (count > 0)
        lt_log(LT_LOG_INFO, "kept %zu mixed states for the next run", count);
}

/* --- reading --- */

static int take_model(struct lt_image *image, struct lt_served_model *served, size_t served_count,
                      enum lt_latent_type type, size_t *count)
{
    const uint8_t *fingerprint = lt_image_take(image, LT_FINGERPRINT_BYTES), *states = NULL;
    uint32_t latent_type = 0;
    uint64_t bytes = 0;
    if (fingerprint && lt_image_take_u32(image, &latent_type) == LT_OK) {
        const uint8_t *number = lt_image_take(image, sizeof bytes);
        if (number) {
            memcpy(&bytes, number, sizeof bytes);
            states = lt_image_take(image, bytes);
        }
    }
    if (!states)
        return LT_ECORRUPT;
    for (size_t i = 0; i < served_count; i++) {
        struct lt_image of_model = {states, bytes};
        bool same = memcmp(fingerprint, lt_model_fingerprint(served[i].model), LT_FINGERPRINT_BYTES) == 0;
        if (!same || !served[i].states || latent_type != (uint32_t)type || has_states(&served[i]))
            continue;
        int code = lt_states_read(served[i].states, served[i].model, &of_model);
        *count += lt_states_count(served[i].states);
        return code;
    }
    return LT_OK;
}

static int take_all(struct lt_image *image, const char *path, struct lt_served_model *served, size_t served_count,
                    enum lt_latent_type type, size_t *count, struct lt_error *error)
{
    const struct lt_image whole = *image;
    const uint8_t *begin = lt_image_take(image, sizeof magic);
    uint32_t version = 0, models = 0;
    uint64_t sum;
    if (!begin || memcmp(begin, magic, sizeof magic) != 0 || whole.left < sizeof magic + SUM_BYTES)
        return lt_fail(error, LT_ECORRUPT, "%s: these are no states", path);
    memcpy(&sum, whole.at + whole.left - SUM_BYTES, SUM_BYTES);
    if (sum != XXH3_64bits(whole.at, whole.left - SUM_BYTES))
        return lt_fail(error, LT_ECORRUPT, "%s: its checksum is wrong", path);
    image->left -= SUM_BYTES;
    if (lt_image_take_u32(image, &version) != LT_OK || version != VERSION)
        return lt_fail(error, LT_ECORRUPT, "%s: its version is %u, and %d is known", path, version, VERSION);
    int code = lt_image_take_u32(image, &models);
    for (uint32_t i = 0; code == LT_OK && i < models; i++)
        code = take_model(image, served, served_count, type, count);
    if (code == LT_ECORRUPT)
        return lt_fail(error, code, "%s: it does not hold what it says", path);
    return code ? lt_fail_code(error, code) : LT_OK;
}

/* No file is no error. LT_ECORRUPT, LT_EIO, LT_ENOMEM; `error` is filled. */
static int read_file(const char *folder, struct lt_served_model *served, size_t served_count, enum lt_latent_type type,
                     size_t *ret_count, struct lt_error *error)
{
    const struct paths paths = paths_in(folder);
    struct stat about;
    *ret_count = 0;
    int file = open(paths.file, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? LT_OK : fail(error, "open", paths.file, errno);
    unlink(paths.file);
    int code = fstat(file, &about) == 0 ? LT_OK : fail(error, "look at", paths.file, errno);
    if (code == LT_OK && about.st_size > 0) {
        size_t bytes = (size_t)about.st_size;
        const uint8_t *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
        struct lt_image image = {map, bytes};
        code = map == MAP_FAILED ? fail(error, "map", paths.file, errno)
                                 : take_all(&image, paths.file, served, served_count, type, ret_count, error);
        if (map != MAP_FAILED)
            munmap((void *)(uintptr_t)map, bytes);
    } else if (code == LT_OK) {
        code = lt_fail(error, LT_ECORRUPT, "%s: it is empty", paths.file);
    }
    close(file);
    return code;
}

void lt_states_take_up(const char *folder, struct lt_served_model *served, size_t served_count,
                       enum lt_latent_type type)
{
    struct lt_error error;
    size_t count;
    if (read_file(folder, served, served_count, type, &count, &error))
        lt_log(LT_LOG_WARNING, "mixed states of the last run are lost, prompts are mixed anew: %s", error.message);
    else if (count > 0)
        lt_log(LT_LOG_INFO, "took up %zu mixed states of the last run", count);
}
