/* System calls that ask the kernel for something that is not of this system alone. */
#include "attempt.h"
#include <linux/fs.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/acct.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/xattr.h>
#include <time.h>
#ifdef __x86_64__
#include <sys/io.h>
#endif

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

ATTEMPT(io_uring) {
    char parameters[120] = {0};
    return judge(syscall(SYS_io_uring_setup, 1, parameters), "io_uring_setup");
}

ATTEMPT(perf_event) {
    struct perf_event_attr wanted = {.type = PERF_TYPE_SOFTWARE, .size = sizeof wanted, .config = PERF_COUNT_SW_CPU_CLOCK};
    return judge(syscall(SYS_perf_event_open, &wanted, -1, 0, -1, 0), "perf_event_open of a whole processor");
}

ATTEMPT(perf_event_of_itself) {
    struct perf_event_attr wanted = {.type = PERF_TYPE_SOFTWARE, .size = sizeof wanted, .config = PERF_COUNT_SW_CPU_CLOCK,
                                     .exclude_kernel = 1, .exclude_hv = 1};
    return judge(syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0), "perf_event_open of itself");
}

ATTEMPT(bpf_map) {
    uint32_t wanted[32] = {2 /* BPF_MAP_TYPE_ARRAY */, 4, 4, 1};
    return judge(syscall(SYS_bpf, 0, wanted, sizeof wanted), "bpf");
}

ATTEMPT(user_fault) { return judge(syscall(SYS_userfaultfd, 0), "userfaultfd"); }
ATTEMPT(user_fault_of_user) { return judge(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */), "userfaultfd of user mode"); }
ATTEMPT(fanotify) { return judge(syscall(SYS_fanotify_init, 0, O_RDONLY), "fanotify_init"); }
ATTEMPT(fanotify_of_user) { return judge(syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY), "fanotify_init"); }

ATTEMPT(host_name) {
    char name[65] = "";
    gethostname(name, sizeof name - 1);
    return judge(sethostname(name, strlen(name)), "sethostname (the same name)");
}

ATTEMPT(domain_name) {
    char name[65] = "";
    if (getdomainname(name, sizeof name - 1)) name[0] = 0;
    return judge(setdomainname(name, strlen(name)), "setdomainname (the same name)");
}

/* The clock is not moved: its own frequency, its own time zone. */
ATTEMPT(clock_adjust) {
    struct timex clock = {0};
    if (adjtimex(&clock) < 0) return judge(-1, "adjtimex");
    clock.modes = ADJ_FREQUENCY;
    return judge(adjtimex(&clock), "adjtimex (the same frequency)");
}

ATTEMPT(clock_adjust_other_call) {
    struct timex clock = {0};
    if (clock_adjtime(CLOCK_REALTIME, &clock) < 0) return judge(-1, "clock_adjtime");
    clock.modes = ADJ_FREQUENCY;
    return judge(clock_adjtime(CLOCK_REALTIME, &clock), "clock_adjtime (the same frequency)");
}

ATTEMPT(clock_zone) {
    struct timezone zone = {0};
    if (syscall(SYS_gettimeofday, NULL, &zone)) return judge(-1, "gettimeofday");
    return judge(syscall(SYS_settimeofday, NULL, &zone), "settimeofday (the same zone)");
}

/* A clock that only ever counts up cannot be set by anybody: EINVAL says that the call was let in. */
ATTEMPT(clock_set) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return let_in(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &now), "clock_settime");
}

/* What is asked for is nothing: the key combination stays as it is, or is of this pid namespace. */
ATTEMPT(restart) { return let_in(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL), "reboot (CAD_OFF)"); }
ATTEMPT(swap_on) { return let_in(swapon("/nowhere", 0), "swapon"); }
ATTEMPT(swap_off) { return let_in(swapoff("/nowhere"), "swapoff"); }
ATTEMPT(quota) { return judge(quotactl(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL), "quotactl"); }
ATTEMPT(quota_by_descriptor) { return let_in(syscall(443, -1, QCMD(Q_SYNC, USRQUOTA), 0, NULL), "quotactl_fd"); }
ATTEMPT(accounting) { return judge(acct(NULL), "acct"); }
ATTEMPT(read_log) {
    char text[256];
    return judge(klogctl(3, text, sizeof text), "syslog");
}

