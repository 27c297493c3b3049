/* A config file. */
#include "daemon/config.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lt_config config;
    enum lt_config_outcome outcome;
    struct lt_error error = {0};
    char path[64], *arguments[] = {(char *)"latentd", (char *)"--config", path, (char *)"--model", (char *)"m", NULL};
    int file = file_of(data, size, path);
    int code = lt_config_load(5, arguments, &config, &outcome, &error);
    require(code == LT_OK || error.message[0]);
    if (code == LT_OK)
        lt_config_finish(&config);
    close(file);
    return 0;
}
