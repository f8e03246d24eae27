// SPDX-License-Identifier: BSD-2-Clause
//! Programs and images that are not what was given.

use super::{Control, Wrong};
use crate::image::LoaderImage;
use crate::report::{Image, Sel4Image};
use crate::sample;
use crate::spec::Object;
use crate::system::cptr;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        check: "elf-segments",
        mutation: "a program whose data can be executed",
        make: |wrong| program(wrong, |elf| elf.segments[1].flags.execute = true),
    },
    Control {
        check: "elf-segments",
        mutation: "a program with two segments on one page",
        make: |wrong| program(wrong, |elf| elf.segments[0].size = 0x1001),
    },
    Control {
        check: "elf-mapping",
        mutation: "a program that starts elsewhere",
        make: |wrong| program(wrong, |elf| elf.entry += 4),
    },
    Control {
        check: "elf-mapping",
        mutation: "a program with read-only data that is mapped writable",
        make: |wrong| program(wrong, |elf| elf.segments[1].flags.write = false),
    },
    Control {
        check: "elf-mapping",
        mutation: "a program that is longer than what is mapped",
        make: |wrong| program(wrong, |elf| elf.segments[1].size = 0x1001),
    },
    Control {
        check: "elf-told",
        mutation: "a driver that is told of an interrupt which it does not have",
        make: |wrong| wrong.remove("cnode_driver", cptr::IRQ),
    },
    Control {
        check: "elf-told",
        mutation: "a client that is told another name",
        make: |wrong| flip(wrong, 3, 0x1000 + 32),
    },
    Control {
        check: "image-readable",
        mutation: "an image that is cut short",
        make: |wrong| image(wrong, |image| image.bytes.truncate(image.bytes.len() - 1)),
    },
    Control {
        check: "image-readable",
        mutation: "a distribution whose root leads nowhere",
        make: |wrong| {
            for back in 1..=96 {
                flip_behind(wrong, 2, |len| len - back);
            }
        },
    },
    Control {
        check: "image-loader",
        mutation: "a loader with an instruction changed",
        make: |wrong| image(wrong, |image| image.bytes[0] ^= 1),
    },
    Control {
        check: "image-kernel",
        mutation: "a kernel with a byte changed",
        make: |wrong| flip(wrong, 0, 40),
    },
    Control {
        check: "image-kernel",
        mutation: "a kernel that is entered elsewhere",
        make: |wrong| {
            image(wrong, |image| {
                image.kernel.iter_mut().for_each(|elf| elf.entry += 4)
            })
        },
    },
    Control {
        check: "image-initialiser",
        mutation: "an initialiser with a byte changed",
        make: |wrong| flip(wrong, 1, 20),
    },
    Control {
        check: "image-initialiser",
        mutation: "an initialiser that reads another table",
        make: |wrong| flip(wrong, 1, 1),
    },
    Control {
        check: "image-spec",
        mutation: "an image with a priority that was not listed",
        make: |wrong| {
            wrong.object("tcb_client", |object| {
                if let Object::Tcb(tcb) = object {
                    tcb.extra.prio -= 1;
                }
            })
        },
    },
    Control {
        check: "image-spec",
        mutation: "an image with one capability more than listed",
        make: |wrong| {
            let cap = wrong.tcb("tcb_driver");
            let listed = wrong.inputs.spec.clone();
            wrong.put("cnode_client_root", 1, cap);
            sample::rebuild(&mut wrong.inputs);
            wrong.inputs.spec = listed;
        },
    },
    Control {
        check: "image-contents",
        mutation: "a program exchanged after the image was made",
        make: |wrong| program(wrong, |elf| elf.segments[0].data[10] ^= 1),
    },
    Control {
        check: "image-contents",
        mutation: "a record other than the one that was listed",
        make: |wrong| {
            let other = crate::digest::Digest::of(&[8; 16]);
            wrong.object("frame_mr_record_000000000", |object| {
                if let Object::Frame(frame) = object {
                    let content = crate::spec::Data::BytesContent { bytes: other };
                    frame.init.entries[0].content = crate::spec::Content::Data(content);
                }
            });
        },
    },
    Control {
        check: "image-contents",
        mutation: "bytes behind the end of a program",
        make: |wrong| flip(wrong, 3, 100),
    },
    Control {
        check: "image-traps",
        mutation: "a release kernel without anything that sets the traps",
        make: |wrong| image(wrong, |image| image.needs_traps = true),
    },
    Control {
        check: "image-traps",
        mutation: "a loader that branches elsewhere first",
        make: |wrong| {
            image(wrong, |image| {
                image.bytes[8..12].copy_from_slice(&0x1400_0004_u32.to_le_bytes())
            })
        },
    },
];

fn program(wrong: &mut Wrong, change: impl FnOnce(&mut crate::elf::Elf)) {
    if let Some(elf) = wrong.inputs.programs.get_mut("client") {
        change(elf);
    }
}

fn image(wrong: &mut Wrong, change: impl FnOnce(&mut Sel4Image)) {
    if let Some(Image::Sel4(image)) = &mut wrong.inputs.image {
        change(image);
    }
}

/// Changes a byte of a region.
fn flip(wrong: &mut Wrong, region: usize, at: usize) {
    flip_behind(wrong, region, |_| at);
}

/// Changes a byte of a region, whose place depends on the region's length.
fn flip_behind(wrong: &mut Wrong, region: usize, at: impl FnOnce(usize) -> usize) {
    image(wrong, |image| {
        let Ok(parsed) = LoaderImage::parse(&image.bytes) else {
            return;
        };
        let lens: Vec<usize> = parsed
            .regions
            .iter()
            .map(|region| region.bytes.len())
            .collect();
        let start = parsed.rest_at - lens[region..].iter().sum::<usize>();
        let at = start + at(lens[region]);
        image.bytes[at] ^= 0xff;
    });
}
