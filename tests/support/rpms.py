"""Small rpm packages, built by rpmbuild, and roots in which the rpm program installs them: a real database."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from support.trees import Node, make_tree

_SPEC = """Name: {name}
Version: {version}
Release: 1
Summary: {name}
License: none
BuildArch: noarch
AutoReqProv: no
%description
{name}
%install
cp -a {source}/. %{{buildroot}}/
%files
%defattr(-,root,root)
{files}
"""
_PLAIN = (
    "_build_id_links none",
    "__os_install_post %{nil}",
    "_use_weak_usergroup_deps 0",
    "clamp_mtime_to_source_date_epoch 1",
)


class Rpms:
    """A workshop for packages."""

    def __init__(self, room: Path) -> None:
        self.room = room

    def build(self, name: str, version: str, files: Mapping[str, Node], config: Collection[str] = ("etc/",)) -> Path:
        """A package; paths that begin with one of ``config`` are its configuration (``%config(noreplace)``)."""
        top = self.room / f"{name}-{version}"
        make_tree(top / "files", files)
        lines = [("%config(noreplace) " if path.startswith(tuple(config)) else "") + f"/{path}" for path in files]
        spec = top / "spec"
        spec.write_text(_SPEC.format(name=name, version=version, source=top / "files", files="\n".join(lines)))
        defines = [word for one in (f"_topdir {top}", *_PLAIN) for word in ("--define", one)]
        _run("rpmbuild", "--quiet", "-bb", *defines, str(spec))
        return next((top / "RPMS").rglob("*.rpm"))


class RpmRoot:
    """A root with a database at one of rpm's places."""

    def __init__(self, root: Path, place: str) -> None:
        self._words = ["--root", str(root), "--dbpath", place, "--define", "_db_backend sqlite"]
        os.makedirs(root, exist_ok=True)

    def install(self, packages: Sequence[Path]) -> None:
        """Install, or bring to a newer version."""
        _run("rpm", *self._words, "-U", "--nodeps", "--noscripts", "--force", *map(str, packages))

    def installed(self) -> set[str]:
        return set(_run("rpm", *self._words, "-qa", "--qf", "%{NAME}-%{VERSION}\\n").split())

    def changed(self) -> set[str]:
        """The files that are not what their package brought: other contents, or missing (``rpm -Va``)."""
        said = _run("rpm", *self._words, "-Va", "--nodeps", "--noscripts", "--nomtime", ok=(0, 1))
        return {line.split()[-1] for line in said.splitlines()}


def _run(*words: str, ok: Collection[int] = (0,)) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env, check=False)
    assert done.returncode in ok, (words, done.stdout, done.stderr)
    return done.stdout
