// SPDX-License-Identifier: BSD-2-Clause
//! Packages of small systems: made twice, verified, tampered with.

use std::collections::BTreeMap;

use audit::platform::{Area, Platform};
use sdf::{Board, NoFiles};

use crate::model::{Around, Target};
use crate::package::MANIFEST;
use crate::{Input, Package, make, verify};

const SYSTEM: &str = r#"<system>
    <memory_region name="ring" size="0x1000"/>
    <memory_region name="regs" size="0x1000" phys_addr="0x9000000"/>
    <protection_domain name="driver" priority="20" budget="100" period="1000">
        <program_image path="driver.elf"/>
        <map mr="ring" vaddr="0x20000000" perms="rw"/>
        <map mr="regs" vaddr="0x20001000" perms="rw" cached="false"/>
        <irq irq="33" id="0"/>
    </protection_domain>
    <protection_domain name="client" priority="10">
        <program_image path="client.elf"/>
        <map mr="ring" vaddr="0x20000000" perms="r"/>
    </protection_domain>
    <channel><end pd="driver" id="1"/><end pd="client" id="0" pp="false"/></channel>
</system>"#;

fn board() -> Board {
    let text = include_str!("../../../images/boards/qemu_virt_aarch64.toml");
    toml::from_str(text).unwrap()
}

fn package(text: &str, recorded: Package) -> Package {
    let checked = sdf::check(text, "small.system", None, &NoFiles);
    let system = checked.system.unwrap();
    let target = Target {
        kernel: "dev".to_owned(),
        config: "debug".to_owned(),
        ..Target::default()
    };
    let ram = Area {
        name: "RAM".to_owned(),
        base: 0x6000_0000,
        size: 0x1000_0000,
    };
    let platform = Platform {
        ram: vec![ram],
        ..Platform::default()
    };
    let input = Input {
        name: "small",
        described: &system,
        system: &system,
        plain: None,
        around: Around {
            target: &target,
            board: &board(),
            platform: &platform,
            layout: &layout::Layout::default(),
            owners: &BTreeMap::new(),
            policy: None,
        },
        diagnostics: &checked.diagnostics,
        spec: None,
        findings: None,
        recorded,
    };
    make(input).unwrap()
}

fn small() -> Package {
    package(SYSTEM, Package::default())
}

#[test]
fn made_twice_it_is_the_same_to_the_byte() {
    let (one, two) = (small(), small());
    assert_eq!(one, two);
    assert_eq!(one.archive("p"), two.archive("p"));
}

#[test]
fn a_package_as_made_holds() {
    assert_eq!(verify(&small()).unwrap(), Vec::<String>::new());
}

/// One byte in each stretch of 61, in every file, and the first and last.
#[test]
fn any_flipped_byte_is_found() {
    let good = small();
    for (name, bytes) in &good.files {
        let places = (0..bytes.len()).step_by(61).chain([bytes.len() - 1]);
        for place in places {
            let mut bad = good.clone();
            bad.files.get_mut(name).unwrap()[place] ^= 1;
            let found = verify(&bad);
            assert!(
                found.is_err() || found.is_ok_and(|it| !it.is_empty()),
                "{name} {place}"
            );
        }
    }
}

/// Who changes a derived item and makes the list of hashes again is found out all the same.
#[test]
fn a_derived_item_that_was_sealed_again_is_found() {
    let mut bad = small();
    let text = bad.text("99-verdict.json").unwrap();
    let better = text.replace("\"residual\"", "\"pass\"");
    assert_ne!(text, better);
    bad.put("99-verdict.json", better);
    bad.seal();
    let found = verify(&bad).unwrap();
    assert_eq!(
        found,
        ["99-verdict.json does not follow from the recorded items"]
    );
}

#[test]
fn files_that_are_missing_or_foreign_are_found() {
    let mut bad = small();
    bad.files.remove("18-schedule.csv");
    bad.put("note.txt", "trust me");
    bad.seal();
    let found = verify(&bad).unwrap();
    assert_eq!(
        found,
        [
            "18-schedule.csv is missing",
            "note.txt is no item of a package"
        ]
    );
    bad.files.remove(MANIFEST);
    assert!(verify(&bad).unwrap()[0].contains(MANIFEST));
}

#[test]
fn nothing_depends_on_where_or_when_it_was_made() {
    for (name, bytes) in &small().files {
        let text = String::from_utf8_lossy(bytes);
        for word in [env!("CARGO_MANIFEST_DIR"), env!("HOME")] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}

#[test]
fn without_an_image_the_gates_that_need_one_are_not_made() {
    let package = small();
    let verdict: serde_json::Value =
        serde_json::from_str(package.text("99-verdict.json").unwrap()).unwrap();
    assert_eq!(
        (&verdict["passed"], &verdict["complete"]),
        (&true.into(), &false.into())
    );
    let not_made = verdict["gates"].as_array().unwrap().iter();
    let not_made: Vec<_> = not_made
        .filter(|gate| gate["status"] == "not-made")
        .collect();
    assert!(not_made.iter().any(|gate| gate["id"] == "checker"));
    assert!(
        package
            .text("00-README.md")
            .unwrap()
            .contains("not made: needs an image")
    );
}

#[test]
fn the_matrix_has_no_empty_cell_and_every_pair() {
    let table: crate::table::Table =
        serde_json::from_str(small().text("20-ffi-matrix.json").unwrap()).unwrap();
    assert_eq!(table.rows.len(), 3);
    assert!(table.rows.iter().flatten().all(|cell| !cell.is_empty()));
    let time = &table.rows[1];
    assert!(time[6].contains("no limit on client"), "{time:?}");
}

#[test]
fn solutions_are_files_with_these_hashes() {
    let package = small();
    let case = package.text("01-claims.gsn.yaml").unwrap();
    let solutions: Vec<&str> = case
        .lines()
        .filter(|line| line.contains(" sha256:"))
        .collect();
    for line in &solutions {
        let (name, sum) = line
            .trim()
            .trim_start_matches("text: ")
            .trim_matches('"')
            .split_once(" sha256:")
            .unwrap();
        assert_eq!(
            audit::digest::Digest::of(&package.files[name]).sha256,
            sum,
            "{name}"
        );
    }
    assert!(case.contains("undeveloped: true"));
}
