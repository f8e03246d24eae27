// SPDX-License-Identifier: BSD-2-Clause
//! Compiling the bare-metal programs: protection domains, and the development kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use capdl::Elf;
use host::job::Ran;
use host::provision::{KERNEL_TARGET, Need};
use host::ui::elapsed;
use host::{Failure, Outcome, output};
use sdf::{Board, SearchPath, System};

use super::rustc;
use crate::cargo::{self, Binary, Program};
use crate::cli::Config;
use crate::context::Context;
use crate::kernel::Kernel;

/// What the kernel's bindings for Rust are generated with.
pub(crate) const LIBCLANG: Need = Need::Library {
    file: "libclang",
    package: "libclang-dev",
    why: "reads seL4's headers when protection domains for seL4 are built",
};

/// The development kernel's program.
const KERNEL: &str = "kernel";
/// A build that takes longer is stuck.
const LIMIT: Duration = Duration::from_secs(1800);

/// Compiled programs.
pub(super) struct Programs {
    folder: Option<PathBuf>,
    kernel: Option<PathBuf>,
}

impl Programs {
    /// Folders to look for `<name>.elf` in.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.folder.iter().cloned().collect()
    }

    /// The development kernel's file.
    pub(super) fn kernel_file(&self) -> Outcome<&Path> {
        let path = self.kernel.as_deref();
        path.ok_or_else(|| Failure::environment("no development kernel was built"))
    }

    /// The development kernel.
    pub(super) fn kernel(&self) -> Outcome<Elf> {
        let path = self.kernel_file()?;
        let bytes = fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
        Elf::parse(&bytes, None)
            .map_err(|e| Failure::environment(format!("{}: {e}", path.display())))
    }
}

/// The workspace of the programs for the development kernel.
const DEV: &str = "images/dev";
/// The workspace of the programs for seL4.
const SEL4: &str = "images/sel4";
/// The packages whose programs need a port, of which each workspace has its own.
const PORTED: [&str; 2] = [KERNEL, "pds"];

/// A program of ours that a system names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    workspace: &'static str,
    binary: Binary,
}

/// The programs that `system` names, that the user does not give, and that one of our workspaces makes.
pub(super) fn wanted(
    context: &Context,
    kernel: &Kernel,
    system: &System,
    given: &SearchPath,
) -> Outcome<Vec<Wanted>> {
    let mut ours = Vec::new();
    if *kernel != Kernel::Dev {
        ours.extend(makes(context, SEL4)?);
    }
    let mut bare = makes(context, DEV)?;
    if *kernel != Kernel::Dev {
        // Programs on bare system calls are the same for both kernels.
        bare.retain(|wanted| !PORTED.contains(&wanted.binary.package.as_str()));
    }
    ours.extend(bare);
    Ok(select(&ours, system, given))
}

/// All programs that a workspace makes.
fn makes(context: &Context, workspace: &'static str) -> Outcome<Vec<Wanted>> {
    let args = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let folder = context.root.join(workspace);
    let ran = cargo::job(&folder, &args).run(&context.ui, "cargo metadata")?;
    let binaries = cargo::binaries(&ran.stdout).map_err(|e| {
        Failure::environment(format!("cannot read the workspace {workspace}: {e}"))
            .note(ran.last_lines(3).join("; "))
    })?;
    Ok(binaries
        .into_iter()
        .map(|binary| Wanted { workspace, binary })
        .collect())
}

fn select(ours: &[Wanted], system: &System, given: &SearchPath) -> Vec<Wanted> {
    let mut paths: Vec<_> = system
        .pds
        .iter()
        .map(|pd| pd.image.path.value.as_str())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| given.find(path).is_none())
        .filter_map(|path| path.strip_suffix(".elf"))
        .filter_map(|name| ours.iter().find(|wanted| wanted.binary.name == name))
        .cloned()
        .collect()
}

/// Compiles `wanted`, and the kernel where it is ours.
pub(super) fn compile(compiler: &Compiler<'_>, wanted: &[Wanted]) -> Outcome<Programs> {
    // Cargo keeps one program of each name: it must be copied before another build replaces it.
    let context = compiler.context;
    let programs_folder = context.output().join("programs");
    let _claim = output::claim(&programs_folder, || {
        context.ui.say("waiting for another build")
    })?;
    let mut programs = Programs {
        folder: None,
        kernel: None,
    };
    if *compiler.kernel == Kernel::Dev {
        let built = compiler.build(DEV, KERNEL, &[KERNEL], &[])?;
        programs.kernel = built.into_iter().find(|p| p.name == KERNEL).map(|p| p.path);
    }
    let mut groups: BTreeMap<(&'static str, &str), Vec<&Binary>> = BTreeMap::new();
    for Wanted { workspace, binary } in wanted {
        groups
            .entry((workspace, &binary.package))
            .or_default()
            .push(binary);
    }
    for ((workspace, package), binaries) in groups {
        let names: Vec<&str> = binaries.iter().map(|binary| binary.name.as_str()).collect();
        let offered = binaries.first().map_or(&[][..], |binary| &binary.features);
        let built = compiler.build(workspace, package, &names, &compiler.features(offered))?;
        programs.folder = Some(compiler.collect(&built)?);
    }
    Ok(programs)
}

/// What the builds of one image share.
pub(super) struct Compiler<'a> {
    /// The command's context.
    pub(super) context: &'a Context,
    /// The kernel that programs are for.
    pub(super) kernel: &'a Kernel,
    /// The board.
    pub(super) board: &'a Board,
    /// The configuration of the kernel.
    pub(super) config: Config,
}

