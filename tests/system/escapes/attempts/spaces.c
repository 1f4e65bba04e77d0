/* Namespaces: new ones of one's own, in which a process has every capability again, and those of others. */
#include "attempt.h"
#include <sched.h>
#include <signal.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

ATTEMPT(unshare_user) { return judge(unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)"); }
ATTEMPT(unshare_mount) { return judge(unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)"); }
ATTEMPT(unshare_net) { return judge(unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)"); }
ATTEMPT(unshare_pid) { return judge(unshare(CLONE_NEWPID), "unshare(CLONE_NEWPID)"); }
ATTEMPT(unshare_ipc) { return judge(unshare(CLONE_NEWIPC), "unshare(CLONE_NEWIPC)"); }
ATTEMPT(unshare_uts) { return judge(unshare(CLONE_NEWUTS), "unshare(CLONE_NEWUTS)"); }
ATTEMPT(unshare_cgroup) { return judge(unshare(CLONE_NEWCGROUP), "unshare(CLONE_NEWCGROUP)"); }
ATTEMPT(unshare_time) { return judge(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)"); }

/* The whole way: a user namespace, a mount namespace, and /usr writable in it. */
ATTEMPT(unshare_and_remount) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) return refused("unshare: %s", strerror(errno));
    if (!mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL) && writes_usr()) return escaped("/usr was written");
    if (!mount("none", "/srv", "tmpfs", 0, NULL)) return escaped("a file system was mounted");
    return refused("mount: %s", strerror(errno));
}

static long cloned(unsigned long flags) {
#ifdef __s390x__
    long child = syscall(SYS_clone, 0, flags | SIGCHLD, 0, 0, 0);
#else
    long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
#endif
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    return child;
}

ATTEMPT(clone_user) { return judge(cloned(CLONE_NEWUSER), "clone(CLONE_NEWUSER)"); }
ATTEMPT(clone_mount) { return judge(cloned(CLONE_NEWNS), "clone(CLONE_NEWNS)"); }

/* The kernel looks at the lower half of the flags only: a filter that compares all of them would be passed by. */
ATTEMPT(clone_user_with_high_bits) {
#if ULONG_MAX > 0xffffffffUL
    return judge(cloned(CLONE_NEWUSER | (1UL << 40)), "clone(CLONE_NEWUSER and a high bit)");
#else
    return unknown("numbers have no upper half here");
#endif
}

ATTEMPT(clone3_user) {
#ifdef SYS_clone3
    uint64_t wanted[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long child = syscall(SYS_clone3, wanted, sizeof wanted);
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    return judge(child, "clone3(CLONE_NEWUSER)");
#else
    return unknown("the C library knows no clone3");
#endif
}

static int joins(int pid) {
    static const char *const kinds[] = {"mnt", "user", "net", "pid", "ipc", "uts"};
    char theirs[64], ours[64], there[64], here[64];
    for (size_t at = 0; at < sizeof kinds / sizeof *kinds; at++) {
        snprintf(theirs, sizeof theirs, "/proc/%d/ns/%s", pid, kinds[at]);
        snprintf(ours, sizeof ours, "/proc/self/ns/%s", kinds[at]);
        ssize_t one = readlink(theirs, there, sizeof there), two = readlink(ours, here, sizeof here);
        if (one < 0 || two < 0 || (one == two && !memcmp(there, here, one))) continue;
        int handle = open(theirs, O_RDONLY);
        if (handle >= 0 && !setns(handle, 0)) return printf("joined %s of process %d\n", kinds[at], pid), 1;
        if (handle >= 0) close(handle);
    }
    return 0;
}

ATTEMPT(join_by_proc) { return each_process(joins) ? ESCAPED : refused("no other namespace could be joined"); }

ATTEMPT(join_own) {
    int handle = open("/proc/self/ns/uts", O_RDONLY);
    return handle < 0 ? refused("open: %s", strerror(errno)) : judge(setns(handle, 0), "setns");
}

ATTEMPT(join_by_pidfd) {
    int handle = syscall(SYS_pidfd_open, (pid_t)number("pid"), 0);
    if (handle < 0) return judge(-1, "pidfd_open");
    if (setns(handle, CLONE_NEWNS)) return refused("setns: %s", strerror(errno));
    return reads_canary("") ? escaped("the host's mounts were joined") : refused("the same mounts");
}
