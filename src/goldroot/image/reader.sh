# Sent to a server that is adopted, and run there by sh: writes a tar of its file systems to standard output.
# It needs GNU tar, or python3; it writes nothing on the server.
LC_ALL=C; export LC_ALL
cd / || exit 97
# What is mounted and is not a file system on a disk of this server, or is a part of another one, is left out; the directory
# that it is mounted on stays.
skip='./proc ./sys ./dev ./run ./tmp'
set -f
# Octal escapes of the kernel become what they stand for.
plain() { printf '%b' "$(printf '%s' "$1" | sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')"; }
if [ -r /proc/self/mountinfo ]; then
    while read -r _ _ _ root point rest; do
        fs=${rest#*- }; fs=${fs%% *}
        [ "$point" = / ] && continue
        case $fs in
        ext2 | ext3 | ext4 | xfs | jfs | f2fs | reiserfs | vfat) [ "$root" = / ] && continue ;;
        btrfs | zfs | bcachefs) continue ;;
        esac
        case $point/ in /proc/* | /sys/* | /dev/* | /run/* | /tmp/*) continue ;; esac
        printf 'goldroot-left-out %s %s\n' "$fs" "$(plain "$point")" >&2
        skip="$skip .$point"
    done < /proc/self/mountinfo
fi
if tar --version 2> /dev/null | grep -q 'GNU tar'; then
    set -- --create --file=- --format=posix --numeric-owner --sparse --xattrs '--xattrs-include=*' --anchored --wildcards
    for place in $skip; do
        # What a pattern would read as its own is escaped.
        place=$(plain "$place" | sed 's/[][*?\\]/\\&/g')
        set -- "$@" "--exclude=$place/*"
    done
    exec tar "$@" .
fi
command -v python3 > /dev/null || { echo 'it has neither GNU tar nor python3' >&2; exit 98; }
exec python3 -c '
import os, sys, tarfile
skip = {p.encode().decode("unicode_escape").encode("latin-1") for p in sys.argv[1].split()}
def add(tar, path):
    name = os.fsdecode(path)
    try:
        member = tar.gettarinfo(name, name)
    except OSError:
        return False
    if member is None:
        return False
    member.uname = member.gname = ""
    try:
        for key in os.listxattr(path, follow_symlinks=False):
            value = os.getxattr(path, key, follow_symlinks=False)
            member.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        if member.isreg():
            with open(path, "rb") as file:
                member.size = os.fstat(file.fileno()).st_size
                tar.addfile(member, Whole(file, member.size))
        else:
            tar.addfile(member)
    except FileNotFoundError:
        pass
    return member.isdir()
class Whole:
    def __init__(self, file, left):
        self.file, self.left = file, left
    def read(self, size):
        data = self.file.read(min(size, self.left))
        data += bytes(min(size, self.left) - len(data))
        self.left -= len(data)
        return data
def walk(tar, path):
    if add(tar, path) and path not in skip:
        for name in sorted(os.listdir(path)):
            walk(tar, path + b"/" + name)
sys.setrecursionlimit(100000)
try:
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        walk(tar, b".")
except Exception as error:
    print(error, file=sys.stderr)
    os._exit(2)
' "$skip"
