//! Room on the disk.

use std::fs;
use std::path::Path;

/// Bytes that may still be written below `path`, which need not exist yet.
pub fn free(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find(|folder| folder.exists()).and_then(free_in)
}

#[cfg(unix)]
fn free_in(folder: &Path) -> Option<u64> {
    let figures = rustix::fs::statvfs(folder).ok()?;
    Some(figures.f_bavail * figures.f_frsize)
}

/// That of the disk whose place is nearest above.
#[cfg(not(unix))]
fn free_in(folder: &Path) -> Option<u64> {
    let disks = sysinfo::Disks::new_with_refreshed_list().ok()?;
    let above = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    let nearest = above.max_by_key(|disk| disk.mount_point().as_os_str().len())?;
    Some(nearest.available_space())
}

/// What all files below take; links are not followed.
pub fn used(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| used(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_yet_to_be_made_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let (above, within) = (free(folder.path()).unwrap(), free(&folder.path().join("a/b")).unwrap());
        assert!(above > 0 && within.abs_diff(above) < 1 << 30, "{above} {within}");
    }
}
