"""The field's pickles: each layout's places, splits, ids, speakers, labels; what is odd in them is named."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from summer.corpus import Modality, Split, Status
from summer.store import FeatureStore
from summer.store.exports import export_pickle
from summer.store.imports.imported import ImportedStore, write_store
from summer.store.imports.layouts import LAYOUTS
from summer.store.imports.pickles import PickleOptions, import_pickle
from summer.store.imports.unpickle import ImportFileError
from tests.summer.store.imports.small_store import IDS, write_small_store

WIDTHS = {"text": 4, "audio": 3, "video": 2}
LENGTHS = {0: 2, 1: 1, 2: 3, 3: 2}  # utterances of each dialogue
TRAIN, DEV, TEST = [0, 1], [2], [3]
ABSENT: dict[int, Any] = {}


def vectors(kind: str, offset: float = 0) -> dict[int, list[np.ndarray]]:
    """Dialogue d, turn t: d + t / 10 + offset, as often as the modality is wide; never zero."""
    return {
        d: [np.full(WIDTHS[kind], 1 + d + t / 10 + offset, dtype=np.float64) for t in range(count)]
        for d, count in LENGTHS.items()
    }


IDENTIFIERS = {d: list(range(count)) for d, count in LENGTHS.items()}
SPEAKERS = {d: [[int(slot == t % 2) for slot in range(9)] for t in range(n)] for d, n in LENGTHS.items()}
EMOTIONS = {0: [0, 1], 1: [2], 2: [3, 4, 5], 3: [4, 0]}
SENTIMENTS = {d: [0] * count for d, count in LENGTHS.items()}
SENTENCES = {d: [f"line {d}.{t}" for t in range(count)] for d, count in LENGTHS.items()}
TEXT, AUDIO, VIDEO = vectors("text"), vectors("audio"), vectors("video")
ROBERTA = [vectors("text", offset) for offset in (0, 10, 20, 30)]

HEAD = (IDENTIFIERS, SPEAKERS, EMOTIONS)
TUPLES: dict[str, list[Sequence[Any]]] = {
    "mmgcn": [
        (*HEAD, TEXT, AUDIO, VIDEO, SENTENCES, TRAIN + DEV, TEST),
        (*HEAD, TEXT, AUDIO, VIDEO, SENTENCES, TRAIN + DEV, TEST, SENTIMENTS),
    ],
    "dialoguernn-iemocap": [(*HEAD, TEXT, AUDIO, VIDEO, SENTENCES, {0, 1, 2}, {3})],
    "dialoguernn-meld": [(*HEAD, TEXT, AUDIO, SENTENCES, TRAIN + DEV, TEST, SENTIMENTS)],
    "cosmic-iemocap": [[SPEAKERS, EMOTIONS, *ROBERTA, SENTENCES, TRAIN, TEST, DEV]],
    "cosmic-meld": [[SPEAKERS, EMOTIONS, SENTIMENTS, *ROBERTA, SENTENCES, TRAIN, TEST, DEV]],
    "sdt": [
        (*HEAD, *ROBERTA, AUDIO, VIDEO, SENTENCES, TRAIN + DEV, TEST),
        (*HEAD, *ROBERTA, AUDIO, VIDEO, SENTENCES, TRAIN + DEV, TEST, SENTIMENTS),
    ],
    "graphsmile": [
        (*HEAD, *ROBERTA, AUDIO, VIDEO, SENTENCES, TRAIN + DEV, TEST),
        (*HEAD, SENTIMENTS, *ROBERTA, AUDIO, VIDEO, SENTENCES, TRAIN + DEV, TEST, None),
    ],
    "multiemo": [
        (*HEAD, ABSENT, ABSENT, ABSENT, SENTENCES, {0, 1, 2}, {3}),
        (*HEAD, ABSENT, ABSENT, ABSENT, SENTENCES, TRAIN + DEV, TEST, SENTIMENTS),
    ],
}
CASES = [(layout, place) for layout, tuples in TUPLES.items() for place in range(len(tuples))]


def dumped(folder: Path, content: object, name: str = "features.pkl") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(pickle.dumps(content))
    return path


def source(folder: Path, layout: str, content: object) -> Path:
    if layout != "multiemo":
        return dumped(folder, content)
    for name, features in (("Text", TEXT), ("Audio", AUDIO), ("Visual", VIDEO)):
        dumped(folder, features, f"{name}Features.pkl")
    dumped(folder, content, "Speakers.pkl")
    return folder


def options(layout: str = "mmgcn", **changes: Any) -> PickleOptions:
    return PickleOptions(**{"layout": layout, "corpus": "meld", **changes})


def imported(folder: Path, layout: str, content: object, **changes: Any) -> dict[str, ImportedStore]:
    stores = import_pickle(source(folder / "pickled", layout, content), options(layout, **changes))
    return {store.header.modality.value: store for store in stores}


def mmgcn(**changes: Any) -> list[Any]:
    """MMGCN's tuple for MELD with some places exchanged."""
    names = ("ids", "speakers", "labels", "text", "audio", "video", "sentences", "train", "test", "last")
    places = dict(zip(names, TUPLES["mmgcn"][1], strict=True))
    return list({**places, **changes}.values())


