// SPDX-License-Identifier: BSD-2-Clause
//! Kernel modules of a Debian kernel package: finding them by name, unpacking them, and the order
//! in which they can be inserted.
//!
//! A package carries no `modules.dep` (depmod runs at installation), so dependencies are read from
//! each module's `.modinfo` section.

use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Why the modules of a kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// A module or dependency is not in the package.
    #[error("module {name} is not in the kernel package (needed by {needed_by})")]
    Missing {
        /// The module's name.
        name: String,
        /// The recipe or the module that asks for it.
        needed_by: String,
    },
    /// A module could not be read or unpacked.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The module's file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// A module, unpacked.
#[derive(Debug, Clone)]
pub struct Module {
    /// Name with underscores, as the kernel spells it.
    pub name: String,
    /// The ELF file's bytes.
    pub elf: Vec<u8>,
}

/// All module files below a folder, by name.
#[derive(Debug)]
pub struct Index {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

impl Index {
    /// Looks through `root` for `*.ko`, `*.ko.xz` and the list of what is built into the kernel.
    ///
    /// # Errors
    /// The system's reason when a folder cannot be read.
    pub fn scan(root: &Path) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut builtin = BTreeSet::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if let Some(name) = module_name(&path) {
                    files.insert(name, path);
                } else if path
                    .file_name()
                    .is_some_and(|name| name == "modules.builtin")
                {
                    let list = std::fs::read_to_string(&path)?;
                    builtin.extend(list.lines().filter_map(|line| module_name(Path::new(line))));
                }
            }
        }
        Ok(Self { files, builtin })
    }

    /// The modules `wanted` and all they depend on, each after its dependencies.
    ///
    /// # Errors
    /// [`ModuleError`] for a module that is missing or unreadable.
    pub fn closure(&self, wanted: &[String]) -> Result<Vec<Module>, ModuleError> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for name in wanted {
            self.visit(&kernel_spelling(name), "the recipe", &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn visit(
        &self,
        name: &str,
        needed_by: &str,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<Module>,
    ) -> Result<(), ModuleError> {
        let is_new = seen.insert(name.to_owned());
        if !is_new || self.builtin.contains(name) {
            return Ok(());
        }
        let path = self.files.get(name).ok_or_else(|| ModuleError::Missing {
            name: name.to_owned(),
            needed_by: needed_by.to_owned(),
        })?;
        let elf = unpack(path)?;
        for dependency in dependencies(&elf, path)? {
            self.visit(&dependency, name, seen, order)?;
        }
        order.push(Module {
            name: name.to_owned(),
            elf,
        });
        Ok(())
    }
}

fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = file
        .strip_suffix(".ko")
        .or_else(|| file.strip_suffix(".ko.xz"))?;
    Some(kernel_spelling(stem))
}

/// The kernel treats dash and underscore in module names as one.
fn kernel_spelling(name: &str) -> String {
    name.replace('-', "_")
}

fn unpack(path: &Path) -> Result<Vec<u8>, ModuleError> {
    let fail = |reason: String| ModuleError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(bytes);
    }
    let mut elf = Vec::new();
    lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut elf)
        .map_err(|error| fail(format!("not an xz stream: {error:?}")))?;
    Ok(elf)
}

fn dependencies(elf: &[u8], path: &Path) -> Result<Vec<String>, ModuleError> {
    let fail = |reason: String| ModuleError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let file = object::File::parse(elf).map_err(|error| fail(error.to_string()))?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or_else(|| fail("no .modinfo section: not a kernel module".into()))?;
    let data = section.data().map_err(|error| fail(error.to_string()))?;
    Ok(modinfo_depends(data))
}

/// The names in `depends=a,b` of a `.modinfo` section, a list of NUL-terminated `key=value`.
fn modinfo_depends(section: &[u8]) -> Vec<String> {
    section
        .split(|&byte| byte == 0)
        .filter_map(|entry| entry.strip_prefix(b"depends="))
        .flat_map(|list| list.split(|&byte| byte == b','))
        .filter(|name| !name.is_empty())
        .map(|name| kernel_spelling(&String::from_utf8_lossy(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::write::Object as Writer;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};

    fn module(dir: &Path, name: &str, depends: &str) {
        let mut writer = Writer::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
        let section = writer.add_section(vec![], b".modinfo".to_vec(), SectionKind::ReadOnlyData);
        let info = format!("license=GPL\0depends={depends}\0name={name}\0");
        writer.append_section_data(section, info.as_bytes(), 1);
        let elf = writer.write().unwrap();
        if name.starts_with("packed") {
            let mut xz = Vec::new();
            lzma_rs::xz_compress(&mut elf.as_slice(), &mut xz).unwrap();
            std::fs::write(dir.join(format!("{name}.ko.xz")), xz).unwrap();
        } else {
            std::fs::write(dir.join(format!("{name}.ko")), elf).unwrap();
        }
    }

    fn order(dir: &Path, wanted: &[&str]) -> Result<Vec<String>, ModuleError> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let modules = Index::scan(dir).unwrap().closure(&wanted)?;
        Ok(modules.into_iter().map(|module| module.name).collect())
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("drivers/net");
        std::fs::create_dir_all(&deep).unwrap();
        module(&deep, "virtio_net", "net_failover,packed-core");
        module(dir.path(), "net_failover", "failover");
        module(dir.path(), "failover", "");
        module(dir.path(), "packed-core", "failover");
        let found = order(dir.path(), &["virtio-net", "failover"]).unwrap();
        assert_eq!(
            found,
            ["failover", "net_failover", "packed_core", "virtio_net"]
        );
    }

    #[test]
    fn a_missing_dependency_says_who_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        module(dir.path(), "a", "b");
        let error = order(dir.path(), &["a"]).unwrap_err().to_string();
        assert_eq!(error, "module b is not in the kernel package (needed by a)");
    }

    #[test]
    fn a_file_that_is_no_module_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.ko"), b"not an ELF file").unwrap();
        assert!(matches!(
            order(dir.path(), &["a"]),
            Err(ModuleError::Unreadable { .. })
        ));
        std::fs::write(dir.path().join("b.ko.xz"), b"not xz").unwrap();
        assert!(matches!(
            order(dir.path(), &["b"]),
            Err(ModuleError::Unreadable { .. })
        ));
    }

    #[test]
    fn what_is_built_in_needs_no_file() {
        let dir = tempfile::tempdir().unwrap();
        module(dir.path(), "a", "virtio-console");
        let list = "kernel/drivers/char/virtio_console.ko\n";
        std::fs::write(dir.path().join("modules.builtin"), list).unwrap();
        assert_eq!(order(dir.path(), &["a", "virtio_console"]).unwrap(), ["a"]);
    }

    #[test]
    fn cycles_end() {
        let dir = tempfile::tempdir().unwrap();
        module(dir.path(), "a", "b");
        module(dir.path(), "b", "a");
        assert_eq!(order(dir.path(), &["a"]).unwrap(), ["b", "a"]);
    }
}
