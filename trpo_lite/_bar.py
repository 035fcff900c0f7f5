"""What is shown while work goes on; it may fail, the work may not."""

import sys
import time


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
