// SPDX-License-Identifier: BSD-2-Clause
//! Questions that later stages ask of a system.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use sdf::{NoFiles, System};

const SYSTEM: &str = r#"<system>
    <memory_region name="small" size="0x3000"/>
    <memory_region name="large" size="0x40_0000"/>
    <memory_region name="ram" size="0x20_0000"/>
    <protection_domain name="parent" priority="3">
        <program_image path="a.elf"/>
        <map mr="small" vaddr="0x1000_0000"/>
        <map mr="large" vaddr="0x2000_0000"/>
        <protection_domain name="child" id="1" priority="4"><program_image path="a.elf"/></protection_domain>
    </protection_domain>
    <protection_domain name="monitor_of_one" priority="2">
        <program_image path="a.elf"/>
        <map mr="ram" vaddr="0x4000_0000"/>
        <virtual_machine name="v"><vcpu id="0"/><map mr="ram" vaddr="0x4000_0000" perms="rwx"/></virtual_machine>
    </protection_domain>
    <protection_domain name="caller" priority="1"><program_image path="a.elf"/></protection_domain>
    <channel><end pd="caller" id="0" pp="true"/><end pd="child" id="2"/></channel>
    <channel><end pd="caller" id="1"/><end pd="parent" id="2"/></channel>
</system>"#;

fn system() -> System {
    sdf::parse(SYSTEM, "a").expect("good")
}

#[test]
fn who_is_called_or_handles_faults_needs_an_endpoint() {
    let needs: Vec<bool> = (0..5).map(|pd| system().needs_endpoint(pd)).collect();
    assert_eq!(needs, [true, true, true, false, false]);
}

#[test]
fn regions_have_pages_of_their_size() {
    let system = system();
    let pages: Vec<Option<u64>> = system
        .regions(&NoFiles)
        .iter()
        .map(|region| region.map(|it| it.pages()))
        .collect();
    assert_eq!(pages, [Some(3), Some(2), Some(1)]);
}

#[test]
fn there_is_nothing_to_know_about_domains_that_are_not_there() {
    assert!(system().setvars(9).is_empty());
}

/// Guests are placed by the build; before that there is nothing to lower.
#[test]
fn a_guest_that_is_not_placed_cannot_be_lowered() {
    let text = SYSTEM.replace(
        r#"<virtual_machine name="v">"#,
        r#"<record><region role="ram" mr="ram"/><guest image="linux" cmdline="a&quot;b"/></record><virtual_machine name="v">"#,
    );
    let system = sdf::parse(&text, "a").expect("good");
    assert!(sdf::write(&system).contains(r#"<guest image="linux" cmdline="a&quot;b" />"#));
    let found = sdf::lower(&system, &NoFiles).expect_err("a guest");
    let text = "error[guest-image]: the images of `linux` are not placed yet";
    assert!(found.brief().contains(text), "{}", found.brief());
}

/// A record is placed at the lowest address with a free page on each side.
#[test]
fn records_keep_a_page_of_distance() {
    let at = |maps: &[(&str, u64)]| {
        let mut text = String::from("<system>");
        let mut inside = String::new();
        for (size, vaddr) in maps {
            text.push_str(&format!(
                "<memory_region name=\"m{vaddr}\" size=\"{size}\"/>"
            ));
            inside.push_str(&format!("<map mr=\"m{vaddr}\" vaddr=\"{vaddr:#x}\"/>"));
        }
        text.push_str(&format!(
            "<protection_domain name=\"a\"><program_image path=\"a.elf\"/>{inside}\
             <record><value role=\"v\" value=\"1\"/></record></protection_domain></system>"
        ));
        let system = sdf::parse(&text, "a").expect("good");
        let lowered = sdf::lower(&system, &NoFiles).expect("lowers");
        lowered.records[0].vaddr
    };
    let base = sdf::lower::RECORD_BASE;
    assert_eq!(at(&[]), base);
    assert_eq!(at(&[("0x1000", base)]), base + 0x2000);
    assert_eq!(at(&[("0x1000", base - 0x1000)]), base + 0x1000);
    assert_eq!(at(&[("0x1000", base - 0x2000)]), base);
    assert_eq!(at(&[("0x1000", base + 0x1000)]), base + 0x3000);
    assert_eq!(at(&[("0x1000", base + 0x2000)]), base);
    assert_eq!(
        at(&[("0x1000", base), ("0x1000", base + 0x3000)]),
        base + 0x5000
    );
    assert_eq!(
        at(&[("0x1000", base), ("0x1000", base + 0x4000)]),
        base + 0x2000
    );
}
