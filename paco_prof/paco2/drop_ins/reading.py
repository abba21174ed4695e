"""Finds in an answer, whatever its structure, what a fast form computes, so that later answers can be made of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from paco_prof.paco2.drop_ins.answers import HandOver, Opened, as_tensor, described, hand_over_like, opened, sizes_in
from paco_prof.paco2.drop_ins.arguments import Leaf
from paco_prof.paco2.drop_ins.computed import Computed, Verdict
from paco_prof.paco2.drop_ins.fast_forms import FastForm, Inputs, Settings

__all__ = ["DiffersError", "Reading", "UndecidedError", "read"]

# Makes an answer of what its pieces are this time, in their order.
Build = Callable[[Iterator[Any]], Any]


class DiffersError(Exception):
    """An answer holds what the fast form does not compute; the message names the piece."""


class UndecidedError(Exception):
    """In this call rounding alone decides what was answered: nothing can be learned from it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer that is made anew each time.

    Attributes:
        names: settings -> what the fast form calls it. Where there are several, they were the same so far.
        hand_over: makes of the fast form's value what is handed over.
        with_gradient: whether it carries one.
    """

    names: Mapping[Settings, list[str]]
    hand_over: HandOver
    with_gradient: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """How calls of one kind are answered.

    Attributes:
        inputs: which leaf of the call is what.
        pieces: of the answer; a number is a leaf of the call, handed back as it is.
        build: the structure of the answer, and of what the call leaves behind.
    """

    inputs: Inputs
    pieces: Sequence[Piece | int]
    build: Build

    def answer(self, form: FastForm, found: Sequence[Leaf], owner: object) -> tuple[Any, dict[str, Any]]:
        """The answer to a call, and the attributes that the original would have set on its owner.

        Args:
            form: what computes it.
            found: the call's leaves.
            owner: see `FastForm.settings`.

        Raises:
            DiffersError: settings that were the same so far are not.
        """
        given = {name: found[position].value for name, position in self.inputs.items()}
        used = {settings: None for piece in self.pieces if isinstance(piece, Piece) for settings in piece.names}
        computed = {settings: form.compute(given, settings, owner) for settings in used}
        handed: dict[int, Any] = {}
        # What carries a gradient first: what does not is taken from it, and not computed again.
        for number, piece in sorted(enumerate(self.pieces), key=lambda one: not _has_gradient(one[1])):
            if isinstance(piece, int):
                handed[number] = found[piece].value
                continue
            values = [
                computed[settings].value(name, piece.with_gradient)
                for settings, names in piece.names.items()
                for name in names
            ]
            if not all(torch.equal(values[0], value) for value in values[1:]):
                raise DiffersError
            handed[number] = piece.hand_over(values[0])
        answer, left = self.build(handed[number] for number in range(len(handed)))
        return answer, left

    def narrowed(self, later: Reading) -> Reading:
        """What this reading and that of a later call of the same kind have in common.

        Raises:
            DiffersError: nothing.
        """
        if len(self.pieces) != len(later.pieces):
            raise DiffersError("its answers change their structure")
        return Reading(
            later.inputs, [_common(*two) for two in zip(self.pieces, later.pieces, strict=True)], later.build
        )


def _has_gradient(piece: Piece | int) -> bool:
    return isinstance(piece, Piece) and piece.with_gradient


def _common(one: Piece | int, other: Piece | int) -> Piece | int:
    if isinstance(one, int) or isinstance(other, int):
        return other
    names: dict[Settings, list[str]] = {}
    for settings, found in other.names.items():
        if both := [name for name in found if name in one.names.get(settings, ())]:
            names[settings] = both
    if not names:
        raise DiffersError("its answers agree with PaCo-2 in one call and not in another")
    return Piece(names, other.hand_over, other.with_gradient)


def read(
    form: FastForm, inputs: Inputs, found: Sequence[Leaf], owner: object, answer: Any, left: Mapping[str, Any]
) -> Reading:
    """How an answer is made of what the fast form computes.

    Args:
        form: the fast form.
        inputs: what it recognised in the call.
        found: the call's leaves.
        owner: see `FastForm.settings`.
        answer: what the original answered.
        left: the attributes that it set on its owner.

    Raises:
        DiffersError: of some piece of it not at all.
        UndecidedError: the call is not one to learn from.
    """
    given = {name: found[position].value for name, position in inputs.items()}
    likeliest: DiffersError | None = None
    for group in form.settings(given, owner, sizes_in([answer, dict(left)])):
        reader = _Reader(found, {settings: form.compute(given, settings, owner) for settings in group})
        try:
            build = reader.read_all(answer, left)
        except DiffersError as error:
            likeliest = likeliest or (error if group else None)
            continue
        return Reading(inputs, reader.settled(), build)
    raise likeliest or DiffersError(f"its answer ({described(answer)}) holds nothing that PaCo-2 computes there")


class _Reader:
    """Reads one answer.

    Args:
        found: the leaves of the call that it answers.
        computed: what the fast form computes of that call, under each of the settings that may be the right ones.
    """

    def __init__(self, found: Sequence[Leaf], computed: Mapping[Settings, Computed]) -> None:
        self._found = found
        self._computed = dict(computed)
        self._pieces: list[Piece | int] = []
        self._sides = {side for leaf in found if isinstance(leaf.value, Tensor) for side in leaf.value.shape}

    def settled(self) -> list[Piece | int]:
        """The pieces, under the settings that explain all of them."""
        return [
            piece
            if isinstance(piece, int)
            else Piece(
                {settings: names for settings, names in piece.names.items() if settings in self._computed},
                piece.hand_over,
                piece.with_gradient,
            )
            for piece in self._pieces
        ]

    def read_all(self, answer: Any, left: Mapping[str, Any]) -> Build:
        """What makes an answer, and what the call leaves behind, of their pieces.

        Raises:
            DiffersError, UndecidedError: see `read`.
        """
        whole = self._read(answer, "its answer")
        attributes = {name: self._read(value, f"its attribute {name}") for name, value in left.items()}
        if not any(isinstance(piece, Piece) for piece in self._pieces):
            raise DiffersError(f"its answer ({described(answer)}) holds nothing that PaCo-2 computes there")
        return lambda pieces: (whole(pieces), {name: build(pieces) for name, build in attributes.items()})

    def _read(self, node: Any, path: str) -> Build:
        """What makes a node of its pieces, which are noted in the order in which they are taken."""
        if node is None or isinstance(node, (bool, str)):
            return lambda _: node
        for position, leaf in enumerate(self._found):
            if node is leaf.value and isinstance(node, Tensor):
                self._pieces.append(position)
                return next
        tensor = as_tensor(node)
        names = {} if tensor is None else self._names(tensor)
        if tensor is not None and names:
            self._computed = {settings: self._computed[settings] for settings in names}
            self._pieces.append(Piece(names, hand_over_like(node), tensor.requires_grad))
            return next
        inside = opened(node)
        if inside is not None:
            return self._read_inside(inside, path, None if tensor is None else self._resemblance(tensor, node))
        if type(node) is int and node in self._sides:
            return lambda _: node
        resemblance = None if tensor is None else self._resemblance(tensor, node)
        raise DiffersError(f"{path} {resemblance or f'({described(node)}) is nothing that PaCo-2 computes there'}")

    def _read_inside(self, inside: Opened, path: str, resemblance: str | None) -> Build:
        """What makes a container of what is in it."""
        before = self._computed, len(self._pieces)
        try:
            children = [self._read(child, path + reached) for reached, child in inside.children]
        except DiffersError as error:
            self._computed, num_pieces = before
            del self._pieces[num_pieces:]
            images = [opened(child) for _, child in inside.children]
            try:
                return self._read_images([image for image in images if image is not None], inside, path)
            except DiffersError:
                # As one tensor it looked like something.
                raise error if resemblance is None else DiffersError(f"{path} {resemblance}") from error
        close = inside.close
        return lambda pieces: close([child(pieces) for child in children])

    def _read_images(self, images: Sequence[Opened], inside: Opened, path: str) -> Build:
        """What makes a list of containers that hold the same of each image."""
        reached = [[name for name, _ in image.children] for image in images]
        if len(images) < len(inside.children) or not images or any(names != reached[0] for names in reached):
            raise DiffersError
        columns = zip(*([child for _, child in image.children] for image in images), strict=True)
        whole = [self._read(list(column), f"{path}[*]{name}") for name, column in zip(reached[0], columns, strict=True)]
        closes, close = [image.close for image in images], inside.close

        def build(pieces: Iterator[Any]) -> Any:
            rows = zip(*(column(pieces) for column in whole), strict=True)
            return close([close_image(list(row)) for close_image, row in zip(closes, rows, strict=True)])

        return build

    def _names(self, tensor: Tensor) -> dict[Settings, list[str]]:
        """What the fast form calls a tensor, under each of the settings under which it computes it."""
        verdicts = {
            (settings, name): computed.compare(name, tensor)
            for settings, computed in self._computed.items()
            for name in computed.pieces
        }
        best = max(verdicts.values(), default=Verdict.DIFFERENT)
        if best is Verdict.UNDECIDED:
            raise UndecidedError
        names: dict[Settings, list[str]] = {}
        for (settings, name), verdict in verdicts.items():
            # Where rounding decides much, other spellings fit too; the usual one comes first.
            is_found = best is Verdict.UP_TO_ROUNDING and settings in names
            if verdict is best and best is not Verdict.DIFFERENT and not is_found:
                names.setdefault(settings, []).append(name)
        return names

    def _resemblance(self, tensor: Tensor, node: Any) -> str | None:
        """How a tensor that is nothing that is computed differs from what it looks like; None where it looks like
        nothing.
        """
        found = [
            computed.difference(name, tensor)
            for computed in self._computed.values()
            for name in computed.pieces
            if computed.resembles(name, tensor)
        ]
        return f"({described(node)}) {min(found)[1]}" if found else None