ATTEMPT(load_module) {
    long result = syscall(SYS_init_module, "no module", 9, "");
    if (result < 0 && errno == EPERM) {
        int disabled = opens("/proc/sys/kernel/modules_disabled", O_RDONLY);
        return disabled ? refused("init_module: EPERM") : unknown("this kernel loads no modules");
    }
    return let_in(result, "init_module");
}

ATTEMPT(remove_module) { return let_in(syscall(SYS_delete_module, "nowhere", O_NONBLOCK), "delete_module"); }

ATTEMPT(load_module_file) {
    int handle = open("/attempt", O_RDONLY);
    return let_in(syscall(SYS_finit_module, handle, "", 0), "finit_module");
}

ATTEMPT(other_kernel) {
#ifdef SYS_kexec_load
    return let_in(syscall(SYS_kexec_load, 0UL, 17UL, NULL, 0UL), "kexec_load");
#else
    return unknown("no kexec_load on this architecture");
#endif
}

ATTEMPT(other_kernel_file) {
#ifdef SYS_kexec_file_load
    return let_in(syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, 0UL), "kexec_file_load");
#else
    return unknown("no kexec_file_load on this architecture");
#endif
}

ATTEMPT(io_ports) {
#ifdef __x86_64__
    return judge(iopl(3), "iopl");
#else
    return unknown("no iopl on this architecture");
#endif
}

ATTEMPT(io_ports_few) {
#ifdef __x86_64__
    return judge(ioperm(0x80, 1, 1), "ioperm");
#else
    return unknown("no ioperm on this architecture");
#endif
}

/* -- more of the machine than others get */

ATTEMPT(real_time) {
    struct sched_param wanted = {.sched_priority = 1};
    return judge(sched_setscheduler(0, SCHED_FIFO, &wanted), "SCHED_FIFO");
}

ATTEMPT(nicer) { return judge(setpriority(PRIO_PROCESS, 0, -5), "a priority below 0"); }
ATTEMPT(io_priority) { return judge(syscall(SYS_ioprio_set, 1, 0, 1 << 13), "real-time priority of the disk"); }

ATTEMPT(higher_limit) {
    struct rlimit limit;
    getrlimit(RLIMIT_NPROC, &limit);
    if (limit.rlim_max == RLIM_INFINITY) {
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_max += 1;
        return judge(setrlimit(RLIMIT_NOFILE, &limit), "a higher limit of files");
    }
    limit.rlim_max += 1;
    return judge(setrlimit(RLIMIT_NPROC, &limit), "a higher limit of processes");
}

ATTEMPT(never_killed_for_memory) {
    int handle = open("/proc/self/oom_score_adj", O_WRONLY);
    if (handle < 0) return refused("open: %s", strerror(errno));
    return judge(write(handle, "-900", 4), "oom_score_adj -900");
}

ATTEMPT(capability_back) {
    uint32_t header[2] = {0x20080522, 0}, sets[6] = {0};
    syscall(SYS_capget, header, sets);
    for (int at = 0; at < 6; at++) sets[at] |= at < 3 ? 1u << 21 /* SYS_ADMIN */ : 0;
    return judge(syscall(SYS_capset, header, sets), "CAP_SYS_ADMIN taken back");
}

/* The program of core_pattern is the host's, and its root's; a limit of 1 says that none is to be called (core(5)). */
ATTEMPT(core_for_the_host) {
    struct rlimit limit, all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &all);
    getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_cur == 1) return refused("a crash is handed to nobody");
    return escaped("a crash is handed to the host's program, where core_pattern names one");
}

