"""Do the exercise checks see every slip? Right answers with one edit each, and which of them still pass.

`make mutants` tries all of them, `make test` a seeded sample. A mutant that passes is either a wrong answer that the
cases miss, or it is right: then it stands in `tests/exercises/equivalent_mutants.txt`, below the reason why.
"""

import argparse
import ast
import copy
import functools
import inspect
import multiprocessing
import random
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "exercises"))
EQUIVALENT = ROOT / "tests" / "exercises" / "equivalent_mutants.txt"
SECONDS = 2.0  # of computing, for one mutant; a loop that never ends is refused as well

from fmlib.exercises import registry  # noqa: E402
from fmlib.exercises.checking import can_be_called, is_right  # noqa: E402
from fmlib.exercises.exercise import Exercise  # noqa: E402


@dataclass(frozen=True)
class Mutant:
    """A right answer with one edit.

    Args:
        exercise: its name.
        answer: the name of the right answer's function.
        before, after: the line that is edited.
        source: of the whole edited function.
        scope: the names that it may use.
    """

    exercise: str
    answer: str
    before: str
    after: str
    source: str
    scope: dict

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by in the list of equivalent mutants."""
        return self.answer, self.before, self.after

    def function(self) -> Callable:
        """The edited function."""
        scope = dict(self.scope)
        exec(compile(self.source, f"<{self.answer}, edited>", "exec"), scope)
        return scope[self.answer]

    def __str__(self) -> str:
        return f"{self.answer}: {self.before} => {self.after}"


COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
LARGE = 1e6  # stands in for infinity: twice as much is as good
STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr, ast.Break, ast.Continue, ast.If, ast.For, ast.Return)


def edits(node: ast.AST) -> Iterator[ast.AST | None]:
    """What a node may become by one slip; None for a statement that is left out."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind in COMPARED[type(node.ops[0])]:
            yield ast.Compare(node.left, [kind()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        yield ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)
        if isinstance(node.op, (ast.Sub, ast.Div, ast.Mod, ast.Pow, ast.MatMult)):
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value)
    elif isinstance(node, ast.Slice):
        for part in ("lower", "upper", "step"):
            if getattr(node, part) is not None:
                yield ast.Slice(**{**{p: getattr(node, p) for p in ("lower", "upper", "step")}, part: None})
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield ast.comprehension(node.target, node.iter, [], node.is_async)
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
        yield ast.Return(ast.Tuple(node.value.elts[::-1], ast.Load()))
    elif isinstance(node, ast.FunctionDef) and node.decorator_list:
        bare = copy.copy(node)
        bare.decorator_list = []
        yield bare
    if isinstance(node, (ast.If, ast.While)):
        for value in (True, False):
            yield type(node)(ast.Constant(value), node.body, node.orelse)
    if isinstance(node, STATEMENTS):
        yield None


def _constants(value: object) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
        yield ast.Constant(value - 1) if value else ast.UnaryOp(ast.USub(), ast.Constant(1))
    elif isinstance(value, float) and abs(value) < LARGE:
        yield ast.Constant(value * 2)
        yield ast.Constant(value / 2)
    elif isinstance(value, str) and value:
        yield ast.Constant("")


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    args, words = node.args, node.keywords
    if len(args) >= 2 and not any(isinstance(arg, ast.Starred) for arg in args[:2]):
        yield ast.Call(node.func, [args[1], args[0], *args[2:]], words)
    for i in range(len(words)):
        if words[i].arg != "strict":  # of `zip`: it only refuses lengths that the cases never have
            yield ast.Call(node.func, args, words[:i] + words[i + 1 :])
    for i in range(1, len(args)):
        yield ast.Call(node.func, args[:i] + args[i + 1 :], words)
    if isinstance(node.func, ast.Attribute):  # x.exp() -> x
        yield node.func.value
    elif len(args) == 1 and not words:  # round(x) -> x
        yield args[0]


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST | None) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return ast.Pass() if self.new is None else self.new
        return self.generic_visit(node)


