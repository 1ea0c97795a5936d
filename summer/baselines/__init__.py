"""Rivals of SUMMER, one model per file: a class, a dataclass of options, a builder, and one line here.

`docs/add-a-model.md` shows how another comes in. They run on the same stores, splits, selection and seeds as
SUMMER's own teacher and student, and never import `summer.model`.
"""

from collections.abc import Mapping

from summer.baselines import corect, dialogue_gcn, mlp, mmgcn
from summer.classifier import ModelKind

BASELINES: Mapping[str, ModelKind] = {
    "mlp": mlp.KIND,
    "mmgcn": mmgcn.KIND,
    "dialogue-gcn": dialogue_gcn.KIND,
    "corect": corect.KIND,
}
