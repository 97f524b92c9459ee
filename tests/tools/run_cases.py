#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs transcripts of the command and compares every byte.

A case file holds blocks:   $ COMMAND            run by bash in an empty folder; `xception` is the command,
                                                 `example_NAME` a program of examples/
                            % COMMAND            the same on a terminal: 100 columns, stdin too
                            expected output      stdout and stderr in the order written
                            => EXIT CODE
"..." inside an expected line stands for anything, a line "..." alone for any number of lines.
$SHARED is the folder of optional data; a block whose command names a missing $SHARED/... path is
skipped, and so is every later one that names a model, .npy or .svg file which the skipped one would
have made. $SOURCE is the project's folder. A command that takes longer than DEADLINE seconds is killed
with all that it started.
"""
import fcntl, glob, os, pathlib, pty, re, select, signal, struct, subprocess, sys, tempfile, termios, time

DEADLINE = 120
SHELL = ["bash", "-o", "pipefail", "-c"]  # a command in front of a pipe fails the block, too


def blocks(path):
    command, expected = None, []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith(("$ ", "% ")):
            command, expected, start = line, [], number
        elif line.startswith("=> ") and command is not None:
            yield start, command, expected, int(line[3:])
            command = None
        elif command is not None:
            expected.append(line)
    if command is not None:
        raise ValueError(f"{path}:{start}: no => behind {command}")


def absent(command, shared, unmade):
    """Does the command need what is not there? Remembers the files that it would have made then."""
    missing = [n for n in re.findall(r"\$SHARED(/[^\s\"']+)", command)
               if not glob.glob(shared + n)]
    made = set(re.findall(r"(?<![\w/.])[\w.-]+\.(?:safetensors|keras|npy|svg)\b", command))
    if not missing and not made & unmade:
        return False
    unmade |= made
    return True


def matches(expected, got):
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in expected)
    return re.fullmatch(pattern, got) is not None


def on_terminal(command, folder, environment):
    """Exit status and what a terminal got, without returns: lines that were drawn over stay."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(SHELL[0], [*SHELL, command], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    got, end = b"", time.monotonic() + DEADLINE
    while True:
        if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            os.killpg(pid, signal.SIGKILL)
            got += b"killed: it took too long\n"
            break
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the last process that had it open has ended
            break
        if not piece:
            break
        got += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), got.replace(b"\r\n", b"\n")


def in_pipe(command, folder, environment):
    run = subprocess.Popen([*SHELL, command], cwd=folder, env=environment, start_new_session=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        got = run.communicate(timeout=DEADLINE)[0]
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        got = run.communicate()[0] + b"killed: it took too long\n"
    return run.returncode, got


def main():
    binary, shared, *paths = sys.argv[1:]
    shared, programs = os.path.abspath(shared), os.path.dirname(os.path.abspath(binary))
    failed = ran = skipped = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "work"))
            environment = {"PATH": f"{programs}:{programs}/examples:/usr/bin:/bin",
                           "SHARED": shared,
                           "SOURCE": str(pathlib.Path(__file__).resolve().parents[2]),
                           "LC_ALL": "C.UTF-8", "HOME": folder, "XDG_CONFIG_DIRS": folder + "/site"}
            unmade = set()
            for line, command, expected, code in blocks(path):
                if absent(command, shared, unmade):
                    skipped += 1
                    continue
                run = on_terminal if command[0] == "%" else in_pipe
                status, got = run(command[2:], os.path.join(folder, "work"), environment)
                got = got.decode("utf-8", "replace")
                ran += 1
                if status == code and matches(expected, got):
                    continue
                failed += 1
                print(f"{path}:{line}: {command}\n--- expected (=> {code})\n" +
                      "\n".join(expected) + f"\n--- got (=> {status})\n{got}", flush=True)
    print(f"{ran - failed} passed, {failed} failed, {skipped} skipped: ../shared is absent"
          if skipped else f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
