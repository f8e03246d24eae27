// SPDX-License-Identifier: BSD-2-Clause
//! Images of small systems, read back as the kernel reads them.

use super::*;
use crate::Overlay;
use crate::made::Made;
use devimage::{CAP_ENDPOINT, CAP_TCB, CSPACE_FLAT, CSPACE_PD, Mapping, NONE, PAYLOAD_OFFSET};

const BOARD: &str = include_str!("../../../../images/boards/qemu_virt_aarch64.toml");

fn make(text: &str, files: &[(&str, &[u8])]) -> Result<DevImage, PackError> {
    let base = sdf::NoFiles;
    let mut overlay = Overlay::new(&base);
    overlay.insert("p.elf".to_owned(), Made::program().bytes());
    for (name, bytes) in files {
        overlay.insert((*name).to_owned(), bytes.to_vec());
    }
    let board: Board = toml::from_str(BOARD).unwrap();
    let checked = sdf::check(text, "t.system", Some(&board), &overlay);
    let system = checked
        .system
        .unwrap_or_else(|| panic!("{}", checked.diagnostics.brief()));
    let prepared = Prepared::new(&system, &overlay, None)?;
    let kernel = Elf::parse(&Made::kernel().bytes(), None).unwrap();
    let config = capdl::Config::Debug;
    build(
        &Target {
            kernel: &kernel,
            board: &board,
            config,
        },
        &prepared,
    )
}

/// The checked payload, for as long as the test runs.
fn payload(image: DevImage) -> Image<'static> {
    let offset = usize::try_from(PAYLOAD_OFFSET).unwrap();
    let bytes: &'static [u8] = Box::leak(image.bytes.into_boxed_slice());
    Image::parse(&bytes[offset..]).unwrap()
}

fn refusal(text: &str, files: &[(&str, &[u8])]) -> String {
    match make(text, files) {
        Err(PackError::Failed(failure)) => failure.to_string(),
        Err(PackError::Refused(diagnostics)) => diagnostics.brief(),
        Ok(_) => panic!("accepted"),
    }
}

/// The bytes that are at `vaddr` of a thread's address space when it starts.
fn memory(image: &Image<'_>, thread: usize, vaddr: u64, length: usize) -> Vec<u8> {
    let space = image.vspaces[image.tcbs[thread].vspace.get() as usize];
    let mapping = image
        .vspace_mappings(&space)
        .iter()
        .find(|m| (m.vaddr.get()..m.vaddr.get() + m.size.get()).contains(&vaddr))
        .unwrap();
    let paddr = mapping.paddr.get() + vaddr - mapping.vaddr.get();
    let within =
        |l: &&devimage::Load| (l.paddr.get()..l.paddr.get() + l.mem_size.get()).contains(&paddr);
    let mut bytes = vec![0; length];
    if let Some(load) = image.loads.iter().find(within) {
        let start = usize::try_from(paddr - load.paddr.get()).unwrap();
        let content = image.load_bytes(load).iter().skip(start);
        bytes
            .iter_mut()
            .zip(content)
            .for_each(|(to, from)| *to = *from);
    }
    bytes
}

fn number(image: &Image<'_>, thread: usize, vaddr: u64) -> u64 {
    u64::from_le_bytes(memory(image, thread, vaddr, 8).try_into().unwrap())
}

const FAMILY: &str = r#"<system>
    <memory_region name="shared" size="0x2000"/>
    <memory_region name="big" size="0x200000" page_size="0x200000"/>
    <memory_region name="uart" size="0x1000" phys_addr="0x9000000"/>
    <protection_domain name="parent" priority="20">
        <program_image path="p.elf"/>
        <map mr="shared" vaddr="0x400000" perms="rw" setvar_vaddr="number"/>
        <map mr="big" vaddr="0x800000" perms="r"/>
        <irq irq="33" id="5"/>
        <protection_domain name="child" id="3" priority="10" passive="true">
            <program_image path="p.elf"/>
            <map mr="shared" vaddr="0x400000" perms="r"/>
            <map mr="uart" vaddr="0x500000" perms="rw" cached="false"/>
            <record><value role="answer" value="42"/></record>
        </protection_domain>
        <virtual_machine name="guest" priority="5">
            <vcpu id="0"/>
            <map mr="big" vaddr="0x40000000" perms="rwx"/>
        </virtual_machine>
    </protection_domain>
    <channel><end pd="parent" id="1"/><end pd="child" id="2" pp="true"/></channel>
