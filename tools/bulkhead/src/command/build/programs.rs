// SPDX-License-Identifier: BSD-2-Clause
//! Compiling the bare-metal programs: protection domains, and the development kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use capdl::Elf;
use host::job::Ran;
use host::provision::Need;
use host::ui::elapsed;
use host::{Failure, Outcome};
use sdf::{Board, SearchPath, System};

use crate::cargo::{self, Program};
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

    /// The development kernel.
    pub(super) fn kernel(&self) -> Outcome<Elf> {
        let Some(path) = &self.kernel else {
            return Err(Failure::environment("no development kernel was built"));
        };
        let bytes = fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
        Elf::parse(&bytes, None)
            .map_err(|e| Failure::environment(format!("{}: {e}", path.display())))
    }
}

fn workspace(context: &Context, kernel: &Kernel) -> PathBuf {
    let name = if *kernel == Kernel::Dev {
        "images/dev"
    } else {
        "images/sel4"
    };
    context.root.join(name)
}

/// The programs that `system` names, that the user does not give, and that one of our workspaces makes.
pub(super) fn wanted(
    context: &Context,
    kernel: &Kernel,
    system: &System,
    given: &SearchPath,
) -> Outcome<Vec<String>> {
    let folder = workspace(context, kernel);
    let args = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let ran = cargo::job(&folder, &args).run(&context.ui, "cargo metadata")?;
    let ours = cargo::binary_names(&ran.stdout).map_err(|e| {
        Failure::environment(format!("cannot read {}: {e}", context.show(&folder)))
            .note(ran.last_lines(3).join("; "))
    })?;
    Ok(select(&ours, system, given))
}

fn select(ours: &[String], system: &System, given: &SearchPath) -> Vec<String> {
    let paths = system.pds.iter().map(|pd| pd.image.path.value.as_str());
    let named: Vec<_> = paths
        .filter(|path| given.find(path).is_none())
        .filter_map(|path| path.strip_suffix(".elf"))
        .collect();
    ours.iter()
        .filter(|name| named.contains(&name.as_str()))
        .cloned()
        .collect()
}

/// Compiles `wanted`, and the kernel where it is ours.
pub(super) fn compile(
    context: &Context,
    kernel: &Kernel,
    board: &Board,
    config: Config,
    wanted: &[String],
) -> Outcome<Programs> {
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    match kernel {
        Kernel::Dev => {
            let mut programs = Programs {
                folder: None,
                kernel: None,
            };
            let features = if config == Config::Debug {
                None
            } else {
                Some("labels-release")
            };
            let args = arguments(&["-p", KERNEL], &[KERNEL], None);
            let built = cargo_build(context, kernel, &args, None)?;
            programs.kernel = built.into_iter().find(|p| p.name == KERNEL).map(|p| p.path);
            if !names.is_empty() {
                let args = arguments(&["-p", "pds"], &names, features);
                let built = cargo_build(context, kernel, &args, None)?;
                programs.folder = Some(collect(context, kernel, config, &built)?);
            }
            Ok(programs)
        }
        Kernel::Sel4(_) if names.is_empty() => Ok(Programs {
            folder: None,
            kernel: None,
        }),
        Kernel::Sel4(sdk) => {
            let include = sdk.board(&board.name, config.name())?.join("include");
            let args = arguments(&["-p", "pds"], &names, None);
            let built = cargo_build(context, kernel, &args, Some(&include))?;
            let folder = collect(context, kernel, config, &built)?;
            Ok(Programs {
                folder: Some(folder),
                kernel: None,
            })
        }
    }
}

fn arguments<'a>(
    package: &[&'a str],
    names: &[&'a str],
    features: Option<&'a str>,
) -> Vec<&'a str> {
    let mut args = vec![
        "build",
        "--release",
        "--message-format",
        "json-render-diagnostics",
    ];
    args.extend(package);
    args.extend(names.iter().flat_map(|name| ["--bin", name]));
    args.extend(
        features
            .iter()
            .flat_map(|features| ["--features", features]),
    );
    args
}

fn cargo_build(
    context: &Context,
    kernel: &Kernel,
    args: &[&str],
    include: Option<&Path>,
) -> Outcome<Vec<Program>> {
    let mut job = cargo::job(&workspace(context, kernel), args).limit(LIMIT);
    if let Some(include) = include {
        job = job
            .env("SEL4_INCLUDE_DIRS", include)
            .env("RUSTC_BOOTSTRAP", "1");
    }
    let ran = job.run(&context.ui, "compiling")?;
    if !ran.succeeded() {
        return Err(explain(&ran));
    }
    let built = cargo::programs(&ran.stdout);
    context.ui.detail(&format!(
        "compiled {} programs in {}",
        built.len(),
        elapsed(ran.time)
    ));
    Ok(built)
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

/// Copies the programs to a folder of this kernel and configuration, as `<name>.elf`, since cargo
/// keeps only the latest of each name.
fn collect(
    context: &Context,
    kernel: &Kernel,
    config: Config,
    programs: &[Program],
) -> Outcome<PathBuf> {
    let name = format!("{}-{}", kernel.name(), config.name());
    let folder = context.output().join("programs").join(name);
    for Program { name, path } in programs {
        let bytes = fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
        host::output::write(&folder.join(format!("{name}.elf")), &bytes)?;
    }
    Ok(folder)
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
        let ours = ["ping", "pong"].map(str::to_owned);
        assert_eq!(select(&ours, &system, &SearchPath::default()), ["ping"]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ping.elf"), "the user's").unwrap();
        let given = SearchPath {
            dirs: vec![folder.path().to_owned()],
        };
        assert_eq!(select(&ours, &system, &given), Vec::<String>::new());
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
