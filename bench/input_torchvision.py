#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_input's peer: pictures a second of torchvision (Pillow) on one core.

    input_torchvision.py DATA [SIDE [SECONDS]]
"""
import random
import sys
import time

import torch
from torchvision import datasets, transforms

torch.set_num_threads(1)
side = int(sys.argv[2]) if len(sys.argv) > 2 else 299
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
steps = [transforms.RandomResizedCrop(side), transforms.RandomHorizontalFlip()]
numbers = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
for name, chosen in (("bytes", steps), ("floats", steps + numbers)):
    data = datasets.ImageFolder(sys.argv[1], transforms.Compose(chosen))
    order = random.Random(0).sample(range(len(data)), len(data))
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        data[order[count % len(order)]]
        count += 1
    spent = time.perf_counter() - start
    print(f"{name}: {count} pictures in {spent:.2f} s: {count / spent:.1f} images/s")