def mutants(exercise: Exercise, answer: Callable) -> list[Mutant]:
    """Every one-edit mutant of a right answer.

    Args:
        exercise: that it answers.
        answer: a plain function with a source.
    """
    edited = Edited(exercise, answer)
    made = [edited.mutant(place, number) for place, number in edited.places()]
    return list({mutant.source: mutant for mutant in made if mutant}.values())


class Edited:
    """A right answer in which one thing at a time is edited.

    Args:
        exercise: that it answers.
        answer: a plain function with a source.
    """

    def __init__(self, exercise: Exercise, answer: Callable) -> None:
        self.exercise, self.answer = exercise, inspect.unwrap(answer)
        self.tree = ast.parse(textwrap.dedent(inspect.getsource(self.answer)))
        self.source = ast.unparse(self.tree)
        self.nodes = list(ast.walk(self.tree))
        self.owner = _statements(self.tree)

    def places(self) -> list[tuple[int, int]]:
        """(which node, which of its edits), all of them."""
        words = [node for node in self.nodes if isinstance(node, ast.keyword) and node.arg == "strict"]
        alone = {word.value for word in words} | _docstring(self.tree)
        return [
            (place, number)
            for place, node in enumerate(self.nodes)
            if node in self.owner and node not in alone
            for number in range(sum(1 for _ in edits(node)))
        ]

    def mutant(self, place: int, number: int) -> Mutant | None:
        """The answer with one edit, or None where that changes nothing."""
        edited = copy.deepcopy(self.tree)
        same = list(ast.walk(edited))
        new = list(edits(same[place]))[number]
        statement = self.owner[self.nodes[place]]
        edited = ast.fix_missing_locations(_Replace(same[place], new).visit(edited))
        after = same[self.nodes.index(statement)] if statement is not self.nodes[place] else new or ast.Pass()
        source = ast.unparse(edited)
        if source == self.source:
            return None
        name = self.answer.__name__
        return Mutant(
            self.exercise.name, name, _line(statement), _line(after), source, self.answer.__globals__
        )


def _statements(tree: ast.AST) -> dict[ast.AST, ast.stmt]:
    """The nearest statement around each node that may be edited: bodies, not names of parameters."""
    owner: dict[ast.AST, ast.stmt] = {}

    def visit(node: ast.AST, statement: ast.stmt | None) -> None:
        statement = node if isinstance(node, ast.stmt) else statement
        if statement is not None:
            owner[node] = statement
        for child in ast.iter_child_nodes(node):
            visit(child, statement)

    visit(tree, None)
    return owner


def _line(node: ast.AST) -> str:
    """The first line of a statement, below its decorators."""
    lines = ast.unparse(node).splitlines()
    return next((line for line in lines if line.startswith("def ")), lines[0]) if lines else ""


def _docstring(tree: ast.Module) -> set[ast.AST]:
    return set(ast.walk(tree.body[0].body[0])) if ast.get_docstring(tree.body[0]) else set()


@functools.cache
def answers(exercise: Exercise) -> tuple[Callable, ...]:
    """Right answers of an exercise: those of the tests, and the plain one from which its mistakes are made."""
    from right_answers import RIGHT

    plain = {}
    for misconception in exercise.misconceptions:
        for wrong in misconception.wrong:
            module = sys.modules[wrong.__globals__["__name__"]]
            original = getattr(module, wrong.__name__, None)
            if original is not None and original.__module__.startswith("fmlib.exercises."):
                plain[wrong.__name__] = original
    right = [function for function in plain.values() if is_right(exercise, function, 60.0)]
    return (*RIGHT[exercise.name], *right)


@functools.cache
def all_mutants(exercise: Exercise) -> tuple[Mutant, ...]:
    """Of all right answers of an exercise."""
    return tuple(mutant for answer in answers(exercise) for mutant in mutants(exercise, answer))


