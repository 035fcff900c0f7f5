"""Run a reader's function on one input and keep what came as plain data.

Whatever the function does or gives back becomes an `Outcome`; only a KeyboardInterrupt
gets through. The kernel lives on: random states, warnings, error states and figures are
afterwards what they were before.
"""

import ast
import dataclasses
import dis
import functools
import inspect
import io
import linecache
import numbers
import random
import re
import sys
import textwrap
import warnings
from contextlib import (
    ExitStack,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
)
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np

LARGEST = 1_000_000  # entries of a result that is looked at
DEEPEST = 16  # lists within lists


class Heard(io.TextIOBase):
    """Takes what an answer prints: the beginning is kept, the lines are counted."""

    def __init__(self):
        self.head, self.ends, self.open = "", 0, False

    def writable(self):
        return True

    def close(self):
        """An answer may close its sys.stdout; nothing happens."""

    def write(self, text):
        self.head += text[: max(0, 2000 - len(self.head))]
        self.ends += text.count("\n")
        self.open = not text.endswith("\n") if text else self.open
        return len(text)

    def lines(self, most=4, width=88):
        """The first lines, cut to a width, and how many more there were."""
        count = self.ends + self.open
        shown = [
            line[:width] + "…" * (len(line) > width)
            for line in self.head.splitlines()[:most]
        ]
        more = count - len(shown)
        return shown + [f"… {more:,} more line{'s' * (more > 1)}"] * (more > 0)


@dataclass(frozen=True)
class Odd:
    """A value that is no array of numbers, truth values or text."""

    text: str


NOTHING, BLANK = Odd("None"), Odd("...")
WITHIN = Odd("None among the entries")


@dataclass(frozen=True)
class Form:
    """A result as plain data: its kind, and its arrays by label ('' if it is one)."""

    kind: str  # one, tuple, dict or the dataclass's name
    parts: dict

    @property
    def plain(self):
        return not any(isinstance(part, Odd) for part in self.parts.values())


@dataclass(frozen=True)
class Outcome:
    """What a function did with one input: a result, or an error, as text."""

    case: tuple
    result: object = None
    form: Form = field(default_factory=lambda: Form("one", {"": NOTHING}))
    error: str = ""
    where: str = ""  # the line of the function in which the error arose
    changed: str = ""  # names of the arguments that it changed
    heard: Heard | None = None

    @property
    def blank(self):
        """Did a `...` come back, or cause the error?"""
        if self.error:  # NumPy tells of `...` also whoever had a float as an index
            text = self.error.lower()
            return "ellipsis" in text and "valid indices" not in text
        return any(part is BLANK for part in self.form.parts.values())

    @property
    def nothing(self):
        return not self.error and self.form.parts.get("") is NOTHING

    @property
    def usual(self):
        """The result in the form in which a reference gives it: arrays for lists."""
        if self.form.kind not in ("one", "tuple") or not self.form.plain:
            return self.result
        values = tuple(part[()] for part in self.form.parts.values())
        return values[0] if self.form.kind == "one" else values


def run(function, case, names, like=None, to_array=None):
    """The `Outcome` of function(*case); `like` is the `Form` of a right result."""
    heard, arguments = Heard(), copies(case)
    try:
        with undisturbed(heard):
            result = function(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        where = line_of(error, function) or call_of(function, case)
        return Outcome(case, error=one_line(error), where=where, heard=heard)
    try:
        with undisturbed(heard):
            if result is not None and result is not Ellipsis and to_array:
                result = to_array(result)
            made = form(result, like)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = f"what it returns cannot be used: {one_line(error)}"
        return Outcome(case, error=text, heard=heard)
    changed = [n for n, a, b in zip(names, arguments, case) if not unchanged(a, b)]
    return Outcome(case, result, made, changed=", ".join(changed), heard=heard)


@contextmanager
def undisturbed(heard):
    """Within: prints go to `heard`, random numbers start equal. After: as before."""
    legacy, plain = np.random.get_state(), random.getstate()  # noqa: NPY002
    limit, figures = sys.getrecursionlimit(), open_figures()
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    try:
        with ExitStack() as stack:
            for context in (
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
                np.printoptions(),
                redirect_stdout(heard),
                redirect_stderr(heard),
                hidden_displays(),
            ):
                stack.enter_context(context)
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)
        sys.setrecursionlimit(limit)
        for number in open_figures() - figures:
            sys.modules["matplotlib.pyplot"].close(number)


