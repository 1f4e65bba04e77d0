"""OpenSSH's files and signatures as OpenSSH makes and takes them: each is checked against ssh-keygen where that is installed."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot import sshkeys, sshsig
from goldroot.errors import Failed, MissingProgram
from goldroot.sshkeys import KINDS, Kind, Pair
from goldroot.sshsig import Beyond, Invalid
from support.marks import slow

pytest.importorskip("cryptography", reason="the Python package cryptography is not installed")

WHO, WHAT = "site@goldroot", "gold@goldroot"
DOCUMENT = b'{"image":"debian","version":1}\n'

needs_program = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")


def keygen(*words: str | Path, said: bytes = b"") -> bytes:
    """What ssh-keygen says; AssertionError with its message where it fails."""
    done = subprocess.run(["ssh-keygen", *words], input=said, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def save(folder: Path, pair: Pair, name: str = "key") -> Path:
    place = folder / name
    place.touch(0o600)
    place.write_bytes(pair.private)
    Path(f"{place}.pub").write_bytes(pair.public)
    return place


def theirs(folder: Path, *words: str) -> Pair:
    """A key that ssh-keygen makes."""
    keygen("-q", "-N", "", "-C", "a comment", "-f", folder / "theirs", *words)
    return Pair((folder / "theirs").read_bytes(), (folder / "theirs.pub").read_bytes())


def line(pair: Pair, options: str = f'namespaces="{WHAT}" ', who: str = WHO) -> bytes:
    return f"{who} {options}".encode() + pair.public


def counts(allowed: bytes, signature: str, document: bytes = DOCUMENT, what: str = WHAT) -> bool:
    """Whether we take it."""
    try:
        sshsig.verify_by_library(document, signature, what, WHO, allowed)
    except Invalid:
        return False
    return True


def counts_there(folder: Path, allowed: bytes, signature: str, document: bytes = DOCUMENT, what: str = WHAT) -> bool:
    """Whether ssh-keygen does."""
    (folder / "allowed").write_bytes(allowed)
    (folder / "sig").write_text(signature)
    words = ["ssh-keygen", "-Y", "verify", "-f", folder / "allowed", "-I", WHO, "-n", what, "-s", folder / "sig"]
    return subprocess.run(words, input=document, capture_output=True).returncode == 0


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    yield sshkeys.make_by_library(request.param, "root@web1")


@pytest.fixture(scope="module")
def one() -> Pair:
    return sshkeys.make_by_library("ed25519", WHO)


# -- keys


@pytest.mark.slow
@needs_program
def test_ssh_keygen_reads_our_keys(pair: Pair, tmp_path: Path) -> None:
    place = save(tmp_path, pair)
    assert keygen("-y", "-f", place) == pair.public, "the private file holds the public key and the comment"
    assert keygen("-l", "-f", place) == keygen("-l", "-f", f"{place}.pub")
    keygen("-q", "-p", "-N", "secret", "-f", place)  # it can be written by ssh-keygen again


@needs_program
@pytest.mark.parametrize(("kind", "bits"), [("ed25519", b"256"), ("ecdsa", b"256"), slow("rsa", b"3072")])
def test_our_keys_are_as_long_as_those_of_ssh_keygen(kind: Kind, bits: bytes, tmp_path: Path) -> None:
    ours = keygen("-l", "-f", save(tmp_path, sshkeys.make_by_library(kind, "root@web1")))
    other = theirs(tmp_path, "-t", kind)
    assert ours.split()[0] == keygen("-l", "-f", save(tmp_path, other, "other")).split()[0] == bits
    assert ours.split()[2:] == [b"root@web1", f"({kind.upper()})".encode()]


def test_a_key_file_has_the_lines_of_openssh(pair: Pair) -> None:
    first, *text, last = pair.private.decode().splitlines()
    assert (first, last) == ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")
    assert {len(one) for one in text[:-1]} == {70} and len(text[-1]) <= 70
    whole = base64.b64decode("".join(text))
    assert whole.startswith(b"openssh-key-v1\0") and b"root@web1" in whole
    assert len(pair.public.split()) == 3 and pair.public.endswith(b" root@web1\n")


# -- signatures


def test_a_signature_holds_for_its_document_name_and_key_alone(pair: Pair, one: Pair) -> None:
    signature = sshsig.sign_by_library(pair.private, WHAT, DOCUMENT)
    assert counts(line(pair), signature)
    assert not counts(line(pair), signature, DOCUMENT + b" ")
    assert not counts(line(pair, ""), signature, what="file")
    assert not counts(line(one), signature), "a key that is not listed"
    assert not counts(line(pair, who="somebody@else"), signature), "a key that is another's"
    assert not counts(b"", signature)


@needs_program
def test_ssh_keygen_takes_our_signatures(pair: Pair, one: Pair, tmp_path: Path) -> None:
    signature = sshsig.sign_by_library(pair.private, WHAT, DOCUMENT)
    assert counts_there(tmp_path, line(pair), signature)
    assert not counts_there(tmp_path, line(pair), signature, DOCUMENT + b" ")
    assert not counts_there(tmp_path, line(one), signature)


@needs_program
@pytest.mark.parametrize(
    "words",
    [("-t", "ed25519"), ("-t", "ecdsa"), ("-t", "ecdsa", "-b", "384"), ("-t", "ecdsa", "-b", "521"), ("-t", "rsa"),
     ("-t", "rsa", "-b", "2048")],
    ids=" ".join,
)  # fmt: skip
def test_we_take_those_of_ssh_keygen_and_sign_with_its_keys(words: tuple[str, ...], tmp_path: Path) -> None:
    other = theirs(tmp_path, *words)
    place = tmp_path / "theirs"
    for more in ((), ("-O", "hashalg=sha256")):
        signature = keygen("-q", "-Y", "sign", "-f", place, "-n", WHAT, *more, said=DOCUMENT).decode()
        assert counts(line(other), signature) and not counts(line(other), signature, b"another")
    ours = sshsig.sign_by_library(other.private, WHAT, DOCUMENT)
    assert counts_there(tmp_path, line(other), ours) and counts(line(other), ours)
    if words == ("-t", "ed25519"):
        again = keygen("-q", "-Y", "sign", "-f", place, "-n", WHAT, said=DOCUMENT).decode()
        assert ours == again, "these signatures have no chance in them: they are the same to the byte"


def test_whatever_is_changed_in_a_signature_it_does_not_hold(one: Pair) -> None:
    """Every single byte of it is looked at."""
    allowed, signature = line(one), sshsig.sign_by_library(one.private, WHAT, DOCUMENT)
    first, *text, last = signature.splitlines()
    whole = base64.b64decode("".join(text))
    for at in range(len(whole)):
        bad = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        assert not counts(allowed, f"{first}\n{base64.b64encode(bad).decode()}\n{last}\n")
    for cut in (whole[:-1], whole + b"\0", whole[: len(whole) // 2], b"SSHSIG", b""):
        armoured = f"{first}\n{base64.b64encode(cut).decode()}\n{last}\n"
        assert not counts(allowed, armoured)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "-----BEGIN SSH SIGNATURE-----\n", "\n-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n"]
)
def test_what_is_not_a_signature(text: str, one: Pair) -> None:
    assert not counts(line(one), text)


def test_a_key_that_openssh_knows_and_this_does_not_is_for_ssh_keygen(one: Pair) -> None:
    """A certificate, a key in hardware."""
    first, *text, last = sshsig.sign_by_library(one.private, WHAT, DOCUMENT).splitlines()
    whole = base64.b64decode("".join(text))
    key = base64.b64decode(one.public.split()[1])
    for kind in (b"ssh-ed25519-cert-v01@openssh.com", b"sk-ssh-ed25519@openssh.com"):
        other = len(kind).to_bytes(4, "big") + kind + key[15:]
        changed = whole.replace(len(key).to_bytes(4, "big") + key, len(other).to_bytes(4, "big") + other)
        with pytest.raises(Beyond, match="not an ed25519, ecdsa or rsa key"):
            counts(line(one), f"{first}\n{base64.b64encode(changed).decode()}\n{last}\n")


@given(st.binary(max_size=200), st.text(max_size=60))
def test_nothing_foreign_gets_past_it_or_breaks_it(blob: bytes, text: str) -> None:
    """Any bytes where a signature, a key or a list of signers should be: refused, in these words."""
    armoured = (
        f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(b'SSHSIG' + blob).decode()}\n-----END SSH SIGNATURE-----"
    )
    for signature in (armoured, text):
        with pytest.raises((Invalid, Beyond)):
            sshsig.verify_by_library(DOCUMENT, signature, WHAT, WHO, blob)
    with pytest.raises(Beyond):
        sshsig.sign_by_library(blob, WHAT, DOCUMENT)


# -- who counts

ALLOWED = {
    "plain": ("{who} {key}", True),
    "with its namespace": ('{who} namespaces="{what}" {key}', True),
    "a keyword in capitals": ('{who} NAMESPACES="{what}" {key}', True),
    "one of several namespaces": ('{who} namespaces="file,{what}" {key}', True),
    "another namespace": ('{who} namespaces="file" {key}', False),
    "a pattern of namespaces": ('{who} namespaces="gold@*" {key}', True),
    "a namespace shut out": ('{who} namespaces="*,!{what}" {key}', False),
    "one of several names": ("a@b,{who},c@d {key}", True),
    "a pattern of names": ("*@goldroot {key}", True),
    "one letter": ("sit?@goldroot {key}", True),
    "brackets are not a pattern": ("sit[e]@goldroot {key}", False),
    "shut out": ("*,!{who} {key}", False),
    "shut out first": ("!{who},* {key}", False),
    "another name": ("somebody@goldroot {key}", False),
    "another case": ("SITE@goldroot {key}", False),
    "a key that is not listed": ("{who} {other}", False),
    "the second line": ("{who} {other}\n{who} {key}", True),
    "a second line, that shuts out": ("{who} {key}\n!{who},* {key}", True),
    "comments and empty lines": ("# {who} {other}\n\n   # x\n{who} {key}\n", True),
    "only in a comment": ("# {who} {key}", False),
    "tabs and blanks": ("  {who} \t {key}", True),
    "the end of another system's line": ("{who} {key}\r\n", True),
    "no end": ("{who} {bare}", True),
    "somebody else's line that is strange": (
        "me@there cert-authority,valid-before=20200101 {other}\n{who} {key}",
        True,
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_list_of_signers_means_what_it_means_to_ssh_keygen(name: str, one: Pair, tmp_path: Path) -> None:
    text, expected = ALLOWED[name]
    other = sshkeys.make_by_library("ed25519", "other").public.decode().strip()
    key = one.public.decode().strip()
    bare = " ".join(key.split()[:2])
    allowed = text.format(who=WHO, what=WHAT, key=key, other=other, bare=bare).encode()
    signature = sshsig.sign_by_library(one.private, WHAT, DOCUMENT)
    assert counts(allowed, signature) is expected
    if shutil.which("ssh-keygen"):
        assert counts_there(tmp_path, allowed, signature) is expected


STRANGE = [
    '{who} valid-after="20200101" {key}', '{who} valid-before="20200101" {key}', "{who} valid-before=29990101Z {key}",
    "{who} cert-authority {key}", '{who} namespaces="{what}",valid-before="20200101" {key}',
    '{who} namespaces="{what}",namespaces="file" {key}', "{who} namespaces={what} {key}", '{who} no-such-thing="x" {key}',
    '"{who}" {key}', "{who}", "{who} ssh-ed25519", "{who} ssh-ed25519 AAAA", "{who} ssh-ed25519 !!!!", "{who} ssh-dss AAAA x",
    '{who} namespaces="a\\"b" {key}', "{who} sk-ssh-ed25519@openssh.com AAAA", "{who} ssh-rsa {text}",
]  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_line_that_is_not_understood_is_for_ssh_keygen(
    text: str, place: str, one: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might shut out what another lets in: nothing counts before somebody has understood it."""
    key = one.public.decode().strip()
    strange = text.format(who=WHO, what=WHAT, key=key, text=key.split()[1])
    both = [strange, line(one).decode().strip()]
    allowed = "\n".join(both if place == "before" else reversed(both)).encode()
    signature = sshsig.sign_by_library(one.private, WHAT, DOCUMENT)
    with pytest.raises(Beyond, match=f"line {1 if place == 'before' else 2} of the allowed signers"):
        counts(allowed, signature)
    (file := tmp_path / "list").write_bytes(allowed)
    if shutil.which("ssh-keygen"):
        by_program = counts_there(tmp_path, allowed, signature)
        try:
            sshsig.verify(str(file), WHO, WHAT, DOCUMENT, signature)
        except Invalid:
            assert not by_program
        else:
            assert by_program
    monkeypatch.setattr(sshsig, "PROGRAM", "no-such-program")
    with pytest.raises(MissingProgram, match=r"^line . of the allowed signers .*list\), .*'no-such-program'"):
        sshsig.verify(str(file), WHO, WHAT, DOCUMENT, signature)


