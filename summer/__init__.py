"""SUMMER: unimodal-driven distillation for multimodal emotion recognition in conversations.

The public names, each loaded when it is asked for: `import summer` loads neither torch nor h5py.

    read        FeatureStore, read_conversations
    train       train, Settings, ModelOptions, TrainingOptions, LossWeights
    use         load_model (an EmotionModel), read_run (a Run), score, paired_test
                predict (a recording of your own; its home is not this package: it needs extractors)
    words       Utterance, Dialogue, LabelSet, Modality, Split, Status

`examples/` shows them at work.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from summer.conversations.reading import read_conversations
    from summer.corpus import Dialogue, LabelSet, Modality, Split, Status, Utterance
    from summer.evaluation.scores import score
    from summer.evaluation.significance import paired_test
    from summer.options import LossWeights, ModelOptions, TrainingOptions
    from summer.runs.experiment import train
    from summer.runs.model import EmotionModel, load_model
    from summer.runs.reading import Run, read_run
    from summer.store import FeatureStore
    from summer.training.seed import Settings

_HOMES = {
    "Dialogue": "summer.corpus",
    "EmotionModel": "summer.runs.model",
    "FeatureStore": "summer.store",
    "LabelSet": "summer.corpus",
    "LossWeights": "summer.options",
    "Modality": "summer.corpus",
    "ModelOptions": "summer.options",
    "Run": "summer.runs.reading",
    "Settings": "summer.training.seed",
    "Split": "summer.corpus",
    "Status": "summer.corpus",
    "TrainingOptions": "summer.options",
    "Utterance": "summer.corpus",
    "load_model": "summer.runs.model",
    "predict": "pipelines.predict.python",
    "paired_test": "summer.evaluation.significance",
    "read_conversations": "summer.conversations.reading",
    "read_run": "summer.runs.reading",
    "score": "summer.evaluation.scores",
    "train": "summer.runs.experiment",
}

__all__ = [
    "Dialogue",
    "EmotionModel",
    "FeatureStore",
    "LabelSet",
    "LossWeights",
    "Modality",
    "ModelOptions",
    "Run",
    "Settings",
    "Split",
    "Status",
    "TrainingOptions",
    "Utterance",
    "load_model",
    "paired_test",
    "predict",
    "read_conversations",
    "read_run",
    "score",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'summer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
