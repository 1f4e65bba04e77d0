# Read by the init of initramfs-tools(7) where the kernel was told boot=goldroot.

. /goldroot/mount.sh

mountroot() {
    goldroot_root "$rootmnt"
}

# What other ways of boot have, and this one has no need of.
mount_top() { :; }
mount_premount() { :; }
mount_bottom() { :; }
