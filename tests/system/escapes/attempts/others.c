/* Other processes and what they hold: signals, memory, descriptors, keys, shared memory, sockets, terminals. */
#include "attempt.h"
#include <linux/audit.h>
#include <linux/kcmp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static pid_t host_process(void) { return (pid_t)number("pid"); }

ATTEMPT(kill_host) { return judge(kill(host_process(), SIGTERM), "a signal to a process of the host"); }
ATTEMPT(limit_host) {
    struct rlimit limit;
    return judge(prlimit(host_process(), RLIMIT_NOFILE, NULL, &limit), "limits of a process of the host");
}

/* Process 1 of a namespace takes no signal from within that it has no use for. */
static int signalled(int pid) { return pid != 1 && kill(pid, 0) == 0; }
ATTEMPT(kill_others) { return each_process(signalled) ? escaped("a signal to another process") : refused("no process may be signalled"); }

static int traced(int pid) {
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) return 0;
    return 1;
}
ATTEMPT(trace_others) { return each_process(traced) ? escaped("another process is traced") : refused("ptrace: %s", strerror(errno)); }
ATTEMPT(trace_itself) { return judge(ptrace(PTRACE_TRACEME, 0, NULL, NULL), "ptrace"); }

static int memory_read(int pid) {
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0, 1};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT;
}
ATTEMPT(read_memory_of_others) { return each_process(memory_read) ? escaped("process_vm_readv: let in") : refused("process_vm_readv: %s", strerror(errno)); }

static int memory_written(int pid) {
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)0, 1};
    return process_vm_writev(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT;
}
ATTEMPT(write_memory_of_others) { return each_process(memory_written) ? escaped("process_vm_writev: let in") : refused("process_vm_writev: %s", strerror(errno)); }

static int descriptor_taken(int pid) {
    int handle = syscall(SYS_pidfd_open, pid, 0);
    if (handle < 0) return 0;
    int taken = syscall(438 /* pidfd_getfd */, handle, 0, 0);
    close(handle);
    return taken >= 0;
}
ATTEMPT(descriptor_of_others) { return each_process(descriptor_taken) ? escaped("a descriptor of another process") : refused("pidfd_getfd: %s", strerror(errno)); }
ATTEMPT(compare_processes) { return judge(syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0), "kcmp"); }

/* -- keys */

ATTEMPT(key_of_the_caller) {
    char text[64] = "";
    long key = syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, -3 /* session keyring */, "user", argument("key"), 0);
    if (key < 0) return judge(-1, "keyctl search");
    if (syscall(SYS_keyctl, 11 /* KEYCTL_READ */, key, text, sizeof text - 1) < 0) return refused("keyctl read: %s", strerror(errno));
    return strcmp(text, argument("secret")) ? refused("another key") : escaped("the caller's key was read");
}

ATTEMPT(key_by_request) { return judge(syscall(SYS_request_key, "user", argument("key"), NULL, 0), "request_key"); }
ATTEMPT(key_added) { return judge(syscall(SYS_add_key, "user", "goldroot-made", "x", 1, -1 /* thread keyring */), "add_key"); }

ATTEMPT(key_by_number) {
    char text[64] = "";
    if (!argument("key_number") || number("key_number") < 0) return unknown("no key could be made");
    long length = syscall(SYS_keyctl, 11 /* KEYCTL_READ */, number("key_number"), text, sizeof text - 1);
    return judge(length, "the caller's key by its number");
}

ATTEMPT(key_list) {
    FILE *file = fopen("/proc/keys", "r");
    char line[512];
    if (!file) return refused("/proc/keys: %s", strerror(errno));
    while (fgets(line, sizeof line, file))
        if (argument("key") && strstr(line, argument("key"))) return escaped("/proc/keys names the caller's key");
    return refused("/proc/keys names no key of the caller");
}

/* -- shared memory and sockets */

ATTEMPT(shared_memory) {
    if (number("shm") < 0) return unknown("no shared memory could be made");
    void *there = shmat((int)number("shm"), NULL, 0);
    if (there == (void *)-1) return judge(-1, "shmat");
    return strcmp(there, argument("secret")) ? refused("another segment") : escaped("the host's shared memory was read");
}

static int family_of(int family, int kind, int protocol) {
    int handle = socket(family, kind, protocol);
    if (handle >= 0) close(handle);
    return handle;
}

ATTEMPT(abstract_socket) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int handle = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(name.sun_path + 1, argument("abstract"), sizeof name.sun_path - 2);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argument("abstract"));
    return judge(connect(handle, (void *)&name, length), "an abstract socket of the host");
}

ATTEMPT(local_service) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(number("port")), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return judge(connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&name, sizeof name), "a service of the host on 127.0.0.1");
}

