"""Fine-tuning the encoder for emotion, on the training split only; the epoch is chosen on dev.

Paper: 4.3. Hugging Face's Trainer does it (training.py): AdamW, linear warm-up and decay, gradients clipped
at norm 1, no class weights, batches by utterances, passages of similar length side by
side. A killed run goes on from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import save_file

from extraction.extractor import Clip
from extraction.text.classifier import EmotionClassifier, Row, as_row
from extraction.text.encoder import HEAD, RobertaText
from extraction.text.options import TuningError, TuningOptions, TuningProgress
from extraction.text.pretrained import load_encoder, quiet_transformers, read_wordlist
from extraction.text.training import train
from extraction.tuned_text import TUNED_FROM, TUNING_RECORD, tuned_from
from summer.corpus import LabelSet, Split
from summer.durable import check_free_space
from summer.metrics import best_epoch

LOGGER = logging.getLogger(__name__)
STATES_IN_CHECKPOINT = 3  # a weight and AdamW's two averages, each of 4 bytes
CHECKPOINTS_AT_ONCE = 3  # the best, the last, and the one being written


@dataclass(frozen=True, kw_only=True)  # without slots: the digest is computed once and kept
class FineTuning:
    """All that a tuned encoder depends on: which encoder is trained, on what, and how.

    Args:
        encoder: the frozen one that training starts from.
        training_rows: to train on.
        dev_rows: to choose the epoch on.
        labels: the classes that are told apart.
    """

    encoder: RobertaText
    training_rows: Sequence[Row]
    dev_rows: Sequence[Row]
    labels: LabelSet
    options: TuningOptions

    @classmethod
    def of(
        cls, encoder: RobertaText, clips: Sequence[Clip], *, labels: LabelSet, options: TuningOptions
    ) -> FineTuning:
        """That of a corpus.

        Raises:
            TuningError: no training or no dev rows.
            ValueError: a label that is not of the label set.
        """
        training, dev = (_rows(encoder, clips, labels, split) for split in (Split.TRAIN, Split.DEV))
        return cls(encoder=encoder, training_rows=training, dev_rows=dev, labels=labels, options=options)

    @cached_property
    def digest(self) -> str:
        """The sha256 over all of it."""
        content = {
            "encoder": self.encoder.fingerprint,
            "labels": self.labels.names,
            "options": asdict(self.options),
            "rows": [
                [(row["passage"].ids, row["passage"].words, row["labels"]) for row in rows]
                for rows in (self.training_rows, self.dev_rows)
            ],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def new_classifier(self) -> EmotionClassifier:
        """A fresh copy of the encoder, with a head whose weights are drawn."""
        pretrained = load_encoder(self.encoder.weights.path, self.encoder.context.speakers)
        return EmotionClassifier(pretrained, vector=self.encoder.vector, classes=len(self.labels))

    def record(self, dev_weighted_f1: Sequence[float]) -> dict[str, object]:
        """What the tuned folder says of itself, in the order in which it is written.

        Args:
            dev_weighted_f1: of each epoch.
        """
        return {
            "digest": self.digest,
            "options": asdict(self.options),
            "labels": self.labels.names,
            "training_rows": _utterances(self.training_rows),
            "dev_rows": _utterances(self.dev_rows),
            "dev_weighted_f1": dev_weighted_f1,
            "best_epoch": best_epoch(dev_weighted_f1),
            TUNED_FROM: tuned_from(self.encoder.weights.path) or self.encoder.weights.name,
            "encoder": dict(self.encoder.settings),
        }


def _rows(encoder: RobertaText, clips: Sequence[Clip], labels: LabelSet, split: Split) -> list[Row]:
    labelled = [clip for clip in clips if clip.utterance.split is split and clip.utterance.label]
    indices = [labels.index(clip.utterance.label) for clip in labelled]
    rows = [as_row(passage, indices) for passage in encoder.passages(labelled)]
    if not rows:
        use = "to train on" if split is Split.TRAIN else "to choose the epoch on"
        raise TuningError(
            f"the corpus has no {split} utterance with words and a label, and fine-tuning needs them {use}; "
            f"give some of the {split} split, or use mode frozen"
        )
    return rows


def _utterances(rows: Sequence[Row]) -> int:
    return sum(len(row["labels"]) for row in rows)


def fine_tune(work: FineTuning, tuned: Path, on_progress: Callable[[TuningProgress], None]) -> None:
    """Fine-tune in a folder beside `tuned`, and rename the finished encoder into place.

    Raises:
        TuningError: too little memory on the device.
        DiskError: the disk is full or refuses.
    """
    aside = tuned.with_name(f".{tuned.name}.tmp")
    aside.mkdir(parents=True, exist_ok=True)
    LOGGER.info(
        "fine-tuning on %d utterances, %d to choose the epoch",
        _utterances(work.training_rows),
        _utterances(work.dev_rows),
    )
    classifier, scores = _trained(work, aside, on_progress)
    record = work.record(scores)
    _save(work.encoder, classifier, json.dumps(record, indent=2), aside / "encoder")
    (aside / "encoder").rename(tuned)
    shutil.rmtree(aside)
    LOGGER.info("fine-tuned: dev weighted F1 %s, epoch %d kept", scores, record["best_epoch"])


def _trained(
    work: FineTuning, aside: Path, on_progress: Callable[[TuningProgress], None]
) -> tuple[EmotionClassifier, list[float]]:
    """The classifier of the best epoch, and dev's weighted F1 of each epoch."""
    encoder = work.encoder

    def build() -> EmotionClassifier:
        classifier = work.new_classifier()
        parameters = sum(parameter.numel() for parameter in classifier.encoder.parameters())
        check_free_space(aside, needed_bytes=4 * parameters * STATES_IN_CHECKPOINT * CHECKPOINTS_AT_ONCE)
        return classifier

    try:
        with quiet_transformers():
            return train(
                build,
                (work.training_rows, work.dev_rows),
                options=work.options,
                pad=read_wordlist(encoder.weights.path, encoder.context.speakers).pad,
                device=encoder.device,
                checkpoints=aside / "checkpoints",
                on_progress=on_progress,
            )
    except torch.OutOfMemoryError as error:
        raise TuningError(
            f"batches of {work.options.batch_size} do not fit the device's memory; use smaller ones "
            "(text.tuning.batch_size), or --device cpu"
        ) from error


def _save(encoder: RobertaText, classifier: EmotionClassifier, record: str, folder: Path) -> None:
    """Write encoder, tokenizer, head and record, and see them on the disk."""
    shutil.rmtree(folder, ignore_errors=True)
    with quiet_transformers():
        classifier.encoder.save_pretrained(folder)
        read_wordlist(encoder.weights.path, encoder.context.speakers).tokenizer.save_pretrained(folder)
    head = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.head.state_dict().items()}
    save_file(head, folder / HEAD)
    (folder / TUNING_RECORD).write_text(record, encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors lets only the owner read; stores are shared
        with path.open("rb") as file:
            os.fsync(file.fileno())
