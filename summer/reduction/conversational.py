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

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import compress

import numpy as np
import torch
from numpy.typing import NDArray

from summer.conversations.dialogues import Batch, DialogueRows, chunk_dialogues, locate_dialogues, make_batch
from summer.conversations.standardisation import Standardisation, fit_standardisation
from summer.corpus import LabelSet, Split, Utterance
from summer.reduction.fitted import Fitted, FittedReducer
from summer.reduction.network import ReducingNetwork, Training, train
from summer.reduction.options import DialogueRnnOptions
from summer.reduction.rows import (
    ReductionError,
    RowSource,
    blocks_of,
    check_rows,
    facts_of_rows,
    gather_rows,
    usable_rows_of,
)

WEIGHTS_PREFIX = "network."
BATCH_DIALOGUES = 32  # in applying, where their number changes memory and nothing else


class DialogueRnnReducer(FittedReducer):
    """A fitted FC, DialogueRNN, FC; rebuilt from its own facts."""

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        arrays = fitted.arrays
        self._standardisation = Standardisation(centre=arrays["centre"], spread=arrays["spread"])
        with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and thrown away
            self._network = _build_network(
                DialogueRnnOptions(**json.loads(fitted.facts["options"])),
                raw_dim=fitted.raw_dim,
                width=fitted.width,
                labels=LabelSet(tuple(json.loads(fitted.facts["labels"]))),
            )
        weights = {
            name.removeprefix(WEIGHTS_PREFIX): torch.from_numpy(array.copy())
            for name, array in arrays.items()
            if name.startswith(WEIGHTS_PREFIX)
        }
        self._network.load_state_dict(weights)
        self._network.eval()

    def apply(
        self, features: RowSource, usable: NDArray[np.bool_], utterances: Sequence[Utterance]
    ) -> NDArray[np.float32]:
        """(rows, raw) to (rows, width) float32 in the context of the dialogue, zeros where not usable.

        Raises:
            ReductionError: another raw width than fitted on, or a usable row that is not finite.
            BatchError: the rows of a dialogue do not stand together.
        """
        check_rows(features, usable, utterances)
        self._fitted.check_raw_dim(features.shape[1])
        standardised = _standardise(features, usable, utterances, self._standardisation)
        reduced = np.zeros((len(usable), self.width), dtype=np.float32)
        for dialogues in chunk_dialogues(locate_dialogues(utterances), size=BATCH_DIALOGUES, generator=None):
            batch = make_batch(dialogues, features=standardised, usable=usable, labels=None)
            with torch.inference_mode(), _one_thread():
                vectors = self._network(batch.features, batch.speakers, batch.usable).numpy()
            for dialogue, padded in zip(dialogues, vectors, strict=True):
                reduced[dialogue.rows] = padded[: len(dialogue.dialogue.utterances)]
        return reduced


def fit_dialogue_rnn(
    features: RowSource,
    *,
    usable: NDArray[np.bool_],
    utterances: Sequence[Utterance],
    labels: LabelSet,
    width: int,
    seed: int,
    options: DialogueRnnOptions,
) -> DialogueRnnReducer:
    """Train on the training split, choose the epoch on dev; no test row is looked at.

    Raises:
        ReductionError: no usable training row has a label, or a row of train or dev is not finite.
        BatchError: the rows of a dialogue do not stand together.
        ValueError: a label is not of the set.
    """
    training = usable_rows_of(Split.TRAIN, usable, utterances)
    if not any(utterance.label for utterance in compress(utterances, training)):
        raise ReductionError(
            f"none of the {int(training.sum())} usable training rows has a label; dialogue-rnn learns from "
            "labels: give them, or choose pca"
        )
    vectors = gather_rows(features, training, utterances)
    standardisation = fit_standardisation(vectors)
    seen = training | usable_rows_of(Split.DEV, usable, utterances)
    network, course = _trained(
        _standardise(features, seen, utterances, standardisation),
        usable=seen,
        utterances=utterances,
        labels=labels,
        width=width,
        seed=seed,
        options=options,
    )
    facts = {
        **facts_of_rows(vectors, training, utterances),
        "labels": json.dumps(labels.names),
        "options": json.dumps(asdict(options), sort_keys=True),
        "seed": str(seed),
        "epoch": _explain(course),
    }
    weights = {f"{WEIGHTS_PREFIX}{name}": value.numpy() for name, value in network.state_dict().items()}
    arrays = {"centre": standardisation.centre, "spread": standardisation.spread, **weights}
    fitted = Fitted(method="dialogue-rnn", width=width, raw_dim=features.shape[1], facts=facts, arrays=arrays)
    return DialogueRnnReducer(fitted)


def _trained(
    standardised: NDArray[np.float32],
    *,
    usable: NDArray[np.bool_],
    utterances: Sequence[Utterance],
    labels: LabelSet,
    width: int,
    seed: int,
    options: DialogueRnnOptions,
) -> tuple[ReducingNetwork, Training]:
    dialogues = locate_dialogues(utterances)
    of_training, of_dev = (
        [dialogue for dialogue in dialogues if dialogue.dialogue.split is split]
        for split in (Split.TRAIN, Split.DEV)
    )
    order = torch.Generator().manual_seed(seed)

    def deal(some: Sequence[DialogueRows], generator: torch.Generator | None) -> Iterator[Batch]:
        for chunk in chunk_dialogues(some, size=options.batch_dialogues, generator=generator):
            yield make_batch(chunk, features=standardised, usable=usable, labels=labels)

    with (
        _one_thread(),
        torch.random.fork_rng(devices=[]),
    ):  # weights and dropout, without moving the caller's own draws
        torch.manual_seed(seed)
        network = _build_network(options, raw_dim=standardised.shape[1], width=width, labels=labels)
        course = train(
            network,
            deal_training_batches=lambda: deal(of_training, order),
            dev_batches=list(deal(of_dev, None)),
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


def _standardise(
    features: RowSource,
    wanted: NDArray[np.bool_],
    utterances: Sequence[Utterance],
    standardisation: Standardisation,
) -> NDArray[np.float32]:
    """(rows, raw): the wanted rows standardised, zeros elsewhere."""
    standardised = np.zeros((len(wanted), features.shape[1]), dtype=np.float32)
    for rows, vectors in blocks_of(features, wanted, utterances):
        standardised[rows] = standardisation.apply(vectors)
    return standardised


def _explain(course: Training) -> str:
    if course.dev_weighted_f1 is None:
        return f"{course.chosen_epoch}, the last: dev has no labelled, usable row to choose by"
    return f"{course.chosen_epoch} of {course.epochs}, chosen by dev w-F1 {course.dev_weighted_f1:.4f}"
