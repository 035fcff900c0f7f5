"""What is shown while work goes on and when it ends; it may fail, the work may not."""

import argparse
import os
import signal
import sys
import time
import traceback

from trpo_lite._interrupts import Interrupts, install


class Progress:
    """What is done, with words: a bar on a terminal or in a notebook, else plain lines.

    A line comes after the first update, or after `first` seconds, then every `seconds`,
    and at the end if there was one. Whatever goes wrong while showing it ends the
    showing only.
    """

    def __init__(self, total, name, shown=True, unit="steps", first=0.0, seconds=10.0):
        self.total, self.name, self.unit, self.seconds = total, name, unit, seconds
        self.done, self.said, self.words = 0, 0, ""
        self.start, self.bar = time.perf_counter(), None
        self.next = self.start + first
        self.shown = shown
        self._try(self._open)

    def update(self, steps, words):
        """So much more is done."""
        self.done, self.words = self.done + steps, words
        if self.shown:
            self._try(self._show)

    def close(self):
        self._try(self._close)
        self.shown = False

    def _try(self, show):
        if not self.shown:
            return
        try:
            show()
        except Exception:  # no terminal, no room on the disk, no such letters
            self.shown = False

    def _open(self):
        if _is_terminal(sys.stderr) or _in_notebook():
            from tqdm.auto import tqdm

            # a bar that fails while it is made complains once more when it is collected
            print(end="", file=sys.stderr, flush=True)
            self.bar = tqdm(
                total=self.total,
                desc=self.name,
                unit=f" {self.unit}",
                unit_scale=True,
            )

    def _show(self):
        if self.bar is not None:
            self.bar.set_postfix_str(self.words, refresh=False)
            self.bar.update(self.done - self.bar.n)
        elif time.perf_counter() >= self.next:
            self._line()

    def _close(self):
        if self.bar is not None:
            self.bar.close()
        elif self.done > self.said > 0:
            self._line()

    def _line(self):
        now = time.perf_counter()
        self.next, self.said = now + self.seconds, self.done
        speed = self.done / max(now - self.start, 1e-9)
        line = f"{self.name}: {self.done} of {self.total} {self.unit}, {self.words}"
        print(f"{line}, {speed:.0f} {self.unit}/s", file=sys.stderr, flush=True)


def _is_terminal(stream):
    return stream is not None and stream.isatty()


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and "IPKernelApp" in shell.config


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
