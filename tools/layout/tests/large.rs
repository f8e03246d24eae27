// SPDX-License-Identifier: BSD-2-Clause
//! The largest system that is asked for: 20 guests, 60 protection domains, 400 regions.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

use layout::{Folder, Input};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Guests with consoles, and plain domains that hand rings on in a row.
fn text(guests: usize, plain: usize, rings: usize) -> String {
    let mut text = String::from(
        "<system name='large'><driver name='timer' class='timer' device='timer0'/>\
         <driver name='uart' class='serial' device='serial0'/><service name='mux' kind='console-mux'/>",
    );
    for guest in 0..guests {
        write!(
            text,
            "<guest name='g{guest}' memory='2M' priority='{}' budget='1ms' period='100ms'>\
             <image recipe='rtos'/><uart/><console/></guest>",
            100 + guest
        )
        .expect("text");
    }
    for ring in 0..rings {
        write!(text, "<memory_region name='r{ring}' size='0x1000'/>").expect("text");
    }
    for pd in 0..plain {
        write!(
            text,
            "<protection_domain name='p{pd}' priority='{}' budget='100' period='1000'>\
             <program_image path='p.elf'/>",
            20 + pd
        )
        .expect("text");
        for ring in 0..rings {
            let (writer, vaddr) = (ring % plain, 0x2000_0000 + 0x2000 * ring);
            let perms = if writer == pd { "rw" } else { "r" };
            if writer == pd || (writer + 1) % plain == pd {
                write!(
                    text,
                    "<map mr='r{ring}' vaddr='{vaddr:#x}' perms='{perms}'/>"
                )
                .expect("text");
            }
        }
        text.push_str("</protection_domain>");
    }
    text.push_str("</system>");
    text
}

#[test]
fn twenty_guests_sixty_domains_and_four_hundred_regions_are_accepted() {
    let board = root().join("images/boards/qemu_virt_aarch64.toml");
    let board = std::fs::read_to_string(board).expect("board file");
    let board: sdf::Board = toml::from_str(&board).expect("board data");
    let tree = root().join("images/boards/qemu_virt_aarch64.dtb");
    let tree = std::fs::read(tree).expect("device tree");
    let text = text(20, 17, 216);
    let checked = layout::check(Input {
        name: "large.xml",
        text: &text,
        board: Some(&board),
        device_tree: Some(&tree),
        tree: &Folder(PathBuf::new()),
        files: &sdf::NoFiles,
    });
    let found = checked.diagnostics.brief();
    let mut system = checked.system.expect(&found);
    let guests = system.pds.iter().filter(|pd| pd.virtual_machine.is_some());
    assert_eq!(guests.count(), 20);
    assert_eq!(system.pds.len(), 60);
    assert_eq!(system.memory_regions.len(), 400);
    for record in system.pds.iter_mut().filter_map(|pd| pd.record.as_mut()) {
        // Guests' images are the build's business.
        record.guest = None;
    }
    let plain = sdf::lower(&system, &sdf::NoFiles).expect("plain");
    assert!(sdf::write(&plain.system).contains("<protection_domain name=\"p16\""));
}
