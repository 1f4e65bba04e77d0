/* Mounts: what is read-only made writable, what is covered uncovered, new file systems, another root. */
#include "attempt.h"

/* The same numbers on every architecture; what they take, as linux/mount.h has it, which does not go with sys/mount.h. */
#undef SYS_open_tree
#undef SYS_move_mount
#undef SYS_fsopen
#undef SYS_fsconfig
#undef SYS_fsmount
#undef SYS_mount_setattr
enum { SYS_open_tree = 428, SYS_move_mount = 429, SYS_fsopen = 430, SYS_fsconfig = 431, SYS_fsmount = 432, SYS_mount_setattr = 442 };
#define TREE_CLONE 1
#define FROM_EMPTY 4
#define CONFIG_STRING 1
#define CONFIG_CREATE 6
struct attributes { uint64_t set, clear, propagation, user; };

static int written(const char *how) {
    return writes_usr() ? escaped("%s, and /usr was written", how) : refused("%s, and /usr stays closed: %s", how, strerror(errno));
}

ATTEMPT(remount_bind) {
    if (mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL)) return refused("remount: %s", strerror(errno));
    return written("remounted");
}

ATTEMPT(remount_everything) {
    if (mount(NULL, "/usr", NULL, MS_REMOUNT, NULL)) return refused("remount: %s", strerror(errno));
    return written("remounted");
}

ATTEMPT(remount_by_mount_setattr) {
    struct attributes wanted = {.clear = 1 /* MOUNT_ATTR_RDONLY */};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/usr", AT_RECURSIVE, &wanted, sizeof wanted)) return judge(-1, "mount_setattr");
    return written("changed by mount_setattr");
}

ATTEMPT(umount_usr) {
    if (umount2("/usr", MNT_DETACH)) return refused("umount: %s", strerror(errno));
    return access("/usr/hidden", F_OK) ? refused("nothing lies below") : escaped("what /usr covers was seen");
}

ATTEMPT(umount_covers) {
    static const char *const places[] = {"/proc/sys", "/proc/kallsyms", "/proc/keys", "/proc", "/sys", "/dev", "/run", "/tmp"};
    for (size_t at = 0; at < sizeof places / sizeof *places; at++)
        if (!umount2(places[at], MNT_DETACH)) return escaped("%s was unmounted", places[at]);
    return refused("umount: %s", strerror(errno));
}

static int mounts(const char *source, const char *kind, unsigned long flags, const char *data) {
    return judge(mount(source, mount_point(), kind, flags, data), kind ? kind : "mount");
}

ATTEMPT(mount_tmpfs) { return mounts("none", "tmpfs", 0, NULL); }
ATTEMPT(mount_bind) { return mounts("/usr", NULL, MS_BIND, NULL); }
ATTEMPT(mount_sysfs) { return mounts("none", "sysfs", 0, NULL); }
ATTEMPT(mount_mqueue) { return mounts("none", "mqueue", 0, NULL); }
ATTEMPT(mount_devpts) { return mounts("none", "devpts", 0, NULL); }
ATTEMPT(mount_ramfs) { return mounts("none", "ramfs", 0, NULL); }
ATTEMPT(mount_move) { return judge(mount("/tmp", mount_point(), NULL, MS_MOVE, NULL), "moving a mount"); }
ATTEMPT(mount_shared) { return judge(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), "sharing mounts with others"); }

ATTEMPT(mount_devtmpfs) {
    if (mount("none", mount_point(), "devtmpfs", 0, NULL)) return judge(-1, "devtmpfs");
    return opens("/srv/mnt/kmsg", O_RDONLY) ? escaped("all of the host's devices") : refused("open: %s", strerror(errno));
}

