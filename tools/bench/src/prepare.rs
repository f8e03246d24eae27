// SPDX-License-Identifier: BSD-2-Clause
//! What all targets share: guest programs, kernel, initrd, plugin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use guests::cpio::{Archive, TooLarge};
use host::job::Job;
use host::provision::Need;
use host::{Failure, Outcome, Ui};

/// What [`prepare`] and [`crate::run`] need from the machine.
pub const NEEDS: &[Need] = &[
    Need::Qemu,
    // The C compiler's package leaves the C library to choice; the C++ one brings both.
    Need::Program {
        program: "aarch64-linux-gnu-g++",
        package: "g++-aarch64-linux-gnu",
        why: "compiles the guest programs",
    },
];

/// The seed of the guest's random numbers, the same for every target: without one, random numbers
/// are not ready for minutes, and system calls pay for it.
pub const SEED: [u8; 32] = [0x5a; 32];

/// The variable that says where the guest programs are.
const PROGRAMS_VARIABLE: &str = "BULKHEAD_GUEST_BENCH";
/// Where they are if it is not set, relative to this tree.
const PROGRAMS_FOLDER: &str = "../shared/guest-bench";
/// The recipe whose kernel and initrd are used.
const RECIPE: &str = "images/guests/debian-6.1";
const COMPILER: &str = "aarch64-linux-gnu-gcc";
/// What the guest programs load, in this order, of what the initrd has.
const MODULES: [&str; 6] = [
    "failover",
    "net_failover",
    "virtio_mmio",
    "virtio_console",
    "virtio_blk",
    "virtio_net",
];

/// What the user decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// The top folder of this tree.
    pub root: PathBuf,
    /// Where guest images are cached (`guests::prepare`).
    pub cache: PathBuf,
    /// Where everything else goes, logs and counts included.
    pub work: PathBuf,
    /// The folder of the guest programs, if named.
    pub programs: Option<PathBuf>,
    /// How long one target may run, in real time.
    pub limit: Duration,
}

/// What all targets share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The Debian kernel.
    pub kernel: PathBuf,
    /// Its initrd with the guest programs as init.
    pub initrd: PathBuf,
    /// The kernel command line.
    pub command_line: String,
    /// The counting plugin.
    pub plugin: PathBuf,
}

/// Builds or fetches what all targets share. [`NEEDS`] must be met.
///
/// # Errors
/// [`Failure`] when the guest programs are not there, or something cannot be built or fetched.
pub fn prepare(ui: &Ui, options: &Options) -> Outcome<Prepared> {
    let programs = find_programs(options)?;
    let guest = guests::prepare(&options.root.join(RECIPE), &options.cache, &mut |line| {
        ui.say(line)
    })
    .map_err(|e| Failure::environment(format!("cannot make the guest's images: {e}")))?;
    let base = guest.initrd.unwrap_or_default();
    let init = compile(ui, &programs, &options.work)?;
    let initrd = options.work.join("initrd");
    let mut bytes = read(&base)?;
    bytes.extend(overlay(&programs, &read(&init)?)?);
    host::output::write(&initrd, &bytes)?;
    Ok(Prepared {
        kernel: guest.kernel,
        initrd,
        command_line: "console=ttyAMA0 quiet gbcon=/dev/hvc0 gbscript=/prelude.sh vmmio=0x0a001000"
            .into(),
        plugin: build_plugin(ui, &options.root)?,
    })
}

fn find_programs(options: &Options) -> Outcome<PathBuf> {
    let named = options.programs.clone();
    let named = named.or_else(|| std::env::var_os(PROGRAMS_VARIABLE).map(PathBuf::from));
    let folder = named.unwrap_or_else(|| options.root.join(PROGRAMS_FOLDER));
    if folder.join("gbench.c").is_file() && folder.join("bench.sh").is_file() {
        return Ok(folder);
    }
    let message = format!(
        "no guest programs in {}: gbench.c and bench.sh",
        folder.display()
    );
    Err(Failure::environment(message)
        .note("they are not part of this tree, so that every system is measured with the same ones")
        .help(format!(
            "name the folder that holds them with --programs or {PROGRAMS_VARIABLE}"
        )))
}