</system>"#;

#[test]
fn threads_come_in_the_systems_order_with_everything_bound() {
    let image = payload(make(FAMILY, &[]).unwrap());
    let names: Vec<_> = image
        .tcbs
        .iter()
        .map(|tcb| {
            String::from_utf8_lossy(&tcb.name)
                .trim_end_matches('\0')
                .to_owned()
        })
        .collect();
    assert_eq!(names, ["parent", "child", "guest_0"]);
    let [parent, child, guest] = [image.tcbs[0], image.tcbs[1], image.tcbs[2]];
    assert_eq!(parent.entry.get(), 0x20_0000);
    assert_eq!(parent.sp.get(), 0xff_ffff_e000);
    assert_eq!((parent.priority.get(), child.priority.get()), (20, 10));
    assert_eq!(
        parent.fault_endpoint.get(),
        image.header.monitor_endpoint.get()
    );
    assert_eq!(parent.fault_badge.get(), 1);
    assert_eq!(child.fault_badge.get(), 1 << 62 | 3);
    assert_eq!(
        child.flags.get() & devimage::TCB_PASSIVE,
        devimage::TCB_PASSIVE
    );
    assert_eq!(guest.flags.get() & devimage::TCB_RESUME, 0);
    assert_eq!((guest.vcpu.get(), parent.vcpu.get()), (0, NONE));
    assert_ne!(guest.ipc_buffer_paddr.get(), 0);
    let irq = image.irqs[0];
    assert_eq!((irq.irq.get(), irq.badge.get()), (33, 1 << 5));
    assert_eq!(irq.notification.get(), parent.notification.get());
}

#[test]
fn capabilities_are_where_microkit_puts_them() {
    let image = payload(make(FAMILY, &[]).unwrap());
    let space = |thread: usize| image.cspaces[image.tcbs[thread].cspace.get() as usize];
    assert_eq!(
        (space(0).kind.get(), space(2).kind.get()),
        (CSPACE_PD, CSPACE_FLAT)
    );
    let slots = image.cspace_slots(&space(0));
    let find = |index| slots.iter().find(|slot| slot.index.get() == index).unwrap();
    let child = find(capdl::slots::CHILD_TCBS + 3);
    assert_eq!((child.kind.get(), child.object.get()), (CAP_TCB, 1));
    let own = find(capdl::slots::INPUT);
    assert_eq!(own.kind.get(), CAP_ENDPOINT);
    let calls = image.cspace_slots(&space(1));
    let call = calls
        .iter()
        .find(|s| s.index.get() == capdl::slots::ENDPOINTS + 2)
        .unwrap();
    assert_eq!(
        (call.object.get(), call.badge.get()),
        (own.object.get(), 1 << 63 | 1)
    );
}

#[test]
fn programs_are_patched_and_records_filled() {
    let image = payload(make(FAMILY, &[]).unwrap());
    assert_eq!(memory(&image, 0, 0x20_1020, 7), b"parent\0");
    assert_eq!(memory(&image, 1, 0x20_1020, 6), b"child\0");
    assert_eq!(number(&image, 0, 0x20_1000), 1 << 5);
    assert_eq!(number(&image, 1, 0x20_1010), 1 << 2);
    assert_eq!(number(&image, 0, 0x20_1078), 0x40_0000);
    assert_eq!(memory(&image, 0, 0x20_0000, 2), [0xaa, 0xaa]);
    let record = number(&image, 1, 0x20_1068);
    assert_eq!(record, sdf_record_base());
    assert_ne!(memory(&image, 1, record, 16), [0; 16]);
}

fn sdf_record_base() -> u64 {
    0x3000_0000
}

#[test]
fn regions_are_shared_and_contiguous() {
    let image = payload(make(FAMILY, &[]).unwrap());
    let mapping = |thread: usize, vaddr: u64| -> Mapping {
        let space = image.vspaces[image.tcbs[thread].vspace.get() as usize];
        let all = image.vspace_mappings(&space);
        *all.iter()
            .find(|mapping| mapping.vaddr.get() == vaddr)
            .unwrap()
    };
    let shared = mapping(0, 0x40_0000);
    assert_eq!(shared.size.get(), 0x2000);
    assert_eq!(shared.paddr.get(), mapping(1, 0x40_0000).paddr.get());
    assert_eq!(
        mapping(2, 0x4000_0000).paddr.get(),
        mapping(0, 0x80_0000).paddr.get()
    );
    assert_eq!(mapping(0, 0x80_0000).paddr.get() % 0x20_0000, 0);
    let uart = mapping(1, 0x50_0000);
    assert_eq!((uart.paddr.get(), uart.flags.get()), (0x900_0000, 3));
}

