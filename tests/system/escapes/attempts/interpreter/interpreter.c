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
    /* It cannot be opened for writing while it runs; whether it may be written afterwards is another question. */
    long result = call(__NR_access, (long)"/proc/self/exe", 2 /* W_OK */, 0);
    if (result == 0) END("the host's program can be written\n", 0);
    if (result == -30) END("the host's program lies on a read-only mount\n", 1);
    END("the host's program cannot be written\n", 1);
}
#endif
