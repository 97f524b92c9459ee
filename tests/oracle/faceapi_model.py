#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""face-api's TinyXception, computed by TensorFlow from random quantised weights that are written the way
face-api ships them (manifest + one shard), read by us: the same gender logits."""
import json
import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf

from common import check, finish, picture

MEAN = np.array([122.782, 117.001, 104.298], np.float32)


class Weights:
    """Draws weights, keeps them as the manifest and the shard hold them, hands out their values."""

    def __init__(self, seed):
        self.rng, self.entries, self.shard = np.random.default_rng(seed), [], b""

    def kernel(self, name, *shape):
        fan_in = shape[0] * shape[1] * (shape[2] if shape[3] != 1 else 1) if len(shape) == 4 else shape[0]
        q = self.rng.integers(0, 256, shape, dtype=np.uint8)
        scale, low = 2 * (3 / fan_in) ** 0.5 / 255, -(3 / fan_in) ** 0.5
        self.entries.append({"name": name, "shape": shape, "dtype": "float32",
                             "quantization": {"dtype": "uint8", "scale": scale, "min": low}})
        self.shard += q.tobytes()
        return (q.astype(np.float64) * scale + low).astype(np.float32)

    def bias(self, name, count):
        values = self.rng.uniform(-0.1, 0.1, count).astype(np.float32)
        self.entries.append({"name": name, "shape": [count], "dtype": "float32"})
        self.shard += values.tobytes()
        return values

    def save(self, folder):
        with open(os.path.join(folder, "shard.bin"), "wb") as file:
            file.write(self.shard)
        path = os.path.join(folder, "model-weights_manifest.json")
        with open(path, "w") as file:
            json.dump([{"weights": self.entries, "paths": ["shard.bin"]}], file)
        return path


def conv(w, x, name, k, cin, cout, stride):
    kernel = w.kernel(f"{name}/filters", k, k, cin, cout)
    return tf.nn.conv2d(x, kernel, stride, "SAME") + w.bias(f"{name}/bias", cout)


def separable(w, x, name, cin, cout):
    depthwise = w.kernel(f"{name}/depthwise_filter", 3, 3, cin, 1)
    pointwise = w.kernel(f"{name}/pointwise_filter", 1, 1, cin, cout)
    return tf.nn.separable_conv2d(x, depthwise, pointwise, [1, 1, 1, 1], "SAME") + \
        w.bias(f"{name}/bias", cout)


def reduction(w, x, name, cin, cout, relu):
    y = separable(w, tf.nn.relu(x) if relu else x, f"{name}/separable_conv0", cin, cout)
    y = separable(w, tf.nn.relu(y), f"{name}/separable_conv1", cout, cout)
    return tf.nn.max_pool2d(y, 3, 2, "SAME") + conv(w, x, f"{name}/expansion_conv", 1, cin, cout, 2)


def network(w, x):
    x = tf.nn.relu(conv(w, x, "entry_flow/conv_in", 3, 3, 32, 2))
    x = reduction(w, x, "entry_flow/reduction_block_0", 32, 64, False)
    x = reduction(w, x, "entry_flow/reduction_block_1", 64, 128, True)
    for block in range(2):
        y = x
        for k in range(3):
            y = separable(w, tf.nn.relu(y), f"middle_flow/main_block_{block}/separable_conv{k}", 128, 128)
        x = x + y
    x = reduction(w, x, "exit_flow/reduction_block", 128, 256, True)
    x = tf.nn.relu(separable(w, x, "exit_flow/separable_conv", 256, 512))
    x = tf.reduce_mean(x, axis=[1, 2])
    w.kernel("fc/age/weights", 512, 1), w.bias("fc/age/bias", 1)
    return (x @ w.kernel("fc/gender/weights", 512, 2) + w.bias("fc/gender/bias", 2)).numpy()


def main():
    with tempfile.TemporaryDirectory() as folder:
        png = os.path.join(folder, "picture.png")
        for seed in range(3):
            w = Weights(seed)
            pixels = picture(png, 112, 112, 3, seed)
            expected = network(w, ((pixels - MEAN) / np.float32(255))[None])
            path = w.save(folder)
            check(f"face-api TinyXception, seed {seed}", path, png, expected)
        finish(lambda: check("planted fault: expected values off by 1e-3", path, png, expected * 1.001))


if __name__ == "__main__":
    sys.exit(main())
