/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in this picture? The shortest useful program: classify MODEL.safetensors PICTURE
 *
 *   cc classify.c $(pkg-config --cflags --libs xception)
 */
#include <stdio.h>
#include <xception.h>

#define BEST 3

int main(int argc, char **argv)
{
    xc_context *context = NULL; /* threads and CPU: one for a program */
    xc_model *model = NULL;     /* the network: shared by all threads */
    xc_session *session = NULL; /* memory to run it in: one for a thread */
    xc_image *image = NULL;
    xc_answer answer[BEST];
    int failed = 1;
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL.safetensors PICTURE\n", argv[0]);
        return 2;
    }
    if (xc_context_new(NULL, &context) || xc_model_load(context, argv[1], NULL, &model) ||
        xc_session_new(model, NULL, &session) || xc_image_load(argv[2], NULL, &image) ||
        xc_classify(session, (const xc_image *const *)&image, 1, BEST, answer)) {
        fprintf(stderr, "%s: %s\n", argv[0], xc_error());
        goto done;
    }
    for (int i = 0; i < BEST && answer[i].index != UINT32_MAX; i++)
        printf("%.4f  %s\n", (double)answer[i].prob, answer[i].label ? answer[i].label : "?");
    failed = 0;
done:
    xc_image_free(image);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
    return failed;
}
