/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a whole file come in, and how does it go out so that a crash leaves the old one or the
 * new one? Opens only regular files (without waiting for the other end of a fifo), looks at the
 * opened descriptor and not at the path, and finishes short writes. A mapped file that somebody
 * truncates raises SIGBUS at the reader: who must outlive that uses file_read.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"

enum { LARGEST_TRANSFER = 1 << 30, NAME_ROOM = 48, NAME_TRIES = 100 };

#ifndef MADV_POPULATE_READ /* Linux 5.14; others refuse it, and pages come as they are read */
#define MADV_POPULATE_READ 22
#endif

static xc_status refuse_kind(const char *path, mode_t mode, struct error *err)
{
    const char *kind = S_ISDIR(mode)    ? "is a directory"
                       : S_ISFIFO(mode) ? "is a pipe"
                       : S_ISSOCK(mode) ? "is a socket"
                                        : "is a device";
    return fail(err, XC_ERR_IO, "%s: %s, not a regular file", path, kind);
}

static xc_status open_regular(const char *path, size_t max_bytes, int *fd, size_t *size,
                              struct error *err)
{
    int opened;
    do opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (opened < 0 && errno == EINTR);
    if (opened < 0) return fail_errno(err, path, "cannot open");
    struct stat info;
    xc_status status = XC_OK;
    if (fstat(opened, &info) != 0)
        status = fail_errno(err, path, "cannot look at");
    else if (!S_ISREG(info.st_mode))
        status = refuse_kind(path, info.st_mode, err);
    else if ((uintmax_t)info.st_size > max_bytes)
        status = fail(err, XC_ERR_LIMIT, "%s: has %jd bytes, the limit is %zu", path,
                      (intmax_t)info.st_size, max_bytes);
    if (status != XC_OK) {
        close(opened);
        return status;
    }
    *fd = opened;
    *size = (size_t)info.st_size;
    return XC_OK;
}

xc_status file_map(const char *path, size_t max_bytes, struct file_view *out, struct error *err)
{
    *out = (struct file_view){.data = (const uint8_t *)""};
    int fd;
    size_t size;
    TRY(open_regular(path, max_bytes, &fd, &size, err));
    xc_status status = XC_OK;
    if (size > 0) { /* an empty range cannot be mapped */
        void *place = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (place == MAP_FAILED)
            status = fail_errno(err, path, "cannot map");
        else
            *out = (struct file_view){place, size, place, true};
    }
    close(fd);
    return status;
}

/* Advice on all pages that these bytes of a mapped file touch. */
static void advise(const struct file_view *view, const void *from, size_t size, int advice)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t at = (uintptr_t)from - (uintptr_t)view->data, begin = at & ~(page - 1);
    if (!view->mapped || at >= view->size || size > view->size - at) return;
    (void)madvise((char *)view->mapping + begin, at + size - begin, advice);
}

void file_expect(const struct file_view *view, const void *from, size_t size)
{
    advise(view, from, size, MADV_POPULATE_READ);
}

void file_forget(const struct file_view *view, const void *from, size_t size)
{
    advise(view, from, size, MADV_DONTNEED);
}

static xc_status read_all(const char *path, int fd, uint8_t *to, size_t size, struct error *err)
{
    size_t at = 0;
    while (at < size) {
        size_t step = size - at < LARGEST_TRANSFER ? size - at : LARGEST_TRANSFER;
        ssize_t got = read(fd, to + at, step);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(err, path, "cannot read");
        if (got == 0) return fail(err, XC_ERR_IO, "%s: became shorter while it was read", path);
        at += (size_t)got;
    }
    return XC_OK;
}

xc_status file_read(const char *path, size_t max_bytes, struct file_view *out, struct error *err)
{
    *out = (struct file_view){.data = (const uint8_t *)""};
    int fd;
    size_t size;
    TRY(open_regular(path, max_bytes, &fd, &size, err));
    void *memory;
    uint8_t *data = aligned_large(size, &memory); /* so that numbers lie as in a mapped file */
    xc_status status = data ? read_all(path, fd, data, size, err) : fail_memory(err, size);
    close(fd);
    if (status != XC_OK)
        free(memory);
    else
        *out = (struct file_view){data, size, memory, false};
    return status;
}

void file_release(struct file_view *view)
{
    if (view->mapped)
        munmap(view->mapping, view->size);
    else
        free(view->mapping);
    *view = (struct file_view){0};
}

char *file_text(const struct file_view *view)
{
    char *text = malloc(view->size + 1);
    if (!text) return NULL;
    memcpy(text, view->data, view->size);
    text[view->size] = '\0';
    return text;
}

