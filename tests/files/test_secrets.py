"""Keys and passwords reach no store, screen, report or error, however a server repeats them."""

import dataclasses
import json
import os
import random
import string
import time
import traceback
import urllib.parse

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from modicum import secrecy
from modicum.errors import ConfigError, EndpointError, UnknownNameError
from modicum.model import resolve_backend
from modicum.running.planning import plan_for
from modicum.secrecy import clean, clean_parts, learn, learn_from, without_secrets
from modicum.serving import endpoint as _endpoint
from modicum.serving.endpoint import ChatRequest, Endpoint
from modicum.study.plan import Plan, read_plan
from modicum.study.trial import run_trial
from modicum.workbench import Study
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.leaks import ENCODINGS, PIECE, pieces, seen_in
from tests.support.served import ask, opened, reference

PRINTABLE = "".join(map(chr, range(32, 127)))
KEYS = st.text(PRINTABLE, min_size=8, max_size=200).filter(
    lambda key: key == key.strip() and len(set(key)) > 5
)
WEAK = "hunter2"
PLACES = ("refusal", "reason", "header", "listed", "names", "text", "reasoning", "finish", "tokens")


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch) -> None:
    monkeypatch.setattr(secrecy, "_known", secrecy._Known())
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)


def _fresh() -> None:
    secrecy._known = secrecy._Known()


@given(KEYS, st.sampled_from(sorted(ENCODINGS)), st.data())
@settings(max_examples=60)
@example("sk-proj-0123456789abcdef", "base64 plain, 1 before", None)
def test_no_piece_of_a_key_survives_in_any_encoding(key, encoding, data) -> None:
    _fresh()
    learn(key)
    whole = ENCODINGS[encoding](key)
    first = data.draw(st.integers(0, len(whole) - PIECE)) if data else 0
    last = data.draw(st.integers(first + PIECE, len(whole))) if data else len(whole)
    told = f"he said: {whole[first:last]}. And so on"
    assert not pieces(whole[first:last]) & pieces(clean(told))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(told)), max_size=9))) if data else [12, 14]
    parts = [told[a:b] for a, b in zip([0, *cuts], [*cuts, len(told)], strict=True)]
    cleaned = clean_parts(parts)
    assert len(cleaned) == len(parts)
    assert "".join(cleaned) == clean(told)


def test_texts_without_a_secret_stay_as_they_are() -> None:
    learn("sk-proj-0123456789abcdef")
    text = "The answer is 42, İ think; see sk-pro and 0123456."
    assert clean(text) == text
    assert clean_parts([text[:9], text[9:]]) == (text[:9], text[9:])


def test_what_stands_around_a_secret_is_kept() -> None:
    learn("sk-proj-0123456789abcdef")
    learn(WEAK)
    assert clean("İ a SK-PROJ-0123456789ABCDEF b") == "İ a … b"
    assert clean(f"password {WEAK}, not {WEAK}x") == f"password …, not {WEAK}x"


@pytest.mark.parametrize("secret", ["", "abc", "   "])
def test_what_is_too_short_for_a_secret_is_none(secret) -> None:
    learn(secret)
    assert clean("abc    abc") == "abc    abc"


def test_a_marker_s_process_gets_no_secret_of_ours() -> None:
    learn("sk-proj-0123456789abcdef")
    given = {"PATH": "/bin", "A": "x sk-proj-0123456789abcdef", "HF_TOKEN": "t", "LANG": "C"}
    assert without_secrets(given) == {"PATH": "/bin", "LANG": "C"}


REFUSED = (
    "openai:x?base_url=http://u:{}@h/v1",
    "openai:x?base_url=http://{}@h/v1",
    "openai:x?base_url=http://{}:@h/v1",
    "openai:x?base_url=http://u:a/{}@h/v1",
    "openai:x?base_url=http://u:a?{}@h/v1",
    "openai:x?base_url=http://u:a&{}@h/v1",
    "openai:x?base_url=http%3A%2F%2Fu%3A{}%40h/v1",
    "openai:x?base_url=http://h/v1?key={}",
    "openai:x?base_url=http://h/v1?{}",
    "openai:x?base_url=http://h/v1%3Fa%3D1%26b%3D{}",
    "openai:x?base_url=http://h/v1#{}",
    "openai:x?base_url=http://h/v1;key={}",
    "openai:x?base_url=http://h:{}/v1",
    "openai:x?base_url=http://[{}/v1",
    "openai:x?base_url={}",
    "openai:x?api_key={}",
    "openai:x?api-key={}",
    "openai:x?token={}&timeout=3",
    "openai:x?{}",
    "openai:x?{}=1",
    "openai:x?api_key_env={}",
    "openai:x?timeout=1&key={}",
    'openai:x?extra={{"headers": {{"Authorization": "Bearer {}"}}}}',
    'openai:x?extra={{"api_key": "{}"}}',
    'openai:x?extra={{"a": [{{"token": "{}"}}]}}',
    'openai:x?extra={{"api_key": "{}"',
    "http://u:{}@h/v1",
    "https://{}@h/org/model",
    "opena:x?api_key={}",
)
SECRETS = ("sk-SECRET0123456789", "pa%55-W0RD.and~more")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", REFUSED)
def test_a_reference_with_a_secret_is_refused_without_it(form, secret, tmp_path) -> None:
    given = form.format(secret)
    with pytest.raises(ConfigError) as raised:
        resolve_backend(given)
    error = raised.value
    told = [str(error), repr(error), error.found, error.expected, error.action]
    told.append("".join(traceback.format_exception(error)).rpartition("Error: ")[2])
    told += [repr(c) + str(vars(c)) for c in (error.__cause__, error.__context__) if c]
    hidden = {secret, urllib.parse.unquote(secret)}
    assert not [text for text in told if any(h in text for h in hidden)]

    out = tmp_path / "s"
    said = modicum("run", "--model", given, "--task", "sums", "--out", out)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not any(h in said.out + said.err for h in hidden)
    assert not out.exists()


