"""DialogueRNN: global, party and emotion GRUs follow a conversation, then emotions attend to each other.

Source: Majumder et al. 2019, "DialogueRNN: An Attentive RNN for Emotion Detection in Conversations", AAAI 33,
arXiv 1811.00405; and the authors' program (declare-lab/conv-emotion, DialogueRNN). Numbers of equations are
ours. At utterance t of speaker s, of whom q_s is the state, `a, b` for vectors side by side:

    u_t   = [x_t, x_a, x_v]                                  modalities side by side                   (1)
    g_t   = GRU_G(g_{t-1}, [u_t, q_s,t-1])                                                             (2)
    c_t   = sum_j alpha_j g_j         alpha = softmax over j < t of u_t W_alpha g_j                    (3)
    q_s,t = GRU_P(q_s,t-1, [u_t, c_t])                       listeners: as they were, or GRU_L         (4)
    e_t   = GRU_E(e_{t-1}, q_s,t)                                                                      (5)
    e_t   = [e_t onwards, e_t from the end]                  BiDialogueRNN                             (6)
    e~_t  = sum_j beta_j e_j          beta = softmax over j of e_t W_beta e_j       "+Att"             (7)
    y_t   = W_2 Dropout(ReLU(W_1 e~_t + b_1)) + b_2                                                    (8)

(2) to (5) are `summer.layers.dialogue_rnn`. BiDialogueRNN+Att is the paper's best, and the default.

Dimensions: batch dialogues, seq utterances, emotion width of e_t, hidden width of equation 8, cls classes.

Departures: a modality that an utterance lacks is zeros in (1); one that lacks all changes no state, and its
own e_t is zeros, which attend to all others alike. The pass from the end takes speakers from the end as well;
the program hands it the speakers from the start. W_beta has no bias, as printed; the program's has one. The
listener update reads u_t and the speaker's state, as in the program: no corpus here has the listeners' faces.
All numbers are the program's, the paper's tables were not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from summer.baselines.checks import check_counts, check_dropouts, check_modalities
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.dialogue_rnn import BilinearAttention, DialogueRNN
from summer.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueRnnOptions:
    """What shapes the model. Defaults are the program's for IEMOCAP; the recipe `meld` has those for MELD.

    Args:
        global_dim, party_dim, emotion_dim: of g, q and e, the last in each direction.
        hidden_dim: of equation 8.
        bidirectional, emotion_attention: equations 6 and 7; the paper's best has both.
        listener_update: whether those who are silent are updated by GRU_L.
        dropout: of the hidden layer.
        state_dropout: of each new state.
        emotion_dropout: of e_t, before equation 7.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    global_dim: int = 500
    party_dim: int = 500
    emotion_dim: int = 500
    hidden_dim: int = 1000
    bidirectional: bool = True
    emotion_attention: bool = True
    listener_update: bool = False
    dropout: float = 0.1
    state_dropout: float = 0.1
    emotion_dropout: float = 0.25
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(
            global_dim=self.global_dim,
            party_dim=self.party_dim,
            emotion_dim=self.emotion_dim,
            hidden_dim=self.hidden_dim,
        )
        check_dropouts(
            dropout=self.dropout, state_dropout=self.state_dropout, emotion_dropout=self.emotion_dropout
        )
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueRnnOutput:
    """What it makes of a batch.

    Args:
        hidden: the hidden layer of equation 8.
    """

    logits: Float[Tensor, "batch seq cls"]
    hidden: Float[Tensor, "batch seq hidden"]


class DialogueRnnClassifier(nn.Module):
    """Any variant of the paper: in one direction or two, with attention over emotions or without."""

    def __init__(self, options: DialogueRnnOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.modalities = tuple(shape.feature_dims)
        self.dialogue_rnn = DialogueRNN(
            input_dim=sum(shape.feature_dims.values()),
            global_dim=options.global_dim,
            party_dim=options.party_dim,
            emotion_dim=options.emotion_dim,
            bidirectional=options.bidirectional,
            listener_update=options.listener_update,
            emotion_attention=None,  # it stands below, behind the dropout of e_t
            dropout=options.state_dropout,
        )
        width = self.dialogue_rnn.output_dim
        self.emotion_dropout = nn.Dropout(options.emotion_dropout)
        self.attention = (
            BilinearAttention(query_dim=width, memory_dim=width) if options.emotion_attention else None
        )
        self.hidden = nn.Linear(width, options.hidden_dim)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(options.hidden_dim, shape.classes)

    def forward(self, batch: ConversationBatch) -> DialogueRnnOutput:
        """Classify each utterance in its conversation."""
        there = batch.any_usable(self.modalities)
        read = torch.cat([batch.known(m) for m in self.modalities], dim=-1)  # (1)
        followed = self.dialogue_rnn(read, batch.speakers, there, batch.parties)  # (2) to (6)
        emotions = self.emotion_dropout(followed)
        if self.attention is not None:
            emotions = self.attention(emotions, emotions, there)  # (7)
        hidden = self.hidden(emotions).relu()
        return DialogueRnnOutput(logits=self.classifier(self.dropout(hidden)), hidden=hidden)  # (8)

    def losses(
        self, output: DialogueRnnOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Cross-entropy over utterances that have any of its modalities."""
        loss = truth_loss(output.logits, batch.labels, batch.any_usable(self.modalities))
        return {"truth": loss, "total": loss}

    def outlook(self, output: DialogueRnnOutput, batch: ConversationBatch) -> Outlook:
        """Logits and the hidden layer; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.logits, features=output.hidden)


KIND = ModelKind(
    options=DialogueRnnOptions,
    build=DialogueRnnClassifier,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=1e-4,
        weight_decay=1e-5,
        batch_dialogues=30,
        most_epochs=60,
        warmup_share=0.0,
        schedule="constant",
    ),
)
