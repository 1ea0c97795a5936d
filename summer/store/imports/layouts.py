"""The tuples that published code on emotion in conversations pickles: a line per layout, a word per place.

    ids, speakers, labels, sentences     {dialogue: one entry per utterance}
    text, text2, text3, text4            {dialogue: vectors}; RoBERTa's last layer, then the three before
    audio, video                         {dialogue: vectors}
    train, test, dev                     names of dialogues; train may hold those of dev, which then are dev
    dev?                                 dev if it is a list of names of dialogues, else not used
    -                                    not used

Read off the loaders of these repositories (nothing of theirs is copied):
mmgcn               hujingwen6666/MMGCN dataloader.py: 9 for IEMOCAP, 10 for MELD; `summer-data export` too
dialoguernn-*       declare-lab/conv-emotion DialogueRNN/dataloader.py; MELD: emotion third, sentiment last
cosmic-*            declare-lab/conv-emotion COSMIC/erc-training/dataloader.py
sdt                 butterfliesss/SDT dataloader.py: 12 for IEMOCAP, 13 for MELD
graphsmile          lijfrank/GraphSmile, as read by others' loaders: 12 for IEMOCAP, 14 for MELD
multiemo            TaoShi1998/MultiEMO Dataset/*.py: a folder: the tuple in Speakers.pkl, a file per modality

In the field's MELD pickles dialogues are numbered through: 0 to 1038 train, 1039 to 1152 dev (listed under
train), 1153 to 1432 test.
"""

from __future__ import annotations

from collections.abc import Mapping

from summer.corpus import Modality

_RNN = "ids speakers labels text audio video sentences train test"
_ROBERTA = "ids speakers labels text text2 text3 text4 audio video sentences train test"

LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "mmgcn": (_RNN, f"{_RNN} dev?"),
    "dialoguernn-iemocap": (_RNN,),
    "dialoguernn-meld": ("ids speakers labels text audio sentences train test -",),
    "cosmic-iemocap": ("speakers labels text text2 text3 text4 sentences train test dev",),
    "cosmic-meld": ("speakers labels - text text2 text3 text4 sentences train test dev",),
    "sdt": (_ROBERTA, f"{_ROBERTA} -"),
    "graphsmile": (
        _ROBERTA,
        "ids speakers labels - text text2 text3 text4 audio video sentences train test -",
    ),
    "multiemo": (
        "ids speakers labels - - - sentences train test",
        "ids speakers labels - - - sentences train test dev?",
    ),
}
BY_DIALOGUE = frozenset(("ids", "speakers", "labels", "text", "text2", "text3", "text4", "audio", "video"))
TEXT_LAYERS = ("text", "text2", "text3", "text4")

MAIN_FILE = {"multiemo": "Speakers.pkl"}
OTHER_FILES: Mapping[str, Mapping[Modality, str]] = {
    "multiemo": {
        Modality.TEXT: "TextFeatures.pkl",
        Modality.AUDIO: "AudioFeatures.pkl",
        Modality.VIDEO: "VisualFeatures.pkl",
    }
}

LABELS_OF_CORPUS: Mapping[str, tuple[str, ...]] = {
    "meld": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    "iemocap": ("hap", "sad", "neu", "ang", "exc", "fru"),
}
