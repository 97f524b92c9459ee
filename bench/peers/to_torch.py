# SPDX-License-Identifier: Apache-2.0
"""Our network as a torch module, (n, c, h, w) in channels-last memory."""
import network
import torch
from torch.nn import functional as f


class Network(torch.nn.Module):
    def __init__(self, ops):
        super().__init__()
        self.ops = [op._replace(weight=None, bias=None) for op in ops]
        for i, op in enumerate(ops):
            if op.weight is None:
                continue
            if op.kind == "dense":
                op = op._replace(weight=network.channels_first(op))
            axes = (1, 0) if op.kind == "dense" else (2, 3, 0, 1) if op.groups > 1 else (3, 2, 0, 1)
            weight = torch.from_numpy(op.weight.transpose(axes).copy())
            self.register_buffer(f"weight{i}", weight)
            self.register_buffer(f"bias{i}", None if op.bias is None
                                 else torch.from_numpy(op.bias.copy()))

    def forward(self, x):
        value = {}
        for i, op in enumerate(self.ops):
            y = [value[name] for name in op.inputs]
            pads = (op.pads[1], op.pads[3], op.pads[0], op.pads[2])
            weight, bias = getattr(self, f"weight{i}", None), getattr(self, f"bias{i}", None)
            if op.kind == "input":
                y = x
            elif op.kind == "conv":
                even = op.pads[0] == op.pads[2] and op.pads[1] == op.pads[3]
                y = f.conv2d(y[0] if even else f.pad(y[0], pads), weight, bias, op.stride,
                             op.pads[:2] if even else 0, groups=op.groups)
            elif op.kind == "maxpool":
                y = f.max_pool2d(f.pad(y[0], pads, value=float("-inf")), op.size, op.stride)
            elif op.kind == "meanpool":
                y = f.avg_pool2d(y[0], op.size, op.stride, op.pads[:2], count_include_pad=False)
            elif op.kind == "concat":
                y = torch.cat(y, 1)
            elif op.kind == "relu":
                y = f.relu(y[0])
            elif op.kind == "add":
                y = y[0] + y[1]
            elif op.kind == "avgpool":
                y = y[0].mean((2, 3))
            else:
                y = f.linear(y[0].flatten(1), weight, bias)
            value[op.name] = y
        return y


def module(ops):
    return Network(ops)
