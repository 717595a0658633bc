"""Products and vectors of the compiled stacks, beside numpy: with the widest vectors here, and with eight."""

import ctypes

import numpy as np
import pytest

from modicum.files.compiled import built, processor_flags
from modicum.nets import native_stacks
from modicum.nets.native_stacks import StackShape
from modicum.seeds import stream

PROBE = """
#include "stacks_products.h"
int64_t lanes_here(void) { return LANES; }
int64_t panel_here(void) { return PANEL; }
void product(int64_t kind, const float *a, int64_t a_down, const float *b, int64_t b_down, int64_t rows,
             int64_t depth, int64_t columns, float *to, int64_t stride, int64_t add) {
    left first = kind == 2 ? by_columns(a, a_down) : by_rows(a, a_down);
    right other = kind == 0 ? packed(b, depth) : plain(b, b_down);
    multiply(first, other, rows, depth, columns, to, stride, (int)add);
}
void values(int64_t kind, const float *x, float *to, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) {
        lanes one = *(lanes_at *)(x + i);
        if (kind == 0) *(lanes_at *)(to + i) = exponential(one);
        if (kind == 1) *(lanes_at *)(to + i) = sigmoid(one);
        if (kind == 2) *(lanes_at *)(to + i) = inverse(one);
        if (kind == 3) to[i / LANES] = total(one);
        if (kind == 4) to[i / LANES] = largest(one);
    }
}
"""
NARROW = ["-mno-avx512f"]
WIDTHS = [[], NARROW] if "avx512f" in processor_flags().split() else [[]]
PACKED, PLAIN, BY_COLUMNS = range(3)
native = pytest.mark.skipif(
    not StackShape(8, 64, 4, 64, 1).is_native, reason="no compiler, or neither AVX-512 nor AVX2"
)


@pytest.fixture(scope="module", params=WIDTHS, ids=lambda flags: "eight" if flags else "widest")
def probe(request, tmp_path_factory):
    """The header's functions, compiled for tests."""
    folder = tmp_path_factory.mktemp("probe")
    source = folder / "probe.c"
    source.write_text(PROBE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODICUM_CACHE", str(folder))
        library = built(source, ["-O1", f"-I{native_stacks._SOURCE.parent}", *request.param])
    assert library is not None
    assert library.lanes_here() == (
        16 if "avx512f" in processor_flags() and not request.param else 8
    )
    return library


def normal(*size: int) -> np.ndarray:
    return stream("numbers", *size).normal(size=size).astype(np.float32)


def pointer(numbers: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(numbers.ctypes.data)


def panels(b: np.ndarray, panel: int) -> np.ndarray:
    """Columns in whole panels, one after the other; what the last one lacks is not a number."""
    full = np.full((len(b), -(-b.shape[1] // panel) * panel), np.nan, np.float32)
    full[:, : b.shape[1]] = b
    return np.ascontiguousarray(np.concatenate(np.split(full, full.shape[1] // panel, 1)))


def check(probe, kind: int, rows: int, depth: int, columns: int, *, add: bool) -> None:
    """Compare one product, and what stands beside it, with numpy's in double precision."""
    a, b = normal(rows, depth), normal(depth, columns)
    before = normal(rows + 1, columns + 3)
    to = before.copy()
    spare = np.full((depth, 5), np.nan, np.float32)
    wide = np.ascontiguousarray(np.concatenate([b, spare], 1))
    first = np.ascontiguousarray(a.T if kind == BY_COLUMNS else a)
    other = panels(b, probe.panel_here()) if kind == PACKED else wide
    numbers = (first.shape[1], other.shape[1], rows, depth, columns, to.shape[1], int(add))
    a_down, b_down, *sizes, stride, adds = map(ctypes.c_int64, numbers)
    named = (ctypes.c_int64(kind), pointer(first), a_down, pointer(other), b_down, *sizes)
    probe.product(*named, pointer(to), stride, adds)
    expected = before.astype(float)
    expected[:rows, :columns] = a.astype(float) @ b + (before[:rows, :columns] if add else 0)
    assert np.abs(to - expected).max() < 3e-6 * depth**0.5 * 3
    beside = np.ones_like(to, bool)
    beside[:rows, :columns] = False
    assert np.array_equal(to[beside], before[beside])


@native
@pytest.mark.parametrize("kind", [PACKED, PLAIN, BY_COLUMNS])
@pytest.mark.parametrize("add", [False, True])
def test_every_tile_gives_its_product(probe, kind, add) -> None:
    """Rows and columns that are no whole tiles, panels or parts of a depth."""
    lanes = probe.lanes_here()
    for rows in (*range(1, 8), 13):
        for vectors in (1, 2, 3, 4, 5, 9):
            check(probe, kind, rows, 1 + 3 * rows, vectors * lanes, add=add)
    check(probe, kind, 7, 1030, 3 * lanes, add=add)


@native
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("depth", [40, 530])
def test_products_large_enough_to_be_copied_are_the_same(probe, depth, add) -> None:
    for rows, more in ((256, 0), (301, 3)):
        check(probe, BY_COLUMNS, rows, depth, 256 + more * probe.lanes_here(), add=add)


def values(probe, kind: int, x: np.ndarray) -> np.ndarray:
    to = np.zeros_like(x)
    probe.values(ctypes.c_int64(kind), pointer(x), pointer(to), ctypes.c_int64(len(x)))
    return to.astype(float)


@native
def test_elementary_functions_are_right_to_single_precision(probe) -> None:
    x = np.linspace(-90, 87, 4096, dtype=np.float32)
    truth = np.exp(np.maximum(x, -87).astype(float))
    assert np.abs(values(probe, 0, x) / truth - 1).max() < 3e-7
    assert (
        np.abs(values(probe, 1, x) * (1 + np.exp(-np.maximum(x, -87).astype(float))) - 1).max()
        < 4e-7
    )
    large = np.exp2(np.linspace(-120, 126, 4096)).astype(np.float32)
    assert np.abs(values(probe, 2, large) * large - 1).max() < 3e-7


@native
def test_elementary_functions_stay_finite_far_out(probe) -> None:
    far = np.array([-np.inf, -1e30, -1e4, -88] * 4, np.float32)
    assert np.allclose(values(probe, 0, far), np.exp(-87.0), rtol=1e-6)
    assert np.allclose(values(probe, 1, far), np.exp(-87.0), rtol=1e-6)
    assert np.array_equal(values(probe, 1, -far), np.ones(16))


@native
def test_sums_and_maxima_take_every_number_of_a_vector(probe) -> None:
    lanes = probe.lanes_here()
    one_each = np.eye(lanes, dtype=np.float32) * np.arange(1, lanes + 1, dtype=np.float32)
    assert np.array_equal(values(probe, 3, one_each.ravel())[:lanes], np.arange(1, lanes + 1))
    assert np.array_equal(
        values(probe, 4, one_each.ravel() - 50)[:lanes], np.arange(1, lanes + 1) - 50
    )
