"""A site: made once, found again, locked by one command at a time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot import sshsig
from goldroot.errors import BadInput, BadPolicy, BadSignature, Busy, MissingProgram, NotFound
from goldroot.site import Site, init_site, plan_init
from goldroot.system import MIB, Limits
from support.former import former


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return init_site(str(tmp_path / "site"))


def test_a_new_site_is_complete(site: Site) -> None:
    assert site.config.slots == 3
    assert site.config.fallback_days == 14
    assert former(site).machines() == []
    with site.catalog.read():
        pass
    assert stat.S_IMODE(os.stat(site.path("keys", "site")).st_mode) == 0o600


def test_making_it_again_changes_nothing(site: Site) -> None:
    key = Path(site.path("keys", "site")).read_bytes()
    Path(site.path("goldroot.toml")).write_text("slots = 5\n")
    again = init_site(site.root)
    assert again.config.slots == 5
    assert Path(site.path("keys", "site")).read_bytes() == key
    assert plan_init(site.root) == []


def test_a_making_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    (tmp_path / "site" / "keys").mkdir(parents=True)
    (tmp_path / "site" / "keys" / "site.new").write_text("half a key")
    site = init_site(str(tmp_path / "site"))
    site.key.verify(b"x", site.key.sign(b"x"), "a test")


def test_without_a_way_to_make_keys_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def neither() -> None:
        raise MissingProgram("neither is installed")

    monkeypatch.setattr(sshsig, "ready", neither)
    for begin in (plan_init, init_site):
        with pytest.raises(MissingProgram):
            begin(str(tmp_path / "site"))
    assert os.listdir(tmp_path) == []


def test_other_directories_are_refused(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(BadInput, match=r"not empty \(it holds letter\)"):
        init_site(str(tmp_path))
    with pytest.raises(BadInput, match="not a directory"):
        plan_init(str(tmp_path / "letter"))
    assert os.listdir(tmp_path) == ["letter"]


def test_it_is_found_from_within_and_by_name(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLDROOT_SITE", raising=False)
    monkeypatch.chdir(site.path("store"))
    assert Site.open().root == site.root
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="no goldroot site here"):
        Site.open()
    assert Site.open(str(tmp_path / "site")).root == site.root
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    assert Site.open().root == site.root
    with pytest.raises(NotFound, match="is not a goldroot site"):
        Site.open(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("slots = 1", 1, "from 2 to 1000"),
        ("[images.debian]\nslots = 100000000000000000000", 2, "from 2 to 1000"),
        ("\nfallback_days = 100000000000000000000", 2, "'fallback_days' must be a whole number"),
        ('[clones.web1]\n\naddress = "999.1"', 3, "'999.1' is not an address"),
        ('[clones.web1]\naddress = "192.0.2.1"', 2, "no prefix length"),
        ('[clones.web1]\ngateway = "192.0.2.0/24"', 2, "is not an address"),
        ('[clones.web1]\nnameservers = ["192.0.2.1", "ns"]', 2, "'ns' is not an address"),
        ('[clones.web1]\nhostname = "web 1"', 2, "is not a host name"),
        ('[clones.web1]\ninterface = "eth0/1"', 2, "is not a network interface"),
        ("slots = true", 1, "whole number"),
        ("\nslot = 4", 2, "unknown key 'slot'"),
        ('[host]\nkind = "cloud"', 2, "no kind of host"),
        ('[images.debian]\ntests = "x"', 2, "list of texts"),
        ("[images.debian]\ntests = [3]", 2, "list of texts"),
        ("[images.Debian]\n", 1, "image's name"),
        ('[clones.web1]\ngatway = "192.0.2.1"', 2, "unknown key 'gatway'"),
        ("[clones.web_1]\n", 1, "clone's name"),
        ("slots = 3\nslots = 4", 2, "not valid TOML"),
        ("[limits]\nmemry = 3", 2, "unknown key 'memry'"),
        ("[limits]\ntime = -1", 2, "whole number"),
        ('[images.debian.limits]\ndisk = "much"', 2, "whole number"),
        ('[confine]\nrequire = "caps"', 2, "cannot be confined by 'caps'"),
        ('[confine]\nrequires = "shift"', 2, "unknown key 'requires'"),
    ],
)
def test_mistakes_in_the_configuration_have_a_line(site: Site, text: str, line: int, said: str) -> None:
    Path(site.path("goldroot.toml")).write_text(text)
    with pytest.raises(BadPolicy, match=said) as caught:
        Site.open(site.root)
    assert caught.value.line == line


def test_what_the_configuration_says(site: Site) -> None:
    text = (
        'slots = 4\n[images.debian]\nchecks = ["sshd -t"]\npolicy = "p.toml"\n[clones.web1]\naddress = "192.0.2.9/24"\n'
    )
    Path(site.path("goldroot.toml")).write_text(text)
    config = Site.open(site.root).config
    assert config.image("debian").checks == ("sshd -t",)
    assert config.image("debian").policy == site.path("p.toml")
    assert config.image("other").slots == config.image("debian").slots == 4
    assert config.clone("web1").address == "192.0.2.9/24"
    assert config.clone("web2").address == ""


def test_limits_of_a_site_and_of_an_image(site: Site) -> None:
    text = (
        '[limits]\nmemory = 8\ntime = 5\n[confine]\nrequire = "shift"\n[images.debian.limits]\nmemory = 0\ndisk = 7\n'
    )
    Path(site.path("goldroot.toml")).write_text(text)
    config = Site.open(site.root).config
    assert config.confine == "shift"
    assert config.image("other").limits == Limits(memory=8 * MIB, time=5)
    assert config.image("debian").limits == Limits(memory=0, time=5, disk=7 * MIB)
    Path(site.path("goldroot.toml")).write_text("")
    config = Site.open(site.root).config
    assert (config.confine, config.image("debian").limits) == (None, Limits())


def test_a_mark_at_the_beginning_of_the_configuration_is_none_of_its_text(site: Site) -> None:
    Path(site.path("goldroot.toml")).write_bytes(b"\xef\xbb\xbfslots = 4\n")
    assert Site.open(site.root).config.slots == 4


def test_two_commands_at_once(site: Site) -> None:
    """The second one is told who holds the thing; a killed holder holds nothing."""
    code = (
        "import sys, time\nfrom goldroot.site import Site\n"
        f"with Site.open({site.root!r}).lock('clone-web1', doing='update of web1'):\n"
        "    print('ready', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with (
            pytest.raises(Busy, match=rf"clone-web1 .*update of web1.*process {other.pid}"),
            site.lock("clone-web1"),
        ):
            pass
        with site.lock("clone-web2"):
            pass
        other.kill()
    with site.lock("clone-web1", wait=5):
        pass


def test_signatures_hold_for_what_was_signed_alone(site: Site, tmp_path: Path) -> None:
    signature = site.key.sign(b"document")
    site.key.verify(b"document", signature, "it")
    for document, signed in ((b"documenT", signature), (b"document", "nonsense"), (b"document", "")):
        with pytest.raises(BadSignature):
            site.key.verify(document, signed, "it")
    other = init_site(str(tmp_path / "other"))
    with pytest.raises(BadSignature):
        site.key.verify(b"document", other.key.sign(b"document"), "it")


def test_the_private_key_is_at_no_moment_for_others(tmp_path: Path) -> None:
    """Whatever the umask: the file is made as it stays."""
    made = []
    before = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as here:
            here.setattr(os, "rename", lambda old, new, real=os.rename: (made.append(os.stat(old)), real(old, new)))
            site = init_site(str(tmp_path / "site"))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(one.st_mode) for one in made} == {0o600} and len(made) >= 3
    assert Path(site.key.allowed).read_text().startswith('site@goldroot namespaces="gold@goldroot" ssh-ed25519 ')


def test_a_missing_list_of_signers_is_no_bad_signature(site: Site) -> None:
    signature = site.key.sign(b"document")
    Path(site.key.allowed).unlink()
    with pytest.raises(NotFound, match="allowed_signers is missing"):
        site.key.verify(b"document", signature, "it")
    init_site(site.root)
    site.key.verify(b"document", signature, "it")


def test_a_site_in_a_path_that_is_no_utf8_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """It could be filled, and no clone of it could ever be updated."""
    place = tmp_path / os.fsdecode(b"site\xff")
    with pytest.raises(BadInput, match="is not UTF-8"):
        init_site(str(place))
    assert not place.exists()
    init_site(str(tmp_path / "site")).close()
    (tmp_path / "site").rename(place)
    with pytest.raises(BadInput, match="is not UTF-8"):
        Site.open(str(place))
