"""Rules for special things, each with the places by which a merge sees whether it has to look into it.

An ordinary update of ``/etc`` changes no database of NSS and no store of certificates, and does not pass through the rules for
these.  More places may be named here than a rule needs, and never less.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Special(NamedTuple):
    """Where things of one kind are."""

    tops: tuple[bytes, ...] = ()  #: what their places begin with
    names: re.Pattern[bytes] | None = None  #: what stands in their places, wherever these are

    def has(self, place: bytes) -> bool:
        """Whether a place, absolute in the system, is one of these."""
        return place.startswith(self.tops) or (self.names is not None and self.names.search(place) is not None)


#: Records of alternatives, and the links by which the choice is made.
RECORDS, CHOICES = (b"/var/lib/dpkg/alternatives/", b"/var/lib/alternatives/"), b"/etc/alternatives/"
#: Bundles of certificate authorities.
DEBIAN_BUNDLE, SUSE_BUNDLE = b"/etc/ssl/certs/ca-certificates.crt", b"/var/lib/ca-certificates/ca-bundle.pem"
REDHAT_BUNDLE = b"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
#: Where links of runlevels are (update-rc.d(8), chkconfig(8), insserv(8)).
_RUNLEVELS = (b"/etc/rc", b"/etc/init.d/", b"/etc/boot.d/")

#: ``decide/together``: databases of NSS and of SQLite beside other configuration.
DATABASES = Special(
    names=re.compile(
        rb"/(?:cert9\.db|key4\.db|pkcs11\.txt|cert8\.db|key3\.db|secmod\.db)\Z|-(?:wal|shm|journal)\Z", re.DOTALL
    )
)
#: ``decide/rc_links``: start and stop links.
RUNLEVELS = Special(_RUNLEVELS)
#: ``decide/services``: what enables a service, or masks it.
SERVICES = Special((b"/etc/systemd", *_RUNLEVELS))
#: ``fit/alternatives``.
ALTERNATIVES = Special((*RECORDS, CHOICES))
#: ``fit/derived``: lookup maps of mailers, and what they are made from.
MAIL_MAPS = Special((b"/etc/postfix", b"/etc/mail", b"/etc/aliases"))
#: ``fit/withdrawn``: bundles of certificate authorities; lists of sshd's keys.
AUTHORITIES = Special((DEBIAN_BUNDLE, SUSE_BUNDLE, REDHAT_BUNDLE))
SSHD_KEYS = Special((b"/etc/ssh/",), re.compile(rb"/authorized[_-]keys"))
#: ``fit/remarks``: devices for which a boot waits; the databases of dpkg and rpm.
BOOT_DEVICES = Special((b"/etc/fstab",))
PACKAGES = Special((b"/var/lib/dpkg/status", b"/usr/lib/sysimage/rpm", b"/var/lib/rpm"))

#: ``fit/account_uses``, where these are in any tree: dpkg's overrides; files that are named after accounts, or hold numbers.
OVERRIDES = b"/var/lib/dpkg/statoverride"
CRONTABS = (b"/var/spool/cron/crontabs/", b"/var/spool/cron/tabs/", b"/var/spool/cron/")
AT_JOBS = (b"/var/spool/cron/atjobs/", b"/var/spool/atjobs/", b"/var/spool/at/")
MAIL = (b"/var/mail/", b"/var/spool/mail/")