def open_figures():
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def hidden_displays():
    """Keeps what a notebook would show, figures for one, from being shown."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return nullcontext()
    from IPython.utils.capture import capture_output

    return capture_output(stdout=False, stderr=False, display=True)


# results as plain data


def form(value, like=None):
    """The `Form` of a result; `like` is the one expected, since lists may stand in."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        parts = {f.name: plain(getattr(value, f.name)) for f in fields}
        return Form(type(value).__name__, parts)
    if isinstance(value, dict):
        return Form("dict", {label(k): plain(v) for k, v in dict.items(value)})
    kind = like.kind if like and like.kind in ("one", "tuple") else "any"
    several = isinstance(value, tuple) or (
        kind == "tuple" and (isinstance(value, list) or _stacked(value, like))
    )
    if several and kind != "one":
        # of many entries it matters only that they are many
        parts = [plain(v) if i < 20 else WITHIN for i, v in enumerate(items(value))]
        return Form("tuple", {f"value {i + 1}": part for i, part in enumerate(parts)})
    part, n = plain(value), len(items(value)) if several else 1
    if n > 1 and part is not BLANK and not _entries(part, like.parts[""]):
        part = Odd(f"{n} values")
    return Form("one", {"": part})


def _stacked(value, like):
    """Is it an array that holds all values of a tuple, one a row?"""
    shapes = [(len(like.parts), *np.shape(part)) for part in like.parts.values()]
    return isinstance(value, np.ndarray) and all(value.shape == s for s in shapes)


def _entries(part, expected):
    """Are a tuple's values, as one array, no more than entries of what is expected?"""
    return not isinstance(part, Odd) and part.shape[1:] != np.shape(expected)


def items(value):
    """The entries of a list, tuple or array, whatever a subclass says of itself."""
    kinds = [kind for kind in (list, tuple) if isinstance(value, kind)]
    return list(kinds[0].__iter__(value)) if kinds else list(np.asarray(value))


def label(key):
    return key if type(key) is str else f"{type(key).__name__} {short(key)}"


def plain(value, depth=0):
    """An array of numbers, truth values or text, the answer's own copy, or an `Odd`."""
    if value is None:
        return NOTHING
    if value is Ellipsis:
        return BLANK
    if isinstance(value, (list, tuple)):
        if depth == DEEPEST:
            return Odd("lists within lists without end")
        found, total = [], 0
        for v in items(value):
            part = plain(v, depth + 1)
            if isinstance(part, Odd):
                return WITHIN if part is NOTHING else part
            total += part.size
            if total > LARGEST:
                return Odd("a list of very many numbers")
            found.append(part)
        if len({v.shape for v in found}) > 1:
            return Odd("rows of different lengths")
        return np.array(found)
    if isinstance(value, np.ndarray) and value.size > LARGEST:
        return Odd(f"an array of shape {value.shape}")
    if isinstance(value, (np.ndarray, np.generic, numbers.Number, str, range)):
        array = np.array(value)
    elif hasattr(type(value), "__array__"):
        array = np.array(np.asarray(value))
    else:
        return Odd(kind_of(value))
    if array.dtype.kind == "O":
        entries = list(array.flat)
        if any(v is None or v is Ellipsis for v in entries):
            return BLANK if any(v is Ellipsis for v in entries) else WITHIN
        if not all(isinstance(v, numbers.Real) for v in entries):
            return Odd("an array of things that are not numbers")
        array = array.astype(float)
    if array.dtype.kind not in "biufcU":
        return Odd(f"an array of dtype {array.dtype}")
    return array


def kind_of(value):
    """'a generator', 'a function', 'a set': what a value is, without asking it."""
    name = type(value).__name__
    if name in ("builtin_function_or_method", "method", "ufunc"):
        name = "function"
    if isinstance(value, type):
        name = "class"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


# arguments


def copies(case):
    """Fresh arguments: writable copies of arrays and generators in the same state."""
    fresh = (np.array(a) if isinstance(a, np.ndarray) else deepcopy(a) for a in case)
    return tuple(fresh)


def unchanged(a, b):
    """Is argument `a` still what `b` is? Generators may move on."""
    try:
        return _unchanged(a, b)
    except Exception:  # of another kind by now
        return False


