// SPDX-License-Identifier: BSD-2-Clause
//! A private apt for arm64 packages: its own lists, cache and status, the machine's own sources
//! and keys. The machine's packages and architectures stay as they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// The machine has no apt, or no Debian sources.
    #[error("{0}")]
    Unusable(String),
    /// A file of the private apt could not be written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An apt or dpkg command failed.
    #[error("`{command}` failed: {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// The last lines that it printed to standard error.
        stderr: String,
    },
}

/// A private apt below one folder.
#[derive(Debug)]
pub struct Apt {
    root: PathBuf,
}

impl Apt {
    /// Sets the folder up and brings the package lists up to date.
    ///
    /// # Errors
    /// [`AptError`] when the machine has no Debian sources or the lists cannot be fetched.
    pub fn open(root: &Path) -> Result<Self, AptError> {
        let apt = Self {
            root: root.to_path_buf(),
        };
        for dir in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/sources.list.d",
            "etc/apt.conf.d",
            "etc/preferences.d",
        ] {
            create_dir(&apt.root.join(dir))?;
        }
        write(&apt.root.join("state/status"), b"")?;
        apt.copy_sources(Path::new("/etc/apt"))?;
        write(&apt.root.join("apt.conf"), apt.config().as_bytes())?;
        apt.run("apt-get", &["update", "-qq"], &apt.root)?;
        Ok(apt)
    }

    /// The package itself, or what a meta-package stands for: the first `linux-image-…` that it
    /// depends on.
    ///
    /// # Errors
    /// [`AptError::Failed`] for an unknown package.
    pub fn resolve(&self, package: &str) -> Result<String, AptError> {
        let output = self.run("apt-cache", &["depends", package], &self.root)?;
        Ok(kernel_of_meta_package(&output)
            .unwrap_or(package)
            .to_owned())
    }

    /// The version that would be downloaded.
    ///
    /// # Errors
    /// [`AptError::Failed`] for an unknown package.
    pub fn version(&self, package: &str) -> Result<String, AptError> {
        let output = self.run(
            "apt-cache",
            &["show", "--no-all-versions", package],
            &self.root,
        )?;
        let version = output
            .lines()
            .find_map(|line| line.strip_prefix("Version: "));
        version
            .map(|version| version.trim().to_owned())
            .ok_or_else(|| AptError::Failed {
                command: format!("apt-cache show {package}"),
                stderr: "the package has no version".into(),
            })
    }

    /// Downloads `package` and unpacks it into `into`. apt checks the signature chain.
    ///
    /// # Errors
    /// [`AptError`] when the download or the unpacking fails.
    pub fn unpack(&self, package: &str, into: &Path) -> Result<(), AptError> {
        let folder = self.root.join("download");
        create_dir(&folder)?;
        let spec = format!("{package}={}", self.version(package)?);
        self.run("apt-get", &["download", "-qq", &spec], &folder)?;
        create_dir(into)?;
        let deb = newest_deb(&folder, package)?;
        let (deb_name, into_name) = (deb.to_string_lossy(), into.to_string_lossy());
        self.run("dpkg", &["-x", &deb_name, &into_name], &self.root)?;
        std::fs::remove_file(&deb).map_err(|source| AptError::Io { path: deb, source })
    }

    fn config(&self) -> String {
        let root = self.root.display();
        format!(
            "Dir::State \"{root}/state\";\nDir::State::status \"{root}/state/status\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Etc \"{root}/etc\";\n\
             Dir::Etc::trusted \"/etc/apt/trusted.gpg\";\n\
             Dir::Etc::trustedparts \"/etc/apt/trusted.gpg.d\";\n\
             APT::Architecture \"arm64\";\nAPT::Architectures {{ \"arm64\"; }};\n\
             APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n"
        )
    }

    /// Takes the machine's Debian sources only: others rarely carry arm64, and one that fails
    /// would fail the whole update.
    fn copy_sources(&self, from: &Path) -> Result<(), AptError> {
        let mut found = 0;
        let mut candidates = vec![from.join("sources.list")];
        if let Ok(entries) = std::fs::read_dir(from.join("sources.list.d")) {
            candidates.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        }
        for path in candidates {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let (Some(name), Some(kept)) = (path.file_name(), debian_entries(&path, &text)) else {
                continue;
            };
            write(
                &self.root.join("etc/sources.list.d").join(name),
                kept.as_bytes(),
            )?;
            found += 1;
        }
        if found == 0 {
            return Err(AptError::Unusable(
                "no Debian package source is set up in /etc/apt: guest images are made from Debian \
                 packages; add a source with suite bookworm or newer"
                    .into(),
            ));
        }
        Ok(())
    }

    fn run(&self, program: &str, args: &[&str], dir: &Path) -> Result<String, AptError> {
        let output = Command::new(program)
            .args(args)
            .current_dir(dir)
            .env("APT_CONFIG", self.root.join("apt.conf"))
            .env("LC_ALL", "C")
            .output()
            .map_err(|error| {
                AptError::Unusable(format!(
                    "cannot run {program}: {error}; guests need Debian's apt"
                ))
            })?;
        check(program, args, output)
    }
}

