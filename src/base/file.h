/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a whole file come in, and how does it go out so that a crash leaves the old one or the
 * new one? Out: temporary file in the same folder, write, fsync, rename, fsync of the folder.
 */
#ifndef XC_BASE_FILE_H
#define XC_BASE_FILE_H

#include "base/status.h"

struct file_view {
    const uint8_t *data;
    size_t size;
    void *mapping; /* how to release it: private to file.c */
    bool mapped;
};

/* Regular files only ("is a directory" is a sentence). max_bytes: refuse larger ones. */
XC_NODISCARD xc_status file_map(const char *path, size_t max_bytes, struct file_view *out,
                                struct error *err);
XC_NODISCARD xc_status file_read(const char *path, size_t max_bytes, struct file_view *out,
                                 struct error *err);
void file_release(struct file_view *view);
/* The bytes as a string of their own, with a zero behind them: free(). NULL: out of memory. */
char *file_text(const struct file_view *view);
/* Of a mapped file; nothing for memory, or for a file that was read. These bytes will be read soon:
 * their pages come now. Or they will not for a while: their pages may leave memory, and come back
 * when they are read. */
void file_expect(const struct file_view *view, const void *from, size_t size);
void file_forget(const struct file_view *view, const void *from, size_t size);

/* An atomic write in progress. file_out_commit syncs and renames; file_out_abort (also after a
 * failed write or commit) removes the temporary file and leaves the old one untouched; only when
 * the folder could not be synced is the new one in its place already. A file that is replaced keeps
 * its mode. */
struct file_out {
    int fd;
    char *path, *temporary;
};
XC_NODISCARD xc_status file_out_open(const char *path, struct file_out *out, struct error *err);
XC_NODISCARD xc_status file_out_write(struct file_out *out, const void *data, size_t size,
                                      struct error *err);
XC_NODISCARD xc_status file_out_commit(struct file_out *out, struct error *err);
void file_out_abort(struct file_out *out);
/* All of it, in one go. */
XC_NODISCARD xc_status file_write(const char *path, const void *data, size_t size,
                                  struct error *err);
/* Removes the temporary files that killed processes have left in a folder that only the caller
 * writes to. */
void file_sweep(const char *folder);

#endif
