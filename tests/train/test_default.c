/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the run that made the model of models/default repeat? Its args.json once more, for the first
 * steps: the mean loss after each is that of first-steps.txt to the last bit.
 * `test_train_default --print` prints what that file holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/runs.h"

#define FOLDER XC_SOURCE_DIR "/models/default/scratch/"
#define PICTURES XC_SHARED_DIR "/data/cifar10-images.tar"

enum { STEPS = 8 };

struct steps {
    int count;
    double loss[STEPS];
};

static bool note(void *user, const xc_train_progress *p)
{
    struct steps *s = user;
    if (p->event != XC_TRAIN_STEP) return true;
    s->loss[s->count++] = p->loss;
    return s->count < STEPS;
}

static void first_steps(int threads, struct steps *s)
{
    const xc_dataset_opts split = {.size = sizeof split, .val_split = 0.05};
    char *folder = runs_folder(), *run = NULL;
    xc_context *context = runs_context(threads);
    xc_dataset *data = NULL;
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    assert_true(asprintf(&run, "%s/run", folder) > 0);
    *s = (struct steps){0};
    opts.folder = run;
    opts.args = FOLDER "args.json";
    opts.progress = note;
    opts.user = s;
    assert_int_equal(xc_dataset_open(PICTURES, &split, &data), XC_OK);
    const xc_status status = xc_train(context, data, &opts);
    if (status != XC_ERR_CANCELLED) print_error("%s\n", xc_error());
    assert_int_equal(status, XC_ERR_CANCELLED);
    assert_int_equal(s->count, STEPS);
    xc_dataset_free(data);
    xc_context_free(context);
    runs_end(folder);
    free(run);
}

static void repeats(void **state)
{
    (void)state;
    struct steps s;
    FILE *file = fopen(FOLDER "first-steps.txt", "r");
    double loss;
    if (!file || access(PICTURES, R_OK) != 0) {
        print_message("no %s: nothing to repeat\n", file ? PICTURES : FOLDER "first-steps.txt");
        if (file) fclose(file);
        skip();
    }
    first_steps(2, &s);
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(fscanf(file, "%la", &loss), 1);
        assert_true(s.loss[i] == loss);
    }
    assert_int_equal(fscanf(file, "%la", &loss), EOF);
    fclose(file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeats)};
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        struct steps s;
        first_steps(2, &s);
        for (int i = 0; i < STEPS; i++) printf("%a\n", s.loss[i]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
