/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pictures are in the folders? Files that end like a picture, below class folders; hidden
 * entries and the litter of archives are left out and counted. Links to files and to split and
 * class folders are followed, deeper ones are not, for they may lead back up. The folder of a
 * training run is left out: its sheets are no pictures to learn from.
 */
#include "data/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"

enum { MAX_DEPTH = 32, LINKS_DEPTH = 2 };

struct walk {
    struct gather *g;
    struct tree tree;
    const char *root;
    uint32_t store;
    struct error *err;
};

static xc_status walk_folder(struct walk *w, const char *folder, int depth);

/* A run writes these two first (train/run_files.c). */
static bool is_run(const char *folder)
{
    static const char *const name[] = {"log.txt", "args.json"};
    bool both = true;
    for (int i = 0; both && i < 2; i++) {
        char *path = NULL;
        both = asprintf(&path, "%s/%s", folder, name[i]) >= 0 && access(path, F_OK) == 0;
        free(path);
    }
    return both;
}

/* path: under the root */
static xc_status walk_entry(struct walk *w, const char *path, int depth)
{
    struct stat info, link;
    char *full = NULL;
    if (asprintf(&full, "%s/%s", w->root, path) < 0) return fail_memory(w->err, 0);
    bool there = stat(full, &info) == 0;
    bool linked = lstat(full, &link) == 0 && S_ISLNK(link.st_mode);
    xc_status status = XC_OK;
    if (there && S_ISDIR(info.st_mode) && is_run(full)) {
        w->g->runs++;
    } else if (there && S_ISDIR(info.st_mode) && (!linked || depth < LINKS_DEPTH)) {
        const size_t before = w->tree.entries, runs = w->g->runs;
        status = walk_folder(w, path, depth + 1);
        if (status == XC_OK && w->tree.entries == before && w->g->runs == runs &&
            depth < LINKS_DEPTH)
            status = gather_note(w->g, w->err, "%s holds no picture", path);
    } else if (path_is_image(path) && !(there && !S_ISREG(info.st_mode))) {
        uint64_t bytes = there ? (uint64_t)info.st_size : 0; /* a broken link fails when read */
        status = tree_add(&w->tree, (struct tree_entry){path, 0, bytes, w->store}, w->err);
    } else {
        w->g->others++;
    }
    free(full);
    return status;
}

static bool hidden(const char *name)
{
    return name[0] == '.' || !strcmp(name, "__MACOSX");
}

static xc_status walk_folder(struct walk *w, const char *folder, int depth)
{
    char *full = NULL, *path = NULL;
    if (depth > MAX_DEPTH)
        return fail(w->err, XC_ERR_LIMIT, "%s: folders deeper than %d", folder, MAX_DEPTH);
    if (asprintf(&full, "%s/%s", w->root, folder) < 0) return fail_memory(w->err, 0);
    DIR *dir = opendir(full);
    xc_status status = dir ? XC_OK : fail_errno(w->err, full, "cannot open");
    for (struct dirent *entry; status == XC_OK && (errno = 0, entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (hidden(entry->d_name)) {
            w->g->hidden++;
            continue;
        }
        if (asprintf(&path, "%s%s%s", folder, *folder ? "/" : "", entry->d_name) < 0)
            status = fail_memory(w->err, 0);
        else
            status = walk_entry(w, path, depth);
        free(path);
        path = NULL;
    }
    if (status == XC_OK && errno != 0) status = fail_errno(w->err, full, "cannot read");
    if (dir) closedir(dir);
    free(full);
    return status;
}

xc_status source_folder(struct gather *g, const char *path, struct error *err)
{
    struct walk w = {.g = g, .root = path, .err = err};
    g->d->kind = "folder";
    TRY(gather_store(g, (struct store){.kind = STORE_FILES, .path = path, .fd = -1}, &w.store,
                     err));
    xc_status status = walk_folder(&w, "", 0);
    if (status == XC_OK) status = tree_gather(&w.tree, false, g, err);
    tree_free(&w.tree);
    return status;
}
