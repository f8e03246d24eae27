// SPDX-License-Identifier: BSD-2-Clause
//! Devices, memory and programs.

use super::*;
use crate::controls::allow;
use crate::controls::memory::map;

pub(super) const DEVICES: &[Change] = &[
    ("an interrupt that nobody acknowledges", |w| {
        w.remove("cnode_driver", cptr::IRQ);
    }),
    ("an interrupt that signals nobody", |w| {
        w.remove("irq_33_driver", 0)
    }),
    ("the board's last interrupt", |w| w.spec().irqs[0].irq = 159),
    ("an interrupt behind the board's last", |w| {
        w.spec().irqs[0].irq = 160
    }),
    ("no interrupts", |w| w.spec().irqs.clear()),
    ("no devices that reach memory", |w| {
        platform(w, |it| it.dma.clear())
    }),
    ("a confined disk", |w| {
        confine(
            w,
            vec![area(0x4000_0000, 0x1000)],
            vec![area(0x4000_0000, 0x20_0000)],
        );
    }),
    ("a confined disk that reaches nothing", |w| {
        confine(w, vec![area(0x4020_0000, 0x1000)], Vec::new());
    }),
    ("a confined disk that reaches more than its window", |w| {
        confine(
            w,
            vec![area(0x401f_f000, 0x1000)],
            vec![area(0x4000_0000, 0x1000)],
        );
    }),
    (
        "a disk's registers for a driver that may only read them",
        |w| {
            confine(w, Vec::new(), Vec::new());
            w.cap("pt_driver_0x20000000", 0, |cap| {
                if let Cap::Frame { rights, .. } = cap {
                    rights.write = false;
                }
            });
        },
    ),
    ("guests' memory that is not the board's", |w| {
        platform(w, |it| it.device_ram.clear());
    }),
    ("a page right before a reserved area", |w| {
        place(w, "out", 0x7ff_f000)
    }),
    ("a page right behind a reserved area", |w| {
        place(w, "out", 0x800_1000)
    }),
    ("a page right behind the guest's memory", |w| {
        place(w, "out", 0x4020_0000)
    }),
    ("the last page of the guest's memory", |w| {
        place(w, "out", 0x401f_f000)
    }),
    ("the kernel's interrupt interface for two guests", |w| {
        place(w, "out", 0x804_0000);
    }),
];

fn place(wrong: &mut Wrong, region: &str, base: u64) {
    wrong.object(&format!("frame_mr_{region}_000000000"), |object| {
        if let Object::Frame(frame) = object {
            frame.paddr = Some(base);
        }
    });
}

/// A disk at the driver's registers that reaches `to` and is meant to use `windows`.
fn confine(wrong: &mut Wrong, to: Vec<Area>, windows: Vec<Area>) {
    platform(wrong, |it| {
        it.dma[0].registers.base = 0x900_0000;
        let by = "an IOMMU".to_owned();
        it.dma[0].confined = Some(Confinement { by, to });
        it.dma[0].windows = windows;
    });
}

