// SPDX-License-Identifier: BSD-2-Clause
//! Images read back: everything that a distribution may hold, and images that differ in one place.

use std::fmt::Write as _;

use crate::elf::Elf;
use crate::image::archive as from;
use crate::report::{Facts, Image, Inputs, Sel4Image};
use crate::sample;
use crate::spec::{
    Cap, Content, DomainEntry, Duration, Fill, FillEntry, Frame, Object, Rights, Slot, Spec,
};

fn spec(inputs: &mut Inputs) -> &mut Spec {
    inputs.spec.as_mut().unwrap()
}

fn image(inputs: &mut Inputs) -> &mut Sel4Image {
    match inputs.image.as_mut().unwrap() {
        Image::Sel4(image) => image,
        Image::Dev(_) => unreachable!(),
    }
}

/// The sample with a schedule, firmware calls, a page that the kernel fills at boot, and a record on a page with a fixed address, which is
/// kept compressed.
fn rich() -> Inputs {
    let mut inputs = sample::inputs();
    let it = spec(&mut inputs);
    let entry = |domain, duration| DomainEntry { domain, duration };
    it.domain_schedule = Some(vec![
        entry(0, Duration::Us(500)),
        entry(3, Duration::Ticks(7)),
        entry(0, Duration::EndMarker),
    ]);
    it.domain_set_start = Some(1);
    it.domain_idx_shift = Some(2);
    let object = it.objects.len();
    it.objects.push(crate::spec::NamedObject {
        name: Some("arm_smc".to_owned()),
        object: Object::ArmSmc,
    });
    it.root_objects.end += 1;
    let client = it.find("cnode_client").unwrap();
    let slots = it.objects[client].object.slots_mut().unwrap();
    let cap = Cap::ArmSmc { object };
    slots.push(Slot { slot: 7, cap });
    let record = it.find("frame_mr_record_000000000").unwrap();
    if let Object::Frame(frame) = &mut it.objects[record].object {
        frame.paddr = Some(0x7100_0000);
    }
    let tree = it.find("frame_mr_in_000000000").unwrap();
    if let Object::Frame(frame) = &mut it.objects[tree].object {
        frame.init.entries.push(tree_at(0x2000));
    }
    sample::rebuild(&mut inputs);
    inputs
}

/// The kernel's device tree from byte `offset` on, on a page.
fn tree_at(offset: u64) -> FillEntry {
    let id = "Fdt".to_owned();
    let content = Content::BootInfo { id, offset };
    FillEntry {
        range: 0..0x1000,
        content,
    }
}

/// What the checks of the image say about it that is no pass.
fn said(inputs: &Inputs) -> String {
    let facts = Facts::gather(inputs).unwrap();
    let mut out = String::new();
    for check in crate::checks::all() {
        let finding = check.apply(&facts);
        if check.id.starts_with("image-") && finding.verdict != crate::checks::Verdict::Pass {
            writeln!(out, "    {} {:?}", check.id, finding.verdict).unwrap();
            for line in finding.evidence {
                writeln!(out, "        {line}").unwrap();
            }
        }
    }
    out
}

#[test]
fn an_image_with_everything_is_what_was_listed() {
    let inputs = rich();
    assert_eq!(said(&inputs), "");
    let facts = Facts::gather(&inputs).unwrap();
    let embedded = facts.image.unwrap().embedded.unwrap();
    let (listed, found) = (inputs.spec.unwrap(), embedded.spec);
    assert_eq!(found.domain_schedule, listed.domain_schedule);
    assert_eq!(found.root_objects, listed.root_objects);
    let record = listed.find("frame_mr_record_000000000").unwrap();
    let parts = &embedded.contents[record];
    assert_eq!(parts.len(), 1);
    assert_eq!(
        (parts[0].start, &parts[0].bytes[..]),
        (0, &sample::RECORD[..])
    );
}

/// The listing of the SDK's tool, written and read again.
#[test]
fn a_listing_is_read_as_it_is_written() {
    let mut spec = rich().spec.unwrap();
    let frame = spec.find("frame_mr_in_000000000").unwrap();
    let json = spec.to_json();
    assert!(json["log_level"].is_null() && json.get("cached_orig_cap_slots").is_some());
    let again = Spec::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{spec:?}"));
    assert!(Spec::from_json(b"{}").is_err());
    assert_eq!(
        spec.name(usize::MAX),
        format!("object {} (missing)", usize::MAX)
    );
    spec.objects[frame].name = None;
    assert_eq!(spec.name(frame), format!("Frame {frame}"));
}

