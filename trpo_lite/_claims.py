"""What a grid is about to do, claimed in its folder, so that no other spoils it."""

import contextlib
import json
import os
import time

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None


def difference(found, wanted):
    """The first setting in which two dicts differ, in words; "" if there is none."""
    for name in wanted | found:
        if found.get(name) != wanted.get(name):
            return f"{name} = {found.get(name)!r}, the grid says {wanted.get(name)!r}"
    return ""


@contextlib.contextmanager
def claimed(wanted, folder, report):
    """Within, no other grid begins that says other settings for one of these runs.

    wanted : {a run's name: its settings}
    report : called with one line of text if another grid does some of these, too

    ValueError if another that is still at work says other settings; of two that begin
    in the same instant both may get that.

    A file `*.claim` holds `wanted`. It is locked, and a lock ends with its process in
    whatever way: what a killed grid leaves hinders nobody, and the next removes it. A
    grid that is killed while it starts a worker leaves its lock to that worker, for the
    instant until the worker is a program of its own: hence the second's patience.
    Where files can't be locked (Windows, some network disks) nothing is claimed; a run
    is then refused when it ends and finds the other's file.
    """
    if not wanted or fcntl is None:
        yield
        return
    claim = folder / f"{os.urandom(4).hex()}.claim"
    part = claim.with_suffix(".part")
    try:
        with open(part, "x", encoding="utf-8") as handle:
            json.dump(wanted, handle)
            handle.flush()
            if _locked(handle, fcntl.LOCK_EX):
                os.rename(part, claim)  # seen by others from now on, whole and locked
                for file in sorted({*folder.glob("*.claim")} - {claim}):
                    _refuse_claimed(file, wanted, report)
            yield
    finally:
        part.unlink(missing_ok=True)
        claim.unlink(missing_ok=True)


def _refuse_claimed(file, wanted, report):
    """ValueError if a grid at work claims one of `wanted`, {run's name: its settings}.

    Not if it says the same settings. The claim of a grid that has ended is removed.
    """
    try:
        with open(file, "r+", encoding="utf-8") as handle:
            if _locked(handle, fcntl.LOCK_SH):
                file.unlink()
                return
            others = json.load(handle)
            both = {n: difference(others[n], wanted[n]) for n in wanted if n in others}
            if any(both.values()) and _locked(handle, fcntl.LOCK_SH, tries=20):
                file.unlink()
                return
    except (OSError, ValueError):  # it ends now, or can't be read from here
        return
    for name, other in both.items():
        if other:
            raise ValueError(
                f"another grid makes {file.with_name(name)}.npz with {other}: choose "
                "another folder or another label, or stop that grid"
            )
    if both:
        report(f"another grid does {len(both)} of these runs at the same time")


def _locked(handle, how, tries=0):
    """Is the file locked now, until it is closed? Not if another has locked it.

    tries : how often to try again, each time after a twentieth of a second
    """
    for left in range(tries, -1, -1):
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return True
        except OSError:
            if left:
                time.sleep(0.05)
    return False
