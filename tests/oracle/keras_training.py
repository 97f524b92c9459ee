#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keras' Xception trained by TensorFlow, and by us: gradients, moving statistics, ten steps."""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf

from common import finish
from learning import Lesson, check_exact, check_losses, check_single

RESIDUALS = (2, 3, 4, 13)  # the layers that Keras names by itself


def variables_of(model, lesson):
    """Keras' variable for each of our parameters."""
    own = [[layer for layer in model.layers if type(layer) is kind and not layer.name.startswith("block")]
           for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)]
    layers = {layer.name: layer for layer in model.layers}
    for i, block in enumerate(RESIDUALS):
        layers[f"block{block}_residual"], layers[f"block{block}_residual_bn"] = own[0][i], own[1][i]
    found = {}
    for name, _ in lesson.table:
        layer, role = name.rsplit("/", 1)
        found[name] = getattr(layers[layer], role)
    return found


def model_of(lesson, dtype):
    keras.backend.clear_session()
    keras.config.set_floatx(dtype)
    model = keras.applications.Xception(weights=None, classes=lesson.classes,
                                        input_shape=lesson.images.shape[2:], classifier_activation=None)
    variables = variables_of(model, lesson)
    for name, variable in variables.items():
        variable.assign(lesson.start[name].astype(dtype))
    return model, variables


def keras_run(lesson, dtype, steps, optimizer=None):
    """Losses, gradients of the last step, parameters and statistics: by our names."""
    model, variables = model_of(lesson, dtype)
    trained = {n: v for n, v in variables.items() if "/moving" not in n}
    if optimizer:
        optimizer.build(list(trained.values()))
    losses = []
    for t in range(steps):
        with tf.GradientTape() as tape:
            logits = model(lesson.images[t].astype(dtype), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(lesson.labels[t], logits))
        grads = tape.gradient(loss, [v.value for v in trained.values()])
        losses.append(float(loss))
        if optimizer:
            optimizer.apply(grads)
    return (losses, {n: g.numpy().astype(np.float64) for n, g in zip(trained, grads, strict=True)},
            {n: v.numpy().astype(np.float64) for n, v in variables.items()})


def adamw():
    optimizer = keras.optimizers.AdamW(1e-5, weight_decay=0.05, epsilon=1e-10)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias", "depthwise_kernel"])
    return optimizer


def start(seed):
    return Lesson("xception", 72, 79, 7, batch=6, steps=10, seed=seed)


def main():
    lesson = start(6)
    ours, theirs = lesson.ours("f64", 1), keras_run(lesson, "float64", 1)
    check_losses("Keras float64", ours[0], theirs[0])
    check_exact("Keras float64 gradients", ours[1], theirs[1])
    moving = {n: v for n, v in theirs[2].items() if "/moving" in n}
    check_exact("Keras float64 moving statistics", ours[2], moving)
    check_single("Keras float32, behind the last ReLU", [start(seed) for seed in range(5, 10)], keras_run,
                 "float32", "float64", ["predictions/kernel"])
    for title, options, make in (
            ("SGD", dict(kind="sgd", lr=5e-4, momentum=0.9),
             lambda: keras.optimizers.SGD(5e-4, momentum=0.9)),
            ("Nesterov", dict(kind="sgd", lr=5e-4, momentum=0.9, nesterov=1),
             lambda: keras.optimizers.SGD(5e-4, momentum=0.9, nesterov=True)),
            ("AdamW", dict(kind="adamw", lr=1e-5, momentum=0.9, rho=0.999, epsilon=1e-10, decay=0.05),
             adamw)):
        keras.config.set_floatx("float64")
        expected = keras_run(lesson, "float64", 10, make())
        check_losses(f"Keras {title}", lesson.ours("f32", 10, **options)[0], expected[0])
    name = "block4_sepconv1/depthwise_kernel"
    wrong = {**theirs[1], name: theirs[1][name] * (1 + 1e-6)}
    finish(lambda: check_exact("planted fault: one gradient off by 1e-6", ours[1], wrong))


if __name__ == "__main__":
    sys.exit(main())
