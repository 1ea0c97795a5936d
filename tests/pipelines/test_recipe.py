"""Recipes: the shipped ones load, a mistake is named with its remedy."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.recipe import RecipeError, load_recipe, recipe_of_dataset, shipped_recipes
from summer.baselines import BASELINES
from summer.baselines.mlp import MlpOptions
from summer.corpus import Modality, Split
from tests.places import REPOSITORY


@pytest.mark.parametrize("name", shipped_recipes())
def test_each_shipped_recipe_loads(name: str) -> None:
    assert load_recipe(name).video.keyframe_every == 10


def test_the_meld_recipe_has_the_widths_of_the_paper() -> None:
    reduction = load_recipe("meld").reduction
    assert (reduction.audio.width, reduction.video.width) == (512, 1000)
    assert reduction.text.method == "none"  # RoBERTa-base is 768 wide


def test_the_iemocap_recipe_has_the_widths_of_the_paper() -> None:
    reduction = load_recipe("iemocap").reduction
    assert (reduction.text.width, reduction.audio.width, reduction.video.width) == (100, 100, 256)


def test_overrides_change_one_key_each_and_read_numbers_as_numbers() -> None:
    recipe = load_recipe("demo", ["video.face_choice=largest", "text.tuning.epochs=7", "text.model=a/b"])
    assert recipe.video.face_choice == "largest"
    assert recipe.text.tuning.epochs == 7
    assert recipe.text.model == "a/b"
    assert recipe.text.past_tokens == load_recipe("demo").text.past_tokens


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("audio.width=64", "unknown key 'audio.width', did you mean 'reduction.audio.width'?"),
        (
            "audio.model=eGeMAPS",
            r"unknown key 'audio.model': audio is openSMILE's ComParE_2016, which has no",
        ),
        ("audio=small", r"unknown key 'audio': audio is .* no settings; \[reduction.audio\] says"),
        ("vidio.face_choice=largest", "unknown key 'vidio', did you mean 'video'"),
        ("video.face_choise=largest", "unknown key 'video.face_choise', did you mean 'video.face_choice'"),
        ("video.face_choice=prettiest", "video.face_choice = 'prettiest'"),
        ("text.tuning.epochs=0", "text.tuning.epochs = 0"),
        ("text.tuning.weight_decay=-0.1", "text.tuning.weight_decay = -0.1"),
        ("text.tuning.bfloat16=perhaps", "text.tuning.bfloat16 = 'perhaps'"),
        ("reduction.audio.width=wide", "reduction.audio.width = 'wide'"),
        ("text.model.size=3", "'model' is a value"),
        ("face_choice", "write key=value"),
    ],
)
def test_a_wrong_override_is_named_with_its_remedy(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("demo", [override])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="no recipe 'dmo', did you mean 'demo'"):
        load_recipe("dmo")


def test_an_own_recipe_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[text]\nmode = "frozen"\n', encoding="utf-8")
    assert load_recipe(str(path)).text.mode == "frozen"
    path.write_text('[text\nmode = "frozen"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"mine\.toml is not TOML: .*line 1"):
        load_recipe(str(path))
    path.write_bytes(b'[text]\nmodel = "caf\xe9"\n')
    with pytest.raises(RecipeError, match=r"mine\.toml is not UTF-8"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="there is no recipe at .*absent.toml"):
        load_recipe(str(tmp_path / "absent.toml"))


def test_options_of_a_rival_and_of_its_training_are_read_and_the_rest_is_its_own() -> None:
    recipe = load_recipe(
        "manifest",
        ["baselines.mlp.hidden_dim=8", 'baselines.mlp.modalities=["audio"]', "mlp.most_epochs=3"],
    )
    settings = recipe.settings
    found = settings.of("mlp")
    assert found.options == MlpOptions(hidden_dim=8, modalities=(Modality.AUDIO,))
    assert found.training == replace(BASELINES["mlp"].training, most_epochs=3)
    assert (settings.model, settings.teacher) == (recipe.model, recipe.teacher)
    assert (settings.student, settings.distillation) == (recipe.student, recipe.distillation)
    assert load_recipe("manifest").settings.rivals == {}


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_rival_of_a_shipped_recipe_can_be_made_and_trained_as_it_says(name: str) -> None:
    recipe = load_recipe(name)
    assert set(recipe.trainings) <= set(recipe.baselines)  # or the recipe is not read without torch
    assert set(recipe.settings.rivals) == set(recipe.baselines)


def test_the_shipped_recipes_are_read_without_torch() -> None:
    program = """
