/* What the attempts share. Each one tries one way out of a system that goldroot runs, and says in one line how it went.
 * It ends with 0 where it got out, 1 where it was refused, 2 where this kernel or machine cannot show it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ESCAPED = 0, REFUSED = 1, UNKNOWN = 2 };

/* An argument of the command line, name=value: what an attacker could know or guess of the host. */
const char *argument(const char *name);
long number(const char *name);

int escaped(const char *format, ...) __attribute__((format(printf, 1, 2)));
int refused(const char *format, ...) __attribute__((format(printf, 1, 2)));
int unknown(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* By the result of a system call: done is an escape, an errno that says "not in this kernel" shows nothing. */
int judge(long result, const char *what);
/* The same for a call with arguments that cannot work: whatever errno but EPERM or EACCES means that it was let in. */
int let_in(long result, const char *what);

/* Whether the file that lies on the host, outside the system, can be read below this directory. */
int reads_canary(const char *below);
/* Whether a file can be made in the shared, read-only /usr. */
int writes_usr(void);
/* Opens a file for writing (or reading) and changes nothing; a /dev/null that stands over it is not it. */
int opens(const char *path, int flags);
/* A directory to mount on, made where it can be. */
const char *mount_point(void);
/* Calls back for every other process; stops at the first that gives 1. */
int each_process(int (*look)(int pid));
/* Runs a part in a child of its own: its exit status, or 128 + the signal that ended it. */
int in_child(int (*part)(void));

void enlist(const char *name, int (*run)(void));
#define ATTEMPT(name) \
    static int name(void); \
    __attribute__((constructor)) static void enlist_##name(void) { enlist(#name, name); } \
    static int name(void)