def test_every_layout_is_tried_here() -> None:
    assert set(TUPLES) == set(LAYOUTS)
    for layout, shapes in LAYOUTS.items():
        assert [len(shape.split()) for shape in shapes] == [len(content) for content in TUPLES[layout]]


@pytest.mark.parametrize(("layout", "place"), CASES)
def test_every_layout_gives_the_same_utterances_and_its_modalities(
    layout: str, place: int, tmp_path: Path
) -> None:
    has_dev = layout.startswith("cosmic")
    dev = () if has_dev else ("2",)
    stores = imported(tmp_path, layout, TUPLES[layout][place], dev_dialogues=dev, text_layers="first")
    present = {"cosmic-iemocap": "text", "cosmic-meld": "text", "dialoguernn-meld": "text audio"}
    assert list(stores) == present.get(layout, "text audio video").split()
    for modality, store in stores.items():
        utterances = store.rows.utterances
        assert [u.id for u in utterances[:4]] == [
            "train/dia0_utt0",
            "train/dia0_utt1",
            "train/dia1_utt0",
            "dev/dia2_utt0",
        ]
        assert [u.split for u in utterances] == [Split.TRAIN] * 3 + [Split.DEV] * 3 + [Split.TEST] * 2
        assert [u.speaker for u in utterances[:3]] == ["speaker0", "speaker1", "speaker0"]
        assert [u.label for u in utterances] == [
            *("neutral", "surprise", "fear", "sadness", "joy", "disgust", "joy", "neutral")
        ]
        assert [u.text for u in utterances[:4]] == ["line 0.0", "line 0.1", "line 1.0", "line 2.0"]
        expected = [1 + d + t / 10 for d, count in LENGTHS.items() for t in range(count)]
        assert store.vectors.shape == (8, WIDTHS[modality])
        np.testing.assert_array_equal(store.vectors[:, -1], np.array(expected, dtype=np.float32))
        assert store.header.complete
        assert store.notes == ()


def test_layers_of_text_are_averaged_or_laid_side_by_side(tmp_path: Path) -> None:
    content = TUPLES["cosmic-meld"][0]
    mean = imported(tmp_path, "cosmic-meld", content)["text"]
    np.testing.assert_allclose(mean.vectors[0], 1 + 15, rtol=1e-6)
    side_by_side = imported(tmp_path, "cosmic-meld", content, text_layers="concat")["text"]
    assert side_by_side.vectors[0].tolist() == [1] * 4 + [11] * 4 + [21] * 4 + [31] * 4
    assert mean.header.fingerprint != side_by_side.header.fingerprint


def test_an_exported_pickle_comes_back_equal(tmp_path: Path) -> None:
    for modality in (Modality.TEXT, Modality.VIDEO):
        write_small_store(tmp_path / f"{modality}.h5", modality)
    with FeatureStore(tmp_path / "text.h5") as text, FeatureStore(tmp_path / "video.h5") as video:
        export_pickle([text, video], tmp_path / "features.pkl")
        was, features = text.rows, text.features()
    stores = import_pickle(tmp_path / "features.pkl", options())
    assert [store.header.modality for store in stores] == [Modality.TEXT, Modality.VIDEO]
    for store in stores:
        (tmp_path / "back").mkdir(exist_ok=True)
        write_store(store, tmp_path / "back" / "store.h5")
        with FeatureStore(tmp_path / "back" / "store.h5") as back:
            np.testing.assert_array_equal(back.features(), features)
            assert back.rows.usable.tolist() == was.usable.tolist()
            for name in ("id", "split", "dialogue", "text", "label"):
                assert [getattr(u, name) for u in back.rows.utterances] == [
                    getattr(u, name) for u in was.utterances
                ]
    assert [u.id for u in stores[0].rows.utterances] == list(IDS)


