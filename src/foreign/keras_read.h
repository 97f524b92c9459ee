/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files that read a Keras config (keras_*.c) share? A reader that is sticky, as the
 * graph is and with the graph's own error: the first mistake stays, later calls do nothing or give
 * -1, so that a layer is read in one go and the end looked at once.
 */
#ifndef XC_FOREIGN_KERAS_READ_H
#define XC_FOREIGN_KERAS_READ_H

#include <jansson.h>

#include "foreign/keras_config.h"

#define KERAS_MAX_LAYERS 4096
#define KERAS_MAX_DEPTH 8 /* models inside models */
#define KERAS_MAX_NAME 256
#define KERAS_MAX_INPUTS NODE_MAX_INPUTS

/* What a layer gives to the next. Arithmetic and zero padding wait for the layer that reads them:
 * the value is scale * node + shift, with a border of zeros around it. */
struct keras_value {
    int node;
    bool scaled, padded;
    int factors; /* 1 or the number of channels (<= 4), when scaled */
    double scale[4], shift[4];
    struct padding pad;
};

/* What a layer is called with: the value of another layer, or up to four numbers. */
struct keras_operand {
    const char *from; /* name; NULL: a constant */
    struct keras_value *value;
    int numbers;
    double number[4];
};

struct keras_reader {
    struct keras_config *out;
    struct graph *graph;
    struct error *err; /* the graph's, once there is one */
    const struct weight_file *file;
    int layers, depth, room;
    bool bare; /* batch norms without gamma or beta stay so */
    /* the layer in work */
    const char *name, *class_name;
    const char *node_name; /* unique: with the models around it */
    const char *path;      /* in keras-v3 files */
    json_t *config;
    int inputs;
};

/* ---- keras_json.c: members of a layer's config, checked -------------------------------------- */

bool keras_failed(const struct keras_reader *r);
/* "layer 'NAME' (CLASS): ..." with XC_ERR_UNSUPPORTED, unless there was a mistake before. */
void keras_refuse(struct keras_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* text in the config's arena; on failure the mistake is "out of memory" */
const char *keras_text(struct keras_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const json_t *keras_member(const struct keras_reader *r, const char *key); /* NULL: none or null */
int keras_int(struct keras_reader *r, const char *key, int absent, int least, int most);
/* a number or a list of two */
void keras_pair(struct keras_reader *r, const char *key, int absent, int least, int most,
                int out[2]);
void keras_pair_of(struct keras_reader *r, const json_t *json, const char *key, int absent,
                   int least, int most, int out[2]);
bool keras_bool(struct keras_reader *r, const char *key, bool absent);
double keras_number(struct keras_reader *r, const char *key, double absent);
const char *keras_word(struct keras_reader *r, const char *key, const char *absent);
/* One to four numbers: a number, a list, or Keras' record of an array. How many; 0: none of these.
 */
int keras_numbers(const json_t *json, double out[4]);
/* A name of a file: text without control characters, <= KERAS_MAX_NAME bytes; else NULL. */
const char *keras_name(const json_t *json);

/* ---- keras_layers.c, keras_arith.c: one layer ------------------------------------------------ */

/* A layer with these r->inputs inputs: from r->config to what it gives. */
typedef struct keras_value keras_layer_fn(struct keras_reader *r, struct keras_operand *in);

keras_layer_fn keras_layer_read; /* by r->class_name */
keras_layer_fn keras_plus, keras_minus, keras_times, keras_divided;
keras_layer_fn keras_rescaling, keras_normalization;
/* The node of a value whose arithmetic and padding nobody took over. */
int keras_plain(struct keras_reader *r, struct keras_value *v);
/* -1, or the last axis of a map or of a vector, or the mistake */
void keras_axis_is_channels(struct keras_reader *r, int x);
struct shape keras_shape(const struct keras_reader *r, int node); /* zeros for -1 */

/* ---- keras_wiring.c: who reads whom ---------------------------------------------------------- */

/* What the layer is called with, Keras 2 and 3; operands hold names and constants. How many; -1:
 * refused. */
int keras_inbound(struct keras_reader *r, const json_t *layer,
                  struct keras_operand out[KERAS_MAX_INPUTS]);
/* key: "input_layers" or "output_layers"; the name of the only one, or NULL and the mistake */
const char *keras_end(struct keras_reader *r, const json_t *config, const char *key);
/* Is this class a model, to be read layer by layer? */
bool keras_is_model(const char *class_name);
/* The list of layers of a model's config (of a Sequential of old, the config itself). */
const json_t *keras_layer_list(const json_t *config);
const char *keras_layer_name(const json_t *layer); /* NULL: it has none */
/* Sides and channels of the input, whatever the model begins with; 0 for a side that is None. */
void keras_input_shape(struct keras_reader *r, const json_t *model, int hwc[3]);
/* "Conv2D" to "conv2d", as Keras names groups of weights; the text is the arena's. */
const char *keras_snake_case(const char *class_name, struct arena *a);

#endif
