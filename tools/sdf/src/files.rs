// SPDX-License-Identifier: BSD-2-Clause
//! The files a system description names: programs and prefills.

use std::collections::HashMap;
use std::path::PathBuf;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// It is in none of the places looked at.
    NotFound,
    /// It is there but cannot be read: the system's reason.
    Unreadable(String),
    /// Files were not looked at in this run.
    Unknown,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("it is in no search directory"),
            Self::Unreadable(why) => f.write_str(why),
            Self::Unknown => f.write_str("files were not looked at"),
        }
    }
}

impl std::error::Error for FileError {}

/// Finds files by the paths a system description names.
pub trait Files {
    /// Length of the file in bytes.
    ///
    /// # Errors
    /// When the file cannot be found or its length not be read.
    fn size(&self, path: &str) -> Result<u64, FileError>;

    /// Contents of the file.
    ///
    /// # Errors
    /// When the file cannot be found or read.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
}

/// Looks at no file: rules that need one stay silent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn size(&self, _: &str) -> Result<u64, FileError> {
        Err(FileError::Unknown)
    }
    fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
        Err(FileError::Unknown)
    }
}

/// Looks in each directory in turn, as `microkit --search-path` does; absolute paths stand alone.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    /// Directories in order.
    pub dirs: Vec<PathBuf>,
}

impl SearchPath {
    /// The first existing file called `path`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        self.dirs
            .iter()
            .map(|dir| dir.join(path))
            .find(|full| full.is_file())
    }
}

impl Files for SearchPath {
    fn size(&self, path: &str) -> Result<u64, FileError> {
        let full = self.find(path).ok_or(FileError::NotFound)?;
        full.metadata()
            .map(|m| m.len())
            .map_err(|e| FileError::Unreadable(e.to_string()))
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let full = self.find(path).ok_or(FileError::NotFound)?;
        std::fs::read(full).map_err(|e| FileError::Unreadable(e.to_string()))
    }
}

/// Files made during the run, such as records, in front of others.
pub struct Overlay<'a> {
    /// Contents by the path that the system description names.
    pub files: HashMap<String, Vec<u8>>,
    /// Where everything else is.
    pub base: &'a dyn Files,
}

impl Files for Overlay<'_> {
    fn size(&self, path: &str) -> Result<u64, FileError> {
        match self.files.get(path) {
            Some(bytes) => Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            None => self.base.size(path),
        }
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.base.read(path),
        }
    }
}
