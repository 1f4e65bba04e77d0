"""The family of a system, by its os-release(5)."""

from __future__ import annotations

import shlex

from goldroot.policy.policy_file import DEBIAN, REDHAT, SUSE, UBUNTU

#: ID or a word of ID_LIKE -> family.
_FAMILIES = {
    "ubuntu": UBUNTU, "debian": DEBIAN,
    "suse": SUSE, "opensuse": SUSE, "sles": SUSE, "sled": SUSE, "sle": SUSE, "sle-micro": SUSE, "sl-micro": SUSE,
    "rhel": REDHAT, "fedora": REDHAT, "centos": REDHAT, "rocky": REDHAT, "almalinux": REDHAT, "ol": REDHAT, "amzn": REDHAT,
}  # fmt: skip


def family_of(os_release: bytes | str) -> str:
    """``debian``, ``ubuntu``, ``suse`` or ``redhat``; "" for another system.

    :param os_release: what the file says; ID counts before ID_LIKE, whose words stand in the order of likeness.
    """
    text = os_release if isinstance(os_release, str) else os_release.decode("utf-8", "replace")
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        try:
            said[name] = " ".join(shlex.split(value)).lower().split()
        except ValueError:
            continue
    words = [*said.get("ID", []), *said.get("ID_LIKE", [])]
    found = (_FAMILIES.get(word) or (SUSE if word.startswith("opensuse") else "") for word in words)
    return next((family for family in found if family), "")
