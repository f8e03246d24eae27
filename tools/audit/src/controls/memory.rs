// SPDX-License-Identifier: BSD-2-Clause
//! Memory and devices in the wrong hands.

use super::{Control, Wrong, allow};
use crate::spec::{ArmIrq, ArmIrqExtra, Cap, Fill, Frame, IrqEntry, Object, Rights, Slot};
use crate::system::cptr;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        check: "memory-overlap",
        mutation: "a page inside of the guest's memory",
        make: |wrong| place(wrong, "frame_mr_out_000000000", 0x4000_1000),
    },
    Control {
        check: "memory-reserved",
        mutation: "the interrupt controller's distributor for the driver",
        make: |wrong| place(wrong, "frame_mr_uart_000000000", 0x800_0000),
    },
    Control {
        check: "memory-reserved",
        mutation: "a page where the kernel is",
        make: |wrong| place(wrong, "frame_mr_out_000000000", 0x6000_0000),
    },
    Control {
        check: "memory-wx",
        mutation: "a ring that its writer may execute",
        make: |wrong| {
            mapped(wrong, "driver", 0x2100_0000, |cap| {
                if let Cap::Frame { executable, .. } = cap {
                    *executable = true;
                }
            })
        },
    },
    Control {
        check: "memory-code",
        mutation: "the client's code, writable by the driver",
        make: |wrong| {
            map(
                wrong,
                "driver",
                0x2100_1000,
                "frame_elf_client_000000000",
                true,
            )
        },
    },
    Control {
        check: "memory-private",
        mutation: "the client's stack, readable by the driver",
        make: |wrong| {
            map(
                wrong,
                "driver",
                0x2100_1000,
                "frame_client_stack_000000000",
                false,
            )
        },
    },
    Control {
        check: "memory-private",
        mutation: "the client's IPC buffer, readable by the driver",
        make: |wrong| map(wrong, "driver", 0x2100_1000, "frame_ipcbuf_client", false),
    },
    Control {
        check: "memory-writers",
        mutation: "a ring that both ends may write",
        make: |wrong| {
            mapped(wrong, "client", 0x2100_0000, |cap| {
                allow(cap, false, true, false)
            })
        },
    },
    Control {
        check: "memory-attributes",
        mutation: "device registers through the cache",
        make: |wrong| mapped(wrong, "driver", 0x2000_0000, uncache),
    },
    Control {
        check: "memory-attributes",
        mutation: "a ring cached at one end only",
        make: |wrong| mapped(wrong, "driver", 0x2100_0000, uncache),
    },
    Control {
        check: "stack-guard",
        mutation: "a ring right below the stack",
        make: |wrong| {
            map(
                wrong,
                "client",
                0xff_ffff_c000,
                "frame_mr_in_000000000",
                true,
            )
        },
    },
    Control {
        check: "stack-guard",
        mutation: "a thread without stack",
        make: |wrong| {
            wrong.object("tcb_client", |object| {
                if let Object::Tcb(tcb) = object {
                    tcb.extra.sp = 0x1000;
                }
            })
        },
    },
    Control {
        check: "ipc-buffer",
        mutation: "an IPC buffer that is elsewhere",
        make: |wrong| {
            wrong.object("tcb_client", |object| {
                if let Object::Tcb(tcb) = object {
                    tcb.extra.ipc_buffer_addr -= 0x1000;
                }
            })
        },
    },
    Control {
        check: "device-owner",
        mutation: "device registers for two",
        make: |wrong| {
            map(
                wrong,
                "client",
                0x2100_1000,
                "frame_mr_uart_000000000",
                false,
            )
        },
    },
    Control {
        check: "irq-owner",
        mutation: "an interrupt that two may acknowledge",
        make: |wrong| {
            let object = wrong.id("irq_33_driver");
            wrong.put("cnode_client", cptr::IRQ, Cap::ArmIrqHandler { object });
        },
    },
    Control {
        check: "irq-owner",
        mutation: "an interrupt that signals somebody else",
        make: |wrong| {
            let object = wrong.id("ntfn_client");
            wrong.cap("irq_33_driver", 0, |cap| {
                if let Cap::Notification { object: to, .. } = cap {
                    *to = object;
                }
            });
        },
    },
    Control {
        check: "irq-owner",
        mutation: "an interrupt with two objects",
        make: |wrong| {
            let again = wrong.spec().irqs.first().copied();
            wrong.spec().irqs.extend(again);
        },
    },
    Control {
        check: "irq-reserved",
        mutation: "the kernel's timer interrupt",
        make: |wrong| number(wrong, 26),
    },
    Control {
        check: "irq-reserved",
        mutation: "interrupt 300",
        make: |wrong| number(wrong, 300),
    },
    Control {
        check: "secure-calls",
        mutation: "a client that may call the firmware",
        make: |wrong| {
            let object = wrong.add("arm_smc", Object::ArmSmc);
            wrong.put("cnode_client", cptr::SMC, Cap::ArmSmc { object });
        },
    },
    Control {
        check: "dma",
        mutation: "a disk that nothing confines",
        make: |wrong| {
            place(wrong, "frame_mr_uart_000000000", 0xa00_0000);
        },
    },
    Control {
        check: "integrity-p7",
        mutation: "an interrupt for the client",
        make: |wrong| {
            let object = wrong.id("ntfn_client");
            let rights = Rights {
                write: true,
                ..Rights::default()
            };
            let slots = vec![Slot {
                slot: 0,
                cap: Cap::Notification {
                    object,
                    badge: 8,
                    rights,
                },
            }];
            let extra = ArmIrqExtra {
                trigger: 0,
                target: 0,
            };
            let handler = wrong.add("irq_40_client", Object::ArmIrq(ArmIrq { slots, extra }));
            wrong.spec().irqs.push(IrqEntry { irq: 40, handler });
        },
    },
];

fn place(wrong: &mut Wrong, frame: &str, base: u64) {
    wrong.object(frame, |object| {
        if let Object::Frame(frame) = object {
            frame.paddr = Some(base);
        }
    });
}

fn number(wrong: &mut Wrong, number: u64) {
    for entry in &mut wrong.spec().irqs {
        entry.irq = number;
    }
}

fn uncache(cap: &mut Cap) {
    if let Cap::Frame { cached, .. } = cap {
        *cached = !*cached;
    }
}

/// The table that has the small page at `vaddr`.
fn leaf(who: &str, vaddr: u64) -> String {
    format!("pt_{who}_{:#x}", vaddr >> 21 << 21)
}

fn mapped(wrong: &mut Wrong, who: &str, vaddr: u64, change: impl FnOnce(&mut Cap)) {
    wrong.cap(&leaf(who, vaddr), vaddr >> 12 & 0x1ff, change);
}

/// Maps a small page where there is a table for it.
pub(super) fn map(wrong: &mut Wrong, who: &str, vaddr: u64, frame: &str, write: bool) {
    let known = wrong.spec().find(frame);
    let object = known.unwrap_or_else(|| {
        wrong.add(
            frame,
            Object::Frame(Frame {
                size_bits: 12,
                paddr: None,
                init: Fill::default(),
            }),
        )
    });
    let cached = !frame.contains("uart");
    let rights = Rights {
        read: true,
        write,
        ..Rights::default()
    };
    wrong.put(
        &leaf(who, vaddr),
        vaddr >> 12 & 0x1ff,
        Cap::Frame {
            object,
            rights,
            cached,
            executable: false,
        },
    );
}