def survives(mutant: Mutant) -> bool:
    """Whether the check lets a mutant pass."""
    exercise = next(e for e in registry.exercises() if e.name == mutant.exercise)
    try:
        function = mutant.function()
    except Exception:
        return False  # the edit broke it before it could be called
    if not can_be_called(function, exercise):
        return False
    limit = SECONDS
    while True:
        start, computing = time.perf_counter(), time.process_time()
        if is_right(exercise, function, limit):
            return True
        in_time = time.perf_counter() - start < limit
        if in_time or time.process_time() - computing > SECONDS / 2:
            return False
        limit *= 2  # the machine was busy with something else: that says nothing about the mutant


def sample(exercise: Exercise, count: int, seed: int) -> list[Mutant]:
    """Some mutants of an exercise, the same ones for the same seed; the others are not even made."""
    edited = [Edited(exercise, answer) for answer in answers(exercise)]
    every = [(each, place) for each in edited for place in each.places()]
    chosen = random.Random(f"{seed} {exercise.name}").sample(every, min(count, len(every)))
    return [mutant for each, place in chosen if (mutant := each.mutant(*place))]


def equivalents() -> dict[tuple[str, str, str], str]:
    """The mutants that are right, with the reason.

    Raises:
        ValueError: a line is not `answer: before => after`, or stands below no reason.
    """
    known, reason = {}, ""
    for number, line in enumerate(EQUIVALENT.read_text(encoding="utf-8").splitlines(), 1):
        answer, _, edit = line.partition(": ")
        before, arrow, after = edit.partition(" => ")
        if line.startswith("#"):
            reason = line.lstrip("# ")
        elif line.strip():
            if not arrow or not reason:
                where = f"{EQUIVALENT.name}, line {number}"
                raise ValueError(f"{where}: {line!r}: expected `answer: before => after` below a reason")
            known[answer, before, after] = reason
    return known


def _try_out(job: tuple[str, int, int]) -> tuple[str, int, int, list[int]]:
    """The survivors among a stretch of an exercise's mutants."""
    name, start, end = job
    exercise = next(e for e in registry.exercises() if e.name == name)
    return name, start, end, [i for i in range(start, end) if survives(all_mutants(exercise)[i])]


def main() -> int:
    """Try all mutants, say which survive without an explanation, and fail if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="exercises to try; all of them if none is named")
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    exercises = [e for e in registry.exercises() if not chosen.names or e.name in chosen.names]
    unknown = set(chosen.names) - {e.name for e in exercises}
    if unknown:
        parser.error(f"no exercise is called {', '.join(sorted(unknown))}")
    jobs, known = [], equivalents()
    for exercise in exercises:
        count = len(all_mutants(exercise))
        jobs += [(exercise.name, start, min(start + 25, count)) for start in range(0, count, 25)]
    total, done, survivors, listed = sum(end - start for _, start, end in jobs), 0, [], set()
    by_name = {e.name: e for e in exercises}
    with multiprocessing.Pool(chosen.processes) as pool:
        for name, start, end, found in pool.imap_unordered(_try_out, jobs):
            done += end - start
            for i in found:
                mutant = all_mutants(by_name[name])[i]
                if mutant.key in known:
                    listed.add(mutant.key)
                else:
                    survivors.append(mutant)
                    print(mutant, flush=True)
            print(
                f"{done:,} of {total:,} mutants tried, {len(survivors)} unexplained",
                file=sys.stderr,
                flush=True,
            )
    if not chosen.names:
        every = {mutant.key for e in exercises for mutant in all_mutants(e)}
        for key in sorted(known.keys() - every):
            print(f"listed, but no mutant: {key}")
            survivors.append(key)
    print(
        f"{total:,} mutants of {len(exercises)} exercises: {total - len(listed) - len(survivors):,} refused, "
        f"{len(listed)} equivalent, {len(survivors)} unexplained"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
