"""No module of ours is imported by its name as a text: that would pass the floors unseen."""

import ast
import re
import tomllib

import pytest

from tests.support.sources import ROOT, files, module_name, short, tree

ALLOWED = {
    "src/modicum/catalog.py": "finds plug-ins by file name: what the laziness is for",
    "src/modicum/files/entries.py": "names the modules of the files it finds for the catalogue",
    "src/modicum/marking/killable.py": "loads a function by name in a process of its own",
    "src/modicum/__init__.py": "the package's face, above all floors, loads what it names",
}
"""Files that import by a name, and why. An entry may go; none may come."""
KILLABLE = {
    "src/modicum/markers/math_verify.py": "modicum.marking.algebra:equal",
    "src/modicum/markers/regex.py": "modicum.marking.search:search",
    "src/modicum/sampling/chat.py": "modicum.sampling.turns:turns",
}
"""Own functions that run in processes of their own, by the files that name them."""

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
[LAYERS] = [c["layers"] for c in CONTRACTS if c["type"] == "layers"]
[LIGHT] = [c for c in CONTRACTS if c["name"].startswith("Torch stays below")]
OWN = {module_name(path) for path in files("src")} - {"modicum"}
LOADERS = {
    *("import_module", "__import__", "reload", "find_spec", "spec_from_file_location"),
    *("run_module", "run_path", "resolve_name", "load_module", "exec_module"),
}
"""What imports by a name."""
ANY = "\0"
"""Stands in a text for what is known only when it runs."""


class Texts:
    """The texts that the expressions of a file make, as far as they are known."""

    def __init__(self, module: ast.Module) -> None:
        self._given: dict[str, list[ast.expr]] = {}
        self._open: set[str] = set()
        """Names that are being made: one made of itself is not known."""
        for node in ast.walk(module):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._given.setdefault(node.targets[0].id, []).append(node.value)

    def of(self, node: ast.AST) -> str:
        """The text that an expression makes, with `ANY` for each part that is not known."""
        made = ANY
        match node:
            case ast.Constant(value=str() as text):
                made = text
            case ast.JoinedStr(values=parts):
                made = "".join(map(self.of, parts))
            case ast.FormattedValue(value=part):
                made = self.of(part)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                made = self.of(left) + self.of(right)
            case ast.BinOp(left=left, op=ast.Mod()):
                made = re.sub("%[sd]", ANY, self.of(left))
            case ast.Name(id=name):
                made = self._named(name)
            case ast.Call(func=ast.Attribute() as function):
                made = self._called(node, function)
        return made

    def _named(self, name: str) -> str:
        """The text of a name that was given once, and not made of itself."""
        given = self._given.get(name, [])
        if len(given) != 1 or name in self._open:
            return ANY
        self._open.add(name)
        made = self.of(given[0])
        self._open.remove(name)
        return made

    def _called(self, node: ast.Call, function: ast.Attribute) -> str:
        """The text of `".".join([…])` and `"…{}".format(…)`."""
        text = self.of(function.value)
        if function.attr == "join" and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
            return text.join(map(self.of, node.args[0].elts))
        return re.sub(r"\{[^}]*\}", ANY, text) if function.attr == "format" else ANY


def names_own(text: str) -> bool:
    """Say whether a text names a module of ours, or may: what is not known may be anything."""
    name = text.partition(":")[0]
    if not name.startswith("modicum."):
        return False
    pattern = re.compile(re.escape(name).replace(re.escape(ANY), ".*"))
    return any(pattern.fullmatch(own) for own in OWN)


def _loaders(module: ast.Module) -> set[str]:
    """Name that import by a text in a file, other names for them included."""
    found = set(LOADERS)
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            found |= {n.asname for n in node.names if n.name in LOADERS and n.asname}
        elif isinstance(node, ast.Assign) and _last(node.value) in found:
            found |= {_last(target) for target in node.targets}
    return found


def _last(node: ast.AST) -> str:
    """The last name of an expression: `import_module` of `importlib.import_module`."""
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _is_harmless(node: ast.AST, texts: Texts, package: str) -> bool:
    """Say whether a call reads data beside the file itself, or asks for a group of plug-ins."""
    if not isinstance(node, ast.Call):
        return False
    is_data = _last(node.func) == "files" and [texts.of(given) for given in node.args] == [package]
    return is_data or _last(node.func) == "entry_points"


