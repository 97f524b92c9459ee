/* SPDX-License-Identifier: Apache-2.0 */
/* Operands to a flat list of paths. Folders are walked by hand (readdir, sorted) so that the order
 * never depends on the file system. */
#include "pictures.h"

#include <dirent.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "output.h"
#include "say.h"

#define MAX_DEPTH 64
#define MAX_STDIN (64u << 20)

static bool add(struct pictures *p, const char *path)
{
    if (p->count == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        char **grown = realloc(p->path, room * sizeof *grown);
        if (!grown) return false;
        p->path = grown;
        p->room = room;
    }
    p->path[p->count] = strdup(path);
    return p->path[p->count] ? ++p->count > 0 : false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Folders of one operand that were entered: a link may lead back up, and two to one place. */
struct walk {
    struct pictures *p;
    void *entered; /* of search.h */
};

struct place {
    dev_t device;
    ino_t inode;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

/* *first: for the first time. False: out of memory. */
static bool enter(struct walk *w, const struct stat *info, bool *first)
{
    struct place *place = malloc(sizeof *place);
    if (!place) return false;
    *place = (struct place){info->st_dev, info->st_ino};
    struct place **found = tsearch(place, &w->entered, by_place);
    *first = found && *found == place;
    if (!*first) free(place);
    return found != NULL;
}

static bool is_other_picture(const char *name)
{
    static const char *const ends[] = {".gif", ".tif", ".tiff", ".heic", ".heif", ".avif",
                                       ".jxl", ".jp2", ".cr2",  ".nef",  ".arw",  ".dng"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (output_ends(name, ends[i])) return true;
    return false;
}

static void leave_out(struct pictures *p, char **path)
{
    if (p->others++) return;
    p->other = *path;
    *path = NULL;
}

static bool walk(struct walk *w, const char *folder, int depth);

static bool walk_entry(struct walk *w, const char *folder, const char *name, int depth)
{
    struct stat info;
    char *path = NULL;
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    if (asprintf(&path, "%.*s/%s", (int)length, folder, name) < 0) return false;
    bool ok = true, first = false;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        ok = enter(w, &info, &first) && (!first || walk(w, path, depth + 1));
    else if (xc_path_is_image(name))
        ok = add(w->p, path);
    else if (is_other_picture(name))
        leave_out(w->p, &path);
    free(path);
    return ok;
}

static bool walk(struct walk *w, const char *folder, int depth)
{
    struct dirent **entry = NULL;
    bool ok = true;
    if (depth > MAX_DEPTH) {
        say_error("%s: folders deeper than %d are left out", folder, MAX_DEPTH);
        w->p->unreadable++;
        return true;
    }
    int n = scandir(folder, &entry, visible, by_name);
    if (n < 0) {
        say_error("%s: %s", folder, strerror(errno));
        w->p->unreadable++;
        return true;
    }
    for (int i = 0; i < n; i++) {
        ok = ok && walk_entry(w, folder, entry[i]->d_name, depth);
        free(entry[i]);
    }
    free(entry);
    return ok;
}

static bool add_operand(struct pictures *p, const char *operand)
{
    struct stat info;
    struct walk w = {.p = p};
    bool first;
    if (strcmp(operand, "-") == 0 || stat(operand, &info) != 0 || !S_ISDIR(info.st_mode))
        return add(p, operand);
    const bool ok = enter(&w, &info, &first) && walk(&w, operand, 0);
    tdestroy(w.entered, free);
    return ok;
}

static bool add_list(struct pictures *p, const char *list, int *code)
{
    FILE *file = strcmp(list, "-") == 0 ? stdin : fopen(list, "re");
    char *word = NULL;
    size_t room = 0;
    bool ok = true;
    if (!file) {
        say_error("--files0-from: %s: %s", list, strerror(errno));
        *code = EXIT_DATA;
        return false;
    }
    while (ok && getdelim(&word, &room, 0, file) > 0)
        if (*word) ok = add_operand(p, word);
    if (ferror(file)) {
        say_error("--files0-from: %s: %s", list, strerror(errno));
        p->unreadable++;
    }
    free(word);
    if (file != stdin) fclose(file);
    return ok;
}

bool pictures_find(struct pictures *p, char *const *operand, int operands, const char *files0,
                   int *code)
{
    bool ok = true;
    *p = (struct pictures){0};
    *code = EXIT_LIMIT;
    for (int i = 0; ok && i < operands; i++) ok = add_operand(p, operand[i]);
    if (ok && files0) ok = add_list(p, files0, code);
    if (!ok) {
        if (*code == EXIT_LIMIT) say_error("out of memory for the list of pictures");
        return false;
    }
    if (p->others)
        say_line("%zu picture%s of kinds that are not read left out, %s first", p->others,
                 p->others == 1 ? "" : "s", p->other);
    if (p->count == 0) {
        say_error("no picture found in %s", operands ? operand[0] : files0);
        say_hint(
            "jpg, jpeg, png, webp, bmp, pnm, ppm, pgm and pbm files are looked for in folders");
        *code = EXIT_DATA;
        return false;
    }
    *code = EXIT_DONE;
    return true;
}

void pictures_free(struct pictures *p)
{
    for (size_t i = 0; i < p->count; i++) free(p->path[i]);
    free(p->path);
    free(p->other);
    *p = (struct pictures){0};
}

/* All of stdin; the library applies its own limit on the bytes of a picture. */
static xc_status load_stdin(xc_image **out)
{
    size_t size = 0, room = 1u << 16;
    char *bytes = malloc(room);
    while (bytes && size <= MAX_STDIN) {
        size_t got = fread(bytes + size, 1, room - size, stdin);
        size += got;
        if (got == 0) break;
        if (size < room) continue;
        char *grown = realloc(bytes, room *= 2);
        if (!grown) free(bytes);
        bytes = grown;
    }
    xc_status status = bytes ? xc_image_decode(bytes, size, NULL, out) : XC_ERR_MEMORY;
    if (!bytes) say_error("-: out of memory for the picture");
    free(bytes);
    return status;
}

xc_status picture_load(const char *path, xc_image **out)
{
    if (strcmp(path, "-") == 0) return load_stdin(out);
    return xc_image_load(path, NULL, out);
}

const char *picture_folder(const char *path, size_t *length)
{
    const char *end = strrchr(path, '/');
    if (!end) {
        *length = 0;
        return path;
    }
    const char *begin = end;
    while (begin > path && begin[-1] != '/') begin--;
    *length = (size_t)(end - begin);
    return begin;
}

static void *load_ahead(void *user)
{
    struct decoded *d = user;
    d->status = picture_load(d->path, &d->image);
    snprintf(d->why, sizeof d->why, "%s", d->status == XC_OK ? "" : xc_error_of(d->status));
    return NULL;
}

static size_t in_hand(const struct ahead *a)
{
    return a->count - a->at < a->each ? a->count - a->at : a->each;
}

static void start_ahead(struct ahead *a)
{
    for (size_t i = 0; i < in_hand(a); i++) {
        struct decoding *d = &a->one[i];
        d->decoded = (struct decoded){.path = a->path[a->at + i]};
        d->started = strcmp(d->decoded.path, "-") != 0 && /* there is one stdin */
                     pthread_create(&d->thread, NULL, load_ahead, &d->decoded) == 0;
        if (!d->started) load_ahead(&d->decoded);
    }
}

static void join_ahead(struct ahead *a)
{
    for (size_t i = 0; i < in_hand(a); i++) {
        if (a->one[i].started) pthread_join(a->one[i].thread, NULL);
        a->one[i].started = false;
    }
}

void ahead_begin(struct ahead *a, char *const *path, size_t count, size_t each)
{
    *a = (struct ahead){.path = path, .count = count, .each = each};
    start_ahead(a);
}

size_t ahead_take(struct ahead *a, struct decoded out[AHEAD_MOST])
{
    const size_t n = in_hand(a);
    join_ahead(a);
    for (size_t i = 0; i < n; i++) out[i] = a->one[i].decoded;
    a->at += n;
    start_ahead(a);
    return n;
}

void ahead_end(struct ahead *a)
{
    join_ahead(a);
    for (size_t i = 0; i < in_hand(a); i++) xc_image_free(a->one[i].decoded.image);
    *a = (struct ahead){0};
}
