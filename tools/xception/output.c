/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

bool output_open(struct output *o, const char *folder, const char *name)
{
    struct stat info;
    *o = (struct output){0};
    snprintf(o->path, sizeof o->path, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    const bool in_place = lstat(o->path, &info) == 0 && !S_ISREG(info.st_mode);
    o->file = in_place ? fopen(o->path, "wbe") : open_memstream(&o->text, &o->size);
    if (!o->file) say_error("%s: %s", o->path, strerror(errno));
    return o->file != NULL;
}

int output_close(struct output *o)
{
    const bool failed = ferror(o->file) != 0;
    int code = EXIT_DONE;
    if (fclose(o->file) != 0 || failed) {
        say_error("%s: %s", o->path, strerror(errno));
        code = EXIT_LIMIT;
    } else if (o->text) {
        const xc_status status = xc_file_write(o->path, o->text, o->size);
        if (status != XC_OK) code = say_status(status, EXIT_DATA);
    }
    free(o->text);
    return code;
}

/* The folder that path is in; slashes at its end are none of its own. */
static void folder_of(const char *path, char *out, size_t size)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    while (length > 0 && path[length - 1] != '/') length--;
    snprintf(out, size, "%.*s", length ? (int)length : 1, length ? path : ".");
}

bool output_has_place(const char *path)
{
    char folder[4096];
    struct stat info;
    if (!path || !strcmp(path, "-")) return true;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return true;
    folder_of(path, folder, sizeof folder);
    if (access(folder, W_OK | X_OK) == 0) return true;
    say_error("%s: cannot be made: %s", path, strerror(errno));
    return false;
}

bool output_ends(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n >= m && strcasecmp(path + n - m, end) == 0;
}

bool output_is_named(const char *path, const char *what, const char *end, const char *other)
{
    if (!path || output_ends(path, end) || (other && output_ends(path, other))) return true;
    say_usage("%s: %s is a %s%s%s file", path, what, end, other ? " or " : "", other ? other : "");
    return false;
}

bool output_has_others(const char *folder, const char *const *name, int names)
{
    DIR *dir = opendir(folder);
    bool others = false;
    for (const struct dirent *e; dir && !others && (e = readdir(dir));) {
        others = e->d_name[0] != '.';
        for (int i = 0; i < names; i++) others &= strcmp(e->d_name, name[i]) != 0;
    }
    if (dir) closedir(dir);
    return others;
}

/* ---- never over what is read ----------------------------------------------------------------- */

static bool names_file(const struct option *o)
{
    static const char *const words[] = {"FILE", "MODEL", "DATA"};
    for (int i = 0; o->arg && i < 3; i++)
        if (strncmp(o->arg, words[i], strlen(words[i])) == 0) return true;
    return false;
}

/* Where `path` itself stands among the words, it is no input. */
static bool is_same(const struct stat *out, const char *path, const char *in)
{
    struct stat info;
    return in && in != path && stat(in, &info) == 0 && info.st_dev == out->st_dev &&
           info.st_ino == out->st_ino;
}

const char *output_input(const struct args *args, const char *path, const struct pictures *pictures)
{
    struct stat out;
    const char *in = NULL;
    if (!path || stat(path, &out) != 0 || !S_ISREG(out.st_mode)) return NULL;
    for (int i = 0; i < args->options && !in; i++)
        if (names_file(args->option[i]) && is_same(&out, path, args->value[i])) in = args->value[i];
    for (int i = 0; i < args->operands && !in; i++)
        if (is_same(&out, path, args->operand[i])) in = args->operand[i];
    for (size_t i = 0; pictures && i < pictures->count && !in; i++)
        if (is_same(&out, path, pictures->path[i])) in = pictures->path[i];
    return in;
}

bool output_has_input(const char *folder, const struct pictures *pictures)
{
    char own[4096], last[4096] = "";
    struct stat out, info;
    if (stat(folder, &out) != 0) return false;
    for (size_t i = 0; i < pictures->count; i++) {
        folder_of(pictures->path[i], own, sizeof own);
        if (strcmp(own, last) == 0) continue; /* as that before */
        memcpy(last, own, sizeof last);
        if (stat(own, &info) == 0 && info.st_dev == out.st_dev && info.st_ino == out.st_ino)
            return true;
    }
    return false;
}

bool output_is_input(const struct args *args, const char *path, const struct pictures *pictures)
{
    const char *in = output_input(args, path, pictures);
    if (in) say_usage("%s: would be written over the input %s", path, in);
    return in != NULL;
}

/* Is it in the folder, and named as files that hold samples (of WebDataset, CIFAR, IDX) are? */
static bool holds_samples(const char *path, const char *folder)
{
    static const char *const ends[] = {".tar", ".bin", "ubyte", ".gz", ".txt"};
    char own[4096];
    struct stat info;
    bool named = false;
    for (int i = 0; i < 5; i++) {
        const size_t length = strlen(path), end = strlen(ends[i]);
        named |= length > end && strcmp(path + length - end, ends[i]) == 0;
    }
    folder_of(path, own, sizeof own);
    return named && stat(own, &info) == 0 && is_same(&info, own, folder);
}

static bool is_picture(const struct stat *out, const char *path, const char *folder,
                       const xc_dataset *set, uint64_t count)
{
    char file[8192];
    xc_sample sample;
    for (uint64_t i = 0; i < count && xc_dataset_sample(set, i, &sample) == XC_OK; i++) {
        const bool whole = sample.name[0] == '/';
        snprintf(file, sizeof file, "%s%s%s", whole ? "" : folder, whole ? "" : "/", sample.name);
        if (is_same(out, path, file)) return true;
    }
    return false;
}

bool output_is_sample(const char *path, const char *data, const xc_dataset *set)
{
    struct stat out;
    xc_dataset_info info;
    char folder[4096];
    if (!path || stat(path, &out) != 0 || !S_ISREG(out.st_mode)) return false;
    xc_dataset_get_info(set, &info);
    if (stat(data, &(struct stat){0}) == 0 && strcmp(info.kind, "list") != 0)
        snprintf(folder, sizeof folder, "%s", data); /* of files, or of files that hold some */
    else
        folder_of(data, folder, sizeof folder);
    const bool files = !strcmp(info.kind, "folder") || !strcmp(info.kind, "list");
    const bool inside =
        files ? is_picture(&out, path, folder, set, info.samples) : holds_samples(path, folder);
    if (inside) say_usage("%s: would be written over a part of the data set %s", path, data);
    return inside;
}