/* Where the bytes must end up: the file behind a symbolic link, else the path itself. *mode: of the
 * file that is there; 0: none is. */
static xc_status resolve_target(const char *path, char **target, mode_t *mode, struct error *err)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) return refuse_kind(path, info.st_mode, err);
    *mode = exists ? info.st_mode & 0777 : 0;
    *target = exists ? realpath(path, NULL) : strdup(path);
    if (!*target) return fail_errno(err, path, "cannot resolve");
    return XC_OK;
}

/* Length of the folder part, the slash included; 0 when there is none. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A new file beside the target; short, so that the longest legal target has room for it. */
static int open_temporary(char *name, size_t folder)
{
    int fd = -1;
    struct timespec now = {0};
    for (int i = 0; i < NAME_TRIES && fd < 0;
         i++) { /* killed processes with our number left some */
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(name + folder, NAME_ROOM, ".xception-%ld-%lx%08lx.tmp", (long)getpid(),
                 (unsigned long)now.tv_sec, (unsigned long)now.tv_nsec);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* less the umask */
        if (fd < 0 && errno != EEXIST && errno != EINTR) break;
    }
    return fd;
}

xc_status file_out_open(const char *path, struct file_out *out, struct error *err)
{
    *out = (struct file_out){.fd = -1};
    mode_t mode = 0;
    TRY(resolve_target(path, &out->path, &mode, err));
    size_t folder = folder_length(out->path);
    out->temporary = malloc(folder + NAME_ROOM);
    if (!out->temporary) {
        file_out_abort(out);
        return fail_memory(err, folder + NAME_ROOM);
    }
    memcpy(out->temporary, out->path, folder);
    out->fd = open_temporary(out->temporary, folder);
    if (out->fd >= 0 && (!mode || fchmod(out->fd, mode) == 0)) return XC_OK;
    xc_status status =
        fail_errno(err, path, out->fd >= 0 ? "cannot keep its mode" : "cannot create");
    file_out_abort(out);
    return status;
}

xc_status file_out_write(struct file_out *out, const void *data, size_t size, struct error *err)
{
    const char *from = data;
    while (size > 0) {
        size_t step = size < LARGEST_TRANSFER ? size : LARGEST_TRANSFER;
        ssize_t put = write(out->fd, from, step);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(err, out->path, "cannot write");
        from += put;
        size -= (size_t)put;
    }
    return XC_OK;
}

static xc_status sync_folder(const char *path, struct error *err)
{
    size_t length = folder_length(path);
    char *folder = length ? strndup(path, length) : strdup(".");
    if (!folder) return fail_memory(err, length + 1);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* a folder that may be written but not read, or a file system without the call: no promise */
    bool synced = fd < 0 || fsync(fd) == 0 || errno == EINVAL;
    xc_status status = synced ? XC_OK : fail_errno(err, folder, "cannot sync");
    if (fd >= 0) close(fd);
    free(folder);
    return status;
}

xc_status file_out_commit(struct file_out *out, struct error *err)
{
    if (fsync(out->fd) != 0 && errno != EINVAL) return fail_errno(err, out->path, "cannot sync");
    int fd = out->fd;
    out->fd = -1;
    if (close(fd) != 0 && errno != EINTR) return fail_errno(err, out->path, "cannot write");
    if (rename(out->temporary, out->path) != 0) return fail_errno(err, out->path, "cannot replace");
    free(out->temporary);
    out->temporary = NULL;
    xc_status status = sync_folder(out->path, err);
    file_out_abort(out); /* only the names are left */
    return status;
}

xc_status file_write(const char *path, const void *data, size_t size, struct error *err)
{
    struct file_out out;
    TRY(file_out_open(path, &out, err));
    xc_status status = file_out_write(&out, data, size, err);
    if (status == XC_OK) status = file_out_commit(&out, err);
    if (status != XC_OK) file_out_abort(&out);
    return status;
}

/* The process that a temporary file is named after, if that is what `name` is. */
static long owner_of(const char *name)
{
    long owner = 0;
    int end = 0;
    sscanf(name, ".xception-%ld-%*[0-9a-f].tmp%n", &owner, &end);
    return end > 0 && !name[end] ? owner : 0;
}

void file_sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        const long owner = owner_of(e->d_name);
        if (owner <= 0) continue;
        const bool lives = kill((pid_t)owner, 0) == 0 || errno != ESRCH;
        /* ours: a killed process had our number, as in a container all have */
        if (!lives || owner == getpid()) unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir) closedir(dir);
}

void file_out_abort(struct file_out *out)
{
    if (out->fd >= 0 && out->temporary) close(out->fd);
    if (out->temporary) unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    *out = (struct file_out){.fd = -1};
}