// Shows BH-15.
#[test]
fn the_same_input_gives_the_same_image() {
    let [a, b] = [make(FAMILY, &[]).unwrap(), make(FAMILY, &[]).unwrap()];
    assert!(a.bytes == b.bytes);
    assert!(a.report.contains("region uart"), "{}", a.report);
}

#[test]
fn a_large_prefill_moves_the_memory_behind_it() {
    let text = r#"<system>
        <memory_region name="disk" prefill_path="disk.bin"/>
        <protection_domain name="a">
            <program_image path="p.elf"/>
            <map mr="disk" vaddr="0x1000000" perms="r" setvar_prefill_size="number"/>
        </protection_domain>
    </system>"#;
    let disk: Vec<u8> = (0..5_000_001_u32).map(|n| n.to_le_bytes()[0] | 1).collect();
    let image = payload(make(text, &[("disk.bin", &disk)]).unwrap());
    assert_eq!(memory(&image, 0, 0x100_0000, disk.len()), disk);
    assert_eq!(number(&image, 0, 0x20_1078), 5_000_001);
    assert!(image.loads[0].paddr.get() >= image.user_ram_start());
}

const FIXED: &str = r#"<system>
    <memory_region name="m" size="0x1000" phys_addr="PADDR"/>
    <memory_region name="n" size="0x1000"/>
    <protection_domain name="a">
        <program_image path="p.elf"/>
        <map mr="m" vaddr="0x1000000"/><map mr="n" vaddr="0x1001000"/>
    </protection_domain>
</system>"#;

#[test]
fn fixed_addresses_are_kept_and_left_alone() {
    // Exactly where the first region would go.
    let image = payload(make(&FIXED.replace("PADDR", "0x60600000"), &[]).unwrap());
    let mut paddrs: Vec<_> = image
        .mappings
        .iter()
        .map(|m| (m.paddr.get(), m.paddr.get() + m.size.get()))
        .collect();
    paddrs.sort_unstable();
    assert_eq!(paddrs[0].0, 0x6060_0000);
    assert!(
        paddrs.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{paddrs:x?}"
    );
    let text = refusal(&FIXED.replace("PADDR", "0x60000000"), &[]);
    assert!(text.contains("t.system:2:"), "{text}");
    assert!(
        text.contains("choose an address from 0x60600000 on"),
        "{text}"
    );
}

#[test]
fn too_much_memory_is_refused() {
    // The regions alone would fit, to the last page: the kernel and the programs come on top.
    let text = FIXED.replace("size=\"0x1000\"/>", "size=\"0x5ffff000\"/>");
    let text = refusal(
        &text
            .replace("PADDR", "0x9000000")
            .replace("0x1001000", "0x2000000"),
        &[],
    );
    assert!(text.contains("needs more memory"), "{text}");
}

#[test]
fn a_program_without_microkits_symbols_is_refused_with_its_place() {
    let mut made = Made::program();
    made.symbols.retain(|(name, ..)| *name != "microkit_pps");
    let text = "<system>\n<protection_domain name=\"a\"><program_image path=\"q.elf\"/>\
                </protection_domain></system>";
    let brief = refusal(text, &[("q.elf", &made.bytes())]);
    assert!(
        brief.contains("t.system:2:") && brief.contains("microkit_pps"),
        "{brief}"
    );
}

#[test]
fn a_kernel_for_another_place_is_refused() {
    let mut made = Made::kernel();
    made.entry += 4;
    let parse = |made: &Made| Elf::parse(&made.bytes(), None).unwrap();
    assert!(
        kernel::flatten(&parse(&made))
            .unwrap_err()
            .to_string()
            .contains("its entry is")
    );
    let mut made = Made::kernel();
    made.segments[1].3 = PAYLOAD_OFFSET;
    assert!(
        kernel::flatten(&parse(&made))
            .unwrap_err()
            .to_string()
            .contains("lies outside")
    );
    let bytes = kernel::flatten(&parse(&Made::kernel())).unwrap();
    assert_eq!((bytes.len(), bytes[0], bytes[0x1000]), (0x1008, 0x14, 0x17));
}
