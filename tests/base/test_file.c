/* SPDX-License-Identifier: Apache-2.0 */
/* Does a file come in whole or not at all, and go out so that the old one survives a failure? */
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static char folder[64];

static const char *at(const char *name)
{
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/xception-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static int entries(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(dir);
    return count;
}

static void put(const char *path, const char *text)
{
    struct file_out out;
    struct error err;
    assert_int_equal(file_out_open(path, &out, &err), XC_OK);
    assert_int_equal(file_out_write(&out, text, strlen(text), &err), XC_OK);
    assert_int_equal(file_out_commit(&out, &err), XC_OK);
    file_out_abort(&out); /* after a commit: nothing to do */
}

static void assert_holds(const char *path, const char *text)
{
    struct file_view view;
    struct error err;
    for (int mapped = 0; mapped < 2; mapped++) {
        xc_status status =
            mapped ? file_map(path, 1 << 20, &view, &err) : file_read(path, 1 << 20, &view, &err);
        assert_int_equal(status, XC_OK);
        assert_int_equal(view.size, strlen(text));
        assert_memory_equal(view.data, text, view.size);
        assert_int_equal(view.mapped, mapped && view.size > 0);
        file_release(&view);
        assert_null(view.data);
    }
}

static void assert_refused(const char *path, size_t limit, xc_status status, const char *part)
{
    struct file_view view;
    struct error err = {0};
    assert_int_equal(file_map(path, limit, &view, &err), status);
    assert_non_null(strstr(err.text, part));
    assert_int_equal(file_read(path, limit, &view, &err), status);
    assert_non_null(strstr(err.text, part));
    file_release(&view); /* after a refusal: nothing to do */
}

static void test_out_and_in(void **state)
{
    (void)state;
    put(at("a"), "first");
    assert_holds(at("a"), "first");
    put(at("a"), "second, longer");
    assert_holds(at("a"), "second, longer");
    put(at("empty"), "");
    assert_holds(at("empty"), "");
    assert_int_equal(entries(), 2);
}

static void test_what_is_not_a_regular_file(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    put(at("big"), "12345");
    assert_refused(folder, 9, XC_ERR_IO, "is a directory");
    assert_refused(at("pipe"), 9, XC_ERR_IO, "is a pipe");
    assert_refused("/dev/null", 9, XC_ERR_IO, "is a device");
    assert_refused(at("none"), 9, XC_ERR_IO, "No such file");
    assert_refused(at("big"), 4, XC_ERR_LIMIT, "limit is 4");
    struct file_out out;
    struct error err;
    assert_int_equal(file_out_open(folder, &out, &err), XC_ERR_IO);
    assert_int_equal(file_out_open("/dev/null", &out, &err), XC_ERR_IO);
    assert_int_equal(file_out_open(at("none/m"), &out, &err), XC_ERR_IO);
    file_out_abort(&out);
}

static void test_abort_leaves_the_old_one(void **state)
{
    (void)state;
    put(at("a"), "old");
    struct file_out out;
    struct error err;
    assert_int_equal(file_out_open(at("a"), &out, &err), XC_OK);
    assert_int_equal(file_out_write(&out, "new", 3, &err), XC_OK);
    assert_int_equal(entries(), 2);
    file_out_abort(&out);
    file_out_abort(&out);
    assert_int_equal(entries(), 1);
    assert_holds(at("a"), "old");
}

static void test_full_disk_leaves_the_old_one(void **state)
{
    (void)state;
    put(at("a"), "old");
    struct rlimit before, small = {4096, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    struct file_out out;
    struct error err;
    char block[3000] = {0};
    assert_int_equal(file_out_open(at("a"), &out, &err), XC_OK);
    assert_int_equal(file_out_write(&out, block, sizeof block, &err), XC_OK);
    assert_int_equal(file_out_write(&out, block, sizeof block, &err), XC_ERR_SPACE);
    assert_non_null(strstr(err.text, "/a: cannot write"));
    file_out_abort(&out);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(entries(), 1);
    assert_holds(at("a"), "old");
}

static void test_failed_rename_leaves_no_trace(void **state)
{
    (void)state;
    struct file_out out;
    struct error err;
    assert_int_equal(file_out_open(at("a"), &out, &err), XC_OK);
    assert_int_equal(mkdir(at("a"), 0700), 0); /* a folder came in between */
    assert_int_equal(file_out_commit(&out, &err), XC_ERR_IO);
    assert_non_null(strstr(err.text, "cannot replace"));
    file_out_abort(&out);
    assert_int_equal(entries(), 1);
}

static void test_link_is_followed(void **state)
{
    (void)state;
    put(at("real"), "old");
    assert_int_equal(symlink("real", at("link")), 0);
    put(at("link"), "new");
    assert_holds(at("real"), "new");
    struct stat info;
    assert_int_equal(lstat(at("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void test_mode_honours_the_umask(void **state)
{
    (void)state;
    mode_t before = umask(027);
    put(at("a"), "x");
    umask(before);
    struct stat info;
    assert_int_equal(stat(at("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void test_mode_of_the_old_one_stays(void **state)
{
    (void)state;
    struct stat info;
    put(at("a"), "x");
    assert_int_equal(chmod(at("a"), 0600), 0);
    put(at("a"), "y");
    assert_int_equal(stat(at("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_longest_name(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    put(at(name), "x");
    assert_holds(at(name), "x");
}

static void test_descriptor_is_not_inherited(void **state)
{
    (void)state;
    struct file_out out;
    struct error err;
    assert_int_equal(file_out_open(at("a"), &out, &err), XC_OK);
    assert_true(fcntl(out.fd, F_GETFD) & FD_CLOEXEC);
    file_out_abort(&out);
}

/* Pages of files that this process has in memory. */
static long file_pages(void)
{
    long all = 0, resident = 0, shared = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld %ld", &all, &resident, &shared), 3);
    fclose(f);
    return shared;
}

static unsigned sum(struct file_view view)
{
    unsigned total = 0;
    for (size_t i = 0; i < view.size; i++) total += view.data[i];
    return total;
}

static void test_pages_come_and_go(void **state)
{
    (void)state;
    enum { SIZE = 16 << 20 };
    const long most = SIZE / sysconf(_SC_PAGESIZE) * 3 / 4;
    struct file_out out;
    struct file_view view;
    struct error err;
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    memset(bytes, 7, SIZE);
    assert_int_equal(file_out_open(at("a"), &out, &err), XC_OK);
    assert_int_equal(file_out_write(&out, bytes, SIZE, &err), XC_OK);
    assert_int_equal(file_out_commit(&out, &err), XC_OK);
    assert_int_equal(file_map(at("a"), SIZE, &view, &err), XC_OK);
    file_expect(&view, view.data, SIZE);
    assert_int_equal(sum(view), 7u * SIZE);
    const long before = file_pages();
    file_forget(&view, bytes, SIZE);         /* not of this file */
    file_forget(&view, view.data + 1, SIZE); /* nor all of this */
    assert_true(file_pages() > before - most);
    file_forget(&view, view.data + 5000, SIZE - 5000);
    assert_true(file_pages() < before - most);
    assert_int_equal(sum(view), 7u * SIZE);
    file_release(&view);
    free(bytes);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

RUN(IN_A_FOLDER(test_out_and_in), IN_A_FOLDER(test_what_is_not_a_regular_file),
    IN_A_FOLDER(test_abort_leaves_the_old_one), IN_A_FOLDER(test_full_disk_leaves_the_old_one),
    IN_A_FOLDER(test_failed_rename_leaves_no_trace), IN_A_FOLDER(test_link_is_followed),
    IN_A_FOLDER(test_mode_honours_the_umask), IN_A_FOLDER(test_mode_of_the_old_one_stays),
    IN_A_FOLDER(test_longest_name), IN_A_FOLDER(test_descriptor_is_not_inherited),
    IN_A_FOLDER(test_pages_come_and_go))
