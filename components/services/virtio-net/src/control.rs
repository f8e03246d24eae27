// SPDX-License-Identifier: BSD-2-Clause
//! Commands of the control queue (5.1.6.5).

use virtio::net::{F_CTRL_MAC_ADDR, F_CTRL_RX, F_CTRL_VLAN, ctrl};
use virtq::Cursor;

use crate::filter::{Filter, Mac, Macs};

/// Why a command had no effect: the driver gets VIRTIO_NET_ERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Class and command; 0xff where they are missing.
    pub(crate) command: [u8; 2],
}

/// Puts the command under `cursor` into effect. Features decide which commands exist; data behind
/// a command's own are ignored.
pub(crate) fn execute(
    cursor: &mut Cursor<'_>,
    features: u64,
    filter: &mut Filter,
) -> Result<(), Refused> {
    let command = fetch(cursor).unwrap_or([0xff; 2]);
    let has = |feature: u64| features & feature != 0;
    let done = match command {
        [ctrl::RX, ctrl::RX_PROMISC] if has(F_CTRL_RX) => {
            switch(cursor).map(|on| filter.promiscuous = on)
        }
        [ctrl::RX, ctrl::RX_ALLMULTI] if has(F_CTRL_RX) => {
            switch(cursor).map(|on| filter.all_multicast = on)
        }
        [ctrl::MAC, ctrl::MAC_TABLE_SET] if has(F_CTRL_RX) => tables(cursor, filter),
        [ctrl::MAC, ctrl::MAC_ADDR_SET] if has(F_CTRL_MAC_ADDR) => address(cursor, filter),
        [ctrl::VLAN, ctrl::VLAN_ADD] if has(F_CTRL_VLAN) => vlan(cursor, filter, true),
        [ctrl::VLAN, ctrl::VLAN_DEL] if has(F_CTRL_VLAN) => vlan(cursor, filter, false),
        _ => None,
    };
    done.ok_or(Refused { command })
}

/// The next `N` bytes, if there are as many.
fn fetch<const N: usize>(cursor: &mut Cursor<'_>) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (cursor.read(&mut bytes) == N).then_some(bytes)
}

fn switch(cursor: &mut Cursor<'_>) -> Option<bool> {
    match fetch(cursor)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// Both tables take effect, or neither.
fn tables(cursor: &mut Cursor<'_>, filter: &mut Filter) -> Option<()> {
    let unicast = table(cursor)?;
    let multicast = table(cursor)?;
    (filter.unicast, filter.multicast) = (unicast, multicast);
    Some(())
}

/// 5.1.6.5.2: a number of addresses, and the addresses. The work is bounded by what is kept.
fn table(cursor: &mut Cursor<'_>) -> Option<Macs> {
    let count = usize::try_from(u32::from_le_bytes(fetch(cursor)?)).ok()?;
    let bytes = count.checked_mul(size_of::<Mac>())?;
    if bytes > cursor.remaining() {
        return None;
    }
    if count > crate::filter::MAX_MACS {
        cursor.skip(bytes);
        return Some(Macs::everything());
    }
    let mut macs = Macs::default();
    for _ in 0..count {
        macs.insert(fetch(cursor)?);
    }
    Some(macs)
}

/// A device has one address for itself; a group's is refused.
fn address(cursor: &mut Cursor<'_>, filter: &mut Filter) -> Option<()> {
    let mac: Mac = fetch(cursor)?;
    if !is_usable(mac) {
        return None;
    }
    filter.mac = mac;
    Some(())
}

/// Whether an address can be that of a card.
pub(crate) fn is_usable(mac: Mac) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && mac != [0; 6]
}

fn vlan(cursor: &mut Cursor<'_>, filter: &mut Filter, pass: bool) -> Option<()> {
    let vlan = u16::from_le_bytes(fetch(cursor)?);
    filter.set_vlan(vlan, pass).then_some(())
}
