"""A layout's tuple as utterances in corpus order: who speaks, which label, which split.

Utterances keep their ids where these are text and unique in the whole pickle, as IEMOCAP's are; else they are
named `train/dia0_utt0`. A dialogue `train/0`, as `summer-data export` names it, becomes dialogue 0 of train.
Sentences become the utterances' words; a dialogue whose sentences are not one text per label has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from summer.corpus import UNKNOWN_LABEL, Split, Utterance
from summer.store.imports.layouts import BY_DIALOGUE, LAYOUTS
from summer.store.imports.unpickle import ImportFileError

UNKNOWN_SPEAKER = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One dialogue of a pickle: its key there, and its utterances in order.

    Args:
        words_left_out: whether the pickle has sentences of it that do not fit its labels.
    """

    key: Any
    utterances: tuple[Utterance, ...]
    words_left_out: bool = False


def fields_of_layout(path: Path, content: object, layout: str) -> dict[str, Any]:
    """The tuple's places by name.

    Raises:
        ImportFileError: no tuple, another number of places, or a place that is not keyed by dialogue.
    """
    shapes = {len(shape.split()): shape.split() for shape in LAYOUTS[layout]}
    if not isinstance(content, tuple | list):
        raise ImportFileError(
            f"{path} holds a {type(content).__name__}, layout {layout} is a tuple of "
            f"{' or '.join(map(str, shapes))}; give the pickle of features"
        )
    if len(content) not in shapes:
        fitting = [name for name, lines in LAYOUTS.items() if len(content) in [len(x.split()) for x in lines]]
        raise ImportFileError(
            f"{path} holds a tuple of {len(content)}, layout {layout} has {' or '.join(map(str, shapes))}; "
            f"of that length is --layout {', '.join(fitting) or 'none that is known'}"
        )
    fields = {n: value for n, value in zip(shapes[len(content)], content, strict=True) if n != "-"}
    for place, name in enumerate(shapes[len(content)]):
        if name in BY_DIALOGUE and not isinstance(content[place], dict):
            raise ImportFileError(
                f"{path}: place {place} of layout {layout} is {name} by dialogue, here it is a "
                f"{type(content[place]).__name__}; choose another --layout"
            )
    return fields


def conversations(
    path: Path, fields: Mapping[str, Any], *, labels: Sequence[str], dev_dialogues: Iterable[str] = ()
) -> list[Conversation]:
    """All dialogues of train, dev and test that have an utterance, in that order.

    Args:
        labels: names of the class indices; -1 is a label that is not known.
        dev_dialogues: names of those of train that are dev; only where the layout has no dev.

    Raises:
        ImportFileError: a dialogue in two splits or without labels, lengths that disagree, an unnamed class.
    """
    split_of = _splits(path, fields, set(dev_dialogues))
    ids_are_unique = _ids_are_unique(fields)
    found = []
    for split in Split:
        for key in (key for key, its_split in split_of.items() if its_split is split):
            classes, speakers, parts = _columns(path, fields, key)
            words = _words(fields, key, len(classes))
            name = str(key).removeprefix(f"{split}/")
            utterances = tuple(
                Utterance(
                    id=str(parts[turn]) if ids_are_unique else _built_id(split, name, parts[turn]),
                    split=split,
                    dialogue=name,
                    turn=turn,
                    speaker=_speaker(path, key, speakers[turn]),
                    text=words[turn] if words else "",
                    label=_label(path, key, classes[turn], labels),
                )
                for turn in range(len(classes))
            )
            found.append(Conversation(key=key, utterances=utterances, words_left_out=words is None))
    return [conversation for conversation in found if conversation.utterances]


def _splits(path: Path, fields: Mapping[str, Any], dev_names: set[str]) -> dict[Any, Split]:
    train, test = _names(path, fields, "train"), _names(path, fields, "test")
    dev = _declared_dev(path, fields, train)
    if dev and dev_names:
        raise ImportFileError(
            f"{path} has a dev split of {len(dev)} dialogues itself; leave out --dev-dialogues"
        )
    strangers = dev_names - {str(key) for key in train}
    if strangers:
        raise ImportFileError(
            f"{path} has no dialogue {min(strangers)!r} in train; its first is "
            f"{str(next(iter(train), ''))!r}; "
            "correct the file of --dev-dialogues"
        )
    dev = dev or [key for key in train if str(key) in dev_names]
    both = (set(train) | set(dev)) & set(test)
    if both:
        raise ImportFileError(
            f"{path} has dialogue {str(min(both, key=str))!r} in test and in train or dev; take it out of one"
        )
    split_of = dict.fromkeys(train, Split.TRAIN) | dict.fromkeys(dev, Split.DEV)
    return split_of | dict.fromkeys(test, Split.TEST)


