/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor: is this machine fit, and does the program compute what it should? The self-test runs the
 * standard Xception at 71x71 with the published test weights and compares with the known answer.
 */
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    {"no-self-test", 0, NULL, NULL, 0, 0, "skip the self-test (one second, 200 MiB)"}, OPTIONS_END};

/* Logit 806 of the golden weights at 71x71, Keras flavour: docs/numerics.md. */
#define GOLDEN_CLASS 806
#define GOLDEN_LOGIT 110.535195
#define GOLDEN_SIDE 71

static void golden_input(float *input)
{
    for (int y = 0; y < GOLDEN_SIDE; y++)
        for (int x = 0; x < GOLDEN_SIDE; x++)
            for (int c = 0; c < 3; c++)
                *input++ = (float)((3 * x + 5 * y + 7 * c) % 256) / 127.5f - 1.0f;
}

static xc_status run_golden(xc_session *session, float *logit)
{
    static float input[GOLDEN_SIDE * GOLDEN_SIDE * 3];
    float logits[1000];
    size_t written;
    golden_input(input);
    xc_status status = xc_run(session, input, 1);
    if (status == XC_OK) status = xc_session_read(session, "logits", logits, 1000, &written);
    *logit = status == XC_OK ? logits[GOLDEN_CLASS] : 0.0f;
    return status;
}

static int self_test(xc_context *context)
{
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_model *model = NULL;
    xc_session *session = NULL;
    float logit = 0.0f;
    create.height = create.width = GOLDEN_SIDE;
    create.weights = XC_WEIGHTS_GOLDEN;
    xc_status status = xc_model_create(context, "xception", &create, &model);
    if (status == XC_OK) status = xc_session_new(model, &opts, &session);
    if (status == XC_OK) status = run_golden(session, &logit);
    xc_session_free(session);
    xc_model_unref(model);
    if (status != XC_OK) return say_status(status, EXIT_MODEL);
    double error = fabs((double)logit - GOLDEN_LOGIT) / GOLDEN_LOGIT;
    bool right = error <= 1e-5;
    printf("self-test    logit %.6f, expected %.6f: %s\n", (double)logit, GOLDEN_LOGIT,
           right ? "ok" : "WRONG");
    return right ? EXIT_DONE : EXIT_NUMBERS;
}

static void print_memory(void)
{
    struct rlimit limit;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    printf("memory       %.1f GiB", (double)pages * (double)page / (1u << 30));
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        printf(", address space limited to %.1f GiB", (double)limit.rlim_cur / (1u << 30));
    putchar('\n');
}

static int run(const struct args *args)
{
    char helper[4200];
    xc_context *context = NULL;
    if (args->operands) {
        say_usage("takes no operand, got '%s'", args->operand[0]);
        return EXIT_USAGE;
    }
    int code = engine_open(args, &context);
    if (code != EXIT_DONE) return code;
    printf("xception     %s\n", xc_version());
    printf("cpu          %s; in use: %s, for bf16 %s\n", xc_context_cpu_features(context),
           xc_context_cpu(context, XC_PRECISION_F32), xc_context_cpu(context, XC_PRECISION_BF16));
    printf("threads      %d of %ld cores\n", xc_context_threads(context),
           sysconf(_SC_NPROCESSORS_ONLN));
    print_memory();
    printf("importer     %s\n",
           engine_helper(helper, sizeof helper) ? helper : "not found beside the command");
    if (!arg_on(args, "no-self-test")) code = self_test(context);
    xc_context_free(context);
    return code;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .summary = "check this machine and this program",
    .operands = "",
    .text = "Shows CPU features, threads, memory and helpers, and runs a self-test: the standard\n"
            "Xception on a known input with known weights. Exit 7 when its answer is wrong.",
    .examples = "xception doctor\tcheck everything\n"
                "xception doctor --cpu ref\tthe same with the plain kernels\n"
                "xception doctor --no-self-test\tfacts only\n",
    .options = options,
    .run = run};