impl Compiler<'_> {
    /// The features to choose among those that a package offers.
    fn features<'f>(&self, offered: &'f [String]) -> Vec<&'f str> {
        let mut wanted = Vec::new();
        if self.config != Config::Debug {
            wanted.push("labels-release");
        }
        if matches!(self.kernel, Kernel::Sel4(_)) {
            wanted.push("sel4");
        }
        offered
            .iter()
            .map(String::as_str)
            .filter(|name| wanted.contains(name))
            .collect()
    }

    fn build(
        &self,
        workspace: &str,
        package: &str,
        names: &[&str],
        features: &[&str],
    ) -> Outcome<Vec<Program>> {
        let folder = self.context.root.join(workspace);
        let job = cargo::job(&folder, &arguments(package, names, features)).limit(LIMIT);
        let mut job = rustc::through_us(job, &self.context.root);
        if let (Kernel::Sel4(sdk), SEL4) = (self.kernel, workspace) {
            let include = sdk
                .board(&self.board.name, self.config.name())?
                .join("include");
            job = job
                .env("SEL4_INCLUDE_DIRS", include)
                .env("RUSTC_BOOTSTRAP", "1");
        }
        let label = format!("compiling {package} in {workspace}");
        self.context.ui.say(&label);
        let ran = job.run(&self.context.ui, &label)?;
        if !ran.succeeded() {
            return Err(explain(&ran));
        }
        let built = cargo::programs(&ran.stdout);
        let count = built.len();
        self.context.ui.detail(&format!(
            "compiled {count} programs in {}",
            elapsed(ran.time)
        ));
        Ok(built)
    }

    /// Copies the programs to a folder of this kernel and configuration, as `<name>.elf`, since cargo
    /// keeps only the latest of each name.
    fn collect(&self, programs: &[Program]) -> Outcome<PathBuf> {
        let name = format!("{}-{}", self.kernel.name(), self.config.name());
        let folder = self.context.output().join("programs").join(name);
        for Program { name, path } in programs {
            let bytes = fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
            output::write(&folder.join(format!("{name}.elf")), &bytes)?;
        }
        Ok(folder)
    }
}

fn arguments<'a>(package: &'a str, names: &[&'a str], features: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "build",
        "--release",
        "--message-format",
        "json-render-diagnostics",
    ];
    args.extend(["-p", package]);
    if package == KERNEL {
        args.extend(["--target", KERNEL_TARGET]);
    }
    args.extend(names.iter().flat_map(|name| ["--bin", name]));
    args.extend(features.iter().flat_map(|feature| ["--features", feature]));
    args
}

fn explain(ran: &Ran) -> Failure {
    let unreachable = [
        "failed to get",
        "failed to fetch",
        "Could not resolve host",
        "failed to clone",
    ];
    let offline = unreachable.iter().any(|text| ran.stderr.contains(text));
    let mut failure = if offline {
        Failure::environment("cargo could not fetch what the programs are made of")
            .help(
                "the seL4 crates come from their git repository: check the network once, later \
                   builds need none",
            )
            .help("or build for the development kernel, which needs no network: --kernel dev")
    } else if ran.stderr.contains("No space left") {
        Failure::environment("the disk is full").help("free some space; cargo clean helps")
    } else {
        Failure::input("the programs do not compile")
    };
    for line in ran.last_lines(30) {
        failure = failure.note(line);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn only_programs_that_are_ours_are_compiled() {
        let text = r#"<system>
            <protection_domain name="a"><program_image path="ping.elf"/></protection_domain>
            <protection_domain name="b"><program_image path="theirs.elf"/></protection_domain>
        </system>"#;
        let system = sdf::parse(text, "t").unwrap();
        let ours = ["ping", "pong"].map(|name| Wanted {
            workspace: DEV,
            binary: Binary {
                package: "pds".to_owned(),
                name: name.to_owned(),
                features: Vec::new(),
            },
        });
        assert_eq!(select(&ours, &system, &SearchPath::default()), ours[..1]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ping.elf"), "the user's").unwrap();
        let given = SearchPath {
            dirs: vec![folder.path().to_owned()],
        };
        assert_eq!(select(&ours, &system, &given), []);
    }

    #[test]
    fn an_unreachable_repository_is_no_mistake_of_the_user() {
        let ran = |stderr: &str| Ran {
            status: ExitStatus::from_raw(101 << 8),
            stdout: String::new(),
            stderr: stderr.to_owned(),
            time: Duration::ZERO,
            timed_out: false,
        };
        let failure = explain(&ran("error: failed to get `sel4` as a dependency\n"));
        assert_eq!(failure.fault, host::Fault::Environment);
        assert!(failure.to_string().contains("--kernel dev"), "{failure}");
        let failure = explain(&ran("error[E0425]: cannot find value\n"));
        assert_eq!(failure.fault, host::Fault::Input);
        assert!(failure.to_string().contains("E0425"), "{failure}");
    }
}
