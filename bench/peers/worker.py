# SPDX-License-Identifier: Apache-2.0
"""One program of the comparison in a process of its own. The last argument is a job in JSON; the
first line of the answer says what was made ready. Then each line "SECONDS" on standard input is a
turn: run for so long (at least twice), print the times, and be quiet again.

Every program gets its input as it likes it best, lying ready in memory; a time is that of one call
with the whole batch, logits included.
"""
import json
import os
import sys
import time

BEGIN = time.perf_counter()
JOB = json.loads(sys.argv[1])


def status(key):
    """VmHWM, VmRSS: MiB of this process."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def picture(channels_first):
    import numpy as np
    x = np.fromfile(JOB["input"], np.float32).reshape(JOB["batch"], *JOB["shape"])
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if channels_first else x


def start_ours():
    import ours
    engine = ours.Xception(JOB["library"], JOB["threads"])
    engine.load(JOB["packed"], JOB["batch"], JOB["precision"], JOB["algo"])
    with open(JOB["input"], "rb") as file:
        numbers = file.read()

    def run():
        engine.run(numbers, JOB["batch"])

    return run, engine.logits, engine.version(), lambda: engine.peak(JOB["precision"], 0.2)


def start_onnxruntime():
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = JOB["threads"], 1
    session = onnxruntime.InferenceSession(JOB["onnx"], options,
                                           providers=["CPUExecutionProvider"])
    feed, last = {session.get_inputs()[0].name: picture(True)}, []

    def run():
        last[:] = session.run(None, feed)

    return run, lambda: last[0].tobytes(), onnxruntime.__version__, None


def openvino_model(batch):
    import openvino
    core = openvino.Core()
    model = core.read_model(JOB["onnx"])
    h, w, c = JOB["shape"]
    model.reshape([batch, c, h, w])
    settings = {"INFERENCE_NUM_THREADS": JOB["threads"], "INFERENCE_PRECISION_HINT": JOB["precision"],
                "ENABLE_CPU_PINNING": "NO"}
    return openvino, core, model, settings


def start_openvino():
    openvino, core, model, settings = openvino_model(JOB["batch"])
    compiled = core.compile_model(model, "CPU", settings | {"PERFORMANCE_HINT": "LATENCY"})
    request, feed, last = compiled.create_infer_request(), [picture(True)], []

    def run():
        last[:] = [request.infer(feed)[0]]

    return run, lambda: last[0].tobytes(), openvino.__version__.split("-")[0], None


def start_openvino_streams():
    """Its throughput mode: one picture at a time in each of as many streams as there are cores."""
    import numpy as np
    openvino, core, model, settings = openvino_model(1)
    compiled = core.compile_model(model, "CPU", settings | {"PERFORMANCE_HINT": "THROUGHPUT",
                                                            "NUM_STREAMS": JOB["threads"]})
    queue = openvino.AsyncInferQueue(compiled, JOB["threads"])
    x, last = picture(True), [None] * JOB["batch"]

    def keep(request, i):
        last[i] = request.get_output_tensor(0).data.copy()

    queue.set_callback(keep)

    def run():
        for i in range(JOB["batch"]):
            queue.start_async([x[i:i + 1]], i)
        queue.wait_all()

    return (run, lambda: np.concatenate(last).tobytes(), openvino.__version__.split("-")[0], None)


def start_torch():
    import network
    import torch
    import to_torch
    torch.set_num_threads(JOB["threads"])
    module = to_torch.module(network.read(JOB["summary"], JOB["model"])).eval()
    x, last = torch.from_numpy(picture(True)).to(memory_format=torch.channels_last), []
    if JOB["precision"] == "bf16":
        module, x = module.to(torch.bfloat16), x.to(torch.bfloat16)
    module = module.to(memory_format=torch.channels_last)
    import torch._inductor.config
    torch._inductor.config.freezing = True
    module = torch.compile(module)

    def run():
        with torch.inference_mode():
            last[:] = [module(x)]

    return run, lambda: last[0].float().numpy().tobytes(), torch.__version__, None


def start_keras():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow
    import to_keras
    tensorflow.config.threading.set_intra_op_parallelism_threads(JOB["threads"])
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    model = to_keras.model(JOB["summary"], JOB["model"])
    call = tensorflow.function(lambda t: model(t, training=False))
    x, last = tensorflow.constant(picture(False)), []

    def run():
        last[:] = [call(x).numpy()]

    return run, lambda: last[0].tobytes(), keras.__version__, None


def start_litert():
    from ai_edge_litert import interpreter as litert
    from importlib.metadata import version
    engine = litert.Interpreter(JOB["tflite"], num_threads=JOB["threads"])
    given = engine.get_input_details()[0]["index"]
    engine.resize_tensor_input(given, [JOB["batch"], *JOB["shape"]])
    engine.allocate_tensors()
    x, result = picture(False), engine.get_output_details()[0]["index"]

    def run():
        engine.set_tensor(given, x)
        engine.invoke()

    return run, lambda: engine.get_tensor(result).tobytes(), version("ai-edge-litert"), None


def turn(run, peak, seconds):
    before = peak() if peak else 0
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return {"times": times, "peak": (before + peak()) / 2 if peak else 0,
            "cpu": time.process_time(), "mib": status("VmHWM")}


def main():
    cores = sorted(os.sched_getaffinity(0))[-JOB["threads"]:]
    os.sched_setaffinity(0, cores)
    base = status("VmRSS")
    begin = time.perf_counter()
    run, logits, version, peak = globals()["start_" + JOB["peer"]]()
    run()
    ready = {"version": version, "first_ms": (time.perf_counter() - begin) * 1e3, "base": base,
             "mib": status("VmHWM")}
    with open(JOB["logits"], "wb") as file:
        file.write(logits())
    for _ in range(2):
        run()
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(turn(run, peak, float(line))), flush=True)


main()
