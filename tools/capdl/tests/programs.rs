// SPDX-License-Identifier: BSD-2-Clause
//! Bad programs are refused with a located error, one for every rule, and never with a panic.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]
#![expect(clippy::cast_possible_truncation, reason = "test programs are small")]

mod common;

use capdl::{Config, Elf, ElfSet};
use common::{CODE, DATA, Load, Program};
use proptest::prelude::*;
use sdf::{Diagnostics, NoFiles, Overlay};
use std::collections::{BTreeSet, HashMap};

const SYSTEM: &str = r#"<system>
    <memory_region name="m" size="0x2000" />
    <protection_domain name="a">
        <program_image path="a.elf" />
        <map mr="m" vaddr="0x1000_0000" setvar_vaddr="s" />
    </protection_domain>
</system>
"#;

fn files(program: Vec<u8>) -> Overlay<'static> {
    Overlay {
        files: HashMap::from([("a.elf".to_owned(), program)]),
        base: &NoFiles,
    }
}

/// Everything that can be wrong with `text` and its program.
fn run(text: &str, program: Vec<u8>) -> Result<capdl::Spec, Diagnostics> {
    let system = sdf::parse(text, "a.system").expect("a good system");
    let files = files(program);
    let mut elfs = ElfSet::load(&system, &files, None)?;
    let patches = capdl::patches(&system, &elfs, &files, &|_| None)?;
    capdl::apply(&mut elfs, &patches).expect("patches fit");
    capdl::build(&system, &elfs, &files, Config::Debug)
}

/// The rules that `program` breaks, with the line and column of each.
fn broken(text: &str, program: Vec<u8>) -> Vec<String> {
    match run(text, program) {
        Ok(_) => Vec::new(),
        Err(found) => found.brief().lines().map(str::to_owned).collect(),
    }
}

fn good() -> Program {
    Program::new(&["s"])
}

/// A program for each rule, and what is said about it.
fn cases() -> Vec<(&'static str, String, Vec<u8>, &'static str)> {
    let with = |change: &dyn Fn(&mut Program)| {
        let mut program = good();
        change(&mut program);
        program.bytes()
    };
    let load = |vaddr, flags| Load {
        vaddr,
        file: 16,
        mem: 16,
        flags,
    };
    let system = || SYSTEM.to_owned();
    vec![
        ("elf-format", system(), b"#!/bin/sh\n".to_vec(), "4:30"),
        ("elf-format", system(), with(&|p| p.machine = 62), "4:30"),
        ("elf-format", system(), with(&|p| p.loads.clear()), "4:30"),
        (
            "elf-format",
            system(),
            with(&|p| p.loads[1].mem = u64::MAX - 1),
            "4:30",
        ),
        ("elf-symbol", system(), Program::new(&[]).bytes(), "5:55"),
        (
            "elf-symbol",
            system(),
            with(&|p| p.symbols[0].0 = "other".to_owned()),
            "4:30",
        ),
        (
            "elf-symbol",
            system(),
            with(&|p| p.symbols.push(p.symbols[2].clone())),
            "4:30",
        ),
        (
            "elf-symbol",
            system(),
            with(&|p| p.symbols[3].1 = 0x50_0000),
            "4:30",
        ),
        (
            "elf-symbol-size",
            system(),
            with(&|p| p.symbols[6].2 = 4),
            "5:55",
        ),
        (
            "elf-symbol-size",
            system(),
            with(&|p| p.symbols[0].2 = 16),
            "4:30",
        ),
        (
            "elf-page-shared",
            system(),
            with(&|p| p.loads.push(load(DATA + 0x800, 6))),
            "4:30",
        ),
        (
            "elf-wx",
            system(),
            with(&|p| p.loads.push(load(0x40_0000, 7))),
            "4:30",
        ),
        (
            "elf-perms",
            system(),
            with(&|p| p.loads.push(load(0x40_0000, 2))),
            "4:30",
        ),
        (
            "elf-range",
            system(),
            with(&|p| p.loads.push(load(0xff_ffff_d000, 6))),
            "4:30",
        ),
        ("elf-entry", system(), with(&|p| p.entry = DATA), "4:30"),
        (
            "elf-map-overlap",
            SYSTEM.replace("0x1000_0000", "0x1f_f000"),
            good().bytes(),
            "5:28",
        ),
        (
            "object-name",
            SYSTEM.replace(
                "</system>",
                "<protection_domain name=\"a_root\"><program_image path=\"a.elf\"/>\
                 </protection_domain></system>",
            ),
            good().bytes(),
            "7:26",
        ),
    ]
}

#[test]
fn a_good_program_breaks_no_rule() {
    assert!(broken(SYSTEM, good().bytes()).is_empty());
}

#[test]
fn bad_programs_are_refused_at_their_place() {
    for (rule, text, program, place) in cases() {
        let found = broken(&text, program);
        let wanted = (format!("a.system:{place}: "), format!("error[{rule}]"));
        let there = found
            .iter()
            .any(|line| line.starts_with(&wanted.0) && line.contains(&wanted.1));
        assert!(there, "{rule} at {place} not in {found:#?}");
    }
}

#[test]
fn a_missing_program_is_named() {
    let system = sdf::parse(SYSTEM, "a.system").expect("good");
    let found = ElfSet::load(&system, &sdf::SearchPath::default(), None).expect_err("no file");
    assert_eq!(
        found.brief(),
        "a.system:4:30: error[elf-missing]: `a.elf` is in no search directory\n"
    );
}

