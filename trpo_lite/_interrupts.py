"""Ctrl-C that ends the work and never hits what comes after it."""

import contextlib
import signal
import threading
import time


class Interrupts:
    """A signal handler: raises KeyboardInterrupt while `raising`, else does nothing.

    Presses within a second of one another count as one, so that a second never hits
    what the first has set off; `signum` is the last signal that was raised for. `after`
    is what `raising` is after a protected run.
    """

    def __init__(self, raising=False, after=False):
        self.raising, self.after = raising, after
        self.signum, self._last = None, -1.0

    def __call__(self, signum, frame):
        now = time.monotonic()
        if self.raising and (self.signum is None or now - self._last > 1):
            self._last, self.signum = now, signum
            raise KeyboardInterrupt


def install(handler, names=("SIGINT",)):
    """Set `handler` where Python's own would act; {signal: the one before}.

    Handlers that someone else has set are left alone, and so are all of them outside of
    the main thread; Ctrl-C is then as it was.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    default = signal.default_int_handler, signal.SIG_DFL
    signals = [getattr(signal, n) for n in names if hasattr(signal, n)]
    return {
        signum: signal.signal(signum, handler)
        for signum in signals
        if signal.getsignal(signum) in default
    }


@contextlib.contextmanager
def interrupts():
    """The `Interrupts` in force: those of a command line, or new ones until the end."""
    current = signal.getsignal(signal.SIGINT)
    found = current if isinstance(current, Interrupts) else Interrupts()
    before = install(found)
    try:
        yield found
    finally:
        found.raising = found.after
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def held():
    """What comes from outside to end this process, such as Ctrl-C, does so after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names, held = ("SIGTERM", "SIGHUP", "SIGINT"), []
    hold = lambda signum, frame: held.append(signum)  # noqa: E731
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {signum: signal.signal(signum, hold) for signum in signals}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        for signum in held[:1]:
            signal.raise_signal(signum)
