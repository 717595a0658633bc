"""A PEFT adapter of another tool, laid on its base model: the same trust, and never code of its own."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from modicum.errors import CheckpointError
from modicum.files.foreign import at, is_there, read_table, words_of
from modicum.loading.checkpoint import Running, check_source, open_source
from modicum.loading.looked import check_tokenizer
from modicum.sampling.local import Local
from modicum.training.adapter_folder import CONFIG, WEIGHTS, check_config
from modicum.training.adapters import merged

__all__ = ["check_adapter", "is_adapter", "open_adapter"]


def is_adapter(source: str) -> bool:
    """Say whether a folder holds an adapter and no whole model."""
    folder = at(source)
    return is_there(folder / CONFIG) and not is_there(folder / "config.json")


def check_adapter(source: str) -> None:
    """Look at an adapter's files and at its base, and load no weights.

    Raises:
        CheckpointError: a pickle, a kind that is not read, or no base where it is said to be.
    """
    folder = at(source)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(
            f"no {WEIGHTS} in {source!r}",
            "an adapter in safetensors: pickles can run any code",
            "convert it where you trust it, with PEFT's save_pretrained",
        )
    check_source(_base(folder))
    check_config(folder)


def open_adapter(source: str, running: Running) -> Local:
    """Load the base model and merge the adapter into it.

    Raises:
        CheckpointError: base or adapter do not load, or do not fit each other.
    """
    check_adapter(source)
    folder = at(source)
    base = _base(folder)
    plain = open_source(base, name=base, running=running)
    try:
        module = merged(plain.module, folder)
        tokenizer = _tokenizer(folder, plain.tokenizer)
    except CheckpointError:
        raise
    except Exception as error:  # a stranger's file makes the libraries raise anything
        raise CheckpointError(
            f"the adapter in {source!r} does not fit {base!r}: {words_of(error)}",
            "an adapter of this base model",
            f"look at base_model_name_or_path in its {CONFIG}",
        ) from error
    return Local(
        module,
        tokenizer,
        name=source,
        notes=(f"adapter merged into {base}",),
        rows=running.rows,
        threads=running.threads,
    )


def _tokenizer(folder: Path, plain: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return the adapter's own tokenizer, where it brings one."""
    if not (folder / "tokenizer_config.json").is_file():
        return plain
    check_tokenizer(str(folder))
    own: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return own


def _base(folder: Path) -> str:
    """Return the folder or hub id of the base model.

    Raises:
        CheckpointError: none is named, or the configuration is broken.
    """
    try:
        base = read_table(folder / CONFIG).get("base_model_name_or_path")
    except ValueError as error:
        raise CheckpointError(
            f"a broken {CONFIG} in {str(folder)!r}: {error}", "JSON", "fetch the adapter again"
        ) from error
    if not isinstance(base, str) or not base.strip():
        raise CheckpointError(
            f"no base_model_name_or_path in {str(folder / CONFIG)!r}",
            "the folder or hub id of the base model",
            "write it there, or merge the adapter into its base first",
        )
    beside = folder / base
    return str(beside) if is_there(beside) else base
