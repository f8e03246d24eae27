// SPDX-License-Identifier: BSD-2-Clause
//! From a recipe to a kernel and an initrd in the cache.

use crate::apt::{Apt, AptError};
use crate::cpio::TooLarge;
use crate::initramfs::{self, Content, Placed};
use crate::modules::{Index, ModuleError};
use crate::program::{self, ProgramError};
use crate::recipe::{Build, Initramfs, Kernel, Recipe, RecipeError, Source};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A guest's images, ready to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The kernel or firmware image.
    pub kernel: PathBuf,
    /// The initrd, for guests that have one.
    pub initrd: Option<PathBuf>,
}

/// Why a guest's images could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A package cannot be had.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// A program of ours cannot be built.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A kernel module cannot be used.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The initramfs cannot be written.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The package does not hold what the recipe names.
    #[error("package {package} holds no file {pattern}")]
    NoSuchFile {
        /// The package.
        package: String,
        /// The recipe's pattern.
        pattern: String,
    },
}

/// Makes the images of the recipe in `recipe_dir`, below `cache`; `progress` is told each step.
///
/// A stamp of the recipe and its files is kept beside the images: the same recipe is not made
/// twice, and a run that was interrupted leaves no stamp, so its leftovers are not used.
///
/// # Errors
/// [`GuestError`] says what could not be read, fetched or written; no stamp is left then.
pub fn prepare(
    recipe_dir: &Path,
    cache: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Guest, GuestError> {
    let recipe = Recipe::load(recipe_dir)?;
    let name = recipe_dir.file_name().unwrap_or_default();
    let out = cache.join(name);
    let guest = Guest {
        kernel: out.join("kernel"),
        initrd: recipe.initramfs.as_ref().map(|_| out.join("initrd")),
    };
    let source = match &recipe.source {
        Source::Package(kernel) => kernel,
        Source::Build(build) => {
            progress(&format!(
                "{}: building ({})",
                name.display(),
                recipe.description
            ));
            return build_program(&recipe, build, guest);
        }
    };
    let stamp = (out.join("stamp"), fingerprint(&recipe)?);
    if std::fs::read_to_string(&stamp.0).is_ok_and(|old| old == stamp.1) && complete(&guest) {
        return Ok(guest);
    }
    let _ = std::fs::remove_file(&stamp.0);
    create_dir(&out)?;
    progress(&format!(
        "{}: fetching packages ({})",
        name.display(),
        recipe.description
    ));
    let apt = Apt::open(&cache.join("apt"))?;
    make(&recipe, source, &apt, &guest, progress)?;
    write(&stamp.0, stamp.1.as_bytes())?;
    Ok(guest)
}

/// Cargo itself knows what is up to date.
fn build_program(recipe: &Recipe, build: &Build, guest: Guest) -> Result<Guest, GuestError> {
    let out = guest.kernel.with_file_name("");
    create_dir(&out)?;
    let image = program::image(&recipe.dir, build, &out.join("target"))?;
    write(&guest.kernel, &image)?;
    Ok(guest)
}

fn complete(guest: &Guest) -> bool {
    guest.kernel.is_file() && guest.initrd.as_ref().is_none_or(|initrd| initrd.is_file())
}

fn make(
    recipe: &Recipe,
    kernel: &Kernel,
    apt: &Apt,
    guest: &Guest,
    progress: &mut dyn FnMut(&str),
) -> Result<(), GuestError> {
    let tree = guest.kernel.with_file_name("unpacked");
    let _ = std::fs::remove_dir_all(&tree);
    let package = apt.resolve(&kernel.package)?;
    progress(&format!("  {package} {}", apt.version(&package)?));
    apt.unpack(&package, &tree)?;
    let image = find(&tree, &kernel.file).ok_or_else(|| GuestError::NoSuchFile {
        package: package.clone(),
        pattern: kernel.file.clone(),
    })?;
    write(&guest.kernel, &read(&image)?)?;
    if let (Some(fs), Some(initrd)) = (&recipe.initramfs, &guest.initrd) {
        progress(&format!("  {} {}", fs.busybox, apt.version(&fs.busybox)?));
        apt.unpack(&fs.busybox, &tree)?;
        let mut files = collect(recipe, fs)?;
        let built = guest.kernel.with_file_name("target");
        for program in &fs.programs {
            progress(&format!("  {}", program.binary));
            let dir = recipe.dir.join(&program.from);
            files.push(Placed {
                to: program.to.clone(),
                mode: 0o755,
                data: program::executable(&dir, &program.build(), &built)?,
            });
        }
        write(initrd, &pack(fs, files, &tree)?)?;
    }
    std::fs::remove_dir_all(&tree).map_err(|source| GuestError::Io { path: tree, source })
}

/// The files that the recipe places.
fn collect(recipe: &Recipe, fs: &Initramfs) -> Result<Vec<Placed>, GuestError> {
    let mut files = Vec::new();
    for file in &fs.files {
        let data = read(&recipe.dir.join(&file.from))?;
        files.push(Placed {
            to: file.to.clone(),
            mode: file.mode,
            data,
        });
    }
    Ok(files)
}

fn pack(fs: &Initramfs, files: Vec<Placed>, tree: &Path) -> Result<Vec<u8>, GuestError> {
    let index = Index::scan(tree).map_err(|source| GuestError::Io {
        path: tree.into(),
        source,
    })?;
    let content = Content {
        busybox: read(&tree.join("bin/busybox"))?,
        applets: &fs.applets,
        modules: index.closure(&fs.modules)?,
        files,
    };
    Ok(initramfs::write(&content)?)
}

/// A digest of all that the recipe itself determines. Package versions are not part of it: an
/// update of Debian is taken when the cache is cleared, not in the middle of somebody's work.
fn fingerprint(recipe: &Recipe) -> Result<String, GuestError> {
    let mut hash = Sha256::new();
    let mut paths = vec![recipe.dir.join("guest.toml")];
    let files = recipe.initramfs.iter().flat_map(|fs| &fs.files);
    paths.extend(files.map(|file| recipe.dir.join(&file.from)));
    for program in recipe.initramfs.iter().flat_map(|fs| &fs.programs) {
        sources(&recipe.dir.join(&program.from), &mut paths)?;
    }
    for path in paths {
        let data = read(&path)?;
        hash.update(data.len().to_le_bytes());
        hash.update(&data);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// All files of a program's folder, without what cargo puts there.
fn sources(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), GuestError> {
    let io = |source| GuestError::Io {
        path: dir.into(),
        source,
    };
    let entries = std::fs::read_dir(dir).map_err(io)?;
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(io)?;
    found.sort();
    for path in found {
        if !path.is_dir() {
            paths.push(path);
        } else if !path.ends_with("target") {
            sources(&path, paths)?;
        }
    }
    Ok(())
}

/// The first file below `root` whose path matches `pattern`, whose last part may hold one `*`.
fn find(root: &Path, pattern: &str) -> Option<PathBuf> {
    let path = root.join(pattern);
    let wanted = path.file_name()?.to_str()?;
    let Some((head, tail)) = wanted.split_once('*') else {
        return path.is_file().then_some(path);
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

fn read(path: &Path) -> Result<Vec<u8>, GuestError> {
    std::fs::read(path).map_err(|source| GuestError::Io {
        path: path.into(),
        source,
    })
}

/// Writes through a neighbour and a rename, so that a full disk leaves no half file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
    let io = |source| GuestError::Io {
        path: path.into(),
        source,
    };
    let partial = path.with_extension("partial");
    let result = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if result.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    result.map_err(io)
}

fn create_dir(path: &Path) -> Result<(), GuestError> {
    std::fs::create_dir_all(path).map_err(|source| GuestError::Io {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_matches_one_star_in_the_last_part() {
        let dir = tempfile::tempdir().unwrap();
        let boot = dir.path().join("boot");
        std::fs::create_dir(&boot).unwrap();
        std::fs::write(boot.join("vmlinuz-6.1"), b"k").unwrap();
        std::fs::write(boot.join("config-6.1"), b"c").unwrap();
        assert_eq!(
            find(dir.path(), "boot/vmlinuz-*"),
            Some(boot.join("vmlinuz-6.1"))
        );
        assert_eq!(
            find(dir.path(), "boot/config-6.1"),
            Some(boot.join("config-6.1"))
        );
        assert_eq!(find(dir.path(), "boot/initrd*"), None);
        assert_eq!(find(dir.path(), "none/x*"), None);
    }

    // Shows BH-14.
    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_partial_one() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("kernel");
        std::fs::create_dir(&target).unwrap();
        assert!(matches!(write(&target, b"x"), Err(GuestError::Io { .. })));
        assert!(!dir.path().join("kernel.partial").exists());
    }

    #[test]
    fn the_fingerprint_follows_the_recipes_files() {
        let dir = tempfile::tempdir().unwrap();
        let recipe_text = "description='d'\n[kernel]\npackage='p'\nfile='f'\n[initramfs]\n\
                           busybox='b'\napplets=[]\nfiles=[{from='init', to='/init'}]\n";
        std::fs::write(dir.path().join("guest.toml"), recipe_text).unwrap();
        std::fs::write(dir.path().join("init"), b"1").unwrap();
        let recipe = Recipe::load(dir.path()).unwrap();
        let before = fingerprint(&recipe).unwrap();
        std::fs::write(dir.path().join("init"), b"2").unwrap();
        assert_ne!(before, fingerprint(&recipe).unwrap());
    }

    #[test]
    fn the_fingerprint_follows_a_programs_sources_but_not_what_cargo_made() {
        let dir = tempfile::tempdir().unwrap();
        let recipe_dir = dir.path().join("linux");
        let recipe_text = "description='d'\n[kernel]\npackage='p'\nfile='f'\n[initramfs]\n\
                           busybox='b'\napplets=[]\n\
                           programs=[{from='../tool', binary='t', target='x', to='/bin/t'}]\n";
        let source = dir.path().join("tool/src");
        let made = dir.path().join("tool/target");
        for folder in [&recipe_dir, &source, &made] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(recipe_dir.join("guest.toml"), recipe_text).unwrap();
        std::fs::write(source.join("main.rs"), b"1").unwrap();
        let recipe = Recipe::load(&recipe_dir).unwrap();
        let before = fingerprint(&recipe).unwrap();
        std::fs::write(made.join("t"), b"elf").unwrap();
        assert_eq!(before, fingerprint(&recipe).unwrap());
        std::fs::write(source.join("main.rs"), b"2").unwrap();
        assert_ne!(before, fingerprint(&recipe).unwrap());
    }
}
