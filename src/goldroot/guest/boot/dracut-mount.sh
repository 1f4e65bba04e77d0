# Read by dracut(8) until the root is there.

. /goldroot/mount.sh

if ! ismounted "$NEWROOT"; then
    goldroot_root "$NEWROOT"
fi
