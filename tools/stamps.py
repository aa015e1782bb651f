"""What the outputs of a notebook depend on: its code cells, and the functions of fmlib behind them.

Behind a cell stand the functions, classes and constants of fmlib that it names, and what these name in turn. They are
compared as syntax trees without docstrings, annotations and imports of fmlib, so that a better docstring changes nothing,
and neither does a file that moves or gets another name. What is found by a string at run time (the exercises, the
comparisons) does not count, nor does a list of such modules, except for a module that a cell runs by its name, as in
``python -m fmlib.llm.pretrain``.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NOT_CODE = ("%", "!", "REPOSITORY =")  # IPython's own lines, and an address that decides no result
Place = tuple[str, str]  # a module, and a name in it


@dataclass
class Module:
    """The names of a file.

    Args:
        name: e.g. "fmlib.llm.gpt.model".
        defined: name -> the statements that define it.
        imported: name -> the module that it comes from and its name there; "" for the module itself.
    """

    name: str
    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, Place] = field(default_factory=dict)


class Package:
    """All modules of a package, read when they are asked for.

    Args:
        root: the folder that the package lies in.
        name: of the package.
    """

    def __init__(self, root: Path, name: str = "fmlib") -> None:
        self.root, self.name = root, name
        self._modules: dict[str, Module] = {}
        self._plain: dict[ast.stmt, ast.AST] = {}

    def file(self, name: str) -> Path | None:
        """The file of a module of the package by its dotted name, or None."""
        if name.split(".")[0] != self.name:
            return None
        base = self.root.joinpath(*name.split("."))
        return next((f for f in (base.with_suffix(".py"), base / "__init__.py") if f.is_file()), None)

    def module(self, name: str) -> Module:
        """The names of a module that has a file."""
        if name not in self._modules:
            found = self._modules[name] = Module(name)
            self._read(found, ast.parse(self.file(name).read_text(encoding="utf-8")).body)
        return self._modules[name]

    def _read(self, module: Module, body: list[ast.stmt]) -> None:
        for statement in body:
            module.imported.update(self.imports(statement))
            if isinstance(statement, (ast.If, ast.Try, ast.With)):
                self._read(module, [s for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt)])
            for name in _names_defined(statement):
                module.defined.setdefault(name, []).append(statement)

    def imports(self, node: ast.AST) -> Iterator[tuple[str, Place]]:
        """The names that an import of this package binds, and what they stand for; nothing for any other node."""
        if isinstance(node, ast.ImportFrom) and node.level == 0 and self.file(node.module or ""):
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if self.file(alias.name):
                    yield alias.asname or self.name, (alias.name if alias.asname else self.name, "")

    def resolve(self, module: str, name: str) -> Place | None:
        """Where a name is defined, however often it is passed on; (module, "") of a module; None of anything else."""
        seen = set()
        while name and (module, name) not in seen:
            seen.add((module, name))
            read = self.module(module)
            if name in read.defined:
                return module, name
            if name in read.imported:
                module, name = read.imported[name]
            elif self.file(f"{module}.{name}"):
                module, name = f"{module}.{name}", ""
            else:
                return None
        return None if name else (module, "")

    def behind(self, trees: list[ast.AST], names: Mapping[str, Place]) -> set[Place]:
        """Every definition that some code needs, through all that it names.

        Args:
            trees: the code.
            names: what its imports bind.
        """
        found: set[Place] = set()
        waiting = [place for tree in trees for place in self._named(tree, names)]
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found.add(place)
            module = self.module(place[0])
            here = {name: (module.name, name) for name in module.defined} | module.imported
            waiting += [p for statement in module.defined[place[1]] for p in self._named(statement, here)]
        return {place for place in found if not self._only_names_modules(place)}

    def _only_names_modules(self, place: Place) -> bool:
        """Whether a definition is a list or a table of modules, by their full names or as those beside its own."""
        beside = place[0].rpartition(".")[0]
        named = [
            _strings_of(getattr(definition, "value", None))
            for definition in self.module(place[0]).defined[place[1]]
        ]
        return all(named) and all(
            self.file(n) or self.file(f"{beside}.{n}") for names in named for n in names
        )

    def _named(self, tree: ast.AST, names: Mapping[str, Place]) -> Iterator[Place]:
        """The definitions that a piece of code names, given what its names stand for outside of it."""
        names = dict(names)
        for node in ast.walk(tree):  # imports inside of functions
            names.update(self.imports(node))
        for node in ast.walk(self.plain(tree)):
            first, *attributes = _chain(node) or [""]
            place = self.resolve(*names[first]) if first in names else None
            while place is not None and not place[1] and attributes:  # from a module along its attributes
                place = self.resolve(place[0], attributes.pop(0))
            if place is not None and place[1]:
                yield place

    def text_of(self, place: Place) -> str:
        """A definition as text that is the same for the same behavior."""
        return "\n".join(ast.dump(self.plain(s)) for s in self.module(place[0]).defined[place[1]])

    def plain(self, tree: ast.AST) -> ast.AST:
        """Code without what decides no result: docstrings, annotations of functions, imports of the package."""
        if tree not in self._plain:
            self._plain[tree] = _Plain(self.name).visit(ast.parse(ast.unparse(tree)))
        return self._plain[tree]


def source_hash(cells: list[str], package: Package) -> str:
    """SHA-256 of what decides the outputs of code cells.

    Args:
        cells: their sources.
        package: what they may import.
    """
    trees = [ast.parse(without_magic(cell)) for cell in cells]
    names = {
        name: place for tree in trees for node in ast.walk(tree) for name, place in package.imports(node)
    }
    found = package.behind(trees, names)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and package.file(node.value):
                run = package.module(node.value)
                here = {name: (run.name, name) for name in run.defined}
                found |= package.behind([ast.parse("\n".join(run.defined))], here)
    digest = hashlib.sha256()
    texts = [ast.dump(package.plain(tree)) for tree in trees] + sorted(
        package.text_of(place) for place in found
    )
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def without_magic(cell: str) -> str:
    """A cell's Python: lines that are IPython's, or that decide no result, are emptied."""
    return "\n".join("" if line.lstrip().startswith(NOT_CODE) else line for line in cell.split("\n"))


def _names_defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    targets = {
        ast.Assign: lambda s: s.targets,
        ast.AnnAssign: lambda s: [s.target],
        ast.AugAssign: lambda s: [s.target],
    }.get(type(statement), lambda s: [])(statement)
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _strings_of(node: ast.AST | None) -> list[str]:
    """What a tuple, a list, or the values of a dictionary say, if they are strings and nothing else; else nothing."""
    items = node.values if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    strings = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return strings if len(strings) == len(items) else []


def _chain(node: ast.AST) -> list[str]:
    """``a.b.c`` as its parts; empty for anything else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (
        [node.id, *reversed(parts)] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else []
    )


class _Plain(ast.NodeTransformer):
    def __init__(self, package: str) -> None:
        self.package = package

    def visit_body(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            node.body = node.body[1:]
        node.body = node.body or [ast.Pass()]
        return node

    visit_Module = visit_ClassDef = visit_body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in (
            *node.args.posonlyargs,
            *node.args.args,
            *node.args.kwonlyargs,
            node.args.vararg,
            node.args.kwarg,
        ):
            if argument is not None:
                argument.annotation = None
        return self.visit_body(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if (node.module or "").split(".")[0] == self.package else node

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return None if all(alias.name.split(".")[0] == self.package for alias in node.names) else node
