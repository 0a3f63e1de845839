"""Who may import whom: the rules of docs/architecture.md, read from the imports themselves."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
STANDARD = frozenset(sys.stdlib_module_names)

# A part and what of the project it may import besides itself.
PARTS = {
    "tfcovid.data": {"tfcovid.whole_file", "tfcovid.beam_jobs"},
    "tfcovid.models": {"tfcovid.whole_file"},
    "tfcovid.losses": set(),
    "tfcovid.metrics": set(),
    "tfcovid.controls": set(),
    "tfcovid.training": {
        "tfcovid.models",
        "tfcovid.losses",
        "tfcovid.metrics",
        "tfcovid.data",
        "tfcovid.console",
        "tfcovid.array_file",
        "tfcovid.cpu",
        "tfcovid.whole_file",
    },
    "tfcovid.explain": {"tfcovid.models"},
    "tfcovid.serving": {
        "tfcovid.data",
        "tfcovid.explain",
        "tfcovid.whole_file",
        "tfcovid.beam_jobs",
    },
    "tfcovid.exports": {"tfcovid.data", "tfcovid.serving", "tfcovid.whole_file"},
    "tfcovid.report": {"tfcovid.metrics", "tfcovid.whole_file"},
    "weights_conversion": {"tfcovid.models", "tfcovid.console", "tfcovid.whole_file"},
}
CONVERSION = "weights_conversion"
EXPERIMENT = "tfcovid.experiment"
ENTRIES = (
    "tfcovid.train",
    "tfcovid.evaluate",
    "tfcovid.predict",
    "tfcovid.audit",
    "tfcovid.prepare",
    "tfcovid.compare",
    "tfcovid.steps",
    "tfcovid.serve",
    "tfcovid.feed",
    "tfcovid.export",
    CONVERSION,
)
# Their modules, with how they start and fail: they alone see both flags and parts.
ENTRY_MODULES = {*ENTRIES[:-1], "tfcovid.entry", f"{CONVERSION}.__main__"}

# What runs on every Keras backend, and so on a GPU through JAX or PyTorch too.
BACKEND_FREE = ("tfcovid.models", "tfcovid.losses", "tfcovid.metrics", "tfcovid.controls")
BACKEND_FREE_PACKAGES = {"keras", "numpy", "sklearn", "scipy", "h5py"}

# What one module may import all the same, inside functions: single operations, and an extra.
INSIDE_FUNCTIONS = {
    "batch_norm.py": {"tensorflow"},
    "depthwise.py": {"tensorflow"},
    "folding.py": {"tensorflow"},
    "vit.py": {"keras_hub"},
}

SHAPELESS_NAMES = {"utils", "util", "common", "helpers", "misc"}


def module_files():
    packages = ("flags", "tfcovid", CONVERSION)
    return sorted(path for package in packages for path in ROOT.glob(f"{package}/**/*.py"))


def module_name(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: pathlib.Path, *, inside_functions: bool = True) -> set[str]:
    """Returns the modules a file imports, `from a import b` as a.b where that is a module."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if inside_functions else tree.body
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if is_module(full) else str(node.module))
    return names


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def part_of(name: str) -> str | None:
    if name in ENTRY_MODULES:
        return None
    return next((part for part in PARTS if within(name, part)), None)


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_part_imports_only_what_the_house_allows(path):
    part = part_of(module_name(path))
    if part is None:
        return
    allowed = PARTS[part] | {part}
    strangers = {
        name
        for name in imported(path)
        if name.split(".")[0] in ("tfcovid", "flags", "weights_conversion")
        and not any(within(name, package) for package in allowed)
    }
    assert not strangers, f"{module_name(path)} imports {strangers}; {part} may import {allowed}"


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_models_losses_metrics_import_no_backend(path):
    if not any(within(module_name(path), part) for part in BACKEND_FREE):
        return
    outside = {name.split(".")[0] for name in imported(path)} - STANDARD - {"tfcovid"}
    inside = INSIDE_FUNCTIONS.get(path.name, set())
    assert not inside & {name.split(".")[0] for name in imported(path, inside_functions=False)}
    outside -= inside
    assert outside <= BACKEND_FREE_PACKAGES


@pytest.mark.parametrize("path", [p for p in module_files() if "flags" in p.parts], ids=module_name)
def test_flags_import_standard_library_and_absl_only(path):
    outside = {name.split(".")[0] for name in imported(path)} - STANDARD
    assert outside <= {"absl", "flags"}


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_flags_and_config_stop_at_the_experiment(path):
    name = module_name(path)
    if within(name, "flags") or within(name, EXPERIMENT) or name in ENTRY_MODULES:
        return
    assert not {other for other in imported(path) if within(other, "flags")}


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_nobody_imports_the_conversion(path):
    if not within(module_name(path), CONVERSION):
        assert not {name for name in imported(path) if within(name, CONVERSION)}


def test_the_source_networks_read_no_name_table():
    for path in ROOT.glob(f"{CONVERSION}/reference/*.py"):
        assert not {name for name in imported(path) if within(name, f"{CONVERSION}.names")}


def test_imports_have_no_circle():
    graph = {
        module_name(path): {name for name in imported(path) if is_module(name)}
        for path in module_files()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' → '.join((*trail, name))}"
        if name in done:
            return
        for other in graph.get(name, ()):
            if other != name:
                visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())
    assert done >= set(graph)


def test_no_module_has_a_shapeless_name():
    names = {part for path in module_files() for part in module_name(path).split(".")}
    assert not names & SHAPELESS_NAMES


def test_no_module_is_longer_than_300_lines():
    long = {
        module_name(p): n for p in module_files() if (n := len(p.read_text().split("\n"))) > 301
    }
    assert not long


@pytest.mark.parametrize("entry", ENTRIES)
def test_help_of_every_entry_answers_without_importing_tensorflow(entry):
    # Python lists every import on stderr; --help ends the process by itself.
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", entry, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    modules = {line.rsplit("|", 1)[-1].strip() for line in shown.stderr.splitlines()}
    assert entry in shown.stdout
    assert not modules & {"tensorflow", "keras", "numpy", "pandas", "matplotlib", "torch"}


def test_every_entry_is_listed_here():
    found = {
        module_name(path).removesuffix(".__main__")
        for path in module_files()
        if '__name__ == "__main__"' in path.read_text()
    }
    assert found == set(ENTRIES)
