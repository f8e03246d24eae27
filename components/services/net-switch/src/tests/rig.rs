// SPDX-License-Identifier: BSD-2-Clause
//! A switch, its memory and its peers.

use frames::fake::FakeLink;
use frames::{Meta, Shape, Status};
use pd::fake::{FakeKernel, World};
use pd::{Handler, Message, SetupError};
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};

use crate::{Event, Mac, NetSwitch, What};

/// Slots of every ring.
pub(super) const SLOTS: u32 = 64;

/// Ticks per second of the fake clock.
pub(super) const SECOND: u64 = 62_500_000;

/// Channel of the timer.
pub(super) const TIMER: u64 = 60;

/// What the record says of a port: its kind and further entries.
#[derive(Clone, Debug)]
pub(super) struct PortSpec {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) texts: Vec<(&'static str, &'static str)>,
    pub(super) values: Vec<(&'static str, u64)>,
}

/// A guest with one address, `02:00:00:00:00:<last>`.
pub(super) fn guest(name: &'static str, last: u8) -> PortSpec {
    let mac = mac(last).to_string();
    PortSpec {
        name,
        kind: "guest",
        texts: vec![("mac", leak(&mac))],
        values: Vec::new(),
    }
}

/// A port to a network.
pub(super) fn uplink(name: &'static str) -> PortSpec {
    PortSpec {
        name,
        kind: "uplink",
        texts: Vec::new(),
        values: Vec::new(),
    }
}

impl PortSpec {
    pub(super) fn value(mut self, what: &'static str, value: u64) -> Self {
        self.values.push((what, value));
        self
    }

    pub(super) fn allow(mut self, name: &'static str) -> Self {
        self.texts.push(("allow", name));
        self
    }

    pub(super) fn anonymous(mut self) -> Self {
        self.texts.retain(|(what, _)| *what != "mac");
        self
    }
}

pub(super) fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

pub(super) fn mac(last: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, last])
}

pub(super) const BROADCAST: Mac = Mac::new([0xff; 6]);

/// A frame of EtherType 0x88b5 (for experiments) with `payload` bytes that tell their place.
pub(super) fn frame(dst: Mac, src: Mac, payload: usize) -> Vec<u8> {
    let mut frame = [dst.bytes(), src.bytes()].concat();
    frame.extend_from_slice(&[0x88, 0xb5]);
    frame.extend((0..payload).map(|at| at.to_le_bytes()[0] ^ 0x5a));
    frame
}

