"""Score a finished run: weighted F1 per seed, per class, and a paired test of two of its models.

python examples/score_a_run.py runs/demo
"""

import sys
from pathlib import Path

from summer import Split, paired_test, read_run, score


def main(path: Path) -> None:
    """Print the scores on test."""
    run = read_run(path)
    systems = {
        model: [one for one in run.predictions if one.model == model and one.split is Split.TEST]
        for model in run.models
    }
    for model, seeds in systems.items():
        for one in seeds:
            scores = score(one, run.labels)
            worst = min(scores.per_class, key=lambda label: scores.per_class[label].f1)
            print(f"{model}, seed {one.seed}: w-F1 {scores.w_f1:.3f}, worst class {worst}")
    if {"teacher", "student"} <= systems.keys():
        test = paired_test(systems["teacher"], systems["student"])
        print(f"student less teacher: {100 * test.difference:+.2f} points, p = {test.p_value:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
