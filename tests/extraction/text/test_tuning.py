"""Fine-tuning: it learns, on the training split alone; it is found again, and goes on after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score
from transformers import AutoModel, AutoTokenizer

from extraction.extractor import Clip, WithHead
from extraction.text import (
    RobertaText,
    TuningError,
    TuningOptions,
    TuningProgress,
    fine_tuning,
    training,
    tune_text,
)
from extraction.text.classifier import Row
from extraction.text.context import speaker_token
from extraction.text.pretrained import TextModelError
from extraction.tuned_text import tuned_from
from extraction.weights import Weights
from summer.corpus import LabelSet, Split, group_dialogues
from tests.extraction.text.tiny_encoder import clips_of, dialogue_of, emotional_clips, roberta_folder

LABELS = LabelSet(("joy", "anger"))
OPTIONS = TuningOptions(epochs=3, learning_rate=3e-3, batch_size=8)
TRAIN, DEV, TEST = (emotional_clips(count, split) for count, split in zip((48, 12, 12), Split, strict=True))


class Killed(BaseException):
    """Stands for a signal: nothing in the program catches it."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small only wait for each other on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> RobertaText:
    return RobertaText(
        weights=roberta_folder(tmp_path_factory.mktemp("roberta")), past_tokens=8, future_tokens=0
    )


@pytest.fixture(scope="module")
def tuned(encoder: RobertaText, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return tune(encoder, TRAIN + DEV + TEST, tmp_path_factory.mktemp("tuned") / "text.encoder")


def tune(
    encoder: RobertaText,
    clips: Sequence[Clip],
    folder: Path,
    *,
    options: TuningOptions = OPTIONS,
    **more: object,
) -> Weights:
    return tune_text(encoder, clips, labels=LABELS, options=options, folder=folder, **more)  # type: ignore[arg-type]


def record_of(weights: Weights) -> dict[str, object]:
    content: dict[str, object] = json.loads((weights.path / "tuning.json").read_text())
    return content


def test_it_learns_to_tell_the_emotions_of_the_dev_split(tuned: Weights) -> None:
    record = record_of(tuned)
    scores = record["dev_weighted_f1"]
    assert isinstance(scores, list)
    assert len(scores) == OPTIONS.epochs
    assert max(scores) == 1.0
    assert record["best_epoch"] == scores.index(max(scores)) + 1


def test_the_record_names_the_encoder_that_tuning_began_with_through_every_round(
    encoder: RobertaText, tmp_path: Path
) -> None:
    weights = replace(encoder.weights, name="someone/a-roberta")
    for number in (1, 2):
        begun = RobertaText(weights=weights, past_tokens=8, future_tokens=0)
        weights = tune(begun, TRAIN + DEV, tmp_path / f"round-{number}", options=replace(OPTIONS, epochs=1))
        assert tuned_from(weights.path) == "someone/a-roberta"


def test_of_several_devices_it_trains_on_the_one_that_was_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    arguments = training._arguments(OPTIONS, tmp_path, device=torch.device("cuda:1"))
    assert [arguments.device] == current == [torch.device("cuda:1")]
    assert arguments.n_gpu <= 1


@pytest.mark.gpu
def test_the_first_of_two_devices_is_left_alone(encoder: RobertaText, tmp_path: Path) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("fewer than two CUDA devices")
    torch.cuda.reset_peak_memory_stats("cuda:0")
    second = RobertaText(weights=encoder.weights, past_tokens=8, future_tokens=0, device="cuda:1")
    tune(second, TRAIN + DEV, tmp_path / "tuned", options=replace(OPTIONS, epochs=1))
    assert torch.cuda.max_memory_allocated("cuda:0") == 0 < torch.cuda.max_memory_allocated("cuda:1")


def weighted_f1(weights: Weights, clips: Sequence[Clip]) -> float:
    """Score of the vectors that are extracted, under the head that was saved."""
    extractor = RobertaText(weights=weights, mode="tuned", past_tokens=8, future_tokens=0)
    head = load_file(weights.path / "head.safetensors")
    vectors = torch.from_numpy(np.stack([outcome.vector for outcome in extractor(clips)]))  # type: ignore[arg-type]
    predicted = (vectors @ head["weight"].T + head["bias"]).argmax(dim=1)
    truth = [LABELS.index(clip.utterance.label) for clip in clips]
    return float(f1_score(truth, predicted, average="weighted"))


def test_head_and_vectors_of_the_tuned_folder_reach_the_recorded_dev_score(tuned: Weights) -> None:
    scores = record_of(tuned)["dev_weighted_f1"]
    assert isinstance(scores, list)
    assert weighted_f1(tuned, DEV) == pytest.approx(max(scores))


def test_a_tuned_extractor_has_the_head_that_its_vectors_were_trained_for(tuned: Weights) -> None:
    extractor = RobertaText(weights=tuned, mode="tuned", past_tokens=8, future_tokens=0)
    saved = load_file(tuned.path / "head.safetensors")
    assert isinstance(extractor, WithHead)
    assert extractor.head is not None
    np.testing.assert_array_equal(extractor.head.weight, saved["weight"])
    np.testing.assert_array_equal(extractor.head.bias, saved["bias"])


def test_there_is_no_head_of_a_frozen_encoder_of_another_vector_or_where_it_is_gone(
    encoder: RobertaText, tuned: Weights, tmp_path: Path
) -> None:
    assert encoder.head is None
    assert RobertaText(weights=tuned, mode="tuned", vector="mean").head is None
    bare = replace(tuned, path=Path(shutil.copytree(tuned.path, tmp_path / "bare")))
    (bare.path / "head.safetensors").unlink()
    assert RobertaText(weights=bare, mode="tuned").head is None


def test_a_damaged_head_is_named_with_its_remedy(tuned: Weights, tmp_path: Path) -> None:
    bad = replace(tuned, path=Path(shutil.copytree(tuned.path, tmp_path / "bad")))
    (bad.path / "head.safetensors").write_bytes(b"half a file")
    with pytest.raises(TextModelError, match="the head of .*bad cannot be read .*tune again"):
        _ = RobertaText(weights=bad, mode="tuned").head


def test_the_epoch_that_dev_likes_best_is_kept_though_others_follow(
    encoder: RobertaText, tmp_path: Path
) -> None:
    other = {"joy": "anger", "anger": "joy"}
    contrary = [  # the better the training split is learned, the worse this scores
        replace(clip, utterance=replace(clip.utterance, label=other[clip.utterance.label])) for clip in DEV
    ]
    slowly = replace(OPTIONS, learning_rate=1e-3)
    made = tune(encoder, [*TRAIN, *contrary], tmp_path / "text.encoder", options=slowly)
    scores = record_of(made)["dev_weighted_f1"]
    assert isinstance(scores, list)
    assert scores[-1] < max(scores)
    assert record_of(made)["best_epoch"] == scores.index(max(scores)) + 1
    assert weighted_f1(made, contrary) == pytest.approx(max(scores))


def test_the_tuned_folder_loads_like_any_other_and_knows_its_speakers(tuned: Weights) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tuned.path)
    model = AutoModel.from_pretrained(tuned.path, add_pooling_layer=False)
    assert tokenizer.convert_tokens_to_ids(speaker_token(1)) != tokenizer.unk_token_id
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)


