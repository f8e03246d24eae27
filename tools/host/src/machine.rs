// SPDX-License-Identifier: BSD-2-Clause
//! Facts about the machine: distribution, user, programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether we may install packages.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The file that running `program` would start.
pub fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The code name of a Debian release, such as `bookworm`; `None` on other systems.
pub fn debian_release() -> Option<String> {
    parse_release(&fs::read_to_string("/etc/os-release").ok()?)
}

fn parse_release(os_release: &str) -> Option<String> {
    let field = |name: &str| {
        os_release.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key == name).then(|| value.trim_matches('"').to_owned())
        })
    };
    if field("ID")? == "debian" {
        field("VERSION_CODENAME")
    } else {
        None
    }
}

/// All package sources of the machine.
pub fn package_sources() -> Vec<crate::sources::Source> {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let mut all = crate::sources::parse_list(&read(Path::new("/etc/apt/sources.list")));
    let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") else {
        return all;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(|e| e.to_str()) {
            Some("list") => all.extend(crate::sources::parse_list(&read(&path))),
            Some("sources") => all.extend(crate::sources::parse_deb822(&read(&path))),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_debian_from_others() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(parse_release(debian).as_deref(), Some("bookworm"));
        assert_eq!(parse_release("ID=fedora\nVERSION_CODENAME=x\n"), None);
        assert_eq!(parse_release(""), None);
    }

    #[test]
    fn finds_programs_in_path() {
        assert!(which("sh").is_some());
        assert!(which("no-such-program-here").is_none());
    }
}
