"""A compiled stack gives what torch's operations give, forwards and backwards."""

from dataclasses import replace

import pytest
import torch

from modicum.nets import native_stacks
from modicum.nets.native_stacks import NativeStack, StackShape
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_blocks import Stack
from modicum.nets.recursive_losses import cross_entropy
from modicum.nets.recursive_shape import RecursiveShape, preset
from modicum.seeds import stream

SHAPES = {
    "sudoku": {"length": 81, "width": 64, "heads": 4, "inner": 64, "layers": 2},
    "small": {"length": 5, "width": 64, "heads": 2, "inner": 128, "layers": 1, "prefix": 0},
    "wide": {"length": 20, "width": 128, "heads": 2, "inner": 192, "layers": 2},
    "broad": {"length": 9, "width": 256, "heads": 4, "inner": 256, "layers": 1},
    "learned": {"length": 16, "width": 64, "heads": 4, "inner": 64, "positions": "learned"},
}
native = pytest.mark.skipif(
    not StackShape(8, 64, 4, 64, 1).is_native, reason="no compiler, or neither AVX-512 nor AVX2"
)


def shaped(name: str, **changes) -> RecursiveShape:
    changes = {"n_inner": 2, "n_outer": 2, "halting": False, **SHAPES[name], **changes}
    return replace(preset("trm", 81, 11), **changes)


def normal(*size: int) -> torch.Tensor:
    return torch.from_numpy(stream("rows", *size).normal(size=size)).float()


def chained(update, rows: torch.Tensor, weights, far: torch.Tensor):
    """A state after three calls of one stack, and gradients of it before the first."""
    state = rows
    for _ in range(3):
        state = update(state + rows)
    return state.detach(), torch.autograd.grad((state * far).sum(), [rows, *weights])


@native
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_states_and_gradients_equal_torchs(name, threads) -> None:
    """In double precision torch gives the truth; the compiled stack is as near to it as torch is."""
    shape = shaped(name)
    stack = Stack(shape, stream("stack"))
    rows = normal(7, shape.places, shape.width).requires_grad_()
    far = normal(8, shape.places, shape.width)[1:]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        compiled = stack.ready()
        assert isinstance(compiled, NativeStack)
        state, grads = chained(compiled, rows, stack.parameters(), far)
        with torch.no_grad():
            again = compiled(compiled(compiled(rows * 2) + rows) + rows)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(state, again)
    single, single_grads = chained(stack, rows, stack.parameters(), far)
    exact = stack.double()
    wide = rows.detach().double().requires_grad_()
    truth, true_grads = chained(exact, wide, exact.parameters(), far.double())
    for found, torchs, true in zip(
        (state, *grads), (single, *single_grads), (truth, *true_grads), strict=True
    ):
        size = true.norm()
        assert (found - true).norm() / size < 2 * (torchs - true).norm() / size + 1e-6


@native
def test_a_board_does_not_depend_on_what_stands_beside_it() -> None:
    shape = shaped("small")
    compiled = Stack(shape, stream("stack")).ready()
    rows = normal(41, shape.places, shape.width)
    with torch.no_grad():
        whole = compiled(rows)
        assert all(torch.equal(compiled(rows[i : i + 1])[0], whole[i]) for i in (0, 7, 40))


@native
def test_large_scores_and_gates_stay_finite() -> None:
    shape = shaped("sudoku")
    stack = Stack(shape, stream("stack"))
    with torch.no_grad():
        for weight in stack.parameters():
            weight.mul_(300)
    rows = normal(2, shape.places, shape.width).requires_grad_()
    state, grads = chained(stack.ready(), rows, stack.parameters(), torch.ones_like(rows))
    assert all(part.isfinite().all() for part in (state, *grads))


@native
def test_a_step_learns_what_torchs_step_learns(monkeypatch) -> None:
    """The whole supervision step: fixed states before, tokens, head and stack all get their gradient."""
    shape = shaped("sudoku", grad="last_recursion")
    ids = torch.from_numpy(stream("ids").integers(0, 11, (3, 81)))

    def gradients() -> dict[str, torch.Tensor]:
        net = RecursiveNet(shape, stream("net"))
        done = net.supervise(net.start(3), net.encode(ids), ids)
        cross_entropy(done.logits, ids, "stablemax").mean().backward()
        return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}

    found = gradients()
    monkeypatch.setattr("modicum.nets.recursive_blocks.native_stacks", lambda *_: None)
    expected = gradients()
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        assert torch.allclose(found[name], grad, rtol=1e-3, atol=1e-4 * grad.abs().max()), name


@native
def test_a_gradient_is_asked_for_once() -> None:
    stack = Stack(shaped("small"), stream("stack"))
    out = stack.ready()(normal(2, 5, 64).requires_grad_()).sum()
    out.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="asked for twice"):
        out.backward()


@pytest.mark.parametrize("changes", [{"width": 48, "heads": 3}, {"mixer": "mlp"}, {"inner": 100}])
def test_other_shapes_go_by_torch(changes) -> None:
    stack = Stack(shaped("small", positions="none", **changes), stream("stack"))
    assert stack.ready() is stack


@pytest.mark.parametrize("flags", ["fpu sse2", "fpu avx avx2", "fpu fma"])
def test_other_processors_go_by_torch(monkeypatch, flags) -> None:
    """The vectors of eight need both; what the compiler would make of the source is never asked."""
    monkeypatch.setattr("modicum.nets.native_stacks.processor_flags", lambda: flags)
    monkeypatch.setattr("modicum.nets.native_stacks.built", lambda *_: pytest.fail("compiled"))
    assert native_stacks._library.__wrapped__() is None


def test_without_a_compiler_the_stack_is_its_own(monkeypatch) -> None:
    monkeypatch.setattr("modicum.nets.native_stacks._library", lambda: None)
    stack = Stack(shaped("small"), stream("stack"))
    assert stack.ready() is stack


def test_other_formats_go_by_torch() -> None:
    stack = Stack(shaped("small"), stream("stack"))
    with torch.autocast("cpu", torch.bfloat16):
        assert stack.ready() is stack
    assert stack.bfloat16().ready() is stack
