// SPDX-License-Identifier: BSD-2-Clause
//! One port: its ring pair, what it may do, and what is known about it.

use frames::Status;
use heapless::Vec;

use crate::MAX_PORTS;
use crate::bucket::Bucket;
use crate::config::Config;
use crate::mac::Mac;
use crate::shares::Shares;
use crate::table::{Station, Table};
use crate::time::Time;

/// A set of ports, as bits.
pub(crate) type PortSet = u8;

const _: () = assert!(MAX_PORTS <= PortSet::BITS as usize);

/// All ports.
pub(crate) type Ports = Vec<Port, MAX_PORTS>;

/// Bytes that a port may send per pass. What a frame costs beyond its length is counted as
/// [`OVERHEAD`], so this bounds the number of frames as well, at 16.
const QUANTUM: i32 = 8192;

/// What handling a frame costs in the time it takes to copy so many bytes.
const OVERHEAD: i32 = 512;

/// Part of a second for which the storm limit may be used up at once.
const STORM_PART: u64 = 4;

/// Fewest broadcast and multicast frames at once: bringing a link up takes some.
const STORM_MIN: u64 = 8;

/// A port of the switch.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) link: frames::Port,
    pub(crate) config: Config,
    /// Its own number and bit.
    pub(crate) number: u8,
    /// The ports on its list, or all.
    pub(crate) allowed: PortSet,
    /// The ports it talks to: both allow each other.
    pub(crate) partners: PortSet,
    /// What its peer says, as of this activation.
    pub(crate) peer: Status,
    pub(crate) learned: Table,
    pub(crate) rate: Option<Bucket>,
    storm: Option<Bucket>,
    pub(crate) shares: Shares,
    /// Deficit round robin (Shreedhar and Varghese 1995): bytes it may still send in this pass.
    credit: i32,
    /// Tick before which its rate allows nothing.
    pub(crate) not_before: Option<u64>,
    /// Tick until which spoofed frames are counted but not recorded.
    pub(crate) quiet_until: u64,
    /// Faults of the peer that were recorded.
    pub(crate) faults: u32,
}

impl Port {
    pub(crate) fn new(number: u8, link: frames::Port, config: Config) -> Self {
        Self {
            rate: Bucket::new(config.rate, config.burst),
            storm: Bucket::new(config.storm, (config.storm / STORM_PART).max(STORM_MIN)),
            link,
            config,
            number,
            allowed: PortSet::MAX,
            partners: 0,
            peer: Status::DOWN,
            learned: Table::default(),
            shares: Shares::default(),
            credit: 0,
            not_before: None,
            quiet_until: 0,
            faults: 0,
        }
    }

    pub(crate) const fn bit(&self) -> PortSet {
        1 << self.number
    }

    /// Whether `mac` is this port's by configuration.
    pub(crate) fn owns(&self, mac: Mac) -> bool {
        self.config.macs.contains(&mac)
    }

    /// Whether `station` is behind this port, by configuration or by what was heard of it.
    pub(crate) fn has(&self, mac: Mac, station: Station, seconds: u32) -> bool {
        self.owns(mac) || self.learned.knows(station, seconds)
    }

    /// Begins a pass: whether the port may send in it.
    pub(crate) fn begin(&mut self, time: Time) -> bool {
        if self.not_before.is_some_and(|tick| time.now < tick) {
            return false;
        }
        self.not_before = None;
        self.credit = self.credit.saturating_add(QUANTUM).min(QUANTUM);
        true
    }

    /// Whether the port may send another frame in this pass.
    pub(crate) const fn may_go_on(&self) -> bool {
        self.credit > 0
    }

    /// Pays for a frame of `len` bytes.
    pub(crate) fn pay(&mut self, len: usize) {
        let len = i32::try_from(len).unwrap_or(QUANTUM);
        self.credit = self.credit.saturating_sub(len).saturating_sub(OVERHEAD);
    }

    /// Ends a pass in which it had nothing to send: what it did not use is gone.
    pub(crate) const fn idle(&mut self) {
        self.credit = 0;
    }

    /// Whether the limit for broadcast and multicast allows another frame.
    pub(crate) fn calm(&mut self, time: Time) -> bool {
        self.storm
            .as_mut()
            .is_none_or(|storm| storm.take(time, 1).is_ok())
    }

    /// Free slots of its ring, and the account of the others brought up to date.
    pub(crate) fn settle(&mut self) -> u32 {
        let free = self.link.tx.room();
        let occupied = self.link.tx.capacity().saturating_sub(free);
        self.shares.settle(occupied);
        free
    }
}

/// For each port, the ports it talks to: those that both have each other on their list.
pub(crate) fn find_partners(ports: &mut Ports) {
    let sets: Vec<PortSet, MAX_PORTS> = ports
        .iter()
        .map(|port| {
            let partner = |other: &&Port| {
                other.number != port.number
                    && port.allowed & other.bit() != 0
                    && other.allowed & port.bit() != 0
            };
            ports.iter().filter(partner).map(Port::bit).sum()
        })
        .collect();
    for (port, set) in ports.iter_mut().zip(sets) {
        port.partners = set;
    }
}
