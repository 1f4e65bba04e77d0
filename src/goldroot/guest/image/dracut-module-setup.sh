#!/bin/bash
# Read by dracut(8): what puts a server's root together goes into each initial file system.  goldroot image convert put it here.

check() {
    return 0
}

depends() {
    return 0
}

installkernel() {
    hostonly='' instmods erofs squashfs ext4 xfs virtio_pci virtio_blk dasd_eckd_mod dasd_fba_mod
}

install() {
    inst_multiple cat sed sleep mkdir mount umount modprobe
    inst_multiple -o e2fsck chroot
    inst_simple /usr/lib/goldroot/mount.sh /goldroot/mount.sh
    inst_simple /usr/lib/goldroot/table /goldroot/table
    inst_hook cmdline 50 "$moddir/cmdline.sh"
    inst_hook mount 50 "$moddir/mount.sh"
}
