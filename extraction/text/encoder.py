"""RobertaText: the vector of an utterance in its dialogue, from a frozen or fine-tuned encoder.

Paper: sections 3.3 and 4.3. dim is the encoder's width: 768 for roberta-base, 1024 for roberta-large. The
vector is the last layer's state of the start token, or its mean over the utterance's own words. Here is how
that is configured, and what a store says of it; encoding.py computes it, which loads torch.

On CPU one worker process per core, with one thread each, is faster than one process with all cores: the
matrices of one utterance are too small to share (docs/performance.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from extraction.extractor import Clip, Outcome, fingerprint_of
from extraction.text.context import Context, TextInput, read_inputs, said_in_reach
from extraction.text.described import TextModelError, described
from extraction.text.passages import Passage, read_passages
from extraction.tuned_text import TUNING_RECORD
from extraction.weights import Weights
from summer.corpus import Modality, Status
from summer.durable import json_of
from summer.store import EncoderHead

if TYPE_CHECKING:
    from extraction.text.pretrained import Wordlist

VECTORS = ("start", "mean")
MODES = ("frozen", "tuned")
HEAD = "head.safetensors"


class RobertaText:
    """Text extractor, configured; the encoder is loaded on first use, in the process that uses it.

    Args:
        weights: a Hugging Face folder of an encoder.
        speakers: how speakers are told apart: "tokens" [SPK_k] of the dialogue's slots, "names", or "none".
        past_tokens, future_tokens: most tokens of context on either side; 0: none.
        reading: a passage for each "utterance", or one for the whole "dialogue" (passages.py).
        window_tokens: most tokens of a whole input; the model's own limit applies as well.
        vector: "start", the start token's state, or "mean" over the utterance's own words.
        device: as torch names it: "cpu", "cuda:0".
        batch_size: most passages side by side; None: as many as suit the device.
        mode: "frozen" for weights as they come, "tuned" for a folder that `tune_text` made.

    Raises:
        ValueError: an option out of its range, a model that is not an encoder, a tuned folder without record.
    """

    modality = Modality.TEXT
    block_rows = 128

    def __init__(
        self,
        *,
        weights: Weights,
        speakers: str = "tokens",
        past_tokens: int = 160,
        future_tokens: int = 60,
        window_tokens: int = 512,
        reading: str = "utterance",
        vector: str = "start",
        device: str = "cpu",
        batch_size: int | None = None,
        mode: str = "frozen",
    ) -> None:
        _check(reading, vector, mode, batch_size)
        asked = Context(
            speakers=speakers,
            past_tokens=past_tokens,
            future_tokens=future_tokens,
            window_tokens=window_tokens,
            reading=reading,
        )
        model = described(weights.path)
        self.weights = weights
        self.context = replace(asked, window_tokens=min(window_tokens, model.most_tokens))
        self.vector = vector
        self.device = device
        self.batch_size = batch_size
        self.dim = model.width
        self.columns: Mapping[str, str] = {"tokens": "int", "cut_tokens": "int"}
        self.settings: Mapping[str, str] = {
            "model": f"{model.kind}, {model.layers} layers, {model.width} wide",
            "weights": weights.sha256,
            "mode": mode,
            **(_tuning_settings(weights.path) if mode == "tuned" else {}),
            "speakers": speakers,
            "past_tokens": str(past_tokens),
            "future_tokens": str(future_tokens),
            "window_tokens": str(self.context.window_tokens),
            "vector": vector,
            **({} if reading == "utterance" else {"reading": reading}),  # stores of old say nothing of it
            **{name: version(name) for name in ("torch", "transformers", "tokenizers")},
        }
        self.fingerprint = fingerprint_of(self.settings)
        self.assets: Mapping[str, str] = {"encoder": weights.name or weights.path.name}
        self.mode = mode

    @property
    def head(self) -> EncoderHead | None:
        """What the encoder was fine-tuned with over these vectors; None of a frozen one.

        Raises:
            TextModelError: the tuned folder's head or record cannot be read.
        """
        return _tuned_head(self.weights.path, self.vector) if self.mode == "tuned" else None

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order; an utterance without words is missing.

        Raises:
            DeviceMemoryError: not even one passage fits the device.
        """
        from extraction.text.encoding import vectors_of  # imports torch: not to say what there is to do

        passages = self.passages(clips)
        vectors = vectors_of(passages, self)
        outcomes = [Outcome(status=Status.MISSING, reason="no words")] * len(clips)
        for passage, found in zip(passages, vectors, strict=True):
            for k, clip in enumerate(passage.clips):
                outcomes[clip] = _outcome(passage, k, found[k])
        return outcomes

    @property
    def learned_settings(self) -> Collection[str]:
        """Which settings fine-tuning on the corpus decided; none of a frozen encoder."""
        return ("weights", "tuned_on") if self.mode == "tuned" else ()

    def reads(self, clip: Clip) -> Sequence[object]:
        """The words and speakers that can stand in what is read for the clip; no label."""
        return said_in_reach(clip, self.context)

    def inputs(self, clips: Sequence[Clip]) -> list[TextInput | None]:
        """What reading "utterance" reads for each clip; None where the utterance has no words."""
        words = self._words()
        return read_inputs(clips, self.context, words.frame, words.tokenise)

    def passages(self, clips: Sequence[Clip]) -> list[Passage]:
        """What the encoder reads for the clips; those without words are in none of them."""
        words = self._words()
        return read_passages(clips, self.context, words.frame, words.tokenise)

    def _words(self) -> Wordlist:
        from extraction.text.pretrained import read_wordlist  # imports transformers

        return read_wordlist(self.weights.path, self.context.speakers)


