// SPDX-License-Identifier: BSD-2-Clause
//! The socket driver of the `virtio-drivers` crate on our transport, backends, router and agent.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use guest_io::memory::Guest;
use guest_io::registers::Registers;
use guest_io::sockets::{CIDS, Domain, Network, SocketMachine};
use proptest::prelude::*;
use virtio_drivers::device::socket::{
    DisconnectReason, VirtIOSocket, VsockAddr, VsockConnectionManager, VsockEventType,
};

type Shared<T> = Rc<RefCell<T>>;
type Manager = VsockConnectionManager<Guest, Registers<SocketMachine>>;

const ECHO: VsockAddr = VsockAddr { cid: 2, port: 7 };
const HEALTH: VsockAddr = VsockAddr { cid: 2, port: 9100 };

struct Sockets {
    machine: Shared<SocketMachine>,
    manager: Manager,
    /// Ports whose connections are gone.
    dead: HashSet<u32>,
}

impl Sockets {
    fn new(network: &Shared<Network>, guest: usize) -> Self {
        let machine = Rc::new(RefCell::new(SocketMachine::new(network, guest)));
        let manager = manager(&machine);
        Self {
            machine,
            manager,
            dead: HashSet::new(),
        }
    }

    /// What has happened, without the bytes.
    fn events(&mut self) -> Vec<VsockEventType> {
        let (mut events, mut nothing) = (Vec::new(), 0);
        // Nothing is also what a packet of a forgotten connection looks like: a link's worth.
        while nothing < 40 {
            let Some(event) = self.manager.poll().unwrap() else {
                nothing += 1;
                continue;
            };
            nothing = 0;
            if let VsockEventType::Disconnected { .. } = event.event_type {
                self.dead.insert(event.destination.port);
            }
            events.push(event.event_type);
        }
        events
    }

    fn connect(&mut self, to: VsockAddr, port: u32) {
        self.manager.connect(to, port).unwrap();
        assert_eq!(self.events(), [VsockEventType::Connected]);
    }

    fn read(&mut self, peer: VsockAddr, port: u32) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            self.events();
            let mut bytes = [0; 300];
            let Ok(count @ 1..) = self.manager.recv(peer, port, &mut bytes) else {
                return all;
            };
            all.extend_from_slice(&bytes[..count]);
            let _ = self.manager.update_credit(peer, port);
        }
    }
}

fn manager(machine: &Shared<SocketMachine>) -> Manager {
    let registers = Registers::new(machine.clone());
    Manager::new(VirtIOSocket::new(registers).unwrap())
}

fn refused() -> VsockEventType {
    VsockEventType::Disconnected {
        reason: DisconnectReason::Reset,
    }
}

// Shows AV-18.
#[test]
fn the_driver_finds_its_cid() {
    let network = Network::new([true; 2]);
    for (guest, cid) in CIDS.into_iter().enumerate() {
        let sockets = Sockets::new(&network, guest);
        assert_eq!(sockets.manager.guest_cid(), cid);
        assert_eq!(sockets.machine.borrow().anomalies(), 0);
    }
}

#[test]
fn the_agent_echoes() {
    let network = Network::new([true; 2]);
    let mut guest = Sockets::new(&network, 0);
    guest.connect(ECHO, 1000);
    guest.manager.send(ECHO, 1000, b"hello, agent").unwrap();
    assert_eq!(guest.read(ECHO, 1000), b"hello, agent");
    guest.manager.shutdown(ECHO, 1000).unwrap();
    assert_eq!(guest.events(), [refused()], "the confirmation");
}

#[test]
fn the_agent_reports_and_ends() {
    let network = Network::new([true; 2]);
    let mut guest = Sockets::new(&network, 0);
    guest.manager.connect(HEALTH, 1000).unwrap();
    let text = String::from_utf8(guest.read(HEALTH, 1000)).unwrap();
    assert!(text.starts_with("uptime_seconds 0\n"), "{text}");
    assert!(text.contains("\nconnections_accepted 0\n"), "{text}");
}

// Shows AV-18.
#[test]
fn two_guests_talk_to_each_other() {
    let network = Network::new([true; 2]);
    let (mut one, mut two) = (Sockets::new(&network, 0), Sockets::new(&network, 1));
    let [first, second] = [(CIDS[0], 50), (CIDS[1], 80)].map(|(cid, port)| VsockAddr { cid, port });
    two.manager.listen(80);
    one.manager.connect(second, 50).unwrap();
    assert_eq!(two.events(), [VsockEventType::ConnectionRequest]);
    assert_eq!(one.events(), [VsockEventType::Connected]);
    let text = b"from one to two".repeat(60);
    one.manager.send(second, 50, &text).unwrap();
    assert_eq!(two.read(first, 80), text, "900 bytes in buffers of 512");
    two.manager.send(first, 80, b"and back").unwrap();
    assert_eq!(one.read(second, 50), b"and back");
    one.manager.force_close(second, 50).unwrap();
    assert_eq!(two.events().last(), Some(&refused()));
}

// Shows BH-29.
#[test]
fn h_38_what_policy_does_not_allow_is_refused() {
    let network = Network::new([false, true]);
    let (mut one, mut two) = (Sockets::new(&network, 0), Sockets::new(&network, 1));
    two.manager.listen(80);
    one.manager.listen(80);
    for (from, cid) in [(0, CIDS[1]), (1, CIDS[0]), (0, 9), (0, CIDS[0]), (1, 77)] {
        let to = VsockAddr { cid, port: 80 };
        let guest = if from == 0 { &mut one } else { &mut two };
        guest.manager.connect(to, 50).unwrap();
        assert_eq!(guest.events(), [refused()], "{from} to {cid}");
        assert_eq!(one.events(), [], "the other one hears nothing");
        assert_eq!(two.events(), []);
    }
    two.connect(ECHO, 51);
}

