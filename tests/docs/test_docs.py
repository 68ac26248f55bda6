"""README and docs say what is true: commands, links, pictures."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from lazycelery.model.action import PERMISSIONS, ROLES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def test_readme_has_the_two_commands_each_on_one_line() -> None:
    lines = README.splitlines()
    assert "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]' && .venv/bin/lazycelery demo" in lines
    assert "tests/run" in lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_exists(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_have_rows_and_headings_stand_alone(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^\|[-| ]+\|\n(?!\|)", text, re.M) == []
    assert re.findall(r"[^\n]\n##+ .*", text) == []


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    nav = (ROOT / ".mkdocs.yml").read_text().partition("\nnav:\n")[2]
    assert sorted(re.findall(r"^ +- (?:.*: )?(\S+\.md)$", nav, re.M)) == sorted(pages)


@pytest.mark.parametrize("name", ["command-line.md", "configuration.md"])
def test_every_permission_is_named(name: str) -> None:
    assert f"`{' '.join(PERMISSIONS)}`" in (ROOT / "docs" / name).read_text().replace("\n", " ")


def test_the_roles_of_the_safety_page_are_those_of_the_code() -> None:
    safety = (ROOT / "docs" / "safety.md").read_text()
    rows = dict(re.findall(r"^\| `(operator|admin)`[^|]*\| (.*) \|$", safety, re.M))
    opened = {role: set(re.findall(r"`(\w+)`", names)) for role, names in rows.items()}
    assert opened["operator"] == set(ROLES["operator"])
    assert opened["operator"] | opened["admin"] == set(ROLES["admin"])


@pytest.mark.parametrize("script", ["tests/run", ".ci/run"])
def test_a_script_can_be_executed(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert subprocess.run(["sh", "-n", ROOT / script]).returncode == 0


def test_pre_commit_has_the_same_pins_as_the_tests() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for tool, version in re.findall(r'"(ruff|mypy)==([\d.]+)"', (ROOT / "pyproject.toml").read_text()):
        assert version in hooks, f"{tool} {version}"


def test_pictures_are_small_and_fetch_nothing() -> None:
    for picture in (ROOT / "docs" / "pictures").glob("*.svg"):
        text = picture.read_text()
        assert len(text) < 200_000
        assert re.findall(r"""(?:href|src|url\()\s*=?\s*["']?https?:""", text) == []