ATTEMPT(mount_kernels_own) {
    static const char *const kinds[] = {"cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "binfmt_misc", "bpf", "pstore"};
    int known = 0;
    for (size_t at = 0; at < sizeof kinds / sizeof *kinds; at++) {
        if (!mount("none", mount_point(), kinds[at], 0, NULL)) return escaped("%s: mounted", kinds[at]);
        known |= errno != ENODEV;
    }
    return known ? refused("mount: %s", strerror(errno)) : unknown("none of them is in this kernel");
}

ATTEMPT(mount_new_proc) {
    if (mount("proc", mount_point(), "proc", 0, NULL)) return refused("mount: %s", strerror(errno));
    return opens("/srv/mnt/sys/kernel/core_pattern", O_WRONLY) ? escaped("core_pattern could be written in a new proc")
                                                               : refused("open: %s", strerror(errno));
}

ATTEMPT(mount_overlay) {
    mkdir("/tmp/upper", 0755);
    mkdir("/tmp/work", 0755);
    return judge(mount("none", "/usr", "overlay", 0, "lowerdir=/usr,upperdir=/tmp/upper,workdir=/tmp/work"), "overlay");
}

ATTEMPT(mount_the_hosts_disk) {
    if (!argument("disk")) return unknown("no block device could be had for the host");
    mknod("/tmp/node", S_IFBLK | 0600, makedev(number("major"), number("minor")));
    if (mount("/tmp/node", mount_point(), "ext4", MS_RDONLY, NULL) && errno != EBUSY) return refused("mount: %s", strerror(errno));
    return escaped("the host's disk was mounted");
}

static int new_way(const char *kind, const char *const *options) {
    int context = syscall(SYS_fsopen, kind, 0);
    if (context < 0) return judge(-1, "fsopen");
    for (; *options; options += 2) syscall(SYS_fsconfig, context, CONFIG_STRING, options[0], options[1], 0);
    if (syscall(SYS_fsconfig, context, CONFIG_CREATE, NULL, NULL, 0) < 0) return judge(-1, "fsconfig");
    int made = syscall(SYS_fsmount, context, 0, 0);
    if (made < 0) return judge(-1, "fsmount");
    return judge(syscall(SYS_move_mount, made, "", AT_FDCWD, mount_point(), FROM_EMPTY), "move_mount");
}

ATTEMPT(new_mount_tmpfs) { return new_way("tmpfs", (const char *const[]){NULL}); }

ATTEMPT(new_mount_overlay) {
    mkdir("/tmp/upper", 0755);
    mkdir("/tmp/work", 0755);
    return new_way("overlay", (const char *const[]){"lowerdir", "/usr", "upperdir", "/tmp/upper", "workdir", "/tmp/work", NULL});
}

ATTEMPT(new_mount_bind) {
    struct attributes wanted = {.clear = 1 /* MOUNT_ATTR_RDONLY */};
    int tree = syscall(SYS_open_tree, AT_FDCWD, "/usr", TREE_CLONE);
    if (tree < 0) return judge(-1, "open_tree");
    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &wanted, sizeof wanted);
    int handle = openat(tree, "written", O_CREAT | O_WRONLY, 0644);
    if (handle >= 0) unlinkat(tree, "written", 0);
    return judge(handle, "writing /usr through a copy of its mount");
}

/* Since Linux 6.15, open_tree and mount_setattr in one: a list of forbidden calls may be older. */
ATTEMPT(new_mount_by_open_tree_attr) {
    struct attributes wanted = {.clear = 1 /* MOUNT_ATTR_RDONLY */};
    int tree = syscall(467, AT_FDCWD, "/usr", TREE_CLONE, &wanted, sizeof wanted);
    if (tree < 0) return judge(-1, "open_tree_attr");
    int handle = openat(tree, "written", O_CREAT | O_WRONLY, 0644);
    if (handle >= 0) unlinkat(tree, "written", 0);
    return judge(handle, "writing /usr through a copy of its mount");
}

ATTEMPT(pivot_root_away) {
    if (mount("none", mount_point(), "tmpfs", 0, NULL)) return refused("mount: %s", strerror(errno));
    mkdir("/srv/mnt/old", 0755);
    return judge(syscall(SYS_pivot_root, "/srv/mnt", "/srv/mnt/old"), "pivot_root");
}

/* The old way out of chroot(2): a directory below becomes the root while this process stands above it. */
ATTEMPT(chroot_break) {
    mkdir("/tmp/jail", 0755);
    if (chdir("/") || chroot("/tmp/jail")) return refused("chroot: %s", strerror(errno));
    for (int step = 0; step < 64; step++)
        if (chdir("..")) break;
    if (chroot(".")) return refused("chroot: %s", strerror(errno));
    return reads_canary("") ? escaped("the host's root was reached") : refused("above the root there is only the root");
}

ATTEMPT(handle_of_a_hosts_file) {
    const char *hex = argument("handle");
    struct { struct file_handle head; unsigned char bytes[128]; } handle;
    char text[64] = "";
    if (!hex || !*hex) return unknown("the host's file system gives no handles");
    handle.head.handle_bytes = strlen(hex) / 2;
    handle.head.handle_type = number("handle_type");
    for (unsigned at = 0; at < handle.head.handle_bytes && at < sizeof handle.bytes; at++) {
        unsigned value;
        sscanf(hex + 2 * at, "%2x", &value);
        handle.head.f_handle[at] = value;
    }
    int place = open("/", O_RDONLY | O_DIRECTORY), found = open_by_handle_at(place, &handle.head, O_RDONLY);
    if (found < 0) return judge(-1, "open_by_handle_at");
    if (read(found, text, sizeof text - 1) < 0) return refused("read: %s", strerror(errno));
    return strncmp(text, argument("secret"), strlen(argument("secret"))) ? refused("another file")
                                                                        : escaped("a file of the host was opened by its handle");
}

ATTEMPT(freeze_the_file_system) {
    int place = open("/", O_RDONLY | O_DIRECTORY);
    if (ioctl(place, _IOWR('X', 119, int), 0)) return judge(-1, "FIFREEZE");
    ioctl(place, _IOWR('X', 120, int), 0);
    return escaped("the host's file system was frozen, and thawed again");
}
