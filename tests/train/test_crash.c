/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that is killed by SIGKILL at random moments, and started again each time, ends with the
 * bytes of one that was not. The state is written after every step, so most kills hit a save.
 * XC_KILLS=n kills more often than the usual 20 times.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "train/runs.h"

enum { KILLS = 20 };

/* The child: begins the run, or goes on with it. */
static int child(const xc_train_opts *opts, bool begun)
{
    xc_context *context = runs_context(2);
    xc_dataset *data = runs_data(RUNS_USUAL);
    const xc_status status =
        begun ? xc_train_resume(context, data, opts) : xc_train(context, data, opts);
    if (status != XC_OK) fprintf(stderr, "%s\n", xc_error());
    xc_dataset_free(data);
    xc_context_free(context);
    return status == XC_OK ? 0 : 1;
}

static bool there(const char *folder, const char *file)
{
    char *path = NULL;
    struct stat info;
    assert_true(asprintf(&path, "%s/%s", folder, file) > 0);
    const bool found = stat(path, &info) == 0;
    free(path);
    return found;
}

/* Runs the child for so many seconds at most; its exit code, or -1 when it was killed. */
static int run_for(const xc_train_opts *opts, double seconds)
{
    int status = 0;
    const struct timespec nap = {.tv_nsec = 500000};
    const double end = clock_seconds() + seconds;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child(opts, there(opts->folder, "state.safetensors")));
    pid_t gone = 0;
    while (gone == 0 && clock_seconds() < end) {
        nanosleep(&nap, NULL);
        gone = waitpid(pid, &status, WNOHANG);
    }
    if (gone == 0) {
        kill(pid, SIGKILL);
        gone = waitpid(pid, &status, 0);
    }
    assert_int_equal(gone, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One run, killed until it comes to its end or has been killed often enough; how often it was. */
static int kill_one(const xc_train_opts *opts, uint64_t seed, int most, double length)
{
    int kills = 0, code = -1;
    for (uint32_t i = 0; code != 0; i++) {
        const double part = (double)rng_uniform(seed, RNG_TEST, 0, 0, i);
        code = run_for(opts, kills < most ? 0.02 + part * 0.25 * length : 120);
        kills += code == -1;
        assert_true(code == 0 || code == -1);
    }
    return kills;
}

/* Every second run is of AdamW. */
static xc_train_opts opts_of(const char *folder, const char *name, bool adam)
{
    xc_train_opts opts = adam ? runs_opts_adamw(folder, name) : runs_opts(folder, name);
    opts.epochs = 6;
    return opts;
}

static void killed(void **state)
{
    static const char *const whole[] = {"whole", "whole-adamw"};
    (void)state;
    char *folder = runs_folder();
    const uint64_t seed = (uint64_t)time(NULL);
    const char *wanted = getenv("XC_KILLS");
    const int most = wanted ? atoi(wanted) : KILLS;
    int kills = 0;
    print_message("seed %ju\n", (uintmax_t)seed);
    assert_true(most > 0);
    double length = 0;
    for (int adam = 0; adam < 2; adam++) {
        xc_train_opts opts = opts_of(folder, whole[adam], adam);
        const double began = clock_seconds();
        assert_int_equal(run_for(&opts, 120), 0);
        length = clock_seconds() - began;
        runs_opts_free(&opts);
    }
    for (int run = 0; kills < most; run++) {
        char name[24];
        snprintf(name, sizeof name, "broken%d", run);
        xc_train_opts opts = opts_of(folder, name, run % 2);
        opts.save_seconds = 0;
        kills += kill_one(&opts, seed + (uint64_t)run, run ? most - kills : (most + 1) / 2, length);
        runs_opts_free(&opts);
        assert_true(runs_same(folder, whole[run % 2], name));
        print_message("%s: %d kills\n", name, kills);
    }
    runs_end(folder);
}

RUN(cmocka_unit_test(killed))
