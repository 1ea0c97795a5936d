"""Train teacher, student and a rival from Python, on stores that summer-extract has made.

python examples/train_from_python.py data/stores/demo runs/from-python
"""

import sys
from pathlib import Path

from summer import ModelOptions, Settings, TrainingOptions, train


def main(stores: Path, out: Path) -> None:
    """Two epochs of a small model; leave the numbers out for the paper's."""
    quick = TrainingOptions(learning_rate=3e-3, batch_dialogues=8, most_epochs=2)
    settings = Settings(
        model=ModelOptions(width=32, layers=1, experts=2, encoder_skip=True), teacher=quick, student=quick
    )
    run = train(
        out,
        sorted(stores.glob("*.h5")),
        settings=settings,
        models=["teacher", "student", "mlp"],
        seeds=[0, 1],
        device="cpu",
    )
    print(run.title, run.models)
    for model in run.models:
        print(model, run.results[model]["test"]["w_f1_mean"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
