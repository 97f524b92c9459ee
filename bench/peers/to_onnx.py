# SPDX-License-Identifier: Apache-2.0
"""to_onnx.py SUMMARY.json MODEL.safetensors OUT.onnx: our network as ONNX, (n, c, h, w)."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network

nodes, weights = [], []


def weight(name, array):
    weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    return name


def node(kind, op, inputs=None, **attributes):
    nodes.append(helper.make_node(kind, inputs or op.inputs, [op.name], **attributes))


def convert(op):
    if op.kind == "conv":
        axes = (2, 3, 0, 1) if op.groups > 1 else (3, 2, 0, 1)
        inputs = op.inputs + [weight(op.name + "/w", op.weight.transpose(axes))]
        if op.bias is not None:
            inputs.append(weight(op.name + "/b", op.bias))
        node("Conv", op, inputs, kernel_shape=op.weight.shape[:2], strides=[op.stride] * 2,
             pads=op.pads, group=op.groups)
    elif op.kind == "maxpool":
        node("MaxPool", op, kernel_shape=op.size, strides=[op.stride] * 2, pads=op.pads)
    elif op.kind == "meanpool":
        node("AveragePool", op, kernel_shape=op.size, strides=[op.stride] * 2, pads=op.pads,
             count_include_pad=0)
    elif op.kind == "concat":
        node("Concat", op, axis=1)
    elif op.kind == "dense":
        nodes.append(helper.make_node("Flatten", op.inputs, [op.name + "/flat"]))
        node("Gemm", op, [op.name + "/flat", weight(op.name + "/w", network.channels_first(op)),
                          weight(op.name + "/b", op.bias)])
    elif op.kind != "input":
        node({"relu": "Relu", "add": "Add", "avgpool": "GlobalAveragePool"}[op.kind], op)


def main():
    summary, model, out = sys.argv[1:]
    ops = network.read(summary, model)
    for op in ops:
        convert(op)
    h, w, c = ops[0].shape
    last = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info(ops[0].name, TensorProto.FLOAT, ["N", c, h, w])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 7
    onnx.save(made, out)


main()
