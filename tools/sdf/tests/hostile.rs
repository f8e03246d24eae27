// SPDX-License-Identifier: BSD-2-Clause
//! No input makes the library panic, and size does not make it slow.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a helper panics at fails its test"
)]

use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdf");
    let mut texts = Vec::new();
    for folder in ["good", "bad"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the corpus exists") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|ext| ext == "system") {
                texts.push(std::fs::read_to_string(path).expect("readable"));
            }
        }
    }
    texts.sort();
    texts
}

fn board() -> sdf::Board {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/boards/imx8mp_evk.toml");
    toml::from_str(&std::fs::read_to_string(path).expect("board file")).expect("board data")
}

/// Runs everything that a text can reach.
fn exercise(text: &str, board: &sdf::Board) {
    let checked = sdf::check(text, "fuzz", Some(board), &sdf::NoFiles);
    let findings = &checked.diagnostics;
    let _ = (
        findings.render(false),
        findings.render(true),
        findings.brief(),
        findings.to_json(),
    );
    if let Some(system) = checked.system {
        let written = sdf::write(&system);
        if let Err(error) = sdf::parse(&written, "written") {
            panic!("what was written does not read:\n{written}\n{error}");
        }
        if let Ok(lowered) = sdf::lower(&system, &sdf::NoFiles) {
            let _ = sdf::write(&lowered.system);
        }
    }
}

/// Fragments that are more likely to reach deep code than random bytes.
const FRAGMENTS: [&str; 22] = [
    "\"",
    "<",
    ">",
    "/>",
    "&#x10FFFF;",
    "&lt;",
    "é",
    "0x",
    "0xffffffffffffffff",
    "18446744073709551615",
    "-1",
    "62",
    "<map/>",
    "<record>",
    "</system>",
    "<!--",
    "<![CDATA[x]]>",
    " id=\"1\"",
    " xmlns:x=\"y\"",
    "<channel><end/><end/></channel>",
    "\u{0}",
    "\t",
];

fn mutate(text: &str, edits: &[(usize, usize, usize)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, remove, fragment) in edits {
        let at = at % (chars.len() + 1);
        let end = (at + remove).min(chars.len());
        chars.splice(at..end, FRAGMENTS[fragment % FRAGMENTS.len()].chars());
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn mutated_systems_do_not_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<usize>(), 0..12_usize, any::<usize>()), 1..6),
    ) {
        thread_local! {
            static INPUTS: (Vec<String>, sdf::Board) = (corpus(), board());
        }
        INPUTS.with(|(texts, board)| {
            let text: &String = which.get(texts);
            exercise(&mutate(text, &edits), board);
        });
    }

    #[test]
    fn numbers_anywhere_do_not_panic(
        size in any::<u64>(), phys in any::<u64>(), vaddr in any::<u64>(),
        stack in any::<u64>(), budget in any::<u64>(), slot in any::<u64>(),
    ) {
        let text = format!(
            "<system><memory_region name='m' size='{size}' phys_addr='{phys}'/>\
             <memory_region name='n' size='0x{size:x}'/>\
             <protection_domain name='a' stack_size='{stack}' budget='{budget}'>\
             <program_image path='a'/><map mr='m' vaddr='{vaddr}'/><map mr='n' vaddr='0x{phys:x}'/>\
             <cspace><cap_tcb slot='{slot}' pd='a'/></cspace>\
             <record><region role='r' mr='m'/></record></protection_domain></system>"
        );
        exercise(&text, &board());
    }
}

#[test]
fn deep_nesting_is_refused() {
    let open = "<protection_domain name='a' id='1'>".repeat(20_000);
    let close = "</protection_domain>".repeat(20_000);
    let checked = sdf::check(
        &format!("<system>{open}{close}</system>"),
        "deep",
        None,
        &sdf::NoFiles,
    );
    assert!(checked.system.is_none());
}

#[test]
fn a_large_layout_is_accepted() {
    let mut text = String::from("<system>");
    for mr in 0..400 {
        write!(text, "<memory_region name='m{mr}' size='0x20_0000'/>").expect("text");
    }
    for pd in 0..60 {
        write!(
            text,
            "<protection_domain name='p{pd}'><program_image path='a'/>"
        )
        .expect("text");
        for mr in 0..400 {
            let vaddr = 0x4000_0000_u64 + mr * 0x20_0000;
            write!(text, "<map mr='m{mr}' vaddr='{vaddr:#x}'/>").expect("text");
        }
        text.push_str("</protection_domain>");
    }
    text.push_str("</system>");
    let checked = sdf::check(&text, "large", Some(&board()), &sdf::NoFiles);
    assert!(checked.system.is_some(), "{}", checked.diagnostics.brief());
}
