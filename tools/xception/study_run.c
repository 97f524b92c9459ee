/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do the cells run? Each in a process of its own, this command with --cell: whatever becomes of
 * one, the others go on, and memory is as of a single run. A signal is passed on to the cell, which
 * saves and ends; when this process is killed, the kernel ends the cell as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bar.h"
#include "say.h"
#include "seconds.h"
#include "stop.h"
#include "study_run.h"

extern char **environ;

static volatile sig_atomic_t stopped_by, child_of; /* child_of: 0 = none runs */

/* ---- the process of a cell ------------------------------------------------------------------- */

struct show {
    struct bar bar;
    struct bar_pace pace;
    char head[ARM_NAME + 64];
};

static bool on_progress(void *user, const xc_train_progress *p)
{
    struct show *s = user;
    char tail[128], left[BAR_TIME];
    if (stop_signal) return false;
    if (p->event == XC_TRAIN_NOTE) say_error("%s", p->note);
    if (p->event != XC_TRAIN_STEP) return true;
    const double done = (double)(p->epoch - 1) * p->steps + p->step;
    const double all = (double)p->epochs * p->steps;
    const double each = bar_each(&s->pace, done);
    if (each <= 0 || !bar_due(&s->bar)) return true;
    bar_time((all - done) * each, left);
    snprintf(tail, sizeof tail, "epoch %u/%u loss %.3f %.1f img/s eta %s", p->epoch, p->epochs,
             p->loss, p->images_per_second, left);
    bar_draw(&s->bar, s->head, (uint64_t)done, (uint64_t)all, tail);
    return true;
}

static void on_signal(int number)
{
    stopped_by = number;
    if (child_of > 0) kill((pid_t)child_of, number);
}

static void cell_name(const struct plan *p, uint32_t cell, char *out, size_t room)
{
    uint64_t seed;
    const struct arm *arm = plan_cell(p, cell, &seed);
    snprintf(out, room, "cell %*u/%u  %s, seed %" PRIu64, plan_cells(p) > 9 ? 2 : 1, cell + 1,
             plan_cells(p), arm->name, seed);
}

enum {
    CELL_FULL = 75
}; /* exit code of a cell's process: no space left, for no other cell either */

/* CELL.failed: a sentence, then the exit code; code 0 removes it. */
static void note_failure(const struct plan *p, const char *folder, uint32_t cell, const char *what,
                         int code)
{
    char *place = cell_folder(p, folder, cell), *path = NULL, *text = NULL;
    xc_status status = XC_OK;
    if (place && asprintf(&path, "%s.failed", place) < 0) path = NULL;
    if (path && code == EXIT_DONE)
        unlink(path);
    else if (path && asprintf(&text, "%s\n%d\n", what, code) >= 0 &&
             (status = xc_file_write(path, text, strlen(text))) != XC_OK)
        say_error("%s", xc_error_of(status));
    free(text);
    free(path);
    free(place);
}

/* wait: until it is free, or a signal asks to stop. Looked at again and again: a signal just before
 * a call that waits would not end it. */
static int take_lock(const char *folder, const char *name, bool wait)
{
    const struct timespec moment = {.tv_nsec = 20000000};
    char *path = join(folder, name);
    const int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    free(path);
    if (fd < 0) return -1;
    bool ours;
    while (!(ours = flock(fd, LOCK_EX | LOCK_NB) == 0) && wait && errno == EWOULDBLOCK &&
           !stop_signal)
        nanosleep(&moment, NULL);
    if (ours) return fd;
    close(fd);
    return -1;
}

int study_cell(const struct args *args, xc_context *context, const struct plan *p,
               const char *folder, uint32_t cell)
{
    struct show show = {0};
    struct why why;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stop_catch();
    const int lock = take_lock(folder, "cell.lock", true); /* of one that was killed a moment ago */
    if (stop_signal) return 128 + stop_signal;
    bar_begin(&show.bar, arg_on(args, "quiet"));
    cell_name(p, cell, show.head, sizeof show.head);
    const xc_status status = cell_run(context, p, folder, cell, arg_number(args, "save-every", 120),
                                      on_progress, &show, &why);
    bar_clear(&show.bar);
    if (lock >= 0) close(lock);
    if (status == XC_ERR_CANCELLED && stop_signal) return 128 + stop_signal;
    if (status == XC_ERR_SPACE) {
        study_say(status, &why);
        return CELL_FULL;
    }
    const int code = status == XC_OK ? EXIT_DONE : study_say(status, &why);
    note_failure(p, folder, cell, why.text, code);
    return code;
}

/* ---- the process of the study ---------------------------------------------------------------- */

