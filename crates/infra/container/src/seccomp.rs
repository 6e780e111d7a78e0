//! The system calls that containers may make: a list of what programs need, and everything else is refused.
//!
//! Left out is what reaches beyond the container or has been the way out of one before: mounts, namespaces, modules,
//! `bpf`, `perf_event_open`, keys, `userfaultfd`, `io_uring`, other processes' memory, the clock, and the 32-bit calls of a
//! 64-bit machine; and what draws on the whole machine: `sync`, and the kernel's asynchronous input and output, of which all
//! programs share one number. Much of it takes capabilities that a container lacks anyway; a filter stands before mistakes
//! of the kernel.
//!
//! The JSON is both that of the OCI's runtime specification and that of a Docker daemon's `seccomp=` option.

use serde_json::{Value, json};

/// `EPERM`, for what is refused.
const REFUSED: u32 = 1;

/// `ENOSYS`, for what programs ask for first and do without when the kernel has none of it.
const MISSING: u32 = 38;

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and `NEWNET`.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// `AF_UNIX`, `AF_INET`, `AF_INET6`, and `AF_NETLINK`, by which the C library looks for its own addresses. Of the others
/// some know no network namespaces: `AF_VSOCK` would reach the host of a virtual machine.
const SOCKET_FAMILIES: [u64; 4] = [1, 2, 10, 16];

/// Linux on its own processor, with or without addresses in random order, and asking which it is.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The filter, for this machine's processor.
pub(crate) fn profile() -> Value {
    let mut syscalls = vec![
        json!({ "names": ALLOWED, "action": "SCMP_ACT_ALLOW" }),
        json!({ "names": ["clone3", "io_setup"], "action": "SCMP_ACT_ERRNO", "errnoRet": MISSING }),
        json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }] }),
    ];
    let equal = |name: &str, value: u64| {
        json!({ "names": [name], "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] })
    };
    syscalls.extend(SOCKET_FAMILIES.map(|family| equal("socket", family)));
    syscalls.extend(PERSONALITIES.map(|personality| equal("personality", personality)));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": REFUSED,
        "architectures": [ARCHITECTURE],
        "syscalls": syscalls,
    })
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &str = "SCMP_ARCH_X86_64";
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: &str = "SCMP_ARCH_AARCH64";
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: &str = "SCMP_ARCH_RISCV64";

/// What is allowed whatever its arguments are. Names that a processor or a runtime does not know are skipped by it.
#[rustfmt::skip]
const ALLOWED: &[&str] = &[
    // Files by descriptor.
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek",
    "close", "close_range", "dup", "dup2", "dup3", "fcntl", "flock", "ioctl", "fsync", "fdatasync", "syncfs",
    "sync_file_range", "ftruncate", "fallocate", "fadvise64", "readahead", "sendfile", "copy_file_range", "splice", "tee",
    "vmsplice", "pipe", "pipe2", "getdents", "getdents64", "memfd_create", "cachestat",
    // Files by name. Making devices takes a capability; making pipes is the same call.
    "open", "openat", "openat2", "creat", "access", "faccessat", "faccessat2", "stat", "fstat", "lstat", "newfstatat",
    "statx", "statfs", "fstatfs", "truncate", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "readlink", "readlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod",
    "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "umask", "utime", "utimes", "utimensat", "futimesat",
    "chdir", "fchdir", "getcwd", "getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "listxattr",
    "llistxattr", "flistxattr", "removexattr", "lremovexattr", "fremovexattr", "getxattrat", "setxattrat", "listxattrat",
    "removexattrat", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    // Waiting.
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "eventfd", "eventfd2", "signalfd", "signalfd4", "timerfd_create", "timerfd_settime", "timerfd_gettime",
    // Memory.
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "process_madvise", "msync", "mincore", "mlock", "mlock2",
    "munlock", "mlockall", "munlockall", "remap_file_pages", "membarrier", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "mseal", "map_shadow_stack", "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semtimedop", "semctl", "msgget",
    "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
    // Processes and threads.
    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "set_tid_address", "set_robust_list",
    "get_robust_list", "futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue", "rseq", "arch_prctl", "prctl",
    "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "set_thread_area",
    "get_thread_area", "riscv_flush_icache", "riscv_hwprobe", "restart_syscall", "pidfd_open", "pidfd_send_signal",
    "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_setparam", "sched_getscheduler",
    "sched_setscheduler", "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "sched_getattr",
    "sched_setattr", "getpriority", "setpriority", "ioprio_get", "ioprio_set", "getcpu",
    // Signals and timers.
    "kill", "tkill", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigsuspend", "sigaltstack", "pause", "alarm", "getitimer", "setitimer",
    "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "nanosleep", "clock_nanosleep",
    "clock_gettime", "clock_getres", "gettimeofday", "time", "times",
    // Who and where. To become somebody else takes capabilities.
    "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups",
    "getpgid", "getpgrp", "getsid", "setsid", "setpgid", "setuid", "setgid", "setreuid", "setregid", "setresuid",
    "setresgid", "setgroups", "setfsuid", "setfsgid", "capget", "capset", "getrlimit", "setrlimit", "prlimit64",
    "getrusage", "sysinfo", "uname", "getrandom",
    // Sockets; `socket` itself is allowed by family.
    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "getsockopt",
    "setsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown",
];
