#include "attempt.h"
#include <stdarg.h>

static struct { const char *name; int (*run)(void); } attempts[256];
static int count;
static char **words;

void enlist(const char *name, int (*run)(void)) {
    attempts[count].name = name;
    attempts[count++].run = run;
}

const char *argument(const char *name) {
    size_t length = strlen(name);
    for (char **word = words; word && *word; word++)
        if (!strncmp(*word, name, length) && (*word)[length] == '=') return *word + length + 1;
    return NULL;
}

long number(const char *name) {
    const char *text = argument(name);
    return text && *text ? strtol(text, NULL, 10) : -1;
}

static void say(const char *format, va_list rest) {
    vprintf(format, rest);
    putchar('\n');
    fflush(stdout);
}

#define SAYING(name, value) \
    int name(const char *format, ...) { \
        va_list rest; \
        va_start(rest, format); \
        say(format, rest); \
        va_end(rest); \
        return value; \
    }
SAYING(escaped, ESCAPED)
SAYING(refused, REFUSED)
SAYING(unknown, UNKNOWN)

int judge(long result, const char *what) {
    int error = errno;
    if (result >= 0) return escaped("%s: done", what);
    if (error == ENOSYS || error == EOPNOTSUPP || error == ENODEV || error == EAFNOSUPPORT || error == ENOPROTOOPT ||
        error == EPROTONOSUPPORT)
        return unknown("%s: not to be had here (%s)", what, strerror(error));
    return refused("%s: %s", what, strerror(error));
}

int let_in(long result, const char *what) {
    int error = errno;
    if (result < 0 && (error == EPERM || error == EACCES || error == ENOSYS)) return judge(result, what);
    return escaped("%s: let in (%s)", what, result < 0 ? strerror(error) : "done");
}

int reads_canary(const char *below) {
    char path[PATH_MAX], text[64] = "";
    const char *canary = argument("canary"), *secret = argument("secret");
    if (!canary || !secret) return 0;
    snprintf(path, sizeof path, "%s%s", below, canary);
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) return 0;
    if (read(handle, text, sizeof text - 1) < 0) text[0] = 0;
    close(handle);
    return !strncmp(text, secret, strlen(secret));
}

int writes_usr(void) {
    int handle = open("/usr/written", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (handle < 0) return 0;
    close(handle);
    unlink("/usr/written");
    return 1;
}

int opens(const char *path, int flags) {
    struct stat held;
    int handle = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (handle < 0) return 0;
    int covered = !fstat(handle, &held) && S_ISCHR(held.st_mode) && held.st_rdev == makedev(1, 3);
    close(handle);
    errno = EACCES;
    return !covered;
}

const char *mount_point(void) {
    mkdir("/srv/mnt", 0755);
    return "/srv/mnt";
}

int each_process(int (*look)(int pid)) {
    DIR *all = opendir("/proc");
    struct dirent *entry;
    int found = 0;
    while (all && !found && (entry = readdir(all))) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && pid != getpid()) found = look(pid);
    }
    if (all) closedir(all);
    return found;
}

int in_child(int (*part)(void)) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) return UNKNOWN;
    if (child == 0) _exit(part());
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const char *last_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Everything, each in a process of its own; word of it goes to a descriptor: STATUS NAME SAID. */
static void each(int out) {
    for (int at = 0; at < count; at++) {
        int said[2], status = 0;
        char line[512] = "";
        size_t full = 0;
        if (!strncmp(attempts[at].name, "much_", 5) || pipe(said)) continue;
        pid_t child = fork();
        if (child == 0) {
            dup2(said[1], 1);
            for (int handle = 3; handle < 64; handle++) close(handle);
            alarm(10);
            _exit(attempts[at].run());
        }
        close(said[1]);
        for (ssize_t got; full < sizeof line - 1 && (got = read(said[0], line + full, sizeof line - 1 - full)) > 0;) full += got;
        close(said[0]);
        if (child > 0) waitpid(child, &status, 0);
        line[strcspn(line, "\n")] = 0;
        dprintf(out, "%d %s %s\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), attempts[at].name, line);
    }
}

/* Under another name (ldconfig, sh, true ...) it stands in for a program that goldroot or an administrator runs.  It knows
 * nothing but what it finds in /etc/raid, and leaves word in /var/raid. */
static int raid(void) {
    static char text[4096], *known[64];
    int handle = open("/etc/raid", O_RDONLY), out = open("/var/raid", O_CREAT | O_WRONLY | O_APPEND, 0644);
    ssize_t length = handle < 0 ? 0 : read(handle, text, sizeof text - 1);
    char *rest = text;
    for (int at = 0; length > 0 && at < 63 && (known[at] = strsep(&rest, "\n")); at++) continue;
    words = known;
    each(out);
    return 0;
}

int main(int argc, char **argv) {
    if (strcmp(last_of(argv[0]), "attempt")) return raid();
    words = argc > 1 ? argv + 2 : NULL;
    if (argc > 1 && !strcmp(argv[1], "each")) return each(1), 0;
    for (int at = 0; at < count; at++) {
        if (argc < 2) puts(attempts[at].name);
        else if (!strcmp(attempts[at].name, argv[1])) return attempts[at].run();
    }
    return argc < 2 ? 0 : 99;
}
