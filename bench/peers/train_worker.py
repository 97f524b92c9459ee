# SPDX-License-Identifier: Apache-2.0
"""One program of train.py in a process of its own. The last argument is a job in JSON; the first
line of the answer says what was made ready. Then each line "SECONDS" on standard input is a turn:
steps for so long (at least two), their times, and quiet again.
"""
import ctypes as c
import json
import math
import os
import sys
import time

JOB = json.loads(sys.argv[1])
RATE, MOMENTUM = 1e-6, 0.9
BF16 = JOB["precision"] == "bf16"


def peak_mib():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:"))


def start_ours():
    import ours

    class Practice(c.Structure):
        _fields_ = [("bytes", c.c_uint32), ("height", c.c_uint32), ("width", c.c_uint32),
                    ("batch", c.c_uint32), ("memory", c.c_uint64), ("precision", c.c_int)]

    class Info(c.Structure):
        _fields_ = [("arch", c.c_char_p), ("height", c.c_uint32), ("width", c.c_uint32),
                    ("channels", c.c_uint32), ("macs", c.c_uint64), ("arena", c.c_uint64),
                    ("parameters", c.c_uint64)]

    engine, practice, info = ours.Xception(JOB["library"], JOB["threads"]), c.c_void_p(), Info()
    opts = Practice(c.sizeof(Practice), 0, 0, JOB["batch"], 0, ours.PRECISION[JOB["precision"]])
    engine.call("xc_practice_new", engine.context, JOB["arch"].encode(), c.byref(opts),
                c.byref(practice))
    engine.lib.xc_practice_get_info(practice, c.byref(info))
    facts = {"macs": info.macs, "peak": engine.peak(JOB["precision"], 1.0)}
    return lambda: engine.call("xc_practice_step", practice), engine.version(), info.parameters, facts


def start_torch(compiled):
    import torch
    from torch import nn
    torch.set_num_threads(JOB["threads"])
    torch.manual_seed(1)
    stride = JOB["stride"]
    stem_pad = 0 if stride == 2 else 1

    def conv(a, b, k, s=1, pad=0, groups=1):
        return nn.Conv2d(a, b, k, s, pad, groups=groups, bias=False)

    def norm(n):
        return nn.BatchNorm2d(n, eps=1e-3, momentum=0.01)

    def sep(a, b):
        return [conv(a, a, 3, pad=1, groups=a), conv(a, b, 1), norm(b)]

    class Block(nn.Module):
        def __init__(self, body, short):
            super().__init__()
            self.body, self.short = nn.Sequential(*body), short

        def forward(self, x):
            return self.body(x) + (self.short(x) if self.short else x)

    def down(a, m, b, first_act):
        body = ([nn.ReLU()] if first_act else []) + sep(a, m) + [nn.ReLU()] + sep(m, b)
        return Block(body + [nn.MaxPool2d(3, 2, 1)], nn.Sequential(conv(a, b, 1, 2), norm(b)))

    a, width = JOB["stem"]
    layers = [conv(3, a, 3, stride, stem_pad), norm(a), nn.ReLU(),
              conv(a, width, 3, 1, stem_pad), norm(width), nn.ReLU()]
    for i, w in enumerate(JOB["entry"]):
        layers.append(down(width, w, w, i > 0))
        width = w
    for _ in range(JOB["middle"]):
        layers.append(Block([m for _ in range(3) for m in [nn.ReLU(), *sep(width, width)]], None))
    first, second, last = JOB["exit"]
    layers += [down(width, width, first, True), *sep(first, second), nn.ReLU(), *sep(second, last),
               nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, JOB["classes"])]
    net = nn.Sequential(*layers).to(memory_format=torch.channels_last).train()
    sgd = torch.optim.SGD(net.parameters(), RATE, MOMENTUM)
    x = torch.rand(JOB["batch"], 3, JOB["side"], JOB["side"]).to(memory_format=torch.channels_last)
    y = torch.arange(JOB["batch"]) % JOB["classes"]

    def loss_of(x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BF16):
            return nn.functional.cross_entropy(net(x), y)

    loss = torch.compile(loss_of) if compiled else loss_of

    def step():
        sgd.zero_grad()
        loss(x, y).backward()
        sgd.step()

    return step, torch.__version__, sum(p.numel() for p in net.parameters()), {}


def start_keras():
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras
    import tensorflow as tf
    from keras import layers
    tf.config.threading.set_intra_op_parallelism_threads(JOB["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(JOB["threads"])
    if BF16:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    same = "valid" if JOB["stride"] == 2 else "same"

    def norm(x):
        return layers.BatchNormalization()(x)

    def sep(x, n):
        return norm(layers.SeparableConv2D(n, 3, padding="same", use_bias=False)(x))

    def down(x, m, n, first_act):
        short = norm(layers.Conv2D(n, 1, 2, padding="same", use_bias=False)(x))
        x = layers.ReLU()(x) if first_act else x
        x = sep(layers.ReLU()(sep(x, m)), n)
        return layers.Add()([layers.MaxPooling2D(3, 2, "same")(x), short])

    picture = keras.Input((JOB["side"], JOB["side"], 3))
    x = layers.Conv2D(JOB["stem"][0], 3, JOB["stride"], padding=same, use_bias=False)(picture)
    x = layers.Conv2D(JOB["stem"][1], 3, padding=same, use_bias=False)(layers.ReLU()(norm(x)))
    x = layers.ReLU()(norm(x))
    for i, n in enumerate(JOB["entry"]):
        x = down(x, n, n, i > 0)
    for _ in range(JOB["middle"]):
        before = x
        for _ in range(3):
            x = sep(layers.ReLU()(x), before.shape[-1])
        x = layers.Add()([x, before])
    first, second, last = JOB["exit"]
    x = down(x, x.shape[-1], first, True)
    x = layers.ReLU()(sep(layers.ReLU()(sep(x, second)), last))
    net = keras.Model(picture, layers.Dense(JOB["classes"])(layers.GlobalAveragePooling2D()(x)))
    sgd = keras.optimizers.SGD(RATE, MOMENTUM)
    sgd.build(net.trainable_variables)
    pictures = tf.random.uniform((JOB["batch"], JOB["side"], JOB["side"], 3))
    labels = tf.range(JOB["batch"]) % JOB["classes"]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, tf.cast(net(pictures, training=True), tf.float32)))
        gradients = tape.gradient(loss, net.trainable_variables)
        sgd.apply(gradients, net.trainable_variables)
        return loss

    count = sum(math.prod(v.shape) for v in net.trainable_variables)
    return lambda: step().numpy(), f"{keras.__version__} (TensorFlow {tf.__version__})", count, {}


def main():
    peer = JOB["peer"]
    step, version, count, facts = (start_ours() if peer == "ours" else start_keras()
                                   if peer == "keras" else start_torch(peer == "torch-compiled"))
    for _ in range(2):
        step()
    print(json.dumps({"version": version, "parameters": count, **facts}), flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while len(times) < 2 or time.perf_counter() < end:
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        print(json.dumps({"times": times, "cpu": time.process_time(), "mib": peak_mib()}), flush=True)


main()
