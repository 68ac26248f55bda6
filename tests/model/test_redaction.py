from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.model.redaction import REDACTED, Redactor

KEYS = st.sampled_from(
    (
        *("password", "passwd", "db_password", "PWD", "secret", "client_secret", "token", "access_token"),
        *("Authorization", "api_key", "apiKey", "X-Api-Key", "access_key", "aws_secret_access_key"),
        *("private_key", "credentials", "card", "card_number", "creditCard", "cvv", "ssn", "sessionid"),
        *("session_id", "Cookie", "csrf_token"),
    )
)
AROUND = st.text(max_size=4, alphabet="XYZQW0123456789'\"\\ ,;:=(){}[]<>/@é")
SECRET = st.builds(
    lambda parts, end: "".join(around + capital for around, capital in parts) + end,
    st.lists(st.tuples(AROUND, st.sampled_from("XYZQW")), min_size=6, max_size=8),
    AROUND,
)
WORD = st.text(min_size=6, max_size=30, alphabet="XYZQW0123456789")
PLAIN = st.dictionaries(st.sampled_from(["a", "order", "n"]), st.integers() | st.just("b"), max_size=3)
redactor = Redactor()


def tell(text: str) -> bool:
    """Any capital of a secret's alphabet is a leak: nothing else around uses those."""
    return any(char in text for char in "XYZQW")


@given(KEYS, SECRET, PLAIN, st.booleans())
def test_a_secret_never_survives_in_a_value(key, secret, plain, deep):
    value = {**plain, key: [{"x": secret}] if deep else secret}
    out = redactor.value([value, {"in": value}])
    assert secret not in json.dumps(out, ensure_ascii=False)
    assert out[0][key] == REDACTED
    assert {name: out[0][name] for name in plain} == plain


@pytest.mark.parametrize(
    "write",
    [
        repr,
        json.dumps,
        lambda value: json.dumps(json.dumps(value)),
        lambda value: repr(json.dumps(value)),
        lambda value: repr([value, (1, 2)]),
        lambda value: "Traceback:\n  x = " + repr(value) + "\nValueError",
    ],
)
@given(key=KEYS, secret=SECRET, plain=PLAIN, cut=st.integers(0, 40))
def test_a_secret_never_survives_in_a_text_wherever_it_was_cut(write, key, secret, plain, cut):
    text = write({**plain, key.lower(): secret, "z": 1})
    out = redactor.text(text[: len(text) - cut] + "..." if cut else text)
    assert not tell(out)


@given(KEYS, WORD)
def test_a_secret_never_survives_in_an_assignment(key, word):
    key = key.lower()
    for text in (
        f"{key}={word}",
        f"{key}: {word}",
        f"connect(host='h', {key}='{word}', port=1)",
        f'{key} = "{word}',
        f'def f({key}: str = "{word}"): pass',
        f"Login(user='a', {key}={word})",
        f"[('{key}', '{word}')]",
        f"headers['{key}'] = '{word}'",
        f"if {key} == '{word}':",
        f"{{'{key}': ['{word}', '{word}'], 'b': 1}}",
        f"{{'{key}': Decimal('{word}')}}",
        f"GET /x?a=1&{key}={word}&b=2",
        f"{key}='''{word}\n{word}'''",
    ):
        assert not tell(redactor.text(text)), text


@given(SECRET, st.sampled_from(["redis", "amqp", "https", "sentinel"]))
def test_a_url_never_shows_its_password_and_never_raises(secret, scheme):
    for url in (
        f"{scheme}://u:{secret}@host:1/0",
        f"{scheme}://:{secret}@host",
        f"{scheme}://[::{secret}@h:x/",
    ):
        assert not tell(redactor.url(url)), url


def test_urls_keep_what_is_no_secret():
    assert redactor.url("redis://:s3cr3t@db1:6379/0") == "redis://:***@db1:6379/0"
    assert redactor.url("amqp://guest:a@b/c@host//v") == "amqp://guest:***@host//v"
    assert redactor.url("http://h/x?api_key=abc&page=2") == "http://h/x?api_key=***&page=2"
    assert redactor.url("redis://h/0") == "redis://h/0"
    assert redactor.url("") == ""
    assert redactor.text("at redis://u:pw@h:1/0 and more") == "at redis://u:***@h:1/0 and more"


def test_headers_lose_their_whole_value():
    assert (
        redactor.text("Authorization: Basic dXNlcjpwdw==\nHost: h") == f"Authorization: {REDACTED}\nHost: h"
    )
    assert "a=b" not in redactor.text("Cookie: a=b; c=d")
    assert redactor.text("curl -H 'x: Bearer abcdefghij'") == f"curl -H 'x: Bearer {REDACTED}'"
    assert "MIIE" not in redactor.text("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nxx")
    assert redactor.value([["Authorization", "x"]]) == [["Authorization", REDACTED]]


def test_what_is_no_secret_stays():
    for text in (
        "max_tokens: 100, prompt_tokens=5",
        "{'discard': 1, 'shipping': 2, 'author': 'me', 'keyboard': 3}",
        "{'monkey': 1, 'order_id': 7, 'pinned': True}",
        "ValueError('card declined for order 9')",
        "{'password': None}",
    ):
        assert redactor.text(text) == text
    assert redactor.value({"n": 1, "key": "k", "password": None}) == {"n": 1, "key": "k", "password": None}


def test_own_patterns_come_on_top_and_defaults_can_be_left_out():
    own = Redactor([r"kunden_?nr", "a[b"])
    assert own.value({"KundenNr": 5, "a[b": 1, "password": "x"}) == {
        "KundenNr": REDACTED,
        "a[b": REDACTED,
        "password": REDACTED,
    }
    assert own.text("{'kundennr': 'x1'}") == f"{{'kundennr': '{REDACTED}'}}"
    assert Redactor(["x1"], defaults=False).value({"password": "x", "x1": 2}) == {
        "password": "x",
        "x1": REDACTED,
    }
    assert Redactor(defaults=False).text("password=x") == "password=x"


def test_a_secret_never_survives_in_a_key():
    spoilt = {"password=hunter2": 1, "redis://:hunter2@h": [{"api_key: hunter2": None}], "n": {1: 2}}
    shown = Redactor().value(spoilt)
    assert shown == {
        "password=[redacted]": "[redacted]",
        "redis://:***@h": [{"api_key: [redacted]": None}],
        "n": {1: 2},
    }
    assert Redactor().value(["password=hunter2", "x"]) == ["password=[redacted]", "[redacted]"]
    assert Redactor().value({"password": "hunter2", "X-Auth": 1}) == {
        "password": "[redacted]",
        "X-Auth": "[redacted]",
    }


def test_a_bottomless_value_ends():
    deep: list = []
    for _ in range(500):
        deep = [deep, {"password": "XYZQ"}]
    assert not tell(repr(redactor.value(deep)))


def test_a_megabyte_of_one_letter_is_no_trap():
    assert len(redactor.text("a" * 1_000_000 + "password=x")) > 1_000_000
    assert len(redactor.text("secret" * 20_000)) == 120_000


@pytest.mark.parametrize("part", ["http://10.0.0.1:9200,", "://", "eyJabcdefgh-"])
def test_a_long_list_of_beginnings_is_no_trap(part):
    text = part * (100_000 // len(part))
    began = time.process_time()
    assert redactor.text(text) == text
    assert time.process_time() - began < 1.0
    assert not tell(redactor.text(f"{text}://a:XYZQWXYZQ@h eyJabcdefgh-eyJabcdefgh.XYZQWXYZQ"))
