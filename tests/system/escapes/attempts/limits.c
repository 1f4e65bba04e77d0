/* Too much of everything.  What the host bears of it is said by the limits; none of these is expected to be refused. */
#include "attempt.h"
#include <sys/mman.h>

static long most(void) { return number("most") < 0 ? 1000 : number("most"); }

/* Processes that stay, until there can be no more. */
ATTEMPT(much_processes) {
    long made = 0;
    for (; made < most(); made++) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0)
            while (1) pause();
    }
    printf("%ld\n", made);
    return 0;
}

/* Megabytes that are used, until there can be no more. */
ATTEMPT(much_memory) {
    long made = 0;
    for (; made < most(); made++) {
        void *there = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (there == MAP_FAILED) break;
        memset(there, 1, 1 << 20);
    }
    printf("%ld\n", made);
    return 0;
}

/* Megabytes that can be written at a place. */
ATTEMPT(much_file) {
    static char block[1 << 20];
    long made = 0;
    int handle = open(argument("path"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    for (; handle >= 0 && made < most(); made++)
        if (write(handle, memset(block, 1, sizeof block), sizeof block) != sizeof block) break;
    printf("%ld\n", made);
    return 0;
}

/* Empty files that can be made at a place. */
ATTEMPT(much_files) {
    char path[PATH_MAX];
    long made = 0;
    for (; made < most(); made++) {
        snprintf(path, sizeof path, "%s/%ld", argument("path"), made);
        int handle = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        if (handle < 0) break;
        close(handle);
    }
    printf("%ld\n", made);
    return 0;
}

ATTEMPT(much_output) {
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    while (write(1, block, sizeof block) > 0) continue;
    return 0;
}

ATTEMPT(much_time) {
    for (volatile long count = 0;; count++) continue;
    return 0;
}

/* Children that hold the output open and outlive their parent. */
ATTEMPT(much_left_behind) {
    if (fork() == 0) {
        setsid();
        while (1) pause();
    }
    puts("gone");
    return 0;
}
