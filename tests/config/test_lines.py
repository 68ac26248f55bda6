"""The scanner that finds the line of a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.config import toml
from lazycelery.config.lines import line_of

TEXT = '''# [ui]
top = 1
"quoted key" = """
[ui]
fake = 1
"""
list = [
  "]", # ]
  "a = 1",
]
[ui]
theme = 'x' # theme = 2
inline = { refresh = 1, mouse = true }

[ profiles . "a.b" ]
broker = "redis://#]["
tls.ca = 'c'
[profiles.plain.keymap]
move.down = "n"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("list",), 7),
        (("ui",), 11),
        (("ui", "theme"), 12),
        (("ui", "inline", "refresh"), 13),
        (("ui", "fake"), 11),
        (("profiles",), 15),
        (("profiles", "a.b", "broker"), 16),
        (("profiles", "a.b", "tls", "ca"), 17),
        (("profiles", "plain"), 18),
        (("profiles", "plain", "keymap", "move", "down"), 19),
        (("missing",), None),
    ],
)
def test_a_key_is_found_where_it_stands(path, line):
    toml.loads(TEXT)
    assert line_of(TEXT, path) == line


_VALUES = st.sampled_from(
    ['"a]"', "'#'", "[1, # ]\n 2]", '"""\nx = 1\n[y]\n"""', "{ a = [1] }", "1", '"\\""']
)


@given(st.lists(_VALUES, min_size=1, max_size=6))
def test_no_value_hides_the_keys_after_it(values):
    text = "".join(f"k{number} = {value}\n" for number, value in enumerate(values)) + "[end]\nlast = 1\n"
    toml.loads(text)
    last = ("end", "last")
    assert line_of(text, last) == text.count("\n")
    assert all(line_of(text, (f"k{number}",)) for number in range(len(values)))


@given(st.text(alphabet="[]{}\"'=#\n .ab\\", max_size=80))
def test_any_text_is_scanned_to_its_end(text):
    line_of(text, ("a", "b"))
