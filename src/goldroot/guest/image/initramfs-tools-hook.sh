#!/bin/sh
# Read by mkinitramfs(8): what puts a server's root together goes into each initial file system.  goldroot image convert put it here.

[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions

mkdir -p "$DESTDIR/goldroot"
cp /usr/lib/goldroot/mount.sh /usr/lib/goldroot/table "$DESTDIR/goldroot/"
manual_add_modules erofs squashfs ext4 xfs virtio_pci virtio_blk dasd_eckd_mod dasd_fba_mod
for goldroot_program in /sbin/e2fsck /usr/sbin/e2fsck; do
    if [ -x "$goldroot_program" ]; then
        copy_exec "$goldroot_program"
        break
    fi
done
