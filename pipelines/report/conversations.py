"""The conversations to be shown: words and statuses of the stores, and what the models of the runs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.attended import attention_by_model
from pipelines.report.attention import AttentionOfRuns, named_models
from pipelines.report.given import Given, GivenRun
from summer.corpus import UNKNOWN_LABEL, LabelSet, Modality, Split, Utterance, group_dialogues
from summer.evaluation.predictions import Predictions
from summer.evaluation.scores import seeds_of
from summer.report.conversation import ModalityState, ShownConversation, ShownUtterance
from summer.report.conversation.fitting import as_many_as_fit

ORDER = (Split.TEST, Split.DEV, Split.TRAIN)
MOST_BYTES = 11_000_000  # of the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is in the page.

    Args:
        conversations: of test first.
        notes: what is shown and what did not fit, a sentence each.
    """

    conversations: Sequence[ShownConversation]
    notes: Sequence[str]


def utterances_of(given: Given) -> list[Utterance]:
    """Every utterance, test first: of the stores, or as far as predictions tell of them."""
    if given.stores:
        found: Sequence[Utterance] = given.stores[0].rows.utterances
    else:
        found = list(_from_predictions(given.runs))
    return [utterance for split in ORDER for utterance in found if utterance.split is split]


def shown(
    given: Given,
    utterances: Sequence[Utterance],
    faces: Mapping[str, bytes],
    attention: AttentionOfRuns | None = None,
) -> Shown:
    """As many conversations as fit.

    Args:
        utterances: in the order of `utterances_of`.
        faces: strips by id.
        attention: what the models attended to; None where they were not asked.
    """
    asked = attention or AttentionOfRuns()
    ids = [one.id for one in given.stores[0].rows.utterances] if given.stores else []
    labels = given.stores[0].header.labels if given.stores else given.runs[0].run.labels.names
    said = _said(given)
    states = _states(given)
    conversations = [
        ShownConversation(
            name=dialogue.name,
            group=dialogue.split.value,
            labels=labels,
            utterances=tuple(
                replace(
                    _utterance(
                        one, said.get((one.split, one.id), {}), states.get(one.id, {}), faces.get(one.id)
                    ),
                    attends=attention_by_model(one.id, asked.attended, ids),
                )
                for one in dialogue.utterances
            ),
        )
        for dialogue in group_dialogues(utterances)
    ]
    kept = as_many_as_fit(conversations, most_bytes=MOST_BYTES)
    silent = [f"The {name} does not tell what it attended to." for name in asked.silent]
    return Shown(conversations=kept, notes=[*_notes(given, conversations, kept), *silent])


def _from_predictions(runs: Sequence[GivenRun]) -> Iterator[Utterance]:
    seen: set[str] = set()
    for given in runs:
        for one in given.run.predictions:
            for turn, name in enumerate(one.ids):
                if name not in seen:
                    seen.add(name)
                    yield Utterance(
                        id=name,
                        split=one.split,
                        dialogue=one.dialogues[turn],
                        turn=turn,
                        speaker="",
                        text="",
                        label=_label(one, turn, given.run.labels),
                    )


def _label(one: Predictions, row: int, labels: LabelSet) -> str:
    truth = int(one.truths[row])
    return "" if truth == UNKNOWN_LABEL else labels.names[truth]


def _said(given: Given) -> dict[tuple[Split, str], dict[str, dict[str, float]]]:
    """By split and id, then by model: probabilities by label, of the model's first seed."""
    said: dict[tuple[Split, str], dict[str, dict[str, float]]] = {}
    for of in given.runs:
        for model, name in named_models(of, given):
            for split in Split:
                for one in seeds_of(of.run.predictions, model, split)[:1]:
                    shares = one.probabilities.clip(0, 1).tolist()
                    for row, utterance in enumerate(one.ids):
                        of_model = dict(zip(of.run.labels.names, shares[row], strict=True))
                        said.setdefault((split, utterance), {})[name] = of_model
    return said


def _states(given: Given) -> dict[str, dict[Modality, ModalityState]]:
    states: dict[str, dict[Modality, ModalityState]] = {}
    for store in given.stores:
        told = zip(store.rows.utterances, store.rows.statuses, store.rows.reasons, strict=True)
        for utterance, status, reason in told:
            states.setdefault(utterance.id, {})[store.header.modality] = ModalityState(status, reason)
    return states


def _utterance(
    one: Utterance,
    said: Mapping[str, Mapping[str, float]],
    states: Mapping[Modality, ModalityState],
    faces: bytes | None,
) -> ShownUtterance:
    start, end = one.start_seconds, one.end_seconds
    has_times = start is not None and end is not None and start < end  # corpora have some that run backwards
    return ShownUtterance(
        id=one.id,
        speaker=one.speaker,
        words=one.text,
        start_seconds=start if has_times else None,
        end_seconds=end if has_times else None,
        truth=one.label or None,
        probabilities=said,
        modalities=states,
        faces=faces,
    )


def _notes(
    given: Given, conversations: Sequence[ShownConversation], kept: Sequence[ShownConversation]
) -> Iterator[str]:
    for run in given.runs:
        seeds = sorted({one.seed for one in run.run.predictions})
        if len(seeds) > 1:
            yield f"What models of {run.name} say is that of seed {seeds[0]}, one of {len(seeds)}."
    left = conversations[len(kept) :]
    if left:
        of_split = (f"{sum(one.group == split for one in left):,} of {split}" for split in ORDER)
        yield (
            f"{len(kept):,} of {len(conversations):,} conversations are shown, as many as go into "
            f"{MOST_BYTES / 1e6:.0f} MB; left out: {', '.join(of_split)}."
        )
    faces = sum(one.faces is not None for talk in kept for one in talk.utterances)
    total = sum(len(talk.utterances) for talk in kept)
    if 0 < faces < total:
        yield (
            f"{faces:,} of {total:,} utterances have their faces beside them: as many as go in, where crops "
            "were kept."
        )
