/* Devices: made, found on a disk of the system, or left in /dev. */
#include "attempt.h"

static const char *const places[] = {"/tmp", "/run", "/dev", "/dev/shm", "/srv", "/"};

/* The superblock of ext4 has its magic at 1024 + 56. */
static int is_hosts_disk(const char *path) {
    unsigned char magic[2] = {0, 0};
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) return 0;
    if (pread(handle, magic, 2, 1080) != 2) magic[0] = 0;
    close(handle);
    return magic[0] == 0x53 && magic[1] == 0xef;
}

static int is_open(const char *path) { return opens(path, O_RDONLY); }

/* 1: made and opened; 0: not; *made says whether it was made at all. */
static int makes(mode_t kind, dev_t device, int (*works)(const char *), int *made) {
    char path[64];
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        snprintf(path, sizeof path, "%s/made", places[at]);
        unlink(path);
        if (mknod(path, kind | 0600, device)) continue;
        *made = 1;
        if (works(path)) return 1;
        unlink(path);
    }
    return 0;
}

ATTEMPT(mknod_disk) {
    int made = 0;
    if (!argument("disk")) return unknown("no block device could be had for the host");
    if (makes(S_IFBLK, makedev(number("major"), number("minor")), is_hosts_disk, &made))
        return escaped("the host's disk was read through a node made here");
    return refused(made ? "the node was made, and could not be opened" : "mknod: %s", strerror(errno));
}

ATTEMPT(mknod_kmsg) {
    int made = 0;
    if (makes(S_IFCHR, makedev(1, 11), is_open, &made)) return escaped("the kernel's log was opened through a node");
    return refused(made ? "the node was made, and could not be opened" : "mknod: %s", strerror(errno));
}

/* loop-control, fuse, tun, kvm, hpet, vhost-net, snapshot, userfaultfd: what the misc driver may have. */
ATTEMPT(mknod_misc) {
    static const int minors[] = {237, 229, 200, 232, 228, 238, 231, 126, 144, 235};
    int made = 0;
    for (size_t at = 0; at < sizeof minors / sizeof *minors; at++)
        if (makes(S_IFCHR, makedev(10, minors[at]), is_open, &made))
            return escaped("the device 10:%d was opened", minors[at]);
    return refused(made ? "nodes were made, and none could be opened" : "mknod: %s", strerror(errno));
}

ATTEMPT(mknod_console) {
    int made = 0;
    if (makes(S_IFCHR, makedev(4, 1), is_open, &made)) return escaped("the host's console was opened");
    if (makes(S_IFCHR, makedev(7, 1), is_open, &made)) return escaped("the screen of the host's console was opened");
    if (makes(S_IFCHR, makedev(5, 1), is_open, &made)) return escaped("the host's console was opened");
    return refused(made ? "nodes were made, and none could be opened" : "mknod: %s", strerror(errno));
}

ATTEMPT(disk_node_block) {
    if (!argument("disk")) return unknown("no block device could be had for the host");
    if (is_hosts_disk("/srv/node-disk")) return escaped("the host's disk was read through a node of the server's disk");
    return refused("the node of the server's disk: %s", strerror(errno));
}

ATTEMPT(disk_node_char) {
    if (access("/srv/node-kmsg", F_OK)) return unknown("no node could be put on the server's disk");
    if (opens("/srv/node-kmsg", O_RDONLY)) return escaped("the kernel's log was opened through a node of the disk");
    return refused("the node of the server's disk: %s", strerror(errno));
}

ATTEMPT(disk_node_of_a_shared_disk) {
    if (access("/usr/node-kmsg", F_OK)) return unknown("no node could be put on the shared disk");
    if (opens("/usr/node-kmsg", O_RDONLY)) return escaped("the kernel's log was opened through a node of /usr");
    return refused("the node of /usr: %s", strerror(errno));
}

ATTEMPT(node_on_a_new_tmpfs) {
    const char *place = mount_point();
    char path[64];
    if (mount("none", place, "tmpfs", 0, NULL)) return refused("mount: %s", strerror(errno));
    snprintf(path, sizeof path, "%s/node", place);
    if (mknod(path, S_IFCHR | 0600, makedev(1, 11))) return refused("mknod: %s", strerror(errno));
    return opens(path, O_RDONLY) ? escaped("the kernel's log was opened") : refused("open: %s", strerror(errno));
}

/* Whatever stands in /dev and is not one of the six, or belongs to terminals of this system. */
ATTEMPT(other_nodes_in_dev) {
    static const char *const expected[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"};
    DIR *all = opendir("/dev");
    struct dirent *entry;
    struct stat held;
    if (!all) return unknown("/dev: %s", strerror(errno));
    while ((entry = readdir(all))) {
        int known = 0;
        for (size_t at = 0; at < sizeof expected / sizeof *expected; at++)
            known |= !strcmp(entry->d_name, expected[at]);
        if (known || fstatat(dirfd(all), entry->d_name, &held, AT_SYMLINK_NOFOLLOW)) continue;
        if (!S_ISCHR(held.st_mode) && !S_ISBLK(held.st_mode)) continue;
        int handle = openat(dirfd(all), entry->d_name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (handle < 0) continue;
        return escaped("/dev/%s could be opened", entry->d_name);
    }
    return refused("nothing else in /dev could be opened");
}

ATTEMPT(host_terminals) {
    DIR *all = opendir("/dev/pts");
    struct dirent *entry;
    struct stat found, own;
    int has_own = isatty(0) && !fstat(0, &own);
    if (!all) return refused("/dev/pts: %s", strerror(errno));
    while ((entry = readdir(all))) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || fstatat(dirfd(all), entry->d_name, &found, 0)) continue;
        if (has_own && found.st_dev == own.st_dev && found.st_ino == own.st_ino) continue;
        int handle = openat(dirfd(all), entry->d_name, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (handle >= 0) return escaped("the host's terminal /dev/pts/%s could be opened", entry->d_name);
    }
    return refused("no terminal of the host is in /dev/pts");
}
