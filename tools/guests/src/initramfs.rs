// SPDX-License-Identifier: BSD-2-Clause
//! The initramfs of a Linux guest: busybox, its links, modules and the recipe's files.

use crate::cpio::{Archive, Device, TooLarge};
use crate::modules::Module;
use std::collections::BTreeSet;

/// A file and where it goes.
#[derive(Debug)]
pub struct Placed {
    /// Absolute path in the guest.
    pub to: String,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub data: Vec<u8>,
}

/// Everything that goes into the archive.
#[derive(Debug)]
pub struct Content<'a> {
    /// A static busybox.
    pub busybox: Vec<u8>,
    /// Applet names to link.
    pub applets: &'a [String],
    /// Modules in the order of insertion.
    pub modules: Vec<Module>,
    /// The recipe's own files.
    pub files: Vec<Placed>,
}

/// The order in which `init` inserts modules: one path a line.
pub const MODULE_LIST: &str = "lib/modules.list";

/// Writes the archive, folders before what is in them, device nodes and `/init` (busybox, which
/// then reads `/etc/inittab`) included.
///
/// # Errors
/// [`TooLarge`] for a file of 4 GiB or more.
pub fn write(content: &Content<'_>) -> Result<Vec<u8>, TooLarge> {
    let mut archive = Archive::default();
    for dir in folders(&content.files) {
        archive.dir(&dir)?;
    }
    archive.char_device("dev/console", 0o600, Device { major: 5, minor: 1 })?;
    archive.char_device("dev/null", 0o666, Device { major: 1, minor: 3 })?;
    archive.file("bin/busybox", 0o755, &content.busybox)?;
    archive.symlink("init", "bin/busybox")?;
    for applet in content.applets.iter().collect::<BTreeSet<_>>() {
        archive.symlink(&format!("bin/{applet}"), "busybox")?;
    }
    let mut list = String::new();
    for module in &content.modules {
        let path = format!("lib/{}.ko", module.name);
        archive.file(&path, 0o644, &module.elf)?;
        list.push_str(&format!("/{path}\n"));
    }
    archive.file(MODULE_LIST, 0o644, list.as_bytes())?;
    for file in &content.files {
        archive.file(relative(&file.to), file.mode, &file.data)?;
    }
    archive.finish()
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// The base folders and each parent of a placed file, parents first.
fn folders(files: &[Placed]) -> BTreeSet<String> {
    let base = [
        "bin", "dev", "etc", "lib", "mnt", "proc", "root", "run", "sys", "tmp",
    ];
    let mut all: BTreeSet<String> = base.into_iter().map(str::to_owned).collect();
    for file in files {
        let path = relative(&file.to);
        all.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_precede_their_files_and_modules_are_listed_in_order() {
        let applets = ["sh".to_owned(), "sh".to_owned()];
        let content = Content {
            busybox: b"bb".to_vec(),
            applets: &applets,
            modules: ["b", "a"]
                .map(|name| Module {
                    name: name.into(),
                    elf: vec![1],
                })
                .to_vec(),
            files: vec![Placed {
                to: "/opt/x/y".into(),
                mode: 0o755,
                data: b"z".to_vec(),
            }],
        };
        let bytes = write(&content).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let position = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle}"));
        assert!(position("opt\0") < position("opt/x\0"));
        assert!(position("opt/x\0") < position("opt/x/y\0"));
        assert!(text.contains("/lib/b.ko\n/lib/a.ko\n"));
        assert_eq!(text.matches("bin/sh\0").count(), 1);
    }
}
