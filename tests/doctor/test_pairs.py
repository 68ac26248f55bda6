"""No failure mode without its proof: the real thing provoked, found, cured, gone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lazycelery.insight.doctor import MODES

HERE = Path(__file__).resolve().parent


def _asked(test: ast.AsyncFunctionDef, method: str) -> Iterator[str]:
    """Codes that a test asks for by a method of `Clinic`; also those of a loop over a literal tuple."""
    loops = {
        loop.target.id: [each.value for each in loop.iter.elts if isinstance(each, ast.Constant)]
        for loop in ast.walk(test)
        if isinstance(loop, ast.For)
        and isinstance(loop.target, ast.Name)
        and isinstance(loop.iter, ast.Tuple)
    }
    for call in ast.walk(test):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == method:
            match call.args[:1]:
                case [ast.Constant(value=str(code))]:
                    yield code
                case [ast.Name(id=name)]:
                    yield from loops.get(name, ())


def _proofs() -> dict[str, list[str]]:
    """Tests on a real fleet that find a mode and then see it go, by its code."""
    proofs: dict[str, list[str]] = {}
    for path in sorted(HERE.glob("test_real*.py")):
        for test in ast.walk(ast.parse(path.read_text())):
            if isinstance(test, ast.AsyncFunctionDef):
                for code in set(_asked(test, "finds")) & set(_asked(test, "cured")):
                    proofs.setdefault(code, []).append(f"{path.name}::{test.name}")
    return proofs


@pytest.mark.parametrize("code", MODES)
def test_each_failure_mode_is_provoked_and_cured_for_real(code: str) -> None:
    """Its healthy twin is the fleet of `test_healthy_hour`, which must look for it and find nothing."""
    assert _proofs().get(code), f"no test in {HERE.name}/test_real*.py finds {code} and sees it cured"


def test_no_proof_is_of_a_mode_that_is_none() -> None:
    assert set(_proofs()) <= set(MODES)
