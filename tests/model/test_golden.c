/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the whole network give the published numbers (docs/numerics.md: synthetic weights, both
 * flavours), and the same bits everywhere (bf16: but for tile registers, with bits of their own)?
 * The committed table hashes_71.txt has one hash for each layer: compilers, build types, processor
 * levels and threads must agree on all of them, and the first layer that does not is named.
 * `test_model_golden write` prints the table anew, `write-fast`, `write-bf16` and `write-amx` the
 * others.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "kernel/levels.h"
#include "model/golden.h"

static const struct golden KERAS = {
    "xception", 71, {31.110086, 8.202832, 56.305473, -47.750730}, 110.535195, 806};
static const struct golden TIMM = {
    "xception,flavour=timm", 71, {31.428246, 8.257791, 56.797098, -48.250990}, 111.581070, 806};

struct tap {
    const char *layer;
    double mean, max;
};

static const struct tap TAPS[] = {
    {"block1_conv2_act", 0.22961387, 4.250177},
    {"block2_add", 0.38374954, 6.834212},
    {"block3_add", 0.69772548, 10.927237},
    {"block4_add", 1.69760753, 27.271000},
    {"block12_add", 1.15885332, 204.108660},
    {"block13_add", 24.93141645, 333.334946},
    {"block14_sepconv2_act", 25.37320315, 279.012955},
};
enum { TAP_COUNT = sizeof TAPS / sizeof *TAPS };

static void test_float(void **state)
{
    (void)state;
    golden_check(&KERAS, NULL, XC_PRECISION_F32, 1e-5 * KERAS.max);
    golden_check(&TIMM, NULL, XC_PRECISION_F32, 1e-5 * TIMM.max);
}

static void test_double(void **state)
{
    (void)state;
    golden_check(&KERAS, NULL, XC_PRECISION_F64, 0.6e-6);
    golden_check(&TIMM, NULL, XC_PRECISION_F64, 0.6e-6);
}

static void test_taps(void **state)
{
    (void)state;
    const char *name[TAP_COUNT + 1] = {NULL};
    for (int i = 0; i < TAP_COUNT; i++) name[i] = TAPS[i].layer;
    struct golden_run r =
        golden_run(&KERAS, (struct golden_how){2, NULL, false}, XC_PRECISION_F64, name);
    for (int i = 0; i < TAP_COUNT; i++) {
        size_t count;
        CHECK(xc_session_read_f64(r.session, name[i], NULL, 0, &count));
        double *x = malloc(count * sizeof *x), sum = 0, max = -INFINITY;
        assert_non_null(x);
        CHECK(xc_session_read_f64(r.session, name[i], x, count, &count));
        for (size_t k = 0; k < count; k++) {
            sum += x[k];
            max = fmax(max, x[k]);
        }
        free(x);
        if (fabs(sum / (double)count - TAPS[i].mean) > 0.6e-8 || fabs(max - TAPS[i].max) > 0.6e-6) {
            print_error("%s: mean %.8f, max %.6f\n", name[i], sum / (double)count, max);
            _fail(__FILE__, __LINE__);
        }
    }
    golden_end(&r);
}

/* ---- the same bits --------------------------------------------------------------------------- */

#define MAX_LAYERS 160

/* Layers whose values can be looked at: a convolution that is folded with its batch norm cannot. */
static uint32_t visible_layers(const xc_model *model, const char **name)
{
    const xc_model_info *info = xc_model_get_info(model);
    uint32_t count = 0;
    assert_true(info->layers < MAX_LAYERS);
    for (uint32_t i = 0; i < info->layers; i++) {
        xc_layer layer;
        CHECK(xc_model_layer(model, i, &layer));
        if (!strstr(layer.kind, "Conv")) name[count++] = layer.name;
    }
    name[count] = NULL;
    return count;
}

