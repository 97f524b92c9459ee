#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs transcripts of the command and compares every byte.

A case file holds blocks:   $ COMMAND            run by sh in an empty folder; `xception` is the command
                            expected output      stdout and stderr in the order written
                            => EXIT CODE
"..." inside an expected line stands for anything, a line "..." alone for any number of lines.
$SHARED is the folder of optional data; a block whose command names a missing $SHARED/... path is
skipped, and so is every later one that names a model file which the skipped one would have made.
"""
import glob, os, re, subprocess, sys, tempfile


def blocks(path):
    command, expected = None, []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("$ "):
            command, expected, start = line[2:], [], number
        elif line.startswith("=> ") and command is not None:
            yield start, command, expected, int(line[3:])
            command = None
        elif command is not None:
            expected.append(line)


def absent(command, shared, unmade):
    """Does the command need what is not there? Remembers the model files that it names then."""
    missing = [n for n in re.findall(r"\$SHARED(/[^\s\"']+)", command)
               if not glob.glob(shared + n)]
    models = set(re.findall(r"(?<![\w/.])[\w-]+\.(?:safetensors|keras)\b", command))
    if not missing and not models & unmade:
        return False
    unmade |= models
    return True


def matches(expected, got):
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in expected)
    return re.fullmatch(pattern, got) is not None


def main():
    binary, shared, *paths = sys.argv[1:]
    shared = os.path.abspath(shared)
    failed = ran = skipped = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "work"))
            environment = {"PATH": os.path.dirname(os.path.abspath(binary)) + ":/usr/bin:/bin",
                           "SHARED": shared,
                           "LC_ALL": "C.UTF-8", "HOME": folder, "XDG_CONFIG_DIRS": folder + "/site"}
            unmade = set()
            for line, command, expected, code in blocks(path):
                if absent(command, shared, unmade):
                    skipped += 1
                    continue
                done = subprocess.run(["sh", "-c", command], cwd=os.path.join(folder, "work"),
                                      env=environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
                got = done.stdout.decode("utf-8", "replace")
                ran += 1
                if done.returncode == code and matches(expected, got):
                    continue
                failed += 1
                print(f"{path}:{line}: $ {command}\n--- expected (=> {code})\n" +
                      "\n".join(expected) + f"\n--- got (=> {done.returncode})\n{got}")
    print(f"{ran - failed} passed, {failed} failed, {skipped} skipped: ../shared is absent"
          if skipped else f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
