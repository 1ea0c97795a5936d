"""What is done with each fenced block of README.md, CONTRIBUTING.md and docs/: every one has its entry.

You wrote a new block? Give it an entry under its page, by the words that it begins with:

    Runs()          the best: it is run as it stands, after the others of its page, in the page's home, which
                    tests/docs/homes.py lays (a page without one needs one). What is not there, or takes too
                    long, is replaced: Runs({"--root /corpora/MELD.Raw": "--root data/demo"}).
    RunBy(test)     a test of its own runs it.
    Parsed(why)     its work is too long: each command is held against the real command line.
    Listed(why)     none of these: it installs something, or shows what a file looks like.

The commands of `Runs` are held against the command line as they stand, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Runs:
    """It is run. `stand_ins`: words of the block, and what is put in their place."""

    stand_ins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunBy:
    """Another test runs it, or feeds it to its reader: a path in the repository."""

    test: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """Its commands are parsed, and say why they are not run."""

    why: str


@dataclass(frozen=True, slots=True)
class Listed:
    """It is left alone, and why."""

    why: str


Treatment = Runs | RunBy | Parsed | Listed

ADD_A_CORPUS = RunBy("tests/docs/test_add_a_corpus.py")
ADD_A_MODALITY = RunBy("tests/docs/test_add_a_modality.py")
ADD_A_MODEL = RunBy("tests/docs/test_add_a_model.py")
PREDICT = RunBy("tests/pipelines/predict/test_predict.py")
SMALL_ENCODER = "-o text.model=ibm-granite/granite-embedding-30m-english"  # the one that needs no hub
SHORT = " ".join(f"-o {name}.most_epochs=2 -o {name}.least_steps=0" for name in ("teacher", "student"))

TREATED: Mapping[str, Mapping[str, Treatment]] = {
    "README.md": {
        "make demo": Parsed("the home of this page is made by `make demo`; continuous integration runs both"),
        "import summer\n": PREDICT,
        ".venv/bin/summer-data check": Runs(
            {
                "--dataset meld --root /corpora/MELD.Raw": "--dataset demo --root data/demo",
                "/corpora/IEMOCAP_full_release": "corpora/IEMOCAP -o reduction.video.method=none",
                "--modality all": f"--modality all {SMALL_ENCODER}",
                "data/stores/meld": "data/stores/demo",
            }
        ),
        ".venv/bin/summer-train": Runs(
            {
                "--recipe meld --features data/stores/meld": f"--recipe demo {SHORT}",
                "--recipe manifest": f"--recipe manifest {SHORT}",
                "--seeds 0-4": "--seeds 0,1",
                "runs/meld-no-ikd": "runs/demo",
            }
        ),
        ".venv/bin/summer-reproduce": Runs({"--out": "--dry-run --out"}),
        ".venv/bin/summer-report": Runs(),
        "from pathlib": Runs(),
    },
    "CONTRIBUTING.md": {
        "make test": Listed("installs a hook; continuous integration runs these targets of make"),
    },
    "docs/add-a-corpus.md": {
        "# data/tiny/train.jsonl": ADD_A_CORPUS,
        "# extraction/corpora/tiny/reader.py": ADD_A_CORPUS,
        "# extraction/corpora/tiny/tiny.toml": ADD_A_CORPUS,
        "# extraction/corpora/readers.py": ADD_A_CORPUS,
    },
    "docs/add-a-modality.md": {
        "# extraction/sound_summary.py": ADD_A_MODALITY,
        "# pipelines/extractors.py": ADD_A_MODALITY,
    },
    "docs/add-a-model.md": {
        "# summer/baselines/averaged.py": ADD_A_MODEL,
        "# summer/baselines/__init__.py": ADD_A_MODEL,
        "[baselines.averaged]": ADD_A_MODEL,
    },
    "docs/cluster.md": {
        "ray start --head": Listed("begins a cluster on several machines"),
        "summer-extract --dataset /shared": Parsed(
            "a cluster is needed; tests/extraction/test_ray.py makes one"
        ),
        "summer-extract --dataset calls.csv": Parsed(
            "a bucket is needed; tests/extraction/test_fetched.py has a web server"
        ),
        "summer-reproduce": Parsed("tests/pipelines/reproduce/test_cluster.py makes a cluster"),
        "sbatch": Listed("a scheduler is needed; tests/pipelines/extract/test_shards.py does what it starts"),
    },
    "docs/container.md": {
        "docker build": Parsed(
            "no engine runs in a test; tests/container/build.sh builds the image and works inside"
        ),
        "docker run": Parsed("no engine runs in a test; that the demo goes through inside, build.sh proves"),
        "SUMMER_RUN=": Listed("it needs Docker; tests/container/test_recipes.py reads compose.yaml"),
        "apptainer build": Parsed("it needs Apptainer, and minutes"),
        "sudo tests/container/build.sh": Listed("it takes a quarter of an hour and 30 GB"),
    },
    "docs/feature-store.md": {
        "from pathlib": Runs(),
        "import h5py": Runs(),
        ".venv/bin/summer-data info": Runs(),
    },
    "docs/import.md": {
        "summer-data import prosody8.csv": Runs(),
        "seq 1039 1152": Runs(),
    },
    "docs/leaderboard.md": {
        "summer-extract --dataset meld": Parsed("MELD's annotations cannot be shipped"),
        "summer-train --recipe": Parsed("hours of training on MELD"),
    },
    "docs/own-clips.md": {
        "# my/clips/manifest.csv": RunBy("tests/docs/test_own_clips.py"),
        "summer-data check": Runs({"summer-extract": f"summer-extract {SMALL_ENCODER}"}),
        "summer-extract": Runs({"width=32": "width=8"}),
        "# ask.py": Runs(),
    },
    "docs/predict.md": {
        "summer-predict": PREDICT,
        "import summer\n": PREDICT,
    },
    "docs/quick-start.md": {
        "make demo": Parsed("the home of README.md is made by it; continuous integration runs it whole"),
        ".venv/bin/summer-data info": Runs(),
        "import summer\n": Runs(),
    },
    "docs/recipe.md": {
        "# my.toml": RunBy("tests/docs/test_recipe_page.py"),
    },
    "docs/reliability.md": {
        "make torture": Parsed("an hour and more on two cores; continuous integration does the short run"),
    },
    "docs/report.md": {
        ".venv/bin/summer-report data/stores/demo runs": Runs(),
        ".venv/bin/summer-report data/stores/demo/text.h5": Runs(),
        "from pathlib": Runs(),
    },
    "docs/reproduce.md": {
        "summer-reproduce": Runs({"--out": "--dry-run --out"}),
    },
    "docs/reproduction.md": {
        "make install": Parsed("it installs; continuous integration does"),
        ".venv/bin/summer-data check": Parsed("neither MELD nor IEMOCAP can be shipped"),
        ".venv/bin/summer-extract --dataset meld --root data/meld\n": Parsed(
            "days of work on clips that cannot be shipped"
        ),
        ".venv/bin/summer-reproduce": Parsed("days of training"),
        ".venv/bin/summer-extract --dataset meld --root MELD": Parsed(
            "hours on MELD, whose annotations cannot be shipped"
        ),
    },
    "docs/results.md": {
        "summer-extract": Parsed("hours of tuning and training on MELD"),
    },
    "docs/serve.md": {
        "summer-serve": Parsed("it serves until it is stopped; tests/browser/test_serve.py does so"),
        "location /": Listed("lines of a configuration of nginx"),
    },
    "docs/video.md": {
        "summer-tune --modality video --faces": Parsed("VGGFace2 and MELD's clips cannot be shipped"),
        "summer-tune --modality video --dataset meld": Parsed("MELD's clips cannot be shipped"),
    },
}
