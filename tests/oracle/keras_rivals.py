#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""VGG-16, ResNet and Inception V3 built and written by Keras, read by us: the same logits.

The published files hold weights alone; .h5 weights with Keras' names of layers stand for them."""
import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers

from common import check, finish, picture
from keras_models import logits


def randomise(model, seed):
    """Statistics of their own for every batch norm, and biases that are not zero."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            n = layer.get_weights()[0].size
            gamma = [rng.uniform(0.7, 1.3, n)] if layer.scale else []
            layer.set_weights(gamma + [rng.uniform(-0.2, 0.2, n), rng.uniform(-0.2, 0.2, n),
                                       rng.uniform(0.6, 1.4, n)])
        elif getattr(layer, "use_bias", False):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.uniform(-0.1, 0.1, bias.size)])


def main():
    rivals = (("VGG16", 64, 64, 10), ("VGG16", 37, 50, 7), ("ResNet50", 97, 65, 10),
              ("ResNet50", 224, 224, 10), ("ResNet101", 64, 64, 12), ("ResNet152", 65, 64, 3),
              ("InceptionV3", 75, 111, 10), ("InceptionV3", 139, 128, 1000))
    with tempfile.TemporaryDirectory() as folder:
        png = os.path.join(folder, "picture.png")
        for name, height, width, classes in rivals:
            build = getattr(keras.applications, name)
            model = build(weights=None, classes=classes, input_shape=(height, width, 3))
            randomise(model, height)
            expected = logits(model, picture(png, height, width, 3, width))
            flags = ("--preprocess", "keras", "--size", f"{height}x{width}")
            for suffix in (".keras", ".h5"):
                path = os.path.join(folder, name + suffix)
                model.save(path)
                check(f"{name} {height}x{width} {classes} classes {suffix}", path, png, expected,
                      *flags)
                os.remove(path) if suffix == ".keras" else None
        finish(lambda: check("planted fault: expected values off by 1e-3", path, png,
                             expected * 1.001, *flags))


if __name__ == "__main__":
    sys.exit(main())
