#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a study that is killed 20 times, and stopped by signals in between, end with the report of an
unbroken one, byte for byte? Times are left out (--no-times). kill.py COMMAND [SEED]
"""
import os, random, signal, subprocess, sys, tempfile, time

import pictures

ARCH = "xception,stem-stride=1,stem=4/8,entry=8/16,middle=1,exit=16/24/32"
REPORTS = ("report.html", "report.json", "report.csv")


def start(binary, folder, out):
    words = [binary, "study", "-q", "--data", f"{folder}/set", "--arch", ARCH, "--axis", "residual",
             "--epochs", "3", "--repeat", "2", "--batch", "8", "--save-every", "0", "--no-times",
             "--threads", "1", "-o", out]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=pictures.surroundings(folder))


def read(out):
    return {name: open(f"{out}/{name}", "rb").read() for name in REPORTS}


def main():
    binary = os.path.abspath(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    luck = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        pictures.make(f"{folder}/set", 27, 14)
        begin = time.monotonic()
        whole = start(binary, folder, f"{folder}/whole")
        text = whole.communicate()[0].decode()
        took = time.monotonic() - begin
        if whole.returncode != 0:
            print(text)
            return 1
        kills = ended = 0
        while kills < 20:  # most in the middle: a study that came to its end begins again
            out = f"{folder}/broken{ended}"
            broken = start(binary, folder, out)
            time.sleep(luck.random() * took / 8)
            if broken.poll() is None:
                broken.send_signal(luck.choice((signal.SIGKILL,) * 3 + (signal.SIGINT,)))
                kills += 1
            broken.communicate()
            ended += broken.returncode == 0
        out = f"{folder}/broken{ended}"
        last = start(binary, folder, out)
        text = last.communicate()[0].decode()
        if last.returncode != 0:
            print(text)
            return 1
        print(f"{kills} times killed, {ended} studies came to their end before")
        want = read(f"{folder}/whole")
        for i in range(ended + 1):
            got = read(f"{folder}/broken{i}")
            for name in REPORTS:
                if got[name] != want[name]:
                    print(f"study {i}: {name} differs")
                    return 1
        if b"images_per_second" in want["report.json"] or os.path.exists(f"{folder}/whole/times.csv"):
            print("times in a report without times")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