static int start(const struct args *args, const char *folder, uint32_t cell, pid_t *child)
{
    posix_spawnattr_t attributes;
    char number[16];
    const char *word[20] = {"xception", "study", "--cell", number, "--output", folder};
    int n = 6;
    static const char *const passed[] = {"threads", "cpu", "save-every"};
    static const char *const flag[] = {"--threads", "--cpu", "--save-every"};
    snprintf(number, sizeof number, "%u", cell);
    for (int i = 0; i < 3; i++) {
        if (!arg_text(args, passed[i])) continue;
        word[n++] = flag[i];
        word[n++] = arg_text(args, passed[i]);
    }
    if (arg_on(args, "quiet")) word[n++] = "--quiet";
    int error = posix_spawnattr_init(&attributes);
    if (error) return error;
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); /* Ctrl-C comes through us */
    error =
        posix_spawn(child, "/proc/self/exe", NULL, &attributes, (char **)(uintptr_t)word, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* What became of it; a sentence for what it could not say itself. */
static int wait_for(const struct plan *p, const char *folder, uint32_t cell, pid_t child)
{
    char what[128];
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    child_of = 0;
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    if (stopped_by) return 128 + stopped_by;
    snprintf(what, sizeof what, "its process was ended by signal %d (%s)", WTERMSIG(status),
             strsignal(WTERMSIG(status)));
    say_error("%s", what);
    note_failure(p, folder, cell, what, EXIT_LIMIT);
    return EXIT_LIMIT;
}

static int run_cell(const struct args *args, const struct plan *p, const char *folder,
                    uint32_t cell)
{
    pid_t child;
    const int error = start(args, folder, cell, &child);
    if (error) {
        say_error("the process of a cell: %s", strerror(error));
        note_failure(p, folder, cell, "its process could not be started", EXIT_LIMIT);
        return EXIT_LIMIT;
    }
    child_of = child;
    if (stopped_by) kill(child, stopped_by); /* it came before there was a child */
    return wait_for(p, folder, cell, child);
}

/* Numbers that went bad go bad again: such a cell is not tried twice. */
static bool is_hopeless(const struct plan *p, const char *folder, uint32_t cell)
{
    char *place = cell_folder(p, folder, cell), *path = NULL, *text = NULL;
    struct why ignored;
    size_t size;
    bool hopeless = false;
    if (place && asprintf(&path, "%s.failed", place) < 0) path = NULL;
    if (path && read_file(path, 65536, &text, &size, &ignored) == XC_OK) {
        const char *second = strchr(text, '\n');
        hopeless = second && atoi(second + 1) == EXIT_NUMBERS;
    }
    free(text);
    free(path);
    free(place);
    return hopeless;
}

struct pace { /* for the time that is left: seconds a multiply-add */
    double begin, macs, left;
};

static void say_done(const struct plan *p, uint32_t cell, double seconds, struct pace *pace)
{
    char name[ARM_NAME + 64], took[BAR_TIME], left[BAR_TIME];
    const double macs = (double)plan_cell(p, cell, NULL)->macs;
    pace->macs += macs;
    pace->left -= macs;
    cell_name(p, cell, name, sizeof name);
    bar_time(seconds, took);
    bar_time((seconds_now() - pace->begin) / pace->macs * pace->left, left);
    say_line("%s: %s, about %s left", name, took, left);
}

int study_cells(const struct args *args, const struct plan *p, const char *folder)
{
    const uint32_t cells = plan_cells(p);
    struct pace pace = {.begin = seconds_now()};
    uint32_t failed = 0;
    const int lock = take_lock(folder, "study.lock", false);
    if (lock < 0) {
        say_error("%s: another process works on this study, or the folder cannot be written",
                  folder);
        return EXIT_LIMIT;
    }
    stop_handle(on_signal);
    for (uint32_t i = 0; i < cells; i++)
        if (!cell_done(p, folder, i)) pace.left += (double)plan_cell(p, i, NULL)->macs;
    int code = EXIT_DONE;
    for (uint32_t i = 0; i < cells && !stopped_by; i++) {
        if (cell_done(p, folder, i)) continue;
        const double begin = seconds_now();
        code = is_hopeless(p, folder, i) ? EXIT_NUMBERS : run_cell(args, p, folder, i);
        failed += code != EXIT_DONE;
        if (code == EXIT_DONE) say_done(p, i, seconds_now() - begin, &pace);
        if (code == CELL_FULL) break;
    }
    close(lock);
    if (stopped_by) return 128 + stopped_by;
    if (code == CELL_FULL) {
        char *word = shell_word(folder);
        say_hint("xception study -o %s goes on when there is room", word ? word : folder);
        free(word);
        return EXIT_LIMIT;
    }
    return failed ? EXIT_SOME_FAILED : EXIT_DONE;
}
