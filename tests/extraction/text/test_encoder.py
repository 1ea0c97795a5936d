"""RobertaText: vectors as transformers computes them, whatever the batch; statuses, settings, models."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, GPT2Config, GPT2Model, pipeline

from extraction import weights as weight_sources
from extraction.devices import DeviceMemoryError
from extraction.extractor import Clip, Extractor, Outcome
from extraction.text import RobertaText, encoding, pretrained
from extraction.text.batches import batches_by_tokens
from extraction.text.pretrained import TextModelError, load_encoder, read_wordlist
from extraction.weights import Weights, WeightsUnavailable
from summer.corpus import Status
from tests.extraction.text.tiny_encoder import POSITIONS, bert_folder, clips_of, dialogue_of, roberta_folder

FRIENDS = clips_of(
    dialogue_of(
        [
            ("Monica", "so what are we doing?"),
            ("Ross", "I hate it."),
            ("Monica", "why?"),
            ("Ross", "Oh my God, this is terrible!"),
        ]
    )
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return roberta_folder(tmp_path_factory.mktemp("roberta"))


def vectors(outcomes: list[Outcome]) -> np.ndarray:
    return np.stack([outcome.vector for outcome in outcomes if outcome.vector is not None])


def test_it_is_an_extractor_as_wide_as_its_model(tiny: Weights) -> None:
    extractor = RobertaText(weights=tiny)
    assert isinstance(extractor, Extractor)
    assert extractor.dim == 32
    assert vectors(extractor(FRIENDS)).shape == (4, 32)
    assert vectors(extractor(FRIENDS)).dtype == np.float32


@pytest.mark.parametrize(
    ("context", "written"),
    [
        ((0, 0), "[SPK_0] why?"),
        ((99, 0), "[SPK_0] so what are we doing?[SPK_1] I hate it.</s></s>[SPK_0] why?"),
        ((0, 99), "[SPK_0] why?</s></s>[SPK_1] Oh my God, this is terrible!"),
    ],
)
def test_the_start_vector_is_what_the_pipeline_gives_for_the_input_written_out(
    tiny: Weights, context: tuple[int, int], written: str
) -> None:
    extractor = RobertaText(weights=tiny, past_tokens=context[0], future_tokens=context[1])
    encoder = load_encoder(tiny.path, "tokens").eval()
    oracle = pipeline(
        "feature-extraction",
        model=encoder,
        tokenizer=read_wordlist(tiny.path, "tokens").tokenizer,
        device="cpu",
    )
    np.testing.assert_allclose(vectors(extractor(FRIENDS))[2], oracle(written)[0][0], atol=1e-5)


def test_the_mean_vector_is_over_the_utterances_own_words(tiny: Weights) -> None:
    extractor = RobertaText(weights=tiny, vector="mean", speakers="none", past_tokens=99, future_tokens=0)
    tokenizer = AutoTokenizer.from_pretrained(tiny.path)
    encoder = AutoModel.from_pretrained(tiny.path, add_pooling_layer=False).eval()
    past = tokenizer(" so what are we doing? I hate it.", add_special_tokens=False)["input_ids"]
    own = tokenizer(" why?", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        states = encoder(torch.tensor([[0, *past, 2, 2, *own, 2]])).last_hidden_state[0]
    expected = states[len(past) + 3 : -1].mean(dim=0)
    np.testing.assert_allclose(vectors(extractor(FRIENDS))[2], expected, atol=1e-5)


@pytest.mark.parametrize("vector", ["start", "mean"])
@pytest.mark.parametrize("folder", [roberta_folder, bert_folder])
def test_a_padded_batch_gives_what_each_clip_gives_alone(tmp_path: Path, folder, vector: str) -> None:  # type: ignore[no-untyped-def]
    extractor = RobertaText(weights=folder(tmp_path), past_tokens=9, future_tokens=5, vector=vector)
    alone = vectors([extractor([clip])[0] for clip in FRIENDS])
    together = vectors(extractor(FRIENDS))
    assert not np.allclose(together[0], together[1], atol=1e-2)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(vectors(extractor(FRIENDS[::-1]))[::-1], alone, atol=1e-5)


def test_another_model_brings_its_own_special_tokens(tmp_path: Path) -> None:
    extractor = RobertaText(weights=bert_folder(tmp_path), past_tokens=99, future_tokens=0)
    words = read_wordlist(tmp_path, "tokens")
    ids = extractor.inputs(FRIENDS)[1].ids  # type: ignore[union-attr]
    tokens = words.tokenizer.convert_ids_to_tokens(ids)
    specials = [token for token in tokens if token.startswith("[") and token != "[UNK]"]
    assert specials == ["[CLS]", "[SPK_0]", "[SEP]", "[SPK_1]", "[SEP]"]


def test_special_tokens_that_someone_wrote_are_read_as_plain_text(tiny: Weights) -> None:
    clips = clips_of(dialogue_of([("</s>[SPK_3]", "why </s></s> [SPK_1] <pad> <mask>")]))
    frame = read_wordlist(tiny.path, "tokens").frame
    for speakers, special in (("tokens", 3), ("names", 2)):
        [entry] = RobertaText(weights=tiny, speakers=speakers).inputs(clips)
        assert entry is not None
        assert sum(token in {0, 1, 2, 4, *frame.slots} for token in entry.ids) == special


def test_a_new_speaker_token_starts_as_the_mean_of_the_words_that_describe_it(tiny: Weights) -> None:
    words = read_wordlist(tiny.path, "tokens")
    before = AutoModel.from_pretrained(tiny.path).get_input_embeddings().weight
    once = load_encoder(tiny.path, "tokens").get_input_embeddings().weight
    torch.manual_seed(1)
    again = load_encoder(tiny.path, "tokens").get_input_embeddings().weight
    ids = words.tokenizer(" speaker 2", add_special_tokens=False)["input_ids"]
    torch.testing.assert_close(once[words.frame.slots[1]], before[ids].mean(dim=0))
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    torch.testing.assert_close(once[: len(before)], before, rtol=0, atol=0)


def test_speaker_tokens_that_a_folder_has_learned_are_kept(tiny: Weights, tmp_path: Path) -> None:
    model = load_encoder(tiny.path, "tokens")
    words = read_wordlist(tiny.path, "tokens")
    learned = torch.randn(32)
    with torch.no_grad():
        model.get_input_embeddings().weight[words.frame.slots[1]] = learned
    model.save_pretrained(tmp_path)
    words.tokenizer.save_pretrained(tmp_path)
    table = load_encoder(tmp_path, "tokens").get_input_embeddings().weight
    assert read_wordlist(tmp_path, "tokens").frame == words.frame
    torch.testing.assert_close(table[words.frame.slots[1]], learned)


def test_an_utterance_without_words_is_missing_and_its_neighbours_are_not(tiny: Weights) -> None:
    clips = clips_of(dialogue_of([("Ross", "why?"), ("Ross", "   "), ("Ross", "so")]))
    outcomes = RobertaText(weights=tiny)(
        [clips[0], replace(clips[1], remark="no file of its video"), clips[2]]
    )
    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.MISSING, Status.OK]
    assert outcomes[1].reason == "no words"
    assert [outcome.status for outcome in RobertaText(weights=tiny)([clips[1]])] == [Status.MISSING]


def test_what_is_said_of_the_media_is_not_said_of_the_words(tiny: Weights) -> None:
    clip = replace(clips_of(dialogue_of([("Ross", "why?")]))[0], remark="no file of its video")
    assert RobertaText(weights=tiny)([clip])[0].reason == ""


def test_a_text_longer_than_the_model_reads_is_cut_and_counted(tiny: Weights) -> None:
    clips = clips_of(dialogue_of([("Ross", "why? " * 500), ("Ross", "why?")]))
    extractor = RobertaText(weights=tiny, past_tokens=200, window_tokens=512)
    long, short = extractor(clips)
    words = read_wordlist(tiny.path, "tokens").tokenise([" " + ("why? " * 500).strip()])[0]
    assert long.columns == {"tokens": POSITIONS, "cut_tokens": len(words) - (POSITIONS - 3)}
    assert f"the last {len(words) - POSITIONS + 3} of {len(words)} tokens" in long.reason
    assert short.columns == {"tokens": POSITIONS, "cut_tokens": 0}
    assert short.reason == ""


def test_it_pickles_without_its_model_and_says_the_same_elsewhere(tiny: Weights) -> None:
    extractor = RobertaText(weights=tiny)
    expected = vectors(extractor(FRIENDS))
    content = pickle.dumps(extractor)
    assert len(content) < 4000
    pretrained.read_encoder.cache_clear()
    pretrained.read_wordlist.cache_clear()
    copy: RobertaText = pickle.loads(content)
    assert copy.fingerprint == extractor.fingerprint
    np.testing.assert_array_equal(vectors(copy(FRIENDS)), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"speakers": "names"},
        {"past_tokens": 3},
        {"future_tokens": 3},
        {"window_tokens": 30},
        {"vector": "mean"},
    ],
)
def test_the_fingerprint_changes_with_whatever_changes_vectors(tiny: Weights, change: dict[str, int]) -> None:
    assert RobertaText(weights=tiny, **change).fingerprint != RobertaText(weights=tiny).fingerprint  # type: ignore[arg-type]


def test_the_fingerprint_is_of_the_weights_not_of_their_place_nor_of_the_batch_size(
    tiny: Weights, tmp_path: Path
) -> None:
    shutil.copytree(tiny.path, tmp_path / "copy")
    plain = RobertaText(weights=tiny)
    moved = replace(tiny, path=tmp_path / "copy", source="cache")
    assert RobertaText(weights=moved, batch_size=2).fingerprint == plain.fingerprint
    assert RobertaText(weights=replace(tiny, sha256="f" * 64)).fingerprint != plain.fingerprint
    assert str(tiny.path) not in json.dumps(dict(plain.settings))


def test_it_names_the_encoder_as_it_was_asked_for_never_where_it_was_found(tiny: Weights) -> None:
    named = replace(tiny, name="roberta-base", path=tiny.path, source="cache")
    assert RobertaText(weights=named).assets == {"encoder": "roberta-base"}
    assert RobertaText(weights=replace(tiny, name="")).assets == {"encoder": tiny.path.name}
    assert RobertaText(weights=named).fingerprint == RobertaText(weights=tiny).fingerprint


def test_loading_and_extracting_write_nothing_to_the_terminal(
    tiny: Weights, capfd: pytest.CaptureFixture[str]
) -> None:
    pretrained.read_encoder.cache_clear()
    RobertaText(weights=tiny)(clips_of(dialogue_of([("Ross", "why? " * 500)])))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vector": "max"}, "'max' is not one of start, mean"),
        ({"mode": "warm"}, "'warm' is not one of frozen, tuned"),
        ({"batch_size": 0}, "batch size 0"),
        ({"speakers": "colours"}, "'colours' is not one of"),
        ({"mode": "tuned"}, "has no tuning.json"),
    ],
)
def test_an_option_that_cannot_be_is_named(tiny: Weights, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RobertaText(weights=tiny, **options)  # type: ignore[arg-type]


def test_a_decoder_is_refused_with_a_model_that_would_do(tiny: Weights, tmp_path: Path) -> None:
    AutoTokenizer.from_pretrained(tiny.path).save_pretrained(tmp_path)
    GPT2Model(GPT2Config(vocab_size=400, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    with pytest.raises(TextModelError, match="no start, separator or padding token.*roberta-base"):
        RobertaText(weights=replace(tiny, path=tmp_path))


def test_an_encoder_with_a_decoder_is_refused(tiny: Weights, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    with pytest.raises(TextModelError, match="t5 model with a decoder"):
        RobertaText(weights=replace(tiny, path=tmp_path))


def test_a_folder_with_a_part_of_the_weights_is_refused_not_filled_at_random(
    tiny: Weights, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny.path, tmp_path / "deeper")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(TextModelError, match="lacks weights of its own model"):
        RobertaText(weights=replace(tiny, path=folder))(FRIENDS)


def test_damaged_weights_are_an_error_that_names_the_folder(tiny: Weights, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.path, tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"not at all")
    with pytest.raises(TextModelError, match="damaged do not load"):
        RobertaText(weights=replace(tiny, path=folder))(FRIENDS)


def test_batches_keep_to_their_budget_and_lose_no_row() -> None:
    lengths = [5, 90, 7, 7, 30, 2, 64, 1]
    batches = list(batches_by_tokens(lengths, most_tokens=64))
    assert sorted(row for batch in batches for row in batch) == list(range(8))
    assert all(len(batch) * max(lengths[row] for row in batch) <= 64 for batch in batches if len(batch) > 1)
    assert batches == [[1], [6], [4, 2], [3, 0, 5, 7]]
    assert max(map(len, batches_by_tokens(lengths, most_tokens=999, most_rows=3))) == 3


def test_memory_that_ends_is_an_error_that_names_the_longest_input(
    tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    extractor = RobertaText(weights=tiny)
    longest = max(len(entry.ids) for entry in extractor.inputs(FRIENDS) if entry)
    monkeypatch.setattr(encoding, "encoded", exhaust)
    with pytest.raises(DeviceMemoryError, match=f"passage of up to {longest} tokens alone does not fit"):
        extractor(FRIENDS)


@pytest.mark.gpu
def test_cuda_gives_the_vectors_of_the_cpu(tiny: Weights) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    cpu = vectors(RobertaText(weights=tiny)(FRIENDS))
    cuda = vectors(RobertaText(weights=tiny, device="cuda:0")(FRIENDS))
    np.testing.assert_allclose(cuda, cpu, atol=1e-4)


@pytest.mark.weights
def test_a_pre_trained_encoder_tells_a_paraphrase_from_another_utterance() -> None:
    try:
        granite = weight_sources.text_model("ibm-granite/granite-embedding-30m-english")
    except WeightsUnavailable as reason:
        pytest.skip(str(reason))
    texts = [
        "I am so glad to see you.",
        "It makes me happy that you are here.",
        "The mugs have numbers on them.",
    ]
    clips: list[Clip] = clips_of(dialogue_of([("Ross", text) for text in texts]))
    found = vectors(RobertaText(weights=granite, past_tokens=0, future_tokens=0)(clips))
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert found.shape == (3, 384)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.05
