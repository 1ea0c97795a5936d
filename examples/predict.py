"""Ask a trained model about conversations: from stores, or from vectors in memory.

python examples/predict.py runs/demo data/stores/demo
"""

import sys
from pathlib import Path

from summer import load_model


def main(run: Path, stores: Path) -> None:
    """Print what the student of the first seed says of the test split."""
    model = load_model(run)
    print(f"{model.name} of {model.origin.corpus}, reads {', '.join(model.modalities)}")
    for predictions in model.predict_stores(sorted(stores.glob("*.h5"))):
        if predictions.split == "test":
            for name, guess, row in zip(
                predictions.ids, predictions.guesses, predictions.probabilities, strict=True
            ):
                print(f"{name}: {model.labels.names[guess]} ({row[guess]:.0%})")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
