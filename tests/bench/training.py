"""Student training at the paper's size on a corpus of MELD's size, against a straightforward PyTorch reading.

Both sides train an epoch of the same corpus (float32, clipped gradients, Gumbel noise, no dropout), each in
a process of its own with torch's threads, one after the other: ours in batches of similar length, with the
Adam of our trainer; the other (`straightforward`) in random batches, with torch's plain Adam. Before that
both give their losses on the same small batches with the same weights, in evaluation mode, and the benchmark
fails where those differ by more than 1e-4.

By default each side trains on every fourth batch of its own epoch, in order of length on our side, and its
seconds are scaled to the epoch by places, which are dialogues times the longest one of their batch: what is
computed, padding included. SUMMER_BENCH_EVERY=1 takes whole epochs, and nothing is scaled. Each side is
charged for its own epoch: of the utterances of our batches alone, without those of the longest dialogues, to
which nearly every random batch of an epoch is padded, the other side would be charged too little.
The share of the machine is the rate of our products, padding included, over that of a large one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationBatch, ConversationDealer, padding_waste
from summer.conversations.dialogues import DialogueRows, chunk_dialogues
from summer.conversations.speakers import SpeakerIdentities
from summer.corpus import Modality, Split
from summer.options import ModelOptions, TrainingOptions
from summer.training.optimizer import adam_of
from tests.bench.alone import alone, peak_bytes
from tests.bench.meld_sized import PAPER_DIMS, generated, meld_lengths
from tests.bench.same_weights import Side, build
from tests.summer.made_up import LABELS

SLOTS = 16
LOSS_TOLERANCE = 1e-4
COMPARED_BATCHES, COMPARED_DIALOGUES = 2, 12
GROWTH_LENGTHS = (5, 10, 20, 40, 80)
GROWTH_COPIES = (1, 2)
GROWTH_DIALOGUES, GROWTH_STEPS = 32, 5
MIB, GIGA = 2**20, 1e9
Batches = list[list[DialogueRows]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Size of the model, and every how manieth batch is trained on."""

    width: int = 1024
    heads: int = 4
    layers: int = 6
    experts: int = 4
    batch_dialogues: int = 100
    every: int = field(default_factory=lambda: int(os.environ.get("SUMMER_BENCH_EVERY", "4")))

    @property
    def options(self) -> ModelOptions:
        """Of teacher and student."""
        return ModelOptions(
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            experts=self.experts,
            dropout=0.0,
            encoder_skip=False,
            longest_dialogue=128,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one side did: losses of the compared batches, seconds of the timed ones.

    Args:
        places: of the timed batches, padding included.
        epoch_places: of all batches of an epoch.
    """

    losses: dict[str, float]
    seconds: float
    processor_seconds: float
    places: int
    epoch_places: int
    peak_mib: float

    @property
    def share(self) -> float:
        """How much of an epoch was timed."""
        return self.places / self.epoch_places


def run(scale: Scale | None = None) -> dict[str, float]:
    """Seconds an epoch of both sides, their ratio, rates, memory, padding, growth.

    Raises:
        ValueError: the losses of the two sides differ.
    """
    scale = scale or Scale()
    gigaflops = alone(_matrix_gigaflops)
    sides: dict[str, Measured] = {side: alone(_measure, side, scale) for side in ("ours", "straightforward")}
    ours, theirs = sides["ours"], sides["straightforward"]
    difference = _largest_difference(ours.losses, theirs.losses)
    counted = alone(_count, scale)
    achieved = counted.pop("measured_gigaflop") / ours.seconds
    epoch_seconds = {side: one.seconds / one.share for side, one in sides.items()}
    processor_seconds = {side: one.processor_seconds / one.share for side, one in sides.items()}
    return {
        "largest_loss_difference": difference,
        **{f"{side}_seconds_an_epoch": seconds for side, seconds in epoch_seconds.items()},
        "ratio": epoch_seconds["straightforward"] / epoch_seconds["ours"],
        "ratio_in_processor_time": processor_seconds["straightforward"] / processor_seconds["ours"],
        **{f"{side}_share_of_epoch_measured": one.share for side, one in sides.items()},
        **{
            f"{side}_utterances_per_second": counted["epoch_utterances"] / seconds
            for side, seconds in epoch_seconds.items()
        },
        "matrix_product_gigaflops": gigaflops,
        "ours_gigaflops": achieved,
        "ours_share_of_matrix_product": achieved / gigaflops,
        **{f"{s}_peak_mib": one.peak_mib for s, one in sides.items()},
        **counted,
        **alone(_growth_with_length),
        **alone(_growth_with_corpus),
    }


def _largest_difference(ours: dict[str, float], theirs: dict[str, float]) -> float:
    differences = {name: abs(loss - theirs[name]) for name, loss in ours.items()}
    worst = max(differences, key=differences.__getitem__)
    if not differences[worst] <= LOSS_TOLERANCE:  # so that NaN fails as well
        raise ValueError(
            f"{worst} is {ours[worst]} here and {theirs[worst]} in the straightforward reading; they may "
            f"differ by {LOSS_TOLERANCE}, or it is not the same model whose speed is compared"
        )
    return differences[worst]


def _measure(side: Side, scale: Scale) -> Measured:
    dealer = _dealer(meld_lengths()[Split.TRAIN])
    stage = _build(side, scale)
    losses = _compared_losses(stage, dealer)
    adam = _adam(side, stage)
    stage.train()
    _step(stage, dealer.batch(dealer.of_split(Split.TRAIN)[:2]), adam)  # Adam makes its state in the first
    batches = _batches(side, scale, dealer)
    started, busy = time.perf_counter(), time.process_time()
    for dialogues in batches:
        _step(stage, dealer.batch(dialogues), adam)
    return Measured(
        losses=losses,
        seconds=time.perf_counter() - started,
        processor_seconds=time.process_time() - busy,
        places=_places(batches),
        epoch_places=_places(_batches(side, replace(scale, every=1), dealer)),
        peak_mib=peak_bytes() / MIB,
    )


def _adam(side: Side, stage: nn.Module) -> torch.optim.Adam:
    """Ours as the trainer has it, the other as one writes it; at the same rates."""
    options = TrainingOptions(scalar_rate=None)
    if side == "ours":
        return adam_of(_trainable(stage), options)
    return torch.optim.Adam(_trainable(stage), lr=options.learning_rate, weight_decay=options.weight_decay)


def _dealer(lengths: Sequence[int]) -> ConversationDealer:
    conversations = generated({Split.TRAIN: lengths}, PAPER_DIMS)
    return ConversationDealer(conversations, SpeakerIdentities(rule="slots", slots=SLOTS))


def _build(side: Side, scale: Scale) -> nn.Module:
    return build(side, scale.options, student=_shape(*PAPER_DIMS), teacher=_shape(Modality.TEXT), seed=0)


def _shape(*modalities: Modality) -> CorpusShape:
    return CorpusShape(
        feature_dims={m: PAPER_DIMS[m] for m in modalities}, classes=len(LABELS), identities=SLOTS + 1
    )


def _trainable(stage: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in stage.parameters() if parameter.requires_grad]


@torch.no_grad()
def _compared_losses(stage: nn.Module, dealer: ConversationDealer) -> dict[str, float]:
    dialogues = dealer.of_split(Split.TRAIN)[: COMPARED_BATCHES * COMPARED_DIALOGUES]
    stage.eval()
    return {
        f"{name} of batch {number}": float(loss)
        for number, batch in enumerate(chunk_dialogues(dialogues, size=COMPARED_DIALOGUES, generator=None))
        for name, loss in stage(dealer.batch(batch)).items()
    }


def _step(stage: nn.Module, batch: ConversationBatch, adam: torch.optim.Optimizer) -> None:
    stage(batch)["total"].backward()
    torch.nn.utils.clip_grad_norm_(_trainable(stage), 1.0)
    adam.step()
    adam.zero_grad()


def _batches(side: Side, scale: Scale, dealer: ConversationDealer) -> Batches:
    """Every so manieth batch of the side's epoch: by length for ours, at random for the other."""
    if side == "ours":
        epoch = dealer.deal(Split.TRAIN, size=scale.batch_dialogues, generator=None)
    else:
        random = torch.Generator().manual_seed(0)
        epoch = list(
            chunk_dialogues(dealer.of_split(Split.TRAIN), size=scale.batch_dialogues, generator=random)
        )
    return epoch[(min(scale.every, len(epoch)) - 1) // 2 :: scale.every]


def _places(batches: Batches) -> int:
    return sum(len(batch) * max(len(located.dialogue.utterances) for located in batch) for batch in batches)


def _utterances(batches: Batches) -> int:
    return sum(len(located.dialogue.utterances) for batch in batches for located in batch)


def _matrix_gigaflops() -> float:
    """Rate of 1024 x 1024 by 1024 x 4096 in float32."""
    left, right, seconds = torch.randn(1024, 1024), torch.randn(1024, 4096), []
    for _ in range(20):
        started = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - started)
    return 2 * 1024 * 1024 * 4096 / GIGA / statistics.median(seconds)


def _count(scale: Scale) -> dict[str, float]:
    """Padding of a whole epoch, and the products of our timed batches; nothing is computed for it."""
    dealer = _dealer(meld_lengths()[Split.TRAIN])
    every_batch = {s: _batches(s, replace(scale, every=1), dealer) for s in ("ours", "straightforward")}
    with torch.device("meta"):
        stage = _build("ours", scale).train()
        with FlopCounterMode(display=False) as counter:
            for dialogues in _batches("ours", scale, dealer):
                stage(dealer.batch(dialogues).to(torch.device("meta")))["total"].backward()
    return {
        "measured_gigaflop": counter.get_total_flops() / GIGA,
        "epoch_utterances": float(_utterances(every_batch["ours"])),
        **{f"{side}_padding_waste": padding_waste(batches) for side, batches in every_batch.items()},
    }


def _growth_with_length() -> dict[str, float]:
    """Milliseconds an utterance of a step of ours, dialogues of one length; width 64."""
    figures = {}
    for length in GROWTH_LENGTHS:
        dealer = _dealer([length] * GROWTH_DIALOGUES)
        seconds = _seconds_of_passes(dealer, passes=GROWTH_STEPS, batch_dialogues=GROWTH_DIALOGUES)
        figures[f"ms_an_utterance_at_length_{length}"] = 1000 * seconds / (length * GROWTH_DIALOGUES)
    return figures


def _growth_with_corpus() -> dict[str, float]:
    """Milliseconds an utterance of an epoch of ours; width 64."""
    lengths, figures = meld_lengths()[Split.TRAIN], {}
    for copies in GROWTH_COPIES:
        seconds = _seconds_of_passes(_dealer(lengths * copies), passes=1, batch_dialogues=100)
        figures[f"ms_an_utterance_at_corpus_x{copies}"] = 1000 * seconds / (sum(lengths) * copies)
    return figures


def _seconds_of_passes(dealer: ConversationDealer, *, passes: int, batch_dialogues: int) -> float:
    """Median over passes through all dialogues, after one batch that does not count."""
    stage = _build("ours", Scale(width=64, layers=2, experts=2)).train()
    adam = _adam("ours", stage)
    batches = dealer.deal(Split.TRAIN, size=batch_dialogues, generator=None)
    _step(stage, dealer.batch(batches[0]), adam)
    seconds = []
    for _ in range(passes):
        started = time.perf_counter()
        for dialogues in batches:
            _step(stage, dealer.batch(dialogues), adam)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _asked_for() -> Scale:
    usual, parser = Scale(), argparse.ArgumentParser(description="student training, against plain PyTorch")
    for name in ("width", "heads", "layers", "experts", "batch_dialogues", "every"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(usual, name))
    return Scale(**vars(parser.parse_args()))


if __name__ == "__main__":
    for figure, value in run(_asked_for()).items():
        print(f"{figure:40} {value:.4g}", flush=True)
