"""What holds documented commands against the real ones sees each kind of mistake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.command_lines import check, commands, unknown_options
from tests.docs.homes import run_block
from tests.docs.pages import Block
from tests.docs.treated import Runs


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("summer-trian --recipe demo", "'summer-trian' is no console script"),
        ("summer-train --recipe demo --sead 3", "No such option: --sead"),
        ("summer-train --features data/stores/meld", "Missing parameter: recipe"),
        ("summer-train --recipe demmo", "there is no recipe 'demmo'.*'demo'"),
        ("summer-train --recipe demo -o student.learning_rat=1", "student.learning_rate"),
        ("summer-train --recipe demo -o baselines.mlp.hidden=1", "baselines.mlp.hidden"),
        ("summer-train --recipe demo --model mpl", "--model mpl: there is"),
        ("summer-train --recipe demo --seeds 4-0", "seeds '4-0'"),
        ("summer-extract --dataset mled", "--dataset mled: there is meld"),
        ("summer-extract --dataset meld --workers -1", "greater than or equal to 0"),
        ("summer-reproduce --recipe demo --out a --without stt", "--without stt: there is no such system"),
        ("summer-data look a.h5", "it has check, info"),
        ("summer-data", "it has check, info"),
        ("summer-evaluate", "Missing parameter: run"),
        ("summer-evaluate a --split tset", "tset"),
        ("make domo", "No rule to make target"),
        ("python -m tests.measure_nothing", "no module tests.measure_nothing"),
        ("torchrun --nproc_per_node=2 -m pipelines.train --recip demo", "No such option: --recip"),
        ("rm -r data", "'rm' is no console script .* list it with a reason"),
    ],
)
def test_a_wrong_command_is_refused_by_name(typed: str, told: str) -> None:
    [words] = commands(typed)
    with pytest.raises(ValueError, match=told):
        check(words)


@pytest.mark.parametrize(
    "typed",
    [
        ".venv/bin/summer-extract --dataset my/clips/manifest.csv --modality all",
        "summer-data check --dataset meld --root there -o test_clips=plain",
        "summer-train --recipe my.toml",
        "make demo",
        "accelerate launch -m pipelines.train --recipe meld",
    ],
)
def test_a_right_command_is_taken(typed: str) -> None:
    [words] = commands(typed)
    check(words)


def test_a_block_is_cut_into_the_words_of_its_commands() -> None:
    text = "a 'b  c' \\\n    --d=e   # not f\n\n# nor g\nh 1 > i.txt && j | k; l\n"
    assert list(commands(text)) == [["a", "b  c", "--d=e"], ["h", "1"], ["j"], ["k"], ["l"]]


def test_an_option_in_text_is_looked_for_where_it_stands() -> None:
    assert unknown_options("summer-data faces STORE --out a.html --mots 3") == ["--mots"]
    assert unknown_options("summer-extract --keep-crops -o a.b=1") == []
    assert unknown_options("summer-data --help") == []


@pytest.mark.parametrize(
    ("language", "text", "stand_ins", "told"),
    [
        ("", "true\nfalse | true\n", {}, "docs/a.md, line 7.*exit status 1"),
        ("python", "import sys\nsys.exit(3)\n", {}, "exit status 3"),
        ("", "true\n", {"flase": "false"}, "nothing is 'flase'"),
    ],
)
def test_a_block_that_fails_is_named(
    language: str, text: str, stand_ins: dict[str, str], told: str, tmp_path: Path
) -> None:
    block = Block(page="docs/a.md", line=7, language=language, text=text)
    with pytest.raises(ValueError, match=told):
        run_block(block, tmp_path, Runs(stand_ins))


def test_a_block_is_run_in_its_home_with_the_programs_of_this_environment(tmp_path: Path) -> None:
    text = "command -v python > where.txt\nsummer-data --help > help.txt\n"
    run_block(Block(page="docs/a.md", line=1, language="", text=text), tmp_path, Runs())
    assert Path((tmp_path / "where.txt").read_text().strip()).parent == Path(sys.executable).parent
    assert "faces" in (tmp_path / "help.txt").read_text()
