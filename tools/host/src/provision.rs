// SPDX-License-Identifier: BSD-2-Clause
//! Having what a command needs: say what is missing and why, then install it, or say how to.

use std::path::Path;
use std::process::Command;

use crate::apt::{OLDEST_QEMU, QEMU_PACKAGE, QemuVersion};
use crate::failure::{Failure, Outcome};
use crate::install;
use crate::machine;
use crate::ui::Ui;

/// The program that boots images.
pub const QEMU_PROGRAM: &str = "qemu-system-aarch64";
/// The target of the programs that run on a board.
pub const BARE_METAL_TARGET: &str = "aarch64-unknown-none";
/// The target of the development kernel, which must not touch a thread's FP registers.
pub const KERNEL_TARGET: &str = "aarch64-unknown-none-softfloat";
/// The target of our programs inside Linux guests, static and linked without a cross compiler.
pub const LINUX_TARGET: &str = "aarch64-unknown-linux-musl";
/// All of them.
const TARGETS: [&str; 3] = [BARE_METAL_TARGET, KERNEL_TARGET, LINUX_TARGET];

/// Something that a command cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// QEMU for AArch64, at least [`OLDEST_QEMU`].
    Qemu,
    /// A program from a Debian package.
    Program {
        /// The program's name.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// A shared library from a Debian package, found by `ldconfig` name or folder pattern.
    Library {
        /// Start of the library's file name.
        file: &'static str,
        /// The package that has it.
        package: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// The Rust standard libraries for boards, of programs and of the development kernel, and for
    /// Linux guests.
    RustTarget,
    /// A component of the Rust toolchain.
    RustComponent {
        /// The component's name.
        name: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
}

impl Need {
    /// What is missing and what it is for, for the user.
    pub fn describe(&self) -> String {
        match self {
            Self::Qemu => {
                format!(
                    "{QEMU_PROGRAM} {OLDEST_QEMU} or newer (boots the image; Debian package {QEMU_PACKAGE})"
                )
            }
            Self::Program {
                program,
                package,
                why,
            } => {
                format!("{program} ({why}; Debian package {package})")
            }
            Self::Library { file, package, why } => {
                format!("{file} ({why}; Debian package {package})")
            }
            Self::RustTarget => {
                format!(
                    "the Rust targets {BARE_METAL_TARGET}, {KERNEL_TARGET} and {LINUX_TARGET} \
                     (protection domains, the development kernel and programs of guests are built \
                     for them)"
                )
            }
            Self::RustComponent { name, why } => format!("the Rust component {name} ({why})"),
        }
    }

    fn is_met(&self) -> bool {
        match self {
            Self::Qemu => installed_qemu().is_some_and(|version| version >= OLDEST_QEMU),
            Self::Program { program, .. } => machine::which(program).is_some(),
            Self::Library { file, .. } => has_library(file),
            Self::RustTarget => has_rust_target(),
            Self::RustComponent { name, .. } => has_component(name),
        }
    }

    /// The arguments for `rustup`, if that is what installs it.
    fn rustup(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::RustTarget => Some(["target", "add"].into_iter().chain(TARGETS).collect()),
            Self::RustComponent { name, .. } => Some(vec!["component", "add", name]),
            _ => None,
        }
    }
}

fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// The version of the QEMU in `PATH`.
pub fn installed_qemu() -> Option<QemuVersion> {
    QemuVersion::from_banner(&first_line(QEMU_PROGRAM, "--version")?)
}

fn has_rust_target() -> bool {
    let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let libraries = Path::new(&sysroot).join("lib/rustlib");
    TARGETS
        .iter()
        .all(|target| libraries.join(target).join("lib").is_dir())
}

fn has_component(name: &str) -> bool {
    let program = if name == "rustfmt" {
        "rustfmt"
    } else {
        "cargo-clippy"
    };
    first_line(program, "--version").is_some()
}

/// Looks where Debian's packages put shared libraries, LLVM's own folders included.
fn has_library(start: &str) -> bool {
    let starts_so = |folder: &Path| {
        std::fs::read_dir(folder).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|e| e.file_name().to_string_lossy().starts_with(start))
        })
    };
    let plain = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
    let nested = Path::new("/usr/lib")
        .read_dir()
        .into_iter()
        .flatten()
        .flatten();
    plain.into_iter().any(starts_so)
        || nested
            .into_iter()
            .any(|e| starts_so(&e.path()) || starts_so(&e.path().join("lib")))
}

/// Makes sure that all `needs` are met; installs what is missing only if `may_install`.
pub fn ensure(ui: &Ui, needs: &[Need], may_install: bool) -> Outcome<()> {
    let missing: Vec<_> = needs
        .iter()
        .filter(|need| !need.is_met())
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install {
        return Err(report_only(&missing));
    }
    for need in &missing {
        ui.say(&format!("missing: {}", need.describe()));
    }
    let (rustup, packages): (Vec<_>, Vec<_>) =
        missing.iter().partition(|need| need.rustup().is_some());
    install::packages(ui, &packages)?;
    for need in rustup {
        install::rustup(ui, need.rustup().into_iter().flatten())?;
    }
    match needs.iter().find(|need| !need.is_met()) {
        None => Ok(()),
        Some(need) => Err(Failure::environment(format!(
            "installed, but still not found: {}",
            need.describe()
        ))
        .help("check that PATH has the folders that packages install programs to")),
    }
}

fn report_only(missing: &[Need]) -> Failure {
    let mut failure = Failure::environment("this machine lacks what the command needs");
    for need in missing {
        failure = failure.note(format!("missing: {}", need.describe()));
    }
    for words in missing.iter().filter_map(Need::rustup) {
        failure = failure.help(format!("rustup {}", words.join(" ")));
    }
    failure.help("run again without --no-install to have it installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Need = Need::Program {
        program: "no-such-program",
        package: "none-such",
        why: "tests this",
    };

    #[test]
    fn a_met_need_is_silent() {
        let shell = Need::Program {
            program: "sh",
            package: "dash",
            why: "runs",
        };
        ensure(&Ui::silent(), &[shell], false).unwrap();
    }

    #[test]
    fn no_install_reports_what_and_why() {
        let failure = ensure(&Ui::silent(), &[ABSENT], false).unwrap_err();
        let text = failure.to_string();
        assert!(
            text.contains("no-such-program (tests this; Debian package none-such)"),
            "{text}"
        );
        assert!(text.contains("without --no-install"), "{text}");
    }
}