fn compile(ui: &Ui, programs: &Path, work: &Path) -> Outcome<PathBuf> {
    std::fs::create_dir_all(work).map_err(|e| Failure::io("create the folder", work, &e))?;
    let binary = work.join("gbench");
    let ran = Job::new(COMPILER)
        .args(["-O2", "-static", "-o"])
        .args([&binary, &programs.join("gbench.c")])
        .run(ui, COMPILER)?;
    if ran.succeeded() {
        return Ok(binary);
    }
    let failure = Failure::environment("the guest programs do not compile");
    Err(ran.last_lines(8).into_iter().fold(failure, Failure::note))
}

/// A second archive behind the initrd's own: Linux unpacks both, and the later entry wins.
fn overlay(programs: &Path, init: &[u8]) -> Outcome<Vec<u8>> {
    let mut scripts = Vec::new();
    let entries =
        std::fs::read_dir(programs).map_err(|e| Failure::io("read the folder", programs, &e))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "sh") {
            scripts.push((
                path.file_name().unwrap_or_default().to_owned(),
                read(&path)?,
            ));
        }
    }
    // The order in a folder is not the same everywhere; the archive's must be.
    scripts.sort();
    let modules: String = MODULES.map(|name| format!("/lib/{name}.ko\n")).concat();
    let write = || -> Result<Vec<u8>, TooLarge> {
        let mut archive = Archive::default();
        archive.file("init", 0o755, init)?;
        archive.file("gbench", 0o755, init)?;
        archive.file("modules.list", 0o644, modules.as_bytes())?;
        archive.file("prelude.sh", 0o755, include_bytes!("prelude.sh"))?;
        for (name, text) in &scripts {
            archive.file(&name.to_string_lossy(), 0o755, text)?;
        }
        archive.finish()
    };
    write().map_err(|e| Failure::environment(e.to_string()))
}

fn build_plugin(ui: &Ui, root: &Path) -> Outcome<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Job::new(cargo)
        .args(["build", "--release", "--locked", "-p", "icount"])
        .args(["--message-format", "json-render-diagnostics"])
        .in_folder(root)
        .run(ui, "plugin")?;
    let library = plugin_path(&ran.stdout);
    match library {
        Some(path) if ran.succeeded() => Ok(path),
        _ => {
            let failure = Failure::environment("the counting plugin does not build");
            Err(ran.last_lines(8).into_iter().fold(failure, Failure::note))
        }
    }
}

/// The library among cargo's messages, one JSON object a line.
fn plugin_path(messages: &str) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Artifact {
        target: Name,
        filenames: Vec<PathBuf>,
    }
    #[derive(serde::Deserialize)]
    struct Name {
        name: String,
    }
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let mut files = artifacts
        .filter(|artifact| artifact.target.name == "icount")
        .flat_map(|artifact| artifact.filenames);
    files.find(|file| file.extension().is_some_and(|extension| extension == "so"))
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| Failure::io("read", path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_programs_say_where_to_put_them() {
        let options = Options {
            root: "/nonexistent".into(),
            cache: "/nonexistent".into(),
            work: "/nonexistent".into(),
            programs: Some("/nonexistent/programs".into()),
            limit: Duration::from_secs(1),
        };
        let text = prepare(&Ui::silent(), &options).unwrap_err().to_string();
        assert!(
            text.contains("/nonexistent/programs") && text.contains(PROGRAMS_VARIABLE),
            "{text}"
        );
    }

    #[test]
    fn the_overlay_has_init_scripts_and_modules() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["z.sh", "bench.sh", "gbench.c"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let bytes = overlay(dir.path(), b"ELF").unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for part in ["init\0", "gbench\0", "prelude.sh\0", "/lib/virtio_net.ko\n"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.find("bench.sh\0").unwrap() < text.find("z.sh\0").unwrap());
        assert!(!text.contains("gbench.c"));
    }

    #[test]
    fn the_plugin_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"x"},"filenames":["/t/x.so"]}
{"reason":"compiler-artifact","target":{"name":"icount"},"filenames":["/t/libicount.so"]}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(plugin_path(messages), Some("/t/libicount.so".into()));
        assert_eq!(plugin_path("no JSON"), None);
    }
}