def _outcome(passage: Passage, k: int, vector: NDArray[np.float32]) -> Outcome:
    cut = passage.cut_tokens[k]
    words = passage.words[k][1] - passage.words[k][0]
    remark = f"the last {cut} of {words + cut} tokens do not fit the window: cut"
    return Outcome(
        status=Status.OK,
        reason=remark if cut else "",
        vector=vector,
        columns={"tokens": len(passage.ids), "cut_tokens": cut},
    )


def _check(reading: str, vector: str, mode: str, batch_size: int | None) -> None:
    if vector not in VECTORS:
        raise ValueError(f"vector {vector!r} is not one of {', '.join(VECTORS)}")
    if reading == "dialogue" and vector != "mean":
        raise ValueError(
            f"reading 'dialogue' with vector {vector!r}: a dialogue has one start token for all its "
            "utterances; take vector 'mean' (text.vector), or reading 'utterance'"
        )
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch size {batch_size}: give 1 or more, or none to suit the device")


def _tuning_settings(folder: Path) -> dict[str, str]:
    """What a fine-tuned folder says of its making, for the record."""
    try:
        record = json_of((folder / TUNING_RECORD).read_text(encoding="utf-8"))
        return {"tuned_on": record["digest"], "tuning": json.dumps(record["options"], sort_keys=True)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TextModelError(
            f"{folder} has no {TUNING_RECORD} that can be read, so it was not made by fine-tuning here; "
            "use mode frozen, or fine-tune"
        ) from error


def _tuned_head(folder: Path, vector: str) -> EncoderHead | None:
    """The head of a fine-tuned folder; None where it is gone, or was trained over another vector."""
    if not (folder / HEAD).is_file():
        return None
    try:
        record = json_of((folder / TUNING_RECORD).read_text(encoding="utf-8"))
        if record["encoder"]["vector"] != vector:
            return None
        tensors = load_file(folder / HEAD)
        return EncoderHead(weight=tensors["weight"], bias=tensors["bias"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TextModelError(
            f"the head of {folder} cannot be read ({error}); delete the folder and tune again"
        ) from error
