// SPDX-License-Identifier: BSD-2-Clause
//! Prints the distribution of a system as JSON, or compares it with Microkit's:
//! `cargo run -p capdl --example spec -- SYSTEM SEARCH_DIR MONITOR_ELF [CAPDL_JSON]`.

use capdl::{Config, Elf, ElfSet};
use std::error::Error;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [system, dir, monitor, rest @ ..] = args.as_slice() else {
        return Err("usage: spec SYSTEM SEARCH_DIR MONITOR_ELF [CAPDL_JSON]".into());
    };
    let files = sdf::SearchPath {
        dirs: vec![dir.into()],
    };
    let checked = sdf::check(&std::fs::read_to_string(system)?, system, None, &files);
    let system = checked.system.ok_or(checked.diagnostics)?;
    let monitor = Elf::parse(&std::fs::read(monitor)?, None)?;
    let mut elfs = ElfSet::load(&system, &files, Some(monitor))?;
    let patches = capdl::patches(&system, &elfs, &files, &|_| None)?;
    capdl::apply(&mut elfs, &patches)?;
    let ours = capdl::build(&system, &elfs, &files, Config::Debug)?.to_json();
    let [theirs] = rest else {
        println!("{ours:#}");
        return Ok(ExitCode::SUCCESS);
    };
    let theirs = serde_json::from_str(&std::fs::read_to_string(theirs)?)?;
    let floating: Vec<&str> = system
        .memory_regions
        .iter()
        .filter(|mr| mr.phys_addr.is_none())
        .map(|mr| mr.name.as_str())
        .collect();
    let differences = capdl::compare(&ours, &theirs, &floating);
    differences.iter().for_each(|line| println!("{line}"));
    println!("{} differences", differences.len());
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}
