/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can this processor do, and what does a level word allow? The compiler's run-time library
 * asks the processor once, before main, and also whether the operating system saves the wide
 * registers.
 */
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernel/kernel.h"

/* Tile registers with brain floats, and a system that saves them; whether this process may use them
 * is another question (amx_check.c). */
static bool has_tiles(void)
{
#if defined(__x86_64__)
    const unsigned wanted = 1u << 22 /* brain floats */ | 1u << 24 /* tiles */, saved = 3u << 17;
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & wanted) != wanted) return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & saved) == saved;
#else
    return false;
#endif
}

unsigned cpu_flags(void)
{
    unsigned flags = 0;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("fma")) flags |= CPU_FMA;
    if (__builtin_cpu_supports("avx2")) flags |= CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        flags |= CPU_AVX512;
    if (__builtin_cpu_supports("avx512vnni")) flags |= CPU_VNNI;
    if (__builtin_cpu_supports("avx512bf16")) flags |= CPU_BF16;
    if (flags & CPU_BF16 && has_tiles()) flags |= CPU_AMX;
#endif
    return flags;
}

void cpu_flags_text(unsigned flags, char *text, size_t size)
{
    static const struct {
        unsigned flag;
        const char *word;
    } words[] = {{CPU_FMA, "fma"},   {CPU_AVX2, "avx2"}, {CPU_AVX512, "avx512"},
                 {CPU_VNNI, "vnni"}, {CPU_BF16, "bf16"}, {CPU_AMX, "amx"}};
    if (size == 0) return;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t used = strlen(text);
        if (flags & words[i].flag)
            snprintf(text + used, size - used, "%s%s", used ? " " : "", words[i].word);
    }
}

/* Lowest first; each allows what the one before it does. */
static const struct {
    const char *word;
    unsigned allowed;
} levels[] = {
    {"ref", 0},
    {"ref-fma", CPU_FMA},
    {"avx2", CPU_FMA | CPU_AVX2},
    {"avx512", CPU_FMA | CPU_AVX2 | CPU_AVX512 | CPU_VNNI},
    {"avx512bf16", CPU_FMA | CPU_AVX2 | CPU_AVX512 | CPU_VNNI | CPU_BF16},
    {"amx", CPU_FMA | CPU_AVX2 | CPU_AVX512 | CPU_VNNI | CPU_BF16 | CPU_AMX},
};

const char *cpu_level(size_t i)
{
    return i < sizeof levels / sizeof *levels ? levels[i].word : NULL;
}

bool cpu_level_flags(const char *level, unsigned *allowed)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(level, levels[i].word) != 0) continue;
        *allowed = levels[i].allowed;
        return true;
    }
    return false;
}
