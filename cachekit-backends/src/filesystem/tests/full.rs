//! A full disk: deletions need no space.

use super::*;
use crate::filesystem::FileSystem;
use crate::version_key;

/// A file system of 2 MiB in memory; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, and a sentence, where mounting isn't permitted.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"])
            .arg(dir.path())
            .output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: this test mounts a small file system, which takes root's rights");
        None
    }

    /// Fills the disk to the last byte.
    fn fill(&self) {
        use std::io::Write;
        for (name, len) in [("most", 1 << 16), ("rest", 1)] {
            let mut file = std::fs::File::create(self.0.path().join(name)).unwrap();
            while file.write_all(&vec![0; len]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_does_not_keep_deletions_from_freeing_it() {
    let Some(disk) = SmallDisk::mount() else { return };
    let open = || FileSystem::open(disk.0.path().join("cache"), Options::default()).unwrap();
    let (fs, function, other) = (open(), version_key("shop::f", None), version_key("shop::g", None));
    let keys: Vec<String> = (0..20).map(|i| format!("entry {i}")).collect();
    for key in &keys {
        fs.set(key, &[7; 3000], None).unwrap();
    }
    fs.set(&function, &[1; 16], None).unwrap();
    let tokens: Vec<_> = ["absent", &keys[0]].map(|key| (key, fs.token(key).unwrap())).into();
    disk.fill();
    assert_eq!(fs.set("new", &[7; 3000], None).unwrap_err().kind(), ErrorKind::Full);

    // A deletion of a function removes its version, whether there is one or not.
    for version in [&function, &other, &function] {
        fs.delete(version).unwrap();
        assert_eq!(fs.get(version).unwrap(), None);
    }
    assert!(!fs.delete("absent").unwrap());
    assert!(fs.delete(&keys[0]).unwrap());
    for (key, token) in tokens {
        assert!(!fs.put_if(key, b"", None, token).unwrap_or_default(), "{key}");
    }
    disk.fill();
    // Also in a process that is started now.
    open().clear("entry 1").unwrap();
    assert_eq!(fs.get(&keys[1]).unwrap(), None);
    assert!(fs.get(&keys[2]).unwrap().is_some());
    disk.fill();
    fs.clear("").unwrap();
    assert!(keys.iter().all(|key| fs.get(key).unwrap().is_none()));
    fs.set("new", &[7; 3000], None).unwrap();
    assert_eq!(fs.get("new").unwrap().as_deref(), Some(&[7; 3000][..]));
}
