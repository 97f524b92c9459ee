/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are pixels that a program already has (camera, screen, another library) classified? They are
 * used where they lie: wrap_pixels [MODEL.safetensors]
 */
#include <stdint.h>
#include <stdio.h>
#include <xception.h>

enum { WIDTH = 320, HEIGHT = 200, STRIDE = 1024 }; /* bytes from row to row: more than 3 * WIDTH */

static uint8_t frame[HEIGHT * STRIDE];

static void draw(void)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++)
                frame[y * STRIDE + 3 * x + c] = (uint8_t)(3 * x + 5 * y + 7 * c);
}

int main(int argc, char **argv)
{
    xc_context *context = NULL;
    xc_model *model = NULL;
    xc_session *session = NULL;
    xc_image *image = NULL;
    xc_answer answer = {0};
    xc_create_opts random = XC_CREATE_OPTS_INIT;
    random.weights = XC_WEIGHTS_RANDOM; /* without a model: one that has learned nothing */
    random.height = random.width = 96;
    draw();
    xc_status status = xc_context_new(NULL, &context);
    if (status == XC_OK)
        status = argc > 1
                     ? xc_model_load(context, argv[1], NULL, &model)
                     : xc_model_create(context, "xception,width=0.25,middle=2", &random, &model);
    if (status == XC_OK) status = xc_session_new(model, NULL, &session);
    if (status == XC_OK) status = xc_image_wrap(frame, WIDTH, HEIGHT, STRIDE, XC_RGB8, &image);
    if (status == XC_OK)
        status = xc_classify(session, (const xc_image *const *)&image, 1, 1, &answer);
    if (status == XC_OK)
        printf("class %u, probability %.4f\n", answer.index, (double)answer.prob);
    else
        fprintf(stderr, "%s: %s [%s]\n", argv[0], xc_error(), xc_status_id(status));
    xc_image_free(image);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
    return status != XC_OK;
}