import sys
from pipelines.recipe import load_recipe, shipped_recipes
for name in shipped_recipes():
    load_recipe(name)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("baselines.mlp.hiden_dim=8", "unknown key 'baselines.mlp.hiden_dim', did you mean 'hidden_dim'"),
        ("baselines.mlp.hidden_dim=0", "baselines.mlp.* hidden_dim is 0"),
        ("baselines.mlp.hidden_dim=wide", "baselines.mlp.hidden_dim = 'wide'"),
        ("baselines.mpl.hidden_dim=8", "there is no rival 'mpl', did you mean 'mlp'"),
        ("mlp.learning_rat=1", "unknown key 'mlp.learning_rat', did you mean 'learning_rate'"),
        ("mlp.most_epochs=0", "mlp.* most_epochs is 0; give at least 1"),
        ("mlp.select_on=dve", "mlp.select_on = 'dve'"),
        ("mlp=3", "mlp = 3"),
        ("baselines=3", "baselines = 3"),
        ("trainings.mlp.most_epochs=3", "unknown key 'trainings'"),
    ],
)
def test_a_wrong_option_of_a_rival_is_named_with_its_remedy_in_one_line(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        _ = load_recipe("demo", [override]).settings
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_manifest_takes_the_recipe_for_manifests() -> None:
    assert recipe_of_dataset("meld") == "meld"
    assert recipe_of_dataset("some/where/manifest.csv") == "manifest"


@pytest.mark.parametrize("name", ["meld", "iemocap"])
def test_the_papers_recipes_have_the_papers_model(name: str) -> None:
    recipe = load_recipe(name)
    assert (recipe.model.heads, recipe.model.layers) == (4, 6)
    assert recipe.model.routing == "sparse"
    assert recipe.model.fusion == "guided"
    assert recipe.teacher.select_on is recipe.student.select_on is Split.DEV


def test_overrides_reach_model_stages_and_distillation() -> None:
    recipe = load_recipe(
        "demo",
        [
            "model.teacher=audio",
            'model.student=["text", "video"]',
            "teacher.learning_rate=1e-4",
            "student.select_on=test",
            "distillation.epsilon=1",
        ],
    )
    assert recipe.model.teacher is Modality.AUDIO
    assert recipe.model.student == (Modality.TEXT, Modality.VIDEO)
    assert recipe.teacher.learning_rate == 1e-4
    assert recipe.student.learning_rate == load_recipe("demo").student.learning_rate
    assert recipe.student.select_on is Split.TEST
    assert recipe.distillation.epsilon == 1.0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.widht=8", "unknown key 'model.widht', did you mean 'model.width'"),
        ("techer.learning_rate=1", "unknown key 'techer', did you mean 'teacher'"),
        ("model.width=0", "recipe demo: model.* width is 0; give at least 1"),
        ("model.width=10", "model.* width is 10; give an even multiple of the 4 heads"),
        ("model.fusion=soft", "model.fusion = 'soft'"),
        ('model.student=["text", "text"]', "give each modality once"),
        ("student.learning_rate=-1", "student.* learning_rate -1.0"),
        ("student.learning_rate=inf", "student.* learning_rate inf"),
        ("student.warmup_share=1", "student.* warmup_share is 1.0"),
        ("student.class_weights=heavy", "student.class_weights = 'heavy'"),
        ("distillation.epsilon=0", "distillation.* epsilon is 0.0"),
        ("distillation.cross=-1", "distillation.* loss weights"),
        ("distillation.cross=nan", "distillation.* loss weights"),
        ("model=3", "recipe demo: model = 3"),
    ],
)
def test_a_wrong_number_of_a_training_is_named_with_its_remedy_in_one_line(
    override: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe("demo", [override])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[model]\nwidth = " + "[" * 5000, "nested too deeply"),
        (".".join(["a"] * 5000) + " = 1", "a line of more than 1,000 points"),
        (".".join(["a"] * 50) + " = 1", "tables are nested more than 32 deep"),
        ("[model]\nwidth = " + "9" * 5000, "is not TOML"),
        ("[model]\nwidth = 9223372036854775808000", "at most 1,048,576"),
        ("#" * (1 << 20) + "\n", "1,048,577 bytes, more than 1,048,576"),
    ],
)
def test_a_recipe_that_would_take_all_memory_is_refused(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=says) as raised:
        load_recipe(str(path))
    assert "bad.toml" in str(raised.value)


def test_an_override_of_many_parts_is_refused() -> None:
    with pytest.raises(RecipeError, match="tables in each other"):
        load_recipe("demo", ["a" + ".a" * 5000 + "=1"])
    with pytest.raises(RecipeError, match=r"model\.width"):
        load_recipe("demo", ["model.width=" + "[" * 5000])
