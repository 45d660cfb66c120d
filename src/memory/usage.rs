//! Usage: what a process holds of memory, and what it may hold, as the Linux kernel tells it.

use std::path::{Path, PathBuf};

use tokio::fs::read_to_string;

/// From here on version 1's limit stands for none: the largest that it knows, in whole pages.
const UNLIMITED: u64 = 1 << 62;

/// Bytes that are used, and those that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Usage {
    /// Whether so many percent are used.
    pub(super) fn reaches(self, percent: u64) -> bool {
        u128::from(self.used) * 100 >= u128::from(self.limit) * u128::from(percent)
    }

    /// The one that has less left, by its own measure.
    fn tighter(self, other: Self) -> Self {
        let tighter = u128::from(self.used) * u128::from(other.limit)
            >= u128::from(other.used) * u128::from(self.limit);
        if tighter { self } else { other }
    }
}

/// What is used now: of this limit what is resident, without one what the tightest control group around the process
/// counts. `None` where nothing limits it, or where the kernel does not say so. `root` is where `/proc` and `/sys`
/// are.
pub(super) async fn now(root: &Path, limit: Option<u64>) -> Option<Usage> {
    if let Some(limit) = limit {
        let status = read_to_string(root.join("proc/self/status")).await.ok()?;
        return Some(Usage { used: resident(&status)?, limit });
    }
    let groups = read_to_string(root.join("proc/self/cgroup")).await.ok()?;
    let mut tightest: Option<Usage> = None;
    for (version, folder) in folders(&root.join("sys/fs/cgroup"), &groups) {
        if let Some(usage) = of_group(&version.files(), &folder).await {
            tightest = Some(tightest.map_or(usage, |other| other.tighter(usage)));
        }
    }
    tightest
}

/// What one control group uses of its limit, if it has one.
async fn of_group(files: &Files, folder: &Path) -> Option<Usage> {
    let read = async |name: &str| read_to_string(folder.join(name)).await.ok();
    let limit = limit(&read(files.limit).await?)?;
    let used: u64 = read(files.used).await?.trim().parse().ok()?;
    // Files that nobody uses are given up before anybody is killed.
    let spare = read(files.stat).await.and_then(|stat| counter(&stat, files.spare)).unwrap_or_default();
    Some(Usage { used: used.saturating_sub(spare), limit })
}

/// The two versions of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Where a version keeps what is read.
struct Files {
    limit: &'static str,
    used: &'static str,
    stat: &'static str,
    spare: &'static str,
}

impl Version {
    const fn files(self) -> Files {
        match self {
            Self::One => Files {
                limit: "memory.limit_in_bytes",
                used: "memory.usage_in_bytes",
                stat: "memory.stat",
                spare: "total_inactive_file",
            },
            Self::Two => Files {
                limit: "memory.max",
                used: "memory.current",
                stat: "memory.stat",
                spare: "inactive_file",
            },
        }
    }
}

/// The folders of every control group around the process, by its `/proc/self/cgroup`. In a container the path can be
/// that of the machine, and only the mount's own folder is there: each path ends in it.
fn folders(mount: &Path, groups: &str) -> Vec<(Version, PathBuf)> {
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (version, mount) = match controllers {
            "" => (Version::Two, mount.to_owned()),
            some if some.split(',').any(|one| one == "memory") => (Version::One, mount.join("memory")),
            _ => return None,
        };
        let own = mount.join(path.trim_start_matches('/'));
        let around = own.ancestors().take_while(|folder| folder.starts_with(&mount));
        Some(around.map(|folder| (version, folder.to_owned())).collect::<Vec<_>>())
    };
    groups.lines().filter_map(of_line).flatten().collect()
}

/// A limit; `None` for `max`, and for as much as there is.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| (1..UNLIMITED).contains(limit))
}

