"""What a command reads and what it says; that may fail, its work may not."""

import argparse
import os
import signal
import sys
import traceback

from trpo_lite._interrupts import Interrupts, install


class Parser(argparse.ArgumentParser):
    """Options; what is wrong with them is told in one line."""

    def _print_message(self, message, file=None):
        """Help, too, which nobody may read; before Python 3.11 argparse raises then."""
        stream = file or sys.stderr
        _written(stream, lambda: stream.write(message))

    def error(self, message):
        say(f"{self.prog}: {' '.join(message.split())}", sys.stderr)
        self.exit(2)


def say(text, stream=None):
    """Print a line; False if it can't be written. Letters that can't be are escaped."""
    stream = sys.stdout if stream is None else stream
    text = "".join(  # no control characters from a stranger's file
        c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(text)
    )
    return _written(stream, lambda: print(text, file=stream, flush=True))


def run(prog, main, runs=1):
    """The exit status of main(); what it raises becomes one line.

    runs : how often main() may call `train`; after the only one it saves, and nothing
        interrupts that
    2 for an error; 130 for Ctrl-C, in general 128 + the signal's number.
    """
    _open_streams()
    pressed = Interrupts(raising=True, after=runs > 1)
    installed = install(pressed, ("SIGINT", "SIGTERM", "SIGHUP"))
    try:
        try:
            status = main()
        finally:
            pressed.raising = False
    except KeyboardInterrupt:
        say(f"{prog}: interrupted", sys.stderr)
        status = 130
    except SystemExit as end:  # --help, and options that are refused
        status = end.code
    except Exception as problem:
        say(f"{prog}: {one_line(problem)}", sys.stderr)
        status = 2
    for stream in (sys.stdout, sys.stderr):
        _written(stream, stream.flush)
    for signum in installed:  # nor shall it hit Python's own end
        signal.signal(signum, signal.SIG_IGN)
    if status == 130 and pressed.signum:
        status = 128 + pressed.signum
    return status


def one_line(problem):
    """An exception in one line, with its place unless it is one of those we word."""
    worded = type(problem) in (ValueError, TypeError) or isinstance(problem, OSError)
    text = " ".join(str(problem).split())
    return text if worded and text else with_place(problem)


def with_place(problem):
    """An exception in one line, with its type and with the line that raised it."""
    last = traceback.extract_tb(problem.__traceback__)[-1]
    text = " ".join(f"{type(problem).__name__}: {problem}".split())
    return f"{text} ({last.filename}, line {last.lineno})"


def _open_streams():
    """Streams that were closed (`2>&-`) lead nowhere; none fails at foreign letters.

    Otherwise the next file to be opened would get the number of standard error, and
    whatever a library writes there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _written(stream, write):
    """Does write() work? If not, the buffer goes nowhere, also when Python exits."""
    try:
        write()
        return True
    except (OSError, ValueError):  # nobody reads on, a full disk; a closed stream
        pass
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass
    return False
