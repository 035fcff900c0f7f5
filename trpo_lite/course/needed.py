"""Which statements of a notebook an answer needs, found without running anything.

A page takes seconds to run, an answer hardly anything: it uses a few names. So only
the statements run that make these names, those that these need in turn, and so on.
"""

import ast
import re
import symtable
from copy import deepcopy
from dataclasses import dataclass

# what an unreadable text may raise in the parser or in the compiler
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
# after one of these a name has its value; after a loop, an if or a try perhaps
SURE = (
    *(ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom),
    *(ast.FunctionDef, ast.ClassDef),
)
# what makes names that no assignment shows
UNSEEN = {"exec", "globals", "get_ipython"}
# statements that hold no numbers of the page
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Statement:
    """A statement at a cell's top level, and the names that tie it to others.

    cell : the number of its code cell, from 1. binds : what it assigns, imports or
        defines. changes : what it changes in place, as far as that can be seen:
        x[0] = 1, x.a = 1, x.append(1). now : names that it reads as it runs. later :
        names that the functions in it read when they are called.
    """

    cell: int
    node: ast.stmt
    binds: frozenset
    changes: frozenset
    now: frozenset
    later: frozenset


def parse(source):
    """The syntax tree of a cell, without what is no Python; or one of `UNREADABLE`."""
    lines = source.split("\n")
    if source.startswith("%%"):
        if not source.startswith(("%%time", "%%capture")):
            return ast.Module([], [])  # a cell of another language
        lines[0] = ""
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return ast.parse("\n".join(map(_without_magic, lines)))


def _without_magic(line):
    """`pass` for a magic, a shell command or a question of IPython."""
    text = line.strip()
    if text.startswith(("%", "!")) or text.endswith("?"):
        return line[: len(line) - len(line.lstrip())] + "pass"
    return line


def statements(cells):
    """(the `Statement`s of the code cells, {cell: why it can't be read})."""
    found, broken = [], {}
    for number, source in enumerate(cells, 1):
        try:
            found += [_statement(number, node) for node in parse(source).body]
        except UNREADABLE as error:
            line = getattr(error, "lineno", None)
            reason = getattr(error, "msg", None) or type(error).__name__
            broken[number] = reason + (f" (line {line})" if line else "")
    return found, broken


class _Lazy(ast.NodeTransformer):
    """Comprehensions as generators, which keep their names in any Python."""

    def visit_ListComp(self, node):
        self.generic_visit(node)
        parts = [v for k, v in ast.iter_fields(node) if k != "generators"]
        return ast.GeneratorExp(ast.Tuple(parts, ast.Load()), node.generators)

    visit_SetComp = visit_DictComp = visit_ListComp


def _statement(cell, node):
    text = ast.unparse(_Lazy().visit(deepcopy(node)))
    top = symtable.symtable(text, "cell", "exec")
    symbols = top.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    now = {s.get_name() for s in symbols if s.is_referenced()}
    now |= {  # x += 1 reads x, too
        n.target.id
        for n in ast.walk(node)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
    tables, later = top.get_children(), set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        later |= {s.get_name() for s in table.get_symbols() if s.is_global()}
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        binds = {"*"}
    sets = (binds, _changed(node), now, later)
    return Statement(cell, node, *map(frozenset, sets))


def _changed(node):
    """Names of what a statement changes in place while it runs."""
    found, todo = set(), [node]
    while todo:
        part = todo.pop()
        if isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        todo += ast.iter_child_nodes(part)
        stores = isinstance(getattr(part, "ctx", None), (ast.Store, ast.Del))
        if stores and isinstance(part, (ast.Subscript, ast.Attribute)):
            found.add(_root(part))
        called = part.value if isinstance(part, ast.Expr) else None
        if isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute):
            found.add(_root(called.func))
    return found - {None}


def _root(node):
    """x of x.a[0].b; None if it doesn't begin with a name."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def lessons(found):
    """The lesson modules (n03, …) that the statements import, in order."""
    modules = []
    for node in (node for s in found for node in ast.walk(s.node)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules += [str(node.module), *names]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    matches = (re.fullmatch(r"trpo_lite\.course\.(n\w\w)", name) for name in modules)
    return list(dict.fromkeys(match[1] for match in matches if match))


def attempts(found, exercise):
    """[(place, expression)] of the answers to `exercise`, the one that counts first.

    An answer is what is handed to lesson.EXERCISE.check, then any definition of that
    name; the last one comes first. It has its value after statement `place`.
    """
    bound = {name for s in found for name in s.binds}
    checked = [
        (i, call.args[0])
        for i, s in enumerate(found)
        for call in ast.walk(s.node)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith(f".{exercise}.check")
        and call.args
    ]
    named = [
        (i, ast.Name(exercise, ast.Load()))
        for i, s in enumerate(found)
        if exercise in s.binds
    ]
    usable = [
        (i, e)
        for i, e in checked
        if not (isinstance(e, ast.Name) and e.id not in bound)
    ]
    return usable[::-1] + named[::-1]


def needed(found, place, expression):
    """Indices of the statements to run, in order, before `expression` can be used.

    place : it is used after statement `place`; what isn't there by then is looked for
        below, as in a notebook that is run out of order.
    """
    used = _statement(0, ast.Expr(expression))
    todo = [(name, place, place) for name in used.now | used.later]
    imported = {
        name
        for s in found
        if isinstance(s.node, (ast.Import, ast.ImportFrom))
        for name in s.binds
    }
    wanted, done = set(), set()
    while todo:
        request = todo.pop()
        if request in done:
            continue
        done.add(request)
        for i in _makers(found, *request, imported):
            wanted.add(i)
            todo += [(name, i - 1, i - 1) for name in found[i].now]
            todo += [(name, i, max(i, place)) for name in found[i].later]
    return sorted(wanted)


def doubtful(found, chosen):
    """May an answer come out otherwise if more runs than the statements `chosen`?

    Not if these are definitions alone, and no statement makes names out of sight.
    """
    plain = all(isinstance(found[i].node, DEFINITIONS) for i in chosen)
    return not plain or any(UNSEEN & (s.now | s.later) for s in found)


def _makers(found, name, first, last, imported):
    """Statements that decide what `name` is at any time from `first` to `last`."""
    makers = []
    for i in range(last, -1, -1):
        s = found[i]
        binds = name in s.binds
        # lesson.x.check() and np.random.seed() change no module
        if binds or "*" in s.binds or (name in s.changes and name not in imported):
            makers.append(i)
        if binds and i <= first and isinstance(s.node, SURE):
            return makers
    if not any(name in found[i].binds for i in makers):
        below = range(last + 1, len(found))
        makers += [i for i in below if name in found[i].binds][:1]
    return makers