fn check(program: &str, args: &[&str], output: Output) -> Result<String, AptError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = stderr.lines().rev().take(3).collect();
    let stderr = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(AptError::Failed {
        command: format!("{program} {}", args.join(" ")),
        stderr,
    })
}

fn kernel_of_meta_package(depends: &str) -> Option<&str> {
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
}

/// The Debian part of a sources file, or nothing where there is none.
fn debian_entries(path: &Path, text: &str) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    let kept: Vec<&str> = match extension {
        "sources" => text
            .split("\n\n")
            .filter(|stanza| is_debian(stanza))
            .collect(),
        "list" => text.lines().filter(|line| is_debian(line)).collect(),
        _ => return None,
    };
    let separator = if extension == "sources" { "\n\n" } else { "\n" };
    (!kept.is_empty()).then(|| kept.join(separator) + "\n")
}

/// Debian's archive areas are named after Debian in every mirror's path; its suites end in or are
/// Debian release names that carry `main`.
fn is_debian(entry: &str) -> bool {
    let active = entry
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let text: String = active.collect::<Vec<_>>().join("\n");
    text.contains("/debian") && text.contains("main") && !text.contains("Enabled: no")
}

fn newest_deb(folder: &Path, package: &str) -> Result<PathBuf, AptError> {
    let io = |source| AptError::Io {
        path: folder.to_path_buf(),
        source,
    };
    let prefix = format!("{package}_");
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".deb")) {
            return Ok(path);
        }
    }
    Err(AptError::Failed {
        command: format!("apt-get download {package}"),
        stderr: "no file arrived".into(),
    })
}

fn create_dir(path: &Path) -> Result<(), AptError> {
    std::fs::create_dir_all(path).map_err(|source| AptError::Io {
        path: path.to_path_buf(),
        source,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), AptError> {
    std::fs::write(path, bytes).map_err(|source| AptError::Io {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_package_stands_for_its_kernel() {
        let depends = "linux-image-arm64\n  Depends: linux-image-6.1.0-56-arm64\n";
        assert_eq!(
            kernel_of_meta_package(depends),
            Some("linux-image-6.1.0-56-arm64")
        );
        assert_eq!(
            kernel_of_meta_package("busybox-static\n  Conflicts: busybox\n"),
            None
        );
    }

    #[test]
    fn only_debian_sources_are_taken() {
        let stanzas = "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n\n\
                       Types: deb\nURIs: http://n.example/node\nSuites: x\nComponents: main";
        let kept = debian_entries(Path::new("a.sources"), stanzas).unwrap();
        assert!(kept.contains("m.example") && !kept.contains("n.example"));
        let lines = "# deb http://m.example/debian x main\ndeb http://m.example/debian y main\n";
        assert_eq!(
            debian_entries(Path::new("sources.list"), lines)
                .unwrap()
                .lines()
                .count(),
            1
        );
        assert_eq!(
            debian_entries(Path::new("a.sources.disabled"), stanzas),
            None
        );
        assert_eq!(
            debian_entries(Path::new("a.list"), "deb http://n.example/node x main"),
            None
        );
    }

    #[test]
    fn a_failed_command_shows_its_last_lines() {
        let output = Command::new("sh")
            .args(["-c", "echo E: one >&2; exit 100"])
            .output()
            .unwrap();
        let error = check("apt-get", &["update"], output)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "`apt-get update` failed: E: one");
    }
}
