#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cell that crashes is reported and the others go on; a study that is stopped by Ctrl-C keeps its
finished cells and goes on. crash.py COMMAND"""
import fcntl, glob, json, os, signal, subprocess, sys, tempfile, time

import pictures

ARCH = "xception,stem-stride=1,stem=4/8,entry=8/16,middle=1,exit=16/24/32"


def start(binary, folder, *words):
    return subprocess.Popen([binary, "study", "-o", f"{folder}/s", *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=pictures.surroundings(folder))


def child_of(study):
    """The process of the cell that runs now, and its number."""
    while study.poll() is None:
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                parent = open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1]
                words = open(f"/proc/{name}/cmdline").read().split("\0")
            except OSError:
                continue
            if int(parent) == study.pid and "--cell" in words:
                return int(name), int(words[words.index("--cell") + 1])
        time.sleep(0.002)
    check("a cell of the study runs", False, study.communicate()[1])


def epochs_logged(folder):
    return sum(open(log).read().count(": loss ") for log in glob.glob(f"{folder}/s/cells/*/log.txt"))


def check(what, ok, text=""):
    if not ok:
        print(f"wrong: {what}\n{text}")
        sys.exit(1)


def main():
    binary = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        pictures.make(f"{folder}/set", 20, 10)
        given = ("--data", f"{folder}/set", "--arch", ARCH, "--axis", "act=none/relu", "--epochs",
                 "40", "--repeat", "2", "--batch", "4", "--no-times", "--threads", "1")
        study = start(binary, folder, *given)
        victim, number = child_of(study)
        os.kill(victim, signal.SIGSEGV)
        out, err = study.communicate()
        check("exit code of a study with a crashed cell", study.returncode == 1, err)
        check("the sentence", "ended by signal 11" in err, err)
        report = json.load(open(f"{folder}/s/report.json"))
        check("three cells are done", report["done"] == 3 and report["failed"] == 1, out)
        failed = [c.get("failed", "") for n in report["networks"] for c in n["cells"]]
        check("the report says why", sum("signal 11" in f for f in failed) == 1)
        check("so does the page", "signal 11" in open(f"{folder}/s/report.html").read())

        before = epochs_logged(folder)
        study = start(binary, folder)  # the crashed one again, stopped in its middle
        again, cell = child_of(study)
        check("only the crashed cell runs again", cell == number)
        while epochs_logged(folder) <= before and study.poll() is None:
            time.sleep(0.002)
        study.send_signal(signal.SIGINT)
        out, err = study.communicate()
        check("Ctrl-C ends with 130", study.returncode == 130, err)
        check("how to go on is said", f"go on with: xception study -o {folder}/s" in err, err)
        check("finished cells are kept", len(glob.glob(f"{folder}/s/cells/*/predictions.bin")) == 3)
        study = start(binary, folder, *given)
        out, err = study.communicate()
        check("the study ends", study.returncode == 0, err)
        report = json.load(open(f"{folder}/s/report.json"))
        check("all cells are done", report["done"] == 4 and report["failed"] == 0, out)

        with open(f"{folder}/s/study.lock") as lock:  # as one that works on it has it
            fcntl.flock(lock, fcntl.LOCK_EX)
            study = start(binary, folder, "-q")
            out, err = study.communicate()
            check("two at once", study.returncode == 6 and "another process works on" in err, err)
        with open(f"{folder}/s/cell.lock") as lock:  # as a cell that has not ended yet has it
            fcntl.flock(lock, fcntl.LOCK_EX)
            cell = start(binary, folder, "--cell", "0")
            place = os.path.realpath(lock.name)
            while cell.poll() is None and not any(os.path.realpath(link) == place
                                                  for link in glob.glob(f"/proc/{cell.pid}/fd/*")):
                time.sleep(0.002)
            cell.send_signal(signal.SIGTERM)
            out, err = cell.communicate(timeout=60)
            check("a cell that waits is stopped", cell.returncode == 143, err)
        study = start(binary, folder, "-q")
        out, err = study.communicate()
        check("one at once", study.returncode == 0, err)
    print("good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
