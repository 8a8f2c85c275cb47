//! Memory and the name of the processor, on every system that the library knows.

use std::sync::{LazyLock, Mutex};

use sysinfo::{
    CGroupLimits, CpuRefreshKind, MemoryRefreshKind, Process, ProcessRefreshKind, ProcessesToUpdate,
    RefreshKind, System,
};

/// What is known of this process, kept between looks: one is taken after every step of training.
static SELF: LazyLock<Mutex<Option<System>>> = LazyLock::new(|| Mutex::new(System::new().ok()));

/// The memory this process holds now, in bytes.
pub fn resident_memory() -> Option<u64> {
    of_self(ProcessRefreshKind::nothing().with_memory(), |own| known(own.memory()))
}

/// The memory that a new process may take, in bytes; of a container, what its limit leaves.
pub fn free_memory() -> Option<u64> {
    let free = known(memory()?.available_memory())?;
    Some(limits().map_or(free, |limits| free.min(left(&limits))))
}

/// The memory of the machine, in bytes; of a container, its limit.
pub fn total_memory() -> Option<u64> {
    let total = known(memory()?.total_memory())?;
    Some(limits().map_or(total, |limits| total.min(limits.total_memory)))
}

/// The name that the maker gave the processor.
pub fn processor() -> Option<String> {
    let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(kind).ok()?;
    let name = system.cpus().first()?.brand().trim().to_string();
    Some(name).filter(|name| !name.is_empty())
}

fn memory() -> Option<System> {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(kind).ok()
}

/// Where this process is told how much it may take: Linux's control groups.
fn limits() -> Option<CGroupLimits> {
    of_self(ProcessRefreshKind::nothing(), Process::cgroup_limits)
}

/// Files that the system keeps in memory count as used in a control group, though they make room when it is needed.
fn left(limits: &CGroupLimits) -> u64 {
    limits.total_memory.saturating_sub(limits.rss)
}

/// What `look` finds of this process, looked at anew.
fn of_self<T>(kind: ProcessRefreshKind, look: impl FnOnce(&Process) -> Option<T>) -> Option<T> {
    let own = sysinfo::get_current_pid().ok()?;
    let mut system = SELF.lock().ok()?;
    let system = system.as_mut()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind.without_tasks());
    look(system.process(own)?)
}

/// The library says 0 where it knows nothing.
fn known(bytes: u64) -> Option<u64> {
    Some(bytes).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_known_and_hangs_together() {
        let (total, free) = (total_memory().unwrap(), free_memory().unwrap());
        let before = resident_memory().unwrap();
        assert!(before < total && free <= total, "{before} of {total}, {free} free");
        let taken = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = resident_memory().unwrap();
        assert!(after >= before + (48 << 20), "{before} and {} more: {after}", taken.len());
        #[cfg(target_os = "linux")]
        {
            let told = told_by_linux("/proc/self/status", "VmRSS:");
            assert!(after.abs_diff(told) < 32 << 20, "{after} {told}");
            assert_eq!(memory().unwrap().total_memory(), told_by_linux("/proc/meminfo", "MemTotal:"));
        }
    }

    #[cfg(target_os = "linux")]
    fn told_by_linux(table: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(table).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    #[test]
    fn a_limit_counts_without_files_kept_in_memory() {
        let limits = CGroupLimits { total_memory: 1000, free_memory: 100, free_swap: 0, rss: 300 };
        assert_eq!(left(&limits), 700);
    }
}
