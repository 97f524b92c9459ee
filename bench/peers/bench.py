#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is it faster than what others use? The identical network with the same weights in every program,
on this machine, in turns: ours, peer, peer, ours in every round, each turn of a round after a moment
in which nobody else uses the machine. Prints a table and writes bench/peers.json.

Each program is a process of its own (worker.py) that is ready and waits while another has its turn.
The ratio of a row is that to the best peer; its 95 % interval is Student's t over the rounds'
logarithms. Memory and the first answer of ours are those of the command, of peers those of their
worker, whose interpreter is counted and shown.
"""
import argparse
import array
import fnmatch
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "bench/peers"
WORK = ROOT / "build/peers"
XCEPTION = ROOT / "build/release/xception"
LIBRARY = ROOT / "build/release/libxception.so"
NOISE = 0.035  # share of the machine that others may use
TURNS_AGAIN = 3
TOLERANCE = {"f32": 1e-4, "bf16": 5e-2}  # of the largest logit

# What each private environment holds.
PACKAGES = {
    "onnx": ["onnx==1.23.2", "numpy==2.4.6"],
    "onnxruntime": ["onnxruntime==1.32.0", "numpy==2.4.6"],
    "photographs": ["onnxruntime==1.32.0", "numpy==2.4.6", "pillow==13.0.0"],
    "openvino": ["openvino==2026.4.1", "numpy==2.4.6"],
    "keras": ["tensorflow-cpu==2.21.0", "keras==3.15.1", "ai-edge-litert==2.3.0"],
    "torch": ["torch==2.15.0", "numpy==2.4.6"],
}
PEERS = {  # name: environment, precisions, batches it is asked for
    "onnxruntime": ("onnxruntime", ("f32",), (1, 16)),
    "openvino": ("openvino", ("f32", "bf16"), (1, 16)),
    "openvino_streams": ("openvino", ("f32", "bf16"), (16,)),  # its throughput mode
    "litert": ("keras", ("f32",), (1,)),
    "torch": ("torch", ("f32", "bf16"), (1, 16)),
    "keras": ("keras", ("f32",), (1, 16)),
}
class Row(typing.NamedTuple):
    name: str
    arch: str
    precision: str
    batch: int
    threads: int
    algo: str = "direct"


ROWS = [
    Row("f32-b1-t1", "xception", "f32", 1, 1),
    Row("f32-b1-t2", "xception", "f32", 1, 2),
    Row("f32-b16-t2", "xception", "f32", 16, 2),
    Row("fast-b1-t1", "xception", "f32", 1, 1, "fast"),
    Row("fast-b1-t2", "xception", "f32", 1, 2, "fast"),
    Row("bf16-b1-t1", "xception", "bf16", 1, 1),
    Row("bf16-b1-t2", "xception", "bf16", 1, 2),
    Row("bf16-b16-t2", "xception", "bf16", 16, 2),
    Row("resnet50-b1-t1", "resnet50", "f32", 1, 1),
    Row("resnet50-b1-t2", "resnet50", "f32", 1, 2),
    Row("vgg16-b1-t1", "vgg16", "f32", 1, 1),
    Row("vgg16-b1-t2", "vgg16", "f32", 1, 2),
    Row("inception-v3-b1-t1", "inception-v3", "f32", 1, 1),
    Row("inception-v3-b1-t2", "inception-v3", "f32", 1, 2),
    Row("resnet50-fast-b1-t1", "resnet50", "f32", 1, 1, "fast"),
    Row("vgg16-fast-b1-t1", "vgg16", "f32", 1, 1, "fast"),
    Row("inception-v3-fast-b1-t1", "inception-v3", "f32", 1, 1, "fast"),
    Row("mini-b1-t1", "mini-xception", "f32", 1, 1),
]
GOLDEN = ("xception", "mini-xception")  # architectures that the golden pattern of weights is good for


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


# ---- environments and models ----------------------------------------------------------------------

def python_of(environment):
    """The interpreter of a private environment, made when it is not there or of other versions."""
    folder, packages = WORK / environment, PACKAGES[environment]
    done = folder / "packages"
    if not done.exists() or done.read_text().split() != packages:
        say(f"installing {' '.join(packages)}")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", *packages], check=True)
        done.write_text("\n".join(packages))
    return folder / "bin/python"


class Network:
    """A model file, its layers, its pictures, and what the peers need of it."""

    def __init__(self, arch, peers):
        folder = WORK / "models"
        folder.mkdir(parents=True, exist_ok=True)
        self.arch, self.made = arch, set()
        self.model = folder / f"{arch}.safetensors"
        self.summary = folder / f"{arch}.json"
        self.onnx = folder / f"{arch}.onnx"
        self.tflite = folder / f"{arch}.tflite"
        sys.path.insert(0, str(HERE))
        import ours
        engine = ours.Xception(str(LIBRARY), 0)
        engine.create(arch, ours.WEIGHTS_GOLDEN if arch in GOLDEN else ours.WEIGHTS_RANDOM)
        engine.save(str(self.model))
        with open(self.summary, "w", encoding="utf-8") as file:
            subprocess.run([XCEPTION, "summary", "-m", self.model, "--format", "json"], stdout=file,
                           check=True)
        summary = json.loads(self.summary.read_text())
        self.shape, self.macs = summary["input"], summary["totals"]["macs"]
        self.convert("onnx", "to_onnx.py", self.onnx)
        if "litert" in peers:
            self.convert("keras", "to_keras.py", self.tflite)

    def convert(self, environment, script, out):
        subprocess.run([python_of(environment), HERE / script, self.summary, self.model, out],
                       check=True)

    def packed(self, precision):
        """The file that ours runs, made when it is first asked for."""
        path = WORK / "models" / f"{self.arch}.{precision}.safetensors"
        if precision not in self.made:
            subprocess.run([XCEPTION, "convert", "-q", "--pack", "--precision", precision,
                            self.model, path], stdout=subprocess.DEVNULL, check=True)
            self.made.add(precision)
        return path

    def pictures(self, batch):
        """A file of numbers between -1 and 1."""
        path = WORK / "models" / f"{self.arch}-{batch}.f32"
        count = batch * math.prod(self.shape)
        numbers = random.Random(1)
        array.array("f", (numbers.uniform(-1, 1) for _ in range(count))).tofile(open(path, "wb"))
        return path


# ---- the machine ----------------------------------------------------------------------------------

def busy():
    """Seconds of all cores: used by anybody, passed."""
    with open("/proc/stat", encoding="ascii") as file:
        part = [int(word) for word in file.readline().split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(part) - part[3] - part[4]) / tick, sum(part) / tick


def wait_for_quiet(limit):
    end, quiet = time.monotonic() + limit, 0
    while limit and quiet < 2:
        before = busy()
        time.sleep(0.7)
        after = busy()
        share = (after[0] - before[0]) / (after[1] - before[1])
        quiet = quiet + 1 if share < NOISE else 0
        if quiet == 0 and time.monotonic() > end:
            say(f"others use {share:.0%} of this machine, and did for {limit} s: measured all the same")
            return


# ---- programs -------------------------------------------------------------------------------------

class Program:
    """One worker; `ready` is what it said, `slots` the medians of its turns, round by round."""

    def __init__(self, peer, network, row):
        self.peer, self.batch, self.macs = peer, row.batch, network.macs
        self.logits_file = WORK / "models" / f"logits-{peer}"
        job = {"peer": peer, "library": str(LIBRARY), "model": str(network.model), "onnx": str(network.onnx), "tflite": str(network.tflite),
               "packed": str(network.packed(row.precision)), "summary": str(network.summary),
               "input": str(network.pictures(row.batch)), "shape": network.shape,
               "logits": str(self.logits_file), **row._asdict()}
        python = sys.executable if peer == "ours" else python_of(PEERS[peer][0])
        self.process = subprocess.Popen([python, HERE / "worker.py", json.dumps(job)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.slots, self.peaks, self.disturbed, self.cpu, self.mib = [], [], 0, None, 0
        line = self.process.stdout.readline()
        if not line:
            lines = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(lines[-1] if lines else "ended without a word")
        self.ready = json.loads(line)
        self.logits = array.array("f", self.logits_file.read_bytes())

    def turn(self, seconds):
        """One turn; its median in milliseconds an image, and whether the machine was its own."""
        before = busy()
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        after = busy()
        others = 0.0
        if self.cpu is not None:
            own = answer["cpu"] - self.cpu
            others = (after[0] - before[0] - own) / max(after[1] - before[1], 1e-9)
        self.cpu, self.mib = answer["cpu"], answer["mib"]
        return statistics.median(answer["times"]) * 1e3 / self.batch, answer["peak"], others < NOISE

    def take_turn(self, seconds):
        for _ in range(TURNS_AGAIN):
            ms, peak, quiet = self.turn(seconds)
            if quiet:
                break
        self.disturbed += not quiet
        self.slots.append(ms)
        self.peaks.append(peak)

    def rounds(self):
        """The two turns of a round count as one: their geometric mean."""
        return [math.sqrt(a * b) for a, b in zip(self.slots[::2], self.slots[1::2])]

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


# ---- statistics -----------------------------------------------------------------------------------

# Student's t, 97.5 %, by degrees of freedom.
T975 = [0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
        2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086]


def ratio_of(a, b):
    """Mean ratio of paired rounds, and its 95 % interval (the ratio alone when there is one)."""
    logs = [math.log(x / y) for x, y in zip(a, b)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return [math.exp(mean)] * 3
    half = T975[min(len(logs) - 1, 20)] * statistics.stdev(logs) / math.sqrt(len(logs))
    return [math.exp(mean), math.exp(mean - half), math.exp(mean + half)]


def difference(a, b):
    """Largest difference of two lists of logits, of the largest logit of the first."""
    if len(a) != len(b):
        return math.inf
    return max(abs(x - y) for x, y in zip(a, b)) / max(abs(x) for x in a)


# ---- rows -----------------------------------------------------------------------------------------

def command_facts(network, row):
    """Peak memory and first answer of ours, as the command has them."""
    done = subprocess.run(
        [XCEPTION, "bench", "-m", network.packed(row.precision), "--threads", str(row.threads),
         "--batch", str(row.batch), "--precision", row.precision, "--algo", row.algo, "--rounds", "3",
         "--seconds", "0", "--idle-wait", "0", "--format", "json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    facts = json.loads(done.stdout)
    measured = facts["rows"][0]
    return {"machine": facts["machine"], "level": facts["level"], "mib": measured["mib"],
            "first_ms": measured["first_ms"]}


def start_programs(peers, network, row):
    programs = [Program("ours", network, row)]
    for peer in peers:
        try:
            programs.append(Program(peer, network, row))
        except (RuntimeError, subprocess.CalledProcessError) as error:
            say(f"{peer}: {error}; left out")
    return programs


def result_of(program, ours, peak):
    rounds = program.rounds()
    ms = statistics.median(rounds)
    return {"version": program.ready["version"], "ms": ms, "rounds_ms": rounds,
            "percent_of_peak": 100 * program.macs / (ms * 1e-3) / peak,
            "first_ms": program.ready["first_ms"], "mib": program.mib,
            "interpreter_mib": program.ready["base"], "disturbed_turns": program.disturbed,
            "logits_differ": difference(ours.logits, program.logits)}


def measure(row, peers, networks, options):
    """One row of the table, or None with the reason said."""
    mine = [p for p in peers if row.precision in PEERS[p][1] and row.batch in PEERS[p][2]]
    if row.threads > len(os.sched_getaffinity(0)):
        return say(f"{row.name}: skipped: {row.threads} cores are not here")
    if row.arch not in networks:
        networks[row.arch] = Network(row.arch, peers)
    try:
        facts = command_facts(networks[row.arch], row)
        programs = start_programs(mine, networks[row.arch], row)
    except RuntimeError as error:
        return say(f"{row.name}: skipped: {error}")
    for _ in range(options.rounds):
        wait_for_quiet(options.idle_wait)
        for program in programs + programs[::-1]:
            program.take_turn(options.seconds)
    for program in programs:
        program.end()
    ours, others = programs[0], programs[1:]
    peak = statistics.median(ours.peaks)
    result = {**row._asdict(), "macs": ours.macs, "peak_gmacs": peak * 1e-9, **facts,
              "programs": {p.peer: result_of(p, ours, peak) for p in programs}}
    result["programs"]["ours"] |= {key: facts[key] for key in ("mib", "first_ms")}
    if others:
        best = min(others, key=lambda p: statistics.median(p.rounds()))
        result["best"] = best.peer
        result["ratio"], result["low"], result["high"] = ratio_of(ours.rounds(), best.rounds())
    return result


# ---- the table ------------------------------------------------------------------------------------

def words_of(row):
    cores = "1 core" if row["threads"] == 1 else f"{row['threads']} cores"
    algo = "" if row["algo"] == "direct" else f" {row['algo']}"
    return f"{row['arch']}, {row['precision']}{algo}, batch {row['batch']}, {cores}"


def table(rows, title, cell, last=()):
    programs = ["ours", *(p for p in PEERS if any(p in row["programs"] for row in rows))]
    names = [p.replace("ours", "xception").replace("_", " ") for p in programs]
    lines = [f"| {title} | " + " | ".join([*names, *(name for name, _ in last)]) + " |",
             "|---|" + "--:|" * (len(programs) + len(last))]
    for row in rows:
        cells = [cell(row["programs"][p]) if p in row["programs"] else "-" for p in programs]
        cells += [show(row) for _, show in last]
        lines.append(f"| {words_of(row)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio_cell(row):
    return f"**{row['ratio']:.3f}**" if "ratio" in row else "-"


def interval_cell(row):
    return f"{row['low']:.3f} to {row['high']:.3f}" if "ratio" in row else "-"


def print_tables(rows):
    versions = {p: r["version"] for row in rows for p, r in row["programs"].items()}
    print(f"{rows[0]['machine']}; {rows[0]['level']} kernels; "
          + ", ".join(f"{'xception' if p == 'ours' else p} {v}" for p, v in versions.items()
                      if p != "openvino_streams") + "\n")
    print(table(rows, "ms an image (% of peak)",
                lambda r: f"{r['ms']:.2f} ({r['percent_of_peak']:.1f})",
                [("ours / best", ratio_cell), ("95 % interval", interval_cell)]))
    base = max(r["interpreter_mib"] for row in rows for p, r in row["programs"].items() if p != "ours")
    print("\n" + table(rows, "peak memory, MiB", lambda r: f"{r['mib']:.0f}"))
    print(f"\nPeers' memory holds {base:.0f} MiB of Python.\n")
    print(table(rows, "first answer, ms", lambda r: f"{r['first_ms']:.0f}"))
    print("\nThe first answer of xception counts from the start of its process, of peers from the import of "
          "their library.")


def complaints(rows):
    for row in rows:
        for peer, r in row["programs"].items():
            if r["disturbed_turns"]:
                say(f"{row['name']}: {peer}: others used this machine in {r['disturbed_turns']} turns")
            if not r["logits_differ"] <= TOLERANCE[row["precision"]]:
                yield (f"{row['name']}: {peer}: logits differ by {r['logits_differ']:.1e} of the "
                       f"largest, at most {TOLERANCE[row['precision']]:.0e} is right")


def options_of(argv):
    parser = argparse.ArgumentParser(prog="bench-peers", description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", default=os.environ.get("PEERS") or "onnxruntime openvino",
                        help="words of: " + " ".join(p for p in PEERS if "_" not in p))
    parser.add_argument("--rows", default="*", help="names or patterns: f32-b1-*,mini-*")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn, at least two runs")
    parser.add_argument("--idle-wait", type=int, default=60, help="seconds to wait for quiet")
    parser.add_argument("--out", default=str(ROOT / "bench/peers.json"))
    options = parser.parse_args(argv)
    options.peers = options.peers.replace(",", " ").split()
    for peer in options.peers:
        if peer not in PEERS or "_" in peer:
            parser.error(f"--peers: '{peer}' is not one of {' '.join(p for p in PEERS if '_' not in p)}")
    if "openvino" in options.peers:
        options.peers.append("openvino_streams")
    return options


def save(rows, options):
    """After each row: what was measured outlives an end that comes too early."""
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump({"rounds": options.rounds, "seconds": options.seconds, "rows": rows}, file, indent=1)
        file.write("\n")


def main():
    options = options_of(sys.argv[1:])
    patterns, rows, networks = options.rows.split(","), [], {}
    for row in ROWS:
        if any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns):
            say(row.name)
            result = measure(row, options.peers, networks, options)
            if result:
                rows.append(result)
                save(rows, options)
    if not rows:
        say("nothing was measured")
        return 1
    print_tables(rows)
    wrong = list(complaints(rows))
    for line in wrong:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
