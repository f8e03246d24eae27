// SPDX-License-Identifier: BSD-2-Clause
//! The network switch under any frames, any policies and peers that lie. What arrives was sent by
//! another port that may talk to this one, in its VLAN and under an address of its own; and each
//! frame that a port sent is counted once.

use std::sync::OnceLock;

use frames::fake::FakeLink;
use frames::{Meta, Port, Shape, Status};
use net_switch::NetSwitch;
use pd::fake::{FakeKernel, World};
use pd::{Handler, Message};
use shm::{Region, Ro, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};

use crate::memory::{bounded, lie};
use crate::script::Script;

const PORTS: usize = 4;
const SLOTS: u32 = 16;
const TIMER: u64 = 60;

/// Roles of a port.
struct Roles {
    name: &'static str,
    regions: [&'static str; 2],
    texts: [&'static str; 3],
    values: [&'static str; 4],
}

macro_rules! roles {
    ($name:literal) => {
        Roles {
            name: $name,
            regions: [concat!($name, ".out"), concat!($name, ".in")],
            texts: [
                concat!($name, ".kind"),
                concat!($name, ".mac"),
                concat!($name, ".allow"),
            ],
            values: [
                concat!($name, ".vlan"),
                concat!($name, ".rate"),
                concat!($name, ".storm"),
                concat!($name, ".mtu"),
            ],
        }
    };
}

const ROLES: [Roles; PORTS] = [roles!("p0"), roles!("p1"), roles!("p2"), roles!("p3")];
/// The address of each port that has one.
const MACS: [&str; PORTS] = [
    "02:00:00:00:00:00",
    "02:00:00:00:00:01",
    "02:00:00:00:00:02",
    "02:00:00:00:00:03",
];

/// What a port may do.
#[derive(Clone, Copy, Debug)]
struct Policy {
    guest: bool,
    closed: bool,
    /// The only port that it talks to.
    allow: Option<usize>,
    vlan: u16,
    rate: u64,
    storm: u64,
    mtu: u16,
}

impl Policy {
    fn choose(script: &mut Script<'_>) -> Self {
        let [kind, allow, vlan, limits] = script.array();
        Self {
            guest: kind & 3 != 0,
            closed: kind & 7 > 1,
            allow: (allow & 0x18 == 0x18).then_some(usize::from(allow & 3)),
            vlan: u16::from(if vlan & 0x30 == 0 { vlan & 3 } else { 0 }),
            rate: if limits & 3 == 3 { 20_000 } else { 0 },
            storm: if limits & 12 == 12 { 2 } else { 0 },
            mtu: if limits & 0x30 == 0x30 { 100 } else { 1500 },
        }
    }

    fn add(&self, world: &mut World, port: usize) {
        let Roles {
            texts: [kind, mac, allow],
            values,
            ..
        } = ROLES[port];
        world.text(kind, if self.guest { "guest" } else { "uplink" });
        if self.closed {
            world.text(mac, MACS[port]);
        }
        if let Some(other) = self.allow {
            world.text(allow, ROLES[other].name);
        }
        let numbers = [self.vlan.into(), self.rate, self.storm, self.mtu.into()];
        for (role, number) in values.into_iter().zip(numbers) {
            world.value(role, number);
        }
    }

    const fn is_trunk(&self) -> bool {
        !self.guest && self.vlan == 0
    }

    fn lists(&self, other: usize) -> bool {
        self.allow.is_none_or(|only| only == other)
    }
}

/// A frame that was sent.
#[derive(Clone, Debug)]
struct Sent {
    from: usize,
    bytes: Vec<u8>,
}

/// Kinds of events of which there is one for each frame that a port sent. Names are slow to find,
/// and the same for all switches.
static FATES: OnceLock<Vec<u32>> = OnceLock::new();

fn fates(view: &View<'_, Region<Ro>>) -> Vec<u32> {
    let fates = [
        "Received",
        "Spoofed",
        "Malformed",
        "BadVlan",
        "OverRate",
        "Storm",
        "NoWay",
    ];
    let is_fate = |kind: &u32| {
        let mut buffer = [0; 64];
        let name = view.name(*kind, &mut buffer).unwrap_or_default();
        let fate = name.split_once('.');
        fate.is_some_and(|(port, what)| port.starts_with("port") && fates.contains(&what))
    };
    let kinds: Vec<u32> = (0..view.kinds()).filter(is_fate).collect();
    assert!(
        kinds.len() >= fates.len() * PORTS,
        "the switch has other names"
    );
    kinds
}

struct Rig {
    switch: NetSwitch,
    kernel: FakeKernel,
    policies: [Policy; PORTS],
    links: [FakeLink; PORTS],
    ends: [Port; PORTS],
    trace: Region<Rw>,
    timer: bool,
    sent: Vec<Sent>,
    honest: bool,
}

#[expect(clippy::expect_used, reason = "test support")]
fn create(
    policies: &[Policy; PORTS],
    links: &[FakeLink; PORTS],
    trace: Region<Rw>,
    timer: bool,
) -> NetSwitch {
    let mut world = World::new();
    world.region_rw("trace", trace);
    if timer {
        world.channel("timer", TIMER);
    }
    for (port, (policy, link)) in policies.iter().zip(links).enumerate() {
        let Roles {
            name,
            regions: [out, input],
            ..
        } = ROLES[port];
        world
            .text("port", name)
            .region_rw(out, link.first)
            .region_ro(input, link.second)
            .channel(name, port as u64);
        policy.add(&mut world, port);
    }
    world.create().expect("the record is complete")
}

#[expect(clippy::expect_used, reason = "test support")]
impl Rig {
    fn new(script: &mut Script<'_>) -> Self {
        let policies = [(); PORTS].map(|()| Policy::choose(script));
        let links = [(); PORTS].map(|()| FakeLink::new(Shape::NET, SLOTS));
        let channel = ChannelId::new(1).expect("below 62");
        let trace = fake::region(0x4000);
        let timer = script.chance(2);
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| Message::new(timer::OK));
        let mut rig = Self {
            switch: create(&policies, &links, trace, timer),
            kernel,
            policies,
            links,
            ends: links.each_ref().map(|link| link.second(channel)),
            trace,
            timer,
            sent: Vec::new(),
            honest: true,
        };
        for end in &mut rig.ends {
            end.set_status(Status {
                up: true,
                link: true,
                csum: script.chance(2),
                mtu: 0,
            });
        }
        bounded(|| rig.switch.init(&mut rig.kernel));
        rig
    }

    /// A port sends a frame: addresses of its own, of others, of groups; with tags or without.
    fn send(&mut self, script: &mut Script<'_>) {
        let [from, dst, src, kind] = script.array();
        let from = usize::from(from) % PORTS;
        let mac = |choice: u8, own: usize| match choice % 8 {
            0..=3 => [2, 0, 0, 0, 0, choice % 4],
            4 => [2, 0, 0, 0, 0, own.to_le_bytes()[0]],
            5 => [0xff; 6],
            6 => [1, 0x80, 0xc2, 0, 0, choice >> 3],
            _ => [choice, 0, 0, 0, 0, 0x20],
        };
        let src = if src & 0x80 == 0 { 4 } else { src };
        let mut bytes = [mac(dst, from), mac(src, from)].concat();
        match kind & 7 {
            0 => bytes.extend([0x81, 0, kind >> 6, kind >> 4 & 3]),
            1 => bytes.extend([0x88, 0xa8, 0, 1, 0x81, 0, 0, 1]),
            2 => bytes.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]),
            3 => bytes.truncate(usize::from(kind >> 3)),
            _ => {}
        }
        bytes.extend([0x88, 0xb5]);
        bytes.extend(script.bytes(80));
        if kind & 0x88 == 0x88 {
            bytes.resize(1400 + usize::from(kind & 0x77), kind);
        }
        let number = u32::try_from(self.sent.len()).unwrap_or(0);
        bytes.extend(number.to_le_bytes());
        let meta = if script.chance(4) {
            let [flags, start, offset] = script.array();
            Meta {
                flags: u16::from(flags & 3),
                csum_start: u16::from(start),
                csum_offset: u16::from(offset),
                ..Meta::default()
            }
        } else {
            Meta::default()
        };
        if self.ends[from].tx.send(&bytes, meta) {
            self.sent.push(Sent { from, bytes });
            self.ends[from].flush(&mut self.kernel);
        }
    }

