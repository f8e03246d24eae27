// SPDX-License-Identifier: BSD-2-Clause
//! What the record says about the card.

use frames::Shape;
use pd::{Setup, SetupError};
use record::LookupError;
use trace::Trace;
use virtio::net::MTU_MIN;

use crate::event::Event;
use crate::filter::{ETHERNET, Mac, VLAN_TAG};

/// The MTU where the record does not say.
const MTU_DEFAULT: u16 = 1500;

/// Payload bytes of the longest frame.
pub(crate) fn mtu(setup: &Setup<'_>) -> Result<u16, SetupError> {
    let mtu = setup.value_or("mtu", u64::from(MTU_DEFAULT))?;
    let longest = u64::from(Shape::NET.max_frame()) - (ETHERNET + VLAN_TAG) as u64;
    u16::try_from(mtu)
        .ok()
        .filter(|known| *known >= MTU_MIN && mtu <= longest)
        .ok_or_else(|| SetupError::invalid("mtu", "is below 68 or does not fit a slot"))
}

/// Six numbers of two hexadecimal digits with colons between them.
pub(crate) fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = Mac::default();
    let mut parts = text.split(':');
    for byte in &mut mac {
        let digits = |part: &&str| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit());
        let part = parts.next().filter(digits)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// What the record may do without.
pub(crate) fn optional<T>(found: Result<T, SetupError>) -> Result<Option<T>, SetupError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(SetupError::Lookup(LookupError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The trace, or none where the record has no region for it.
pub(crate) fn trace(setup: &mut Setup<'_>) -> Result<Trace<Event>, SetupError> {
    let Some(region) = optional(setup.region_rw("trace"))? else {
        return Ok(Trace::disabled());
    };
    Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))
}
