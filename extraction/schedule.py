"""What text encoders and face networks are tuned by alike: AdamW, its rate rising and falling linearly."""

from __future__ import annotations


def check_schedule(*, learning_rate: float, weight_decay: float, warmup_share: float) -> None:
    """Refuse numbers that no tuning can have.

    Args:
        learning_rate: the highest, reached after the warm-up.
        warmup_share: of all steps, over which the learning rate rises from 0.

    Raises:
        ValueError: names all three and their limits.
    """
    if not (learning_rate > 0 and weight_decay >= 0 and 0 <= warmup_share < 1):
        raise ValueError(
            f"learning rate {learning_rate}, weight decay {weight_decay}, warm-up share {warmup_share}: give "
            "a rate above 0, a decay of 0 or more, a share in [0, 1)"
        )