@pytest.mark.parametrize("form", [f for f in REFUSED if '"' not in f and not f.endswith("?{}")])
def test_a_study_file_with_a_secret_is_refused_without_it(form, tmp_path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        f"[[grid]]\nmodels = ['{form.format(SECRETS[0])}']\ntasks = ['sums']\nmethods = []\n"
    )
    said = modicum("run", path, "--out", tmp_path / "s")
    assert said.code == 2
    assert SECRETS[0] not in said.out + said.err
    assert not (tmp_path / "s").exists()


def test_a_study_file_that_is_broken_beside_a_secret_does_not_tell_it(tmp_path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("[[grid]]\nmodels = 'openai:x?base_url=http://u:SECRET-of-mine@h/v1'\n")
    with pytest.raises(ConfigError) as raised:
        read_plan(path)
    assert "SECRET" not in str(raised.value)


def test_the_host_is_told_and_nothing_else() -> None:
    for form in REFUSED[:3]:
        with pytest.raises(ConfigError, match=r"base_url .*host h\)"):
            resolve_backend(form.format(SECRETS[0]))


def test_a_server_of_a_method_is_refused_before_the_plan_is_frozen(tmp_path) -> None:
    server = "openai:x?base_url=http://u:SECRET-of-mine@h/v1"
    for methods in ("rlvr", "self_consistency"):
        said = modicum(
            "run", "--model", "organism", "--task", "word_sums", "--methods", methods,
            "--set", f"rlvr.server={server}", "--out", tmp_path / "s",
        )  # fmt: skip
        assert said.code == 2
        assert "SECRET" not in said.out + said.err
        assert not (tmp_path / "s").exists()


def test_a_model_without_a_task_is_told_without_its_password() -> None:
    said = modicum("run", "--model", "openai:x?base_url=http://u:SECRET-of-mine@h/v1")
    assert said.code == 2
    assert "SECRET" not in said.err


def test_a_scan_of_a_refused_model_leaves_no_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = modicum("check", "http://u:SECRET-of-mine@h/v1", "--scan", "gym")
    assert said.code == 2
    assert "SECRET" not in said.err
    assert not list(tmp_path.iterdir())


def test_an_error_that_is_not_ours_is_cleaned_where_it_is_kept(tmp_path, monkeypatch) -> None:
    def explode(*_given, **_named) -> None:
        raise RuntimeError("bad key: Bearer sk-proj-0123456789abcdef")

    learn("sk-proj-0123456789abcdef")
    monkeypatch.setattr("modicum.study.trial.open_model", explode)
    plan = plan_for("scripted:latent", "sums", ["self_consistency"], test=4, selection=2, samples=2)
    error = run_trial(plan, plan.trials()[0], None, tmp_path / "a").error
    assert "bad key: Bearer …" in error
    assert not pieces("sk-proj-0123456789abcdef") & pieces(error)


@pytest.mark.parametrize("key", ["two\nlines-0123456", "smörgåsbord-012345", "xyz" * 3000])
def test_a_key_that_fits_into_no_header_is_refused_without_it(key, monkeypatch) -> None:
    monkeypatch.setenv("TINY_KEY", key)
    with pytest.raises(ConfigError, match="no header can hold") as raised:
        resolve_backend("openai:m?api_key_env=TINY_KEY")
    assert not pieces(key) & pieces(str(raised.value))


def test_no_object_that_holds_a_key_shows_it(monkeypatch) -> None:
    key = "sk-proj-0123456789abcdef"
    monkeypatch.setenv("TINY_KEY", key)
    with fake_server(key=key) as (url, _):
        backend = resolve_backend(reference(url, api_key_env="TINY_KEY"))
        model = backend.open()
    held = [backend, model, model.card, model._service, model._service.endpoint]
    held += [Plan(grids=()), Study(reference(url, api_key_env="TINY_KEY"), "sums")]
    assert not [one for one in held if key in repr(one) or key in str(one)]
    assert key not in repr(dataclasses.asdict(backend))


@pytest.mark.parametrize("place", PLACES)
def test_a_server_that_repeats_the_key_puts_it_into_no_error_and_no_answer(
    place, monkeypatch
) -> None:
    key = "sk-proj-0123456789abcdef"
    monkeypatch.setenv("TINY_KEY", key)
    told: list[str] = []
    with fake_server(key=key, leak=key, leaks=(place,)) as (url, _):
        try:
            settings = {"api_key_env": "TINY_KEY", "trust": True, "retries": 0}
            drawn = ask(opened(url, logprobs=True, **settings), margins=True)
            told += [repr(c) for c in drawn] + ["".join(c.pieces) for c in drawn]
        except (ConfigError, EndpointError) as error:
            told += [
                repr(e) + str(vars(e)) for e in (error, error.__cause__, error.__context__) if e
            ]
    assert told
    assert not [text for text in told if pieces(key) & pieces(text)]


def test_an_error_keeps_no_answer_of_the_server_behind_it() -> None:
    key = "sk-proj-0123456789abcdef"
    with fake_server(malformed=True, leak=key, leaks=("tokens",)) as (url, manners):
        manners.names = key
        endpoint = Endpoint(url, key, timeout=5, retries=0)
        with pytest.raises(EndpointError) as raised:
            endpoint.answer(ChatRequest("/completions", {"max_tokens": 9, "prompt": "a"}))
    error: BaseException | None = raised.value
    while error is not None:
        assert not hasattr(error, "doc")
        assert key not in repr(error)
        error = error.__cause__ or error.__context__


def _run(folder, leak: str = "", leaks: tuple[str, ...] = (), key: str = "sk-no-key-at-all") -> str:
    """Run a small study and gives all that it leaves."""
    os.environ["TINY_KEY"] = key
    try:
        with fake_server(leak=leak, leaks=leaks) as (url, _):
            name = reference(url, api_key_env="TINY_KEY", logprobs="true", retries=0, trust="true")
            said = modicum(
                "run", "--model", name, "--task", "sums", "--test", 4, "--selection", 2,
                "--samples", 2, "--methods", "cot_decoding", "--out", folder, "--no-check",
                "--no-reuse",
            )  # fmt: skip
    finally:
        del os.environ["TINY_KEY"]
    assert said.code in (0, 1, 2), said.err
    assert "Traceback" not in said.err
    shown = modicum("show", folder) if (folder / "study.sqlite").exists() else said
    if not (folder / "study.sqlite").exists():
        return said.out + said.err
    return seen_in(folder, said.out, said.err, shown.out, shown.err)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> set[str]:
    """Stretch of a study whose server repeats nothing: no trace of any key."""
    return pieces(_run(tmp_path_factory.mktemp("plain") / "s"))


def _check_study(folder, plain, key, encoding, place, rng) -> None:
    """Fail where a study's leavings hold a piece of the key that its server repeated."""
    _fresh()
    whole = ENCODINGS[encoding](key)
    first = rng.randint(0, len(whole) - PIECE)
    told = whole[first : rng.randint(first + PIECE, len(whole))]
    found = pieces(_run(folder, told, (place,), key))
    told_pieces = {p for p in pieces(told) if len(set(p)) > 2}
    assert not told_pieces & (found - plain), (encoding, place)
    assert not (pieces(key) & found) - plain, (encoding, place)


@pytest.mark.parametrize("number", [5])
def test_a_study_holds_no_piece_of_the_key(number, tmp_path, plain) -> None:
    rng = random.Random(f"leaks {number}")
    key = "".join(rng.choices(string.ascii_letters + string.digits + "+/-_", k=40))
    encoding = sorted(ENCODINGS)[(7 * number) % len(ENCODINGS)]
    _check_study(tmp_path / "s", plain, key, encoding, PLACES[number], rng)


@pytest.mark.slow
@given(KEYS, st.sampled_from(sorted(ENCODINGS)), st.sampled_from(PLACES), st.randoms())
@settings(max_examples=150)
def test_studies_hold_no_piece_of_any_key(tmp_path_factory, plain, key, encoding, place, rng):
    assume(not pieces(key) & plain)
    _check_study(tmp_path_factory.mktemp("leaks") / "s", plain, key, encoding, place, rng)


def test_what_is_learnt_from_a_reference_is_what_looks_secret() -> None:
    learn_from("openai:m?base_url=http://me:hunter22@h/v1?api_key=abcdefgh&name=visible1")
    assert clean("hunter22 abcdefgh visible1") == "… … visible1"


@pytest.mark.parametrize("piece", ["a", "://", "?key=", "sk_", "x:'", "a='", "-", ".", "/"])
def test_looking_for_secrets_takes_no_time_on_hostile_texts(piece) -> None:
    start = time.perf_counter()
    learn_from(piece * 30_000)
    with pytest.raises(ConfigError):
        Endpoint("http://h/" + piece * 30_000 + "?")
    assert time.perf_counter() - start < 5


def test_an_unknown_setting_is_named_without_its_value() -> None:
    with pytest.raises(UnknownNameError, match="setting of model openai 'api_key'") as raised:
        resolve_backend("openai:x?api_key=sk-0123456789abcdef")
    assert "0123456789" not in str(raised.value)
    assert "timeout" in json.dumps(raised.value.expected)
