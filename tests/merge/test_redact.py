"""What may be shown: no password, key or hash, and nothing that a terminal would act upon."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goldroot.merge.record.redact import printable, redact_diff
from goldroot.policy import Policy


def diff(path: str, old: bytes | None, new: bytes | None) -> list[str]:
    return redact_diff(path.encode(), old, new, Policy.default().match(path.encode()))


def test_plain_text_is_shown() -> None:
    assert diff("/etc/a", b"a\nb\n", b"a\nc") == ["@@ -1,2 +1,2 @@", " a", "-b", "+c\\ no newline at the end"]
    assert diff("/etc/a", None, b"a\n")[1:] == ["+a"]
    assert diff("/etc/a", b"x\n", b"x\n") == []
    assert diff("/etc/a", None, b"") == ["added"]
    assert diff("/etc/a", b"a\n", b"a\r\n")[1:] == ["-a", "+a\\x0d"]


def test_binary_is_only_measured() -> None:
    assert diff("/etc/a", b"\0", b"\0\0") == ["binary: differs (1 -> 2 bytes)"]


def test_a_large_text_is_only_measured() -> None:
    assert diff("/etc/a", b"a\n", b"a\n" * 600_000) == ["large: differs (2 -> 1200000 bytes)"]


def test_a_secret_is_never_shown() -> None:
    assert diff("/etc/ssh/ssh_host_rsa_key", b"KEY one", b"KEY two") == ["secret: differs; its content is not shown"]
    assert diff("/etc/ppp/chap-secrets", None, b"KEY") == ["secret: added; its content is not shown"]


def test_shadow_says_which_field() -> None:
    old = b"root:$y$SECRET1:19000:0:99999:7:::\nbin:*:1:0:99999:7:::\n"
    new = b"root:$y$SECRET2:19500:0:99999:7:::\nalice:$y$SECRET3:1:0:99999:7:::\n"
    assert diff("/etc/shadow", old, new) == [
        "~root: field 2 (password) changed, field 3 (last change) changed 19000 -> 19500",
        "-bin: last change 1, minimum 0, maximum 99999, warning 7",
        "+alice: last change 1, minimum 0, maximum 99999, warning 7",
    ]


def test_passwd_and_group_show_what_is_public() -> None:
    assert diff("/etc/passwd", b"a:HASH1:1:1:A:/:/bin/sh\n", b"a:HASH2:2:1:A:/:\n") == [
        "~a: field 2 (password) changed, field 3 (uid) changed 1 -> 2, field 7 (shell) changed /bin/sh -> (empty)"
    ]
    assert diff("/etc/group", b"", b"g:HASH:7:a,b\n") == ["+g: gid 7, members a,b"]


def test_odd_lines_of_account_tables_are_not_shown() -> None:
    assert diff("/etc/shadow", b"", b"SECRET\n") == ["lines that are blank, duplicate or no record differ"]
    assert diff("/etc/shadow", b"a:S1\n", b"a:S2\n") == ["~a: differs, and has not the fields of its table"]
    assert diff("/etc/passwd", b"a:x:1:1:::\nb:x:2:2:::\n", b"b:x:2:2:::\na:x:1:1:::\n") == [
        "differs: only order or layout"
    ]


def test_backups_of_tables_are_tables() -> None:
    assert diff("/etc/shadow-", b"a:S1:1::::::\n", b"a:S2:1::::::\n") == ["~a: field 2 (password) changed"]


def test_a_terminal_is_left_alone() -> None:
    shown = diff("/etc/a", b"", b"\x1b[2Jx\xff\xe2\x80\xae\n")
    assert shown[-1] == "+\\x1b[2Jx\\xff\\u202e"


@given(st.text())
def test_printable_is_printable(text: str) -> None:
    assert not any(ord(char) < 32 and char not in "\t\n" for char in printable(text))


fields = st.sampled_from([b"", b"1", b"a", b"x,y"])
records = st.tuples(st.sampled_from([b"a", b"b", b"+"]), st.just(b"S3CR3T"), st.lists(fields, max_size=9)).map(
    lambda record: b":".join([record[0], record[1] + b"%d" % len(record[2]), *record[2]])
)
tables = st.lists(records | st.sampled_from([b"", b"S3CR3T", b"#"]), max_size=5).map(b"\n".join)


@given(st.sampled_from(["passwd", "group", "shadow", "gshadow", "shadow-"]), tables, tables | st.none())
def test_the_password_field_never_shows(name: str, old: bytes, new: bytes | None) -> None:
    assert "S3CR3T" not in "".join(diff(f"/etc/{name}", old, new))
