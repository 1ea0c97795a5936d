"""Rivals of SUMMER, one model per file: a class, a dataclass of options, a builder, and one line here.

`docs/add-a-model.md` shows how another comes in. They run on the same stores, splits, selection and seeds as
SUMMER's own teacher and student, and never import `summer.model`.
"""

from collections.abc import Mapping

from summer.baselines import (
    bi_gru,
    chfusion,
    corect,
    dialogue_gcn,
    dialogue_rnn,
    linear,
    mlp,
    mmgcn,
    multi_emo,
    sdt,
)
from summer.classifier import ModelKind

BASELINES: Mapping[str, ModelKind] = {
    "majority": linear.MAJORITY,
    "regression": linear.REGRESSION,
    "encoder-head": linear.ENCODER_HEAD,
    "mlp": mlp.KIND,
    "bi-gru": bi_gru.KIND,
    "dialogue-rnn": dialogue_rnn.KIND,
    "dialogue-gcn": dialogue_gcn.KIND,
    "mmgcn": mmgcn.KIND,
    "corect": corect.KIND,
    "multi-emo": multi_emo.KIND,
    "sdt": sdt.KIND,
    "chfusion": chfusion.KIND,
}
