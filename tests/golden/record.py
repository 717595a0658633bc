"""Records the golden study: `python -m tests.golden.record FOLDER`. Only where a change of figures is meant.

FOLDER is made by `modicum run tests/golden/study.toml --out FOLDER --workers 1 --no-check --no-reuse`, at one
thread. What goes into this folder:

- `trials.json`: the ids of the default study's trials and of those of `studies/*.toml`;
- `study.sqlite.xz` and `artefacts/`: the database, and the nudges that are exported;
- `verdicts.json`, `terminal.txt`, `report.txt`: what is said of it;
- `files.json`: hashes of all artefacts and of the exported files, and of this machine's arithmetic.
"""

import hashlib
import html.parser
import json
import lzma
import re
import shutil
import sys
from pathlib import Path

import torch

from modicum.study.plan import read_plan
from tests.support.commands import modicum

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STUDY = HERE / "study.toml"
EXPORTS = (
    ("word_sums", "steering_vector", "vector"),
    ("word_sums", "fine_tune", "peft"),
    ("word_sums", "rlvr", "merged"),
    ("word_sums", "cot_decoding", "generation"),
    ("word_sums", "self_consistency", "generation"),
    ("line_moves", "sparse_feature", "vector"),
    ("line_moves", "rl_steering", "vector"),
    ("line_moves", "prompt", "prompt"),
)
"""Task, rung and form of each nudge that is exported."""
VOLATILE = ("seconds",)
"""Keys of figures that no two runs share."""


def studies() -> dict[str, Path]:
    """Return the studies whose trials are recorded, by name."""
    found = {path.stem: path for path in sorted((ROOT / "studies").glob("*.toml"))}
    return {**found, "default": ROOT / "src" / "modicum" / "studies" / "organism.toml"}


def trial_ids(path: Path) -> list[str]:
    """Return the ids of a study's trials, in order."""
    return [str(trial.id) for trial in read_plan(path).trials()]


def without_seconds(value: object) -> object:
    """Return plain values without what the clock says."""
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list | tuple):
        return [without_seconds(item) for item in value]
    return value


def verdicts(folder: Path) -> object:
    """Return what `run --json` says of a finished study, without seconds."""
    said = modicum("run", STUDY, "--out", folder, "--workers", 1, "--json", "--no-check")
    assert said.code == 0, said.err
    return without_seconds(json.loads(said.out))


def terminal(folder: Path) -> str:
    """Return what `run` prints of a finished study, its folder and clock apart."""
    said = modicum("run", STUDY, "--out", folder, "--workers", 1, "--no-check", "-v")
    assert said.code == 0, said.err
    told = said.out.replace(str(folder), "FOLDER")
    # where the command stands hangs on how long the folder's name is
    return re.sub(r"One in full\s+modicum", "One in full  modicum", told)


class _Text(html.parser.HTMLParser):
    """Gathers the text that a page shows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden and data.strip():
            self.parts.append(" ".join(data.split()))


def report_text(folder: Path) -> str:
    """Return the text of the report, a line a piece; it is written again."""
    said = modicum("report", folder)
    assert said.code == 0, said.err
    page = (folder / "report.html").read_text(encoding="utf-8")
    return shown_text(page).replace(str(folder), "FOLDER") + "\n"


def shown_text(source: str) -> str:
    """Return the text that a page shows, a line a piece."""
    page = _Text()
    page.feed(source)
    return "\n".join(page.parts)


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each file below a folder, but of cards and manifests, which name versions."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_content(path)).hexdigest()[:32]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("README.md", "nudge.json")
    }


def _content(path: Path) -> bytes:
    """Return what a file holds; libraries write an adapter's modules and a tensor's facts in any order."""
    raw = path.read_bytes()
    if path.name == "adapter_config.json":
        found = json.loads(raw)
        ordered = {k: sorted(v, key=str) if isinstance(v, list) else v for k, v in found.items()}
        return json.dumps(ordered, sort_keys=True).encode()
    if path.suffix == ".safetensors":
        end = 8 + int.from_bytes(raw[:8], "little")
        return json.dumps(json.loads(raw[8:end]), sort_keys=True).encode() + raw[end:]
    return raw


def exported(folder: Path, out: Path, task: str, rung: str, form: str) -> dict[str, str]:
    """Export one nudge of the study and gives the hashes of its files."""
    where = out / f"{task}-{rung}"
    options = ("--model", "organism", "--task", task, "--rung", rung, "--form", form)
    said = modicum("export", folder, *options, "--out", where)
    assert said.code == 0, said.err
    return hashes(where)


def arithmetic() -> str:
    """Return a hash of how this machine rounds: where it differs, so may the last bits of a figure."""
    a = torch.sin(torch.arange(96.0 * 96.0)).reshape(96, 96)
    for _ in range(4):
        a = torch.softmax(a @ a.T / 7, dim=-1) + torch.nn.functional.gelu(a)
    return hashlib.sha256(a.numpy().tobytes()).hexdigest()[:16]


def unpacked(folder: Path) -> Path:
    """Put the recorded study into a folder, as the code of that day left it."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = (HERE / "study.sqlite.xz").read_bytes()
    (folder / "study.sqlite").write_bytes(lzma.decompress(packed))
    shutil.copytree(HERE / "artefacts", folder / "artefacts", dirs_exist_ok=True)
    return folder


def record(folder: Path) -> None:
    """Write everything that is recorded, from a finished study."""
    ids = {name: trial_ids(path) for name, path in studies().items()}
    _write("trials.json", ids)
    _write("verdicts.json", verdicts(folder))
    (HERE / "terminal.txt").write_text(terminal(folder), encoding="utf-8")
    (HERE / "report.txt").write_text(report_text(folder), encoding="utf-8")
    out = folder.with_name(f"{folder.name}-exports")
    files = {f"{t}/{r}/{f}": exported(folder, out, t, r, f) for t, r, f in EXPORTS}
    facts = {
        "arithmetic": arithmetic(),
        "artefacts": hashes(folder / "artefacts"),
        "exports": files,
    }
    _write("files.json", facts)
    packed = lzma.compress((folder / "study.sqlite").read_bytes(), preset=9)
    (HERE / "study.sqlite.xz").write_bytes(packed)
    shutil.rmtree(HERE / "artefacts", ignore_errors=True)
    for trial in _exported_trials(out):
        shutil.copytree(folder / "artefacts" / trial, HERE / "artefacts" / trial)


def _exported_trials(out: Path) -> list[str]:
    manifests = out.rglob("nudge.json")
    return sorted({json.loads(path.read_text())["study"]["trial"] for path in manifests})


def _write(name: str, value: object) -> None:
    text = json.dumps(value, indent=0, ensure_ascii=False, sort_keys=True)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