def _unchanged(a, b):
    if isinstance(b, np.ndarray):
        same = isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype
        return same and (a.tobytes() == b.tobytes() or bool(np.all(a == b)))
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_unchanged, a, b))
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(_unchanged(a[k], b[k]) for k in b)
    if dataclasses.is_dataclass(b) and not isinstance(b, type):
        fields = [f.name for f in dataclasses.fields(b)]
        return all(_unchanged(getattr(a, f), getattr(b, f)) for f in fields)
    if isinstance(b, (int, float, str)):
        return a == b or a != a
    return True


def argument_names(function, n):
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return (names + [f"argument {i + 1}" for i in range(len(names), n)])[:n]


# errors as text


def one_line(error):
    """An exception as one short line without memory addresses."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its own __str__ fails
        text = ""
    text = re.sub(r" (at|object at) 0x[0-9a-fA-F]+", "", text)
    if len(text) > 160:
        text = text[:160] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def code_of(function):
    """The code that runs when `function` is called; None if it isn't Python's."""
    for _ in range(10):
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif inspect.isfunction(function):
            inner = function.__dict__.get("__wrapped__")
            if not callable(inner):
                return function.__code__
            function = inner
        elif isinstance(function, type):
            function = function.__dict__.get("__init__")
        else:
            function = getattr(type(function), "__call__", None)  # noqa: B004
    return None


def line_of(error, function):
    """' (line 3 of f: `return z[5]`)', the last line of the reader's cell that ran."""
    own = code_of(function)
    trace, line, code = error.__traceback__, None, None
    while trace is not None and own is not None:
        inner = trace.tb_frame.f_code
        # comprehensions have frames of their own before Python 3.12
        named = inner.co_name == "<lambda>" or not inner.co_name.startswith("<")
        if inner.co_filename == own.co_filename and named and trace.tb_lineno:
            line, code = trace.tb_lineno, inner
        trace = trace.tb_next
    if line is None:
        return ""
    words = linecache.getline(code.co_filename, line).strip()
    shown = f": `{words}`" if words else ""
    name = "the lambda" if code.co_name == "<lambda>" else code.co_name
    return f" (line {line - code.co_firstlineno + 1} of {name}{shown})"


def call_of(function, case):
    """How the function is called, if it cannot be called so."""
    try:
        inspect.signature(function).bind(*case)
    except TypeError:
        n = len(case)
        return f" (it is called with {n} argument{'s' * (n != 1)})"
    except Exception:  # no signature to be had
        pass
    return ""


# the reader's code


def same_code(one, other):
    """Do two functions consist of the same code, name, comments, docstring apart?"""
    if not (inspect.isfunction(one) and inspect.isfunction(other)):
        return False
    trees = tree_of(one), tree_of(other)
    if all(trees):  # they tell `return None` from no code at all
        return _dumped(trees[0]) == _dumped(trees[1])
    return _fingerprint(one.__code__) == _fingerprint(other.__code__)


def _dumped(tree):
    """A function's arguments and statements as text; what does nothing is left out."""
    body = [
        ast.dump(node)
        for node in tree.body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not isinstance(node, ast.Pass)
    ]
    return ast.dump(tree.args), body


def _fingerprint(code):
    """What the code does, step by step, where there is no source.

    How methods are called is left out: it depends on what else was compiled with it.
    """
    jumps = {*dis.hasjrel, *dis.hasjabs}
    steps = [
        (
            i.opname.replace("_METHOD", "_ATTR"),
            None if i.opcode in jumps else _constant(i.argval),
        )
        for i in dis.get_instructions(code)
        if i.opname not in ("NOP", "RESUME", "PRECALL", "PUSH_NULL", "EXTENDED_ARG")
    ]
    return code.co_varnames[: code.co_argcount], steps


def _constant(value):
    if inspect.iscode(value):
        return _fingerprint(value)
    if isinstance(value, str):  # Python 3.10 names inner functions after the outer
        return value.rpartition(".<locals>.")[2]
    return type(value).__name__, repr(value)


