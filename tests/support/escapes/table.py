"""Every attempt: what it is after, who can show it where nothing is confined, and what is left of it where something is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from support.escapes.ways import Way

#: Capabilities by number, where an attempt needs one that a machine's root may lack (capabilities(7)).
SYS_RESOURCE = 24

OWN_PROCESSES = "processes of one system may do this to each other"
FILES = "files of the server's own disks, for which the host's store is closed (0700)"


@dataclass(frozen=True)
class Attempt:
    """One way out."""

    after: str
    #: Whether an ordinary user, too, can show it without the confinement.
    user: bool = False
    #: Why nothing here can show it.
    hidden: str = ""
    #: A capability that the host's root needs to show it.
    power: int | None = None
    #: Why it still succeeds, by way.
    left: Mapping[Way, str] = field(default_factory=dict)
    #: Its standard input is a terminal.
    terminal: bool = False
    #: Why it succeeds where the system has the host's network; ``None``: what is said by way holds there, too.
    network_left: str | None = None
    #: Why several processes of one system can do it.
    among: str = ""


def everywhere(why: str) -> Mapping[Way, str]:
    return {"shift": why, "identity": why, "caps": why, "user": why}


AUDIT = "PAM in a system must be able to write one, and without a user namespace the log is the host's"
HOST_NETWORK = "with the host's network its sockets are reached"

ATTEMPTS: Mapping[str, Attempt] = {
    # devices
    "mknod_disk": Attempt("the host's disk, through a node made in each writable place"),
    "mknod_kmsg": Attempt("the kernel's log, through a node"),
    "mknod_misc": Attempt("loop-control, fuse, tun, kvm and others, through nodes"),
    "mknod_console": Attempt("the host's console and its screen, through nodes"),
    "disk_node_block": Attempt("the host's disk, through a node that came with the server's disk", user=True),
    "disk_node_char": Attempt("the kernel's log, through a node that came with the server's disk"),
    "disk_node_of_a_shared_disk": Attempt("the same with a node on the shared disk"),
    "node_on_a_new_tmpfs": Attempt("a node on a file system mounted for it"),
    "other_nodes_in_dev": Attempt("whatever else stands in /dev", user=True),
    "host_terminals": Attempt("the host's terminals in /dev/pts", user=True),
    # mounts
    "remount_bind": Attempt("the shared disk, remounted writable", user=True),
    "remount_everything": Attempt("the same for its whole file system"),
    "remount_by_mount_setattr": Attempt("the same by mount_setattr", user=True),
    "umount_usr": Attempt("what the shared disk covers", user=True),
    "umount_covers": Attempt("what the covers of /proc and the other mounts cover", user=True),
    "mount_tmpfs": Attempt("a tmpfs", user=True),
    "mount_bind": Attempt("a bind mount", user=True),
    "mount_sysfs": Attempt("a new /sys, writable"),
    "mount_mqueue": Attempt("the host's message queues"),
    "mount_devpts": Attempt("a devpts", user=True),
    "mount_ramfs": Attempt("a ramfs, which has no limit", user=True),
    "mount_move": Attempt("a mount moved elsewhere", user=True),
    "mount_shared": Attempt("mounts shared with the host", user=True),
    "mount_devtmpfs": Attempt("all of the host's devices"),
    "mount_kernels_own": Attempt(
        "cgroup2, debugfs, tracefs, securityfs, configfs, binfmt_misc, bpf, pstore", user=True
    ),
    "mount_new_proc": Attempt("a new /proc, with core_pattern writable"),
    "mount_overlay": Attempt("an overlay over the shared disk", user=True),
    "mount_the_hosts_disk": Attempt("the host's disk, mounted"),
    "new_mount_tmpfs": Attempt("a tmpfs by fsopen, fsmount, move_mount", user=True),
    "new_mount_overlay": Attempt("an overlay by them", user=True),
    "new_mount_bind": Attempt("the shared disk written through a copy of its mount (open_tree)", user=True),
    "new_mount_by_open_tree_attr": Attempt("the same by open_tree_attr, which is newer than many filters", user=True),
    "pivot_root_away": Attempt("another root", user=True),
    "chroot_break": Attempt("the host's root, by the old way out of chroot", user=True),
    "handle_of_a_hosts_file": Attempt("a file of the host, by open_by_handle_at"),
    "freeze_the_file_system": Attempt("a stop to all writing on the host's file system"),
    # namespaces
    "unshare_user": Attempt("a user namespace", user=True),
    "unshare_mount": Attempt("a mount namespace", user=True),
    "unshare_net": Attempt("a network namespace", user=True),
    "unshare_pid": Attempt("a process namespace", user=True),
    "unshare_ipc": Attempt("an IPC namespace", user=True),
    "unshare_uts": Attempt("a UTS namespace", user=True),
    "unshare_cgroup": Attempt("a cgroup namespace", user=True),
    "unshare_time": Attempt("a time namespace", user=True),
    "unshare_and_remount": Attempt("the shared disk, in namespaces of one's own", user=True),
    "clone_user": Attempt("a user namespace by clone", user=True),
    "clone_mount": Attempt("a mount namespace by clone", user=True),
    "clone_user_with_high_bits": Attempt("the same past a filter that compares all 64 bits", user=True),
    "clone3_user": Attempt("a user namespace by clone3, whose flags no filter sees", user=True),
    "join_by_proc": Attempt("namespaces of other processes, by /proc/PID/ns"),
    "join_own": Attempt("setns at all"),
    "join_by_pidfd": Attempt("the host's mounts, by a pidfd"),
    # /proc and /sys
    "set_core_pattern": Attempt("core_pattern"),
    "set_modprobe": Attempt("the programs that the kernel starts for modules and devices"),
    "set_other_sysctls": Attempt("other settings of the kernel"),
    "set_network_sysctls": Attempt("settings of the network"),
    "open_pid_max": Attempt("pid_max and threads-max, opened for writing and not written"),
    "sysrq": Attempt("sysrq"),
    "binfmt_register": Attempt("a program that the host runs for a file format"),
    "read_kcore": Attempt("the kernel's memory"),
    "read_kmsg": Attempt("the kernel's log in /proc"),
    "read_pages": Attempt("/proc/kpagecount, kpageflags"),
    "write_hardware": Attempt("/proc/mtrr, interrupts, wake-up"),
    "write_sys": Attempt("/sys"),
    "write_cgroups": Attempt("control groups and what runs when one is empty"),
    "read_kallsyms": Attempt("addresses in the kernel"),
    "read_iomem": Attempt("addresses of the machine"),
    # other processes
    "write_exe_of_others": Attempt("a program of the host that runs, by /proc/PID/exe"),
    "read_exe_of_others": Attempt("the same for reading"),
    "self_exe": Attempt(
        "goldroot's own Python, by a script for /proc/self/exe and a program interpreter on the server's disk"
    ),
    "root_of_others": Attempt("the host's files, by /proc/PID/root"),
    "cwd_of_others": Attempt("the host's files, by /proc/PID/cwd"),
    "memory_of_others": Attempt("memory, by /proc/PID/mem", among=OWN_PROCESSES),
    "descriptors_of_others": Attempt("descriptors, by /proc/PID/fd", among=OWN_PROCESSES),
    "environment_of_others": Attempt("a secret in the environment of a process of the host"),
    "own_environment": Attempt("a secret in the caller's environment", user=True),
    "inherited_descriptors": Attempt("a descriptor that the caller left open", user=True),
    "inherited_directory": Attempt("a directory that the caller left open", user=True),
    "kill_host": Attempt("a signal to a process of the host", user=True),
    "limit_host": Attempt("the limits of a process of the host", user=True),
    "kill_others": Attempt("a signal to any process", user=True, among=OWN_PROCESSES),
    "trace_others": Attempt("ptrace of any process"),
    "trace_itself": Attempt("ptrace at all", user=True),
    "read_memory_of_others": Attempt("process_vm_readv"),
    "write_memory_of_others": Attempt("process_vm_writev"),
    "descriptor_of_others": Attempt("pidfd_getfd"),
    "compare_processes": Attempt("kcmp", user=True),
    # keys, memory, sockets
    "key_of_the_caller": Attempt("a key in the caller's session", user=True),
    "key_by_request": Attempt("the same by request_key", user=True),
    "key_by_number": Attempt("the same by its number", user=True),
    "key_added": Attempt("a key of one's own in the kernel", user=True),
    "key_list": Attempt("the names of keys, in /proc/keys", user=True),
    "shared_memory": Attempt("System V memory of the host", user=True),
    "abstract_socket": Attempt("an abstract socket of the host", user=True, network_left=HOST_NETWORK),
    "local_service": Attempt("a service on the host's 127.0.0.1", user=True, network_left=HOST_NETWORK),
    "vsock": Attempt("the hypervisor, by vsock", user=True),
    "packet_socket": Attempt("raw frames"),
    "crypto_socket": Attempt("AF_ALG"),
    "other_sockets": Attempt("26 other families of sockets"),
    "audit_message": Attempt("a line in the host's audit log", left={"caps": AUDIT}),
    "audit_status": Attempt(
        "the settings of audit", hidden="the kernel takes it from its first process namespace alone"
    ),
    "network_interface": Attempt("a setting of a network interface"),
    "raw_socket": Attempt("a raw socket", network_left="", left={"caps": "in a network of its own alone"}),
    # terminals
    "type_into_terminal": Attempt("a line typed into the caller's terminal", user=True, terminal=True),
    "type_with_high_bits": Attempt("the same past a filter that compares all 64 bits", user=True, terminal=True),
    "terminal_selection": Attempt("the selection of a console (TIOCLINUX)", user=True, terminal=True),
    "terminal_selection_with_high_bits": Attempt("the same with a high bit", user=True, terminal=True),
    "steal_terminal": Attempt("the caller's terminal, taken from it", terminal=True),
    # calls
    "io_uring": Attempt("io_uring", user=True),
    "perf_event": Attempt("what a whole processor does"),
    "perf_event_of_itself": Attempt("perf_event_open at all", user=True),
    "bpf_map": Attempt("bpf"),
    "user_fault": Attempt("userfaultfd"),
    "user_fault_of_user": Attempt("userfaultfd of user mode", user=True),
    "fanotify": Attempt("what others do with files"),
    "fanotify_of_user": Attempt("fanotify_init at all", user=True),
    "host_name": Attempt("the host's name"),
    "domain_name": Attempt("the host's NIS domain"),
    "clock_adjust": Attempt("the clock, by adjtimex"),
    "clock_adjust_other_call": Attempt("the clock, by clock_adjtime"),
    "clock_zone": Attempt("the kernel's time zone"),
    "clock_set": Attempt("clock_settime", user=True),
    "restart": Attempt("reboot"),
    "swap_on": Attempt("swapon"),
    "swap_off": Attempt("swapoff"),
    "quota": Attempt("quotactl", user=True),
    "quota_by_descriptor": Attempt("quotactl_fd", user=True),
    "accounting": Attempt("acct"),
    "read_log": Attempt("the kernel's log, by syslog"),
    "load_module": Attempt("init_module"),
    "load_module_file": Attempt("finit_module"),
    "remove_module": Attempt("delete_module"),
    "other_kernel": Attempt("kexec_load"),
    "other_kernel_file": Attempt("kexec_file_load"),
    "io_ports": Attempt("iopl"),
    "io_ports_few": Attempt("ioperm"),
    "real_time": Attempt("a real-time priority"),
    "nicer": Attempt("a better priority than others"),
    "io_priority": Attempt("a real-time priority of disks"),
    "higher_limit": Attempt("more than the limits allow", power=SYS_RESOURCE),
    "never_killed_for_memory": Attempt("never to be killed when memory is short", power=SYS_RESOURCE),
    "core_for_the_host": Attempt("the host's program for crashes, which runs as its root", user=True),
    "lock_memory": Attempt("memory that cannot be swapped out"),
    "wake_the_machine": Attempt("a timer that wakes a sleeping machine"),
    "capability_back": Attempt("CAP_SYS_ADMIN, taken back", user=True),
    "numbers_of_32_bits": Attempt("mount by its 32-bit number", user=True),
    "numbers_of_x32": Attempt("mount by its x32 number", user=True),
    # files
    "immutable": Attempt("a file that nobody can remove"),
    "immutable_by_file_setattr": Attempt("the same by file_setattr, which is newer than many filters"),
    "set_uid_file": Attempt("a set-uid file", user=True, left=everywhere(FILES)),
    "file_capability": Attempt("a file with a capability", user=True, left=everywhere(FILES)),
    "selinux_label": Attempt("a label of SELinux", user=True, left=everywhere(FILES)),
    "trusted_attribute": Attempt("an attribute that only the host may set"),
}
