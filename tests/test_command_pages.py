"""The pages of commands are what their help says; `python -m tests.support.command_pages` renews them."""

from tests.support.command_pages import FOLDER, written


def test_pages_of_commands_are_current() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == written()
