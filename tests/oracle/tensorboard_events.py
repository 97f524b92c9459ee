#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does TensorBoard read the events of a run as what metrics.csv says? Trains a small network, reads
its events with tensorboard's own loader (which checks both sums of each record), and compares
every scalar; then flips a bit, which the loader must refuse."""
import csv, glob, os, struct, subprocess, sys, tempfile

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

BINARY = os.path.abspath(os.environ.get("XCEPTION_BINARY", "build/release/xception"))
ARCH = "xception,stem-stride=1,input=16x16x3,stem=4/8,entry=8/16,middle=1,exit=16/24/32"
COLUMNS = {"train/loss": "train_loss", "train/top1": "train_top1", "train/lr": "lr",
           "train/images_per_second": "images_per_second", "val/loss": "val_loss",
           "val/top1": "val_top1", "val/top5": "val_top5", "epoch": "epoch"}


def read(path):
    return [Event.FromString(record) for record in RawEventFileLoader(path).Load()]


def main():
    failed = 0

    def check(what, good):
        nonlocal failed
        failed += not good
        print(("ok   " if good else "FAIL ") + what)

    with tempfile.TemporaryDirectory() as folder:
        for split in "train", "val":
            for number, name in enumerate(("dark", "light")):
                os.makedirs(f"{folder}/data/{split}/{name}")
                for i in range(4):
                    with open(f"{folder}/data/{split}/{name}/{i}.ppm", "wb") as f:
                        f.write(b"P6 16 16 255\n" + bytes([40 + 150 * number + i] * 768))
        subprocess.run([BINARY, "train", "-q", "--data", f"{folder}/data", "--arch", ARCH, "--recipe",
                        "cifar", "--batch", "4", "--epochs", "5", "--out", f"{folder}/run"], check=True,
                       stdout=subprocess.DEVNULL)
        path, = glob.glob(f"{folder}/run/events.out.tfevents.*")
        rows = list(csv.DictReader(open(f"{folder}/run/metrics.csv")))
        events = read(path)
        check("the first event is the version", events[0].file_version == "brain.Event:2")
        check(f"{len(rows)} rows, {len(events) - 1} events", len(events) - 1 == len(rows))
        for row, event in zip(rows, events[1:]):
            values = {v.tag: v.simple_value for v in event.summary.value}
            same = set(values) == set(COLUMNS) and event.step == int(float(row["step"])) and all(
                struct.pack("f", values[tag]) == struct.pack("f", float(row[column]))
                for tag, column in COLUMNS.items())
            check(f"epoch {row['epoch']}: step {event.step}, {len(values)} scalars", same)
        whole = open(path, "rb").read()
        for at in 8, len(whole) // 2, len(whole) - 5:
            with open(path, "wb") as f:
                f.write(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
            try:
                left = len(read(path))
            except Exception:  # of its own kind in each version
                left = -1
            check(f"a flipped bit at byte {at} is seen", left < len(events))
    print(f"{failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
