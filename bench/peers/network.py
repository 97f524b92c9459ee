# SPDX-License-Identifier: Apache-2.0
"""What does a network of ours consist of, in words that every framework has?

Reads a model file (safetensors) with numpy and the layers that `xception summary` prints; gives a
list of Op, batch norms folded into the convolution before them (in double, as we do). Weights stay
as Keras lays them out: (kh, kw, in, out).
"""
import collections
import json
import re
import struct

import numpy as np

# kind: input conv relu maxpool meanpool avgpool add concat dense. inputs: names. pads: top left bottom
# right; the mean under a window (meanpool) does not count them. size: of a window, or (h, w, c) of
# the map that a dense layer reads, whose rows of weights are in that order.
Op = collections.namedtuple("Op", "kind name inputs weight bias stride pads groups shape size",
                            defaults=[None, None, 1, (0, 0, 0, 0), 1, None, None])


def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], "<f4").reshape(t["shape"])
            for name, t in header.items()}


def window(detail, before):
    """("3x3/2 same", (h, w)) -> size, stride, pads."""
    match = re.fullmatch(r"(\d+)x(\d+)(?:/(\d+))? (valid|same|pad (\d+))", detail)
    if not match:
        raise SystemExit(f"network.py: '{detail}' is a window that it does not know")
    kh, kw, stride = int(match[1]), int(match[2]), int(match[3] or 1)
    if match[4] == "valid":
        return (kh, kw), stride, (0, 0, 0, 0)
    if match[5] is not None:
        return (kh, kw), stride, (int(match[5]),) * 4
    total = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in zip(before, (kh, kw))]
    return (kh, kw), stride, (total[0] // 2, total[1] // 2,
                              total[0] - total[0] // 2, total[1] - total[1] // 2)


def channels_first(op):
    """The weights of a dense layer for a map that is flattened (c, h, w)."""
    h, w, c = op.size
    return op.weight.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(op.weight.shape)


class Reader:
    def __init__(self, summary, path):
        self.layers = summary["layers"]
        self.tensor = tensors(path)
        self.shape = {layer["name"]: layer["output"] for layer in self.layers}
        self.before_flat = dict(self.shape)
        self.other_name = {}  # of what became part of, or is, something else
        self.ops = []

    def readers(self, name):
        return [l for l in self.layers if name in l["inputs"].split(",")]

    def fold(self, name, weight, bias, axis):
        """The weights after the batch norm that alone reads this layer, if there is one."""
        after = self.readers(name)
        if len(after) != 1 or after[0]["operator"] != "BatchNorm":
            return weight, bias
        norm = after[0]["name"]
        gamma, beta, mean, variance = (
            self.tensor.get(f"{norm}/{part}", np.float32(part == "gamma")).astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance"))
        scale = gamma / np.sqrt(variance + float(after[0]["detail"].split()[1]))
        shape = [1] * weight.ndim
        shape[axis] = -1
        weight = (weight.astype(np.float64) * scale.reshape(shape)).astype(np.float32)
        bias = (beta + ((0 if bias is None else bias) - mean) * scale).astype(np.float32)
        self.other_name[norm] = name
        return weight, bias

    def add(self, kind, name, inputs, **rest):
        inputs = [self.other_name.get(i, i) for i in inputs]
        self.ops.append(Op(kind, name, inputs, shape=self.shape.get(name), **rest))

    def conv(self, layer, name, source, kernel, depthwise):
        weight = self.tensor[kernel]
        bias = self.tensor.get(f"{layer['name']}/bias")
        detail, _, act = layer["detail"].partition(", ")
        if layer["operator"] == "SepConv" and not depthwise:
            detail = "1x1 valid"
        before = self.shape[layer["inputs"]][:2]
        _, stride, pads = window(detail, before)
        if layer["operator"] == "SepConv" and depthwise:
            bias = None
        else:
            weight, bias = self.fold(layer["name"], weight, bias, 2 if depthwise else 3)
        groups = weight.shape[2] if depthwise else 1
        self.add("conv", name, source, weight=weight, bias=bias, stride=stride, pads=pads,
                 groups=groups)
        self.activate(act, name)

    def activate(self, act, name):
        """An activation that is part of a layer: what reads the layer reads it."""
        if act == "ReLU":
            self.add("relu", name + "/relu", [name])
            self.other_name[name] = name + "/relu"
        elif act not in ("", "Softmax"):  # logits are compared
            raise SystemExit(f"network.py: {name}: {act} is an activation that it does not know")

    def layer(self, layer):
        name, kind, inputs = layer["name"], layer["operator"], layer["inputs"].split(",")
        if kind == "Conv":
            self.conv(layer, name, inputs, f"{name}/kernel", False)
        elif kind == "DepthwiseConv":
            self.conv(layer, name, inputs, f"{name}/depthwise_kernel", True)
        elif kind == "SepConv":
            self.conv(layer, name + "/depthwise", inputs, f"{name}/depthwise_kernel", True)
            self.conv(layer, name, [name + "/depthwise"], f"{name}/pointwise_kernel", False)
        elif kind in ("MaxPool", "AvgPool"):
            size, stride, pads = window(layer["detail"], self.shape[inputs[0]][:2])
            self.add("maxpool" if kind == "MaxPool" else "meanpool", name, inputs, stride=stride,
                     pads=pads, size=size)
        elif kind == "Dense":
            self.add("dense", name, inputs, weight=self.tensor[f"{name}/kernel"],
                     bias=self.tensor.get(f"{name}/bias"), size=self.before_flat[inputs[0]])
            self.activate(layer["detail"], name)
        elif kind in ("Flatten", "Dropout"):
            self.other_name[name] = self.other_name.get(inputs[0], inputs[0])
            self.before_flat[name] = self.before_flat[inputs[0]]
        elif kind in ("Input", "ReLU", "Add", "GlobalAvgPool", "Concat"):
            word = {"Input": "input", "ReLU": "relu", "Add": "add", "GlobalAvgPool": "avgpool",
                    "Concat": "concat"}
            self.add(word[kind], name, [i for i in inputs if i])
        elif kind == "Softmax" and layer is self.layers[-1]:
            pass  # logits are compared
        elif kind != "BatchNorm" or name not in self.other_name:
            raise SystemExit(f"network.py: {name}: {kind} is an operator that it does not know")


def read(summary_path, model_path):
    with open(summary_path, encoding="utf-8") as file:
        reader = Reader(json.load(file), model_path)
    for layer in reader.layers:
        reader.layer(layer)
    return reader.ops
