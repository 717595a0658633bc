"""Steering as a control vector in GGUF, as llama.cpp adds it: at every position, after a whole layer.

llama.cpp reads one-dimensional F32 tensors `direction.N` and adds each to the output of its layer
N, counted from 0 as here. For layer 0 it holds no tensor and refuses a file that brings one. The
two metadata keys are written as its own generator writes them and are not read by it.
"""

import re
from pathlib import Path

import gguf
import numpy as np
import torch

from modicum.errors import CheckpointError, ConfigError
from modicum.files.headers import gguf_head
from modicum.nudge.steering import Direction, Steering

__all__ = ["KIND", "check_control_vector", "load_control_vector", "save_control_vector"]

KIND = "controlvector"
"""Value of `general.architecture` in such a file."""
_NAME = "direction."
_LAYER = re.compile(r"direction\.([1-9][0-9]{0,5})")


def check_control_vector(steering: Steering) -> None:
    """Refuse what llama.cpp could not add.

    Raises:
        ConfigError: it acts at some positions only, inside a layer, or after the first layer.
    """
    if steering.where != "all":
        raise ConfigError(
            f"a vector that acts at {steering.place}",
            "one that acts at every position, as a control vector does",
            "use the form vector, or find the vector with where = all",
        )
    inner = sorted({d.site for d in steering.directions if d.site != "block"})
    if inner:
        raise ConfigError(
            f"a vector at the {inner[0]} of a layer",
            "one after whole layers",
            "use the form vector",
        )
    if any(d.layer == 0 for d in steering.directions):
        raise ConfigError(
            "a vector after layer 0",
            "layers from 1 on: llama.cpp adds nothing after the first one",
            "leave layer 0 out of the method's layers, or use the form vector",
        )


def save_control_vector(steering: Steering, path: Path, model: str) -> None:
    """Write the directions, strength included, so that a scale of 1 gives what was measured.

    Args:
        steering: What is written; directions of one layer are added up.
        path: The file.
        model: Kind of the base model, such as `llama`: a hint for the reader.

    Raises:
        ConfigError: llama.cpp could not add it.
    """
    check_control_vector(steering)
    sums: dict[int, torch.Tensor] = {}
    for direction in steering.directions:
        values = direction.values.detach().to("cpu", torch.float32)
        sums[direction.layer] = sums.get(direction.layer, torch.zeros_like(values)) + values
    writer = gguf.GGUFWriter(path, KIND)
    writer.add_string(f"{KIND}.model_hint", model)
    writer.add_uint32(f"{KIND}.layer_count", len(sums))
    for layer, values in sorted(sums.items()):
        writer.add_tensor(f"{_NAME}{layer}", values.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load_control_vector(path: Path) -> Steering:
    """Read a control vector as llama.cpp does.

    Raises:
        CheckpointError: no control vector, or one that llama.cpp would refuse.
    """
    try:
        head = gguf_head(path)
    except ValueError as error:
        raise _refused(path, str(error)) from error
    kind = head.values.get("general.architecture")
    if kind != KIND or not head.shapes:
        raise _refused(path, f"architecture {kind!r:.40}, {len(head.shapes)} tensors")
    directions = []
    for name, shape in head.shapes.items():
        layer = _LAYER.fullmatch(name)
        is_flat = len(shape) == 1 and head.kinds[name] == gguf.GGMLQuantizationType.F32
        if layer is None or not is_flat:
            raise _refused(path, f"tensor {name!r:.80}")
        values = _numbers(path, head.places[name], shape[0])
        directions.append(Direction(int(layer[1]), values))
    return Steering(tuple(sorted(directions, key=lambda d: d.layer)), "all")


def _numbers(path: Path, place: int, count: int) -> torch.Tensor:
    """Return a tensor's numbers.

    Raises:
        CheckpointError: they are not all in the file, or not all numbers.
    """
    with path.open("rb") as file:
        is_there = count > 0 and place + 4 * count <= path.stat().st_size
        file.seek(place if is_there else 0)
        values = np.frombuffer(file.read(4 * count if is_there else 0), "<f4")
    if not is_there or not np.isfinite(values).all():
        raise _refused(path, "a tensor that is cut, or holds what is no number")
    return torch.from_numpy(values.astype(np.float32))


def _refused(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{str(path)!r}: {why}", "a control vector in GGUF, layers from 1 on", "export it again"
    )