#[test]
fn every_rule_has_a_bad_program() {
    let mut covered: BTreeSet<&str> = cases().into_iter().map(|case| case.0).collect();
    // See `a_missing_program_is_named`.
    covered.insert("elf-missing");
    let all: BTreeSet<&str> = capdl::rules::all().map(|rule| rule.id).collect();
    assert_eq!(covered, all);
    assert!(
        all.iter()
            .all(|id| sdf::rules::find(id).is_none() && capdl::rules::find(id).is_some())
    );
}

#[test]
fn patches_reach_zero_memory() {
    let mut program = good();
    let tail = DATA + program.loads[1].file + 0x800;
    program.symbols[6].1 = tail;
    let system = sdf::parse(SYSTEM, "a.system").expect("good");
    let files = files(program.bytes());
    let mut elfs = ElfSet::load(&system, &files, None).expect("loads");
    let patches = capdl::patches(&system, &elfs, &files, &|_| None).expect("symbols");
    capdl::apply(&mut elfs, &patches).expect("applies");
    let data = &elfs.pds[0].segments[1].data;
    let at = usize::try_from(tail - DATA).expect("small");
    assert_eq!(data[at..at + 8], 0x1000_0000_u64.to_le_bytes());
    assert_eq!(data[..3], *b"a\0\0");
    assert_eq!(elfs.entry(&system, "a"), Some(CODE));
}

#[test]
fn patches_say_what_the_system_says() {
    let text = r#"<system>
        <memory_region name="m" size="0x3000" />
        <memory_region name="p" prefill_path="p.bin" />
        <protection_domain name="a" priority="2" passive="true">
            <program_image path="a.elf" />
            <map mr="m" vaddr="0x1000_0000" setvar_vaddr="s0" setvar_size="s1" />
            <map mr="p" vaddr="0x1100_0000" perms="r" setvar_prefill_size="s2" />
            <irq irq="40" id="61" setvar_id="s3" />
            <setvar symbol="s4" region_paddr="m" />
            <virtual_machine name="v"><vcpu id="7" setvar_id="s5" /></virtual_machine>
            <protection_domain name="b" id="8" setvar_id="s6">
                <program_image path="a.elf" />
            </protection_domain>
        </protection_domain>
        <channel><end pd="a" id="5" setvar_id="s7" /><end pd="b" id="6" pp="true" notify="false" /></channel>
    </system>"#;
    let system = sdf::parse(text, "a.system").expect("good");
    let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut files = files(Program::new(&names).bytes());
    files.files.insert("p.bin".to_owned(), vec![7; 123]);
    let elfs = ElfSet::load(&system, &files, None).expect("loads");
    let paddr = |name: &str| (name == "m").then_some(0x7000_0000);
    let all = capdl::patches(&system, &elfs, &files, &paddr).expect("symbols");
    let value = |pd: usize, symbol: &str| {
        let patch = all
            .iter()
            .find(|p| p.pd == pd && p.symbol == symbol)
            .expect("patched");
        let mut bytes = [0; 8];
        bytes
            .iter_mut()
            .zip(&patch.bytes)
            .for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(bytes)
    };
    let setvars: Vec<u64> = names.iter().map(|name| value(0, name)).collect();
    assert_eq!(
        setvars,
        [0x1000_0000, 0x3000, 123, 61, 0x7000_0000, 7, 8, 5]
    );
    let own = ["passive", "irqs", "notifications", "pps", "ioports"];
    let of = |pd| own.map(|name| value(pd, &format!("microkit_{name}")));
    assert_eq!(of(0), [1, 1 << 61, 1 << 5, 0, 0]);
    assert_eq!(of(1), [0, 0, 0, 1 << 6, 0]);
    assert_eq!(value(1, "microkit_name"), u64::from(b'b'));
}

#[test]
fn a_prefill_shorter_than_its_region_leaves_zero_frames() {
    let text = SYSTEM.replace("size=\"0x2000\"", "size=\"0x3000\" prefill_path=\"p.bin\"");
    let system = sdf::parse(&text, "a.system").expect("good");
    let mut files = files(good().bytes());
    files.files.insert("p.bin".to_owned(), vec![7; 0x1001]);
    let elfs = ElfSet::load(&system, &files, None).expect("loads");
    let spec = capdl::build(&system, &elfs, &files, Config::Debug).expect("builds");
    let filled = |page: u32| {
        let index = spec.find(&format!("frame_mr_m_{page:09}")).expect("there");
        match &spec.objects[index].object {
            capdl::Object::Frame(frame) => {
                frame.init.entries.first().map(|entry| entry.range.clone())
            }
            _ => None,
        }
    };
    assert_eq!(
        (filled(0), filled(1), filled(2)),
        (Some(0..0x1000), Some(0..1), None)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn mutated_programs_do_not_panic(
        edits in prop::collection::vec((0..0x400_usize, any::<u8>()), 1..8),
        cut in 0..0x5000_usize,
    ) {
        let mut bytes = good().bytes();
        for (at, value) in edits {
            bytes[at] = value;
        }
        let _ = Elf::parse(&bytes[..cut.min(bytes.len())], None);
        let _ = run(SYSTEM, bytes);
    }
}
