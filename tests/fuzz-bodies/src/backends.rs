// SPDX-License-Identifier: BSD-2-Clause
//! Each backend between a guest that rewrites its rings, a VMM and a service that lie, and its own
//! death. Whatever happened: memory outside the guest's is untouched, and where nobody but the guest
//! lied, the device works for a driver that comes after a reset.

use std::cell::RefCell;
use std::rc::Rc;

use blk::{Features, Info};
use guest_io::console::ConsoleMachine;
use guest_io::disk::DiskMachine;
use guest_io::entropy_device::EntropyMachine;
use guest_io::net::{self, NetMachine};
use guest_io::registers::Machine;
use guest_io::sockets::{Domain, Network, SocketMachine};
use shm::{Region, Rw, fake};

use crate::memory::{Ram, bounded, lie};
use crate::script::Script;
use crate::virtio_guest::{Guest, RAM_SIZE, Shape};

const DISK: Shape = Shape {
    queues: 1,
    requests: &[
        &[0; 16],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0],
        &[0; 512],
    ],
};
const CONSOLE: Shape = Shape {
    queues: 2,
    requests: &[b"text\n", b"\x1b[2J\x01\x01", &[0xff; 64]],
};
const RNG: Shape = Shape {
    queues: 1,
    requests: &[&[0; 32]],
};
const NET: Shape = Shape {
    queues: 3,
    requests: &[
        // A header; one with a frame from a to b; one with a broadcast; a checksum to be filled in.
        &[0; 12],
        b"\0\0\0\0\0\0\0\0\0\0\0\0\x52\x54\0\0\0\x02\x52\x54\0\0\0\x01\x08\0\x45\0\0\x14data",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\x52\x54\0\0\0\x02\x08\x06\0\x01",
        b"\x01\0\0\0\0\0\x0e\0\x06\0\0\0\x52\x54\0\0\0\x02\x52\x54\0\0\0\x01\x08\0payload.",
        // Control: promiscuous off, a MAC table, a MAC address, a VLAN.
        b"\x00\x00\x00",
        b"\x01\x00\x01\0\0\0\x02\0\0\0\0\x09\x01\0\0\0\x33\x33\0\0\0\x01",
        b"\x01\x01\x52\x54\0\0\0\x01",
        b"\x02\x00\x07\x00",
    ],
};
const VSOCK: Shape = Shape {
    queues: 3,
    requests: &[
        &socket_header(2, 7, 1, 0),
        &socket_header(4, 7, 1, 0),
        &socket_header(2, 7, 5, 4),
        &socket_header(2, 7, 4, 0),
        &socket_header(2, 7, 3, 0),
        &socket_header(2, 1, 1, 0),
        b"some bytes that are echoed",
    ],
};

/// A header from CID 3, port 1024 (5.10.6).
const fn socket_header(cid: u8, port: u8, op: u8, len: u8) -> [u8; 44] {
    let mut header = [0; 44];
    header[0] = 3;
    header[8] = cid;
    header[17] = 4;
    header[20] = port;
    header[24] = len;
    header[28] = 1;
    header[30] = op;
    header[37] = 1;
    header
}

