# How a server's root is put together from its disks: the part that every initial file system shares (POSIX sh, busybox).
#
# /goldroot/table says what the server has:
#   disk ADDRESS ro|rw FORM     a disk, and its file system
#   verity ADDRESS HASH         each block of the disk is compared with the tree of hashes on the disk ADDRESS-hashes
#   path ADDRESS PATH           what of the disk stands where; "/" first, parents before what is in them
#   link NAME [ADDRESS ...]     a link that leads nowhere: of a trial, which has no network
#   card NAME MAC [ADDRESS ...] the network card with that hardware address has this name
# Of programs it takes what both have: cat, sed, sleep, mkdir, mount, umount, modprobe; for links ip, or chroot and the root's own.
# A disk is known by its address and never by its order: a virtio disk says it as its serial, a channel device of s390x by
# its number.  Whatever does not fit is told on the console, and the server is switched off: nothing is repaired by guessing.

goldroot_patience=30 # seconds for each disk
goldroot_mounted=    # directories, a line for each, the last one first

goldroot_note_mounted() {
    goldroot_mounted="$1
$goldroot_mounted"
}

goldroot_say() {
    echo "goldroot: $*" >/dev/console
}

goldroot_stop() {
    goldroot_say "this server does not boot: $1"
    [ -z "$2" ] || goldroot_say "$2"
    case " $(cat /proc/cmdline) " in
        *" goldroot.shell "*)
            goldroot_say "goldroot.shell was given: here is a shell; the server is switched off when it ends"
            setsid sh -c 'exec sh </dev/console >/dev/console 2>&1'
            ;;
    esac
    # a disk that is left mounted would have to be repaired
    echo "$goldroot_mounted" | while read -r goldroot_one; do
        [ -z "$goldroot_one" ] || umount "$goldroot_one" 2>/dev/null
    done
    sync
    echo 1 >/proc/sys/kernel/sysrq
    echo o >/proc/sysrq-trigger
    while :; do sleep 60; done
}

goldroot_module() {
    modprobe -q -d /goldroot "$@" 2>/dev/null || modprobe -q "$@" 2>/dev/null
}

# The block device at an address; nothing where there is none yet.
goldroot_device() {
    for goldroot_block in /sys/block/*; do
        if [ "$(cat "$goldroot_block/serial" 2>/dev/null)" = "$1" ]; then
            echo "/dev/${goldroot_block##*/}"
            return
        fi
    done
    goldroot_number="/sys/bus/ccw/devices/0.0.0$(echo "$1" | sed 'y/ABCDEF/abcdef/')"
    [ -d "$goldroot_number" ] || return
    if [ "$(cat "$goldroot_number/online" 2>/dev/null)" = 0 ]; then
        echo 1 >"$goldroot_number/online"
    fi
    for goldroot_block in "$goldroot_number"/block/* "$goldroot_number"/virtio*/block/*; do
        [ -d "$goldroot_block" ] || continue
        goldroot_name=${goldroot_block##*/}
        # a minidisk of z/VM has its file system in the first partition
        if [ -d "$goldroot_block/${goldroot_name}1" ]; then
            echo "/dev/${goldroot_name}1"
        else
            echo "/dev/$goldroot_name"
        fi
        return
    done
}

goldroot_wait() {
    goldroot_tries=0
    while :; do
        goldroot_found=$(goldroot_device "$1")
        [ -z "$goldroot_found" ] || [ ! -b "$goldroot_found" ] || return 0
        goldroot_tries=$((goldroot_tries + 1))
        [ "$goldroot_tries" -lt $((goldroot_patience * 10)) ] || return 1
        sleep 0.1 2>/dev/null || sleep 1
    done
}

# The disk that was found is checked as it is read, where that can be done here: goldroot_check ADDRESS HASH
goldroot_check() {
    goldroot_module sha256_generic
    goldroot_module dm_verity
    if ! command -v veritysetup >/dev/null || [ ! -d /sys/module/dm_verity ]; then
        goldroot_say "the disk at $1 is not checked: that needs veritysetup in the initial file system, and a kernel with dm-verity"
        return
    fi
    goldroot_data=$goldroot_found
    goldroot_wait "$1-hashes" || goldroot_stop "the hashes of the disk at $1 are not there" "Look at what the host gave to it."
    veritysetup open "$goldroot_data" "goldroot-$1" "$goldroot_found" "$2" >/dev/console 2>&1 ||
        goldroot_stop "the disk at $1 is not what was sealed" "Compare it on the host: goldroot gold verify"
    goldroot_found="/dev/mapper/goldroot-$1"
    goldroot_say "the disk at $1 is checked as it is read"
}

# Mount the disk at an address: goldroot_disk ADDRESS ro|rw FORM DIRECTORY
goldroot_disk() {
    case "$3" in
        # where nobody knew when the table was written, the kernel finds out
        auto) for goldroot_one in erofs squashfs ext4 xfs; do goldroot_module "$goldroot_one"; done ;;
        *) goldroot_module "$3" ;;
    esac
    goldroot_wait "$1" || goldroot_stop "there is no disk at $1" "Its entry has one: look at what the host gave to it."
    goldroot_hash=$(sed -n "s,^verity $1 \([0-9a-f]*\)\$,\1,p" /goldroot/table)
    [ -z "$goldroot_hash" ] || goldroot_check "$1" "$goldroot_hash"
    # what has to be replayed or fixed is so before it is written, where the program is there
    if [ "$2" = rw ] && [ "$3" = ext4 ] && command -v e2fsck >/dev/null; then
        e2fsck -p "$goldroot_found" >/dev/console 2>&1
        [ "$?" -lt 4 ] || goldroot_stop "the file system of $1 is beyond repair by itself" "Look at it: e2fsck -f"
    fi
    mkdir -p "$4"
    mount -t "$3" -o "$2" "$goldroot_found" "$4" ||
        goldroot_stop "the disk at $1 cannot be mounted as $3" "Put back its fallback, or look at it on the host."
    goldroot_note_mounted "$4"
}