def test_the_tuned_encoder_is_named_as_its_folder_without_its_place(tuned: Weights) -> None:
    extractor = RobertaText(weights=tuned, mode="tuned", past_tokens=8, future_tokens=0)
    assert extractor.assets == {"encoder": tuned.path.name}
    assert tuned.path.name.startswith("text.encoder-")


def test_settings_say_what_an_encoder_was_tuned_on(encoder: RobertaText, tuned: Weights) -> None:
    extractor = RobertaText(weights=tuned, mode="tuned", past_tokens=8, future_tokens=0)
    assert extractor.settings["tuned_on"] == record_of(tuned)["digest"]
    assert json.loads(extractor.settings["tuning"])["learning_rate"] == OPTIONS.learning_rate
    assert extractor.settings["weights"] == tuned.sha256 != encoder.settings["weights"]
    assert extractor.fingerprint != encoder.fingerprint


def test_a_finished_encoder_is_found_again(
    encoder: RobertaText, tuned: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(fine_tuning, "train")
    folder = tuned.path.with_name("text.encoder")
    assert tune(encoder, TRAIN + DEV + TEST, folder) == tuned


def test_rows_of_the_test_split_cannot_move_the_encoder(
    encoder: RobertaText, tuned: Weights, tmp_path: Path
) -> None:
    others = [
        replace(clip, utterance=replace(clip.utterance, text="so what", label="joy", speaker="Gunther"))
        for clip in TEST
    ]
    other = tune(encoder, TRAIN + DEV + others, tmp_path / "text.encoder")
    assert other.sha256 == tuned.sha256
    assert record_of(other) == record_of(tuned)


@pytest.mark.parametrize("split", [Split.TRAIN, Split.DEV])
def test_another_training_or_dev_row_makes_another_encoder(
    encoder: RobertaText, tuned: Weights, monkeypatch: pytest.MonkeyPatch, split: Split
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(fine_tuning, "train", refuse)
    clips = list(TRAIN + DEV)
    row = next(row for row, clip in enumerate(clips) if clip.utterance.split is split)
    clips[row] = replace(clips[row], utterance=replace(clips[row].utterance, label="anger"))
    with pytest.raises(Killed):
        tune(encoder, clips, tuned.path.with_name("text.encoder"))


def test_a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_encoder(
    encoder: RobertaText, tuned: Weights, tmp_path: Path
) -> None:
    def kill_in_last_epoch(progress: TuningProgress) -> None:
        if progress.epoch >= 2.5:
            raise Killed

    folder = tmp_path / "text.encoder"
    with pytest.raises(Killed):
        tune(encoder, TRAIN + DEV, folder, on_progress=kill_in_last_epoch)
    assert not list(tmp_path.glob("text.encoder-*"))
    seen: list[TuningProgress] = []
    resumed = tune(encoder, TRAIN + DEV, folder, on_progress=seen.append)
    assert seen[0].epoch > 2
    assert resumed.sha256 == tuned.sha256
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [tuned.path.name]


def test_a_checkpoint_that_a_kill_left_half_written_is_not_used(
    encoder: RobertaText, tuned: Weights, tmp_path: Path
) -> None:
    def kill_after_first_epoch(progress: TuningProgress) -> None:
        if progress.epoch > 1:
            raise Killed

    folder = tmp_path / "text.encoder"
    with pytest.raises(Killed):
        tune(encoder, TRAIN + DEV, folder, on_progress=kill_after_first_epoch)
    [state] = tmp_path.glob(".text.encoder-*/checkpoints/checkpoint-*/trainer_state.json")
    half = state.parent.with_name("checkpoint-999")
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_step": 99')
    assert tune(encoder, TRAIN + DEV, folder).sha256 == tuned.sha256


def test_progress_is_told_and_nothing_is_written_to_the_terminal(
    encoder: RobertaText, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[TuningProgress] = []
    tune(encoder, TRAIN + DEV, tmp_path / "text.encoder", on_progress=seen.append)
    assert capfd.readouterr() == ("", "")
    assert [progress.step for progress in seen] == [6, 10, 12, 18]
    assert str(seen[-1]) == "epoch 3.0 of 3, step 18 of 18, dev weighted F1 1.000"


@pytest.mark.parametrize(("clips", "split"), [(TRAIN + TEST, "dev"), (DEV + TEST, "train")])
def test_a_corpus_without_train_or_dev_rows_is_refused_with_a_remedy(
    encoder: RobertaText, tmp_path: Path, clips: list[Clip], split: str
) -> None:
    with pytest.raises(TuningError, match=f"no {split} utterance.*mode frozen"):
        tune(encoder, clips, tmp_path / "text.encoder")


def test_an_unknown_label_is_named(encoder: RobertaText, tmp_path: Path) -> None:
    odd = replace(TRAIN[0], utterance=replace(TRAIN[0].utterance, label="bliss"))
    with pytest.raises(ValueError, match="'bliss' is not one of joy, anger"):
        tune(encoder, [odd, *TRAIN[1:], *DEV], tmp_path / "text.encoder")


def test_rows_without_label_or_words_are_left_out(
    encoder: RobertaText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on = []

    def look(_: object, rows: tuple[list[object], list[object]], **__: object) -> None:
        trained_on.append([len(part) for part in rows])
        raise Killed

    monkeypatch.setattr(fine_tuning, "train", look)
    unlabelled = replace(TRAIN[0], utterance=replace(TRAIN[0].utterance, label=""))
    silent = clips_of(dialogue_of([("Ross", " ")], split=Split.DEV, name="silent", label="joy"))
    with pytest.raises(Killed):
        tune(encoder, [unlabelled, *TRAIN[1:], *DEV, *silent], tmp_path / "text.encoder")
    assert trained_on == [[len(TRAIN) - 1, len(DEV)]]


def test_what_has_no_label_is_read_along_and_not_learned_from(
    encoder: RobertaText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on: list[Row] = []

    def look(_: object, rows: tuple[list[Row], list[Row]], **__: object) -> None:
        trained_on.extend(rows[0])
        raise Killed

    monkeypatch.setattr(fine_tuning, "train", look)
    reader = RobertaText(weights=encoder.weights, reading="dialogue", vector="mean")
    said = group_dialogues(
        replace(u, label="" if u.turn else u.label) for u in (clip.utterance for clip in TRAIN)
    )
    with pytest.raises(Killed):
        tune(reader, [*clips_of(*said), *DEV], tmp_path / "text.encoder")
    everything = reader.passages(TRAIN)
    assert [row["passage"].ids for row in trained_on] == [passage.ids for passage in everything]
    assert [row["passage"].words for row in trained_on] == [passage.words[:1] for passage in everything]
    assert [row["labels"] for row in trained_on] == [[LABELS.index(d.utterances[0].label)] for d in said]


def test_memory_that_does_not_suffice_is_an_error_that_names_the_batch_size(
    encoder: RobertaText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(fine_tuning, "train", exhaust)
    with pytest.raises(TuningError, match="batches of 8 do not fit"):
        tune(encoder, TRAIN + DEV, tmp_path / "text.encoder")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "0 epochs"),
        ({"batch_size": 0}, "batches of 0"),
        ({"learning_rate": 0.0}, "learning rate 0.0"),
        ({"warmup_share": 1.0}, "warm-up share 1.0"),
    ],
)
def test_an_option_out_of_range_is_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TuningOptions(**options)  # type: ignore[arg-type]


def test_bfloat16_on_a_cpu_is_refused(encoder: RobertaText, tmp_path: Path) -> None:
    with pytest.raises(TuningError, match="bfloat16 needs a CUDA device"):
        tune(encoder, TRAIN + DEV, tmp_path / "text.encoder", options=replace(OPTIONS, bfloat16=True))