SENTENCES_OF_DIALOGUE_2 = [
    (["a", "b", "c"], ["a", "b", "c"], 0),
    (("a", np.str_("b"), "c"), ["a", "b", "c"], 0),
    (np.array(["a", "b", "c"]), ["a", "b", "c"], 0),
    (["half \ud83d", "\0", ""], ["half ?", "\0", ""], 0),
    ([], ["", "", ""], 0),
    (["a", "b"], ["", "", ""], 1),
    ("abc", ["", "", ""], 1),
    (None, ["", "", ""], 1),
    (["a", None, "c"], ["", "", ""], 1),
    ([["a"], ["b", "c"], ["d"]], ["", "", ""], 1),
    (np.array("abc"), ["", "", ""], 1),
]


@pytest.mark.parametrize(("sentences", "words", "left_out"), SENTENCES_OF_DIALOGUE_2)
def test_sentences_that_do_not_fit_are_left_out_and_counted_but_refuse_nothing(
    sentences: object, words: list[str], left_out: int, tmp_path: Path
) -> None:
    content = mmgcn(sentences={**SENTENCES, 2: sentences})
    store = imported(tmp_path, "mmgcn", content, dev_dialogues=("2",))["audio"]
    write_store(store, tmp_path / "audio.h5")
    with FeatureStore(tmp_path / "audio.h5") as back:
        assert [u.text for u in back.rows.utterances[3:6]] == words
        assert back.rows.utterances[0].text == "line 0.0"
    note = "1 dialogues have sentences that are not one text per label: left out"
    assert store.notes == ((note,) if left_out else ())


@pytest.mark.parametrize("sentences", [None, {}, ["a"], {7: ["x"]}])
def test_a_pickle_without_sentences_gives_stores_without_words(sentences: object, tmp_path: Path) -> None:
    store = imported(tmp_path, "mmgcn", mmgcn(sentences=sentences), dev_dialogues=("2",))["text"]
    assert not store.rows.has_words
    assert store.notes == ()


def test_sentences_change_neither_the_digest_nor_the_vectors(tmp_path: Path) -> None:
    stores = imported(tmp_path, "mmgcn", mmgcn()), imported(tmp_path, "mmgcn", mmgcn(sentences=None))
    assert len({each["text"].header.corpus_digest for each in stores}) == 1
    np.testing.assert_array_equal(*(each["text"].vectors for each in stores))


def test_stores_of_one_pickle_belong_together_and_other_splits_do_not(tmp_path: Path) -> None:
    stores = imported(tmp_path, "mmgcn", mmgcn())
    assert len({store.header.corpus_digest for store in stores.values()}) == 1
    assert len({store.header.fingerprint for store in stores.values()}) == 3
    other = imported(tmp_path, "mmgcn", mmgcn(), dev_dialogues=("2",))
    assert other["text"].header.corpus_digest != stores["text"].header.corpus_digest
    assert other["text"].header.fingerprint != stores["text"].header.fingerprint


def test_iemocap_keeps_its_own_ids_sexes_and_labels(tmp_path: Path) -> None:
    names = {"Ses01F_impro01": 2, "Ses05M_script01": 1}
    content = (
        {name: [f"{name}_F{turn:03}" for turn in range(count)] for name, count in names.items()},
        {name: ["F", "M"][:count] for name, count in names.items()},
        {name: np.arange(4, 4 + count) for name, count in names.items()},
        *({name: np.ones((count, 2)) for name, count in names.items()} for _ in range(3)),
        {name: [""] * count for name, count in names.items()},
        {"Ses01F_impro01"},
        {"Ses05M_script01"},
    )
    store = imported(tmp_path, "dialoguernn-iemocap", content, corpus="iemocap")["audio"]
    assert [u.id for u in store.rows.utterances] == [
        *("Ses01F_impro01_F000", "Ses01F_impro01_F001", "Ses05M_script01_F000")
    ]
    assert [u.speaker for u in store.rows.utterances] == ["F", "M", "F"]
    assert [u.label for u in store.rows.utterances] == ["exc", "fru", "exc"]
    assert [u.dialogue for u in store.rows.utterances][2] == "Ses05M_script01"
    assert "--dev-dialogues" in store.notes[0]


