// SPDX-License-Identifier: BSD-2-Clause
//! What the record says about a port.

use core::fmt::Write;

use frames::Shape;
use heapless::Vec;
use pd::{Setup, SetupError};
use record::Entry;

use crate::MAX_PORTS;
use crate::mac::Mac;
use crate::port::PortSet;

/// Most addresses of a port.
const MAX_MACS: usize = 4;

/// Longest name of a port: a role of 32 characters less ".allow".
const NAME_BYTES: usize = 26;

/// A port's name.
pub(crate) type Name = heapless::String<NAME_BYTES>;

/// Bytes of an Ethernet header with a tag.
const HEADER: u64 = 18;

/// Payload of a frame where the record does not say (IEEE Std 802.3).
const MTU: u64 = 1500;

/// Smallest MTU: of IPv4 (RFC 791).
const MTU_MIN: u64 = 68;

/// Largest VLAN id (IEEE Std 802.1Q-2018, table 9-2).
const VLAN_MAX: u64 = 4094;

/// Smallest burst in bytes: a few frames of the usual size.
const BURST_MIN: u64 = 8192;

/// The part of a second that a burst lasts at the port's rate where the record does not say.
const BURST_PART: u64 = 50;

/// What is behind a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// One guest.
    Guest,
    /// A network, by way of a driver.
    Uplink,
}

/// What a port may do.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    /// Addresses that are this port's and no other's.
    pub(crate) macs: Vec<Mac, MAX_MACS>,
    pub(crate) vlan: u16,
    /// Most bytes per second that it may send; 0 = no limit.
    pub(crate) rate: u64,
    /// Bytes that it may send at once.
    pub(crate) burst: u64,
    /// Most broadcast and multicast frames per second; 0 = no limit.
    pub(crate) storm: u64,
    pub(crate) mtu: u16,
}

impl Config {
    /// Reads the entries of port `name`.
    pub(crate) fn read(setup: &Setup<'_>, name: &str) -> Result<Self, SetupError> {
        let role = |suffix| role(name, suffix);
        let kind = match setup.text(&role(".kind")?)? {
            "guest" => Kind::Guest,
            "uplink" => Kind::Uplink,
            _ => return Err(invalid(name, "its kind is neither guest nor uplink")),
        };
        let rate = setup.value_or(&role(".rate")?, 0)?;
        let burst = setup.value_or(&role(".burst")?, 0)?;
        Ok(Self {
            name: self::name(name)?,
            kind,
            macs: texts(setup, &role(".mac")?, |text| {
                Mac::parse(text).filter(|mac| mac.is_station())
            })?,
            vlan: number(setup, &role(".vlan")?, 0, 0..=VLAN_MAX)?,
            rate,
            burst: if burst == 0 { rate / BURST_PART } else { burst }.max(BURST_MIN),
            storm: setup.value_or(&role(".storm")?, 0)?,
            mtu: number(setup, &role(".mtu")?, MTU, MTU_MIN..=largest_mtu())?,
        })
    }

    /// Whether only the port's own addresses may be the source of what it sends.
    pub(crate) fn is_closed(&self) -> bool {
        self.kind == Kind::Guest && !self.macs.is_empty()
    }

    /// Whether frames of all VLANs pass the port, tagged but for VLAN 0.
    pub(crate) fn is_trunk(&self) -> bool {
        self.kind == Kind::Uplink && self.vlan == 0
    }

    /// Whether frames of `vlan` pass the port.
    pub(crate) fn is_member(&self, vlan: u16) -> bool {
        self.is_trunk() || self.vlan == vlan
    }
}

/// The ports on the list of port `name`, each a bit that `bit` knows by name; all where there is no
/// list.
pub(crate) fn allowed(
    setup: &Setup<'_>,
    name: &str,
    bit: impl Fn(&str) -> Option<PortSet>,
) -> Result<PortSet, SetupError> {
    let list: Vec<PortSet, MAX_PORTS> = texts(setup, &role(name, ".allow")?, bit)?;
    Ok(match list.as_slice() {
        [] => PortSet::MAX,
        bits => bits.iter().fold(0, |all, bit| all | bit),
    })
}

fn largest_mtu() -> u64 {
    u64::from(Shape::NET.max_frame()).saturating_sub(HEADER)
}

/// The role of port `name` with `suffix`.
fn role(name: &str, suffix: &str) -> Result<heapless::String<32>, SetupError> {
    let mut role = heapless::String::new();
    write!(role, "{name}{suffix}").map_err(|_| invalid(name, "the port's name is too long"))?;
    Ok(role)
}

fn name(text: &str) -> Result<Name, SetupError> {
    let mut name = Name::new();
    name.push_str(text)
        .map_err(|_| invalid(text, "the port's name is too long"))?;
    Ok(name)
}

/// All texts with `role`, each of which `read` understands.
fn texts<T, const N: usize>(
    setup: &Setup<'_>,
    role: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T, N>, SetupError> {
    let mut all = Vec::new();
    for entry in setup.record().with_role(role) {
        let value = match entry {
            Entry::Text(text) => read(text),
            _ => None,
        };
        let value = value.ok_or_else(|| invalid(role, "is no text that is understood here"))?;
        all.push(value)
            .map_err(|_| invalid(role, "there are too many"))?;
    }
    Ok(all)
}

/// The number with `role` within `range`.
fn number(
    setup: &Setup<'_>,
    role: &str,
    default: u64,
    range: core::ops::RangeInclusive<u64>,
) -> Result<u16, SetupError> {
    let value = setup.value_or(role, default)?;
    let in_range = range.contains(&value).then_some(value);
    in_range
        .and_then(|value| u16::try_from(value).ok())
        .ok_or_else(|| invalid(role, "is out of range"))
}

fn invalid(role: &str, reason: &'static str) -> SetupError {
    SetupError::invalid(role, reason)
}