/// `frame` with a VLAN tag.
pub(super) fn tagged(frame: &[u8], tci: u16) -> Vec<u8> {
    let [high, low] = tci.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

pub(super) fn up() -> Status {
    Status {
        up: true,
        link: true,
        csum: false,
        mtu: 0,
    }
}

/// A switch and everything around it.
pub(super) struct Rig {
    pub(super) kernel: FakeKernel,
    pub(super) switch: NetSwitch,
    /// The far ends.
    pub(super) peers: Vec<frames::Port>,
    pub(super) links: Vec<FakeLink>,
    pub(super) trace: Region<Rw>,
    specs: Vec<PortSpec>,
    timer: bool,
}

pub(super) fn create(
    specs: &[PortSpec],
    links: &[FakeLink],
    trace: Region<Rw>,
    timer: bool,
) -> Result<NetSwitch, SetupError> {
    let mut world = World::new();
    world.region_rw("trace", trace);
    if timer {
        world.channel("timer", TIMER);
    }
    for ((channel, spec), link) in (0..).zip(specs).zip(links) {
        let role = |suffix: &str| leak(&format!("{}{suffix}", spec.name));
        world
            .text("port", spec.name)
            .region_rw(role(".out"), link.first)
            .region_ro(role(".in"), link.second)
            .channel(spec.name, channel)
            .text(role(".kind"), spec.kind);
        for (what, text) in &spec.texts {
            world.text(role(&format!(".{what}")), text);
        }
        for (what, value) in &spec.values {
            world.value(role(&format!(".{what}")), *value);
        }
    }
    world.create()
}

impl Rig {
    pub(super) fn new(specs: &[PortSpec]) -> Self {
        Self::with(specs, false)
    }

    /// A rig, with a timer driver or without.
    pub(super) fn with(specs: &[PortSpec], timer: bool) -> Self {
        let links: Vec<_> = specs
            .iter()
            .map(|_| FakeLink::new(Shape::NET, SLOTS))
            .collect();
        let trace = fake::region(0x1000);
        let mut kernel = FakeKernel::new();
        kernel.set_now(1000 * SECOND);
        kernel.answer_with(|channel, _| {
            assert_eq!(channel, ChannelId::new(TIMER).unwrap());
            Message::new(timer::OK)
        });
        let mut rig = Self {
            switch: create(specs, &links, trace, timer).unwrap(),
            peers: links
                .iter()
                .map(|link| link.second(ChannelId::new(1).unwrap()))
                .collect(),
            kernel,
            links,
            trace,
            specs: specs.to_vec(),
            timer,
        };
        for peer in &mut rig.peers {
            peer.set_status(up());
        }
        rig.switch.init(&mut rig.kernel);
        rig
    }

    /// The switch dies and comes back with nothing but its memory.
    pub(super) fn restart(&mut self) {
        self.switch = create(&self.specs, &self.links, self.trace, self.timer).unwrap();
        self.switch.init(&mut self.kernel);
    }

    /// Sends from the far end of a port without telling the switch. Whether there was room.
    pub(super) fn queue_with(&mut self, port: usize, frame: &[u8], meta: Meta) -> bool {
        let sent = self.peers[port].tx.send(frame, meta);
        let _ = self.peers[port].tx.publish();
        sent
    }

    pub(super) fn queue(&mut self, port: usize, frame: &[u8]) -> bool {
        self.queue_with(port, frame, Meta::default())
    }

    /// Lets the switch work.
    pub(super) fn run(&mut self) {
        let channels = (0..self.peers.len()).map(|port| ChannelId::new(port as u64).unwrap());
        let channels: ChannelSet = channels.collect();
        self.switch.notified(&mut self.kernel, channels);
    }

    pub(super) fn send(&mut self, port: usize, frame: &[u8]) {
        assert!(self.queue(port, frame));
        self.run();
    }

    pub(super) fn send_with(&mut self, port: usize, frame: &[u8], meta: Meta) {
        assert!(self.queue_with(port, frame, meta));
        self.run();
    }

    /// What arrived at the far end of a port, with its metadata.
    pub(super) fn receive_with(&mut self, port: usize) -> Option<(Vec<u8>, Meta)> {
        let rx = &mut self.peers[port].rx;
        let frame = rx.peek()?;
        let mut bytes = vec![0; frame.len()];
        frame.bytes.copy_in(0, &mut bytes).unwrap();
        rx.advance();
        let _ = rx.release();
        Some((bytes, frame.meta))
    }

    pub(super) fn receive(&mut self, port: usize) -> Option<Vec<u8>> {
        self.receive_with(port).map(|(bytes, _)| bytes)
    }

    /// Everything that arrived at a port.
    pub(super) fn drain(&mut self, port: usize) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| self.receive(port)).collect()
    }

    /// Which ports something arrived at; it is taken away.
    pub(super) fn arrivals(&mut self) -> Vec<usize> {
        (0..self.peers.len())
            .filter(|port| !self.drain(*port).is_empty())
            .collect()
    }

    /// Counter of an event.
    pub(super) fn counted(&self, event: Event) -> u64 {
        let bytes = self.trace.read_only();
        let view = View::new(&bytes).unwrap();
        view.counter(trace::Event::kind(&event)).unwrap()
    }

    /// Counter of an event at a port.
    pub(super) fn count(&self, port: u8, what: What) -> u64 {
        self.counted(Event::Port { port, what })
    }

    pub(super) fn spoofed(&self, port: u8) -> u64 {
        self.count(port, What::Spoofed { source: BROADCAST })
    }
}
