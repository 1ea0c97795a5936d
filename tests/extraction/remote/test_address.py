"""What an address says of a file without being asked for."""

from __future__ import annotations

import pytest

from extraction.remote.address import file_name, is_address, joined, place_of, refusal, shown


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("https://host/a.mp4", True),
        ("S3://bucket/a.mp4", True),
        ("memory://a.mp4", True),
        ("films/a.mp4", False),
        ("/films/a.mp4", False),
        ("C:/films/a.mp4", False),
        ("https:/host/a.mp4", False),
    ],
)
def test_an_address_has_a_scheme_and_two_strokes(text: str, answer: bool) -> None:
    assert is_address(text) is answer


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host/films/a.mp4", "a.mp4"),
        ("https://host/a%20b/cli%C3%9F.mp4?signature=x/y.z#t=3", "cliß.mp4"),
        ("https://host/a%2Fb.mp4", "b.mp4"),
        ("s3://bucket/films/50% of it?.mp4", "50% of it?.mp4"),
        ("memory://a.mp4", "a.mp4"),
        ("https://host/..", "media"),
        ("https://host", "media"),
        ("https://host/%00.mp4", "media.mp4"),
        (f"https://host/{'x' * 300}.mp4", "media.mp4"),
    ],
)
def test_a_copy_has_the_name_of_the_file_if_a_file_system_takes_it(address: str, name: str) -> None:
    assert str(file_name(address)) == name


def test_what_may_be_secret_is_not_shown() -> None:
    address = "https://me:password@host:8080/a.mp4?signature=secret#x"
    assert shown(address) == "https://host:8080/a.mp4"
    assert shown("s3://bucket/a.mp4") == "s3://bucket/a.mp4"


def test_a_name_below_a_root_may_hold_any_letter() -> None:
    assert joined("https://host/films/", "a b/50%.mp4") == "https://host/films/a%20b/50%25.mp4"
    assert joined("s3://bucket", "a b/50%.mp4") == "s3://bucket/a b/50%.mp4"
    assert file_name(joined("https://host", "it's 100%?.mp4")).name == "it's 100%?.mp4"


def test_files_of_one_host_or_bucket_are_of_one_place() -> None:
    assert place_of("https://host/a") == place_of("https://host/b/c.mp4?d")
    assert place_of("https://host/a") != place_of("http://host/a")
    assert place_of("s3://one/a") != place_of("s3://two/a")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("https://host/a.mp4", ""),
        ("gs://bucket/a.mp4", ""),
        ("htps://host/a.mp4", "nothing fetches htps://; give http://, https://, s3://"),
        ("zip://a.mp4::https://host/all.zip", "unpack the archive"),
        ("https:///a.mp4", "names no host and no bucket"),
    ],
)
def test_an_address_that_cannot_be_says_what_to_do(address: str, says: str) -> None:
    assert (says in refusal(address)) if says else refusal(address) == ""
