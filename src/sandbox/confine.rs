//! What a child gives up before it reads: memory and time without end, the file system, the network, other programs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::ResourceLimits;
use crate::decode::Limits;

/// Files that a child holds open at once: readers of Parquet open the file once more for each column.
const FILES: u64 = 4_096;

/// What holds a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Bounds on memory, processor time and files.
    pub limits: bool,
    /// Landlock: no file can be opened, no port reached.
    pub landlock: bool,
    /// seccomp: only the system calls that decoding needs.
    pub seccomp: bool,
}

/// Gives up everything that decoding does not need, as far as the kernel knows how to.
pub(super) fn confine(resources: &ResourceLimits, limits: &Limits) -> Confinement {
    let most = |resource, most: u64| {
        let hard = getrlimit(resource).maximum;
        let most = Some(hard.map_or(most, |hard| hard.min(most)));
        setrlimit(resource, Rlimit { current: most, maximum: most }).is_ok()
    };
    let set = [
        most(Resource::As, resources.memory.saturating_add(own_size())),
        most(Resource::Cpu, resources.seconds),
        most(Resource::Fsize, limits.unpacked.saturating_add(1 << 20)),
        most(Resource::Nofile, FILES),
        most(Resource::Core, 0),
    ];
    Confinement {
        limits: set.iter().all(|set| *set),
        landlock: system::landlock(),
        seccomp: system::seccomp(),
    }
}

/// The address space that the program takes before it does anything.
fn own_size() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = size.and_then(|size| size.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1 << 10)
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeMap;

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter,
    };

    /// Nothing can be opened any more; what is open stays open.
    pub(super) fn landlock() -> bool {
        let restrict = || -> Result<RulesetStatus, RulesetError> {
            let rules = Ruleset::default()
                .handle_access(AccessFs::from_all(ABI::V5))?
                .handle_access(AccessNet::from_all(ABI::V5))?
                .scope(Scope::from_all(ABI::V6))?;
            Ok(rules.create()?.restrict_self()?.ruleset)
        };
        restrict().is_ok_and(|status| status != RulesetStatus::NotEnforced)
    }

    /// Any other system call is answered as not permitted.
    pub(super) fn seccomp() -> bool {
        let Ok(arch) = std::env::consts::ARCH.try_into() else { return false };
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            CALLS.iter().map(|call| (*call, Vec::new())).collect();
        // A process that aborts sends itself a signal; it may send none to others.
        let own =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, std::process::id().into());
        let Ok(own) = own.and_then(|own| SeccompRule::new(vec![own])) else { return false };
        rules.insert(libc::SYS_tgkill, vec![own]);
        let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let filter = SeccompFilter::new(rules, denied, SeccompAction::Allow, arch);
        let program = filter.and_then(BpfProgram::try_from);
        program.is_ok_and(|program| apply_filter(&program).is_ok())
    }

    /// What reading, writing, memory and the end of a process take.
    const CALLS: [i64; 41] = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_pread64,
        libc::SYS_pwrite64,
        libc::SYS_lseek,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_ftruncate,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_ppoll,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn landlock() -> bool {
        false
    }

    pub(super) fn seccomp() -> bool {
        false
    }
}
