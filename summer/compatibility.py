"""Whether a finished model belongs to the features at hand, and a teacher to the student to be trained."""

from __future__ import annotations

from pathlib import Path

from summer.checkpoints import CheckpointError, TrainedModel
from summer.conversations import Conversations
from summer.options import ModelOptions
from summer.speakers import SpeakerIdentities


def check_features(trained: TrainedModel, path: Path, conversations: Conversations) -> None:
    """Refuse a model of other labels, another protocol, or other features.

    Raises:
        CheckpointError: names the file, both values and the remedy.
    """
    origin = trained.origin
    if trained.labels != conversations.labels or origin.protocol != conversations.protocol:
        raise CheckpointError(
            f"{path} was trained for protocol {origin.protocol} ({', '.join(trained.labels.names)}), "
            f"the stores are of {conversations.protocol} ({', '.join(conversations.labels.names)}); "
            "train a new one"
        )
    for modality, fingerprint in conversations.fingerprints.items():
        if origin.fingerprints.get(modality, fingerprint) != fingerprint:
            raise CheckpointError(
                f"{path} was trained on {modality} features {origin.fingerprints[modality][:16]}..., the "
                f"store has {fingerprint[:16]}...; give the store that it was trained on, or train a new one"
            )


def check_teacher(
    trained: TrainedModel, path: Path, options: ModelOptions, identities: SpeakerIdentities
) -> None:
    """Refuse a finished teacher that was made otherwise than this run's student needs it.

    Raises:
        CheckpointError: names the file, the setting, both values and the remedy.
    """
    sizes = trained.teacher_sizes
    pairs: dict[str, tuple[object, object]] = {
        "teacher": (trained.teacher.modality.value, options.teacher.value),
        "width": (sizes.width, options.width),
        "speakers": (trained.identities.rule, options.speakers),
        "longest_dialogue": (sizes.longest_dialogue, options.longest_dialogue),
    }
    if options.fusion == "guided" and options.guidance != "never":
        pairs |= {"heads": (sizes.heads, options.heads), "layers": (sizes.layers, options.layers)}
    for name, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise CheckpointError(
                f"{path} was trained with model.{name} = {theirs}, this run has {ours}; give both the same, "
                "or train a new teacher"
            )
    if trained.identities != identities:
        raise CheckpointError(
            f"{path} tells {len(trained.identities)} speakers apart, this run {len(identities)} or others; "
            "give both the same model.speaker_* settings, or train a new teacher"
        )
