/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences, paths, whole files. */
#include "study.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

xc_status refuse(struct why *why, xc_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return status;
}

xc_status refuse_as(struct why *why, xc_status status)
{
    if (status == XC_OK) return status;
    return refuse(why, status, "%s", xc_error_of(status));
}

char *join(const char *folder, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

xc_status remove_folder(const char *path, struct why *why)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return XC_OK;
    return refuse(why, XC_ERR_IO, "%s: %s", path, strerror(errno));
}

xc_status read_file(const char *path, size_t most, char **out, size_t *size, struct why *why)
{
    FILE *file = fopen(path, "rbe");
    char *text = file ? malloc(most + 1) : NULL;
    *out = NULL;
    *size = text ? fread(text, 1, most, file) : 0;
    xc_status status = XC_OK;
    if (!file)
        status = refuse(why, XC_ERR_IO, "%s: %s", path, strerror(errno));
    else if (!text)
        status = refuse(why, XC_ERR_MEMORY, "%s: out of memory", path);
    else if (ferror(file) || fgetc(file) != EOF)
        status = refuse(why, XC_ERR_IO, "%s: not readable, or more than %zu bytes", path, most);
    if (file) fclose(file);
    if (status == XC_OK) {
        text[*size] = 0;
        *out = text;
        return XC_OK;
    }
    free(text);
    return status;
}