    fn activate(&mut self, bits: u64) {
        self.kernel.take_calls();
        let channels = ChannelSet::from_badge(bits);
        bounded(|| self.switch.notified(&mut self.kernel, channels));
        let calls = self.kernel.take_calls().len();
        assert!(calls <= 64 * PORTS, "{calls} kernel calls");
        for port in 0..PORTS {
            self.receive(port);
        }
    }

    /// What arrived at a port was sent by one that may.
    fn receive(&mut self, to: usize) {
        for _ in 0..SLOTS {
            let Some(frame) = self.ends[to].rx.peek() else {
                break;
            };
            let mut bytes = vec![0; frame.len()];
            let _ = frame.bytes.copy_in(0, &mut bytes);
            let meta = frame.meta;
            self.ends[to].rx.advance();
            if self.honest && !meta.needs_csum() {
                self.judge(to, &bytes);
            }
        }
        let _ = self.ends[to].rx.release();
    }

    fn judge(&self, to: usize, bytes: &[u8]) {
        let number = bytes.last_chunk().map(|tail| u32::from_le_bytes(*tail));
        let sent = number.and_then(|number| self.sent.get(number as usize));
        // A checksum that the switch put in may be where the number was.
        let Some(sent) = sent.filter(|sent| bytes.get(..12) == sent.bytes.get(..12)) else {
            return;
        };
        let (from, to_policy) = (&self.policies[sent.from], &self.policies[to]);
        assert_ne!(sent.from, to, "a frame came back");
        assert!(
            from.lists(to) && to_policy.lists(sent.from),
            "{sent:?} to {to}"
        );
        let (dst, src) = (&bytes[..6], &bytes[6..12]);
        let own = [2, 0, 0, 0, 0, sent.from.to_le_bytes()[0]];
        assert!(
            !(from.guest && from.closed) || src == own,
            "spoofed: {sent:?}"
        );
        let owned = |port: &usize| self.policies[*port].closed && *port != sent.from;
        let foreign = (0..PORTS)
            .filter(owned)
            .any(|port| src == [2, 0, 0, 0, 0, port.to_le_bytes()[0]]);
        assert!(!foreign, "another port's address: {sent:?}");
        assert!(dst[..5] != [1, 0x80, 0xc2, 0, 0] || dst[5] > 15, "{sent:?}");
        let trunks = from.is_trunk() || to_policy.is_trunk();
        assert!(trunks || from.vlan == to_policy.vlan, "VLANs mix: {sent:?}");
        let most = usize::from(to_policy.mtu) + 18;
        assert!(bytes.len() <= most, "longer than the MTU: {sent:?}");
    }

