//! How much comes in at once: submissions, uploads in parts, and the room that must stay on the disk.

use std::path::Path;

use super::Refusal;

/// The bounds of what is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Submissions at once.
    pub submissions: usize,
    /// Submissions of one department at once.
    pub submissions_each: usize,
    /// Uploads in parts that one department has open.
    pub uploads_each: usize,
    /// Bytes that those uploads announce together.
    pub uploads_bytes: u64,
    /// Seconds after its last part that an upload is kept.
    pub upload_seconds: u64,
    /// Bytes that stay free on the disk.
    pub free: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            submissions: 64,
            submissions_each: 16,
            uploads_each: 16,
            uploads_bytes: 20 << 30,
            upload_seconds: 24 * 3600,
            free: 1 << 30,
        }
    }
}

impl Bounds {
    /// Whether `bytes` more leave enough free where `folder` is. A disk that does not say how full it is has room.
    ///
    /// # Errors
    /// [`Refusal::DiskFull`] where they do not.
    pub fn room(&self, folder: &Path, bytes: u64) -> Result<(), Refusal> {
        let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.free.saturating_add(bytes) {
            return Err(Refusal::DiskFull { free, kept: self.free });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fill_the_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let none = Bounds { free: 0, ..Bounds::default() };
        assert!(none.room(folder.path(), 1).is_ok());
        let refused = none.room(folder.path(), u64::MAX).unwrap_err();
        assert_eq!((refused.code(), refused.is_senders()), ("DISK_FULL", false));
        let all = Bounds { free: u64::MAX, ..none };
        assert!(matches!(all.room(folder.path(), 0), Err(Refusal::DiskFull { .. })));
    }
}
