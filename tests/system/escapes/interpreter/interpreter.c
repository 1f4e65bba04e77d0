/* What a server may put in the place of the program interpreter (ld.so), which the kernel loads for a program of the host.
 *
 * A script that begins with "#!/proc/self/exe" makes the kernel run, in the system, the program that asked for the script:
 * goldroot's own Python.  Where that file can be opened for writing from here, the next start of it belongs to the server.
 * It has no library: the one who comes here has none. */
#include <asm/unistd.h>

#ifdef __x86_64__
static long call(long number, long one, long two, long three) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(three) : "rcx", "r11", "memory");
    return result;
}

static void end(const char *text, long length, int status) {
    call(__NR_write, 1, (long)text, length);
    call(__NR_exit_group, status, 0, 0);
    __builtin_unreachable();
}
#define END(text, status) end(text, sizeof text - 1, status)

void _start(void) {
    long handle = call(__NR_open, (long)"/proc/self/exe", 1 /* O_WRONLY */, 0);
    if (handle == -2) END("/proc/self/exe: not there\n", 1);
    /* ETXTBSY: nothing but that it runs just now is in the way. */
    if (handle >= 0 || handle == -26) END("the host's program can be opened for writing\n", 0);
    END("the host's program cannot be opened for writing\n", 1);
}
#endif