# -- by the program, and by neither


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.serialization", None)


@pytest.mark.slow
@needs_program
@pytest.mark.parametrize("kind", KINDS)
def test_without_the_library_the_program_does_the_same(kind: Kind, tmp_path: Path, no_library: None) -> None:
    pair = sshkeys.make_key(kind, "root@web1", str(tmp_path))
    assert os.listdir(tmp_path) == [], "nothing of a key stays behind"
    place = save(tmp_path, pair)
    (tmp_path / "allowed").write_bytes(line(pair))
    signature = sshsig.sign(str(place), WHAT, DOCUMENT)
    sshsig.verify(str(tmp_path / "allowed"), WHO, WHAT, DOCUMENT, signature)
    with pytest.raises(Invalid):
        sshsig.verify(str(tmp_path / "allowed"), WHO, WHAT, b"another", signature)
    assert pair.public.endswith(b" root@web1\n")


@pytest.mark.parametrize("kind", KINDS)
def test_with_the_library_no_program_is_started(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshkeys, "run", None)
    monkeypatch.setattr(sshsig, "run", None)
    monkeypatch.setattr(sshsig, "find", None)
    sshsig.ready()
    pair = sshkeys.make_key(kind, "root@web1", str(tmp_path))
    (tmp_path / "allowed").write_bytes(line(pair))
    signature = sshsig.sign(str(save(tmp_path, pair)), WHAT, DOCUMENT)
    sshsig.verify(str(tmp_path / "allowed"), WHO, WHAT, DOCUMENT, signature)


def test_without_both_the_error_names_both(tmp_path: Path, no_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sshsig, "PROGRAM", "no-such-program")
    with pytest.raises(MissingProgram, match="'cryptography' or the program 'no-such-program'") as error:
        sshsig.ready()
    assert "'.[fleet]'" in error.value.todo and "openssh-client" in error.value.todo
    with pytest.raises(MissingProgram):
        sshkeys.make_key("rsa", "x", str(tmp_path))


@needs_program
def test_a_key_with_a_passphrase_is_for_ssh_keygen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be in an agent; without one nothing is signed."""
    keygen("-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(Failed, match="ssh-keygen ended with status"):
        sshsig.sign(str(tmp_path / "key"), WHAT, DOCUMENT)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_nothing_is_signed_with_a_key_that_others_may_read(mode: int, one: Pair, tmp_path: Path) -> None:
    place = save(tmp_path, one)
    sshsig.sign(str(place), WHAT, DOCUMENT)
    place.chmod(mode)
    with pytest.raises(Failed, match="used by others than its owner"):
        sshsig.sign(str(place), WHAT, DOCUMENT)
    assert stat.S_IMODE(place.stat().st_mode) == mode
