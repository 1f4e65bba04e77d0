"""Keys and signatures of OpenSSH: by the library (:mod:`goldroot.sshsig`), else by the program ``ssh-keygen``.

The program does what the library does not speak, and everything where the library is not installed: it has no wheel for
every architecture.  Both write and read the same files.
"""

from __future__ import annotations

import os
import tempfile
from importlib import import_module

from goldroot import sshsig
from goldroot.errors import Failed, MissingProgram, ProgramFailed
from goldroot.run import find, run
from goldroot.sshsig import Beyond, Invalid, Kind, Pair

PROGRAM, LIBRARY = "ssh-keygen", "cryptography"
KEYS = "goldroot makes keys, signs and checks signatures"


def ready() -> None:
    """For a command that will make keys or sign: see beforehand that it can.

    :raises MissingProgram: there is neither the library nor the program.
    """
    if not _has_library():
        _program(KEYS)


def make_key(kind: Kind, comment: str, room: str) -> Pair:
    """A new key without a passphrase: what its private and its public file hold.

    :param room: a directory of the caller's own (0700), for the program.
    :raises MissingProgram: as :func:`ready`.
    """
    if _has_library():
        return sshsig.make_key(kind, comment)
    _program(KEYS)
    with tempfile.TemporaryDirectory(prefix="key-", dir=room) as directory:
        place = os.path.join(directory, "key")
        run([PROGRAM, "-q", "-t", kind, "-N", "", "-C", comment, "-f", place])
        return Pair(_read(place), _read(place + ".pub"))


def sign(private: str, namespace: str, document: bytes) -> str:
    """The armoured signature of ``document`` by the key in the file ``private``.

    :raises Failed: others may read the key: it is nobody's alone any more.
    :raises MissingProgram: as :func:`ready`; also for a key that the library cannot read.
    """
    with open(private, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        key = file.read()
    if mode & 0o077:
        raise Failed(
            f"the key {private} may be used by others than its owner (its mode is {mode:04o})",
            meaning="Nothing was signed.",
            todo=f"Ask who has read it; then: chmod 600 {private}",
        )
    if _has_library():
        try:
            return sshsig.sign(key, namespace, document)
        except Beyond as error:
            _program(f"{private}: {error}")
    _program(KEYS)
    return run([PROGRAM, "-q", "-Y", "sign", "-f", private, "-n", namespace], stdin=document).text()


def verify(allowed: str, principal: str, namespace: str, document: bytes, signature: str) -> None:
    """See that a signer whom the file ``allowed`` names ``principal`` signed ``document``.

    :raises Invalid: nobody of them did.
    :raises MissingProgram: as :func:`ready`; also for signatures and signers that the library does not understand.
    """
    if _has_library():
        try:
            return sshsig.verify(document, signature, namespace, principal, _read(allowed))
        except Beyond as error:
            _program(f"{error} ({allowed})")
    _program(KEYS)
    # A file without a name: one in $TMPDIR would stay where this command is killed.
    with open(os.memfd_create("signature"), "wb") as file:
        file.write(signature.encode())
        file.flush()
        place = f"/dev/fd/{file.fileno()}"
        words = ["-Y", "verify", "-f", allowed, "-I", principal, "-n", namespace, "-s", place]
        try:
            run([PROGRAM, "-q", *words], stdin=document, pass_fds=(file.fileno(),))
        except ProgramFailed as error:
            raise Invalid(error.brief) from error
    return None


def _has_library() -> bool:
    try:
        import_module(f"{LIBRARY}.hazmat.primitives.serialization")
    except ImportError:
        return False
    return True


def _program(why: str) -> None:
    """The program is there, or an error that names it, and the library where that would do."""
    try:
        find(PROGRAM)
    except MissingProgram:
        if _has_library():
            brief, todo = "", "Install it (on Debian: apt-get install openssh-client) and run the command again."
        else:
            brief = f"the Python package {LIBRARY!r} or "
            todo = (
                "Install goldroot with its extra, which brings the package: pip install '.[fleet]' in its directory. "
                f"Or install one of them from your system (on Debian: python3-{LIBRARY} or openssh-client)."
            )
        raise MissingProgram(
            f"{why}, which takes {brief}the program {PROGRAM!r}: not installed",
            meaning="Nothing was changed.",
            todo=todo,
        ) from None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
