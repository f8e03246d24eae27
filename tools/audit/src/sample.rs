// SPDX-License-Identifier: BSD-2-Clause
//! A small system on which every check passes and that controls make wrong: a guest with its monitor
//! below a supervisor, a driver with a device and a client, a passive server. All capabilities have
//! least rights, all threads are limited.

mod archive;
mod image;
mod layout;
mod maker;
#[cfg(test)]
pub(crate) mod measured;

use std::collections::BTreeMap;

use crate::elf::{Elf, Flags, Segment, Symbol};
use crate::flow::{Policy, Statement};
use crate::platform::{Area, DmaMaster, Platform};
use crate::report::{Image, Inputs};
use crate::system::System;

/// First address of every program's code.
pub(crate) const CODE: u64 = 0x20_0000;
/// First address of every program's data.
pub(crate) const DATA: u64 = 0x20_1000;
/// What the driver's record holds.
pub(crate) const RECORD: [u8; 16] = [7; 16];

/// The inputs of an audit of the system.
#[must_use]
pub(crate) fn inputs() -> Inputs {
    let spec = layout::spec();
    let system = System::from_spec(&spec);
    let names = ["client", "driver", "monitor", "safety", "timer", "vmm"];
    let programs: BTreeMap<String, Elf> = names
        .iter()
        .map(|name| ((*name).to_owned(), program()))
        .collect();
    Inputs {
        image: Some(Image::Sel4(image::make(&spec, &system, &programs))),
        spec: Some(spec),
        programs,
        platform: platform(),
        policy: policy(),
    }
}

/// Makes the image anew after the distribution has been changed, so that both say the same.
pub(crate) fn rebuild(inputs: &mut Inputs) {
    if let Some(spec) = &inputs.spec {
        let made = image::make(spec, &System::from_spec(spec), &inputs.programs);
        inputs.image = Some(Image::Sel4(made));
    }
}

/// A program with all of Microkit's variables.
fn program() -> Elf {
    let sizes = [
        ("microkit_irqs", 8),
        ("microkit_notifications", 8),
        ("microkit_pps", 8),
        ("microkit_ioports", 8),
        ("microkit_name", 64),
        ("microkit_passive", 1),
        ("bulkhead_record", 8),
    ];
    let mut vaddr = DATA;
    let symbols = sizes.map(|(name, size)| {
        let symbol = Symbol {
            name: name.to_owned(),
            vaddr,
            size,
        };
        vaddr += size;
        symbol
    });
    Elf {
        entry: CODE + 4,
        segments: vec![
            segment(CODE, vec![0xc0; 64], 64, true),
            segment(DATA, vec![0; 128], 256, false),
        ],
        symbols: symbols.into(),
    }
}

/// A segment of code, or of data.
fn segment(vaddr: u64, data: Vec<u8>, size: u64, code: bool) -> Segment {
    Segment {
        vaddr,
        paddr: vaddr,
        data,
        size,
        flags: Flags {
            read: true,
            write: !code,
            execute: code,
        },
    }
}

fn area(name: &str, base: u64, size: u64) -> Area {
    Area {
        name: name.to_owned(),
        base,
        size,
    }
}

fn platform() -> Platform {
    Platform {
        name: "sample".to_owned(),
        ram: vec![area("RAM", 0x6000_0000, 0x6000_0000)],
        device_ram: vec![area("guests' RAM", 0x4000_0000, 0x2000_0000)],
        reserved: vec![area("interrupt controller", 0x800_0000, 0x1000)],
        banked: vec![area("virtual interrupt interface", 0x804_0000, 0x2000)],
        max_irq: 159,
        reserved_irqs: vec![25, 26, 27],
        cores: 1,
        dma: vec![DmaMaster {
            name: "disk".to_owned(),
            registers: area("disk registers", 0xa00_0000, 0x1000),
            confined: None,
            windows: Vec::new(),
        }],
    }
}

fn policy() -> Policy {
    let statement = |from: &str, to: &str| Statement {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let group = ["g_0", "vmm"].map(str::to_owned).to_vec();
    let trusted = ["safety", "monitor"];
    let everybody = ["guest", "client", "driver", "timer", "safety"];
    let up_and_down = everybody.iter().flat_map(|who| {
        trusted
            .iter()
            .flat_map(move |t| [statement(who, t), statement(t, who)])
    });
    Policy {
        groups: BTreeMap::from([("guest".to_owned(), group)]),
        separators: vec!["safety".to_owned()],
        deny: vec![statement("guest", "client"), statement("driver", "guest")],
        allow: up_and_down
            .chain([
                statement("client", "driver"),
                statement("driver", "client"),
                statement("client", "timer"),
                statement("timer", "client"),
            ])
            .collect(),
    }
}
