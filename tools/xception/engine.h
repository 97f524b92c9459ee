/* SPDX-License-Identifier: Apache-2.0 */
/* How do the flags --threads, --cpu and -m become a context and a model? */
#ifndef TOOL_ENGINE_H
#define TOOL_ENGINE_H

#include <xception.h>

#include "options.h"

/* After --threads and --cpu. EXIT_DONE, or the code after printing the sentence. */
int engine_open(const struct args *args, xc_context **out);
/* Our own safetensors are loaded, anything else is imported through the helper; arch (may be NULL)
 * is for files that hold weights only. No path: the model that the command carries. */
int engine_model(xc_context *context, const char *path, const char *arch, xc_model **out);
/* What to call the model after -m in a title. */
const char *engine_model_name(const struct args *args);
/* "f32", "f64", ...: a static copy of the word, or NULL when it is not one of PRECISION_WORDS. */
#define PRECISION_WORDS "f32, bf16, auto, f64"
const char *engine_precision(const char *word, xc_precision *out);
/* After --precision; without it that of a packed file, or float32. */
xc_precision engine_model_precision(const struct args *args, const xc_model *model);
/* What was left out of the data, on stderr unless --quiet. */
void engine_notes(const xc_dataset *set);
/* After --algo. */
xc_algo engine_algo(const struct args *args);
/* The path of xception-import, or false: the library then looks where it was installed. */
bool engine_helper(char *text, size_t size);
/* --labels FILE|imagenet: labels of the model's classes, to be freed with labels_free. Both 0 when
 * the flag is not given. */
struct labels {
    const char **text;
    uint32_t count;
    char *storage;
};
int engine_labels(const struct args *args, const xc_model *model, struct labels *out);
void labels_free(struct labels *labels);
/* Of a class, by these labels or the model's; where it has none its number, in room. */
const char *labels_at(const struct labels *labels, const xc_model *model, uint32_t index,
                      char *room, size_t size);
/* say_status; shapes that do not fit are wrong usage where a flag asked for them, else the model's.
 */
int engine_status(const struct args *args, xc_status status, int what);
/* The same where layers were named: a hint for one that is not there. */
int engine_layer_status(const struct args *args, const xc_model *model, xc_status status, int what);
/* The model's preprocessing changed by --preprocess, --fit, --interp and --exif. */
int engine_preprocess(const struct args *args, const xc_model *model, xc_preprocess *out);

#define ENGINE_MODEL_OPTION                                                                        \
    {                                                                                              \
        "model", 'm', "MODEL", NULL, 0, 0, "model file: ours, or .keras .h5 .pth .safetensors"     \
    }
/* Of verbs that otherwise use the model that the command carries. */
#define ENGINE_MODEL_OR_BUILTIN_OPTION                                                             \
    {                                                                                              \
        "model", 'm', "MODEL", NULL, 0, 0, "ours, or .keras .h5 .pth .safetensors (built in)"      \
    }
#define ENGINE_PRECISION_OPTION                                                                    \
    {                                                                                              \
        "precision", 0, "PRECISION", "f32|bf16|auto|f64", 0, 0,                                    \
            "of the numbers; bf16: half the memory, half the time where the processor has it"      \
    }
#define ENGINE_ALGO_OPTION                                                                         \
    {                                                                                              \
        "algo", 0, "ALGO", "direct|fast", 0, 0,                                                    \
            "of convolutions; fast: other last digits, more memory; not for bf16"                  \
    }
#define ENGINE_PREPROCESS_OPTIONS                                                                  \
    {"preprocess", 0, "NAME", NULL, 0, 0, "keras, keras-dataset, timm-legacy, timm-331, ..."},     \
        {"fit", 0, "HOW", "stretch|crop|pad", 0, 0, "how a picture meets the input size"},         \
        {"interp",                                                                                 \
         0,                                                                                        \
         "FILTER",                                                                                 \
         "nearest|box|bilinear|hamming|bicubic|lanczos|tf-bilinear",                               \
         0,                                                                                        \
         0,                                                                                        \
         "how it is resized"},                                                                     \
    {                                                                                              \
        "exif", 0, "TURN", "on|off", 0, 0, "turn pictures upright, as their EXIF says"             \
    }

#endif
