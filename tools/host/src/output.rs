// SPDX-License-Identifier: BSD-2-Clause
//! Files that are either complete or not there.
//!
//! Everything is written to a temporary file beside its destination, flushed to the disk and then
//! renamed, so that a full disk, a kill or a power cut leaves the previous file or none.
//!
//! Answers BH-14.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::interrupt::{Registration, Undo};

/// Start of the names of temporary files; the next run removes what a killed run left behind.
const TEMPORARY_PREFIX: &str = ".bulkhead-unfinished-";

/// Writes `bytes` to `path`, completely or not at all. The folder is created if needed.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Lets `fill` produce the file at `path`; if it fails, nothing is left behind.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Outcome<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(|e| Failure::io("create the folder", folder, &e))?;
    replace(path, folder, fill).map_err(|e| {
        Failure::io("write", path, &e).note("nothing was written; an older file is untouched")
    })
}

fn replace(
    path: &Path,
    folder: &Path,
    fill: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(folder)?;
    let _undo = Registration::new(Undo::Path(temporary.path().to_owned()));
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes the temporary files that a killed run left in `folder`. Call it only while no other run
/// can be writing there.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
        {
            remove(&entry.path());
        }
    }
}

/// Removes a file or a folder of ours. One that cannot be removed is harmless: it never has a name that
/// anything reads.
pub(crate) fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap_or_default();
    } else {
        fs::remove_file(path).unwrap_or_default();
    }
}

/// A folder in which several files are made before any of them gets its final name.
pub struct Stage {
    destination: PathBuf,
    folder: tempfile::TempDir,
    _undo: Registration,
}

impl Stage {
    /// An empty folder on the same file system as `destination`.
    pub fn new(destination: &Path) -> Outcome<Self> {
        let failed = |e: io::Error| Failure::io("create a folder in", destination, &e);
        fs::create_dir_all(destination).map_err(failed)?;
        let folder = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempdir_in(destination)
            .map_err(failed)?;
        let undo = Registration::new(Undo::Path(folder.path().to_owned()));
        Ok(Self {
            destination: destination.to_owned(),
            folder,
            _undo: undo,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Flushes the files called `names` and gives them their final place, in this order.
    pub fn publish(self, names: &[PathBuf]) -> Outcome<()> {
        for name in names {
            let path = self.folder.path().join(name);
            let flushed = fs::File::open(&path).and_then(|file| file.sync_all());
            flushed.map_err(|e| self.unpublished(name, &e))?;
        }
        for name in names {
            fs::rename(self.folder.path().join(name), self.destination.join(name))
                .map_err(|e| self.unpublished(name, &e))?;
        }
        Ok(())
    }

    fn unpublished(&self, name: &Path, error: &io::Error) -> Failure {
        Failure::io("write", &self.destination.join(name), error)
            .note("the image was not written; an older one is untouched")
    }
}

/// An exclusive claim on an output folder, so that two builds do not mix.
pub struct Claim(#[expect(dead_code, reason = "held for its lock")] fs::File);

/// Waits until no other run writes to `folder`, calling `waiting` once if there is one.
pub fn claim(folder: &Path, waiting: impl FnOnce()) -> Outcome<Claim> {
    fs::create_dir_all(folder).map_err(|e| Failure::io("create the folder", folder, &e))?;
    let path = folder.join(".lock");
    let failed = |e: &io::Error| Failure::io("lock", &path, e);
    let file = fs::File::create(&path).map_err(|e| failed(&e))?;
    if file.try_lock().is_err() {
        waiting();
        file.lock().map_err(|e| failed(&e))?;
    }
    sweep(folder);
    Ok(Claim(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Fault;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_a_file_and_creates_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/image.img");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["image.img"]);
    }

    // Shows BH-14.
    #[test]
    fn failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.img");
        write(&path, b"old").unwrap();
        let failure = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(failure.fault, Fault::Environment);
        assert!(
            failure.to_string().contains("nothing was written"),
            "{failure}"
        );
        assert!(
            failure.to_string().contains("help: free some space"),
            "{failure}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["image.img"]);
    }

    /// `/dev/full` answers every write with ENOSPC, as a full disk does.
    // Shows BH-14.
    #[test]
    fn a_full_disk_is_reported_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.img");
        let failure = write_with(&path, |_| fs::write("/dev/full", [0; 4096])).unwrap_err();
        assert!(failure.to_string().contains("No space left"), "{failure}");
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    // Shows BH-14.
    #[test]
    fn a_stage_appears_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::new(folder.path()).unwrap();
        fs::write(stage.path().join("a"), "a").unwrap();
        let missing = stage.publish(&["a".into(), "b".into()]).unwrap_err();
        assert!(
            missing.to_string().contains("an older one is untouched"),
            "{missing}"
        );
        assert_eq!(names(folder.path()), Vec::<String>::new());
        let stage = Stage::new(folder.path()).unwrap();
        fs::write(stage.path().join("a"), "a").unwrap();
        stage.publish(&["a".into()]).unwrap();
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn sweep_removes_only_our_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("{TEMPORARY_PREFIX}x")), b"half").unwrap();
        fs::write(folder.path().join("image.img"), b"whole").unwrap();
        fs::create_dir(folder.path().join(format!("{TEMPORARY_PREFIX}folder"))).unwrap();
        sweep(folder.path());
        assert_eq!(names(folder.path()), ["image.img"]);
    }
}
