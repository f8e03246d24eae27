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
use std::fmt::Write as _;
use std::path::Path;

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

/// Everything that is said about the bad programs, word for word. `BLESS=1` records it anew.
#[test]
fn bad_programs_are_refused_with_the_recorded_message() {
    let mut out = String::new();
    for (rule, text, program, _) in cases() {
        writeln!(out, "{rule}").expect("text");
        let found = run(&text, program).expect_err("a bad program");
        for (line, item) in found.brief().lines().zip(&found.items) {
            writeln!(out, "    {line}").expect("text");
            let primary = item.primary.text.as_str();
            let others = item.secondary.iter().map(|other| other.text.as_str());
            for text in [primary].into_iter().chain(others) {
                writeln!(out, "        {text}").expect("text");
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs.expected");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &out).expect("writable");
    }
    let expected = std::fs::read_to_string(&path).expect("recorded");
    assert_eq!(out, expected);
}

/// Programs at the last value before one that is refused.
#[test]
fn programs_at_the_limits_are_taken() {
    let taken = |text: &str, change: &dyn Fn(&mut Program)| {
        let mut program = good();
        change(&mut program);
        let found = broken(text, program.bytes());
        assert!(found.is_empty(), "{found:#?}");
    };
    let load = |vaddr, mem, flags| Load {
        vaddr,
        file: 16,
        mem,
        flags,
    };
    // Segments that touch, on both sides, and one of which nothing is loaded.
    taken(SYSTEM, &|p| p.loads.push(load(0x1f_f000, 0x1000, 4)));
    taken(SYSTEM, &|p| {
        p.loads.push(load(DATA + 0x2000, 0x1000, 6));
        p.loads.insert(
            1,
            Load {
                vaddr: CODE,
                file: 0,
                mem: 0,
                flags: 7,
            },
        );
    });
    // The last page below the stack; the last instruction.
    taken(SYSTEM, &|p| p.loads.push(load(0xff_ffff_b000, 0x1000, 6)));
    taken(SYSTEM, &|p| p.entry = CODE + 15);
    // A region right below the program, and one right above it.
    taken(&SYSTEM.replace("0x1000_0000", "0x1f_e000"), &|_| {});
    taken(&SYSTEM.replace("0x1000_0000", "0x20_3000"), &|_| {});
    // The largest segment whose pages there are addresses for, and symbols at both ends of one.
    taken(SYSTEM, &|p| {
        p.loads[1].mem = p.loads[1].file;
        let last = p.symbols.last_mut().expect("symbols");
        assert_eq!(last.1 + last.2, DATA + p.loads[1].file);
    });
}

#[test]
fn programs_just_beyond_the_limits_are_refused() {
    let refused = |rule: &str, text: &str, change: &dyn Fn(&mut Program)| {
        let mut program = good();
        change(&mut program);
        let found = broken(text, program.bytes());
        let wanted = format!("error[{rule}]");
        assert!(
            found.iter().any(|line| line.contains(&wanted)),
            "{rule}: {found:#?}"
        );
    };
    let load = |vaddr, mem, flags| Load {
        vaddr,
        file: 16,
        mem,
        flags,
    };
    refused("elf-entry", SYSTEM, &|p| p.entry = CODE + 16);
    refused("elf-entry", SYSTEM, &|p| p.entry = CODE - 1);
    refused("elf-range", SYSTEM, &|p| {
        p.loads.push(load(0xff_ffff_b000, 0x1001, 6));
    });
    refused("elf-page-shared", SYSTEM, &|p| {
        p.loads.push(load(DATA + 0x1ff0, 0x10, 6));
    });
    refused("elf-page-shared", SYSTEM, &|p| {
        p.loads.push(load(0x1f_f000, 0x1001, 4));
    });
    let touching = |at: &str| SYSTEM.replace("0x1000_0000", at);
    refused("elf-map-overlap", &touching("0x1f_f000"), &|_| {});
    refused("elf-map-overlap", &touching("0x20_2000"), &|_| {});
    refused("elf-symbol", SYSTEM, &|p| {
        p.symbols[6].1 = DATA + p.loads[1].mem - 7;
    });
    refused("elf-symbol", SYSTEM, &|p| p.symbols[6].1 = DATA - 1);
    refused("elf-format", SYSTEM, &|p| {
        p.loads[1].file = p.loads[1].mem + 1
    });
    refused("elf-format", SYSTEM, &|p| p.loads[1].mem = (1 << 30) + 1);
    refused("elf-format", SYSTEM, &|p| p.loads[0].vaddr = u64::MAX - 8);
    refused("elf-symbol-size", SYSTEM, &|p| p.symbols[6].2 = 9);
    refused("elf-symbol-size", SYSTEM, &|p| p.symbols[0].2 = 63);
}

#[test]
fn what_a_file_is_not_is_said() {
    let refused = |bytes: &[u8]| {
        let error = Elf::parse(bytes, None).expect_err("no program");
        error.to_string()
    };
    let change = |change: &dyn Fn(&mut Program)| {
        let mut program = good();
        change(&mut program);
        refused(&program.bytes())
    };
    assert_eq!(
        change(&|p| p.machine = 62),
        "it is for machine 62, not AArch64"
    );
    assert_eq!(change(&|p| p.loads.clear()), "it has nothing to load");
    assert_eq!(
        change(&|p| p.loads[1].mem = 1),
        "its segment at 0x201000 is too large"
    );
    let mut big_endian = good().bytes();
    big_endian[5] = 2;
    assert!(refused(&big_endian).starts_with("it is no 64-bit little-endian ELF file: "));
    let bytes = good().bytes();
    let cut = refused(&bytes[..bytes.len() - 0x1000]);
    assert_eq!(
        cut,
        "it is no 64-bit little-endian ELF file: a segment exceeds the file"
    );
    // Symbols from another file, which must be one, too.
    let elf = Elf::parse(&Program::new(&[]).bytes(), Some(&bytes)).expect("two programs");
    assert_eq!(elf.symbol("s").map(|symbol| symbol.size), Ok(8));
    assert!(Elf::parse(&bytes, Some(b"no")).is_err());
}

#[test]
fn a_segment_has_the_rights_and_pages_that_its_header_says() {
    let mut program = good();
    for (flags, vaddr) in [(1, 0x30_0ff0), (2, 0x40_0000), (4, 0x50_0fff)] {
        program.loads.push(Load {
            vaddr,
            file: 16,
            mem: 17,
            flags,
        });
    }
    let elf = Elf::parse(&program.bytes(), None).expect("a program");
    let rights: Vec<_> = elf
        .segments
        .iter()
        .map(|s| (s.read, s.write, s.execute, s.data.len(), s.pages()))
        .collect();
    let data = usize::try_from(program.loads[1].file).expect("small");
    assert_eq!(
        rights,
        [
            (true, false, true, 16, (CODE, CODE + 0x1000)),
            (true, true, false, data, (DATA, DATA + 0x2000)),
            (false, false, true, 16, (0x30_0000, 0x30_2000)),
            (false, true, false, 16, (0x40_0000, 0x40_1000)),
            (true, false, false, 16, (0x50_0000, 0x50_2000)),
        ]
    );
    assert_eq!(elf.segments[2].end(), 0x30_1001);
}

#[test]
fn the_largest_segment_is_a_gigabyte() {
    let with = |mem: u64| {
        let mut program = good();
        program.loads[1].mem = mem;
        Elf::parse(&program.bytes(), None)
    };
    assert!(with(1 << 30).is_ok());
    assert!(with((1 << 30) + 1).is_err());
}

/// A system file that is there when it is checked and gone when it is built.
#[test]
fn files_that_cannot_be_read_are_named() {
    struct Broken;
    impl sdf::Files for Broken {
        fn size(&self, _: &str) -> Result<u64, sdf::FileError> {
            Ok(8)
        }
        fn read(&self, _: &str) -> Result<Vec<u8>, sdf::FileError> {
            Err(sdf::FileError::Unreadable("the disk is on fire".to_owned()))
        }
    }
    let text = SYSTEM.replace("size=\"0x2000\"", "size=\"0x2000\" prefill_path=\"p.bin\"");
    let system = sdf::parse(&text, "a.system").expect("good");
    let found = ElfSet::load(&system, &Broken, None).expect_err("no program");
    assert_eq!(
        found.brief(),
        "a.system:4:30: error[elf-missing]: `a.elf` cannot be read: the disk is on fire\n"
    );
    let elfs = ElfSet::load(&system, &files(good().bytes()), None).expect("loads");
    let found = capdl::build(&system, &elfs, &Broken, Config::Debug).expect_err("no prefill");
    assert_eq!(
        found.brief(),
        "a.system:2:57: error[mr-prefill]: `p.bin` cannot be read: the disk is on fire\n"
    );
}

/// The monitor, with the variables that it is told names and stacks in.
fn monitor() -> Program {
    let mut program = Program::new(&[]);
    let names = [
        ("pd_names_len", 8),
        ("pd_names", 64 * 2),
        ("vm_names_len", 8),
        ("vm_names", 64 * 2),
        ("pd_stack_bottom_addrs", 8 * 2),
    ];
    let mut address = DATA;
    program.symbols.clear();
    for (name, size) in names {
        program.symbols.push((name.to_owned(), address, size));
        address += size;
    }
    program.loads[1].file = address - DATA;
    program
}

const PARENT: &str = r#"<system>
    <protection_domain name="a" stack_size="0x4000">
        <program_image path="a.elf" />
        <virtual_machine name="v"><vcpu id="0" /><vcpu id="2" /></virtual_machine>
        <protection_domain name="b" id="1"><program_image path="a.elf" /></protection_domain>
    </protection_domain>
</system>
"#;

#[test]
fn the_monitor_is_told_names_and_where_stacks_end() {
    let system = sdf::parse(PARENT, "a.system").expect("good");
    let elf = Elf::parse(&monitor().bytes(), None).expect("a program");
    let patches = capdl::monitor_patches(&system, &elf).expect("symbols");
    let mut elfs = ElfSet::load(&system, &files(good().bytes()), Some(elf)).expect("loads");
    capdl::apply(&mut elfs, &patches).expect("applies");
    let data = &elfs.monitor.as_ref().expect("given").segments[1].data;
    let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().expect("eight"));
    assert_eq!((number(0), number(136)), (2, 2));
    let (a, b, v, w) = (
        &data[8..10],
        &data[72..74],
        &data[144..146],
        &data[208..210],
    );
    assert_eq!([a, b, v, w], [b"a\0", b"b\0", b"v\0", b"v\0"]);
    assert_eq!((number(272), number(280)), (0xff_ffff_a000, 0xff_ffff_c000));
    // Without a monitor there is nothing to write to, nor beyond it.
    elfs.monitor = None;
    assert!(capdl::apply(&mut elfs, &patches).is_err());
}

#[test]
fn a_monitor_that_cannot_be_told_is_refused() {
    let system = sdf::parse(PARENT, "a.system").expect("good");
    for (change, says) in [
        (
            (|p: &mut Program| p.symbols[1].2 = 127) as fn(&mut Program),
            "`pd_names` is too small",
        ),
        (
            |p| p.symbols[4].0.clear(),
            "`pd_stack_bottom_addrs` does not exist",
        ),
        (
            |p| p.symbols.push(p.symbols[0].clone()),
            "`pd_names_len` exists more than once",
        ),
        (
            |p| p.symbols[2].1 = 0x90_0000,
            "`vm_names_len` lies outside every loaded segment",
        ),
    ] {
        let mut program = monitor();
        change(&mut program);
        let elf = Elf::parse(&program.bytes(), None).expect("a program");
        let error = capdl::monitor_patches(&system, &elf).expect_err(says);
        assert_eq!(error, says);
    }
}

/// Every kind of capability leads to an object of its kind; what has no slots has none.
#[test]
fn slots_lead_to_objects_of_their_kind() {
    let text = r#"<system>
        <memory_region name="m" size="0x1000" />
        <protection_domain name="a" priority="2" passive="true" smc="true">
            <program_image path="a.elf" />
            <map mr="m" vaddr="0x1000_0000" setvar_vaddr="s" />
            <irq irq="40" id="61" />
            <virtual_machine name="v"><vcpu id="7" /></virtual_machine>
            <protection_domain name="b" id="8" priority="1"><program_image path="b.elf" /></protection_domain>
        </protection_domain>
        <channel><end pd="a" id="5" /><end pd="b" id="6" pp="true" /></channel>
    </system>"#;
    let system = sdf::parse(text, "a.system").expect("good");
    let mut files = files(good().bytes());
    files.files.insert("b.elf".to_owned(), good().bytes());
    let elfs = ElfSet::load(&system, &files, None).expect("loads");
    let spec = capdl::build(&system, &elfs, &files, Config::Debug).expect("builds");
    let mut seen = BTreeSet::new();
    for named in &spec.objects {
        let has_slots = matches!(
            named.object,
            capdl::Object::PageTable(_)
                | capdl::Object::CNode(_)
                | capdl::Object::Tcb(_)
                | capdl::Object::ArmIrq(_)
        );
        // A guest has spaces with nothing in them.
        let is_filled = has_slots && !["cnode_v_7", "pud_v"].contains(&named.name.as_str());
        let slots = named.object.slots();
        assert_eq!(!slots.is_empty(), is_filled, "{}", named.name);
        for slot in named.object.slots() {
            let target = serde_json::to_value(&spec.objects[slot.cap.object()].object);
            let (cap, target) = (serde_json::to_value(&slot.cap), target.expect("JSON"));
            let kind = |value: &serde_json::Value| match value {
                serde_json::Value::String(kind) => kind.clone(),
                other => other
                    .as_object()
                    .expect("a kind")
                    .keys()
                    .next()
                    .expect("one")
                    .clone(),
            };
            let kinds = (kind(&cap.expect("JSON")), kind(&target));
            let same =
                kinds.0 == kinds.1 || kinds == ("ArmIrqHandler".to_owned(), "ArmIrq".to_owned());
            assert!(same, "{kinds:?}");
            seen.insert(kinds.0);
        }
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
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
    let filled = |bytes: usize| {
        let mut files = files(good().bytes());
        files.files.insert("p.bin".to_owned(), vec![7; bytes]);
        let elfs = ElfSet::load(&system, &files, None).expect("loads");
        let spec = capdl::build(&system, &elfs, &files, Config::Debug).expect("builds");
        [0, 1, 2].map(|page: u32| {
            let index = spec.find(&format!("frame_mr_m_{page:09}")).expect("there");
            match &spec.objects[index].object {
                capdl::Object::Frame(frame) => {
                    frame.init.entries.first().map(|entry| entry.range.clone())
                }
                _ => None,
            }
        })
    };
    assert_eq!(filled(0x1001), [Some(0..0x1000), Some(0..1), None]);
    assert_eq!(filled(0x1000), [Some(0..0x1000), None, None]);
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
