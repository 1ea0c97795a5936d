"""A manifest of own clips with real sounds, to be extracted in seconds and corrected in a line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from pipelines.extract.command import app
from tests.extraction.corpora.trees import manifest_row, write_csv
from tests.media_factory import Sound, write

LABELS = ("joy", "anger", "neutral")
TEXTS = ("I am so happy that you came", "this is terrible and I hate it", "so what are we doing tonight")


class SmallCorpus:
    """Dialogues of two turns, some of each split, in a folder `clips`; rows are changed as a user would."""

    def __init__(self, folder: Path, *, train: int = 5, dev: int = 2, test: int = 2) -> None:
        self.folder = folder / "clips"
        self.folder.mkdir()
        self.rows: dict[str, dict[str, str]] = {}
        for split, dialogues in (("train", train), ("dev", dev), ("test", test)):
            for number in range(dialogues):
                for turn in range(2):
                    self.add(f"{split}{number}_{turn}", split=split, dialogue=f"{split}{number}", turn=turn)

    def add(self, name: str, *, split: str, dialogue: str, turn: int) -> None:
        count = len(self.rows)
        media = f"{name}.wav"
        tones = Sound(seconds=0.3, rate=16_000, hertz=(200.0 + 37 * count,), codec="pcm_s16le")
        write(self.folder / media, sound=tones)
        self.rows[name] = manifest_row(
            name,
            split=split,
            dialogue=dialogue,
            turn=str(turn),
            speaker=f"speaker {turn + 1}",
            text=TEXTS[count % 3],
            label=LABELS[count % 3],
            media=media,
        )

    def extract(self, out: Path, *words: str | Path, modality: str = "audio") -> Result:
        """`summer-extract` on the rows as they are now."""
        manifest = write_csv(self.folder / "manifest.csv", list(self.rows.values()))
        options = {"--dataset": manifest, "--out": out, "--modality": modality, "--workers": "0"}
        typed = [str(word) for option in options.items() for word in option]
        return CliRunner().invoke(app, [*typed, *map(str, words)])


def said(result: Result, *, exit_code: int = 0) -> str:
    """What a command said that ended as it should."""
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return result.output


def reduced_by(method: str, width: int = 3) -> tuple[str, ...]:
    """Options that ask for a reduction of sound."""
    return ("-o", f"reduction.audio.method={method}", "-o", f"reduction.audio.width={width}")