/* FNV-1a, 64 bits */
static uint64_t hash(const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) h = (h ^ at[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t layer_hash(const xc_session *session, const char *layer)
{
    size_t count;
    float *x = read_result(session, layer, &count);
    uint64_t h = hash(x, count * sizeof *x);
    free(x);
    return h;
}

/* A run with every visible layer tapped. names: of the model's layers. */
static struct golden_run run_visible(struct golden_how how, xc_precision precision,
                                     const char **name, uint32_t *count)
{
    xc_context *context = make_context(1);
    xc_model *model = make_model(context, KERAS.arch, KERAS.side, XC_WEIGHTS_NONE);
    *count = visible_layers(model, name);
    struct golden_run r = golden_run(&KERAS, how, precision, name);
    xc_model_unref(model);
    xc_context_free(context);
    visible_layers(r.model, name);
    return r;
}

/* Tile registers have an order of sums of their own. */
static const char *table_of(const xc_context *context, struct golden_how how,
                            xc_precision precision)
{
    if (precision == XC_PRECISION_BF16)
        return strcmp(xc_context_cpu(context, precision), "amx") == 0
                   ? XC_SOURCE_DIR "/tests/model/hashes_71_amx.txt"
                   : XC_SOURCE_DIR "/tests/model/hashes_71_bf16.txt";
    return how.fast ? XC_SOURCE_DIR "/tests/model/hashes_71_fast.txt"
                    : XC_SOURCE_DIR "/tests/model/hashes_71.txt";
}

static void check_hashes(struct golden_how how, xc_precision precision)
{
    const char *name[MAX_LAYERS];
    char layer[64];
    uint64_t want;
    uint32_t count;
    struct golden_run r = run_visible(how, precision, name, &count);
    FILE *table = fopen(table_of(r.context, how, precision), "r");
    assert_non_null(table);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(fscanf(table, "%63s %" SCNx64, layer, &want), 2);
        assert_string_equal(layer, name[i]);
        if (layer_hash(r.session, layer) != want) {
            print_error("%d threads, %s: the first layer that differs is %s\n", how.threads,
                        xc_context_cpu(r.context, precision), layer);
            _fail(__FILE__, __LINE__);
        }
    }
    assert_int_equal(fscanf(table, "%63s", layer), EOF);
    fclose(table);
    golden_end(&r);
}

static void check_levels(bool fast, xc_precision precision)
{
    const enum dtype type = precision == XC_PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
    for (size_t i = 0; cpu_level(i); i++)
        if (level_differs(i, type, cpu_flags()))
            check_hashes((struct golden_how){1, cpu_level(i), fast}, precision);
}

static void test_hashes(void **state)
{
    (void)state;
    check_levels(false, XC_PRECISION_F32);
    check_hashes((struct golden_how){3, NULL, false}, XC_PRECISION_F32);
}

static void test_bf16_hashes(void **state)
{
    (void)state;
    check_levels(false, XC_PRECISION_BF16);
    check_hashes((struct golden_how){3, NULL, false}, XC_PRECISION_BF16);
}

/* Every kind of head and body, whatever its weights: as near to float32 as eight bits allow. */
static void test_bf16_is_near(void **state)
{
    (void)state;
    static const struct {
        const char *arch;
        uint32_t side;
    } nets[] = {{"xception", 71},
                {"mini-xception", 64},
                {"tiny-xception", 112},
                {"xception41", 65},
                {"resnet50,channels=16/32/64/128,stem=16", 64},
                {"vgg16,channels=16/32/64/128/128,fc=128x2", 64},
                {"inception-v3,width=0.25", 75},
                {"googlenet", 64}};
    xc_context *context = make_context(2);
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        xc_model *model = make_model(context, nets[i].arch, nets[i].side, XC_WEIGHTS_RANDOM);
        float *input = make_input(1, nets[i].side, xc_model_get_info(model)->channels), *logit[2];
        size_t count;
        for (int j = 0; j < 2; j++) {
            xc_session *session =
                make_session(model, 1, j ? XC_PRECISION_BF16 : XC_PRECISION_F32, NULL);
            CHECK(xc_run(session, input, 1));
            logit[j] = read_result(session, "logits", &count);
            xc_session_free(session);
        }
        double largest = 0, error = 0;
        for (size_t j = 0; j < count; j++) {
            largest = fmax(largest, fabs((double)logit[0][j]));
            error = worse(error, fabs((double)logit[0][j] - (double)logit[1][j]));
        }
        if (!(error <= 2e-2 * largest) || error <= 0) {
            print_error("%s: %g of %g\n", nets[i].arch, error, largest);
            _fail(__FILE__, __LINE__);
        }
        free(logit[0]);
        free(logit[1]);
        free(input);
        xc_model_unref(model);
    }
    xc_context_free(context);
}

