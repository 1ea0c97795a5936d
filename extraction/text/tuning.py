"""A tuned encoder, found where it was made before, else fine-tuned now (fine_tuning.py).

Its folder is a Hugging Face folder like any other, speaker tokens included, with `head.safetensors` and
`tuning.json` beside. Its name ends in a digest of all that it depends on (encoder, options, inputs and labels
of training and dev rows), so it is made once, found again, and never replaced by another. Rows of the test
split are never looked at.

The digest is of tokens; which it is for which words is remembered (extraction/weights/memory.py), so that an
encoder that stands there is found without a tokenizer. Loads no torch unless something is to be tuned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from extraction.extractor import Clip
from extraction.text.encoder import RobertaText
from extraction.text.options import TuningError, TuningOptions, TuningProgress
from extraction.tuned_text import TUNING_RECORD
from extraction.weights import Weights, text_model
from extraction.weights.memory import remembered
from summer.corpus import LabelSet, Split
from summer.durable import explained_disk_errors, holder_of, opened_lock, taken, wait_for

if TYPE_CHECKING:
    from extraction.text.fine_tuning import FineTuning

LOGGER = logging.getLogger(__name__)
DIGEST_LETTERS = 12  # of the digest in the folder's name


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

    def work() -> FineTuning:
        from extraction.text.fine_tuning import FineTuning  # imports transformers and its Trainer

        return FineTuning.of(encoder, clips, labels=labels, options=options)

    digest = remembered("tuned-text", _read_by(encoder, clips, labels, options), lambda: work().digest)
    tuned = folder.with_name(f"{folder.name}-{digest[:DIGEST_LETTERS]}")
    if not (tuned / TUNING_RECORD).is_file():
        from extraction.text.fine_tuning import fine_tune

        with explained_disk_errors(tuned), _locked(tuned):
            if not (tuned / TUNING_RECORD).is_file():
                fine_tune(work(), tuned, on_progress)
    return replace(text_model(str(tuned)), name=tuned.name)


def _read_by(
    encoder: RobertaText, clips: Sequence[Clip], labels: LabelSet, options: TuningOptions
) -> list[object]:
    """What the digest of a fine-tuning depends on, before any word is tokenised."""
    rows = [
        [clip.utterance.split, clip.dialogue.name, clip.utterance.label, encoder.reads(clip)]
        for clip in clips
        if clip.utterance.split is not Split.TEST and clip.utterance.label
    ]
    return [encoder.fingerprint, labels.names, asdict(options), rows]


@contextmanager
def _locked(tuned: Path) -> Iterator[None]:
    """Let one process tune; others (shards, say) wait, and find the encoder ready."""
    tuned.parent.mkdir(parents=True, exist_ok=True)
    with opened_lock(tuned.parent / f".{tuned.name}.lock") as lock:
        if not taken(lock):
            LOGGER.info("%s is fine-tuning %s; waiting for it", holder_of(lock), tuned)
            wait_for(lock)
        yield
