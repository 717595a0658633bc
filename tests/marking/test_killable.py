"""A function in a process of its own: killed when it hangs, tried once more, never an answer."""

import os
import time
from pathlib import Path

import pytest

from modicum.answers import FORMS
from modicum.errors import ConfigError, JudgeError
from modicum.marker import resolve_marker
from modicum.markers.python import Python
from modicum.marking.killable import LONGEST_REPLY, Killable
from modicum.marking.marks import mark_safely
from modicum.task import Task
from modicum.types import Grade, Mark, Problem

OWN = Path(__file__).parent.parent / "support" / "own_marks.py"
PROBLEM = Problem("p", "What is it?", "42")
LINE = FORMS["line"]


@pytest.fixture
def worker():
    made: list[Killable] = []

    def make(function: str, timeout_s: float = 0.5) -> Killable:
        made.append(Killable(f"{OWN}:{function}", timeout_s))
        return made[-1]

    yield make
    for killable in made:
        killable.close()


def _calls(path: Path) -> int:
    return int(path.read_text())


def test_a_call_that_hangs_is_killed_and_tried_once_more(worker, tmp_path) -> None:
    counter = tmp_path / "calls"
    start = time.monotonic()
    with pytest.raises(JudgeError, match="no reply in time"):
        worker("hangs").ask(text=f"hang {counter}", answer="42")
    assert _calls(counter) == 2
    assert time.monotonic() - start < 20


def test_a_call_that_hangs_once_is_answered_by_a_fresh_process(worker, tmp_path) -> None:
    counter = tmp_path / "calls"
    assert worker("sleeps_once").ask(text=str(counter)) is True
    assert _calls(counter) == 2


def test_one_process_answers_many_calls(worker) -> None:
    killable = worker("is_last_word", 5)
    killable.ask(text="a", answer="b")
    pid = killable._process.pid
    assert [killable.ask(text=f"{i} x", answer="x")["correct"] for i in range(50)] == [True] * 50
    assert killable._process.pid == pid


def test_after_a_kill_the_next_call_is_answered(worker, tmp_path) -> None:
    killable = worker("hangs")
    with pytest.raises(JudgeError):
        killable.ask(text=f"hang {tmp_path / 'calls'}", answer="42")
    assert killable.ask(text="fine", answer="42") is True


def test_a_killed_process_is_gone(worker, tmp_path) -> None:
    killable = worker("hangs")
    killable.ask(text="fine", answer="")
    pid = killable._process.pid
    with pytest.raises(JudgeError):
        killable.ask(text=f"hang {tmp_path / 'calls'}", answer="42")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_dies_is_tried_once_more(worker, tmp_path) -> None:
    counter = tmp_path / "calls"
    with pytest.raises(JudgeError, match="its process died"):
        worker("dies", 5).ask(text=str(counter))
    assert _calls(counter) == 2


def test_a_function_that_raises_is_an_error_with_its_words(worker) -> None:
    with pytest.raises(JudgeError, match="KeyError: 'odd'"):
        worker("raises", 5).ask(text="odd")


def test_what_it_prints_goes_nowhere(worker, capfd) -> None:
    assert worker("shouts", 5).ask(text="print") == 1.0
    assert capfd.readouterr() == ("", "")


def test_a_reply_too_long_is_an_error(worker) -> None:
    with pytest.raises(JudgeError, match="bytes returned"):
        worker("shouts", 5).ask(text="return")
    assert LONGEST_REPLY < 1_000_000


@pytest.mark.parametrize(
    ("text", "words"),
    [("def f(:\n", "SyntaxError"), ("import no_such_package\n", "no_such_package"), ("", "f")],
)
def test_a_file_that_cannot_be_loaded_is_a_config_error(tmp_path, text: str, words: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    killable = Killable(f"{tmp_path / 'broken.py'}:f", 5)
    with pytest.raises(ConfigError, match=words):
        killable.ask(text="")


def test_memory_is_bounded_where_asked(tmp_path) -> None:
    (tmp_path / "greedy.py").write_text("def f():\n    return len(bytearray(2_000_000_000))\n")
    killable = Killable(f"{tmp_path / 'greedy.py'}:f", 5, memory_mb=1000)
    with pytest.raises(JudgeError, match="MemoryError"):
        killable.ask()
    killable.close()


def test_a_file_may_import_the_file_beside_it(tmp_path) -> None:
    (tmp_path / "beside.py").write_text("RIGHT = 7\n")
    (tmp_path / "own.py").write_text("import beside\n\ndef f(text):\n    return beside.RIGHT\n")
    killable = Killable(f"{tmp_path / 'own.py'}:f", 5)
    assert killable.ask(text="") == 7
    killable.close()


class _Hanging(Task):
    """A task whose marker hangs."""

    def __init__(self, marker: Python) -> None:
        self._marker = marker

    @property
    def sheet(self):
        raise NotImplementedError

    def problems(self, split, n):
        raise NotImplementedError

    def read(self, text):
        raise NotImplementedError

    def mark(self, problem: Problem, text: str) -> Mark:
        return self._marker.mark(problem, text, LINE)


def test_a_marker_that_hangs_is_a_judge_error_after_two_tries_and_never_incorrect(tmp_path) -> None:
    counter = tmp_path / "calls"
    task = _Hanging(Python(f"{OWN}:hangs", timeout_s=0.4))
    with pytest.raises(JudgeError):
        mark_safely(task, PROBLEM, f"hang {counter}")
    assert _calls(counter) == 2
    assert mark_safely(task, PROBLEM, "fine").lenient == Grade.CORRECT


def test_own_marker_may_want_the_question() -> None:
    marker = resolve_marker(f"python:{OWN}:wants_the_question")
    assert marker.mark(PROBLEM, "What is it? 42", LINE).lenient == Grade.CORRECT
    assert marker.mark(PROBLEM, "42", LINE).lenient == Grade.INCORRECT


def test_own_marker_may_have_a_strict_reading() -> None:
    mark = resolve_marker(f"python:{OWN}:has_two_readings").mark(PROBLEM, "it is 42", LINE)
    assert (mark.lenient, mark.strict) == (Grade.CORRECT, Grade.INCORRECT)


def test_own_marker_that_says_nonsense_is_an_error() -> None:
    with pytest.raises(JudgeError, match="expected True, False, None or a number"):
        resolve_marker(f"python:{OWN}:says_nonsense").mark(PROBLEM, "42", LINE)


def test_pattern_that_backtracks_for_ever_is_killed() -> None:
    marker = resolve_marker(r"regex:(x+x+)+y")
    object.__setattr__(marker, "timeout_s", 0.4)
    with pytest.raises(JudgeError, match="no reply in time"):
        marker.read("x" * 60, LINE)


def test_an_orphan_ends_itself(tmp_path) -> None:
    """A driver that was killed while a call hangs leaves no process behind."""
    import signal
    import subprocess
    import sys

    counter = tmp_path / "calls"
    code = (
        "from modicum.marking.killable import Killable\n"
        f"k = Killable({f'{OWN}:hangs'!r}, 1.0)\n"
        "k.ask(text='fine', answer='')\n"
        "print(k._process.pid, flush=True)\n"
        f"k.ask(text={f'hang {counter}'!r}, answer='')\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(driver.stdout.readline())
    while not counter.exists():
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    end = time.monotonic() + 15
    while time.monotonic() < end and _lives(pid):
        time.sleep(0.1)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
