/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does torchvision call the layers of Inception V3 and GoogLeNet? Every convolution of theirs
 * is a pair, NAME.conv and NAME.bn; ours are NAME and NAME_bn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/names.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* mixed0_5x5_1 is Mixed_5b.branch5x5_1, and only the pool's branch has a _ before its word. */
static void inception_v3(const char *layer, char out[NAMES_SIZE])
{
    static const char *const stem[] = {"1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"};
    static const char *const mixed[] = {"5b", "5c", "5d", "6a", "6b", "6c",
                                        "6d", "6e", "7a", "7b", "7c"};
    char *branch;
    size_t i = strcspn(layer, "0123456789");
    size_t number = strtoul(layer + i, &branch, 10);
    *out = '\0';
    if (strncmp(layer, "aux_conv", 8) == 0 && number >= 1 && number <= 2)
        snprintf(out, NAMES_SIZE, "AuxLogits.conv%zu", number - 1);
    if (strncmp(layer, "stem_conv", 9) == 0 && number >= 1 && number <= COUNT(stem))
        snprintf(out, NAMES_SIZE, "Conv2d_%s", stem[number - 1]);
    if (strncmp(layer, "mixed", 5) == 0 && number < COUNT(mixed) && *branch == '_')
        snprintf(out, NAMES_SIZE, "Mixed_%s.branch%.200s", mixed[number],
                 strcmp(branch, "_pool") == 0 ? branch : branch + 1);
}

static void googlenet(const char *layer, char out[NAMES_SIZE])
{
    snprintf(out, NAMES_SIZE, "%.200s", layer);
    for (char *s = out; *s; s++)
        if (*s == '_') *s = '.';
}

bool names_of_inception(enum names_scheme scheme, const char *layer, char out[NAMES_SIZE])
{
    char own[NAMES_SIZE];
    size_t length = strnlen(layer, NAMES_SIZE - 8);
    bool norm = length > 3 && strcmp(layer + length - 3, "_bn") == 0;
    if (strcmp(layer, "predictions") == 0 || strcmp(layer, "aux_predictions") == 0) {
        snprintf(out, NAMES_SIZE, "%sfc", *layer == 'a' ? "AuxLogits." : "");
        return true;
    }
    snprintf(own, sizeof own, "%.*s", (int)(norm ? length - 3 : length), layer);
    if (scheme == NAMES_INCEPTION)
        inception_v3(own, out);
    else
        googlenet(own, out);
    length = strlen(out);
    snprintf(out + length, NAMES_SIZE - length, norm ? ".bn" : ".conv");
    return length > 0;
}
