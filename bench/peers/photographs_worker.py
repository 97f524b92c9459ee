# SPDX-License-Identifier: Apache-2.0
"""A loop over photographs as one writes it in Python: Pillow, numpy, ONNX Runtime. The job comes as JSON on
standard input; the answer is the time from the first picture to the last, and the best class of each."""
import concurrent.futures
import json
import sys
import time

import numpy as np
import onnxruntime
from PIL import Image

job = json.load(sys.stdin)
height, width = job["side"]


def load(path):
    with Image.open(path) as picture:
        pixels = picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
    return (np.asarray(pixels, np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]


def inputs(files):
    """Each decoded while the one before is looked at."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = pool.submit(load, files[0])
        for path in files[1:]:
            now, coming = coming.result(), pool.submit(load, path)
            yield now
        yield coming.result()


options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = job["threads"], 1
session = onnxruntime.InferenceSession(job["onnx"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
start = time.perf_counter()
best = [int(session.run(None, {name: x})[0].argmax())
        for x in (inputs(job["files"]) if job["ahead"] else map(load, job["files"]))]
print(json.dumps({"seconds": time.perf_counter() - start, "best": best}))