def tree_of(function):
    """The function's syntax tree; None where there is no source to be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code_of(function))))
    except Exception:  # no file, a lambda in the midst of a line, a changed file
        return None
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    return found[0] if found else None


def blanks(tree):
    """How many `...` stand where a value is needed: not as an index, not alone."""
    if tree is None:
        return 0
    fine = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            fine |= {id(n) for n in ast.walk(node.slice)}
        if isinstance(node, ast.Expr):
            fine.add(id(node.value))
    return sum(
        isinstance(n, ast.Constant) and n.value is Ellipsis and id(n) not in fine
        for n in ast.walk(tree)
    )


def ends_loop(tree):
    """'return' or 'break', if it ends a loop in its first turn on every way; or ''."""
    for loop in [] if tree is None else ast.walk(tree):
        if not isinstance(loop, (ast.For, ast.While)) or not _leaves(loop.body):
            continue
        if not any(isinstance(n, ast.Continue) for n in ast.walk(loop)):
            last = loop.body[-1]
            while isinstance(last, ast.If):  # what stands under `else` is the odd one
                last = last.orelse[-1]
            return "return" if isinstance(last, ast.Return) else "break"
    return ""


def _leaves(body):
    """Does nothing go on after these statements, whatever is true?"""
    last = body[-1]
    if isinstance(last, ast.If):
        return bool(last.orelse) and _leaves(last.body) and _leaves(last.orelse)
    return isinstance(last, (ast.Return, ast.Break))


def lacks_return(tree):
    """May the function end without a `return` that has something behind it?"""
    if tree is None:
        return True
    inner = {
        id(n)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and node is not tree
        for n in ast.walk(node)
    }
    given = [
        n.value for n in ast.walk(tree)
        if isinstance(n, ast.Return) and id(n) not in inner
    ]  # fmt: skip
    return any(v is None for v in given) or not _leaves(tree.body)


def idle(tree):
    """The last line of a block that computes something and keeps nothing, and what
    may be meant; or two ''."""
    for node in [] if tree is None else ast.walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            last = block[-1] if isinstance(block, list) and block else None
            if not isinstance(last, ast.Expr) or last is tree.body[0]:
                continue
            if _keeps_nothing(last.value):
                text, meant = ast.unparse(last), "is `return` missing there?"
                if isinstance(last.value, ast.Compare) and " == " in text:
                    meant = "is one `=` too many?"
                elif isinstance(last.value, ast.BinOp) and node is not tree:
                    meant = "is `x = ...`, `+=` or `return` meant?"
                return text if len(text) <= 60 else text[:60] + "…", meant
    return "", ""


def _keeps_nothing(value):
    """Is it an expression that does no more than give its value?"""
    if isinstance(value, ast.IfExp):  # with calls in it, it may be there for these
        return not any(isinstance(n, ast.Call) for n in ast.walk(value))
    if isinstance(value, ast.Constant):
        return value.value is not Ellipsis
    kinds = ast.BinOp, ast.UnaryOp, ast.Compare, ast.Tuple
    return isinstance(value, (*kinds, ast.Name, ast.Attribute, ast.Subscript))


def unused(tree):
    """The arguments that the code never reads."""
    if tree is None:
        return []
    read = {
        n.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    return [a.arg for a in tree.args.args if a.arg not in read]


def short(value):
    """An argument in a few characters, no -0; a number with all its digits."""
    if isinstance(value, tuple) and not value:
        return "()"
    if isinstance(value, str):
        return repr(value if len(value) <= 30 else value[:30] + "…")
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        return str(value)
    if isinstance(value, float):
        return repr(float(value) + 0.0)
    if isinstance(value, (tuple, list)):
        if len(value) <= 4:
            return "(" + ", ".join(short(v) for v in value) + ")"
        return f"{len(value)} values"
    if not isinstance(value, np.ndarray):
        named = inspect.isfunction(value) or isinstance(value, type)
        return value.__name__ if named else type(value).__name__
    rounds = value.dtype.kind in "fc"
    shown = np.round(value, 4) + 0.0 if rounds else value
    text = " ".join(np.array2string(shown, precision=4, suppress_small=True).split())
    if value.size > 8 or len(text) > 48:
        return f"array of shape {value.shape}"
    exact = not rounds or np.array_equal(shown, value, equal_nan=True)
    return text if exact else f"≈ {text}"


def given(name, value):
    """'gamma=0.9', 'v ≈ [0.3333 2.]': an argument's name and `short` value."""
    text = short(value)
    return f"{name} {text}" if text.startswith("≈") else f"{name}={text}"