/// Listings name no contents where the tool was told to leave them out; the image has them.
#[test]
fn a_listing_without_contents_is_filled_in_from_the_image() {
    let inputs = rich();
    let facts = Facts::gather(&inputs).unwrap();
    let embedded = facts.image.unwrap().embedded.unwrap();
    let full = inputs.spec.clone().unwrap();
    let mut bare = full.clone();
    let record = bare.find("frame_mr_record_000000000").unwrap();
    let code = bare.find("frame_elf_client_000000000").unwrap();
    for id in [record] {
        if let Object::Frame(frame) = &mut bare.objects[id].object {
            frame.init = Fill::default();
        }
    }
    let filled = embedded.fill_in(&bare);
    assert_eq!(filled.objects[record].object, full.objects[record].object);
    // What refers to a program stays that.
    assert_eq!(filled.objects[code].object, full.objects[code].object);
}

type Change = (&'static str, fn(&mut Inputs));

fn elf(elf: &mut Option<Elf>) -> &mut Elf {
    elf.as_mut().unwrap()
}

fn frame<'a>(inputs: &'a mut Inputs, name: &str) -> &'a mut Frame {
    let spec = spec(inputs);
    let id = spec.find(name).unwrap();
    match &mut spec.objects[id].object {
        Object::Frame(frame) => frame,
        _ => unreachable!(),
    }
}

fn listed(bytes: &[u8], len: u64) -> FillEntry {
    let bytes = crate::digest::Digest::of(bytes);
    FillEntry {
        range: 0..len,
        content: Content::Data(crate::spec::Data::BytesContent { bytes }),
    }
}

const CHANGES: &[Change] = &[
    ("another part of the device tree listed", |it| {
        frame(it, "frame_mr_in_000000000").init.entries = vec![tree_at(0x3000)];
    }),
    ("a page listed as empty that is filled at boot", |it| {
        frame(it, "frame_mr_in_000000000").init.entries.clear();
    }),
    ("a page listed as filled at boot that is empty", |it| {
        frame(it, "frame_mr_out_000000000").init.entries = vec![tree_at(0)];
    }),
    ("nothing", |_| {}),
    ("a kernel with one segment more", |it| {
        let kernel = elf(&mut image(it).kernel);
        let again = kernel.segments[0].clone();
        kernel.segments.push(again);
    }),
    ("a kernel at another address", |it| {
        elf(&mut image(it).kernel).segments[0].paddr += 0x1000;
    }),
    ("a kernel that is longer", |it| {
        elf(&mut image(it).kernel).segments[0].size += 1;
    }),
    ("a kernel whose last byte is another", |it| {
        elf(&mut image(it).kernel).segments[0].data[47] ^= 1;
    }),
    ("a kernel with two other bytes", |it| {
        let kernel = elf(&mut image(it).kernel);
        kernel.segments[0].data[3] ^= 1;
        kernel.segments[0].data[9] ^= 1;
    }),
    ("no kernel", |it| image(it).kernel = None),
    ("an initialiser that starts elsewhere", |it| {
        elf(&mut image(it).initialiser).entry += 4;
    }),
    ("an initialiser without a variable", |it| {
        elf(&mut image(it).initialiser).symbols.remove(0);
    }),
    ("an initialiser with another number of entries", |it| {
        elf(&mut image(it).initialiser).symbols[1].vaddr += 8;
    }),
    (
        "an initialiser with more segments than the image has",
        |it| {
            let initialiser = elf(&mut image(it).initialiser);
            let again = initialiser.segments[0].clone();
            initialiser
                .segments
                .extend([again.clone(), again.clone(), again.clone(), again]);
        },
    ),
    ("no initialiser", |it| image(it).initialiser = None),
    ("a loader without segment", |it| {
        elf(&mut image(it).loader).segments.clear();
    }),
    ("a loader whose tables are elsewhere", |it| {
        elf(&mut image(it).loader).symbols.clear();
    }),
    (
        "a loader of which one word before the tables is another",
        |it| {
            elf(&mut image(it).loader).segments[0].data[60] ^= 1;
        },
    ),
    ("no loader", |it| image(it).loader = None),
    ("an object less listed", |it| {
        spec(it).objects.pop();
    }),
    ("another schedule listed", |it| {
        spec(it).domain_schedule.as_mut().unwrap()[1].domain = 4;
    }),
    ("another interrupt listed", |it| spec(it).irqs[0].irq = 34),
    ("another kind of object listed", |it| {
        let id = spec(it).find("ep_timer").unwrap();
        spec(it).objects[id].object = Object::Notification;
    }),
    ("another right listed", |it| {
        let id = spec(it).find("cnode_client").unwrap();
        let slots = spec(it).objects[id].object.slots_mut().unwrap();
        slots[0].cap = Cap::Notification {
            object: 1,
            badge: 0,
            rights: Rights {
                write: true,
                ..Rights::default()
            },
        };
    }),
    ("a record that is longer than its file", |it| {
        let record = frame(it, "frame_mr_record_000000000");
        record.init.entries = vec![listed(&sample::RECORD, 17)];
    }),
    ("a record that is shorter than what the page holds", |it| {
        let record = frame(it, "frame_mr_record_000000000");
        record.init.entries = vec![listed(&sample::RECORD[..15], 15)];
    }),
    ("a record behind what the page holds", |it| {
        let record = frame(it, "frame_mr_record_000000000");
        record.init.entries = vec![listed(&[0; 4], 4)];
        record.init.entries[0].range = 16..20;
    }),
    ("boot information where the page holds a record", |it| {
        let record = frame(it, "frame_mr_record_000000000");
        let (id, offset) = ("Fdt".to_owned(), 0);
        record.init.entries[0].content = Content::BootInfo { id, offset };
    }),
    ("a part that its segment does not have", |it| {
        it.programs.get_mut("client").unwrap().segments[0].size = 63;
    }),
    ("a program without its second segment", |it| {
        it.programs.get_mut("client").unwrap().segments.pop();
    }),
    ("a part that is shorter than its place", |it| {
        frame(it, "frame_elf_client_000000000").init.entries[0]
            .range
            .end = 65;
    }),
    ("a program that was not given", |it| {
        it.programs.remove("client");
    }),
    ("a variable of the program's own that is another", |it| {
        let client = it.programs.get_mut("client").unwrap();
        client.segments[1].data[4] = 9;
        client.segments[1].data[127] = 9;
    }),
    ("a release kernel", |it| image(it).needs_traps = true),
    ("bytes behind the last region", |it| {
        image(it).bytes.extend([0; 8])
    }),
];

