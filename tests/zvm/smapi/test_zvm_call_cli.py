"""``goldroot zvm call``, run as a person runs it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(responder: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code, output, errors of a call to the responder."""
    monkeypatch.setenv("GOLDROOT_SMAPI_PASSWORD", "s3cr3t-pw")

    def call(*words: str, server: bool = True) -> tuple[int, str, str]:
        where = (
            ["--host", "127.0.0.1", "--port", str(responder.port), "--user", "GOLDADM", "--no-tls"] if server else []
        )
        code = guarded(cli, ["zvm", "call", *words, *where])
        said = capsys.readouterr()
        assert "s3cr3t-pw" not in said.out + said.err
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def test_an_entry_with_its_passwords_masked(run: Run, responder: Any) -> None:
    responder.play(responder.answer(values=responder.array("USER X HIDDEN 1G 1G".ljust(72), "IPL CMS".ljust(72))))
    code, out, _ = run("Image_Query_DM", "--target", "X")
    assert (code, out) == (0, "USER X ******** 1G 1G\nIPL CMS\n")


def test_json(run: Run, responder: Any) -> None:
    responder.play(responder.answer(0, 28))
    code, out, _ = run("directory_manager_search_dm", "search_pattern=LINK GOLD *", "--json")
    assert code == 0
    assert json.loads(out) == {
        "api": "Directory_Manager_Search_DM",
        "return_code": 0,
        "reason_code": 28,
        "text": "No matching entries found. Return buffer is empty",
        "operations": [],
        "values": {},
    }


def test_structures_are_a_table(run: Run, responder: Any) -> None:
    disk = b"01B02000\x013390" + (10).to_bytes(8, "big") + b"\x01VOL001\0"
    responder.play(responder.answer(values=disk + disk))
    code, out, _ = run("Image_Disk_Query", "--target", "X", "vdasd_id=ALL")
    assert code == 0
    assert [line.split() for line in out.splitlines()][1] == ["01B0", "2000", "1", "3390", "10", "1", "VOL001"]


def test_a_change_that_is_done(run: Run, responder: Any) -> None:
    responder.play(responder.answer())
    code, out, _ = run("Image_Lock_DM", "--target", "X")
    assert (code, out) == (0, "Image_Lock_DM: Request successful (0/0)\n")


def test_a_refusal(run: Run, responder: Any) -> None:
    responder.play(responder.answer(400, 4), responder.answer(400, 4))
    code, out, err = run("Image_Query_DM", "--target", "X")
    assert (code, out) == (4, "")
    assert "Image_Query_DM X:" in err and "(400/4)" in err and "check the name" in err
    code, out, _ = run("Image_Query_DM", "--target", "X", "--json")
    assert (code, json.loads(out)["return_code"]) == (4, 400)