def test_sets_of_dialogues_are_taken_in_the_same_order_every_time(tmp_path: Path) -> None:
    names = [f"Ses0{number}" for number in range(9)]
    content = (
        {name: [f"{name}_a"] for name in names},
        {name: ["M"] for name in names},
        {name: [0] for name in names},
        *({name: [[1.0]] for name in names} for _ in range(3)),
        {},
        set(names[:8]),
        {names[8]},
    )
    store = imported(tmp_path, "dialoguernn-iemocap", content)["text"]
    assert [u.dialogue for u in store.rows.utterances] == names


def test_vectors_that_are_not_there_or_not_finite_get_a_status_with_a_reason(tmp_path: Path) -> None:
    audio = vectors("audio")
    audio[0][0][:] = 0
    audio[0][1][1] = np.nan
    del audio[3]
    stores = imported(tmp_path, "mmgcn", mmgcn(audio=audio))
    rows = stores["audio"].rows
    assert [status.value for status in rows.statuses] == ["missing", "corrupt", *["ok"] * 4, *["missing"] * 2]
    assert rows.reasons[:2] == ["its vector is all zeros", "1 of its 3 values are not finite"]
    assert rows.reasons[-1] == "features.pkl has no audio of dialogue 3"
    assert not stores["audio"].vectors[~rows.usable].any()
    assert stores["text"].rows.usable.all()


def test_labels_and_speakers_that_are_not_known_are_kept_as_such(tmp_path: Path) -> None:
    content = mmgcn(labels={**EMOTIONS, 1: [-1]}, speakers={**SPEAKERS, 1: [[0] * 9], 3: [5, np.int64(2)]})
    utterances = imported(tmp_path, "mmgcn", content)["text"].rows.utterances
    assert (utterances[2].label, utterances[2].speaker) == ("", "unknown")
    assert [u.speaker for u in utterances[-2:]] == ["speaker5", "speaker2"]


def test_a_tenth_place_that_names_dialogues_of_train_is_dev(tmp_path: Path) -> None:
    store = imported(tmp_path, "mmgcn", mmgcn(last=DEV))["text"]
    assert {u.dialogue for u in store.rows.utterances if u.split is Split.DEV} == {"2"}
    elsewhere = imported(tmp_path, "mmgcn", mmgcn(last=[2, 7]))["text"]
    assert Split.DEV not in {u.split for u in elsewhere.rows.utterances}
    with pytest.raises(ImportFileError, match="has a dev split of 1 dialogues itself"):
        imported(tmp_path, "mmgcn", mmgcn(last=DEV), dev_dialogues=("1",))


def test_dialogues_of_no_split_are_left_out_and_counted(tmp_path: Path) -> None:
    store = imported(tmp_path, "mmgcn", mmgcn(train=[0], last=None))["text"]
    assert len(store.rows) == 4
    assert store.notes[0] == "2 dialogues that are in no split, or empty, are left out"
    empty = mmgcn(**{name: {9: [], **EMOTIONS} for name in ("ids", "speakers", "labels")}, train=[9, 0, 1])
    empty[1] = {9: [], **SPEAKERS}
    assert len(imported(tmp_path, "mmgcn", empty)["text"].rows) == 5


def test_other_label_sets_are_named_in_their_order(tmp_path: Path) -> None:
    labels = ("a", "b", "c", "d", "e", "f")
    store = imported(tmp_path, "mmgcn", mmgcn(), corpus="mine", labels=labels)["text"]
    assert store.header.labels == labels
    assert store.rows.utterances[0].label == "a"
    with pytest.raises(ImportFileError, match="labels of corpus 'mine' are not known; .*--labels"):
        options(corpus="mine")