#[test]
fn images_that_differ_in_one_place_are_refused_with_the_recorded_evidence() {
    let mut out = String::new();
    for (what, change) in CHANGES {
        let mut inputs = rich();
        change(&mut inputs);
        writeln!(out, "{what}").unwrap();
        out.push_str(&said(&inputs));
    }
    super::recorded::compare("images.txt", &out);
}

/// Pages that are filled in ways which the sample's maker does not use.
#[test]
fn what_fills_a_page_is_read_or_refused() {
    let filled = |range: std::ops::Range<u64>, content: from::FillContent| {
        let entries = vec![from::FillEntry { range, content }];
        let init = from::FrameInit::Fill(from::Fill { entries });
        with_frame(init)
    };
    let data = |bytes: Vec<u8>| from::FillContent::Data(from::Content::Bytes(bytes));
    let deflated = |bytes: &[u8]| {
        let bytes = miniz_oxide::deflate::compress_to_vec(bytes, 6);
        from::FillContent::Data(from::Content::DeflatedBytes(bytes))
    };
    let read = filled(4..7, data(vec![1, 2, 3])).unwrap();
    assert_eq!(
        (read[0].start, read[0].bytes.as_slice()),
        (4, &[1, 2, 3][..])
    );
    let read = filled(0..5, deflated(&[9; 5])).unwrap();
    assert_eq!(read[0].bytes, [9; 5]);
    for (range, content) in [
        (0..2, data(vec![1, 2, 3])),
        (0..4, data(vec![1, 2, 3])),
        (0..4, deflated(&[9; 5])),
        (0..6, deflated(&[9; 5])),
        (std::ops::Range { start: 7, end: 4 }, data(vec![])),
        (0..0x20_0001, data(vec![0; 0x20_0001])),
    ] {
        let shown = format!("{range:?}");
        assert!(filled(range, content).is_err(), "{shown}");
    }
    assert!(filled(0..0x20_0000, data(vec![0; 0x20_0000])).is_ok());
    // The second of two pages that are kept whole.
    let mut pages = vec![1; 0x1000];
    pages.extend([2; 0x1000]);
    let whole = |number| convert(from::FrameInit::Embedded(number), &pages);
    assert_eq!(whole(1).unwrap()[0].bytes, [2; 0x1000]);
    assert!(whole(2).is_err() && whole(u64::MAX).is_err());
}

fn with_frame(init: from::FrameInit) -> Result<Vec<crate::image::Part>, crate::image::ImageError> {
    convert(init, &[])
}

fn convert(
    init: from::FrameInit,
    pages: &[u8],
) -> Result<Vec<crate::image::Part>, crate::image::ImageError> {
    let object = from::Object::Frame(from::Frame {
        size_bits: 21,
        paddr: None,
        init,
    });
    let spec = from::Spec {
        objects: vec![from::NamedObject { name: None, object }],
        irqs: Vec::new(),
        domain_schedule: None,
        domain_set_start: None,
        domain_idx_shift: None,
        asid_slots: Vec::new(),
        root_objects: 0..1,
        untyped_covers: Vec::new(),
        cached_orig_cap_slots: None,
        log_level: None,
    };
    let embedded = crate::image::convert::convert(spec, pages)?;
    Ok(embedded.contents.into_iter().next().unwrap())
}