/// One line of `memory.stat`, in bytes.
fn counter(stat: &str, name: &str) -> Option<u64> {
    let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

/// `VmRSS` of `/proc/self/status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs::{create_dir_all, remove_dir_all, write};

    use super::*;

    /// A made-up `/`, removed when dropped.
    struct Root(PathBuf);

    impl Root {
        fn with(files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("bedrock-inference-{}", uuid::Uuid::new_v4()));
            for (path, text) in files {
                let path = root.join(path);
                create_dir_all(path.parent().unwrap()).unwrap();
                write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = remove_dir_all(&self.0);
        }
    }

    async fn usage(files: &[(&str, &str)], limit: Option<u64>) -> Option<(u64, u64)> {
        let root = Root::with(files);
        now(&root.0, limit).await.map(|usage| (usage.used, usage.limit))
    }

    const STAT_TWO: &str =
        "anon 104857600\nfile 52428800\nkernel 1048576\nactive_file 1000\ninactive_file 20971520\n";
    const STAT_ONE: &str = "cache 52428800\nrss 104857600\ninactive_file 7\ntotal_cache 52428800\ntotal_inactive_file 20971520\n";
    const STATUS: &str = "Name:\tbedrock-inferen\nVmPeak:\t  300000 kB\nVmHWM:\t   61448 kB\nVmRSS:\t   51200 kB\nThreads:\t6\n";

    #[tokio::test]
    async fn a_container_with_its_own_view_is_read() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "268435456\n"),
            ("sys/fs/cgroup/memory.current", "157286400\n"),
            ("sys/fs/cgroup/memory.stat", STAT_TWO),
        ];
        assert_eq!(usage(&files, None).await, Some((157_286_400 - 20_971_520, 268_435_456)));
    }

    #[tokio::test]
    async fn the_tightest_group_counts() {
        let group = "sys/fs/cgroup/kubepods.slice";
        let files = [
            ("proc/self/cgroup", "0::/kubepods.slice/pod1/container\n".to_owned()),
            (&format!("{group}/pod1/container/memory.max"), "max\n".to_owned()),
            (&format!("{group}/pod1/container/memory.current"), "900\n".to_owned()),
            (&format!("{group}/pod1/memory.max"), "1000\n".to_owned()),
            (&format!("{group}/pod1/memory.current"), "900\n".to_owned()),
            (&format!("{group}/memory.max"), "100000\n".to_owned()),
            (&format!("{group}/memory.current"), "50000\n".to_owned()),
        ];
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        assert_eq!(usage(&files, None).await, Some((900, 1000)));
    }

    #[tokio::test]
    async fn version_one_is_read_also_where_the_path_is_not_there() {
        let groups =
            "12:pids:/docker/abc\n4:cpu,memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n";
        let files = [
            ("proc/self/cgroup", groups),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "157286400\n"),
            ("sys/fs/cgroup/memory/memory.stat", STAT_ONE),
        ];
        assert_eq!(usage(&files, None).await, Some((157_286_400 - 20_971_520, 268_435_456)));
    }

    #[tokio::test]
    async fn without_a_limit_there_is_nothing_to_see() {
        let unlimited = [
            ("proc/self/cgroup", "4:memory:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "157286400\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("sys/fs/cgroup/memory.current", "157286400\n"),
        ];
        assert_eq!(usage(&unlimited, None).await, None);
        assert_eq!(usage(&[], None).await, None);
        assert_eq!(usage(&[], Some(1000)).await, None);
        assert_eq!(usage(&[("proc/self/cgroup", "nonsense\n\n::\n")], None).await, None);
    }

    #[tokio::test]
    async fn a_limit_of_our_own_is_held_against_what_is_resident() {
        let files = [
            ("proc/self/status", STATUS),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1\n"),
            ("sys/fs/cgroup/memory.current", "1\n"),
        ];
        assert_eq!(usage(&files, Some(1 << 30)).await, Some((51_200 * 1024, 1 << 30)));
        assert_eq!(resident("VmRSS:\tx kB"), None);
        assert_eq!(resident("VmRSS:\t18014398509481984 kB"), None, "more than there is");
    }

    #[tokio::test]
    async fn this_process_is_read() {
        let seen = now(Path::new("/"), Some(1 << 40)).await;
        assert!(!cfg!(target_os = "linux") || seen.is_some_and(|usage| usage.used > 1 << 20), "{seen:?}");
    }
}