def test_a_plan_sends_nothing(run: Run, responder: Any, tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    entry.write_bytes(b"USER X HIDDEN 1G 1G\r\nLINK GOLD 1B0 1B0 RR\n*DVHOPT CRC\xf3:\n")
    code, out, _ = run("Image_Replace_DM", "--target", "X", f"image_record_array@{entry}", "--plan", server=False)
    assert code == 0
    assert "HIDDEN" not in out and "LINK GOLD 1B0 1B0 RR" in out and "nothing was sent" in out
    code, out, _ = run("Image_Replace_DM", "--target", "X", f"image_record_array@{entry}", "--plan", "--json")
    assert json.loads(out)["parameters"]["image_record_array"][0] == "USER X ******** 1G 1G"
    assert json.loads(out)["changes"] is True
    assert responder.requests == []


def test_a_file_is_sent_as_it_is(run: Run, responder: Any, tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    entry.write_bytes(b"USER X HIDDEN 1G 1G\n*DVHOPT CRC\xf3\x85:\n")
    responder.play(responder.answer())
    assert run("Image_Replace_DM", "--target", "X", f"image_record_array@{entry}")[0] == 0
    assert responder.requests[0].endswith(b"\0\0\0\x0e*DVHOPT CRC\xf3\x85:")


def test_lists_and_bytes_on_the_command_line(run: Run, responder: Any) -> None:
    responder.play(responder.answer(), responder.answer())
    assert run("Image_Replace_DM", "--target", "X", "image_record_array=USER X", "image_record_array=IPL CMS")[0] == 0
    assert responder.requests[0].endswith(b"\0\0\0\x17\0\0\0\6USER X\0\0\0\7IPL CMS"[-19:])
    code, _, _ = run("Image_SCSI_Characteristics_Define_DM", "--target", "X", "scp_data_type=3", "scp_data=X'F0f1'")
    assert code == 0
    assert responder.requests[1].endswith(b"\3\0\0\0\2\xf0\xf1")


def test_waiting_for_an_operation(run: Run, responder: Any) -> None:
    responder.play(responder.answer(592, 12), responder.answer(0, 100))
    code, out, _ = run("Image_Disk_Delete_DM", "--target", "X", "image_disk_number=191", "--json")
    assert (code, json.loads(out)["operations"]) == (0, [12])
    responder.play(responder.answer(592, 12))
    code, out, _ = run("Image_Disk_Delete_DM", "--target", "X", "image_disk_number=191", "--json", "--no-wait")
    assert (code, json.loads(out)["return_code"]) == (0, 592)


def test_lists_of_functions(run: Run) -> None:
    code, out, _ = run("--list", server=False)
    assert code == 0 and "Image_Replace_DM" in out
    code, out, _ = run("--list", "--json", server=False)
    assert {"api", "kind", "does"} == set(json.loads(out)[0])
    code, out, _ = run("Image_Replace_DM", "--list", server=False)
    assert "image_record_array" in out
    assert run(server=False)[1] == run("--list", server=False)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Image_Querry_DM"], "Did you mean Image_Query_DM"),
        (["Image_Query_DM", "--target", "NO USER ID"], "not a target"),
        (["Image_Query_DM", "nonsense"], "neither PARAM=VALUE nor PARAM@FILE"),
        (["Image_Query_DM", "vdev=191"], "has no parameters"),
        (["Image_Lock_DM", "device_address=191", "device_address=192"], "given twice"),
        (["Image_Lock_DM", "device_address@/no/such/file"], "No such file"),
        (["Image_Lock_DM", "device_address@/"], "directory"),
        (["Image_Lock_DM", "device_address@/dev/zero"], "longer than 16 MiB"),
        (["Image_Query_DM", "--insecure"], "--no-tls goes neither"),
        (["Image_Query_DM", "--user", "NOUSERIDATALL"], "not a z/VM user ID"),
    ],
)
def test_mistakes(run: Run, responder: Any, words: list[str], said: str) -> None:
    code, _, err = run(*words, server="--user" not in words) if "--user" not in words else run_with_user(run, words)
    assert code == 2
    assert said in err
    assert responder.requests == []


def run_with_user(run: Run, words: list[str]) -> tuple[int, str, str]:
    return run(*words, "--host", "127.0.0.1", server=False)


@pytest.mark.parametrize("missing", ["--host", "--user"])
def test_what_a_call_needs(run: Run, missing: str) -> None:
    words = {"--host": ["--user", "GOLDADM"], "--user": ["--host", "127.0.0.1"]}[missing]
    code, _, err = run("Image_Query_DM", *words, server=False)
    assert code == 2 and f"{missing} is missing" in err


class TestPassword:
    def test_from_a_file(self, run: Run, responder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GOLDROOT_SMAPI_PASSWORD")
        file = tmp_path / "password"
        file.write_bytes("ä b\n".encode())
        responder.play(responder.answer())
        assert run("Check_Authentication", "--password-file", str(file))[0] == 0
        assert responder.requests[0].endswith(b"\0\0\0\3\xe4 b")

    def test_from_the_environment(self, run: Run, responder: Any) -> None:
        responder.play(responder.answer())
        assert run("Check_Authentication")[0] == 0
        assert responder.requests[0].endswith(b"s3cr3t-pw")

    def test_from_nowhere(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GOLDROOT_SMAPI_PASSWORD")
        monkeypatch.setattr("sys.stdin", io.StringIO())
        code, _, err = run("Check_Authentication")
        assert code == 2 and "no password" in err

    def test_asked_for(self, run: Run, responder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GOLDROOT_SMAPI_PASSWORD")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.prompt", lambda *_, **__: "typed")
        responder.play(responder.answer())
        assert run("Check_Authentication")[0] == 0
        assert responder.requests[0].endswith(b"\0\0\0\5typed")