# ip(8), of the initial file system or else of the root: goldroot_ip DIRECTORY WORD...
goldroot_ip() {
    goldroot_in=$1
    shift
    ip "$@" 2>/dev/null || chroot "$goldroot_in" ip "$@" 2>/dev/null
}

# The link of the card with a hardware address; nothing where there is none.
goldroot_card() {
    for goldroot_link in /sys/class/net/*; do
        if [ "$(cat "$goldroot_link/address" 2>/dev/null)" = "$1" ]; then
            echo "${goldroot_link##*/}"
            return
        fi
    done
}

# Give a link its addresses, after which it is up: goldroot_address DIRECTORY NAME ADDRESS...
goldroot_address() {
    goldroot_in_root=$1
    goldroot_link=$2
    shift 2
    for goldroot_one in "$@"; do
        goldroot_ip "$goldroot_in_root" address add "$goldroot_one" dev "$goldroot_link" ||
            goldroot_say "the link $goldroot_link has no address $goldroot_one"
    done
    goldroot_ip "$goldroot_in_root" link set dev "$goldroot_link" up
}

# Links have their names, and are there, before anything of the system looks for them: goldroot_links DIRECTORY
goldroot_links() {
    while read -r goldroot_kind goldroot_name goldroot_rest <&9; do
        case "$goldroot_kind" in
            link)
                goldroot_module dummy numdummies=0
                if goldroot_ip "$1" link add name "$goldroot_name" type dummy; then
                    goldroot_address "$1" "$goldroot_name" $goldroot_rest
                else
                    goldroot_say "this trial has no link $goldroot_name: that needs ip(8) in the root, and a kernel with dummy links"
                fi
                ;;
            card)
                goldroot_module virtio_net
                goldroot_mac=${goldroot_rest%% *}
                goldroot_rest=${goldroot_rest#"$goldroot_mac"}
                goldroot_tries=0
                goldroot_had=$(goldroot_card "$goldroot_mac")
                while [ -z "$goldroot_had" ] && [ "$goldroot_tries" -lt 50 ]; do
                    sleep 0.1 2>/dev/null || sleep 1
                    goldroot_tries=$((goldroot_tries + 1))
                    goldroot_had=$(goldroot_card "$goldroot_mac")
                done
                if [ "$goldroot_had" != "$goldroot_name" ]; then
                    goldroot_ip "$1" link set dev "$goldroot_had" name "$goldroot_name" ||
                        goldroot_say "the card ${goldroot_had:-$goldroot_mac} could not be called $goldroot_name: that needs ip(8) in the root"
                fi
                [ -z "$goldroot_rest" ] || goldroot_address "$1" "$goldroot_name" $goldroot_rest
                ;;
        esac
    done 9</goldroot/table
}

# Put the root together at a directory.
goldroot_root() {
    for goldroot_one in virtio_pci virtio_blk dasd_eckd_mod dasd_fba_mod crc32c_generic; do
        goldroot_module "$goldroot_one"
    done
    [ -r /goldroot/table ] || goldroot_stop "nothing says which disks it has" "The host puts a table into its initial file system."
    goldroot_top=$(sed -n 's,^path \([0-9A-F]*\) /$,\1,p' /goldroot/table)
    [ -n "$goldroot_top" ] || goldroot_stop "no disk has its root"
    goldroot_count=0
    goldroot_tmp=
    # the words are read by another descriptor, for programs in the loop read the first
    while read -r goldroot_kind goldroot_address goldroot_access goldroot_form <&9; do
        [ "$goldroot_kind" = disk ] || continue
        goldroot_count=$((goldroot_count + 1))
        if [ "$goldroot_address" = "$goldroot_top" ]; then
            [ "$goldroot_access" = rw ] || goldroot_tmp=needed
            goldroot_disk "$goldroot_address" "$goldroot_access" "$goldroot_form" "$1"
        else
            goldroot_disk "$goldroot_address" "$goldroot_access" "$goldroot_form" "/run/goldroot/$goldroot_address"
        fi
    done 9</goldroot/table
    while read -r goldroot_kind goldroot_address goldroot_path <&9; do
        [ "$goldroot_kind" = path ] && [ "$goldroot_path" != / ] || continue
        [ "$goldroot_path" != /tmp ] || goldroot_tmp=
        [ "$goldroot_address" != "$goldroot_top" ] || continue
        goldroot_from="/run/goldroot/$goldroot_address$goldroot_path"
        [ -d "$goldroot_from" ] ||
            goldroot_stop "the disk at $goldroot_address has no $goldroot_path" "Its layout is not the one that the host's table tells."
        [ -d "$1$goldroot_path" ] ||
            goldroot_stop "the root at $goldroot_top has no $goldroot_path" "Gold's layout is not the one that the host's table tells."
        mount -o bind "$goldroot_from" "$1$goldroot_path" || goldroot_stop "$goldroot_path cannot be put into its root"
        goldroot_note_mounted "$1$goldroot_path"
    done 9</goldroot/table
    if [ -n "$goldroot_tmp" ]; then
        mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/tmp" || goldroot_say "it has no /tmp"
    fi
    goldroot_links "$1"
    goldroot_say "its root is put together from $goldroot_count disks"
}
