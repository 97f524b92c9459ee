#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks built and written by Keras/TensorFlow, read by us: the same logits.

Weights are random and so are the batch-norm statistics. Sizes are chosen so that pools meet even and
odd sides, and pictures that are not square."""
import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers

from common import check, finish, picture


def randomise(model, seed):
    """Every batch norm gets statistics and scales of its own, so that folding is really tested."""
    rng = np.random.default_rng(seed)
    for layer in flat(model):
        if isinstance(layer, layers.BatchNormalization):
            n = layer.get_weights()[0].size
            layer.set_weights([rng.uniform(0.7, 1.3, n), rng.uniform(-0.2, 0.2, n),
                               rng.uniform(-0.2, 0.2, n), rng.uniform(0.6, 1.4, n)])


def flat(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        else:
            yield layer


def logits(model, pixels, scale=True):
    """Output before the final softmax, in inference mode."""
    x = pixels[None] / np.float32(127.5) - np.float32(1) if scale else pixels[None]
    x = keras.ops.convert_to_tensor(x)
    last = model.layers[-1]
    if getattr(last, "activation", None) is keras.activations.softmax and hasattr(last, "kernel"):
        features = keras.Model(model.input, last.input)(x, training=False).numpy()
        return features @ last.kernel.numpy() + last.bias.numpy()
    if isinstance(last, layers.Activation) and last.activation is keras.activations.softmax:
        return keras.Model(model.input, last.input)(x, training=False).numpy()
    return model(x, training=False).numpy()


def xception(height, width, classes, activation="softmax", channels=3):
    model = keras.applications.Xception(weights=None, include_top=True, classes=classes,
                                        input_shape=(height, width, channels),
                                        classifier_activation=activation)
    randomise(model, height * 1000 + width)
    return model


def module(x, filters, stride=2):
    """mini XCEPTION: two separable convolutions and a strided 1x1 shortcut."""
    residual = layers.Conv2D(filters, 1, strides=stride, padding="same", use_bias=False)(x)
    residual = layers.BatchNormalization()(residual)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    if stride == 2:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    return layers.add([x, residual])


def small(side, base, modules, classes=7, strides=(2, 2, 2, 2)):
    image = x = keras.Input((side, side, 1))
    for filters in base:
        x = layers.Conv2D(filters, 3, use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for filters, stride in zip(modules, strides):
        x = module(x, filters, stride)
    x = layers.Conv2D(classes, 3, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Activation("softmax", name="predictions")(x))
    randomise(model, side)
    return model


def big(side, classes=7):
    image = x = keras.Input((side, side, 1))
    for i, (filters, stride) in enumerate(((32, 2), (64, 1))):
        x = layers.Conv2D(filters, 3, strides=stride, use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for i, filters in enumerate((128, 256)):
        residual = layers.Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(x)
        residual = layers.BatchNormalization()(residual)
        if i:
            x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(layers.BatchNormalization()(x))
        x = layers.add([x, residual])
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(classes, 3, padding="same")(x))
    model = keras.Model(image, layers.Activation("softmax", name="predictions")(x))
    randomise(model, side + 1)
    return model


def transfer(side, before, pooling):
    """A trunk without top under a head, as people fine-tune it."""
    trunk = keras.applications.Xception(weights=None, include_top=False,
                                        input_shape=(side, side, 3), pooling=pooling)
    image = x = keras.Input((side, side, 3))
    x = layers.RandomFlip("horizontal")(x)
    if before == "rescaling":
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    elif before == "arithmetic":
        x = keras.applications.xception.preprocess_input(x)
    x = trunk(x, training=False)
    if pooling is None:
        x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    x = layers.BatchNormalization()(layers.Dense(24, activation="relu")(x))
    model = keras.Model(image, layers.Dense(6)(x))
    randomise(model, side)
    return model


def write_all(folder, name, model):
    """Every file format that Keras writes; weights alone too."""
    for suffix, save in ((".keras", model.save), (".h5", model.save),
                         (".weights.h5", model.save_weights)):
        path = os.path.join(folder, name + suffix)
        save(path)
        yield suffix, path


def main():
    with tempfile.TemporaryDirectory() as folder:
        png = os.path.join(folder, "picture.png")
        for height, width, classes, activation, channels in (
                (71, 71, 1000, "softmax", 3), (96, 128, 10, None, 3), (150, 150, 10, "softmax", 3),
                (83, 110, 17, "softmax", 3), (80, 80, 5, "softmax", 1), (224, 224, 10, None, 3)):
            model = xception(height, width, classes, activation, channels)
            expected = logits(model, picture(png, height, width, channels, height))
            for suffix, path in write_all(folder, "xception", model):
                flags = []
                if suffix == ".weights.h5":
                    flags = ["--arch", f"xception,input={height}x{width}x{channels},classes={classes}"]
                check(f"xception {height}x{width}x{channels} {classes} classes {activation} {suffix}",
                      path, png, expected, "--preprocess", "keras" if channels == 3 else "face64",
                      "--size", f"{height}x{width}", *flags)
        for name, model, side in (("mini", small(64, (8, 8), (16, 32, 64, 128)), 64),
                                  ("mini-119", small(48, (5, 8), (16, 32, 64, 128),
                                                     strides=(2, 2, 2, 1)), 48),
                                  ("tiny", small(64, (5, 5), (8, 16, 32, 64)), 64),
                                  ("big", big(64), 64), ("mini-2", small(61, (8, 8), (16, 32, 64, 128),
                                                                         classes=2), 61)):
            expected = logits(model, picture(png, side, side, 1, side))
            for suffix, path in write_all(folder, name, model):
                if suffix != ".weights.h5":
                    check(f"{name} {side} {suffix}", path, png, expected, "--preprocess", "face64",
                          "--size", str(side))
        for before, pooling in (("none", None), ("rescaling", "avg"), ("arithmetic", "max")):
            model = transfer(100, before, pooling)
            expected = logits(model, picture(png, 100, 100, 3, 7), scale=before == "none")
            for suffix, path in write_all(folder, "transfer", model):
                if suffix != ".weights.h5":
                    whole = path
                    check(f"transfer {before} {pooling} {suffix}", path, png, expected)
        finish(lambda: check("planted fault: expected values off by 1e-3", whole, png,
                             expected * 1.001))


if __name__ == "__main__":
    sys.exit(main())
