"""The house's own rules, read from the source: thin components, and no environment read at import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("jackpot", "components", "pipelines", "serving", "benchmarks")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
COMPONENTS = sorted((ROOT / "components").glob("*/component.py"))


def run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield every node that runs when the module is imported."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def reads_environment(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}) or (
        isinstance(node, ast.Name) and node.id in {"environ", "getenv"}
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_reads_the_environment_at_import(path: Path) -> None:
    assert not [node for node in run_at_import(ast.parse(path.read_text())) if reads_environment(node)]


def test_the_check_sees_a_read() -> None:
    guilty = ast.parse("import os\nclass A:\n    x = os.environ['HOME']\ndef f(y=os.getenv('A')): ...")
    innocent = ast.parse("import os\ndef f():\n    return os.environ['HOME']")
    assert len([node for node in run_at_import(guilty) if reads_environment(node)]) == 2
    assert not [node for node in run_at_import(innocent) if reads_environment(node)]


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.parent.name)
def test_a_component_is_a_thin_adapter(path: Path) -> None:
    """One function named like its folder; kfp alone at the top; at most 30 lines of its own under the docstring."""
    tree = ast.parse(path.read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name) or ""
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= {"kfp", "kfp.dsl", "components"}
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert function.name == path.parent.name
    body = function.body[1:]
    assert (body[-1].end_lineno or 0) - body[0].lineno < 30


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.parent.name)
def test_a_component_explains_each_of_its_parameters(path: Path) -> None:
    (function,) = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    text = ast.get_docstring(function) or ""
    assert not [argument.arg for argument in function.args.args if f"    {argument.arg}: " not in text]


def test_each_module_of_the_decision_points_to_its_mathematics_and_that_back() -> None:
    """docs/decision.md names the files of each part; each of them names the part in its docstring."""
    page = (ROOT / "docs/decision.md").read_text()
    parts = {head.rstrip(".") for head in re.findall(r"^\*\*(.+?)\*\*", page, re.MULTILINE)}
    named = 0
    for head, files in re.findall(r"^\*\*(.+?)\*\* \((.+?)\)", page, re.MULTILINE):
        for file in re.findall(r"`([a-z_/]+\.py)`", files):
            module = ROOT / "jackpot" / (file if "/" in file else f"decision/{file}")
            assert f'"{head}"' in (ast.get_docstring(ast.parse(module.read_text())) or ""), (file, head)
            named += 1
    assert named > 20
    for module in (*(ROOT / "jackpot/decision").glob("*.py"), *(ROOT / "jackpot/game").glob("*.py")):
        pointer = re.search(r"docs/decision\.md, (.+?)\.\n?$", ast.get_docstring(ast.parse(module.read_text())) or "")
        assert pointer is None or set(re.findall(r'"(.+?)"', pointer[1])) <= parts, module
