// SPDX-License-Identifier: BSD-2-Clause
//! The seL4 way: a folder with everything that the SDK's `microkit` tool reads, then that tool.
//!
//! The folder names one program per protection domain and one prefill per region, so that it is
//! complete in itself and can be reviewed.

mod compare;
mod entry;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::job::{Job, Ran};
use host::sdk::Sdk;
use host::{Failure, Outcome, Ui};
use sdf::model::{MemoryRegion, ProtectionDomain};
use sdf::{Files, Spanned, System};

use crate::names::{self, CAPDL, IMAGE, PLAIN, REPORT};
use crate::patch_file;
use crate::{PackError, Prepared};

/// The tool takes seconds; this is for one that hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// What to build with.
pub struct Target<'a> {
    /// The SDK.
    pub sdk: &'a Sdk,
    /// Board.
    pub board: &'a str,
    /// Configuration.
    pub config: &'a str,
}

/// Fills the folder `stage` with the tool's input and lets the tool add image, report and capability
/// distribution. Returns the names of all files, the image last.
pub fn build(
    ui: &Ui,
    target: &Target<'_>,
    prepared: &Prepared<'_>,
    stage: &Path,
) -> Result<Vec<PathBuf>, PackError> {
    target.sdk.board(target.board, target.config)?;
    let mut staging = Staging {
        folder: stage,
        names: Vec::new(),
    };
    let system = staging.fill(prepared)?;
    let tool = Tool { ui, target, stage };
    let listable = prepared.is_listable();
    tool.run(PLAIN, [IMAGE, REPORT], listable.then_some(CAPDL))?;
    if !listable {
        tool.list(system)?;
    }
    compare::with_microkit(target, stage)?;
    staging.names.push(CAPDL.into());
    if target.config != "debug" {
        set_traps(&stage.join(IMAGE))?;
    }
    staging.names.extend([REPORT, IMAGE].map(PathBuf::from));
    Ok(staging.names)
}

/// The SDK's tool in the folder that it reads and writes.
struct Tool<'a> {
    ui: &'a Ui,
    target: &'a Target<'a>,
    stage: &'a Path,
}

impl Tool<'_> {
    fn run(&self, system: &str, out: [&str; 2], listing: Option<&str>) -> Outcome<()> {
        let Target { sdk, board, config } = self.target;
        let ran = Job::new(sdk.tool())
            .args([system, "--board", board, "--config", config])
            .args(["-o", out[0], "-r", out[1]])
            .args(listing.into_iter().flat_map(|file| ["--capdl-json", file]))
            .args(["--search-path", "."])
            .env("MICROKIT_SDK", &sdk.root)
            .in_folder(self.stage)
            .limit(LIMIT)
            .run(self.ui, "microkit")?;
        judge(&ran, &self.stage.join(out[0]))
    }

    /// Lets the tool list the distribution of `system` without the contents of its regions, since it
    /// would list them byte by byte.
    fn list(&self, mut system: System) -> Outcome<()> {
        for region in &mut system.memory_regions {
            region.prefill_path = None;
        }
        let [plain, image, report] = ["listing.system", "listing.img", "listing.txt"];
        let path = self.stage.join(plain);
        fs::write(&path, sdf::write(&system)).map_err(|e| Failure::io("write", &path, &e))?;
        self.run(plain, [image, report], Some(CAPDL))?;
        for name in [plain, image, report] {
            let path = self.stage.join(name);
            fs::remove_file(&path).map_err(|e| Failure::io("remove", &path, &e))?;
        }
        Ok(())
    }
}

/// Adds to the image what kernels other than the debug one leave undone.
fn set_traps(image: &Path) -> Outcome<()> {
    let mut bytes = fs::read(image).map_err(|e| Failure::io("read", image, &e))?;
    entry::guard(&mut bytes)?;
    fs::write(image, bytes).map_err(|e| Failure::io("write", image, &e))
}

/// A variable of a program that we set ourselves.
struct Setting {
    symbol: Spanned<String>,
    value: u64,
}

struct Staging<'a> {
    folder: &'a Path,
    names: Vec<PathBuf>,
}