pub(super) const MEMORY: &[Change] = &[
    ("a free page between a ring and the stack", |w| {
        map(w, "client", 0xff_ffff_b000, "frame_mr_in_000000000", true);
    }),
    ("a stack of two pages, a free page below", |w| {
        map(
            w,
            "client",
            0xff_ffff_c000,
            "frame_client_stack_000000001",
            true,
        );
        map(w, "client", 0xff_ffff_a000, "frame_mr_in_000000000", true);
    }),
    ("a stack of two pages, a ring right below", |w| {
        map(
            w,
            "client",
            0xff_ffff_c000,
            "frame_client_stack_000000001",
            true,
        );
        map(w, "client", 0xff_ffff_b000, "frame_mr_in_000000000", true);
    }),
    (
        "a stack of two pages, the second for another one, too",
        |w| {
            for (who, vaddr) in [("client", 0xff_ffff_c000), ("driver", 0x2100_1000)] {
                map(w, who, vaddr, "frame_client_stack_000000001", true);
            }
        },
    ),
    ("a stack pointer inside of the page", |w| {
        tcb(w, "client", |it| it.sp = 0xff_ffff_d010);
    }),
    ("a stack that can be executed", |w| {
        executable(w, 0xff_ffff_d000);
    }),
    ("an IPC buffer that can be executed", |w| {
        executable(w, 0xff_ffff_f000)
    }),
    ("an IPC buffer inside of its page", |w| {
        tcb(w, "client", |it| it.ipc_buffer_addr += 0x400);
    }),
    ("an IPC buffer that can only be read", |w| {
        w.cap("pt_client_0xffffe00000", 0x1ff, |cap| {
            if let Cap::Frame { rights, .. } = cap {
                rights.write = false;
            }
        });
    }),
    ("a ring with two readers", |w| {
        map(w, "timer", 0x20_3000, "frame_mr_in_000000000", false);
    }),
    ("a ring with two writers and a reader", |w| {
        map(w, "timer", 0x20_3000, "frame_mr_in_000000000", true);
    }),
    ("a guest's memory that a backend writes", |w| {
        w.object("frame_mr_ram_000000000", |object| {
            if let Object::Frame(frame) = object {
                frame.init.entries.clear();
            }
        });
        map(w, "timer", 0x20_3000, "frame_mr_in_000000000", true);
        w.cap("pt_timer_0x200000", 3, |cap| allow(cap, true, true, true));
    }),
    ("two pages of one region in a row", |w| {
        map(w, "client", 0x2200_1000, "frame_mr_in_000000001", true);
        map(w, "driver", 0x2200_1000, "frame_mr_in_000000001", false);
    }),
    ("two pages of one region, the second at one end only", |w| {
        map(w, "client", 0x2200_1000, "frame_mr_in_000000001", true);
    }),
    ("two pages of one region in a row, with other rights", |w| {
        map(w, "client", 0x2200_1000, "frame_mr_in_000000001", true);
        map(w, "driver", 0x2200_1000, "frame_mr_in_000000001", true);
    }),
];

fn executable(wrong: &mut Wrong, vaddr: u64) {
    wrong.cap("pt_client_0xffffe00000", vaddr >> 12 & 0x1ff, |cap| {
        if let Cap::Frame { executable, .. } = cap {
            *executable = true;
        }
    });
}

fn client(wrong: &mut Wrong, change: impl FnOnce(&mut crate::elf::Elf)) {
    change(wrong.inputs.programs.get_mut("client").unwrap());
}

pub(super) const PROGRAMS: &[Change] = &[
    ("a program that starts at its first instruction", |w| {
        client(w, |it| it.entry = sample::CODE);
        tcb(w, "client", |it| it.ip = sample::CODE);
    }),
    ("a program that starts behind its last instruction", |w| {
        client(w, |it| it.entry = sample::CODE + 64);
        tcb(w, "client", |it| it.ip = sample::CODE + 64);
    }),
    ("a program that starts in its data", |w| {
        client(w, |it| it.entry = sample::DATA);
        tcb(w, "client", |it| it.ip = sample::DATA);
    }),
    ("a program without a variable", |w| {
        client(w, |it| {
            it.symbols.retain(|symbol| symbol.name != "microkit_pps")
        });
    }),
    ("a program without a name", |w| {
        client(w, |it| {
            it.symbols.retain(|symbol| symbol.name != "microkit_name")
        });
    }),
    ("a program that fills its pages", |w| {
        client(w, |it| it.segments[0].size = 0x1000)
    }),
    ("a segment without bytes", |w| {
        client(w, |it| it.segments[1].size = 0)
    }),
    ("a program that is mapped uncached", |w| {
        w.cap("pt_client_0x200000", 0, |cap| {
            if let Cap::Frame { cached, .. } = cap {
                *cached = false;
            }
        });
    }),
    ("a client with one more signal than it is told of", |w| {
        let it = signal(w, "ntfn_driver", 1 << 6);
        w.put("cnode_client", cptr::NOTIFY + 9, it);
    }),
    ("no programs", |w| w.inputs.programs.clear()),
    ("no image", |w| w.inputs.image = None),
];
