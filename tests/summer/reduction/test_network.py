"""Training of the reducing network: what counts in loss and score, and which epoch is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from summer.conversations.dialogues import UNKNOWN_LABEL, Batch
from summer.reduction.network import EpochChoice, ReducingNetwork, dev_weighted_f1, train
from summer.reduction.options import default_dialogue_rnn_options

OPTIONS = replace(default_dialogue_rnn_options(), most_epochs=3)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        yield


def network() -> ReducingNetwork:
    torch.manual_seed(5)
    return ReducingNetwork(raw_dim=4, hidden_dim=6, width=3, classes=3, dropout=0.0)


def batch(dialogues: int, *, length: int = 5) -> Batch:
    return Batch(
        features=torch.randn(dialogues, length, 4),
        speakers=torch.randint(3, (dialogues, length)),
        labels=torch.randint(3, (dialogues, length)),
        usable=torch.rand(dialogues, length) < 0.8,
    )


def trained(batches: Sequence[Batch], dev: Sequence[Batch] = ()) -> ReducingNetwork:
    model = network()
    train(model, deal_training_batches=lambda: batches, dev_batches=dev, options=OPTIONS)
    return model


def joined(first: Batch, second: Batch) -> Batch:
    return Batch(
        features=torch.cat([first.features, second.features]),
        speakers=torch.cat([first.speakers, second.speakers]),
        labels=torch.cat([first.labels, second.labels]),
        usable=torch.cat([first.usable, second.usable]),
    )


def assert_same_weights(first: nn.Module, second: nn.Module) -> None:
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, second.state_dict()[name], atol=1e-6, rtol=1e-4)


def test_a_dialogue_without_labels_counts_no_more_in_training_than_one_that_is_absent() -> None:
    labelled, other = batch(3), batch(2)
    unlabelled = replace(other, labels=torch.full_like(other.labels, UNKNOWN_LABEL))
    assert_same_weights(trained([joined(labelled, unlabelled)]), trained([labelled]))
    assert_same_weights(trained([unlabelled, labelled]), trained([labelled]))
    with pytest.raises(AssertionError):
        assert_same_weights(trained([joined(labelled, other)]), trained([labelled]))


def test_the_label_of_an_utterance_without_a_vector_does_not_count() -> None:
    plain = batch(4)
    changed = replace(plain, labels=torch.where(plain.usable, plain.labels, 2))
    assert not torch.equal(plain.labels, changed.labels)
    assert_same_weights(trained([plain]), trained([changed]))
    assert dev_weighted_f1(network(), [plain]) == dev_weighted_f1(network(), [changed])


def test_training_lowers_the_loss_and_moves_every_weight() -> None:
    model, some = network(), batch(6)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def loss() -> float:
        logits: Tensor = model.classifier(model(some.features, some.speakers, some.usable))[some.usable]
        return nn.functional.cross_entropy(logits, some.labels[some.usable]).item()

    first = loss()
    train(model, deal_training_batches=lambda: [some], dev_batches=[], options=OPTIONS)
    assert loss() < first
    assert all(not torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_network_is_left_with_the_weights_of_the_chosen_epoch() -> None:
    some = batch(6)
    contrary = replace(some, labels=(some.labels + 1) % 3)  # the better on train, the worse on this dev
    options = replace(OPTIONS, most_epochs=30, patience_epochs=5, learning_rate=1e-2)
    model, again = network(), network()
    course = train(model, deal_training_batches=lambda: [some], dev_batches=[contrary], options=options)
    assert course.chosen_epoch == course.epochs - 5 < 25
    assert dev_weighted_f1(model, [contrary]) == course.dev_weighted_f1
    options = replace(options, most_epochs=course.chosen_epoch)
    assert train(again, deal_training_batches=lambda: [some], dev_batches=[], options=options).epochs
    assert_same_weights(model, again)


def test_the_score_is_f1_of_each_class_weighted_by_its_support() -> None:
    model, batches = network().eval(), [batch(4), batch(2, length=7)]
    pairs = [
        (int(truth), int(guess))
        for some in batches
        for truth, guess in zip(
            some.labels[some.usable],
            model.classifier(model(some.features, some.speakers, some.usable)).argmax(-1)[some.usable],
            strict=True,
        )
    ]
    expected = 0.0
    for cls in {truth for truth, _ in pairs}:
        hits = sum(truth == guess == cls for truth, guess in pairs)
        support, guessed = (sum(pair[side] == cls for pair in pairs) for side in (0, 1))
        expected += support * 2 * hits / (support + guessed) / len(pairs)
    assert 0 < expected < 1
    assert dev_weighted_f1(model, batches) == pytest.approx(expected)


def test_without_a_labelled_utterance_there_is_no_score() -> None:
    some = batch(2)
    assert dev_weighted_f1(network(), []) is None
    assert dev_weighted_f1(network(), [replace(some, usable=torch.zeros_like(some.usable))]) is None


def offered(scores: Sequence[float | None], *, patience: int) -> tuple[EpochChoice, int, float]:
    """Offer a network whose one weight is the epoch, until told to stop; choice, epochs run, weight kept."""
    model, choice = nn.Linear(1, 1, bias=False), EpochChoice(patience)
    for epoch, score in enumerate(scores, start=1):
        nn.init.constant_(model.weight, epoch)
        if not choice.offer(model, epoch=epoch, dev_f1=score):
            break
    choice.restore(model)
    return choice, epoch, model.weight.item()


def test_the_best_epoch_is_kept_the_earlier_of_equals_and_patience_ends_the_wait() -> None:
    choice, epochs, weight = offered([0.2, 0.5, 0.4, 0.5, 0.3, 0.9], patience=3)
    assert (choice.chosen_epoch, epochs, weight, choice.best_f1) == (2, 5, 2.0, 0.5)


def test_an_epoch_that_scores_0_is_still_a_choice() -> None:
    choice, epochs, weight = offered([0.0, 0.0, 0.0], patience=2)
    assert (choice.chosen_epoch, epochs, weight, choice.best_f1) == (1, 3, 1.0, 0.0)


def test_epochs_that_cannot_be_scored_end_with_the_last() -> None:
    choice, epochs, weight = offered([None] * 4, patience=1)
    assert (choice.chosen_epoch, epochs, weight, choice.best_f1) == (4, 4, 4.0, None)