def tunnels(
    module: ast.Module, *, heavy: frozenset[str] = frozenset(), package: str = ""
) -> set[str]:
    """What a file may import by a text, or names as one.

    Args:
        module: The file.
        heavy: Libraries that it must not import either.
        package: The package in which it stands, whose data it may read.
    """
    texts, loaders, found = Texts(module), _loaders(module), set()
    # docstrings import nothing, and neither do data and groups
    quiet = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if _is_harmless(node, texts, package):
            quiet |= {id(part) for part in ast.walk(node)}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _last(node.func) in loaders:
            named = texts.of(node.args[0]) if node.args else ANY
            if ANY in named or named.partition(".")[0] in heavy:
                found.add(named.replace(ANY, "*"))
        if id(node) not in quiet and names_own(texts.of(node)):
            found.add(texts.of(node).replace(ANY, "*"))
    return found


def _heavy(path) -> frozenset[str]:
    """Libraries that a file must not import, by the contract that keeps torch below."""
    name = module_name(path)
    is_light = any(name == own or name.startswith(f"{own}.") for own in LIGHT["source_modules"])
    return frozenset(LIGHT["forbidden_modules"] if is_light else ())


def _package(path) -> str:
    name = module_name(path)
    return name if path.stem == "__init__" else name.rpartition(".")[0]


CHECKED = [path for path in files("src") if short(path) not in ALLOWED]

PLANTED = {
    "a name": "import_module('modicum.executor').follow()",
    "without importlib": "__import__('modicum.cli.main')",
    "under another name": "from importlib import import_module as get\nget(where)",
    "a loader kept": "import importlib\nload = importlib.import_module\nload(where)",
    "a name made of parts": "there = 'modicum' + '.' + 'workbench'",
    "a constant": "HOME = 'modicum'\nimport_module(f'{HOME}.workbench')",
    "an f-string": "import_module(f'modicum.{name}')",
    "a joined name": "x = '.'.join(['modicum', 'cli', name])",
    "a format": "x = 'modicum.{}'.format(name)",
    "percent": "x = 'modicum.%s' % name",
    "looked up": "sys.modules['modicum.workbench'].Study",
    "a command": "subprocess.run([sys.executable, '-m', 'modicum.marking.killable'])",
    "a function by name": "killable('modicum.study.trial:run_trial', 1.0)",
    "the data of another package": "resources.files('modicum.report')",
    "torch": "import_module('torch').cuda",
    "a part of torch": "__import__('torch.cuda')",
    "a heavy library by a constant": "NAME = 'transformers'\nimportlib.import_module(NAME)",
}
HARMLESS = {
    "a docstring": "'''modicum.executor'''",
    "own data": "resources.files('modicum.tasks').joinpath(name)",
    "a group of plug-ins": "importlib.metadata.entry_points(group=f'modicum.{kind}')",
    "a light library": "importlib.util.find_spec('math_verify')",
    "a sentence": "x = 'modicum: stopped'",
    "a command's name": "x = f'modicum run {name}'",
    "heavy words": "x = {'torch': 'depends on'}",
}


@pytest.mark.parametrize("path", CHECKED, ids=short)
def test_no_module_is_imported_by_a_text(path) -> None:
    found = tunnels(tree(path), heavy=_heavy(path), package=_package(path))
    assert found <= {KILLABLE.get(short(path), "")}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_tunnel_is_seen(name: str) -> None:
    heavy = frozenset(LIGHT["forbidden_modules"])
    assert tunnels(ast.parse(PLANTED[name]), heavy=heavy, package="modicum.tasks")


@pytest.mark.parametrize("name", HARMLESS)
def test_what_imports_nothing_is_left_alone(name: str) -> None:
    heavy = frozenset(LIGHT["forbidden_modules"])
    assert not tunnels(ast.parse(HARMLESS[name]), heavy=heavy, package="modicum.tasks")


def test_what_is_allowed_is_needed() -> None:
    named = {path: tunnels(tree(ROOT / path)) for path in (*ALLOWED, *KILLABLE)}
    assert all(named.values())
    assert all(KILLABLE[path] in named[path] for path in KILLABLE)


def test_a_function_in_a_process_of_its_own_stands_no_floor_above_what_names_it() -> None:
    order = [part.strip() for floor in LAYERS for part in floor.split("|")]
    for path, target in KILLABLE.items():
        folder, own = (name.split(".")[1] for name in (module_name(ROOT / path), target))
        assert order.index(own) >= order.index(folder)


def test_modules_that_must_stay_light_are_known() -> None:
    assert _heavy(ROOT / "src/modicum/training/launch.py") >= {"torch", "transformers"}
    assert not _heavy(ROOT / "src/modicum/whitebox.py")
