#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do photographs cost beside the network alone? A folder through `xception classify` and `xception
eval` (whole commands: start, model, files, decoding), a loop in Python with ONNX Runtime and Pillow
(its first picture until its last; import and model are not counted), and the network alone (`xception
bench`, the better of batch 1 and 16), in turns, each round after a moment in which nobody else uses
the machine. All must answer alike. Prints a table of milliseconds a picture.

    scripts/bench-peers --photographs MODEL DATA    # DATA: pictures in folders of the model's classes
"""
import argparse
import csv
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import bench

WORDS = {"network": "network alone", "classify": "xception classify", "eval": "xception eval",
         "loop": "Python loop, ONNX Runtime and Pillow", "ahead": "the same, a thread decodes ahead"}


class Work:
    def __init__(self, options):
        folder = bench.WORK / "models"
        folder.mkdir(parents=True, exist_ok=True)
        self.threads, self.seconds, self.idle_wait = options.threads, options.seconds, options.idle_wait
        self.data = options.data
        self.files = sorted(str(p) for p in pathlib.Path(options.data).rglob("*.jpg"))
        self.packed, self.onnx = str(folder / "photographs.safetensors"), str(folder / "photographs.onnx")
        self.run("convert", "-q", "--pack", options.model, self.packed)
        summary = self.run("summary", "-m", options.model, "--format", "json")
        (folder / "photographs.json").write_text(summary)
        self.shape = json.loads(summary)["input"]
        subprocess.run([bench.python_of("onnx"), bench.HERE / "to_onnx.py", folder / "photographs.json",
                        options.model, self.onnx], check=True)

    @staticmethod
    def run(*words):
        return subprocess.run([bench.XCEPTION, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def timed(self, *words):
        start = time.perf_counter()
        text = self.run(words[0], "-q", "--threads", str(self.threads), "-m", self.packed, *words[1:])
        return 1e3 * (time.perf_counter() - start) / len(self.files), text

    def network(self):
        rows = json.loads(self.run("bench", "-m", self.packed, "--threads", str(self.threads), "--batch",
                                   "1,16", "--precision", "f32", "--rounds", "1", "--seconds", str(self.seconds),
                                   "--idle-wait", str(self.idle_wait), "--format", "json"))["rows"]
        return min(row["ms"] for row in rows), None

    def classify(self):
        ms, text = self.timed("classify", "-k", "1", "--format", "csv", *self.files)
        return ms, [int(row["index"]) for row in csv.DictReader(io.StringIO(text))]

    def eval(self):
        ms, text = self.timed("eval", "--data", self.data, "--split", "train", "--format", "json")
        return ms, json.loads(text)["images"]

    def python(self, ahead):
        job = {"onnx": self.onnx, "threads": self.threads, "side": self.shape[:2], "files": self.files,
               "ahead": ahead}
        done = subprocess.run([bench.python_of("photographs"), bench.HERE / "photographs_worker.py"],
                              input=json.dumps(job), check=True, stdout=subprocess.PIPE, text=True)
        answer = json.loads(done.stdout)
        return 1e3 * answer["seconds"] / len(self.files), answer["best"]

    def loop(self):
        return self.python(False)

    def ahead(self):
        return self.python(True)


def check(work, answers):
    """Every program saw every picture, and the best class is the same."""
    if answers["eval"] != len(work.files) or len(answers["classify"]) != len(work.files):
        return f"{len(work.files)} pictures, eval saw {answers['eval']}, classify {len(answers['classify'])}"
    for name in ("loop", "ahead"):
        other = sum(a != b for a, b in zip(answers["classify"], answers[name]))
        if other:
            return f"{WORDS[name]}: another class for {other} of {len(work.files)} pictures"
    return None


def print_table(times):
    alone = times["network"]
    print(f"| | ms a picture | least | most | network's share, % |\n|---|{'--:|' * 4}")
    for name, values in times.items():
        share = statistics.median(a / b for a, b in zip(alone, values))
        print(f"| {WORDS[name]} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} | "
              f"{100 * share:.1f} |")


def main():
    parser = argparse.ArgumentParser(prog="bench-peers --photographs", description=__doc__.split("\n\n")[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each batch of the network alone")
    parser.add_argument("--idle-wait", type=int, default=60, help="seconds to wait for quiet")
    options = parser.parse_args()
    work, times, answers = Work(options), {name: [] for name in WORDS}, {}
    for i in range(options.rounds):
        for name in list(WORDS)[::-1 if i % 2 else 1]:
            bench.wait_for_quiet(options.idle_wait)
            ms, answers[name] = getattr(work, name)()
            times[name].append(ms)
            bench.say(f"round {i + 1}: {WORDS[name]}: {ms:.2f} ms")
    print_table(times)
    wrong = check(work, answers)
    if wrong:
        bench.say(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
