// SPDX-License-Identifier: BSD-2-Clause
//! The table: guests and their devices.

use super::table::{CPU, CRITICALITY, NAME, PRIORITY, TIME, default, optional, required};
use super::{Attribute, Count, Element};
use crate::value::Kind;

static IMAGE: Element = Element {
    name: "image",
    doc: "What the guest boots. The build prepares it, places it in the guest's memory and generates its device tree.",
    attributes: &[&[
        required(
            "recipe",
            Kind::Name,
            "A folder of images/guests with a guest.toml.",
        ),
        optional(
            "cmdline",
            Kind::Text,
            "the recipe's",
            "The kernel's command line.",
        ),
    ]],
    children: &[],
};

const TO_DOC: &str = "The service that is behind it.";
const ONLY: &str = "the only one there is";
static SLOT: [Attribute; 1] = [optional(
    "slot",
    Kind::Number(0, 31),
    "the next free one",
    "virtio-mmio slot of QEMU's virt machine: registers at 0x0a00_0000 + slot × 0x200, interrupt 48 + slot.",
)];
static TO: [Attribute; 1] = [optional("to", Kind::Ref, ONLY, TO_DOC)];
static FROM: [Attribute; 1] = [optional("from", Kind::Ref, ONLY, TO_DOC)];

static CONSOLE: Element = Element {
    name: "console",
    doc: "A virtio console (hvc0 in Linux) with a stream of its own at the console service.",
    attributes: &[&TO, &SLOT],
    children: &[],
};

static UART: Element = Element {
    name: "uart",
    doc: "A PL011 at 0x0900_0000 (ttyAMA0 in Linux), emulated by the guest's monitor.",
    attributes: &[&TO],
    children: &[],
};

static DISK: Element = Element {
    name: "disk",
    doc: "A virtio block device over one partition of a disk. The device reaches the guest's memory itself.",
    attributes: &[
        &FROM,
        &SLOT,
        &[
            required(
                "partition",
                Kind::Name,
                "Label of the GPT partition, at most 36 characters.",
            ),
            default(
                "access",
                Kind::Choice(&["ro", "rw"]),
                "ro",
                "Whether the guest may write it.",
            ),
            optional(
                "serial",
                Kind::Text,
                "none",
                "Serial number that the guest reads, at most 20 bytes.",
            ),
            default(
                "write_cache",
                Kind::Number(0, 1),
                "1",
                "1: the guest flushes when it needs data to be safe. 0: every write is.",
            ),
        ],
    ],
    children: &[],
};

static NIC: Element = Element {
    name: "nic",
    doc: "A virtio network device at a port of a switch.",
    attributes: &[
        &TO,
        &SLOT,
        &[
            required(
                "mac",
                Kind::Mac,
                "Its address, and the only source address that the port accepts.",
            ),
            optional(
                "allow",
                Kind::Refs,
                "all",
                "Ports that it talks with, if they do not leave it out of theirs.",
            ),
            default(
                "vlan",
                Kind::Number(0, 4094),
                "0",
                "VLAN of the port; 0: untagged frames only.",
            ),
            optional(
                "rate",
                Kind::Rate,
                "no limit",
                "What the port may send on average.",
            ),
            optional(
                "burst",
                Kind::Size(2048, 1 << 30),
                "the switch's choice",
                "What it may send at once.",
            ),
            optional(
                "storm",
                Kind::Number(1, 10_000_000),
                "no limit",
                "Broadcast and multicast frames per second that it may send.",
            ),
            default("mtu", Kind::Number(68, 1500), "1500", "Longest packet."),
        ],
    ],
    children: &[],
};

static VSOCK: Element = Element {
    name: "vsock",
    doc: "A virtio socket device: connections to other guests and to services by context id.",
    attributes: &[
        &TO,
        &SLOT,
        &[
            required("cid", Kind::Number(3, 0xffff_fffe), "Its context id."),
            optional(
                "allow",
                Kind::Refs,
                "none",
                "Ports that it may open connections to; what travels on them goes both ways.",
            ),
        ],
    ],
    children: &[],
};

static RNG: Element = Element {
    name: "rng",
    doc: "A virtio entropy device.",
    attributes: &[
        &FROM,
        &SLOT,
        &[optional(
            "rate",
            Kind::Rate,
            "the driver's choice",
            "Entropy that it may use on average.",
        )],
    ],
    children: &[],
};

static WATCHDOG: Element = Element {
    name: "watchdog",
    doc: "A watchdog that the guest must feed. Not offered yet.",
    attributes: &[&[
        required(
            "timeout",
            Kind::Time(1000, 3_600_000_000),
            "Longest time without a sign of life.",
        ),
        default(
            "on-expiry",
            Kind::Choice(&["restart", "stop", "report"]),
            "restart",
            "What happens then.",
        ),
    ]],
    children: &[],
};

static GUEST_OWN: [Attribute; 6] = [
    required(
        "memory",
        Kind::Size(0x20_0000, 0x80_0000_0000),
        "RAM, from 0x4000_0000 on; a multiple of 2 MiB is mapped in large pages.",
    ),
    default("vcpus", Kind::Number(1, 8), "1", "Virtual processors."),
    default(
        "priority",
        PRIORITY,
        "100",
        "Of its vCPUs; its monitor and backends come just above.",
    ),
    default(
        "budget",
        TIME,
        "16ms",
        "Time that a vCPU may run in each period.",
    ),
    optional(
        "period",
        TIME,
        "20ms; the budget's where that is given",
        "The same as the budget: no limit.",
    ),
    optional(
        "phys_addr",
        Kind::Size(0, 0xff_ffff_ffff),
        "chosen where a device needs one, from the board's device RAM first",
        "Physical address of its RAM.",
    ),
];

pub(super) static GUEST: Element = Element {
    name: "guest",
    doc: "A virtual machine as QEMU's `virt`, with a monitor and a backend per device of its own.",
    attributes: &[&NAME, &GUEST_OWN, &CPU, &CRITICALITY],
    children: &[
        (&IMAGE, Count::One),
        (&CONSOLE, Count::Maybe),
        (&UART, Count::Maybe),
        (&DISK, Count::Any),
        (&NIC, Count::Any),
        (&VSOCK, Count::Maybe),
        (&RNG, Count::Maybe),
        (&WATCHDOG, Count::Maybe),
    ],
};
