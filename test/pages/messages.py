"""Every error message in the code, read out of the source, so that none is missing in docs/troubleshooting.md.

An error is `InputError(where, fact, remedy)`, or goes through a function that hands these on. What is put in as the
program runs is shown as <name>; where the code chooses between words, each is a message of its own.
"""

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("process.py", "evaluate.py", "evaluate_submission.py", "train.py", "api.py")
FOLDERS = ("model", "evaluation", "dicom", "training", "phantom")
# Calls that make an error, and which of their arguments are where, fact and remedy; None: not given.
MAKERS: dict[str, tuple[int | None, int, int | None]] = {
    "InputError": (0, 1, 2),
    "TrainingError": (0, 1, 2),
    "ArgumentTypeError": (None, 0, None),
}
# Calls that are followed; alternatives of one text, and of a part of it.
DEEPEST, MOST, MOST_IN_A_TEXT = 4, 24, 12
OPTIONS = "model/options.py"
PLACE = re.compile(r"<[^<>]*>")
FACT = re.compile(r"(.*?); ((?:give|choose) .*)", re.DOTALL)


@dataclass(frozen=True)
class Message:
    """where: empty for a file or folder."""

    source: str
    where: str
    fact: str
    remedy: str


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its file, the functions and statements around it, what parameters are bound to."""

    path: str
    around: tuple[ast.AST, ...]
    bound: tuple[tuple[str, ast.expr, "Scope"], ...] = ()

    @property
    def function(self) -> ast.FunctionDef | None:
        return next((node for node in reversed(self.around) if isinstance(node, ast.FunctionDef)), None)


class Code:
    """All source files, parsed."""

    def __init__(self) -> None:
        files = [ROOT / name for name in PROGRAMS]
        files += [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
        self.calls: dict[str, list[tuple[ast.Call, Scope]]] = {}
        self.constants: dict[str, list[tuple[ast.expr, Scope]]] = {}
        self.functions: dict[str, list[tuple[ast.FunctionDef, Scope]]] = {}
        self.classes: set[str] = set()
        # What values carry until it becomes an error.
        self.faults: list[tuple[ast.expr, Scope]] = []
        for file in files:
            path = file.relative_to(ROOT).as_posix()
            self._walk(ast.parse(file.read_text(encoding="utf-8")), Scope(path, ()))

    def _walk(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Call):
            self.calls.setdefault(_name(node.func), []).append((node, scope))
        if isinstance(node, ast.ClassDef):
            self.classes.add(node.name)
        if isinstance(node, ast.FunctionDef):
            self.functions.setdefault(node.name, []).append((node, scope))
        if isinstance(node, ast.Assign):
            if scope.function is None:
                for target in node.targets:
                    self._constants(target, node.value, scope)
            elif _name(node.targets[0]) == "fault":
                self.faults.append((node.value, scope))
        inner = replace(scope, around=(*scope.around, node))
        for child in ast.iter_child_nodes(node):
            self._walk(child, inner)

    def _constants(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            self.constants.setdefault(target.id, []).append((value, scope))
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._constants(one, its, scope)

    def messages(self) -> list[Message]:
        """In the order of the files, each once."""
        found = []
        for maker, places in MAKERS.items():
            for call, scope in self.calls.get(maker, []):
                found += self._made(call, scope, places)
        return list(dict.fromkeys(found))

    def reasons(self) -> list[str]:
        """What stands for <reason> where our own code raises an exception of Python's, with a text."""
        kinds = ("ValueError", "OSError", "RuntimeError", "TypeError", "KeyError")
        made = [(call.args[0], at) for kind in kinds for call, at in self.calls.get(kind, []) if call.args]
        texts = {text for value, at in made for text in self.texts(value, at) if not PLACE.fullmatch(text)}
        return sorted(texts, key=str.lower)

    def _made(
        self, call: ast.Call, scope: Scope, places: tuple[int | None, int, int | None]
    ) -> Iterator[Message]:
        if any(isinstance(arg, ast.Starred) for arg in call.args):
            return
        parts = [None if place is None else call.args[place] for place in places]
        for bound in self._bindings(scope, [part for part in parts[1:] if part], 0):
            texts = [self.texts(part, bound) if part else [] for part in parts]
            texts = [texts[0] or ["--<option>"], texts[1], texts[2] or [""]]
            # What is wrong with an option is said in one place for all programs.
            handed = [home.path for _, _, home in bound.bound] if scope.path == OPTIONS else []
            where = sorted({_where(text) for text in texts[0]})
            for place, fact, remedy in itertools.product(where, *texts[1:]):
                if not remedy and (apart := FACT.fullmatch(fact)):
                    fact, remedy = apart.groups()
                # What only hands on an error is shown where that is made.
                if not (PLACE.fullmatch(fact) and PLACE.fullmatch(remedy)):
                    yield Message((handed or [scope.path])[0], place, fact, remedy)

    def _bindings(self, scope: Scope, parts: list[ast.expr], depth: int) -> list[Scope]:
        """The scope, once for each way in which what stands for a whole part comes from outside."""
        names = {part.id for part in parts if isinstance(part, ast.Name)}
        if loops := [loop for loop in scope.around if _listed(loop) & names]:
            loop = loops[-1]
            assert isinstance(loop, ast.For) and isinstance(loop.target, ast.Tuple)
            found = []
            for row in loop.iter.elts:  # type: ignore[attr-defined]
                pairs = zip(loop.target.elts, row.elts, strict=True)
                found.append(
                    replace(scope, bound=tuple((_name(name), value, scope) for name, value in pairs))
                )
            return found
        function = scope.function
        if function is None or depth > DEEPEST:
            return [scope]
        parameters = [argument.arg for argument in function.args.args]
        if not names & set(parameters):
            return [scope]
        found = []
        for call, caller in self.calls.get(function.name, []):
            given = self._given(call, function, caller)
            wanted = [value for name, (value, _) in given.items() if name in names]
            for outer in self._bindings(caller, wanted, depth + 1):
                rows = [(name, value, outer if at is caller else at) for name, (value, at) in given.items()]
                found.append(replace(scope, bound=tuple(rows)))
        return found or [scope]

    def _given(
        self, call: ast.Call, function: ast.FunctionDef, caller: Scope
    ) -> dict[str, tuple[ast.expr, Scope]]:
        """By parameter: what a call gives, else its default."""
        names = [argument.arg for argument in function.args.args]
        defaults = function.args.defaults
        home = Scope(caller.path, ())
        given = {name: (value, home) for name, value in zip(names[::-1], defaults[::-1], strict=False)}
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        plain = itertools.takewhile(lambda value: not isinstance(value, ast.Starred), call.args)
        given |= {name: (value, caller) for name, value in zip(names, plain, strict=False)}
        return given | {word.arg: (word.value, caller) for word in call.keywords if word.arg}

    def texts(self, node: ast.expr, scope: Scope, depth: int = 0) -> list[str]:
        """What an expression may be, as text."""
        if depth > 8:
            return ["<...>"]
        if isinstance(node, ast.Constant):
            return [] if node.value is None else [str(node.value)]
        if isinstance(node, ast.JoinedStr):
            parts = [self._piece(part, scope, depth) for part in node.values]
            return _product(parts)
        if isinstance(node, ast.IfExp):
            return _unique(
                self.texts(node.body, scope, depth + 1) + self.texts(node.orelse, scope, depth + 1)
            )
        if isinstance(node, ast.BoolOp):
            return _unique([text for value in node.values for text in self.texts(value, scope, depth + 1)])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _product(
                [self.texts(node.left, scope, depth + 1), self.texts(node.right, scope, depth + 1)]
            )
        if isinstance(node, ast.Name):
            return self._of_name(node.id, scope, depth)
        if isinstance(node, ast.Call):
            return self._of_call(node, scope, depth)
        if _name(node) == "fault" and isinstance(node, ast.Attribute):
            room = Path(scope.path).parent
            carried = [(value, at) for value, at in self.faults if Path(at.path).parent == room]
            texts = [text for value, at in carried for text in self.texts(value, at, depth + 1)]
            return _unique([text for text in texts if not PLACE.fullmatch(text) and text != "None"])
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            return self.texts(node.value, scope, depth + 1)
        return [_placeholder(node)]

    def _piece(self, part: ast.expr, scope: Scope, depth: int) -> list[str]:
        """Of an f-string. A value is looked up only where few constants may be meant."""
        if isinstance(part, ast.Constant):
            return [str(part.value)]
        assert isinstance(part, ast.FormattedValue)
        found = self.texts(part.value, scope, depth + 1)
        return found if len(found) <= MOST_IN_A_TEXT else [_placeholder(part.value)]

    def _of_name(self, name: str, scope: Scope, depth: int) -> list[str]:
        for bound, value, home in scope.bound:
            if bound == name:
                return self.texts(value, home, depth + 1)
        if function := scope.function:
            values = [(value, scope) for value in _assigned(scope, name)]
            if not values and name in [argument.arg for argument in function.args.args]:
                return [f"<{name.replace('_', ' ')}>"]
            if values:
                return _unique([t for value, at in values for t in self.texts(value, at, depth + 1)])
        known = self.constants.get(name, [])
        here = [pair for pair in known if pair[1].path == scope.path] or known[:1]
        plain = [
            (value, at) for value, at in here if isinstance(value, ast.Constant | ast.JoinedStr | ast.BinOp)
        ]
        if plain and name.isupper():
            return self.texts(*plain[0], depth + 1)
        return [f"<{name.replace('_', ' ').lower()}>"]

    def _of_call(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        """str(error) of our own exceptions: the texts that they are raised with; short functions give their words."""
        name = _name(node.func)
        if name in ("str", "reason", "one_line") and node.args:
            if (kind := _caught(node.args[0], scope)) in self.classes - set(MAKERS):
                made = [(call.args[0], at) for call, at in self.calls[kind] if call.args]
                return _unique([text for value, at in made for text in self.texts(value, at, depth + 1)])
            return ["<reason>"] if _name(node.args[0]) in ("error", "why") else [_placeholder(node.args[0])]
        functions = self.functions.get(name, [])
        functions = [pair for pair in functions if pair[1].path == scope.path] or functions
        if len(functions) == 1 and isinstance(node.func, ast.Name):
            function, home = functions[0]
            returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
            if len(function.body) <= 2 and all(isinstance(v, ast.JoinedStr) for v in returned):
                inner = replace(home, around=(*home.around, function))
                return _unique([text for value in returned for text in self.texts(value, inner, depth + 1)])
        return [_placeholder(node)]


def _assigned(scope: Scope, name: str) -> list[ast.expr]:
    """All that a local name may be set to by the statements before, in this block and those around it."""
    found: list[ast.expr] = []
    for outer, inner in reversed(list(itertools.pairwise(scope.around))):
        if isinstance(inner, ast.FunctionDef):
            break
        for block in (getattr(outer, field, []) for field in ("body", "orelse", "finalbody")):
            if not (isinstance(block, list) and inner in block):
                continue
            for statement in reversed(block[: block.index(inner)]):
                found += _values(statement, name)
                if found and isinstance(statement, ast.Assign):
                    return found
        found += _values(getattr(outer, "test", None), name)
    return found


def _values(statement: ast.AST | None, name: str) -> list[ast.expr]:
    """What a statement, or one within, sets the name to; not what only adds to what it was before."""
    found: list[ast.expr] = []
    for node in ast.walk(statement) if statement else ():
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                found += [value for one, value in pairs if _name(one) == name]
        elif isinstance(node, ast.NamedExpr) and node.target.id == name:
            found.append(node.value)
    used = [{part.id for part in ast.walk(value) if isinstance(part, ast.Name)} for value in found]
    return [value for value, names in zip(found, used, strict=True) if name not in names]


def _listed(loop: ast.AST) -> set[str]:
    """The names that a loop over rows written out gives values to."""
    written = isinstance(loop, ast.For) and isinstance(loop.iter, ast.Tuple | ast.List)
    if not (written and isinstance(loop.target, ast.Tuple)):
        return set()
    return (
        {_name(name) for name in loop.target.elts}
        if all(isinstance(r, ast.Tuple) for r in loop.iter.elts)
        else set()
    )


def _caught(node: ast.expr, scope: Scope) -> str:
    """The one class of exceptions that a name was caught as."""
    within = ast.walk(scope.function) if scope.function else ()
    for handler in (*reversed(scope.around), *within):
        if isinstance(handler, ast.ExceptHandler) and handler.name == _name(node) and handler.type:
            return _name(handler.type)
    return ""


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _placeholder(node: ast.AST) -> str:
    while isinstance(node, ast.Call | ast.Subscript):
        inner = node.value if isinstance(node, ast.Subscript) else node.args[0] if node.args else node.func
        node = inner
    return f"<{_name(node).replace('_', ' ').strip().lower() or '...'}>"


def _where(text: str) -> str:
    """Options and words stay; a file's place is not told."""
    return "" if text.startswith("<") else text


def _product(parts: list[list[str]]) -> list[str]:
    return _unique(["".join(words) for words in itertools.islice(itertools.product(*parts), MOST)])


def _unique(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))
