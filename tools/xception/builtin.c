/* SPDX-License-Identifier: Apache-2.0 */
/* The model that the command carries: the bytes of XCEPTION_BUILTIN, a file of ours, as they are.
 * Another one is built in with cmake -DXCEPTION_BUILTIN=FILE; an empty name: none. */
#include "builtin.h"

#ifdef XCEPTION_BUILTIN

__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        "builtin_begin:\n"
        ".incbin \"" XCEPTION_BUILTIN "\"\n"
        "builtin_end:\n"
        ".popsection\n");

extern const unsigned char builtin_begin[], builtin_end[];

const void *builtin_model(size_t *size)
{
    *size = (size_t)(builtin_end - builtin_begin);
    return builtin_begin;
}

const char *builtin_sha256(void)
{
    return XCEPTION_BUILTIN_SHA256;
}

#else

const void *builtin_model(size_t *size)
{
    *size = 0;
    return NULL;
}

const char *builtin_sha256(void)
{
    return "";
}

#endif
