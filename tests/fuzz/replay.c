/* Gives a fuzz target the files that are named, one after the other. */
#include <stdio.h>

#include "tests/fuzz/target.h"

int main(int count, char **arguments)
{
    static uint8_t data[4 << 20];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(arguments[i], "rb");
        if (!file) {
            perror(arguments[i]);
            return 1;
        }
        size_t bytes = fread(data, 1, sizeof data, file);
        fclose(file);
        LLVMFuzzerTestOneInput(data, bytes);
    }
    return 0;
}
