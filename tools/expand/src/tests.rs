// SPDX-License-Identifier: BSD-2-Clause
//! Whole systems, expanded and lowered.

use super::*;
use sdf::files::Overlay;
use sdf::model::PageSize;

const RAW_KERNEL: &[u8] = b"a raw image of some bytes";

struct Shelf;

impl Recipes for Shelf {
    fn images(&mut self, name: &str) -> Result<Images, String> {
        match name {
            "raw" => Ok(Images {
                kernel: RAW_KERNEL.to_vec(),
                ..Images::default()
            }),
            "linux" => Ok(Images {
                kernel: arm64_image(),
                initrd: Some(vec![7; 5000]),
                ..Images::default()
            }),
            "seeded" => Ok(Images {
                kernel: RAW_KERNEL.to_vec(),
                command_line: Some("from the recipe".into()),
                rng_seed: Some([0x5a; 32]),
                ..Images::default()
            }),
            "huge" => Ok(Images {
                kernel: vec![0; 0x60_0000],
                ..Images::default()
            }),
            _ => Err(format!("there is no recipe `{name}`")),
        }
    }
}

/// An arm64 Image header (booting.rst) with 3 MiB in memory, and a little more.
fn arm64_image() -> Vec<u8> {
    let mut image = vec![0; 0x1_0000];
    image[16..24].copy_from_slice(&0x30_0000_u64.to_le_bytes());
    image[24] = 0xa;
    image[56..60].copy_from_slice(b"ARM\x64");
    image
}

fn vmm(name: &str, guest: &str) -> String {
    format!(
        "<memory_region name=\"{name}_ram\" size=\"0x800000\"/>
         <protection_domain name=\"vmm_{name}\" priority=\"10\">
         <program_image path=\"vmm.elf\"/><map mr=\"{name}_ram\" vaddr=\"0x40000000\"/>
         <virtual_machine name=\"{name}\"><vcpu id=\"0\"/><vcpu id=\"1\"/>
         <map mr=\"{name}_ram\" vaddr=\"0x40000000\" perms=\"rwx\"/></virtual_machine>
         <record><region role=\"ram\" mr=\"{name}_ram\"/><value role=\"virtio3.type\" value=\"3\"/>
         {guest}</record></protection_domain>"
    )
}

fn try_expand(inside: &str) -> Result<Expanded, Diagnostics> {
    let text = format!("<system>{inside}</system>");
    let system = sdf::parse(&text, "a").expect("valid");
    expand(&system, &mut Shelf, &sdf::NoFiles)
}

#[test]
fn guests_with_one_recipe_share_its_images_but_not_the_device_tree() {
    let guest = "<guest image=\"linux\" cmdline=\"quiet\"/>";
    let system = vmm("a", guest) + &vmm("b", guest);
    let expanded = try_expand(&system).unwrap();
    let mut names: Vec<&str> = expanded.files.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "a_dtb.bin",
            "b_dtb.bin",
            "linux_image.bin",
            "linux_initrd.bin"
        ]
    );
    let initrd = expanded.system.memory_region("linux_initrd").unwrap();
    let page = initrd.page_size.map(|size| size.value);
    assert_eq!(
        page,
        Some(PageSize::Small),
        "taken out of the image as it is"
    );
    assert_eq!(initrd.size.unwrap().value % 0x1000, 0);
    for pd in &expanded.system.pds {
        assert_eq!(pd.maps.len(), 4);
        assert!(pd.maps[1..].iter().all(|map| map.perms.to_string() == "r"));
    }
}

#[test]
fn the_lowered_system_holds_every_role() {
    let expanded = try_expand(&vmm("a", "<guest image=\"linux\"/>")).unwrap();
    let files = Overlay {
        files: expanded.files.clone(),
        base: &sdf::NoFiles,
    };
    let lowered = sdf::lower(&expanded.system, &files).unwrap();
    let roles: Vec<&str> = lowered.records[0]
        .entries
        .iter()
        .map(|(role, _)| role.as_str())
        .collect();
    for part in [role::IMAGE, role::DTB, role::INITRD] {
        for suffix in ["", role::SIZE, role::SHA256] {
            let wanted = format!("{part}{suffix}");
            assert_eq!(
                roles.iter().filter(|role| **role == wanted).count(),
                1,
                "{wanted}"
            );
        }
    }
}

// Shows AV-06.
#[test]
fn the_device_tree_knows_vcpus_slots_and_the_command_line() {
    let guest = "<guest image=\"raw\" cmdline=\"console=ttyAMA0\"/>";
    let expanded = try_expand(&vmm("a", guest)).unwrap();
    let tree = String::from_utf8_lossy(&expanded.files["a_dtb.bin"]).into_owned();
    for text in [
        "bulkhead,a",
        "cpu@1",
        "virtio_mmio@a000600",
        "console=ttyAMA0",
    ] {
        assert!(tree.contains(text), "{text}");
    }
    assert!(!tree.contains("pl011"), "no console, no UART");
    assert!(!tree.contains("cpu@2") && !tree.contains("linux,initrd-start"));
}

#[test]
fn a_recipe_may_give_a_seed_and_a_command_line() {
    let tree = |guest: &str| {
        let expanded = try_expand(&vmm("a", guest)).unwrap();
        String::from_utf8_lossy(&expanded.files["a_dtb.bin"]).into_owned()
    };
    let given = tree("<guest image=\"seeded\"/>");
    assert!(given.contains("rng-seed") && given.contains(&"Z".repeat(32)));
    assert!(given.contains("from the recipe"));
    let own = tree("<guest image=\"seeded\" cmdline=\"its own\"/>");
    assert!(own.contains("its own") && !own.contains("from the recipe"));
    assert!(!tree("<guest image=\"raw\"/>").contains("rng-seed"));
}

#[test]
fn digests_are_of_the_bytes_without_padding() {
    let expanded = try_expand(&vmm("a", "<guest image=\"raw\"/>")).unwrap();
    let record = expanded.system.pds[0].record.as_ref().unwrap();
    let digest = record
        .entries
        .iter()
        .find(|entry| *entry.role == "image.sha256")
        .unwrap();
    let sdf::model::RecordTarget::Text { value } = &digest.target else {
        panic!("{digest:?}")
    };
    let known: String = {
        use sha2::Digest;
        sha2::Sha256::digest(RAW_KERNEL)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    assert_eq!(**value, known);
}

#[test]
fn every_bad_guest_is_reported_where_it_stands() {
    let system = vmm("a", "<guest image=\"none\"/>") + &vmm("b", "<guest image=\"huge\"/>");
    let small = system.replace("size=\"0x800000\"", "size=\"0x400000\"");
    let brief = try_expand(&small).unwrap_err().brief();
    assert_eq!(brief.lines().count(), 2, "{brief}");
    assert!(brief.contains("there is no recipe `none`"), "{brief}");
    assert!(brief.contains("not in RAM"), "{brief}");
}

#[test]
fn a_region_of_the_same_name_is_not_taken_over() {
    let system = "<memory_region name=\"a_dtb\" size=\"0x1000\"/>".to_owned()
        + &vmm("a", "<guest image=\"raw\"/>");
    let brief = try_expand(&system).unwrap_err().brief();
    assert!(
        brief.contains("a region is called `a_dtb` already"),
        "{brief}"
    );
}
