// SPDX-License-Identifier: BSD-2-Clause
//! Two independent tools must give the same capabilities: `microkit`'s distribution against ours.

use std::fs;
use std::path::Path;

use capdl::{Config, Elf, ElfSet};
use host::{Failure, Outcome};
use sdf::{Files, SearchPath, System};

use super::Target;
use crate::PackError;
use crate::names::{CAPDL, PLAIN};

/// How many differences are shown.
const SHOWN: usize = 20;

/// Compares the distribution in `stage` with the one that we derive from the same input.
pub(super) fn with_microkit(target: &Target<'_>, stage: &Path) -> Result<(), PackError> {
    let path = stage.join(CAPDL);
    let text = fs::read(&path).map_err(|e| Failure::io("read", &path, &e))?;
    let theirs = serde_json::from_slice(&text)
        .map_err(|e| Failure::environment(format!("{CAPDL} of the SDK's tool is no JSON: {e}")))?;
    let system = staged_system(stage)?;
    let files = SearchPath {
        dirs: vec![stage.to_owned()],
    };
    let ours = distribution(target, &system, &files)?.to_json();
    let fixed = |mr: &&sdf::model::MemoryRegion| mr.phys_addr.is_none();
    let floating: Vec<&str> = system
        .memory_regions
        .iter()
        .filter(fixed)
        .map(|mr| mr.name.as_str())
        .collect();
    judge(&capdl::compare(&ours, &theirs, &floating)).map_err(PackError::from)
}

/// The plain system as the SDK's tool read it.
fn staged_system(stage: &Path) -> Result<System, PackError> {
    let path = stage.join(PLAIN);
    let text = fs::read_to_string(&path).map_err(|e| Failure::io("read", &path, &e))?;
    Ok(sdf::parse(&text, PLAIN)?)
}

fn distribution(
    target: &Target<'_>,
    system: &System,
    files: &dyn Files,
) -> Result<capdl::Spec, PackError> {
    let path = target
        .sdk
        .board(target.board, target.config)?
        .join("elf/monitor.elf");
    let bytes = fs::read(&path).map_err(|e| Failure::io("read", &path, &e))?;
    let monitor = Elf::parse(&bytes, None)
        .map_err(|e| Failure::environment(format!("{}: {e}", path.display())))?;
    let config = match target.config {
        "debug" => Config::Debug,
        "benchmark" => Config::Benchmark,
        _ => Config::Release,
    };
    let programs = ElfSet::load(system, files, Some(monitor))?;
    Ok(capdl::build(system, &programs, files, config)?)
}

fn judge(differences: &[String]) -> Outcome<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::environment(format!(
        "our capability distribution differs from the SDK tool's in {} places",
        differences.len()
    ));
    for difference in differences.iter().take(SHOWN) {
        failure = failure.note(difference.clone());
    }
    Err(failure
        .note("nothing was written: one of the two tools is wrong about who may do what")
        .help("report this with the output of cargo bulkhead sdf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stops_the_build() {
        assert!(judge(&[]).is_ok());
        let text = judge(&["tcb_a: only in ours".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("in 1 places") && text.contains("tcb_a: only in ours"),
            "{text}"
        );
    }
}