#[test]
fn a_port_without_service_is_refused() {
    let network = Network::new([true; 2]);
    let mut one = Sockets::new(&network, 0);
    one.manager
        .connect(VsockAddr { cid: 2, port: 22 }, 50)
        .unwrap();
    assert_eq!(one.events(), [refused()]);
    let to = VsockAddr {
        cid: CIDS[1],
        port: 1,
    };
    one.manager.connect(to, 50).unwrap();
    assert_eq!(one.events(), [refused()], "the other guest is not up");
}

#[test]
fn a_guest_that_goes_takes_its_connections_along() {
    let network = Network::new([true; 2]);
    let (mut one, mut two) = (Sockets::new(&network, 0), Sockets::new(&network, 1));
    let second = VsockAddr {
        cid: CIDS[1],
        port: 80,
    };
    two.manager.listen(80);
    one.manager.connect(second, 50).unwrap();
    two.events();
    assert_eq!(one.events(), [VsockEventType::Connected]);
    drop(two.manager);
    assert_eq!(one.events(), [refused()], "its driver reset the device");
    two.manager = manager(&two.machine);
    two.manager.listen(80);
    one.manager.connect(second, 50).unwrap();
    assert_eq!(two.events(), [VsockEventType::ConnectionRequest]);
}

#[test]
fn r6_after_any_restart_new_connections_work() {
    let network = Network::new([true; 2]);
    let mut one = Sockets::new(&network, 0);
    let domains = [Domain::Backend(0), Domain::Router, Domain::Agent];
    for (port, domain) in (100..).zip(domains.into_iter().cycle().take(9)) {
        one.connect(ECHO, port);
        one.manager.send(ECHO, port, b"before").unwrap();
        network.borrow_mut().restart(domain);
        one.events();
        one.connect(ECHO, port + 100);
        one.manager.send(ECHO, port + 100, b"after").unwrap();
        assert_eq!(one.read(ECHO, port + 100), b"after", "{domain:?}");
    }
    assert_eq!(one.machine.borrow().anomalies(), 0);
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Connect(u32),
    Send(u32, usize),
    Read(u32),
    Close(u32),
    Restart(Domain),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let domain = prop_oneof![
        Just(Domain::Backend(0)),
        Just(Domain::Router),
        Just(Domain::Agent)
    ];
    let port = 0..4_u32;
    prop_oneof![
        5 => port.clone().prop_map(Step::Connect),
        10 => (port.clone(), 1..900_usize).prop_map(|(port, len)| Step::Send(port, len)),
        8 => port.clone().prop_map(Step::Read),
        2 => port.prop_map(Step::Close),
        1 => domain.prop_map(Step::Restart),
        1 => (0..400_u64).prop_map(|seconds| Step::Wait(seconds * 62_500_000)),
    ]
}

proptest! {
    // A thread's guest memory is handed out once: more cases would use it up.
    #![proptest_config(ProptestConfig::with_cases(20))]
    /// An echo is a prefix of what was sent, on every connection, whoever dies; and the system
    /// works afterwards.
    #[test]
    fn echoes_are_never_mixed_up(steps in proptest::collection::vec(step(), 1..60)) {
        let network = Network::new([true; 2]);
        let mut guest = Sockets::new(&network, 0);
        // Per socket what was sent and what came back, since it was connected. Each connection has
        // a port of its own: this driver cannot tell the last one's packets from the next one's.
        let mut streams = vec![(Vec::new(), Vec::new()); 4];
        let mut ports = [0, 1, 2, 3];
        for step in steps {
            match step {
                Step::Connect(port) => {
                    let number = &mut ports[port as usize];
                    *number += 4;
                    guest.manager.connect(ECHO, *number).unwrap();
                    streams[port as usize] = (vec![], vec![]);
                    guest.events();
                }
                Step::Send(port, len) => {
                    let (sent, _) = &mut streams[port as usize];
                    let bytes: Vec<u8> = (0..len)
                        .map(|at| (at + sent.len()).to_le_bytes()[0] ^ port.to_le_bytes()[0])
                        .collect();
                    // With unread bytes this driver keeps a connection that was reset, without
                    // credit, and subtracts below zero when it is to send.
                    let number = ports[port as usize];
                    guest.events();
                    if !guest.dead.contains(&number)
                        && guest.manager.send(ECHO, number, &bytes).is_ok()
                    {
                        sent.extend(bytes);
                    }
                }
                Step::Read(port) => {
                    let bytes = guest.read(ECHO, ports[port as usize]);
                    let (sent, got) = &mut streams[port as usize];
                    got.extend(bytes);
                    prop_assert!(sent.starts_with(got));
                }
                Step::Close(port) => {
                    let _ = guest.manager.force_close(ECHO, ports[port as usize]);
                }
                Step::Restart(domain) => network.borrow_mut().restart(domain),
                Step::Wait(ticks) => network.borrow_mut().advance(ticks),
            }
        }
        // Connections that were forgotten without a word go when they have been silent for long.
        network.borrow_mut().advance(301 * 62_500_000);
        guest.manager.connect(ECHO, 7777).unwrap();
        guest.events();
        let _ = guest.manager.force_close(ECHO, 7777);
        guest.events();
        guest.manager.connect(ECHO, 7778).unwrap();
        // The driver may hear once more of connections that it keeps for their unread bytes.
        prop_assert!(guest.events().contains(&VsockEventType::Connected));
        guest.manager.send(ECHO, 7778, b"fine").unwrap();
        prop_assert_eq!(guest.read(ECHO, 7778), b"fine");
        prop_assert_eq!(guest.machine.borrow().anomalies(), 0);
    }
}