ATTEMPT(vsock) { return judge(family_of(AF_VSOCK, SOCK_STREAM, 0), "a vsock socket"); }
ATTEMPT(packet_socket) { return judge(family_of(AF_PACKET, SOCK_RAW, 0), "a packet socket"); }
ATTEMPT(crypto_socket) { return judge(family_of(AF_ALG, SOCK_SEQPACKET, 0), "a crypto socket"); }

ATTEMPT(other_sockets) {
    static const int families[] = {3, 4, 5, 6, 9, 10 + 5, 18, 21, 23, 24, 26, 29, 30, 31, 32, 33, 34, 35, 36, 37, 39, 41, 42, 43, 44, 45};
    static const int kinds[] = {SOCK_DGRAM, SOCK_STREAM, SOCK_RAW, SOCK_SEQPACKET};
    for (size_t at = 0; at < sizeof families / sizeof *families; at++)
        for (int kind = 0; kind < 4; kind++)
            if (family_of(families[at], kinds[kind], families[at] == 15 ? 2 : 0) >= 0)
                return escaped("a socket of family %d", families[at]);
    return unknown("this kernel has no other families");
}

ATTEMPT(audit_message) {
    struct { struct nlmsghdr head; char text[16]; } message = {{sizeof message, 1112 /* AUDIT_USER_LOGIN */, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, "goldroot test"};
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[64]; } answer;
    int handle = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
    if (handle < 0) return judge(-1, "a netlink audit socket");
    if (send(handle, &message, sizeof message, 0) < 0) return refused("send: %s", strerror(errno));
    if (recv(handle, &answer, sizeof answer, MSG_DONTWAIT) < 0 || answer.head.nlmsg_type != NLMSG_ERROR) return unknown("no answer");
    errno = -answer.error.error;
    if (errno == ECONNREFUSED) return unknown("audit is not for namespaces");
    return errno ? refused("audit: %s", strerror(errno)) : escaped("a message stands in the host's audit log");
}

ATTEMPT(audit_status) {
    struct { struct nlmsghdr head; struct audit_status status; } message = {{sizeof message, AUDIT_SET, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {0}};
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[64]; } answer;
    int handle = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
    if (handle < 0) return judge(-1, "a netlink audit socket");
    if (send(handle, &message, sizeof message, 0) < 0) return refused("send: %s", strerror(errno));
    if (recv(handle, &answer, sizeof answer, MSG_DONTWAIT) < 0 || answer.head.nlmsg_type != NLMSG_ERROR) return unknown("no answer");
    errno = -answer.error.error;
    return errno ? refused("audit: %s", strerror(errno)) : escaped("settings of the host's audit could be changed");
}

ATTEMPT(network_interface) {
    struct ifreq wanted = {.ifr_name = "lo"};
    int handle = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(handle, SIOCGIFMTU, &wanted)) return judge(-1, "SIOCGIFMTU");
    return judge(ioctl(handle, SIOCSIFMTU, &wanted), "the same MTU for lo");
}

ATTEMPT(raw_socket) { return judge(family_of(AF_INET, SOCK_RAW, IPPROTO_ICMP), "a raw socket"); }

/* -- the terminal; the attempt's standard input is one */

static int typed(unsigned long request) {
    char letter = '\n';
    if (!isatty(0)) return unknown("standard input is not a terminal");
    return judge(syscall(SYS_ioctl, 0, request, &letter), "a line typed into the caller's terminal");
}

ATTEMPT(type_into_terminal) { return typed(TIOCSTI); }

/* The kernel looks at the lower 32 bits of the request only. */
ATTEMPT(type_with_high_bits) {
#if ULONG_MAX > 0xffffffffUL
    return typed(TIOCSTI | (1UL << 32));
#else
    return unknown("numbers have no upper half here");
#endif
}

static int selected(unsigned long request) {
    char wanted[2] = {6 /* shift state: reads only */, 0};
    if (!isatty(0)) return unknown("standard input is not a terminal");
    int result = syscall(SYS_ioctl, 0, request, wanted), error = errno;
    if (result < 0 && (error == ENOTTY || error == EINVAL))
        return escaped("TIOCLINUX reached the terminal, which is not a console (%s)", strerror(error));
    errno = error;
    return judge(result, "TIOCLINUX");
}

ATTEMPT(terminal_selection) { return selected(TIOCLINUX); }

ATTEMPT(terminal_selection_with_high_bits) {
#if ULONG_MAX > 0xffffffffUL
    return selected(TIOCLINUX | (1UL << 32));
#else
    return unknown("numbers have no upper half here");
#endif
}

static int steal(void) {
    setsid();
    return ioctl(0, TIOCSCTTY, 1) ? REFUSED : ESCAPED;
}

ATTEMPT(steal_terminal) {
    if (!isatty(0)) return unknown("standard input is not a terminal");
    return in_child(steal) ? refused("TIOCSCTTY by force was refused") : escaped("the caller's terminal was taken from it");
}
