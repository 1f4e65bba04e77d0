"""The site's key, and signatures in the format of ``ssh-keygen -Y``."""

from __future__ import annotations

import os

from goldroot import sshkeys, sshsig
from goldroot.errors import BadSignature, GoldrootError, NotFound
from goldroot.sshsig import Invalid

#: Who signs, and what for: both stand in the signature and are checked.
SIGNER, NAMESPACE = "site@goldroot", "gold@goldroot"


class SiteKey:
    """The key pair in a site's ``keys/`` directory."""

    def __init__(self, directory: str) -> None:
        self.private = os.path.join(directory, "site")
        self.public = self.private + ".pub"
        self.allowed = os.path.join(directory, "allowed_signers")

    def make(self) -> None:
        """Make the pair and the list of signers, where they are missing; an existing key is never replaced.

        :raises MissingProgram: nothing here makes keys.
        """
        if not os.path.exists(self.private):
            pair = sshkeys.make_key("ed25519", SIGNER, os.path.dirname(self.private))
            # The private half goes last: whoever finds it finds the public half too.
            _write(self.public, pair.public)
            _write(self.private, pair.private)
        if not os.path.exists(self.allowed):
            with open(self.public, "rb") as file:
                public = file.read().strip()
            _write(self.allowed, f'{SIGNER} namespaces="{NAMESPACE}" '.encode() + public + b"\n")

    def ready(self) -> None:
        """See that a signature can be made, before anything is made that will want one; raises what :meth:`sign` does."""
        self.sign(b"")

    def sign(self, document: bytes) -> str:
        """An armoured signature of ``document``.

        :raises NotFound: the key is gone. :raises Failed: others may read it. :raises MissingProgram: nothing here can sign.
        """
        if not os.path.exists(self.private):
            raise NotFound(
                f"the site's key {self.private} is missing",
                meaning="Without it no gold version can be signed. Nothing was published.",
                todo="Put it back from a backup, or make a new one with: goldroot init (in the site's directory).",
            )
        return sshsig.sign(self.private, NAMESPACE, document)

    def verify(self, document: bytes, signature: str, what: str) -> None:
        """See that a signer of this site signed ``document``; ``what`` names it.

        :raises BadSignature: nobody of them did. :raises NotFound: it is not known whose signatures count.
        """
        if not os.path.exists(self.allowed):
            raise NotFound(
                f"{self.allowed} is missing, which says whose signatures count",
                meaning=f"Whether {what} is what was published cannot be told. Nothing was changed.",
                todo="Put the site's keys back from a backup. Where its key is still there (keys/site and keys/site.pub), "
                "this writes the file again: goldroot init (in the site's directory).",
            )
        try:
            sshsig.verify(self.allowed, SIGNER, NAMESPACE, document, signature)
        except Invalid as error:
            raise BadSignature(
                f"the signature of {what} does not hold: {error}",
                meaning="It was changed after it was signed, or signed by a key that this site does not know.",
                todo=f"Do not use it. The keys that count stand in {self.allowed}.",
            ) from error


def verify_gold_document(signers: str, document: bytes, signature: str) -> None:
    """See that one of a list of signers signed a document.

    :raises BadSignature: nobody of them did.
    """
    try:
        sshsig.verify(signers, SIGNER, NAMESPACE, document, signature)
    except Invalid as error:
        raise BadSignature(f"the signature does not hold: {error}") from error


def keys_work(directory: str) -> bool:
    """Whether what the key of a ``keys/`` directory signs is signed by one of its signers."""
    key = SiteKey(directory)
    try:
        key.verify(b"", key.sign(b""), "nothing")
    except (GoldrootError, OSError, ValueError):
        return False
    return True


def _write(path: str, content: bytes) -> None:
    """Whole or not at all, and never for others to read."""
    beside = path + ".new"
    if os.path.lexists(beside):
        os.unlink(beside)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(beside, path)
