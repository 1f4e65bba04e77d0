/* /proc and /sys: settings of the kernel, and other processes seen through their files. */
#include "attempt.h"

static int settable(const char *path) {
    char text[4096];
    int handle = open(path, O_RDWR | O_CLOEXEC);
    if (handle < 0) return 0;
    ssize_t length = read(handle, text, sizeof text);
    int done = length >= 0 && pwrite(handle, text, length, 0) == length;  /* the same value again */
    close(handle);
    return done;
}

static int first_settable(const char *const *paths) {
    int there = 0;
    for (; *paths; paths++) {
        if (settable(*paths)) return escaped("%s was written (its own value)", *paths);
        there |= errno != ENOENT;
    }
    return there ? refused("write: %s", strerror(errno)) : unknown("not in this kernel");
}

static int first_open(const char *const *paths, int flags) {
    int there = 0;
    for (; *paths; paths++) {
        if (opens(*paths, flags)) return escaped("%s could be opened", *paths);
        there |= errno != ENOENT;
    }
    return there ? refused("open: %s", strerror(errno)) : unknown("not in this kernel");
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

ATTEMPT(set_core_pattern) { return first_settable(PATHS("/proc/sys/kernel/core_pattern")); }
ATTEMPT(set_modprobe) { return first_settable(PATHS("/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug")); }

ATTEMPT(set_other_sysctls) {
    return first_settable(PATHS("/proc/sys/kernel/panic", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/suid_dumpable",
                                "/proc/sys/fs/file-max", "/proc/sys/vm/dirty_ratio", "/proc/sys/kernel/printk"));
}

ATTEMPT(set_network_sysctls) {
    return first_settable(PATHS("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/core/somaxconn"));
}

/* Since Linux 6.14 this is of the pid namespace; before that, the host's. Only looked at, never set. */
ATTEMPT(open_pid_max) { return first_open(PATHS("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"), O_WRONLY); }
ATTEMPT(sysrq) { return first_open(PATHS("/proc/sysrq-trigger"), O_WRONLY); }
ATTEMPT(binfmt_register) { return first_open(PATHS("/proc/sys/fs/binfmt_misc/register"), O_WRONLY); }
ATTEMPT(read_kcore) { return first_open(PATHS("/proc/kcore"), O_RDONLY); }
ATTEMPT(read_kmsg) { return first_open(PATHS("/proc/kmsg"), O_RDONLY); }
ATTEMPT(read_pages) { return first_open(PATHS("/proc/kpagecount", "/proc/kpageflags"), O_RDONLY); }

ATTEMPT(write_hardware) {
    return first_open(PATHS("/proc/mtrr", "/proc/irq/default_smp_affinity", "/proc/irq/0/smp_affinity", "/proc/acpi/wakeup"),
                      O_WRONLY);
}

ATTEMPT(write_sys) {
    return first_open(PATHS("/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/profiling",
                            "/sys/block/loop0/queue/read_ahead_kb", "/sys/power/state", "/sys/class/net/lo/mtu",
                            "/sys/module/kernel/parameters/panic", "/sys/devices/system/cpu/cpu1/online"),
                      O_WRONLY);
}

ATTEMPT(write_cgroups) {
    return first_open(PATHS("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/memory/release_agent",
                            "/sys/fs/cgroup/devices/devices.allow", "/sys/fs/cgroup/memory/cgroup.procs"),
                      O_WRONLY);
}

static int shows_addresses(const char *path, const char *format) {
    FILE *file = fopen(path, "r");
    unsigned long value = 0;
    char line[512];
    if (!file) return 0;
    while (!value && fgets(line, sizeof line, file))
        if (sscanf(line, format, &value) != 1) value = 0;
    fclose(file);
    return value != 0;
}

ATTEMPT(read_kallsyms) {
    if (shows_addresses("/proc/kallsyms", "%lx")) return escaped("/proc/kallsyms shows addresses of the kernel");
    return refused("/proc/kallsyms shows no address");
}

ATTEMPT(read_iomem) {
    if (shows_addresses("/proc/iomem", "%*x-%lx")) return escaped("/proc/iomem shows addresses of the machine");
    return refused("/proc/iomem shows no address");
}

/* -- other processes */

static int outside(int handle) {
    struct stat theirs, ours;
    char path[64], mine[PATH_MAX];
    if (fstat(handle, &theirs) || stat("/proc/self/exe", &ours)) return 0;
    if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(path, mine, sizeof mine - 1);
    mine[length < 0 ? 0 : length] = 0;
    struct stat inside;
    return stat(mine, &inside) || inside.st_ino != theirs.st_ino || inside.st_dev != theirs.st_dev;
}

/* A file that runs cannot be opened for writing just now; whether it may be written when it has ended is another question. */
static int exe_writable(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0 || !outside(handle)) return 0;
    close(handle);
    return access(path, W_OK) == 0;
}

static int exe_readable(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int handle = open(path, O_RDONLY | O_CLOEXEC), found = handle >= 0 && outside(handle);
    if (handle >= 0) close(handle);
    return found;
}

static int root_shows(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    return reads_canary(path);
}

static int cwd_shows(int pid) {
    char path[128];
    snprintf(path, sizeof path, "/proc/%d/cwd/../../../../../../../../../../../..", pid);
    return reads_canary(path);
}

static int memory_open(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    return opens(path, O_RDWR);
}

static int has_descriptors(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *all = opendir(path);
    struct dirent *entry;
    int found = 0;
    while (all && (entry = readdir(all)))
        found |= entry->d_name[0] != '.' && faccessat(dirfd(all), entry->d_name, F_OK, 0) == 0;
    if (all) closedir(all);
    return found;
}

static int environment_of(int pid) {
    char path[64], text[65536] = "";
    const char *secret = argument("secret");
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) return 0;
    ssize_t length = read(handle, text, sizeof text);
    close(handle);
    return length > 0 && secret && memmem(text, length, secret, strlen(secret)) != NULL;
}

#define OF_OTHERS(name, look, what) \
    ATTEMPT(name) { return each_process(look) ? escaped("%s", what) : refused("of no process: %s", what); }
OF_OTHERS(write_exe_of_others, exe_writable, "a program of the host can be opened for writing")
OF_OTHERS(read_exe_of_others, exe_readable, "a program of the host can be opened for reading")
OF_OTHERS(root_of_others, root_shows, "the host's files are seen in /proc/PID/root")
OF_OTHERS(cwd_of_others, cwd_shows, "the host's files are seen from /proc/PID/cwd")
OF_OTHERS(memory_of_others, memory_open, "the memory of another process can be opened")
OF_OTHERS(descriptors_of_others, has_descriptors, "the descriptors of another process can be opened")
OF_OTHERS(environment_of_others, environment_of, "the environment of a process of the host can be read")

ATTEMPT(own_environment) {
    extern char **environ;
    const char *secret = argument("secret");
    for (char **one = environ; *one; one++)
        if (secret && strstr(*one, secret)) return escaped("the caller's environment came along");
    return refused("nothing of the caller's environment came along");
}

ATTEMPT(inherited_descriptors) {
    for (int handle = 3; handle < 256; handle++)
        if (fcntl(handle, F_GETFD) >= 0) return escaped("descriptor %d was open from the beginning", handle);
    return refused("no descriptor above 2");
}

ATTEMPT(inherited_directory) {
    struct stat held;
    for (int handle = 0; handle < 256; handle++)
        if (!fstat(handle, &held) && S_ISDIR(held.st_mode)) return escaped("descriptor %d is a directory", handle);
    return refused("no descriptor is a directory");
}