    /// Every frame that was sent is counted once.
    fn audit(&mut self) {
        self.kernel.advance(u64::from(u32::MAX));
        for _ in 0..64 {
            self.activate(0xf | 1 << TIMER);
            self.kernel.advance(u64::from(u32::MAX));
        }
        let trace = self.trace.read_only();
        let Ok(view) = View::new(&trace) else {
            return;
        };
        let kinds = FATES.get_or_init(|| fates(&view));
        let counted: u64 = kinds.iter().filter_map(|kind| view.counter(*kind)).sum();
        assert_eq!(
            counted,
            self.sent.len() as u64,
            "frames are not counted once"
        );
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 => {
                self.honest = false;
                let regions = self.links.map(|link| link.second);
                lie(script, &regions);
            }
            1 => self.kernel.advance(script.odd()),
            2 => {
                let port = script.below(PORTS);
                let [up, mtu] = script.array();
                self.ends[port].set_status(Status {
                    up: up & 3 != 0,
                    link: up & 12 != 0,
                    csum: up & 16 != 0,
                    mtu: u16::from(mtu),
                });
            }
            3 => {
                let bits = script.long() >> 2;
                self.activate(bits);
            }
            4 => {
                self.switch = create(&self.policies, &self.links, self.trace, self.timer);
                bounded(|| self.switch.init(&mut self.kernel));
            }
            5..=7 => self.activate(0xf),
            _ => self.send(script),
        }
    }
}

/// Sends frames through a switch.
///
/// # Panics
/// If anybody gets away with anything.
pub fn run(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        let mut rig = Rig::new(&mut script);
        while script.goes_on() {
            rig.step(&mut script);
        }
        if rig.honest {
            rig.audit();
        }
    });
}
