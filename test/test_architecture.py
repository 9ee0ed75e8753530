"""The shape of the house: which way imports run, how large things are, that every file has its tests.

The rooms and the reasons stand in docs/design.md.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room imports from itself and from rooms above it in this list; what shares a line may not import each other.
FLOORS = [
    ["model.errors", "model.structures"],
    ["model.writing", "model.terminal", "model.documents", "model.installed", "model.machine"],
    ["model.options", "model.request", "model.packages"],
    ["model.images"],
    ["model.preview"],
    ["model.sockets", "model.channels", "model.described", "model.strangers", "model.patients"],
    ["model.cases", "model.network"],
    ["model.preprocessing", "model.one_patient"],
    ["model.inference", "model.importing"],
    ["model.serve", "model.cohort"],
    ["evaluation", "phantom", "process"],
    ["evaluate", "evaluate_submission", "api"],
    ["dicom"],
    ["training.data"],
    ["training.run"],
    ["training"],
    ["train", "bench"],
]
ALLOWED_BETWEEN = {
    # Only these of the rooms above.
    "evaluation": {
        "model.errors",
        "model.structures",
        "model.writing",
        "model.terminal",
        "model.machine",
        "model.documents",
        "model.options",
        "model.images",
    },
    "phantom": {
        "model.errors",
        "model.structures",
        "model.writing",
        "model.terminal",
        "model.packages",
        "model.options",
        "model.images",
        "model.cases",
    },
    # No torch but through process.py, and nothing that only makes or trains.
    "dicom": {room for floor in FLOORS[:11] for room in floor} - {"model.importing", "phantom"},
    "process": {room for floor in FLOORS[:10] for room in floor} - {"model.importing"},
}
WITHOUT_TORCH = (
    "model.errors",
    "model.structures",
    "model.writing",
    "model.terminal",
    "model.documents",
    "model.installed",
    "model.machine",
    "model.packages",
    "model.options",
    "model.images",
    "model.preview",
    "model.sockets",
    "model.channels",
    "model.described",
    "model.strangers",
    "model.patients",
    "model.cases",
    "model.one_patient",
)
LONGEST_FILE, LONGEST_FUNCTION = 300, 52


def sources() -> list[Path]:
    files = [
        ROOT / name for name in ("process.py", "evaluate.py", "evaluate_submission.py", "train.py", "api.py")
    ]
    for folder in ("model", "evaluation", "dicom", "training", "phantom", "bench"):
        files += sorted((ROOT / folder).rglob("*.py"))
    return files


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str | None:
    """The longest name of a room that a module lies in; None for other packages."""
    rooms = [room for floor in FLOORS for room in floor if module == room or module.startswith(f"{room}.")]
    return max(rooms, key=len, default=None)


def imports(path: Path) -> set[str]:
    """Names of modules; where one is taken out of its package, of it and not of the package."""
    modules, names = {module_of(source) for source in sources()}, set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & modules
            names |= {node.module} if inner - modules else set()
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_imports_run_one_way():
    floor_of = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    for path in sources():
        room = room_of(module_of(path))
        if room is None:  # model/__init__.py and the like
            assert not imports(path), path
            continue
        for name in imports(path):
            other = room_of(name)
            if other is None or other == room:
                continue
            assert floor_of[other] < floor_of[room], f"{path} ({room}) imports {name} ({other})"
            assert other in ALLOWED_BETWEEN.get(room, {other}), f"{path} ({room}) imports {name} ({other})"


def test_no_circle_between_files():
    modules = {module_of(path): path for path in sources()}
    graph = {name: {m for m in imports(path) if m in modules and m != name} for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"circle: {' -> '.join((*way, name))}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_what_scores_and_reads_needs_no_torch():
    for path in sources():
        if room_of(module_of(path)) in (
            *WITHOUT_TORCH,
            "evaluation",
            "evaluate",
            "evaluate_submission",
            "phantom",
        ):
            assert not any(name.split(".")[0] == "torch" for name in imports(path)), path


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name


def test_every_file_of_the_product_has_tests_of_its_name():
    missing = []
    for folder in ("model", "evaluation", "dicom", "training"):
        for path in (ROOT / folder).rglob("*.py"):
            name = {"__init__": None, "__main__": "main"}.get(path.stem, path.stem)
            tests = ROOT / "test" / path.relative_to(ROOT).parent / f"test_{name}.py"
            if name and not tests.exists():
                missing.append(str(path.relative_to(ROOT)))
    assert not missing
