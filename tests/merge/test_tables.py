"""Tables that are merged by key: hosts, aliases, fstab."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.merge.decide.tables import kind_of, merge_table
from support.examples import examples
from support.merging import merge_tables


def merged(path: str, base: str, gold: str, clone: str) -> str | None:
    kind = kind_of(path.encode())
    assert kind is not None
    result = merge_table(kind, lambda *sides: None, base.encode(), gold.encode(), clone.encode())
    return None if result is None else result.decode()


LOCAL = "127.0.0.1\tlocalhost\n"


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        # both added an address, at one place
        (LOCAL, LOCAL + "10.0.0.1 mirror\n", LOCAL + "10.0.0.2 db\n", LOCAL + "10.0.0.1 mirror\n10.0.0.2 db\n"),
        # both the same address, at two places: it stands once
        (LOCAL, "10.0.0.1 mirror\n" + LOCAL, LOCAL + "10.0.0.1 mirror apt\n", LOCAL + "10.0.0.1 mirror apt\n"),
        # other names are a set
        ("10.0.0.1 a b\n", "10.0.0.1 a b g\n", "10.0.0.1 a c # ours\n", "10.0.0.1 a c g  # ours\n"),
        ("10.0.0.1 a b\n", "10.0.0.1 n a b\n", "10.0.0.1\ta b c\n", "10.0.0.1\tn a b c\n"),
        # an address in two spellings
        ("::1 localhost\n", "0:0:0:0:0:0:0:1 localhost ip6\n", "::1 localhost own\n", "::1 localhost own ip6\n"),
        # gold wrote it in another way, the server left it as it was and added one
        ("10.0.0.1 a\nFE80::1 b\n", "10.0.0.1\ta\nfe80::1 b\n", "10.0.0.1 a\nFE80::1 b\n::2 c\n", "10.0.0.1\ta\nfe80::1 b\n::2 c\n"),
        # gold withdrew one, the server added another, its comments stay
        ("10.0.0.1 a\n10.0.0.9 z\n", "10.0.0.9 z\n", "# own\n10.0.0.1 a\n10.0.0.9 z\n10.0.0.2 b\n", "# own\n10.0.0.9 z\n10.0.0.2 b\n"),
        ("# old\n10.0.0.1 a\n", "# new\n10.0.0.1 a\n", "# old\n10.0.0.1 a\n10.0.0.2 b\n", "# new\n10.0.0.1 a\n10.0.0.2 b\n"),
        # an address on two lines is a value as a whole
        ("::1 a\n::1 b\n", "::1 a\n::1 b\n10.0.0.1 g\n", "::1 a\n::1 c\n", "::1 a\n10.0.0.1 g\n::1 c\n"),
        # both added the whole file
        ("", "10.0.0.1 a\n", "10.0.0.2 b\n10.0.0.1 a own\n", "10.0.0.2 b\n10.0.0.1 a own\n"),
        # one that had two addresses before
        ("127.0.0.1 h\n127.0.1.1 h\n", "127.0.0.1 h g\n127.0.1.1 h\n", "127.0.0.1 h c\n127.0.1.1 h\n",
         "127.0.0.1 h c g\n127.0.1.1 h\n"),
        # the server's own name
        ("127.0.1.1 mnt\n10.0.0.1 a\n", "127.0.1.1 mnt2\n10.0.0.1 a\n", "127.0.1.1 web1\n", "127.0.1.1 web1\n"),
    ],
)  # fmt: skip
def test_hosts(base: str, gold: str, clone: str, result: str) -> None:
    assert merged("/etc/hosts", base, gold, clone) == result


@pytest.mark.parametrize(
    ("base", "gold", "clone"),
    [
        ("10.0.0.1 a\n", "10.0.0.1 g a\n", "10.0.0.1 c a\n"),  # two first names
        ("10.0.0.1 a\n", "10.0.0.1 a\n10.0.0.5 db\n", "10.0.0.1 a\n10.0.0.6 db\n"),  # two addresses of one family
        ("10.0.0.1 a\n", "10.0.0.1 a\n10.0.0.5 x DB\n", "10.0.0.1 a\n10.0.0.6 db\n"),
        ("10.0.0.1 a b\n", "10.0.0.1 a b c\n", ""),  # the server removed what gold changed
        ("::1 a\n::1 b\n", "::1 a\n::1 g\n", "::1 a\n::1 c\n"),
    ],
)
def test_hosts_that_a_person_decides(base: str, gold: str, clone: str) -> None:
    assert merged("/etc/hosts", base, gold, clone) is None


def test_a_text_without_addresses_goes_by_lines() -> None:
    kind = kind_of(b"/etc/hosts")
    assert kind is not None
    assert (
        merge_table(kind, lambda *sides: b"|".join(sides), b"a\nb\n", b"A\nb\n", b"a\nB\n") == b"a\nb\n|A\nb\n|a\nB\n"
    )


def test_one_name_may_have_an_address_of_each_family() -> None:
    assert merged("/etc/hosts", LOCAL, LOCAL + "fd00::1 db\n", LOCAL + "10.0.0.6 db\n") is not None


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        ("root: a\n", "root: a\nwww: root\n", "root: me\nabuse: me\n", "root: me\nwww: root\nabuse: me\n"),
        ("Root: a\n", "root: a\nnew: x\n", "ROOT:\ta\nown: y\n", "ROOT:\ta\nnew: x\nown: y\n"),
        ("l: a,\n b\n", "l: a,\n b\nn: x\n", "l: a,\n b,\n\tc\n", "l: a,\n b,\n\tc\nn: x\n"),
        ("l: a\n", "l: a,\n  g\n", "l: a\nown: y\n", "l: a,\n  g\nown: y\n"),
        ('"a b": x\n', '"a b": x\nn: y\n', '"a b": own\n', '"a b": own\nn: y\n'),
    ],
)
def test_aliases(base: str, gold: str, clone: str, result: str) -> None:
    assert merged("/etc/aliases", base, gold, clone) == result


@pytest.mark.parametrize(
    "sides", [("root: a\n", "root: g\n", "root: c\n"), ("", "root: g\n", "Root: c\n"), ("r: a\n", "r: g\n", "")]
)
def test_aliases_that_both_changed(sides: tuple[str, str, str]) -> None:
    assert merged("/etc/aliases", *sides) is None


ROOT = "UUID=1 / ext4 defaults 0 1\n"


@pytest.mark.parametrize(
    ("gold", "clone", "result"),
    [
        # a file system without a device
        (ROOT + "tmpfs /tmp tmpfs defaults 0 0\n", ROOT + "/dev/sdb1 /srv ext4 defaults 0 2\n",
         ROOT + "tmpfs /tmp tmpfs defaults 0 0\n/dev/sdb1 /srv ext4 defaults 0 2\n"),
        # a device that does no harm where it is missing
        (ROOT + "LABEL=x /mnt ext4 nofail 0 0\n", ROOT + "/dev/sdb1 /srv ext4 defaults 0 2\n",
         ROOT + "LABEL=x /mnt ext4 nofail 0 0\n/dev/sdb1 /srv ext4 defaults 0 2\n"),
        # one that the server's table knows
        (ROOT + "UUID=1 /snap btrfs subvol=x 0 0\n", "# own\n" + ROOT, "# own\n" + ROOT + "UUID=1 /snap btrfs subvol=x 0 0\n"),
        # parents before children
        (ROOT + "tmpfs /srv/a tmpfs size=1 0 0\n", ROOT + "/dev/sdb1 /srv ext4 defaults 0 2\n",
         ROOT + "/dev/sdb1 /srv ext4 defaults 0 2\ntmpfs /srv/a tmpfs size=1 0 0\n"),
        (ROOT + "proc /proc proc\ntmpfs /srv tmpfs size=1 0 0\n", ROOT + "/dev/sdb1 /srv/a ext4\nproc /proc proc\n",
         ROOT + "tmpfs /srv tmpfs size=1 0 0\n/dev/sdb1 /srv/a ext4\nproc /proc proc\n"),
        # gold's other options, the server's other line
        ("UUID=1 / ext4 noatime 0 1\n", ROOT + "none /proc proc defaults 0 0\n",
         "UUID=1 / ext4 noatime 0 1\nnone /proc proc defaults 0 0\n"),
    ],
)  # fmt: skip
def test_fstab(gold: str, clone: str, result: str) -> None:
    base = ROOT + "proc /proc proc\n" if "/proc proc\n" in gold else ROOT
    assert merged("/etc/fstab", base, gold, clone) == result


@pytest.mark.parametrize(
    ("gold", "clone"),
    [
        (ROOT + "/dev/sdc1 /opt ext4 defaults 0 2\n", ROOT + "tmpfs /tmp tmpfs defaults 0 0\n"),  # it would not boot
        (ROOT + "UUID=9 none swap sw 0 0\n", ROOT + "tmpfs /tmp tmpfs defaults 0 0\n"),
        ("UUID=2 / ext4 defaults 0 1\n", ROOT + "tmpfs /tmp tmpfs defaults 0 0\n"),  # another root disk
        ("UUID=1 / ext4 noatime 0 1\n", "UUID=1 / ext4 discard 0 1\n"),
    ],
)
def test_fstab_that_might_not_boot_or_that_both_changed(gold: str, clone: str) -> None:
    assert merged("/etc/fstab", ROOT, gold, clone) is None


def test_a_table_with_one_mount_point_twice_goes_by_lines(tmp_path: Path) -> None:
    base = ROOT + "a /x none bind\nb /x none bind\n" + "# 1\n# 2\n# 3\n"
    gold, clone = "# gold\n" + base, base + "# own\n"
    done = merge_tables(tmp_path, {"etc/fstab": base}, {"etc/fstab": gold}, {"etc/fstab": clone})
    assert done.text("etc/fstab") == "# gold\n" + base + "# own\n"
    device = "/dev/sdz /z ext4 defaults 0 0\n"
    assert merged("/etc/fstab", base, device + base, clone) is None


def test_in_a_tree_they_are_merged_with_their_line_ends_and_only_as_configuration(tmp_path: Path) -> None:
    sides = [
        {"hosts": LOCAL},
        {"hosts": LOCAL + "10.0.0.1 g\n"},
        {"hosts": LOCAL.replace("\n", "\r\n") + "10.0.0.2 c\r\n"},
    ]
    done = merge_tables(tmp_path, *sides, at="/etc")
    assert done.text("hosts") == LOCAL.replace("\n", "\r\n") + "10.0.0.1 g\r\n10.0.0.2 c\r\n"
    done = merge_tables(
        tmp_path, *sides, at="/etc", out="opaque", policy='[[rule]]\npath = "/etc/hosts"\nclass = "opaque"\n'
    )
    assert done.conflicts == [("/etc/hosts", "content")]


lines = {
    "/etc/hosts": ["10.0.0.1 a\n", "10.0.0.1 a b\n", "10.0.0.2 c\n", "::1 a\n", "# x\n", "\n"],
    "/etc/aliases": ["a: 1\n", "A: 2\n", "b: 1,\n 2\n", "# x\n", "\n", "odd\n"],
    "/etc/fstab": ["a /a t\n", "b /a t\n", "c /a/b t nofail\n", "n none swap\n", "# x\n", "\n"],
}


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_what_only_one_side_changed_arrives(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(lines)))
    kind = kind_of(path.encode())
    assert kind is not None
    texts = st.lists(st.sampled_from(lines[path]), max_size=5).map("".join)
    base, other = data.draw(texts), data.draw(texts)
    if kind.parse(base.encode()) is None or kind.parse(other.encode()) is None:
        return  # one mount point twice: merged by lines
    assert merged(path, base, base, other) == other
    assert merged(path, base, other, other) == other
    result = merged(path, base, other, base)
    assert result is not None
    got, wanted = (
        {(item.key, item.value) for item in kind.parse(side.encode()) or [] if item.key} for side in (result, other)
    )
    assert got == wanted


@pytest.mark.parametrize(("file", "base", "gold", "clone", "said"), [
    ("hosts", "10.0.0.1 a\n10.0.0.2 b\n", "10.0.0.1 x\n10.0.0.2 b\n", "10.0.0.1 y\n10.0.0.2 b\n", "both changed 10.0.0.1"),
    ("aliases", "root: a\n", "root: b\n", "root: c\n", "both changed root"),
    ("fstab", "LABEL=r / ext4 x 0 1\n", "LABEL=r / ext4 x 0 1\nLABEL=d /d ext4 password=p 0 2\n",
     "LABEL=r / ext4 x 0 1\ntmpfs /t tmpfs x 0 0\n", "its table does not know: LABEL=d /d ext4"),
    ("fstab", "LABEL=r / ext4 x 0 1\n", "LABEL=r / ext4 y 0 1\n", "LABEL=r / ext4 z 0 1\n", "both changed /"),
])  # fmt: skip
def test_a_question_about_a_table_names_what_it_is_about(
    tmp_path: Path, file: str, base: str, gold: str, clone: str, said: str
) -> None:
    done = merge_tables(tmp_path, *({f"etc/{file}": text} for text in (base, gold, clone)))
    [conflict] = done.record["conflicts"]
    assert conflict["detail"].endswith(said)


def test_a_mount_point_is_one_in_any_spelling(tmp_path: Path) -> None:
    base = "LABEL=r / ext4 x 0 1\nnas:/a /srv//my\\040files/ nfs ro\n"
    gold = base.replace("ro", "rw")
    clone = base.replace("/srv//my\\040files/", "/srv/my\\040files")
    assert merged("/etc/fstab", base, gold, clone) == gold  # the server only spelled it in another way
    clone = clone.replace("ro", "noexec")
    done = merge_tables(tmp_path, *({"etc/fstab": text} for text in (base, gold, clone)))
    assert done.record["conflicts"][0]["detail"].endswith("both changed /srv/my files")


def test_a_device_is_known_in_either_spelling_of_its_tag() -> None:
    own = ROOT + 'UUID="0a" /data ext4 x 0 2\n'
    gold = ROOT + "UUID=0a /data/deep ext4 x 0 2\n"
    assert merged("/etc/fstab", ROOT, gold, own) == own + "UUID=0a /data/deep ext4 x 0 2\n"


def test_a_name_that_would_get_two_addresses_is_told(tmp_path: Path) -> None:
    base = "127.0.0.1 localhost\n"
    gold, clone = base + "10.0.0.1 db\n", base + "10.0.0.2 db\n"
    done = merge_tables(tmp_path, *({"etc/hosts": text} for text in (base, gold, clone)))
    assert (
        "a name would get two addresses of one family: db (10.0.0.1, 10.0.0.2)" in done.record["conflicts"][0]["detail"]
    )


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("UUID=77 /data ext4 defaults 0 2", True),
        ("/dev/vdb1 none swap sw 0 0", True),
        ("LABEL=d /data ext4 defaults,nofail 0 2", False),
        ("tmpfs /tmp tmpfs defaults 0 0", False),
        ("nas:/x /srv nfs defaults 0 0", False),
        ("LABEL=root /home btrfs subvol=home 0 0", False),
    ],
)
def test_a_device_that_a_server_with_golds_own_table_does_not_know(tmp_path: Path, line: str, asked: bool) -> None:
    """Its table is gold's to the byte; that the boot would wait is a finding, which can be accepted."""
    base = "LABEL=root / ext4 defaults 0 1\n"
    done = merge_tables(tmp_path, {"etc/fstab": base}, {"etc/fstab": f"{base}{line}\n"}, {"etc/fstab": base})
    assert done.text("etc/fstab") == f"{base}{line}\n"
    assert done.conflicts == ([("/etc/fstab", "boot")] if asked else [])
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("gold"))
    assert (again.conflicts, again.text("etc/fstab")) == ([], done.text("etc/fstab"))
