/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fills, a rename or a sync that fails, at any call of the checkpoints: the old
 * checkpoint stays whole, no half-written file is left, and the run goes on from it to the bytes of
 * one that nothing happened to. The calls are those of the library, wrapped by the linker.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/runs.h"

/* ---- calls that fail ------------------------------------------------------------------------- */

enum call { CALL_WRITE, CALL_FSYNC, CALL_RENAME, CALLS };
static const int error_of[CALLS] = {ENOSPC, EIO, EACCES};

static struct {
    enum call call;
    long at;   /* fails at this call from now, 1 is the next; 0: never */
    bool once; /* or from then on */
    long count[CALLS];
} fault;

static bool fails(enum call call)
{
    fault.count[call]++;
    if (fault.at <= 0 || call != fault.call) return false;
    const long n = fault.count[call];
    if (n < fault.at || (fault.once && n > fault.at)) return false;
    errno = error_of[call];
    return true;
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    return fails(CALL_WRITE) ? -1 : __real_write(fd, data, size);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return fails(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return fails(CALL_RENAME) ? -1 : __real_rename(from, to);
}

/* ---- a run among them ------------------------------------------------------------------------ */

struct plan {
    enum call call;
    long at;
    bool once, armed;
    int notes;
};

/* The first save makes the run; faults begin behind it. */
static bool arm(void *user, const xc_train_progress *p)
{
    struct plan *plan = user;
    if (p->event == XC_TRAIN_NOTE) plan->notes++;
    if (p->event != XC_TRAIN_SAVED || plan->armed) return true;
    plan->armed = true;
    memset(fault.count, 0, sizeof fault.count);
    fault.call = plan->call;
    fault.once = plan->once;
    fault.at = plan->at;
    return true;
}

static void nothing_half_written(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strstr(entry->d_name, ".tmp")) print_error("%s is left\n", entry->d_name);
        assert_null(strstr(entry->d_name, ".tmp"));
    }
    closedir(dir);
    free(path);
}

static xc_status run_with(const xc_train_opts *from, struct plan *plan)
{
    xc_train_opts opts = *from;
    xc_dataset *data = runs_data(RUNS_USUAL);
    xc_context *context = runs_context(2);
    opts.save_seconds = 0;
    opts.progress = arm;
    opts.user = plan;
    const xc_status status = xc_train(context, data, &opts);
    fault.at = 0;
    xc_context_free(context);
    xc_dataset_free(data);
    return status;
}

/* Every second fault meets a run of AdamW. */
static const char *const whole[] = {"whole", "whole-adamw"};

static xc_train_opts opts_of(const char *folder, const char *name, bool adam)
{
    return adam ? runs_opts_adamw(folder, name) : runs_opts(folder, name);
}

static void one_fault(const char *folder, enum call call, long at, bool once, bool adam)
{
    char name[48];
    struct plan plan = {.call = call, .at = at, .once = once};
    snprintf(name, sizeof name, "%d-%ld-%d", (int)call, at, once);
    xc_train_opts opts = opts_of(folder, name, adam);
    const xc_status status = run_with(&opts, &plan);
    nothing_half_written(folder, name);
    if (once && status != XC_OK) print_error("%s: %s\n", name, xc_error());
    if (once)
        assert_true(status != XC_OK || plan.notes > 0); /* it is heard of, one way or the other */
    else
        assert_int_not_equal(status, XC_OK);
    if (status != XC_OK) assert_int_equal(status, call == CALL_WRITE ? XC_ERR_SPACE : XC_ERR_IO);
    if (status != XC_OK) assert_non_null(strstr(xc_error(), name)); /* the file */
    runs_resume(&opts, RUNS_USUAL, XC_OK);
    assert_true(runs_same(folder, whole[adam], name));
    runs_opts_free(&opts);
}

static void calls(void **state)
{
    (void)state;
    enum { PARTS = 4 };
    char *folder = runs_folder();
    long all[2][CALLS];
    for (int adam = 0; adam < 2; adam++) {
        struct plan never = {.call = CALL_WRITE, .at = 1L << 60};
        xc_train_opts opts = opts_of(folder, whole[adam], adam);
        assert_int_equal(run_with(&opts, &never), XC_OK);
        runs_opts_free(&opts);
        memcpy(all[adam], fault.count, sizeof all[adam]);
        print_message("%ld writes, %ld syncs, %ld renames\n", all[adam][0], all[adam][1],
                      all[adam][2]);
    }
    for (int call = 0; call < CALLS; call++)
        for (int part = 0; part < PARTS; part++) {
            const int adam = part % 2;
            assert_true(all[adam][call] > 50);
            const long at = 1 + part * all[adam][call] / PARTS;
            one_fault(folder, (enum call)call, at, false, adam);
            /* one that is not the last save's, which has no later try */
            one_fault(folder, (enum call)call, 1 + at * 2 / 3, true, adam);
        }
    runs_end(folder);
}

/* ---- a disk that is full --------------------------------------------------------------------- */

static const char *filler;

/* Takes all room that is left when the first epoch is done. */
static bool fill(void *user, const xc_train_progress *p)
{
    static const char block[4096];
    int *notes = user;
    if (p->event == XC_TRAIN_NOTE) *notes += strstr(p->note, "No space left") != NULL;
    if (p->event != XC_TRAIN_EPOCH || p->epoch != 1) return true;
    const int fd = open(filler, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0) continue;
    close(fd);
    return true;
}

static void full_disk(void **state)
{
    (void)state;
    char *folder = runs_folder(), *disk = NULL, *path = NULL;
    int notes = 0;
    assert_true(asprintf(&disk, "%s/disk", folder) > 0);
    assert_true(asprintf(&path, "%s/filler", disk) > 0);
    assert_int_equal(mkdir(disk, 0777), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=2m") != 0) {
        print_message("skipped: no file system of a fixed size: mount: %s\n", strerror(errno));
        free(disk);
        free(path);
        runs_end(folder);
        skip();
    }
    xc_train_opts opts = runs_opts(disk, "whole");
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    opts = runs_opts(disk, "broken");
    opts.save_seconds = 0;
    opts.progress = fill;
    opts.user = &notes;
    filler = path;
    runs_train(&opts, RUNS_USUAL, 2, XC_ERR_SPACE);
    print_message("%s (after %d notes)\n", xc_error(), notes);
    assert_int_equal(notes, 2);
    nothing_half_written(disk, "broken");
    assert_int_equal(unlink(path), 0);
    opts.progress = NULL;
    runs_resume(&opts, RUNS_USUAL, XC_OK);
    assert_true(runs_same(disk, "whole", "broken"));
    runs_opts_free(&opts);
    assert_int_equal(umount(disk), 0);
    free(disk);
    free(path);
    runs_end(folder);
}

RUN(cmocka_unit_test(calls), cmocka_unit_test(full_disk))