impl Staging<'_> {
    /// Writes everything; the system as it was written.
    fn fill(&mut self, prepared: &Prepared<'_>) -> Outcome<System> {
        let mut system = prepared.system.clone();
        for region in &mut system.memory_regions {
            self.put_prefill(region, &prepared.files)?;
        }
        for (index, pd) in system.pds.iter_mut().enumerate() {
            let settings = take_settings(pd, &prepared.system, &prepared.files);
            self.put_program(pd, &prepared.system.pds[index], &settings, prepared)?;
        }
        self.put(PLAIN.to_owned(), sdf::write(&system).as_bytes())?;
        Ok(system)
    }

    fn put(&mut self, name: String, bytes: &[u8]) -> Outcome<()> {
        let path = self.folder.join(&name);
        self.names.push(PathBuf::from(name));
        fs::write(&path, bytes).map_err(|e| Failure::io("write", &path, &e))
    }

    /// `microkit` 2.3.0 panics on a prefill that is more than a page shorter than its region.
    fn put_prefill(&mut self, region: &mut MemoryRegion, files: &dyn Files) -> Outcome<()> {
        let Some(path) = &mut region.prefill_path else {
            return Ok(());
        };
        let mut bytes = read(files, path)?;
        let size = region.size.map_or(0, |size| size.value);
        let size = usize::try_from(size).unwrap_or(0).max(bytes.len());
        bytes.resize(size, 0);
        path.value = names::prefill(&region.name);
        self.put(path.value.clone(), &bytes)
    }

    fn put_program(
        &mut self,
        staged: &mut ProtectionDomain,
        given: &ProtectionDomain,
        settings: &[Setting],
        prepared: &Prepared<'_>,
    ) -> Outcome<()> {
        let mut program = read(&prepared.files, &given.image.path)?;
        let symbols = match &given.image.path_for_symbols {
            Some(path) => Some(read(&prepared.files, path)?),
            None => None,
        };
        let lookup = symbols.clone().unwrap_or_else(|| program.clone());
        for Setting { symbol, value } in settings {
            patch_file::set(&mut program, &lookup, symbol, *value).map_err(|error| {
                let place = prepared.system.source.place(symbol.span.start);
                let name = &symbol.value;
                Failure::input(format!("{place}: cannot set {name}: {error}"))
            })?;
        }
        staged.image.path.value = names::program(&given.name);
        if let (Some(path), Some(symbols)) = (&mut staged.image.path_for_symbols, symbols) {
            path.value = names::symbols(&given.name);
            self.put(path.value.clone(), &symbols)?;
        }
        self.put(staged.image.path.value.clone(), &program)
    }
}

/// Takes out of `pd` the setvars that `microkit` 2.3.0 gets wrong: the ids of vCPUs, which it drops,
/// and the lengths of prefills, which would be those of the padded files.
fn take_settings(pd: &mut ProtectionDomain, system: &System, files: &dyn Files) -> Vec<Setting> {
    let mut settings = Vec::new();
    for map in &mut pd.maps {
        let region = system.memory_region(&map.mr);
        let path = region.and_then(|region| region.prefill_path.as_ref());
        let length = path.and_then(|path| files.size(path).ok());
        if let (Some(value), Some(symbol)) = (length, map.setvar_prefill_size.take()) {
            settings.push(Setting { symbol, value });
        }
    }
    for vcpu in pd.virtual_machine.iter_mut().flat_map(|vm| &mut vm.vcpus) {
        if let Some(symbol) = vcpu.setvar_id.take() {
            settings.push(Setting {
                symbol,
                value: u64::from(*vcpu.id),
            });
        }
    }
    settings
}

fn read(files: &dyn Files, path: &str) -> Outcome<Vec<u8>> {
    // The rules have found the file a moment ago.
    files
        .read(path)
        .map_err(|error| Failure::environment(format!("{path} is gone: {error:?}")))
}

fn judge(ran: &Ran, image: &Path) -> Outcome<()> {
    if ran.succeeded() && image.is_file() {
        return Ok(());
    }
    let how = match (ran.timed_out, ran.status.code()) {
        (true, _) => "took too long and was ended".to_owned(),
        // A Rust panic: the input met a mistake of the tool, or the disk is full.
        (_, Some(101)) => "panicked".to_owned(),
        (_, Some(code)) => format!("refused the system (exit code {code})"),
        (_, None) => "was killed".to_owned(),
    };
    let full = ran.stderr.contains("No space left");
    let failure = if full {
        Failure::environment
    } else {
        Failure::input
    };
    let mut failure = failure(format!("the SDK's microkit tool {how}"));
    for line in ran.last_lines(12) {
        failure = failure.note(line);
    }
    if full {
        failure = failure.help("free some space, or choose another place with -o");
    }
    Err(failure
        .note("nothing was written")
        .help("cargo bulkhead sdf prints the plain description that it was given"))
}

#[cfg(test)]
mod tests;
