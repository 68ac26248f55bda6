"""Commands that a finding advises are made to be pasted, and names in them are others' text."""

from __future__ import annotations

import shlex

import pytest

from lazycelery.insight import advice
from lazycelery.store.filter import parse

HOSTILE = """x; touch ~/owned $(reboot) \\" & | > 'y"""


def command(text: str) -> list[str]:
    """The words that a shell would make of what stands between the first and the last back tick."""
    return shlex.split(text[text.index("`") + 1 : text.rindex("`")])


def test_a_name_in_a_command_is_one_word() -> None:
    assert command(advice.let_consume(HOSTILE, HOSTILE))[3:5] == [HOSTILE, HOSTILE]
    assert command(advice.act_on_task("retry", HOSTILE))[2] == HOSTILE


@pytest.mark.parametrize("name", [HOSTILE, "shop.charge", "two words", "$HOME"])
def test_a_name_in_a_filter_is_one_word_and_one_condition(name: str) -> None:
    term = advice.condition("name", name)
    assert command(advice.tasks("state:failure", term)) == ["lazycelery", "tasks", "state:failure", term]
    assert command(advice.act_on_tasks("retry", term))[2:] == [term, "--allow", "retry"]
    parse(term)


def test_a_plain_name_needs_no_quotes() -> None:
    assert "`lazycelery tasks name:shop.charge`" in advice.tasks(advice.condition("name", "shop.charge"))
