"""The paper's reducer: FC, DialogueRNN over the conversation, FC to the width; trained for emotion.

Paper: section 3.3 and A.1; the equations stand in `summer.reduction.network`. What an utterance becomes
depends on its whole dialogue, never on another one, and a dialogue lies in one split.

Rows that are not usable are masked, not read as zeros (a missing face is not a black face): they change no
state of DialogueRNN and are never attended to, so the others come out as if they were not in the dialogue;
they count neither in the loss nor in the score, and give zeros. Speakers keep their slots.

Standardisation and weights are fitted on the training split. Dev labels and vectors choose the epoch; where
dev has none that can, the last epoch is kept and the reducer's description says so. Test rows are never
looked at.

Everything runs on one thread of the CPU: sums then have one order, so a seed and a version of torch fix every
bit however many cores there are; and steps as small as these gain next to nothing from a second thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from summer.conversations.dialogues import Batch, DialogueRows, chunk_dialogues, locate_dialogues, make_batch
from summer.conversations.standardisation import Standardisation, fit_standardisation
from summer.corpus import LabelSet, Split
from summer.durable import json_of
from summer.reduction.fitted import Fitted, FittedReducer
from summer.reduction.network import ReducingNetwork, Training, train
from summer.reduction.options import DialogueRnnOptions
from summer.reduction.rows import RawRows, ReductionError

WEIGHTS_PREFIX = "network."
BATCH_DIALOGUES = 32  # in applying, where their number changes memory and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class _StandardisedDialogues:
    """Usable rows standardised and zeros elsewhere, to be made into batches dialogue by dialogue.

    Args:
        features: (rows, raw) of all rows.
        usable: (rows,) True where `features` holds a vector.
        dialogues: all of them, in the order of the rows.
    """

    features: NDArray[np.float32]
    usable: NDArray[np.bool_]
    dialogues: Sequence[DialogueRows]

    def of_split(self, split: Split) -> list[DialogueRows]:
        return [dialogue for dialogue in self.dialogues if dialogue.dialogue.split is split]

    def batch(self, dialogues: Sequence[DialogueRows], *, labels: LabelSet | None) -> Batch:
        return make_batch(dialogues, features=self.features, usable=self.usable, labels=labels)


class DialogueRnnReducer(FittedReducer):
    """A fitted FC, DialogueRNN, FC; rebuilt from its own facts."""

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        arrays = fitted.arrays
        self._standardisation = Standardisation(centre=arrays["centre"], spread=arrays["spread"])
        with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and thrown away
            self._network = _build_network(
                DialogueRnnOptions(**json_of(fitted.facts["options"])),
                raw_dim=fitted.raw_dim,
                width=fitted.width,
                labels=LabelSet(tuple(json_of(fitted.facts["labels"]))),
            )
        weights = {
            name.removeprefix(WEIGHTS_PREFIX): torch.from_numpy(array.copy())
            for name, array in arrays.items()
            if name.startswith(WEIGHTS_PREFIX)
        }
        self._network.load_state_dict(weights)
        self._network.eval()

    def apply(self, rows: RawRows) -> NDArray[np.float32]:
        """(rows, raw) to (rows, width) float32 in the context of the dialogue, zeros where not usable.

        Raises:
            ReductionError: another raw width than fitted on, or a usable row that is not finite.
            BatchError: the rows of a dialogue do not stand together.
        """
        self._fitted.check_raw_dim(rows.raw_dim)
        standardised = _standardise(rows, self._standardisation)
        reduced = np.zeros((len(rows.usable), self.width), dtype=np.float32)
        for dialogues in chunk_dialogues(standardised.dialogues, size=BATCH_DIALOGUES, generator=None):
            batch = standardised.batch(dialogues, labels=None)
            with torch.inference_mode(), _one_thread():
                vectors = self._network(batch.features, batch.speakers, batch.usable).numpy()
            for dialogue, padded in zip(dialogues, vectors, strict=True):
                reduced[dialogue.rows] = padded[: len(dialogue.dialogue.utterances)]
        return reduced


def fit_dialogue_rnn(
    rows: RawRows, *, labels: LabelSet, width: int, seed: int, options: DialogueRnnOptions
) -> DialogueRnnReducer:
    """Train on the training split, choose the epoch on dev; no test row is looked at.

    Raises:
        ReductionError: no usable training row has a label, or a row of train or dev is not finite.
        BatchError: the rows of a dialogue do not stand together.
        ValueError: a label is not of the set.
    """
    training = rows.usable_in(Split.TRAIN)
    if not any(utterance.label for utterance in training.usable_utterances()):
        raise ReductionError(
            f"none of the {training.usable_count} usable training rows has a label; dialogue-rnn learns from "
            "labels: give them, or choose pca"
        )
    vectors = training.gather()
    standardisation = fit_standardisation(vectors)
    seen = _standardise(rows.usable_in(Split.TRAIN, Split.DEV), standardisation)
    network, course = _trained(seen, labels=labels, width=width, seed=seed, options=options)
    facts = {
        **read_by_dialogue_rnn(rows, labels=labels, seed=seed, options=options, vectors=vectors),
        "epoch": _explain(course),
    }
    weights = {f"{WEIGHTS_PREFIX}{name}": value.numpy() for name, value in network.state_dict().items()}
    arrays = {"centre": standardisation.centre, "spread": standardisation.spread, **weights}
    fitted = Fitted(method="dialogue-rnn", width=width, raw_dim=rows.raw_dim, facts=facts, arrays=arrays)
    return DialogueRnnReducer(fitted)


def read_by_dialogue_rnn(
    rows: RawRows,
    *,
    labels: LabelSet,
    seed: int,
    options: DialogueRnnOptions,
    vectors: NDArray[np.float32] | None = None,
) -> dict[str, str]:
    """What a fit on these rows would say that it read: vectors, labels and speakers of train and dev.

    Args:
        vectors: (usable training rows, raw), where they are gathered already.
    """
    training = rows.usable_in(Split.TRAIN)
    learned_from = hashlib.sha256(json.dumps(rows.told_in_training()).encode())
    for _, block in rows.usable_in(Split.DEV).blocks():
        learned_from.update(np.ascontiguousarray(block, dtype="<f4").data)
    return {
        **training.facts(training.gather() if vectors is None else vectors),
        "learned_from": learned_from.hexdigest(),
        "labels": json.dumps(labels.names),
        "options": json.dumps(asdict(options), sort_keys=True),
        "seed": str(seed),
    }


def _trained(
    seen: _StandardisedDialogues, *, labels: LabelSet, width: int, seed: int, options: DialogueRnnOptions
) -> tuple[ReducingNetwork, Training]:
    order = torch.Generator().manual_seed(seed)

    def deal(dialogues: Sequence[DialogueRows], generator: torch.Generator | None) -> Iterator[Batch]:
        for chunk in chunk_dialogues(dialogues, size=options.batch_dialogues, generator=generator):
            yield seen.batch(chunk, labels=labels)

    with (
        _one_thread(),
        torch.random.fork_rng(devices=[]),
    ):  # weights and dropout, without moving the caller's own draws
        torch.manual_seed(seed)
        network = _build_network(options, raw_dim=seen.features.shape[1], width=width, labels=labels)
        course = train(
            network,
            deal_training_batches=lambda: deal(seen.of_split(Split.TRAIN), order),
            dev_batches=list(deal(seen.of_split(Split.DEV), None)),
            options=options,
        )
    return network, course


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _build_network(
    options: DialogueRnnOptions, *, raw_dim: int, width: int, labels: LabelSet
) -> ReducingNetwork:
    return ReducingNetwork(
        raw_dim=raw_dim,
        hidden_dim=options.hidden_dim,
        width=width,
        classes=len(labels),
        dropout=options.dropout,
    )


def _standardise(rows: RawRows, standardisation: Standardisation) -> _StandardisedDialogues:
    features = np.zeros((len(rows.usable), rows.raw_dim), dtype=np.float32)
    for numbers, vectors in rows.blocks():
        features[numbers] = standardisation.apply(vectors)
    return _StandardisedDialogues(
        features=features, usable=rows.usable, dialogues=locate_dialogues(rows.utterances)
    )


def _explain(course: Training) -> str:
    if course.dev_weighted_f1 is None:
        return f"{course.chosen_epoch}, the last: dev has no labelled, usable row to choose by"
    return f"{course.chosen_epoch} of {course.epochs}, chosen by dev w-F1 {course.dev_weighted_f1:.4f}"
