"""``goldroot demo --zvm``: the paper's story on the simulator; each call is told, and each claim looked up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.demo import zvm_story
from goldroot.demo.zvm_story import ZvmStory


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOLDROOT_SITE", "/nowhere")
    return tmp_path


@pytest.mark.slow
def test_it_tells_the_papers_story(room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = guarded(cli, ["demo", "--zvm", "--keep", str(room / "kept")])
    said = capfd.readouterr()
    assert code == 0, said.out + said.err
    for words in ("init", "zvm doctor", "image import s10", "gold publish s10", "clone create s10ro1 s10ro2", "linked",
                  "zvm plan update S10RO1 --to S10GOLD2", "update run s10ro1", "rollback s10ro1", "fallback prune"):  # fmt: skip
        assert f"$ goldroot {words}" in said.out
    claims = re.findall(r"^(ok|NO)  ", said.out, re.MULTILINE)
    assert len(claims) > 10 and set(claims) == {"ok"}
    # Each call with its codes, each command of the management guest, and no password.
    for line in (
        "SMAPI Image_Replace_DM S10RO1 records=(",
        "CP    LINK S10RO1 05B5 F00",
        "SMAPI Image_Activate S10RO1 -> 0/0",
    ):
        assert line in said.out
    assert not re.search(r"GOLDADM GOLDADM|WRITE +MULTIPLE", said.out)
    story = said.out.index("And if a reply is lost?")
    assert "Response_Recovery" in said.out[story:]
    assert (room / "kept/site/goldroot.toml").exists()


@pytest.mark.slow
def test_a_claim_that_is_not_true_is_told(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def only(story: ZvmStory) -> None:
        story.claim("kept", "S10RO1", "1B5", "there", False)

    monkeypatch.setattr(zvm_story, "tell", only)
    assert guarded(cli, ["demo", "--zvm", "--json"]) == 4
    said = capfd.readouterr()
    assert json.loads(said.out.splitlines()[0])["true"] is False
    assert "1 of the demo's 1 claims is not true" in said.out


def test_it_is_a_form_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(cli, ["demo", "--zvm", "--small"]) == 2
    assert "--zvm goes with none of" in capfd.readouterr().err
