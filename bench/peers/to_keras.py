# SPDX-License-Identifier: Apache-2.0
"""Our network as a Keras model, (n, h, w, c). As a command: to_keras.py SUMMARY.json
MODEL.safetensors OUT.tflite.
"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import tensorflow
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2)

import network


def padding(op, before):
    """Keras' word, or None when its "same" is not what is meant."""
    if not any(op.pads):
        return "valid"
    size = op.size or op.weight.shape[:2]
    return "same" if network.window(f"{size[0]}x{size[1]}/{op.stride} same", before)[2] == op.pads \
        else None


def layer(op, x, before):
    bias = op.bias is not None
    word = padding(op, before) if op.kind in ("conv", "maxpool", "meanpool") else None
    if op.kind in ("conv", "maxpool") and word is None:
        x = keras.layers.ZeroPadding2D(((op.pads[0], op.pads[2]), (op.pads[1], op.pads[3])))(x)
        word = "valid"  # pooling is after a ReLU where this happens
    if op.kind == "conv" and op.groups > 1:
        made = keras.layers.DepthwiseConv2D(op.weight.shape[:2], op.stride, word, use_bias=bias)
    elif op.kind == "conv":
        made = keras.layers.Conv2D(op.weight.shape[3], op.weight.shape[:2], op.stride, word,
                                   use_bias=bias)
    elif op.kind == "maxpool":
        made = keras.layers.MaxPooling2D(op.size, op.stride, word)
    elif op.kind == "meanpool":
        made = keras.layers.AveragePooling2D(op.size, op.stride, word)
    elif op.kind == "concat":
        made = keras.layers.Concatenate()
    elif op.kind == "relu":
        made = keras.layers.ReLU()
    elif op.kind == "add":
        made = keras.layers.Add()
    elif op.kind == "avgpool":
        made = keras.layers.GlobalAveragePooling2D()
    else:
        x = keras.layers.Flatten()(x)
        made = keras.layers.Dense(op.weight.shape[1], use_bias=bias)
    y = made(x)
    if op.weight is not None:
        made.set_weights([op.weight] + ([op.bias] if bias else []))
    return y


def model(summary, path):
    ops = network.read(summary, path)
    value, shape = {ops[0].name: keras.Input(ops[0].shape)}, {ops[0].name: ops[0].shape}
    for op in ops[1:]:
        x = [value[name] for name in op.inputs]
        before = shape[op.inputs[0]]
        value[op.name] = layer(op, x if op.kind in ("add", "concat") else x[0], before[:2])
        shape[op.name] = op.shape or before
    return keras.Model(value[ops[0].name], value[ops[-1].name])


def main():
    summary, path, out = sys.argv[1:]
    made = model(summary, path)
    shape = [1, *made.inputs[0].shape[1:]]
    call = tensorflow.function(lambda x: made(x, training=False)).get_concrete_function(
        tensorflow.TensorSpec(shape, tensorflow.float32))
    frozen = convert_variables_to_constants_v2(call)
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([frozen])
    with open(out, "wb") as file:
        file.write(converter.convert())


if __name__ == "__main__":
    main()
