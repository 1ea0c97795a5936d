"""A training step waits for nothing: no value travels to the host; CUDA computes what the CPU does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode

from summer.baselines import BASELINES
from summer.conversations.batches import ConversationBatch
from summer.corpus import Split
from summer.model.distillation import SmoothedTruthLoss
from summer.training.preparation import shape_of
from summer.training.seed import Workplace
from summer.training.stages import Stage
from tests.summer.battery import TRAINED_RIVALS
from tests.summer.made_up_training import (
    SETTINGS,
    TWO_MODALITIES,
    Log,
    made_material,
    made_stages,
    train_both,
)

WAITING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero"}


class ValuesForTheHost(TorchDispatchMode):
    """Notes operations whose result the host must have before it can go on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        name = func.name().partition(".")[0]
        if name in WAITING:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def stages() -> Iterator[tuple[Stage, ConversationBatch]]:
    """Teacher, student and every rival that is trained, each with class weights, in training."""
    material = made_material()
    batch = material.dealer.batch(material.dealer.of_split(Split.TRAIN)[:3])
    for stage in made_stages(class_weights=torch.ones(3)):
        yield stage.train(), batch
    for name in TRAINED_RIVALS:
        kind = BASELINES[name]
        truth_loss = SmoothedTruthLoss(epsilon=0.9, class_weights=torch.ones(3))
        model = kind.build(kind.options(), shape_of(material, TWO_MODALITIES))
        yield Stage(name, model, truth_loss).train(), batch


def step(stage: Stage, batch: ConversationBatch, adam: torch.optim.Optimizer) -> None:
    stage(batch)["total"].backward()
    torch.nn.utils.clip_grad_norm_([p for p in stage.parameters() if p.requires_grad], 1.0)
    adam.step()
    adam.zero_grad()


def test_forward_and_backward_read_nothing_back() -> None:
    for stage, batch in stages():
        with ValuesForTheHost() as values:
            stage(batch)["total"].backward()
        assert not values.found, stage.name


def test_the_net_that_catches_waiting_catches_it() -> None:
    with ValuesForTheHost() as values:
        float(torch.ones(2).sum())
    assert values.found == ["aten::_local_scalar_dense"]


@pytest.mark.gpu
def test_a_whole_step_on_cuda_does_not_wait() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for stage, batch in stages():
        stage, batch = stage.to("cuda"), batch.to(torch.device("cuda"))
        adam = torch.optim.Adam([p for p in stage.parameters() if p.requires_grad])
        step(stage, batch, adam)  # the first one sets things up
        torch.cuda.set_sync_debug_mode("error")
        try:
            step(stage, batch, adam)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_cuda_gives_the_losses_of_the_cpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for stage, batch in stages():
        stage.eval()
        on_cpu = {name: float(loss) for name, loss in stage(batch).items()}
        on_cuda = stage.to("cuda")(batch.to(torch.device("cuda")))
        assert {name: float(loss) for name, loss in on_cuda.items()} == pytest.approx(on_cpu, abs=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_teacher_and_student_train_on_cuda(tmp_path: Path, precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    log = Log()
    place = Workplace(
        seed=0,
        accelerator=lambda: Accelerator(mixed_precision=precision),
        folder=tmp_path,
        watch=log.watch(),
    )
    train_both(made_material(), SETTINGS, place)
    for model in ("teacher", "student"):
        losses = [record.losses["total"] for name, record in log.epochs if name == model]
        assert losses[-1] < losses[0], model