/* Does the system give a process leave to use tile registers? */
static bool may_use_tiles(void)
{
#if defined __x86_64__ && defined SYS_arch_prctl
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

/* A level that the processor has is the one that runs: the hashes are not all of the best one. */
static void test_levels_are_used(void **state)
{
    (void)state;
    for (size_t i = 0; cpu_level(i); i++) {
        struct kernels k;
        unsigned allowed;
        assert_true(cpu_level_flags(cpu_level(i), &allowed));
        kernels_init(&k, DTYPE_F32, allowed & cpu_flags());
        xc_context *context = make_context_at(1, cpu_level(i));
        assert_string_equal(xc_context_cpu(context, XC_PRECISION_F32), k.level);
        const bool vectors = strcmp(k.level, "avx512") == 0; /* and no build of plain kernels */
        kernels_init(&k, DTYPE_BF16, allowed & cpu_flags());
        assert_string_equal(xc_context_cpu(context, XC_PRECISION_BF16), k.level);
        if (vectors && (allowed & cpu_flags() & CPU_BF16))
            assert_string_equal(
                k.level, allowed & cpu_flags() & CPU_AMX && may_use_tiles() ? "amx" : "avx512bf16");
        xc_context_free(context);
    }
}

static void test_fast_hashes(void **state)
{
    (void)state;
    check_levels(true, XC_PRECISION_F32);
    for (int threads = 2; threads <= 7; threads += threads == 2 ? 1 : 4)
        check_hashes((struct golden_how){threads, NULL, true}, XC_PRECISION_F32);
}

/* ---- the fast algorithms --------------------------------------------------------------------- */

enum { FAST_BATCH = 3, MOST_LOGITS = FAST_BATCH * 1000 };

static void run_batch(xc_model *model, xc_session *session, float *logits)
{
    const xc_model_info *info = xc_model_get_info(model);
    float *input = make_input(FAST_BATCH, info->height, info->channels);
    CHECK(xc_run(session, input, FAST_BATCH));
    CHECK(xc_session_read(session, "logits", logits, MOST_LOGITS, NULL));
    free(input);
    xc_session_free(session);
}

/* The largest difference, as a part of the largest logit. */
static double off_by(const float *a, const float *b)
{
    double worst = 0, largest = 0;
    for (int i = 0; i < MOST_LOGITS; i++) {
        worst = worse(worst, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)a[i]));
    }
    return worst / largest;
}

/* Near the direct one, but not the same; and the same bits for each picture alone. With pointwise
 * convolutions in front of depthwise ones, and without any depthwise one, too. */
static void test_fast(void **state)
{
    static const char *const arch[] = {"xception", "xception,order=pw-dw", "resnet50",
                                       "inception-v3", "vgg16"};
    static float direct[MOST_LOGITS], fast[MOST_LOGITS], alone[1000];
    (void)state;
    for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
        xc_context *context = make_context(2);
        xc_model *model = make_model(context, arch[i], 75, XC_WEIGHTS_GOLDEN);
        run_batch(model, make_session(model, FAST_BATCH, XC_PRECISION_F32, NULL), direct);
        run_batch(model, make_fast_session(model, FAST_BATCH, NULL), fast);
        const double off = off_by(direct, fast);
        print_message("%s: fast is off by %.2g\n", arch[i], off);
        assert_true(off > 0);
        assert_true(off <= 1e-5);
        float *input = make_input(FAST_BATCH, 75, 3);
        xc_session *session = make_fast_session(model, 1, NULL);
        for (size_t n = 0; n < FAST_BATCH; n++) {
            CHECK(xc_run(session, input + n * 75 * 75 * 3, 1));
            CHECK(xc_session_read(session, "logits", alone, 1000, NULL));
            assert_memory_equal(alone, fast + n * 1000, sizeof alone);
        }
        free(input);
        xc_session_free(session);
        xc_model_unref(model);
        xc_context_free(context);
    }
}

static int write_table(const char *level, bool fast, xc_precision precision)
{
    const char *name[MAX_LAYERS];
    uint32_t count;
    struct golden_run r = run_visible((struct golden_how){1, level, fast}, precision, name, &count);
    for (uint32_t i = 0; i < count; i++)
        printf("%s %016" PRIx64 "\n", name[i], layer_hash(r.session, name[i]));
    golden_end(&r);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_float),
                                       cmocka_unit_test(test_double),
                                       cmocka_unit_test(test_taps),
                                       cmocka_unit_test(test_hashes),
                                       cmocka_unit_test(test_bf16_hashes),
                                       cmocka_unit_test(test_bf16_is_near),
                                       cmocka_unit_test(test_levels_are_used),
                                       cmocka_unit_test(test_fast_hashes),
                                       cmocka_unit_test(test_fast)};
    if (argc == 2 && strcmp(argv[1], "write") == 0)
        return write_table(NULL, false, XC_PRECISION_F32);
    if (argc == 2 && strcmp(argv[1], "write-fast") == 0)
        return write_table(NULL, true, XC_PRECISION_F32);
    if (argc == 2 && strcmp(argv[1], "write-bf16") == 0)
        return write_table("avx512bf16", false, XC_PRECISION_BF16);
    if (argc == 2 && strcmp(argv[1], "write-amx") == 0 && (cpu_flags() & CPU_AMX))
        return write_table("amx", false, XC_PRECISION_BF16);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
