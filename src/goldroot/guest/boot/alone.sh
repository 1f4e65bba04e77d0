#!/bin/busybox sh
# The first program of an initial file system that goldroot packs itself, for a root that has a kernel and none of its own.

/bin/busybox mkdir -p /proc /sys /dev /run /root /sbin
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t devtmpfs -o nosuid,mode=0755 dev /dev
mount -t tmpfs -o nosuid,nodev,mode=0755 run /run
mkdir -p /lib
ln -s /goldroot/lib/modules /lib/modules
echo /bin/modprobe >/proc/sys/kernel/modprobe # what the kernel itself asks for modules

. /goldroot/mount.sh

goldroot_root /root
for goldroot_one in sbin/init usr/lib/systemd/systemd bin/init; do
    if [ -x "/root/$goldroot_one" ] || [ -L "/root/$goldroot_one" ]; then
        goldroot_init=/$goldroot_one
        break
    fi
done
[ -n "$goldroot_init" ] || goldroot_stop "its root has no /sbin/init" "Install a process 1 in the image (on Debian: systemd-sysv)."
for goldroot_one in proc sys dev run; do
    mount -o move "/$goldroot_one" "/root/$goldroot_one" || goldroot_stop "its root has no /$goldroot_one"
done
exec switch_root -c /dev/console /root "$goldroot_init"
