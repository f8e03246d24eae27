// SPDX-License-Identifier: BSD-2-Clause
//! The switch against a reference that is too simple to be wrong: lists and maps, no rings.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rig::{BROADCAST, PortSpec, Rig, SECOND, frame, leak, mac, tagged};
use crate::Mac;

const NAMES: [&str; 5] = ["p0", "p1", "p2", "p3", "p4"];

/// A port as the reference sees it.
#[derive(Clone, Debug)]
struct Port {
    uplink: bool,
    macs: Vec<Mac>,
    allow: Vec<usize>,
    vlan: u16,
}

/// What a test sends.
#[derive(Clone, Debug)]
struct Sent {
    from: usize,
    dst: Mac,
    src: Mac,
    tag: Option<u16>,
    pause: u64,
}

#[derive(Default)]
struct Reference {
    ports: Vec<Port>,
    /// Port and second by VLAN and address.
    learned: BTreeMap<(u16, [u8; 6]), (usize, u64)>,
}

impl Reference {
    fn trunk(&self, port: usize) -> bool {
        self.ports[port].uplink && self.ports[port].vlan == 0
    }

    fn in_vlan(&self, port: usize, vlan: u16) -> bool {
        self.trunk(port) || self.ports[port].vlan == vlan
    }

    fn closed(&self, port: usize) -> bool {
        !self.ports[port].uplink && !self.ports[port].macs.is_empty()
    }

    fn lists(&self, port: usize, other: usize) -> bool {
        let allow = &self.ports[port].allow;
        allow.is_empty() || allow.contains(&other)
    }

    fn owner(&self, mac: Mac) -> Option<usize> {
        self.ports.iter().position(|port| port.macs.contains(&mac))
    }

    fn heard(&self, vlan: u16, mac: Mac, second: u64) -> Option<usize> {
        let (port, seen) = self.learned.get(&(vlan, mac.bytes()))?;
        (second - seen <= 300).then_some(*port)
    }

    /// What arrives where: port and tag.
    fn forward(&mut self, sent: &Sent, second: u64) -> Vec<(usize, Option<u16>)> {
        let from = sent.from;
        if sent.tag.is_some() && !self.trunk(from) {
            return Vec::new();
        }
        let vlan = sent.tag.map_or(self.ports[from].vlan, |tag| tag & 0xfff);
        if let Some(owner) = self.owner(sent.src) {
            if owner != from {
                return Vec::new();
            }
        } else {
            let elsewhere = self
                .heard(vlan, sent.src, second)
                .is_some_and(|at| at != from);
            if self.closed(from) || elsewhere {
                return Vec::new();
            }
            self.learned
                .insert((vlan, sent.src.bytes()), (from, second));
        }
        let known: Vec<usize> = [self.owner(sent.dst), self.heard(vlan, sent.dst, second)]
            .into_iter()
            .flatten()
            .filter(|port| self.in_vlan(*port, vlan))
            .collect();
        let wanted = |port: usize| match () {
            () if sent.dst.is_group() => true,
            () if known.is_empty() => !self.closed(port),
            () => known.contains(&port),
        };
        let tag = sent.tag.unwrap_or(0) & 0xf000 | vlan;
        (0..self.ports.len())
            .filter(|to| *to != from && self.lists(from, *to) && self.lists(*to, from))
            .filter(|to| self.in_vlan(*to, vlan) && wanted(*to))
            .map(|to| (to, (self.trunk(to) && vlan != 0).then_some(tag)))
            .collect()
    }
}

fn any_ports() -> impl Strategy<Value = Vec<Port>> {
    let port = (
        any::<bool>(),
        0..3_usize,
        proptest::collection::vec(0..5_usize, 0..3),
        0_u16..3,
    );
    proptest::collection::vec(port, 2..=5).prop_map(|ports| {
        let count = ports.len();
        let port =
            |(at, (uplink, macs, allow, vlan)): (usize, (bool, usize, Vec<usize>, u16))| Port {
                uplink,
                // Addresses 1 to 10 belong to ports, two at most to each.
                macs: (0..macs)
                    .map(|n| mac(u8::try_from(at * 2 + n + 1).unwrap()))
                    .collect(),
                allow: allow.into_iter().filter(|other| *other < count).collect(),
                vlan,
            };
        ports.into_iter().enumerate().map(port).collect()
    })
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let address = || prop_oneof![6 => (1_u8..14).prop_map(mac), 1 => Just(BROADCAST)];
    let tag = prop_oneof![3 => Just(None), 1 => (0_u16..16, 0_u16..4).prop_map(|(priority, id)| Some(priority << 12 | id))];
    let pause = prop_oneof![8 => Just(0_u64), 1 => 1_u64..400];
    (0..5_usize, address(), 1_u8..14, tag, pause).prop_map(|(from, dst, src, tag, pause)| Sent {
        from,
        dst,
        src: mac(src),
        tag,
        pause,
    })
}

fn spec(at: usize, port: &Port) -> PortSpec {
    let macs = port.macs.iter().map(|mac| ("mac", leak(&mac.to_string())));
    let allow = port.allow.iter().map(|other| ("allow", NAMES[*other]));
    PortSpec {
        name: NAMES[at],
        kind: if port.uplink { "uplink" } else { "guest" },
        texts: macs.chain(allow).collect(),
        values: vec![("vlan", port.vlan.into())],
    }
}

proptest! {
    /// Every frame arrives exactly where the reference says, as it says, whoever sends what.
    #[test]
    fn the_switch_does_what_the_reference_does(
        ports in any_ports(),
        frames in proptest::collection::vec(any_sent(), 1..60),
    ) {
        let specs: Vec<_> = ports.iter().enumerate().map(|(at, port)| spec(at, port)).collect();
        let mut rig = Rig::new(&specs);
        let mut reference = Reference { ports, ..Reference::default() };
        let mut second = 1000;
        for (payload, sent) in frames.iter().enumerate() {
            if sent.from >= reference.ports.len() {
                continue;
            }
            second += sent.pause;
            rig.kernel.set_now(second * SECOND);
            let plain = frame(sent.dst, sent.src, payload);
            let with = |tag: Option<u16>| tag.map_or(plain.clone(), |tag| tagged(&plain, tag));
            let expected = reference.forward(sent, second);
            rig.send(sent.from, &with(sent.tag));
            for port in 0..specs.len() {
                let wanted = expected.iter().find(|(to, _)| *to == port);
                prop_assert_eq!(
                    rig.drain(port),
                    wanted.map(|(_, tag)| with(*tag)).into_iter().collect::<Vec<_>>(),
                    "{:?} at {}", sent, port
                );
            }
        }
    }
}
