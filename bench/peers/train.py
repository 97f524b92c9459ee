#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A step of training beside PyTorch (compiled, and eager) and Keras: the same layers, batch and
optimizer (SGD with momentum; float32, or brain floats as each mixes them), in turns: ours, peers, peers backwards, ours in every round,
each round after a moment in which nobody else uses the machine. Prints a table and writes
bench/peers-train.json.

The networks are written down once for each library (train_worker.py) and must have as many trained
parameters as ours. Times are of whole steps; the ratio of a row is that to the best peer, with
Student's 95 % interval over the rounds' logarithms. Memory is VmHWM of the worker, Python included.
"""
import argparse
import fnmatch
import json
import math
import statistics
import subprocess
import sys
import typing

import bench

ARCHS = {
    "xception": dict(arch="xception", side=299, classes=1000, stem=(32, 64), stride=2,
                     entry=(128, 256, 728), middle=8, exit=(1024, 1536, 2048)),
    "small": dict(arch="xception,stem-stride=1,stem=16/32,entry=64/128,middle=4,exit=192/256/384,"
                       "input=32x32x3,classes=10", side=32, classes=10, stem=(16, 32), stride=1,
                  entry=(64, 128), middle=4, exit=(192, 256, 384)),
}
PEERS = {"torch-compiled": "torch", "torch": "torch", "keras": "keras"}


class Row(typing.NamedTuple):
    name: str
    network: str
    batch: int
    threads: int
    precision: str


ROWS = [Row(f"{network}-{precision}-b{batch}-t2", network, batch, 2, precision)
        for network, batch in (("small", 128), ("xception", 16)) for precision in ("f32", "bf16")]


class Program:
    """One worker; `slots` are the medians of its turns, seconds a step."""

    def __init__(self, peer, row):
        job = {"peer": peer, "library": str(bench.LIBRARY), **ARCHS[row.network], **row._asdict()}
        python = sys.executable if peer == "ours" else bench.python_of(PEERS[peer])
        self.peer, self.slots, self.cpu, self.disturbed, self.mib = peer, [], None, 0, 0
        self.process = subprocess.Popen([python, bench.HERE / "train_worker.py", json.dumps(job)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            lines = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(lines[-1] if lines else "ended without a word")
        self.ready = json.loads(line)

    def take_turn(self, seconds):
        before = bench.busy()
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        after = bench.busy()
        if self.cpu is not None:
            own = answer["cpu"] - self.cpu
            others = (after[0] - before[0] - own) / max(after[1] - before[1], 1e-9)
            self.disturbed += others > bench.NOISE
        self.cpu, self.mib = answer["cpu"], answer["mib"]
        self.slots.append(statistics.median(answer["times"]))

    def rounds(self):
        return [math.sqrt(a * b) for a, b in zip(self.slots[::2], self.slots[1::2])]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def start(peers, row):
    programs = [Program("ours", row)]
    count = programs[0].ready["parameters"]
    for peer in peers:
        try:
            program = Program(peer, row)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            bench.say(f"{row.name}: {peer}: {error}; left out")
            continue
        if program.ready["parameters"] != count:
            raise SystemExit(f"{row.name}: {peer} trains {program.ready['parameters']} parameters, "
                             f"ours {count}: not the same network")
        programs.append(program)
    return programs


def measure(row, options):
    programs = start(options.peers, row)
    for _ in range(options.rounds):
        bench.wait_for_quiet(options.idle_wait)
        for program in programs + programs[::-1]:
            program.take_turn(options.seconds)
    for program in programs:
        program.end()
    ours, others = programs[0], programs[1:]
    peak, macs = ours.ready["peak"], ours.ready["macs"]
    result = {**row._asdict(), "rounds": options.rounds, "seconds": options.seconds, "programs": {}}
    for p in programs:
        seconds = statistics.median(p.rounds())
        result["programs"][p.peer] = {
            "version": p.ready["version"], "ms": seconds * 1e3 / row.batch,
            "images_s": row.batch / seconds, "percent_of_peak": 100 * macs * row.batch / seconds / peak,
            "mib": p.mib, "disturbed_turns": p.disturbed, "rounds_s": p.rounds()}
    if others:
        best = min(others, key=lambda p: statistics.median(p.rounds()))
        result["best"] = best.peer
        result["ratio"], result["low"], result["high"] = bench.ratio_of(ours.rounds(), best.rounds())
    return result


def print_table(rows):
    print("| step of training | program | ms an image | images/s | % of peak | peak MiB |\n"
          "|---|---|--:|--:|--:|--:|")
    for row in rows:
        for peer, r in row["programs"].items():
            print(f"| {row['name']} | {peer} {r['version']} | {r['ms']:.2f} | {r['images_s']:.1f} | "
                  f"{r['percent_of_peak']:.1f} | {r['mib']:.0f} |")
        if "ratio" in row:
            print(f"| | ours / {row['best']} | **{row['ratio']:.3f}** ({row['low']:.3f} to "
                  f"{row['high']:.3f}) | | | |")


def main():
    parser = argparse.ArgumentParser(prog="bench-peers --train", description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", default="torch-compiled keras", help="words of: " + " ".join(PEERS))
    parser.add_argument("--rows", default="*", help="names or patterns: small-*")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5, help="of a turn, at least two steps")
    parser.add_argument("--idle-wait", type=int, default=60, help="seconds to wait for quiet")
    parser.add_argument("--out", default=str(bench.ROOT / "bench/peers-train.json"))
    options = parser.parse_args()
    options.peers = options.peers.replace(",", " ").split()
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"--peers: '{peer}' is not one of {' '.join(PEERS)}")
    rows = [measure(row, options) for row in ROWS
            if any(fnmatch.fnmatch(row.name, p) for p in options.rows.split(","))]
    print_table(rows)
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")
    for row in rows:
        for peer, r in row["programs"].items():
            if r["disturbed_turns"]:
                bench.say(f"{row['name']}: {peer}: others used this machine in "
                          f"{r['disturbed_turns']} turns")


if __name__ == "__main__":
    main()
