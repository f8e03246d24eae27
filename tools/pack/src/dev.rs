// SPDX-License-Identifier: BSD-2-Clause
//! The development kernel's image: the kernel, and behind it the payload that `devimage` defines.
//!
//! Physical addresses are allotted deterministically from the end of the payload upwards: regions
//! first, large pages before small ones, then the private memory of each address space in the order
//! of its virtual addresses.

mod allot;
mod kernel;
mod objects;
mod payload;
mod spaces;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use capdl::{Elf, Spec};
use devimage::{Image, ImageError, LABELS_DEBUG, LABELS_RELEASE, PAYLOAD_PADDR, RAM_END};
use host::Failure;
use sdf::model::System;
use sdf::{Board, Files};

use crate::{PackError, Prepared, names};
use allot::Allotment;

/// What to build with.
pub struct Target<'a> {
    /// The development kernel's program.
    pub kernel: &'a Elf,
    /// The board.
    pub board: &'a Board,
    /// The SDK's configuration whose labels and capabilities programs expect.
    pub config: capdl::Config,
}

/// A finished image.
#[derive(Debug)]
pub struct DevImage {
    /// The file to load.
    pub bytes: Vec<u8>,
    /// The distribution it was made from.
    pub spec: Spec,
    /// Where everything is, for people.
    pub report: String,
}

/// Makes the image.
///
/// # Errors
/// When programs lack symbols, memory is short or taken, or a limit of the kernel is exceeded.
pub fn build(target: &Target<'_>, prepared: &Prepared<'_>) -> Result<DevImage, PackError> {
    let kernel = kernel::flatten(target.kernel)?;
    // Where memory begins depends on the payload's size, which does not depend on addresses: the
    // second round is the last unless alignment makes it grow.
    let mut start = devimage::user_ram_start(1);
    for _ in 0..4 {
        let (payload, spec, report) = attempt(target, prepared, start)?;
        let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let needed = devimage::user_ram_start(size);
        if needed == start {
            check(&payload)?;
            let bytes = kernel::join(kernel, &payload);
            return Ok(DevImage {
                bytes,
                spec,
                report,
            });
        }
        start = needed;
    }
    Err(Failure::environment("the size of the image does not settle").into())
}

/// Makes the image and writes it with all that goes along to the folder `stage`. Returns the names of
/// the files, the image last.
///
/// # Errors
/// As [`build`], and when the folder cannot be written.
pub fn write(
    target: &Target<'_>,
    prepared: &Prepared<'_>,
    stage: &Path,
) -> Result<Vec<PathBuf>, PackError> {
    let image = build(target, prepared)?;
    let plain = sdf::write(&prepared.system);
    let distribution = format!("{:#}\n", image.spec.to_json());
    let mut files = Vec::new();
    let contents = [
        (names::CAPDL, distribution.as_bytes()),
        (names::PLAIN, plain.as_bytes()),
        (names::REPORT, image.report.as_bytes()),
        (names::IMAGE, image.bytes.as_slice()),
    ];
    for (name, bytes) in contents {
        let path = stage.join(name);
        fs::write(&path, bytes)
            .map_err(|e| Failure::io("write", &path, &e).note("nothing was written"))?;
        files.push(PathBuf::from(name));
    }
    Ok(files)
}

fn attempt(
    target: &Target<'_>,
    prepared: &Prepared<'_>,
    start: u64,
) -> Result<(Vec<u8>, Spec, String), PackError> {
    if start >= RAM_END {
        return Err(Failure::input("the programs and prefills are larger than the memory").into());
    }
    let mut allotment = Allotment::new(start);
    let system = allotment.place_regions(&prepared.system, &prepared.files)?;
    let mut programs = prepared.programs.clone();
    let patches = capdl::patches(&system, &programs, &prepared.files, &|_| None)?;
    capdl::apply(&mut programs, &patches).map_err(|error| {
        Failure::input(format!("a program cannot be patched: a symbol {error}"))
    })?;
    let spec = capdl::build(&system, &programs, &prepared.files, target.config)?;
    let spaces = spaces::collect(&spec, &mut allotment)?;
    let tables = objects::tables(&system, &spec, &spaces, target.board)?;
    let labels = match target.config {
        capdl::Config::Debug => LABELS_DEBUG,
        capdl::Config::Release | capdl::Config::Benchmark => LABELS_RELEASE,
    };
    let fills = spaces::fills(&spec, &programs, &spaces)?;
    let payload = payload::write(&tables, &fills, labels);
    let report = report(&system, &prepared.files, start, allotment.end());
    Ok((payload, spec, report))
}

/// The kernel's own check, before anybody boots the image.
fn check(payload: &[u8]) -> Result<(), Failure> {
    Image::parse(payload)
        .map(|_| ())
        .map_err(|error| match error {
            ImageError::TooMany(what) => Failure::input(format!(
                "the development kernel has no room for so many {what}"
            ))
            .help("build for seL4, which has: --kernel sel4"),
            ImageError::TotalSize => Failure::input("the image is larger than the memory"),
            other => Failure::environment(format!("the kernel would refuse the image: {other:?}")),
        })
}

fn report(system: &System, files: &dyn Files, start: u64, end: u64) -> String {
    let mut text = String::from("# Physical memory\n\n");
    // Writing to a String cannot fail.
    let mut line = |from: u64, to: u64, what: &str| {
        writeln!(text, "{from:#012x}..{to:#012x}  {what}").unwrap_or_default();
    };
    line(devimage::KERNEL_PADDR, PAYLOAD_PADDR, "development kernel");
    line(PAYLOAD_PADDR, start, "payload");
    let regions = system.regions(files);
    let mut placed: Vec<_> = system
        .memory_regions
        .iter()
        .zip(&regions)
        .filter_map(|(mr, region)| Some((mr.phys_addr?.value, (*region)?.size, &mr.name.value)))
        .collect();
    placed.sort();
    for (base, size, name) in placed {
        line(base, base.saturating_add(size), &format!("region {name}"));
    }
    line(
        start,
        end,
        "regions without a fixed address, programs, stacks, IPC buffers",
    );
    text
}

#[cfg(test)]
mod tests;
