// SPDX-License-Identifier: BSD-2-Clause
//! Files that only exist in memory, above those on the disk.

use std::collections::BTreeMap;

use sdf::{FileError, Files};

/// The user's files with ours on top.
pub struct Overlay<'a> {
    base: &'a dyn Files,
    top: BTreeMap<String, Vec<u8>>,
}

impl<'a> Overlay<'a> {
    /// The files of `base` alone.
    pub fn new(base: &'a dyn Files) -> Self {
        Self {
            base,
            top: BTreeMap::new(),
        }
    }

    /// Adds a file, which hides one of the same path.
    pub fn insert(&mut self, path: String, bytes: Vec<u8>) {
        self.top.insert(path, bytes);
    }
}

impl Files for Overlay<'_> {
    fn size(&self, path: &str) -> Result<u64, FileError> {
        match self.top.get(path) {
            Some(bytes) => {
                u64::try_from(bytes.len()).map_err(|e| FileError::Unreadable(e.to_string()))
            }
            None => self.base.size(path),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        match self.top.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.base.read(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_files_hide_the_users() {
        let base = sdf::NoFiles;
        let mut files = Overlay::new(&base);
        files.insert("ours".to_owned(), vec![1, 2]);
        assert_eq!(files.size("ours"), Ok(2));
        assert_eq!(files.read("ours"), Ok(vec![1, 2]));
        assert_eq!(files.read("other"), Err(FileError::Unknown));
    }
}
