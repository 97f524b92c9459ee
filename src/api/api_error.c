/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, for a program? The sentence is kept for each thread, which is the only thing in
 * the library that changes outside a handle.
 */
#include "api/api.h"

#include <string.h>

static _Thread_local struct error last_error;

struct error *api_error(void)
{
    return &last_error;
}

const char *xc_error(void)
{
    return last_error.text;
}

const char *xc_error_of(xc_status status)
{
    const bool said = last_error.status == status && *last_error.text;
    return said ? last_error.text : xc_status_text(status);
}

const char *xc_version(void)
{
    return XC_VERSION;
}

xc_status options_read(void *to, size_t known, const void *from, const char *what)
{
    uint32_t size, full = (uint32_t)known;
    if (!from) return XC_OK;
    memcpy(&size, from, sizeof size);
    if (size < sizeof size || size > known)
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "%s.size is %u, expected 4..%zu: initialise it with its _INIT macro", what,
                    size, known);
    memcpy(to, from, size);
    memcpy(to, &full, sizeof full);
    return XC_OK;
}

xc_status refuse_null(const char *name)
{
    return fail(api_error(), XC_ERR_ARGUMENT, "%s is NULL", name);
}

xc_status check_precision(xc_precision precision)
{
    if (precision >= XC_PRECISION_F32 && precision <= XC_PRECISION_AUTO) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "precision: %d is not one of xc_precision",
                (int)precision);
}
