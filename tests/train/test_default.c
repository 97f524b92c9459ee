/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the first and the last of the runs that made the model of models/default repeat? Their
 * args.json once more, for the first steps: the mean loss after each is that of first-steps.txt to
 * the last bit. `test_train_default --print RUN` prints what that file holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/runs.h"

#define FOLDER XC_SOURCE_DIR "/models/default/"
#define PICTURES XC_SHARED_DIR "/data/cifar10-images.tar"

enum { STEPS = 3 };

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

static const struct made {
    const char *name, *args, *steps, *from; /* from: NULL = random weights */
} made[] = {{"scratch", FOLDER "scratch/args.json", FOLDER "scratch/first-steps.txt", NULL},
            {"wide", FOLDER "wide/args.json", FOLDER "wide/first-steps.txt",
             FOLDER "wide/start.safetensors"}};

static void first_steps(const struct made *m, int threads, struct steps *s)
{
    const xc_dataset_opts split = {.size = sizeof split, .val_split = 0.05};
    char *folder = runs_folder(), *run = NULL;
    xc_context *context = runs_context(threads);
    xc_dataset *data = NULL;
    xc_model *from = NULL;
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    assert_true(asprintf(&run, "%s/run", folder) > 0);
    *s = (struct steps){0};
    opts.folder = run;
    opts.args = m->args;
    opts.progress = note;
    opts.user = s;
    if (m->from) assert_int_equal(xc_model_load(context, m->from, NULL, &from), XC_OK);
    opts.from = from;
    assert_int_equal(xc_dataset_open(PICTURES, &split, &data), XC_OK);
    const xc_status status = xc_train(context, data, &opts);
    if (status != XC_ERR_CANCELLED) print_error("%s\n", xc_error());
    assert_int_equal(status, XC_ERR_CANCELLED);
    assert_int_equal(s->count, STEPS);
    xc_dataset_free(data);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
    free(run);
}

static void repeats(const struct made *m)
{
    struct steps s;
    FILE *file = fopen(m->steps, "r");
    double loss;
    assert_non_null(file);
    first_steps(m, 2, &s);
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(fscanf(file, "%la", &loss), 1);
        assert_true(s.loss[i] == loss);
    }
    assert_int_equal(fscanf(file, "%la", &loss), EOF);
    fclose(file);
}

static void all_repeat(void **state)
{
    (void)state;
    if (access(PICTURES, R_OK) != 0) {
        print_message("skipped: no " PICTURES ": nothing to repeat\n");
        skip();
    }
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) repeats(&made[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_repeat)};
    if (argc == 3 && strcmp(argv[1], "--print") == 0) {
        struct steps s;
        for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
            if (strcmp(made[i].name, argv[2]) != 0) continue;
            first_steps(&made[i], 2, &s);
            for (int k = 0; k < STEPS; k++) printf("%a\n", s.loss[k]);
        }
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
