// SPDX-License-Identifier: BSD-2-Clause
//! Two independent tools must give the same capabilities: `microkit`'s distribution against ours.
//!
//! The tool's listing is first held against the image, whose initialiser obeys a distribution of its
//! own; where the listing leaves contents out, they are taken from there.

use std::fs;
use std::path::Path;

use audit::image::{LoaderImage, compare_specs};
use audit::spec::{Object, Spec};
use capdl::{Config, Elf, ElfSet};
use host::{Failure, Outcome};
use sdf::{Files, SearchPath, System};

use super::Target;
use crate::PackError;
use crate::names::{CAPDL, IMAGE, PLAIN};

/// How many differences are shown.
const SHOWN: usize = 20;

/// Compares the distribution in `stage` with the one that we derive from the same input.
pub(super) fn with_microkit(target: &Target<'_>, stage: &Path) -> Result<(), PackError> {
    let system = staged_system(stage)?;
    let files = SearchPath {
        dirs: vec![stage.to_owned()],
    };
    let fixed = |mr: &&sdf::model::MemoryRegion| mr.phys_addr.is_none();
    let floating: Vec<&str> = system
        .memory_regions
        .iter()
        .filter(fixed)
        .map(|mr| mr.name.as_str())
        .collect();
    let theirs = listing(stage)?.to_json();
    let ours = distribution(target, &system, &files)?.to_json();
    judge(&capdl::compare(&ours, &theirs, &floating)).map_err(PackError::from)
}

/// The tool's listing with the contents that the image has. Writes it back with digests for contents.
fn listing(stage: &Path) -> Outcome<Spec> {
    let path = stage.join(CAPDL);
    let text = fs::read(&path).map_err(|e| Failure::io("read", &path, &e))?;
    let mut listed = Spec::from_json(&text)
        .map_err(|e| Failure::environment(format!("{CAPDL} of the SDK's tool: {e}")))?;
    let place = stage.join(IMAGE);
    let image = fs::read(&place).map_err(|e| Failure::io("read", &place, &e))?;
    let embedded = LoaderImage::parse(&image)
        .and_then(|image| image.distribution())
        .map_err(|e| Failure::environment(format!("the image of the SDK's tool: {e}")))?;
    settle(&mut listed, &embedded.spec);
    let differences = compare_specs(&listed, &embedded.spec);
    if !differences.is_empty() {
        let failure = Failure::environment("the SDK tool's listing is not what is in its image");
        return Err(differences
            .into_iter()
            .take(SHOWN)
            .fold(failure, Failure::note));
    }
    let filled = embedded.fill_in(&listed);
    fs::write(&path, format!("{:#}\n", filled.to_json()))
        .map_err(|e| Failure::io("write", &path, &e))?;
    Ok(filled)
}

/// Takes over the addresses that the tool chose for the image: it may choose others for a listing
/// without contents, because the image is then smaller.
fn settle(listed: &mut Spec, embedded: &Spec) {
    for (named, own) in listed.objects.iter_mut().zip(&embedded.objects) {
        if let (Object::Frame(frame), Object::Frame(own)) = (&mut named.object, &own.object)
            && frame.paddr.is_some()
            && own.paddr.is_some()
        {
            frame.paddr = own.paddr;
        }
    }
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

    // Shows BH-10.
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
