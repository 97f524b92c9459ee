/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

bool output_open(struct output *o, const char *folder, const char *name)
{
    snprintf(o->path, sizeof o->path, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    const char *slash = strrchr(o->path, '/'), *base = slash ? slash + 1 : o->path;
    struct stat info;
    const bool in_place = lstat(o->path, &info) == 0 && !S_ISREG(info.st_mode);
    if (in_place) /* a device, a pipe, a link: never replaced */
        snprintf(o->part, sizeof o->part, "%s", o->path);
    else
        snprintf(o->part, sizeof o->part, "%.*s.%s.part", (int)(base - o->path), o->path, base);
    o->file = fopen(o->part, "wbe");
    if (!o->file) say_error("%s: %s", o->path, strerror(errno));
    return o->file != NULL;
}

int output_close(struct output *o)
{
    const bool failed = ferror(o->file) != 0, in_place = strcmp(o->part, o->path) == 0;
    const bool closed = fclose(o->file) == 0 && !failed;
    if (closed && (in_place || rename(o->part, o->path) == 0)) return EXIT_DONE;
    say_error("%s: %s", o->path, strerror(errno));
    if (!in_place) unlink(o->part);
    return EXIT_LIMIT;
}
