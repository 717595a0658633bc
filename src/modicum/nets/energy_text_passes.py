"""A layer's way of candidates written out: its slope, and the gradient of that slope.

Torch's own second gradients take some twelve small operations where one of these does, and keep a graph
of graphs. Written out, a step is a pass, its gradient, and, where it is learned, the same two again in
the direction in which the loss changes the slope (forward over reverse): of what a matrix gets from
`out^T in` the product rule leaves `out^T in' + out'^T in`.

Names: `x_` is how x changes in that direction; `d_x` is the energy's gradient with respect to x, and
`d_x_` how that changes. Norms' scales and the queries' factor are folded into the matrices behind them.

Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian", for the direction; the layer is that
of Gladstone et al. 2025 (2507.02092).
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.nets.energy_blocks import RmsNorm
from modicum.nets.energy_text_blocks import Places, TextLayer

__all__ = ["AttentionPass", "FoldedLayer", "LayerPass", "NormPass"]


@final
class FoldedLayer:
    """The matrices of a layer as its weights stand."""

    def __init__(self, layer: TextLayer) -> None:
        """Fold norms' scales and the queries' factor in."""
        self.heads = layer.heads
        self.read_raw, self.rise_raw = layer.read.detach(), layer.rise.detach()
        width = self.read_raw.shape[1]
        self._root = math.sqrt(width)
        self.read_scale = layer.before_mixing.scale.detach() * self._root
        self.rise_scale = layer.before_rise.scale.detach() * self._root
        self.factor = (width // layer.heads) ** -0.5
        self.read = self.read_raw * self.read_scale
        self.read[:width] *= self.factor
        self.rise = self.rise_raw * self.rise_scale
        self.write, self.fall = layer.write.detach(), layer.fall.detach()

    def unfolded(self, read: Tensor, rise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return gradients of `read`, `rise` and both scales from those of the folded matrices."""
        width = read.shape[1]
        read[:width] *= self.factor
        own = (read * self.read_raw).sum(0).mul_(self._root)
        other = (rise * self.rise_raw).sum(0).mul_(self._root)
        return read.mul_(self.read_scale), rise.mul_(self.rise_scale), own, other


@final
class NormPass:
    """Rows over their length, and that forwards and backwards.

    The norm of the net is this times the root of the width, which stands in the matrices behind it.
    """

    def __init__(self, rows: Float[Tensor, "rows width"]) -> None:
        """Go forwards; `out` is what comes out."""
        self._over = _own(rows, rows).add_(rows.shape[1] * RmsNorm.eps).rsqrt_()
        self.out = rows * self._over

    def back(self, d_out: Tensor, onto: Tensor | None = None) -> Tensor:
        """Return the gradient before the norm, added to another where there is one."""
        self._d_out = d_out
        self._along = _own(self.out, d_out)
        self._across = torch.addcmul(d_out, self.out, self._along, value=-1)
        if onto is None:
            return self._across * self._over
        return torch.addcmul(onto, self._across, self._over)

    def along(self, rows_: Tensor) -> Tensor:
        """Return how `out` changes where the rows change so."""
        # how the logarithm of `over` changes
        self._over_ = _own(self.out, rows_).mul_(self._over).neg_()
        self.out_ = torch.addcmul(rows_ * self._over, self.out, self._over_)
        return self.out_

    def back_along(self, d_out_: Tensor | None, onto: Tensor | None = None) -> Tensor:
        """Return how the gradient before the norm changes where that behind it changes so."""
        along_ = _own(self.out_, self._d_out)
        inner = self._across.mul_(self._over_)
        if d_out_ is not None:
            along_ = along_.add_(_own(self.out, d_out_))
            inner = inner.add_(d_out_)
        inner = inner.addcmul_(self.out_, self._along, value=-1)
        inner = inner.addcmul_(self.out, along_, value=-1)
        return inner.mul_(self._over) if onto is None else torch.addcmul(onto, inner, self._over)


def _turned(rows: Float[Tensor, "n places part"], rotary: Tensor) -> Tensor:
    """Turn rows by the angles of their places."""
    pairs = torch.view_as_complex(rows.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotary).flatten(-2)


