#include "daemon/blas.h"

#include <cblas.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

static const char *core_for_this_processor(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return "SKYLAKEX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "HASWELL";
#endif
    return NULL;
}

void lt_blas_choose_core(char **arguments)
{
    const char *core = core_for_this_processor();
    if (!core || getenv("OPENBLAS_CORETYPE") || setenv("OPENBLAS_CORETYPE", core, 1))
        return;
    execv("/proc/self/exe", arguments);
}

int lt_blas_set_threads(int threads)
{
    if (threads <= 0) {
        cpu_set_t allowed;
        CPU_ZERO(&allowed);
        threads = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
    }
    openblas_set_num_threads(threads);
    return threads;
}

const char *lt_blas_core(void)
{
    return openblas_get_corename();
}
