/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the binary files of CIFAR read? Records of one label byte (CIFAR-100: a coarse one, then
 * the fine one that counts) and 32x32 pixels as three planes. Class names stand beside them in a
 * text file; without it the classes are numbers.
 */
#include "data/source.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, MAX_RECORDS = 1 << 24 };

static const struct {
    const char *file;
    uint8_t split;
    int labels; /* bytes in front of the pixels */
} files[] = {
    {"data_batch_1.bin", XC_SPLIT_TRAIN, 1}, {"data_batch_2.bin", XC_SPLIT_TRAIN, 1},
    {"data_batch_3.bin", XC_SPLIT_TRAIN, 1}, {"data_batch_4.bin", XC_SPLIT_TRAIN, 1},
    {"data_batch_5.bin", XC_SPLIT_TRAIN, 1}, {"test_batch.bin", XC_SPLIT_TEST, 1},
    {"train.bin", XC_SPLIT_TRAIN, 2},        {"test.bin", XC_SPLIT_TEST, 2},
};

/* Names of the classes, one a line; line[i] points into text. */
struct names {
    char *text;
    const char *line[256];
    int count;
};

static char *path_in(const char *folder, const char *file)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, file) < 0 ? NULL : path;
}

static xc_status read_names(const char *folder, const char *file, struct names *out,
                            struct error *err)
{
    char *path = path_in(folder, file);
    struct file_view view = {0};
    *out = (struct names){0};
    if (!path) return fail_memory(err, 0);
    if (access(path, R_OK) == 0) {
        xc_status status = file_read(path, 1 << 16, &view, err);
        out->text = status == XC_OK ? file_text(&view) : NULL;
        file_release(&view);
        if (!out->text) {
            free(path);
            return status == XC_OK ? fail_memory(err, 0) : status;
        }
        char *rest = NULL;
        for (char *word = strtok_r(out->text, "\r\n", &rest); word && out->count < 256;
             word = strtok_r(NULL, "\r\n", &rest))
            out->line[out->count++] = word;
    }
    free(path);
    return XC_OK;
}

static xc_status add_records(struct gather *g, const char *path, int fd, int labels, uint8_t split,
                             uint32_t store, const struct names *names, struct error *err)
{
    const char *file = strrchr(path, '/') + 1;
    struct stat info;
    size_t record = (size_t)(PIXELS + labels);
    char name[64], number[8];
    if (fstat(fd, &info) != 0) return fail_errno(err, path, "cannot look at");
    uint64_t bytes = (uint64_t)info.st_size, count = bytes / record;
    if (bytes % record != 0 || count == 0 || count > MAX_RECORDS)
        return fail(err, XC_ERR_FORMAT, "%s: %" PRIu64 " bytes are no records of %zu", path, bytes,
                    record);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t label[2] = {0};
        uint64_t at = i * record; /* inside the file */
        if (pread(fd, label, (size_t)labels, (off_t)at) != labels)
            return fail_errno(err, path, "cannot read");
        uint8_t fine = label[labels - 1];
        if (names->count && fine >= names->count)
            return fail(err, XC_ERR_FORMAT,
                        "%s: record %" PRIu64 ": label %u is out of range, %d names", path, i, fine,
                        names->count);
        snprintf(name, sizeof name, "%s/%.*s/%06" PRIu64, split_name((xc_split)split),
                 (int)strcspn(file, "."), file, i);
        snprintf(number, sizeof number, "%u", fine);
        TRY(gather_add(g,
                       &(struct found){.name = name,
                                       .label = names->count ? names->line[fine] : number,
                                       .offset = at + (uint64_t)labels,
                                       .bytes = PIXELS,
                                       .store = store,
                                       .weight = 1.0f,
                                       .split = split},
                       err));
    }
    return XC_OK;
}

static xc_status read_file(struct gather *g, const char *path, int labels, uint8_t split,
                           const struct names *names, struct error *err)
{
    uint32_t store;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_errno(err, path, "cannot open");
    TRY(gather_store(g, (struct store){.kind = STORE_PART, .path = path, .fd = fd}, &store, err));
    return add_records(g, path, fd, labels, split, store, names, err);
}

static bool present(const char *folder, size_t i)
{
    char *path = path_in(folder, files[i].file);
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

bool folder_has_cifar(const char *path)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (present(path, i)) return true;
    return false;
}

xc_status source_cifar(struct gather *g, const char *folder, struct error *err)
{
    struct names ten, hundred;
    xc_status status = read_names(folder, "batches.meta.txt", &ten, err);
    if (status != XC_OK) return status;
    status = read_names(folder, "fine_label_names.txt", &hundred, err);
    g->numbers = true;
    g->d->kind = "cifar";
    g->d->raw = (struct raw_shape){SIDE, SIDE, 3, true};
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == XC_OK; i++) {
        if (!present(folder, i)) continue;
        char *path = path_in(folder, files[i].file);
        status = path ? read_file(g, path, files[i].labels, files[i].split,
                                  files[i].labels == 1 ? &ten : &hundred, err)
                      : fail_memory(err, 0);
        free(path);
    }
    free(hundred.text);
    free(ten.text);
    return status;
}