def _own(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of each row with its own, `[..., 1]`."""
    found: Tensor = torch.linalg.vecdot(a, b)
    return found.unsqueeze(-1)


@final
class AttentionPass:
    """Attention of candidates to observed ids and to themselves.

    Rows `[n places, 3 width]` hold queries, keys and values. A candidate's score of itself needs no turn,
    for its query and its key stand at one place.
    """

    def __init__(self, folded: FoldedLayer, seen: tuple[Tensor, Tensor], places: Places) -> None:
        """Take what was observed."""
        self._heads, self._places = folded.heads, places
        self._keys, self._values = (one.detach().flatten(0, 1) for one in seen)
        self._n, _, _, self._part = seen[0].shape

    def forwards(self, mixed: Float[Tensor, "rows threefold"]) -> Float[Tensor, "rows width"]:
        """Return what is drawn."""
        self._query, self._key, self._value = self._split(mixed)
        self._turn = _turned(self._query, self._places.rotary)
        bias, keys = self._places.bias, self._keys.mT
        scores = self._turn @ keys if bias is None else torch.baddbmm(bias, self._turn, keys)
        own = _own(self._query, self._key)
        most = torch.maximum(scores.amax(-1, keepdim=True), own)
        scores, own = scores.sub_(most).exp_(), own.sub_(most).exp_()
        over = scores.sum(-1, keepdim=True).add_(own).reciprocal_()
        self._shares, self._share = scores.mul_(over), own.mul_(over)
        drawn = torch.bmm(self._shares, self._values).addcmul_(self._share, self._value)
        return self._joined(drawn)

    def back(self, d_drawn: Float[Tensor, "rows width"]) -> Float[Tensor, "rows threefold"]:
        """Return the gradient of queries, keys and values."""
        self._d_drawn = d_drawn = self._by_heads(d_drawn)
        above = torch.bmm(d_drawn, self._values.mT)
        own = _own(d_drawn, self._value)
        inner = _own(self._shares, above).addcmul_(self._share, own)
        self._above, self._above_own = above.sub_(inner), own.sub_(inner)
        self._d_scores = self._shares * self._above
        self._d_score = own = self._share * self._above_own
        d_query = self._turned_back(self._d_scores).addcmul_(own, self._key)
        self._d_mixed = self._joined(d_query, own * self._query, self._share * d_drawn)
        return self._d_mixed

    def along(self, mixed_: Float[Tensor, "rows threefold"]) -> Float[Tensor, "rows width"]:
        """Return how what is drawn changes."""
        self._query_, self._key_, self._value_ = self._split(mixed_)
        self._turn_ = _turned(self._query_, self._places.rotary)
        beside = torch.bmm(self._turn_, self._keys.mT)
        own = _own(self._query_, self._key).add_(_own(self._query, self._key_))
        inner = _own(self._shares, beside).addcmul_(self._share, own)
        self._beside, self._beside_own = beside.sub_(inner), own.sub_(inner)
        self._shares_ = self._shares * self._beside
        self._share_ = self._share * self._beside_own
        drawn_ = torch.bmm(self._shares_, self._values).addcmul_(self._share_, self._value)
        return self._joined(drawn_.addcmul_(self._share, self._value_))

    def back_along(self, d_drawn_: Float[Tensor, "rows width"]) -> Float[Tensor, "rows threefold"]:
        """Return how the gradient of queries, keys and values changes."""
        self._d_drawn_ = d_drawn_ = self._by_heads(d_drawn_)
        scores_ = torch.bmm(d_drawn_, self._values.mT).addcmul_(self._beside, self._above)
        own_ = _own(d_drawn_, self._value).add_(_own(self._d_drawn, self._value_))
        own_.addcmul_(self._beside_own, self._above_own)
        inner = _own(self._shares, scores_).addcmul_(self._share, own_)
        self._d_scores_ = scores_.sub_(inner).mul_(self._shares)
        own, own_ = self._d_score, own_.sub_(inner).mul_(self._share)
        d_query_ = self._turned_back(self._d_scores_).addcmul_(own_, self._key)
        d_key_ = (own_ * self._query).addcmul_(own, self._query_)
        d_value_ = (self._share * d_drawn_).addcmul_(self._share_, self._d_drawn)
        return self._joined(d_query_.addcmul_(own, self._key_), d_key_, d_value_)

    def seen_gradients(self) -> tuple[Tensor, Tensor]:
        """Return what the keys and values of observed ids get, `[n, heads, seen, part]` each."""
        keys = torch.bmm(self._d_scores_.mT, self._turn)
        keys.baddbmm_(self._d_scores.mT, self._turn_)
        values = torch.bmm(self._shares_.mT, self._d_drawn)
        values.baddbmm_(self._shares.mT, self._d_drawn_)
        return keys.unflatten(0, (self._n, -1)), values.unflatten(0, (self._n, -1))

    def _split(self, mixed: Tensor) -> tuple[Tensor, ...]:
        parts = mixed.view(self._n, -1, 3, self._heads, self._part)
        return parts.permute(2, 0, 3, 1, 4).flatten(1, 2).unbind(0)

    def _by_heads(self, rows: Tensor) -> Tensor:
        parts = rows.view(self._n, -1, self._heads, self._part)
        return parts.transpose(1, 2).flatten(0, 1)

    def _joined(self, *parts: Tensor) -> Tensor:
        found = torch.stack(parts) if len(parts) > 1 else parts[0]
        found = found.view(len(parts), self._n, self._heads, -1, self._part)
        return found.permute(1, 3, 0, 2, 4).reshape(self._n * parts[0].shape[1], -1)

    def _turned_back(self, d_scores: Tensor) -> Tensor:
        return _turned(torch.bmm(d_scores, self._keys), self._places.back)


@final
class LayerPass:
    """A layer, forwards, backwards, and both again along a direction."""

    def __init__(
        self, folded: FoldedLayer, seen: tuple[Tensor, Tensor], places: Places, rows: Tensor
    ) -> None:
        """Go forwards; `out` is what comes out.

        Args:
            folded: Its matrices.
            seen: Keys and values of observed ids.
            places: Where candidates stand.
            rows: What comes in, `[n places, width]`.
        """
        self._folded = folded
        self._attention = AttentionPass(folded, seen, places)
        self._mix = NormPass(rows)
        self._drawn = self._attention.forwards(self._mix.out @ folded.read.T)
        rows = torch.addmm(rows, self._drawn, folded.write.T)
        self._rise = NormPass(rows)
        gate, self._up = (self._rise.out @ folded.rise.T).chunk(2, -1)
        self._open = gate.sigmoid()
        self._act = gate * self._open
        self._inner = self._act * self._up
        self.out = torch.addmm(rows, self._inner, folded.fall.T)

    def back(self, d_out: Tensor) -> Tensor:
        """Return the gradient of what came in."""
        folded = self._folded
        self._d_out, self._d_inner = d_out, d_out @ folded.fall
        # silu'(g) = s + silu(g) (1 - s) for s = sigmoid(g)
        self._bend = torch.addcmul(self._open + self._act, self._act, self._open, value=-1)
        d_gate = self._d_inner * self._up
        self._d_risen = torch.cat((d_gate.mul_(self._bend), self._d_inner * self._act), -1)
        self._d_middle = self._rise.back(self._d_risen @ folded.rise, d_out)
        self._d_mixed = self._attention.back(self._d_middle @ folded.write)
        return self._mix.back(self._d_mixed @ folded.read, self._d_middle)

    def along(self, rows_: Tensor) -> Tensor:
        """Return how what comes out changes."""
        folded = self._folded
        self._drawn_ = self._attention.along(self._mix.along(rows_) @ folded.read.T)
        rows_ = torch.addmm(rows_, self._drawn_, folded.write.T)
        self._gate_, self._up_ = (self._rise.along(rows_) @ folded.rise.T).chunk(2, -1)
        self._act_ = self._bend * self._gate_
        self._inner_ = (self._act_ * self._up).addcmul_(self._act, self._up_)
        return torch.addmm(rows_, self._inner_, folded.fall.T)

    def back_along(self, d_out_: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return how the gradient of what came in changes, and what the layer gets from it.

        The second holds the gradients of `read`, `write`, `rise`, `fall`, the scales of both norms, and
        of the keys and values of observed ids.
        """
        folded = self._folded
        d_inner_ = d_out_ @ folded.fall
        fall = (d_out_.T @ self._inner).addmm_(self._d_out.T, self._inner_)
        # silu''(g) = s (1 - s) (1 - silu(g)) + silu'(g) (1 - s)
        shut = 1 - self._open
        bend_ = self._bend.addcmul(self._open, 1 - self._act).mul_(shut).mul_(self._gate_)
        d_gate_ = (d_inner_ * self._up).addcmul_(self._d_inner, self._up_).mul_(self._bend)
        d_gate_.addcmul_(bend_.mul_(self._d_inner), self._up)
        d_up_ = (d_inner_ * self._act).addcmul_(self._d_inner, self._act_)
        d_risen_ = torch.cat((d_gate_, d_up_), -1)
        rise = (d_risen_.T @ self._rise.out).addmm_(self._d_risen.T, self._rise.out_)
        d_middle_ = self._rise.back_along(d_risen_ @ folded.rise, d_out_)
        write = (d_middle_.T @ self._drawn).addmm_(self._d_middle.T, self._drawn_)
        d_mixed_ = self._attention.back_along(d_middle_ @ folded.write)
        read = (d_mixed_.T @ self._mix.out).addmm_(self._d_mixed.T, self._mix.out_)
        before = self._mix.back_along(d_mixed_ @ folded.read, d_middle_)
        read, rise, *scales = folded.unfolded(read, rise)
        return before, [read, write, rise, fall, *scales, *self._attention.seen_gradients()]
