"""A linear layer found at once: where a model begins, and all that the rivals of `linear.py` are.

    majority      b_c = log(w_c n_c)      n_c: training utterances of class c, w: class weights
    regression    a logistic regression on the training split (`summer.training.regression`)
    head          the encoder's own over the standardised text, with the class weights added

Several processes fit a regression once; seeds of one run share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from accelerate import Accelerator

from summer.classifier import CorpusShape, Fit
from summer.conversations.heads import LinearLayer
from summer.corpus import Modality
from summer.options import TrainingOptions
from summer.processes import processes_of
from summer.training.choosing import EpochJudge
from summer.training.history import Course, TrainingError, Watch
from summer.training.preparation import Material
from summer.training.stages import Stage, weights_of_classes


def class_weights_of(material: Material, options: TrainingOptions) -> torch.Tensor | None:
    """(cls,) how much an utterance of each class counts in this run; None: all the same."""
    classes = len(material.conversations.labels)
    return weights_of_classes(material.training_truths, classes=classes, weighting=options.class_weights)


def layer_to_begin_at(
    material: Material, shape: CorpusShape, options: TrainingOptions, accelerator: Accelerator
) -> LinearLayer:
    """What a model with a start begins at: the encoder's head where there is one, else a regression."""
    if material.head_for(shape.feature_dims) is not None:
        return _head(material, shape, options, accelerator)
    return _regression(material, shape.linear_reads, options, accelerator)


def fitted_layer(
    fit: Fit, material: Material, shape: CorpusShape, options: TrainingOptions, accelerator: Accelerator
) -> LinearLayer:
    """The layer that a rival is.

    Raises:
        TrainingError: a head is asked for and there is none over these features.
    """
    return _FITS[fit](material, shape, options, accelerator)


def look_once(
    stage: Stage, material: Material, options: TrainingOptions, *, accelerator: Accelerator, watch: Watch
) -> Course:
    """The course of a model that takes no step: epoch 0 and no other.

    Raises:
        TrainingError: no utterance with a truth to look at.
    """
    stage.to(accelerator.device)
    judge = EpochJudge(stage, material.dealer, options=options, accelerator=accelerator)
    record = judge.record(0, {}, learning_rate=0.0)
    watch.on_epoch(stage.name, record)
    return Course(history=[record])


def _majority(
    material: Material, shape: CorpusShape, options: TrainingOptions, accelerator: Accelerator
) -> LinearLayer:
    del accelerator
    counts = np.bincount(material.training_truths, minlength=shape.classes)
    known = torch.from_numpy(
        np.maximum(counts, 0.1).astype(np.float32)
    ).log()  # of an absent class a tenth of one
    return LinearLayer(weights={}, bias=known).weighted(class_weights_of(material, options))


def _fitted_regression(
    material: Material, shape: CorpusShape, options: TrainingOptions, accelerator: Accelerator
) -> LinearLayer:
    return _regression(material, tuple(shape.feature_dims), options, accelerator)


def _regression(
    material: Material, reads: tuple[Modality, ...], options: TrainingOptions, accelerator: Accelerator
) -> LinearLayer:
    from summer.training.regression import fit_regression  # imports scikit-learn: only where one is fitted

    depends_on = (reads, options.select_on, options.class_weights)
    if depends_on not in material.fitted:
        material.fitted[depends_on] = processes_of(accelerator).by_main(
            lambda: fit_regression(
                material.conversations,
                reads,
                chosen_on=options.select_on,
                class_weights=class_weights_of(material, options),
            )
        )
    return material.fitted[depends_on]


def _head(
    material: Material, shape: CorpusShape, options: TrainingOptions, accelerator: Accelerator
) -> LinearLayer:
    del shape, accelerator
    if material.head is None:
        raise TrainingError(_why_no_head(material))
    return material.head.weighted(class_weights_of(material, options))


def _why_no_head(material: Material) -> str:
    text = material.conversations.features.get(Modality.TEXT)
    if text is None or text.head is None:
        return (
            "the text store has no head of its encoder, which was frozen, or its vectors are imported or "
            "reduced; extract text with text.mode=tuned and reduction.text.method=none, or take regression"
        )
    return (
        f"with model.start={material.start} outliers of the text are clipped, and the encoder's head is not "
        "over clipped vectors; give -o model.start=head"
    )


_FITS: Mapping[Fit, Callable[[Material, CorpusShape, TrainingOptions, Accelerator], LinearLayer]] = {
    "majority": _majority,
    "regression": _fitted_regression,
    "head": _head,
}