/// Plays a script. `other` is for what happens around the backend. Whether its peers were honest.
fn play<M: Machine>(
    machine: &mut M,
    guest: &Guest,
    peers: &[Region<Rw>],
    script: &mut Script<'_>,
    mut other: impl FnMut(&mut M, &mut Script<'_>),
) -> bool {
    let mut honest = true;
    while script.goes_on() {
        match script.byte() % 16 {
            0 => {
                honest = false;
                lie(script, peers);
            }
            1 | 2 => bounded(|| other(machine, script)),
            _ => guest.step(machine, script),
        }
    }
    honest
}

/// Memory, and a guest in it.
fn with_memory(shape: Shape) -> (Ram, Guest) {
    let ram = Ram::new(RAM_SIZE);
    (ram, Guest::new(shape, &ram))
}

/// A block device, its partition service and a disk.
///
/// # Panics
/// If anybody gets away with anything.
pub fn blk(bytes: &[u8]) {
    fake::scoped(|| {
        let (ram, guest) = with_memory(DISK);
        let mut script = Script::new(bytes);
        let info = Info {
            features: Features::FLUSH | Features::DISCARD | Features::WRITE_ZEROES,
            max_discard: 8,
            max_write_zeroes: 8,
            ..Info::new(64, 512)
        };
        let mut machine = DiskMachine::new(ram.region(), info, script.chance(2));
        let peers = machine.peers();
        let honest = play(
            &mut machine,
            &guest,
            &peers,
            &mut script,
            |machine, script| match script.byte() % 8 {
                0 => machine.restart_backend(),
                1 => machine.kill_service(),
                2 => machine.revive_service(),
                3 => machine.finish(script.below(4)),
                4 => machine.manual ^= true,
                5 => machine.service.backwards ^= true,
                6 => machine.service.broken ^= true,
                _ => machine.serve(),
            },
        );
        assert!(ram.is_intact(), "memory outside the guest's was written");
        if honest {
            machine.manual = false;
            machine.service.broken = false;
            machine.revive_service();
            guest.set_up(&mut machine, u32::MAX);
            let at = guest.request(0, &[&[0; 16]], &[512, 1]);
            guest.kick(&mut machine, 0);
            assert_eq!(guest.used(0), 1, "the disk did not recover");
            assert_eq!(ram.region().load(at + 16 + 512), Ok(0_u8));
        }
    });
}

/// A console and its multiplexer.
///
/// # Panics
/// If anybody gets away with anything.
pub fn console(bytes: &[u8]) {
    fake::scoped(|| {
        let (ram, guest) = with_memory(CONSOLE);
        let mut script = Script::new(bytes);
        let mut machine = ConsoleMachine::with_ram(ram.region());
        let peers = machine.peers();
        let honest = play(
            &mut machine,
            &guest,
            &peers,
            &mut script,
            |machine, script| match script.byte() % 4 {
                0 => machine.restart_backend(),
                _ => {
                    machine.type_in(script.bytes(64));
                }
            },
        );
        assert!(ram.is_intact(), "memory outside the guest's was written");
        if honest {
            guest.set_up(&mut machine, u32::MAX);
            machine.take_output();
            guest.request(1, &[b"sane"], &[]);
            guest.kick(&mut machine, 1);
            assert_eq!(machine.take_output(), b"sane", "it did not recover");
        }
    });
}

/// An entropy device and its source.
///
/// # Panics
/// If anybody gets away with anything.
pub fn rng(bytes: &[u8]) {
    fake::scoped(|| {
        let (ram, guest) = with_memory(RNG);
        let mut script = Script::new(bytes);
        let mut machine = EntropyMachine::with_ram(ram.region());
        let peers = machine.peers();
        let honest = play(
            &mut machine,
            &guest,
            &peers,
            &mut script,
            |machine, script| match script.byte() % 4 {
                0 => machine.restart_backend(),
                1 => machine.flows ^= true,
                _ => machine.serve(),
            },
        );
        assert!(ram.is_intact(), "memory outside the guest's was written");
        if honest {
            machine.flows = true;
            machine.serve();
            guest.set_up(&mut machine, u32::MAX);
            guest.request(0, &[], &[32]);
            guest.kick(&mut machine, 0);
            // Rates are the source's: what it has goes out at once.
            machine.serve();
            assert_eq!(guest.used(0), 1, "the device did not recover");
        }
    });
}

/// Two network cards and the switch between them.
///
/// # Panics
/// If anybody gets away with anything.
pub fn net(bytes: &[u8]) {
    fake::scoped(|| {
        let rams = [Ram::new(RAM_SIZE), Ram::new(RAM_SIZE)];
        let guests = rams.each_ref().map(|ram| Guest::new(NET, ram));
        let (network, machines) = NetMachine::pair(rams.map(|ram| ram.region()));
        let peers = [0, 1].map(|index| network.borrow().peers(index));
        let mut script = Script::new(bytes);
        let mut honest = true;
        while script.goes_on() {
            let which = script.byte();
            let index = usize::from(which & 1);
            let mut machine = machines[index].borrow_mut();
            match which >> 1 & 15 {
                0 => {
                    honest = false;
                    lie(&mut script, &peers[index]);
                }
                1 => bounded(|| around(&network, index, &mut script)),
                _ => guests[index].step(&mut *machine, &mut script),
            }
        }
        let intact = rams.iter().all(Ram::is_intact);
        assert!(intact, "memory outside the guests' was written");
        if honest {
            still_there(&network, &machines, &guests);
        }
    });
}

/// What happens around two network cards.
fn around(network: &Rc<RefCell<net::Network>>, index: usize, script: &mut Script<'_>) {
    let mut network = network.borrow_mut();
    match script.byte() % 4 {
        0 => network.restart_backend(index),
        1 => network.restart_switch(),
        2 => network.asleep = true,
        _ => network.wake_switch(),
    }
}

/// A frame goes from the first guest to the second.
fn still_there(
    network: &Rc<RefCell<net::Network>>,
    machines: &[net::Shared; 2],
    guests: &[Guest; 2],
) {
    network.borrow_mut().wake_switch();
    for (machine, guest) in machines.iter().zip(guests) {
        guest.set_up(&mut *machine.borrow_mut(), u32::MAX);
    }
    guests[1].request(0, &[], &[2048]);
    guests[1].kick(&mut *machines[1].borrow_mut(), 0);
    let [from, _] = net::MACS;
    let frame = [&[0; 12][..], &[0xff; 6], &from, &[0x88, 0xb5], &[7; 46]].concat();
    guests[0].request(1, &[&frame], &[]);
    guests[0].kick(&mut *machines[0].borrow_mut(), 1);
    assert_eq!(guests[0].used(1), 1, "the first card did not recover");
    machines[1].borrow_mut().serve();
    assert_eq!(guests[1].used(0), 1, "the second card did not recover");
}

/// Two socket devices, the router between them and the native agent.
///
/// # Panics
/// If anybody gets away with anything.
pub fn vsock(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        let rams = [Ram::new(RAM_SIZE), Ram::new(RAM_SIZE)];
        let guests = rams.each_ref().map(|ram| Guest::new(VSOCK, ram));
        let allow = [script.chance(2), script.chance(2)];
        let network = Network::with_rams(allow, rams.map(|ram| ram.region()));
        let mut machines = [0, 1].map(|guest| SocketMachine::new(&network, guest));
        let peers = [0, 1].map(|guest| network.borrow().peers(guest));
        let mut honest = true;
        while script.goes_on() {
            let which = script.byte();
            let index = usize::from(which & 1);
            match which >> 1 & 15 {
                0 => {
                    honest = false;
                    lie(&mut script, &peers[index]);
                }
                1 => bounded(|| upset(&network, index, &mut script)),
                _ => guests[index].step(&mut machines[index], &mut script),
            }
        }
        let intact = rams.iter().all(Ram::is_intact);
        assert!(intact, "memory outside the guests' was written");
        if honest {
            let [guest, _] = &guests;
            let [machine, _] = &mut machines;
            guest.set_up(machine, u32::MAX);
            guest.request(1, &[&socket_header(2, 7, 1, 0)], &[]);
            guest.kick(machine, 1);
            assert_eq!(guest.used(1), 1, "the device did not recover");
        }
    });
}

/// What happens around two socket devices.
fn upset(network: &Rc<RefCell<Network>>, index: usize, script: &mut Script<'_>) {
    let mut network = network.borrow_mut();
    match script.byte() % 4 {
        0 => network.restart(Domain::Backend(index)),
        1 => network.restart(Domain::Router),
        2 => network.restart(Domain::Agent),
        _ => network.advance(u64::from(script.half()) << 12),
    }
}

/// A whole machine with a console (`tests/guest-io`), where what is scripted is the guest.
///
/// # Panics
/// If the guest gets away with anything.
pub fn guest(bytes: &[u8]) {
    fake::scoped(|| guest_io::hostile::run(bytes));
}
