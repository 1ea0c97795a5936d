"""Fine-tuning the encoder for emotion, on the training split only; the epoch is chosen on dev.

Paper: 4.3. Hugging Face's Trainer does it (training.py): AdamW, linear warm-up and decay, gradients clipped
at norm 1, no class weights, rows of similar length side by side. A killed run goes on from its last
checkpoint.

What comes out is a Hugging Face folder like any other, speaker tokens included, with `head.safetensors` and
`tuning.json` beside. Its name ends in a digest of all that it depends on (encoder, options, inputs and labels
of training and dev rows), so it is made once, found again, and never replaced by another. Rows of the test
split are never looked at.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from extraction.extractor import Clip
from extraction.text.classifier import EmotionClassifier, Row, as_row
from extraction.text.encoder import TUNING_RECORD, RobertaText
from extraction.text.pretrained import load_encoder, quiet_transformers, read_wordlist
from extraction.text.training import TuningOptions, TuningProgress, train
from extraction.weights import Weights, text_model
from summer.corpus import LabelSet, Split
from summer.durable import check_free_space, explained_disk_errors
from summer.metrics import best_epoch

LOGGER = logging.getLogger("summer")
HEAD = "head.safetensors"
DIGEST_LETTERS = 12  # of the digest in the folder's name
STATES_IN_CHECKPOINT = 3  # a weight and AdamW's two averages, each of 4 bytes
CHECKPOINTS_AT_ONCE = 3  # the best, the last, and the one being written


class TuningError(ValueError):
    """Fine-tuning cannot be done with these rows, or on this machine."""


def tune_text(
    encoder: RobertaText,
    clips: Sequence[Clip],
    *,
    labels: LabelSet,
    options: TuningOptions,
    folder: Path,
    on_progress: Callable[[TuningProgress], None] = lambda _: None,
) -> Weights:
    """Fine-tune an encoder on the training split, or find that this has been done.

    Args:
        encoder: a frozen one, on the device to train on; its context and vector are the ones trained for.
        clips: of the whole corpus; those of the test split, without label or without words are left out.
        folder: where the tuned encoder goes, beside the stores; the name is lengthened by `-` and the digest.

    Returns:
        Weights for a `RobertaText` of mode "tuned" with the same options, named as their folder, without its
        place: stores and encoder can be moved together.

    Raises:
        TuningError: no training or no dev rows, bfloat16 without CUDA, too little memory on the device.
        DiskError: the disk is full or refuses.
        ValueError: a label that is not of the label set.
    """
    if options.bfloat16 and encoder.device == "cpu":
        raise TuningError("bfloat16 needs a CUDA device, this run is on cpu; leave bfloat16 off")
    rows = _rows(encoder, clips, labels, Split.TRAIN), _rows(encoder, clips, labels, Split.DEV)
    digest = _digest(encoder, rows, labels, options)
    tuned = folder.with_name(f"{folder.name}-{digest[:DIGEST_LETTERS]}")
    with explained_disk_errors(tuned), _locked(tuned):
        if not (tuned / TUNING_RECORD).is_file():
            _tune(encoder, rows, labels, options, (tuned, digest), on_progress)
    return replace(text_model(str(tuned)), name=tuned.name)


def _rows(encoder: RobertaText, clips: Sequence[Clip], labels: LabelSet, split: Split) -> list[Row]:
    labelled = [clip for clip in clips if clip.utterance.split is split and clip.utterance.label]
    rows = [
        as_row(entry, labels.index(clip.utterance.label))
        for clip, entry in zip(labelled, encoder.inputs(labelled), strict=True)
        if entry is not None
    ]
    if not rows:
        use = "to train on" if split is Split.TRAIN else "to choose the epoch on"
        raise TuningError(
            f"the corpus has no {split} utterance with words and a label, and fine-tuning needs them {use}; "
            f"give some of the {split} split, or use mode frozen"
        )
    return rows


def _digest(
    encoder: RobertaText, rows: tuple[list[Row], list[Row]], labels: LabelSet, options: TuningOptions
) -> str:
    """The sha256 over all that the tuned encoder depends on."""
    content = {
        "encoder": encoder.fingerprint,
        "labels": labels.names,
        "options": asdict(options),
        "rows": [[(row["entry"].ids, row["entry"].words, row["labels"]) for row in part] for part in rows],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _tune(
    encoder: RobertaText,
    rows: tuple[list[Row], list[Row]],
    labels: LabelSet,
    options: TuningOptions,
    target: tuple[Path, str],
    on_progress: Callable[[TuningProgress], None],
) -> None:
    tuned, digest = target
    aside = tuned.with_name(f".{tuned.name}.tmp")
    aside.mkdir(parents=True, exist_ok=True)
    LOGGER.info("fine-tuning on %d utterances, %d to choose the epoch", len(rows[0]), len(rows[1]))

    def build() -> EmotionClassifier:
        pretrained = load_encoder(encoder.weights.path, encoder.context.speakers)
        parameters = sum(parameter.numel() for parameter in pretrained.parameters())
        check_free_space(aside, needed_bytes=4 * parameters * STATES_IN_CHECKPOINT * CHECKPOINTS_AT_ONCE)
        return EmotionClassifier(pretrained, vector=encoder.vector, classes=len(labels))

    try:
        with quiet_transformers():
            classifier, scores = train(
                build,
                rows,
                options=options,
                pad=read_wordlist(encoder.weights.path, encoder.context.speakers).pad,
                on_cpu=encoder.device == "cpu",
                checkpoints=aside / "checkpoints",
                on_progress=on_progress,
            )
    except torch.OutOfMemoryError as error:
        raise TuningError(
            f"batches of {options.batch_size} do not fit the device's memory; use smaller ones "
            "(text.tuning.batch_size), or --device cpu"
        ) from error
    record = {
        "digest": digest,
        "options": asdict(options),
        "labels": labels.names,
        "training_rows": len(rows[0]),
        "dev_rows": len(rows[1]),
        "dev_weighted_f1": scores,
        "best_epoch": best_epoch(scores),
        "encoder": dict(encoder.settings),
    }
    _save(encoder, classifier, json.dumps(record, indent=2), aside / "encoder")
    (aside / "encoder").rename(tuned)
    shutil.rmtree(aside)
    LOGGER.info("fine-tuned: dev weighted F1 %s, epoch %d kept", scores, record["best_epoch"])


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


@contextmanager
def _locked(tuned: Path) -> Iterator[None]:
    """Let one process tune; others (shards, say) wait, and find the encoder ready."""
    tuned.parent.mkdir(parents=True, exist_ok=True)
    with (tuned.parent / f".{tuned.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOGGER.info("another process is fine-tuning %s; waiting for it", tuned)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