def _declared_dev(path: Path, fields: Mapping[str, Any], train: list[Any]) -> list[Any]:
    if "dev" in fields:
        return _names(path, fields, "dev")
    value = fields.get("dev?")
    if not isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return []
    names = _names(path, fields, "dev?")
    return names if set(names) <= set(train) else []


def _names(path: Path, fields: Mapping[str, Any], field: str) -> list[Any]:
    value = fields[field]
    if isinstance(value, set | frozenset):
        value = sorted(value, key=lambda name: (str(type(name)), name))  # sets have no order of their own
    names = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(names, list | tuple) or not all(isinstance(n, int | str | np.generic) for n in names):
        raise ImportFileError(
            f"{path}: {field.rstrip('?')} is not a list of names of dialogues; choose another --layout"
        )
    if len(set(names)) < len(names):
        raise ImportFileError(f"{path}: {field.rstrip('?')} names a dialogue twice; keep it once")
    return list(names)


def _ids_are_unique(fields: Mapping[str, Any]) -> bool:
    ids = [name for names in fields.get("ids", {}).values() for name in names]
    return bool(ids) and all(isinstance(name, str) for name in ids) and len(set(ids)) == len(ids)


def _columns(path: Path, fields: Mapping[str, Any], key: Any) -> tuple[list[Any], list[Any], list[Any]]:
    absent = [name for name in ("labels", "speakers") if key not in fields[name]]
    if absent:
        raise ImportFileError(
            f"{path} has no {absent[0]} of dialogue {str(key)!r}, which its splits name; take it out of the "
            "splits"
        )
    classes = entries(path, fields["labels"][key], field="labels", key=key)
    speakers = entries(path, fields["speakers"][key], field="speakers", key=key, count=len(classes))
    parts = fields.get("ids", {}).get(key, range(len(classes)))
    return classes, speakers, entries(path, parts, field="ids", key=key, count=len(classes))


def _words(fields: Mapping[str, Any], key: Any, count: int) -> list[str] | None:
    """The `count` sentences of a dialogue, "" where the pickle has none; None where they do not fit it.

    Sentences are not needed to train, so odd ones are no reason to refuse the pickle.
    """
    sentences = fields.get("sentences")
    values = sentences.get(key, ()) if isinstance(sentences, Mapping) else ()
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(values, list | tuple) or len(values) not in (0, count):
        return None
    if not all(isinstance(value, str) for value in values):
        return None
    # Half of a surrogate pair, which a pickle can hold and UTF-8 cannot, becomes a question mark.
    return [value.encode("utf-8", "replace").decode() for value in values] or [""] * count


def entries(path: Path, values: object, *, field: str, key: object, count: int | None = None) -> list[Any]:
    """What a pickle holds for each utterance of the dialogue `key`.

    Raises:
        ImportFileError: no list, or not `count` entries.
    """
    if not isinstance(values, list | tuple | range | np.ndarray) or getattr(values, "shape", None) == ():
        raise ImportFileError(
            f"{path}: {field} of dialogue {str(key)!r} is a {type(values).__name__}, not a list; choose "
            "another --layout"
        )
    if count is not None and len(values) != count:
        raise ImportFileError(
            f"{path}: dialogue {str(key)!r} has {count} labels and {len(values)} {field}; correct it, or "
            "take it out of the splits"
        )
    return list(values)


def _built_id(split: Split, dialogue: str, part: object) -> str:
    return f"{split}/{'dia' if dialogue.isdigit() else ''}{dialogue}_utt{part}"


def _speaker(path: Path, key: Any, value: Any) -> str:
    """`M` and `F` stay; a slot of a one-hot vector, or a number, is speaker0, speaker1, ..."""
    if isinstance(value, str):
        return value
    numbers = np.asarray(value)
    if numbers.dtype.kind in "biuf" and numbers.ndim == 0:
        return f"speaker{int(numbers)}"
    slots = np.flatnonzero(numbers).tolist()
    if numbers.ndim != 1 or len(slots) > 1 or numbers.dtype.kind not in "biuf":
        raise ImportFileError(
            f"{path}: dialogue {str(key)!r} has the speaker {str(value)[:40]}; speakers are names, or "
            "one-hot vectors"
        )
    return f"speaker{slots[0]}" if slots else UNKNOWN_SPEAKER


def _label(path: Path, key: Any, value: Any, labels: Sequence[str]) -> str:
    number = np.asarray(value)
    is_index = number.ndim == 0 and number.dtype.kind in "biuf" and float(number).is_integer()
    if not is_index or not UNKNOWN_LABEL <= int(number) < len(labels):
        raise ImportFileError(
            f"{path}: dialogue {str(key)!r} has the label {str(value)[:40]}, classes are 0 to "
            f"{len(labels) - 1} "
            f"({', '.join(labels)}); give the right --corpus, --labels or --layout"
        )
    return "" if int(number) == UNKNOWN_LABEL else labels[int(number)]
