"""What the models of the given runs attended to: each is loaded, and asked of the given stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipelines.report.given import Given, GivenRun
from summer.corpus import Split
from summer.runs.folder import RunError
from summer.runs.model import load_model
from summer.training.attention import Attended


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionOfRuns:
    """What was found.

    Args:
        attended: by model as the page names it, then by id.
        silent: models that do not tell.
    """

    attended: Mapping[str, Mapping[str, Attended]] = field(default_factory=dict)
    silent: tuple[str, ...] = ()


def attention_of_runs(given: Given) -> AttentionOfRuns:
    """Ask every model of every run, of the seed and the splits whose predictions are shown.

    Raises:
        RunError: there is no store, or no run; a run's file of a model is gone.
    """
    if not given.stores or not given.runs:
        raise RunError(
            "--attention asks the models of runs about the utterances of stores; give at least one of each, "
            "or leave it out"
        )
    found, silent = {}, []
    for run in given.runs:
        for model, name in named_models(run, given):
            attended = _asked(run, model, given)
            if attended is None:
                silent.append(name)
            else:
                found[name] = attended
    return AttentionOfRuns(attended=found, silent=tuple(silent))


def named_models(run: GivenRun, given: Given) -> Iterator[tuple[str, str]]:
    """The models of a run, and how the page names them: with the run where there are several."""
    for model in run.run.models:
        yield model, model if len(given.runs) == 1 else f"{run.name}: {model}"


def _asked(run: GivenRun, model: str, given: Given) -> Mapping[str, Attended] | None:
    shown = [one for one in run.run.predictions if one.model == model]
    splits = [split for split in Split if any(one.split is split for one in shown)]
    loaded = load_model(run.run.path, model=model, seed=min(one.seed for one in shown))
    stores = [store.path for store in given.stores]
    if not any(store.header.modality in loaded.modalities for store in given.stores):
        return None
    return loaded.attention_in_stores(stores, splits)
