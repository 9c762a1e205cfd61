"""What the layout of the project promises, read from the source of every file."""

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
# Each room may import the rooms before it, and itself.
ROOMS = ("indexer", "retriever", "generator", "app", "evaluation")
OUTSIDE = ("training", "benchmarks", "tests", "migrations")
MAX_LINES = 400
VAGUE_NAMES = frozenset("util utils helper helpers common core manager managers misc".split())
UNSAFE_MODULES = frozenset("pickle cPickle _pickle dill cloudpickle joblib shelve marshal".split())
# The only places that may catch everything, and why.
BROAD_EXCEPT = {
    "generator/backends/owner.py": "the model's thread must outlive any request; the error goes to whoever waits",
    "app/sse.py": "the response has begun, so an error can only be told as an event; it is logged whole",
}
# The environment is read in app/config.py. This one sets a default for a library, and reads nothing of ours.
ENVIRONMENT_EXCEPTIONS = {"indexer/embedder.py": 'os.environ.setdefault("TOKENIZERS_PARALLELISM"'}


def _files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (PROJECT / room).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def _offences(check: Callable[[str, str], Iterator[str]], *rooms: str) -> list[str]:
    files = _files(*rooms)
    assert files
    return [
        f"{_name(path)}: {offence}"
        for path in files
        for offence in check(_name(path), path.read_text(encoding="utf-8"))
    ]


def _imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""
            # `from migrations import versions` names a module, too.
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def wrong_imports(name: str, source: str) -> Iterator[str]:
    room = name.split("/")[0]
    allowed = {*ROOMS[: ROOMS.index(room) + 1]}
    if name == "app/database.py":
        allowed.add("migrations")
    for line, module in _imported_modules(ast.parse(source)):
        target = module.split(".")[0]
        if target in (*ROOMS, *OUTSIDE) and target not in allowed:
            yield f"line {line} imports {module}"


def relative_imports(name: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"line {node.lineno}"


def more_than_reexports(name: str, source: str) -> Iterator[str]:
    if not name.endswith("__init__.py"):
        return
    for node in ast.parse(source).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_all = isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]
        if not (isinstance(node, ast.ImportFrom) or is_docstring or is_all):
            yield f"line {node.lineno} is code"


def environment_reads(name: str, source: str) -> Iterator[str]:
    if name == "app/config.py":
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            if any(alias.name in ("environ", "environb", "getenv") for alias in node.names):
                yield f"line {node.lineno}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"):
            line = source.splitlines()[node.lineno - 1].strip()
            if name not in ENVIRONMENT_EXCEPTIONS or not line.startswith(ENVIRONMENT_EXCEPTIONS[name]):
                yield f"line {node.lineno}: {line}"


def unsafe_loading(name: str, source: str) -> Iterator[str]:
    tree = ast.parse(source)
    for line, module in _imported_modules(tree):
        if module.split(".")[0] in UNSAFE_MODULES:
            yield f"line {line} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "torch.load" or called in ("eval", "exec"):
                yield f"line {node.lineno} calls {called}"
            for keyword in node.keywords:
                value = ast.unparse(keyword.value)
                if (keyword.arg, value) in (("allow_pickle", "True"), ("trust_remote_code", "True")):
                    yield f"line {node.lineno} allows foreign code: {keyword.arg}"


def broad_excepts(name: str, source: str) -> Iterator[str]:
    broad = {"Exception", "BaseException"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
            if any(kind is None or ast.unparse(kind) in broad for kind in caught) and name not in BROAD_EXCEPT:
                yield f"line {node.lineno}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
            yield from (f"line {node.lineno}" for argument in node.args if ast.unparse(argument) in broad)


def test_imports_run_one_way() -> None:
    assert _offences(wrong_imports, *ROOMS) == []


def test_modules_are_imported_by_their_full_name() -> None:
    assert _offences(relative_imports, *ROOMS, *OUTSIDE) == []


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        _name(path): lines
        for path in _files(*ROOMS, *OUTSIDE)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_every_init_file_is_empty_or_only_reexports() -> None:
    assert _offences(more_than_reexports, *ROOMS, *OUTSIDE) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [
        _name(path)
        for path in _files(*ROOMS, *OUTSIDE)
        if VAGUE_NAMES & {part.removesuffix(".py") for part in path.relative_to(PROJECT).parts}
    ]
    assert vague == []


def test_only_the_configuration_reads_the_environment() -> None:
    assert _offences(environment_reads, *ROOMS) == []


def test_nothing_is_unpickled_and_no_foreign_code_is_run() -> None:
    assert _offences(unsafe_loading, *ROOMS, "migrations") == []


def test_nothing_catches_every_exception() -> None:
    assert _offences(broad_excepts, *ROOMS, "migrations") == []


def test_each_allowed_exception_to_a_rule_is_still_needed() -> None:
    """An allow-list that outlives its reason hides the next offence in that file."""
    for name in BROAD_EXCEPT:
        source = (PROJECT / name).read_text(encoding="utf-8")
        assert list(broad_excepts("elsewhere.py", source))
    for name, line in ENVIRONMENT_EXCEPTIONS.items():
        assert line in (PROJECT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("check", "name", "source"),
    [
        (wrong_imports, "indexer/a.py", "from retriever.search import Retriever"),
        (wrong_imports, "generator/a.py", "def f():\n    import app.config"),
        (wrong_imports, "app/cli.py", "from migrations import versions"),
        (wrong_imports, "evaluation/a.py", "import tests.fakes"),
        (relative_imports, "indexer/a.py", "from . import dense"),
        (more_than_reexports, "indexer/__init__.py", "VERSION = 1"),
        (environment_reads, "indexer/a.py", "import os\nx = os.environ['HOME']"),
        (environment_reads, "app/cli.py", "from os import getenv"),
        (environment_reads, "indexer/embedder.py", "os.environ['TENKYO_DEVICE']"),
        (unsafe_loading, "indexer/a.py", "import pickle"),
        (unsafe_loading, "indexer/a.py", "np.load(f, allow_pickle=True)"),
        (unsafe_loading, "indexer/a.py", "torch.load(f)"),
        (broad_excepts, "indexer/a.py", "try:\n    f()\nexcept:\n    pass"),
        (broad_excepts, "indexer/a.py", "try:\n    f()\nexcept (ValueError, Exception):\n    pass"),
        (broad_excepts, "indexer/a.py", "with contextlib.suppress(Exception):\n    f()"),
    ],
)
def test_the_checks_see_what_they_look_for(check: Callable[[str, str], Iterator[str]], name: str, source: str) -> None:
    assert list(check(name, source))


def test_every_package_is_installed() -> None:
    """What is missing from the list works here and is not there after `pip install`."""
    listed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {str(path.parent.relative_to(PROJECT)) for path in _files(*ROOMS, "migrations")}
    assert sorted(listed) == sorted(folder.replace("/", ".") for folder in folders)
