"""A stranger's chat template writes a prompt, within its time and memory, and nothing else."""

import json
import time
from pathlib import Path

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import CheckpointError
from modicum.model import render
from modicum.sampling.local import Local
from modicum.sampling.turns import PART
from modicum.types import Style
from tests.support.tiny_models import byte_tokenizer, tiny_module

PLAIN = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEMPLATES = {
    "plain": PLAIN,
    "strict": "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    + PLAIN,
    "table": "{{ messages | tojson }}",
    "named": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}"
    "{{ ns.n }}: " + PLAIN,
    "broken out": "{% generation %}" + PLAIN + "{% endgeneration %}",
}
ENDLESS = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
    "doubling": "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}"
    "{% endfor %}{{ ns.x }}",
    "width": "{{ 'x' | center(99999999999) }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "format": "{{ '%99999999999d' | format(1) }}",
    "lipsum": "{{ lipsum(n=9999999) }}",
    "long": "{{ 'x' * 99999999 }}",
}
QUICK = ("loops",)
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
    "{{ lipsum.__globals__['os'].popen('touch CANARY').read() }}",
    "{{ self.__init__.__globals__.__builtins__.open('CANARY', 'w') }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
    "{% include 'CANARY' %}",
    "{% import 'os' as os %}",
    "{{ messages.append({}) }}",
]


def speaking(template: object) -> Local:
    """A tiny model with a chat template."""
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    return Local(tiny_module("llama"), tokenizer, name="tiny", threads=1)


@pytest.mark.parametrize("name", TEMPLATES)
def test_prompts_are_those_of_transformers(name: str) -> None:
    model = speaking(TEMPLATES[name])
    for system in (None, "Be brief.", "ümläut <|user|> \u202e"):
        for user in ("Hi", "a\nb", "{{ 7 * 7 }}", "\ud800 lone", "😀" * 100):
            said = [{"role": "user", "content": user}]
            head = [{"role": "system", "content": system}] if system else []
            if name == "strict" and system:
                head, said = [], [{"role": "user", "content": f"{system}\n\n{user}"}]
            wanted = model.tokenizer.apply_chat_template(
                [*head, *said], tokenize=False, add_generation_prompt=True
            )
            assert model.chat(system, user) == wanted


@settings(max_examples=30)
@given(user=st.text(max_size=40), system=st.none() | st.text(min_size=1, max_size=20))
def test_any_text_arrives_as_it_is(user: str, system: str | None) -> None:
    said = speaking("{{ messages | map(attribute='content') | join('|') }}").chat(system, user)
    assert said == (user if system is None else f"{system}|{user}")


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 20 * PART])
def test_long_prompts_arrive_whole(size: int) -> None:
    user = "aé😀\n"[: size % 5] + "é" * size
    assert speaking(PLAIN).chat(None, user) == f"<bos><|user|>{user}<eos><|assistant|>"


def test_of_several_templates_the_default_is_taken() -> None:
    model = speaking({"default": "D {{ messages[0].content }}", "tool_use": "T"})
    assert model.chat(None, "Hi") == "D Hi"


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ENDLESS],
)
def test_a_template_without_end_is_refused_in_time(name: str, monkeypatch) -> None:
    monkeypatch.setattr("modicum.sampling.chat.TEMPLATE_S", 0.5)
    start = time.monotonic()
    with pytest.raises((CheckpointError, jinja2.TemplateError)):
        speaking(ENDLESS[name]).chat(None, "Hi")
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("template", ESCAPES)
def test_a_template_reaches_nothing_but_its_messages(template, tmp_path, monkeypatch) -> None:
    canary = tmp_path / "canary"
    monkeypatch.chdir(tmp_path)
    try:
        said = speaking(template.replace("CANARY", str(canary))).chat(None, "Hi")
    except (CheckpointError, jinja2.TemplateError):
        said = ""
    assert not canary.exists()
    assert "class" not in (said or "")
    assert list(tmp_path.iterdir()) == []


def test_a_template_reads_no_variable_of_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "SECRET")
    for template in ("{{ env }}{{ environ }}{{ MY_API_KEY }}", "{{ self }}", "{{ namespace }}"):
        assert "SECRET" not in (speaking(template).chat(None, "Hi") or "")


def test_a_template_that_is_none_is_told() -> None:
    for template in ("{% for %}", "{{ nothing.at.all }}", "{{ raise_exception('I will not') }}"):
        with pytest.raises(jinja2.TemplateError):
            speaking(template).chat(None, "Hi")
    with pytest.raises(CheckpointError, match="default"):
        speaking({"tool_use": "T"}).chat(None, "Hi")


def test_a_prompt_of_an_export_is_rendered_alike(tmp_path: Path) -> None:
    style = Style("own", "Q: {question}", "Be brief.", chat=True)
    model = speaking(PLAIN)
    assert render(model, style, "1 + 1?") == model.chat("Be brief.", "Q: 1 + 1?")
    assert json.dumps(render(model, style, "1 + 1?"))
