# Sent to a server that is read by ssh, and run there by sh: writes a tar of its file systems to standard output.
# It needs GNU tar, or python3; it writes nothing on the server.
# The line before this one may say `goldroot_mode`, and what stands in the place of the list at the end is for that then:
#   hollow     what is below some paths, each file as one hole of its size: "top" and "skip" lines, paths as hexadecimal digits
#   contents   some files: "file" lines
# Both need python3.
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
goldroot_mode=${goldroot_mode:-whole}
if [ "$goldroot_mode" = whole ] && tar --version 2> /dev/null | grep -q 'GNU tar'; then
    set -- --create --file=- --format=posix --numeric-owner --sparse --xattrs '--xattrs-include=*' --anchored --wildcards
    for place in $skip; do
        # What a pattern would read as its own is escaped.
        place=$(plain "$place" | sed 's/[][*?\\]/\\&/g')
        set -- "$@" "--exclude=$place/*"
    done
    exec tar "$@" .
fi
command -v python3 > /dev/null || { echo "it has no python3, and no GNU tar that would do" >&2; exit 98; }
exec python3 -c '
import io, os, sys, tarfile
skip = {p.encode().decode("unicode_escape").encode("latin-1") for p in sys.argv[1].split()}
hollow = sys.argv[2] == "hollow"
asked = {"top": [], "skip": [], "file": []}
for line in os.fdopen(3):
    if line.strip():
        word, _, path = line.strip().partition(" ")
        asked[word].append(b"./" + bytes.fromhex(path))
skip = (skip - set(asked["top"])) | set(asked["skip"])
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
        # a float, which tarfile has, cannot hold nanoseconds
        since = os.lstat(path).st_mtime_ns
        member.pax_headers["mtime"] = "%s%d.%09d" % ("-" if since < 0 else "", *divmod(abs(since), 10**9))
        for key in os.listxattr(path, follow_symlinks=False):
            value = os.getxattr(path, key, follow_symlinks=False)
            member.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        if member.isreg() and hollow and member.size:
            # a file that is one hole (GNU tar, Storing Sparse Files: PAX format 1.0)
            member.pax_headers["GNU.sparse.major"] = "1"
            member.pax_headers["GNU.sparse.minor"] = "0"
            member.pax_headers["GNU.sparse.name"] = member.name
            member.pax_headers["GNU.sparse.realsize"] = str(member.size)
            member.size = 512
            tar.addfile(member, io.BytesIO(b"0" + bytes([10]) + bytes(510)))
        elif member.isreg():
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
        try:
            names = sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            names = []
        for name in names:
            walk(tar, path + b"/" + name)
def ways(tops):
    found = {b"."}
    for top in tops:
        steps = top.split(b"/")
        found |= {b"/".join(steps[:count]) for count in range(1, len(steps))}
    return sorted(found)
sys.setrecursionlimit(100000)
try:
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        if sys.argv[2] == "whole":
            walk(tar, b".")
        for path in ways(asked["top"]) if asked["top"] else []:
            add(tar, path)
        for path in asked["top"]:
            walk(tar, path)
        for path in asked["file"]:
            add(tar, path)
except Exception as error:
    print(error, file=sys.stderr)
    os._exit(2)
' "$skip" "$goldroot_mode" 3<<'goldroot-list'
@LIST@
goldroot-list