def short(values: dict[int, Any], dialogue: int) -> dict[int, Any]:
    return {**values, dialogue: values[dialogue][:-1]}


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: mmgcn(audio=short(AUDIO, 2)), "dialogue '2' has 3 labels and 2 audio"),
    (lambda: mmgcn(labels=short(EMOTIONS, 2)), "dialogue '2' has 2 labels and 3 speakers"),
    (lambda: mmgcn(ids=short(IDENTIFIERS, 3)), "dialogue '3' has 2 labels and 1 ids"),
    (lambda: mmgcn(labels={**EMOTIONS, 1: [7]}), "dialogue '1' has the label 7, classes are 0 to 6"),
    (lambda: mmgcn(labels={**EMOTIONS, 1: [0.5]}), "dialogue '1' has the label 0.5"),
    (lambda: mmgcn(labels={**EMOTIONS, 1: [[0, 1]]}), "dialogue '1' has the label"),
    (lambda: mmgcn(speakers={**SPEAKERS, 1: [[1, 1]]}), "dialogue '1' has the speaker"),
    (
        lambda: mmgcn(text={**TEXT, 2: [[1.0] * 5] * 3}),
        "text vectors are 4 wide .* and 5 wide in dialogue '2'",
    ),
    (
        lambda: mmgcn(text={**TEXT, 2: [[1.0], [1.0, 2.0], [1.0]]}),
        "text vectors of dialogue '2' make no table",
    ),
    (lambda: mmgcn(text={**TEXT, 2: ["a", "b", "c"]}), "text vectors of dialogue '2' make no table"),
    (lambda: mmgcn(audio={**AUDIO, 0: None}), "audio of dialogue '0' is a NoneType, not a list"),
    (lambda: mmgcn(labels={**EMOTIONS, 1: 2}), "labels of dialogue '1' is a int, not a list"),
    (lambda: mmgcn(labels={**EMOTIONS, 1: np.array(2)}), "labels of dialogue '1' is a ndarray"),
    (lambda: mmgcn(test=[3, 0]), "dialogue '0' in test and in train"),
    (lambda: mmgcn(test=[3, 9]), "no labels of dialogue '9'"),
    (lambda: mmgcn(test=[3, 3]), "test names a dialogue twice"),
    (lambda: mmgcn(test={3: "x"}), "test is not a list of names of dialogues"),
    (lambda: mmgcn(train=[], test=[]), "names no dialogue in train or test"),
    (lambda: mmgcn(labels=[1, 2]), "place 2 of layout mmgcn is labels by dialogue, here it is a list"),
    (lambda: mmgcn(text={}, audio={}, video={}), "has no text or audio or video features"),
    (lambda: mmgcn()[:8], "a tuple of 8, layout mmgcn has 9 or 10; .* none that is known"),
    (lambda: TUPLES["cosmic-meld"][0], "a tuple of 11, .* --layout cosmic-meld"),
    (lambda: {"labels": 1}, "holds a dict, layout mmgcn is a tuple"),
]


@pytest.mark.parametrize(("content", "told"), BAD)
def test_an_odd_pickle_is_one_explained_error(
    content: Callable[[], object], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ImportFileError, match=told) as error:
        imported(tmp_path, "mmgcn", content())
    assert "features.pkl" in str(error.value)


def test_a_dev_dialogue_that_is_not_in_train_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="no dialogue '3' in train; its first is '0'"):
        imported(tmp_path, "mmgcn", mmgcn(), dev_dialogues=("2", "3"))


def test_an_unknown_layout_and_a_missing_file_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="layout 'mmgnc' is not one of mmgcn, "):
        options("mmgnc")
    with pytest.raises(ImportFileError, match=r"Speakers\.pkl cannot be read: No such file"):
        import_pickle(tmp_path, options("multiemo"))


def test_multiemo_without_one_of_its_files_has_that_modality_less(tmp_path: Path) -> None:
    folder = source(tmp_path / "MELD", "multiemo", TUPLES["multiemo"][1])
    (folder / "VisualFeatures.pkl").unlink()
    stores = import_pickle(folder / "Speakers.pkl", options("multiemo"))
    assert [store.header.modality.value for store in stores] == ["text", "audio"]
    assert stores[1].header.settings["source"] == "Speakers.pkl, AudioFeatures.pkl"
    assert all(status is Status.OK for status in stores[1].rows.statuses)
    dumped(folder, [1], "AudioFeatures.pkl")
    with pytest.raises(ImportFileError, match=r"AudioFeatures\.pkl holds a list, not vectors by dialogue"):
        import_pickle(folder, options("multiemo"))