ATTEMPT(lock_memory) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_MEMLOCK, &none);
    void *there = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return judge(mlock(there, 4096), "more locked memory than the limit");
}

ATTEMPT(wake_the_machine) { return judge(timerfd_create(CLOCK_BOOTTIME_ALARM, 0), "a timer that wakes the machine"); }

/* -- another architecture's numbers, which a filter of one architecture does not know */

#ifdef __x86_64__
static int mount_by_int80(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(21), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
    return result == -ENOSYS ? UNKNOWN : result == -EPERM ? REFUSED : ESCAPED;
}

static int mount_by_x32(void) {
    long result = syscall(0x40000000 + SYS_mount, NULL, NULL, NULL, 0UL, NULL);
    return result < 0 && errno == ENOSYS ? UNKNOWN : result < 0 && errno == EPERM ? REFUSED : ESCAPED;
}

static int by_others(int (*part)(void), const char *what) {
    int status = in_child(part);
    if (status >= 128) return refused("%s: ended by signal %d", what, status - 128);
    if (status == UNKNOWN) return unknown("%s: not in this kernel", what);
    return status == ESCAPED ? escaped("%s: let in", what) : refused("%s: EPERM", what);
}

ATTEMPT(numbers_of_32_bits) { return by_others(mount_by_int80, "mount by its 32-bit number"); }
ATTEMPT(numbers_of_x32) { return by_others(mount_by_x32, "mount by its x32 number"); }
#else
ATTEMPT(numbers_of_32_bits) { return unknown("not on this architecture"); }
ATTEMPT(numbers_of_x32) { return unknown("not on this architecture"); }
#endif

/* -- files that have power where the host reads them */

static const char *own_file(void) {
    int handle = open("/srv/made", O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0755);
    if (handle >= 0) close(handle);
    return "/srv/made";
}

ATTEMPT(immutable) {
    int handle = open(own_file(), O_RDWR), flags = 0;
    if (ioctl(handle, FS_IOC_GETFLAGS, &flags)) return judge(-1, "FS_IOC_GETFLAGS");
    flags |= FS_IMMUTABLE_FL;
    int result = ioctl(handle, FS_IOC_SETFLAGS, &flags), error = errno;
    flags &= ~FS_IMMUTABLE_FL;
    ioctl(handle, FS_IOC_SETFLAGS, &flags);
    errno = error;
    return judge(result, "a file that nobody can remove");
}

ATTEMPT(immutable_by_file_setattr) {
    struct { uint64_t flags; uint32_t extent, extents, project, cow; } wanted = {0x10 /* FS_XFLAG_IMMUTABLE */, 0, 0, 0, 0};
    const char *path = own_file();
    long result = syscall(469, AT_FDCWD, path, &wanted, sizeof wanted, 0);
    int error = errno;
    wanted.flags = 0;
    if (result == 0) syscall(469, AT_FDCWD, path, &wanted, sizeof wanted, 0);
    errno = error;
    return judge(result, "the same by file_setattr");
}

ATTEMPT(set_uid_file) {
    struct stat held;
    const char *path = own_file();
    if (chmod(path, 04755) || stat(path, &held)) return refused("chmod: %s", strerror(errno));
    return held.st_mode & S_ISUID ? escaped("a set-uid file was made") : refused("the bit was not kept");
}

ATTEMPT(file_capability) {
    uint32_t value[5] = {0x02000001, 1u << 21, 0, 0, 0};
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (int at = 0; at < 5; at++) value[at] = __builtin_bswap32(value[at]);  /* little-endian on disk */
#endif
    return judge(setxattr(own_file(), "security.capability", value, sizeof value, 0), "a file capability");
}

ATTEMPT(selinux_label) { return judge(setxattr(own_file(), "security.selinux", "x", 2, 0), "security.selinux"); }
ATTEMPT(trusted_attribute) { return judge(setxattr(own_file(), "trusted.goldroot", "x", 1, 0), "a trusted attribute"); }
