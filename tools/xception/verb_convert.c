/* SPDX-License-Identifier: Apache-2.0 */
/* convert: any model file that we read becomes one safetensors file of ours, with labels and
 * preprocessing inside, or one that is ready to run. What happened to each foreign tensor is
 * printed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "engine.h"
#include "output.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    {"arch", 'a', "SPEC", NULL, 0, 0, "architecture of a file that holds weights only"},
    {"labels", 0, "FILE", NULL, 0, 0, "one label a line, or 'imagenet', to store in the model"},
    ENGINE_PREPROCESS_OPTIONS,
    {"licence", 0, "TEXT", NULL, 0, 0, "licence of the weights, to store in the model"},
    {"store", 0, "TYPE", "f32|f16|bf16", 0, 0, "how kernels are kept; 16 bits: half the space"},
    {"pack", 0, "[=LEVEL]", NULL, 0, 0, "a packed file, ready to run on this CPU or on LEVEL"},
    {"precision", 0, "PRECISION", "f32|bf16|auto", 0, 0, "of a packed file (default: f32)"},
    {"mix", 0, "MODEL", NULL, 0, 0, "the mean of its weights and IN's, of the same architecture"},
    {"part", 0, "PERCENT", NULL, 1, 99, RARE "of --mix (50)"},
    {"dry-run", 'n', NULL, NULL, 0, 0, "print the mapping, write nothing"},
    OPTIONS_END};

static const struct need needs[] = {{"part", "mix", NULL}, {"precision", "pack", NULL}, NEEDS_END};

static int write_model(const struct args *args, const xc_model *model, const char *in,
                       const char *out, xc_save_opts *opts)
{
    char original[65];
    xc_status status = XC_OK;
    opts->licence = arg_text(args, "licence");
    opts->pack = arg_text(args, "pack");
    if (arg_text(args, "precision"))
        engine_precision(arg_text(args, "precision"), &opts->precision);
    opts->store = arg_text(args, "store");
    if (opts->pack && !arg_text(args, "mix")) { /* a mean has no file with its parameters */
        opts->original = original;
        status = xc_file_sha256(in, original);
    }
    if (status == XC_OK) status = xc_model_save(model, out, opts);
    if (status == XC_OK) return EXIT_DONE;
    return say_status(status, status == XC_ERR_UNSUPPORTED ? EXIT_MODEL : EXIT_DATA);
}

/* A packed model is refused as it is saved, in a dry run too. */
static int save(const struct args *args, const xc_model *model, const char *in, const char *out)
{
    xc_save_opts opts = XC_SAVE_OPTS_INIT;
    xc_preprocess preprocess;
    struct labels labels;
    int code = engine_labels(args, model, &labels);
    if (code == EXIT_DONE) code = engine_preprocess(args, model, &preprocess);
    bool dry = arg_on(args, "dry-run") && !*xc_model_get_info(model)->packing;
    if (code == EXIT_DONE && !dry) {
        opts.labels = labels.text;
        opts.label_count = labels.count;
        opts.preprocess = &preprocess;
        code = write_model(args, model, in, out, &opts);
    }
    labels_free(&labels);
    return code;
}

/* --mix: *model becomes its mean with another. */
static int mix(const struct args *args, xc_context *context, xc_model **model)
{
    const char *path = arg_text(args, "mix");
    xc_model *other = NULL, *mean = NULL;
    if (!path) return EXIT_DONE;
    int code = engine_model(context, path, NULL, &other);
    if (code == EXIT_DONE) {
        const xc_status status =
            xc_model_mix(*model, other, arg_number(args, "part", 50) / 100.0, &mean);
        if (status != XC_OK) code = say_status(status, EXIT_MODEL);
    }
    xc_model_unref(other);
    if (code != EXIT_DONE) return code;
    xc_model_unref(*model);
    *model = mean;
    return EXIT_DONE;
}

static int run(const struct args *args)
{
    xc_context *context = NULL;
    xc_model *model = NULL;
    if (args->operands != 2) {
        say_usage("takes two files, IN and OUT.safetensors, got %d", args->operands);
        return EXIT_USAGE;
    }
    const char *in = args->operand[0], *out = args->operand[1];
    if (arg_text(args, "store") && arg_text(args, "pack")) {
        say_usage("--store is of a file to keep, --pack of one to run: give one of them");
        return EXIT_USAGE;
    }
    if (!output_is_named(out, "a model", ".safetensors", NULL)) return EXIT_USAGE;
    if (!arg_on(args, "dry-run") && output_is_input(args, out, NULL)) return EXIT_USAGE;
    int code = engine_open(args, &context);
    if (code == EXIT_DONE) code = engine_model(context, in, arg_text(args, "arch"), &model);
    if (code == EXIT_DONE) code = mix(args, context, &model);
    if (code == EXIT_DONE) code = save(args, model, in, out);
    if (code == EXIT_DONE) {
        const xc_model_info *info = xc_model_get_info(model);
        if (!arg_on(args, "quiet")) emit_lines(xc_model_import_report(model));
        printf("%s: %s, %" PRIu64 " parameters, %u classes%s\n",
               arg_on(args, "dry-run") ? "would write" : out, info->arch, info->params,
               info->classes, arg_on(args, "pack") ? ", packed" : "");
    }
    xc_model_unref(model);
    xc_context_free(context);
    return code;
}

const struct verb verb_convert = {
    .name = "convert",
    .summary = "make any model file one of ours",
    .operands = "IN OUT.safetensors",
    .text =
        "Reads a model of Keras (.keras, .h5, .hdf5, .weights.h5), PyTorch (.pth), timm\n"
        "(.safetensors) or face-api (manifest) and writes safetensors with architecture, labels,\n"
        "preprocessing and provenance inside. Prints which foreign tensor became which; a missing\n"
        "tensor is an error (exit 4) and nothing is written. OUT is another file than IN, which\n"
        "may hold what OUT does not.\n"
        "With --pack the file is for running alone: it starts at once, but holds no parameters\n"
        "any more. Keep the original. With --precision bf16 it runs in bf16, and both the file\n"
        "and the memory that it takes are half as large.",
    .examples = "xception convert model.keras model.safetensors\tkeep a Keras model\n"
                "xception convert --labels names.txt xception.h5 flowers.safetensors\twith labels\n"
                "xception convert --pack flowers.safetensors flowers.packed.safetensors\tready to "
                "run\n"
                "xception convert -n --arch xception65 weights.pth out.safetensors\tonly show the "
                "mapping\n",
    .options = options,
    .needs = needs,
    .run = run};
