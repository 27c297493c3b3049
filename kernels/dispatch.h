/* Compiles a loop for several processors and chooses at run time.
 *
 * The body must be a static always_inline function NAME_body; the copies differ in vector width only. Products are not
 * fused with sums (-ffp-contract=off) and sums go through a fixed number of lanes, so all copies give the same bits. */
#ifndef LT_KERNELS_DISPATCH_H
#define LT_KERNELS_DISPATCH_H

#define LT_BODY static inline __attribute__((always_inline)) void

#define LT_DISPATCH(name, parameters, arguments)                                                                       \
    static __attribute__((target("avx512f,avx512dq,avx512vl,prefer-vector-width=512"))) void name##_avx512 parameters  \
    {                                                                                                                  \
        name##_body arguments;                                                                                         \
    }                                                                                                                  \
    static __attribute__((target("avx2"))) void name##_avx2 parameters                                                 \
    {                                                                                                                  \
        name##_body arguments;                                                                                         \
    }                                                                                                                  \
    static void name##_plain parameters                                                                                \
    {                                                                                                                  \
        name##_body arguments;                                                                                         \
    }                                                                                                                  \
    void name parameters                                                                                               \
    {                                                                                                                  \
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&                                 \
            __builtin_cpu_supports("avx512vl"))                                                                        \
            name##_avx512 arguments;                                                                                   \
        else if (__builtin_cpu_supports("avx2"))                                                                       \
            name##_avx2 arguments;                                                                                     \
        else                                                                                                           \
            name##_plain arguments;                                                                                    \
    }

#endif
