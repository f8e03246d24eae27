// SPDX-License-Identifier: BSD-2-Clause
//! Which received frames the driver wants to see (5.1.6.5). The switch has decided already which
//! ones it may see: a filter can only take away.

use heapless::Vec;

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Bytes that a VLAN tag (802.1Q) adds to the header.
pub(crate) const VLAN_TAG: usize = 4;
/// EtherType of tagged frames.
const VLAN_ETHERTYPE: [u8; 2] = [0x81, 0x00];
/// Most addresses of either kind that are told apart; with more, all of the kind pass.
pub(crate) const MAX_MACS: usize = 64;
/// VLANs (802.1Q), 64 in each word.
const VLAN_WORDS: usize = 4096 / 64;

/// What is looked at of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ethernet {
    /// Whom it is for.
    pub(crate) destination: Mac,
    /// Its VLAN, if it is tagged.
    pub(crate) vlan: Option<u16>,
}

impl Ethernet {
    /// The header of a frame from its first bytes; `None` where there are too few.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (destination, rest) = bytes.split_first_chunk()?;
        let (_source, rest) = rest.split_first_chunk::<6>()?;
        let (ethertype, rest) = rest.split_first_chunk::<2>()?;
        let vlan = match rest.first_chunk() {
            Some(tci) if *ethertype == VLAN_ETHERTYPE => Some(u16::from_be_bytes(*tci) & 0xfff),
            _ => None,
        };
        Some(Self {
            destination: *destination,
            vlan,
        })
    }

    /// Bytes of the frame's header.
    pub(crate) const fn header(&self) -> usize {
        if self.vlan.is_some() {
            ETHERNET + VLAN_TAG
        } else {
            ETHERNET
        }
    }
}

/// Addresses of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Macs {
    known: Vec<Mac, MAX_MACS>,
    /// There are more than are known.
    overflow: bool,
}

impl Macs {
    /// Adds an address.
    pub(crate) fn insert(&mut self, mac: Mac) {
        self.overflow |= self.known.push(mac).is_err();
    }

    /// All addresses are meant.
    pub(crate) const fn everything() -> Self {
        Self {
            known: Vec::new(),
            overflow: true,
        }
    }

    fn contains(&self, mac: &Mac) -> bool {
        self.overflow || self.known.contains(mac)
    }
}

/// The driver's receive modes.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// The device's own address.
    pub(crate) mac: Mac,
    /// Whatever arrives passes.
    pub(crate) promiscuous: bool,
    /// All multicast frames pass.
    pub(crate) all_multicast: bool,
    /// Unicast addresses that pass besides the own one.
    pub(crate) unicast: Macs,
    /// Multicast addresses that pass besides broadcast.
    pub(crate) multicast: Macs,
    /// A bit for each VLAN that passes; `None`: all do.
    vlans: Option<[u64; VLAN_WORDS]>,
}

impl Filter {
    /// Lets everything pass, until the driver says otherwise: it may not know how to.
    pub(crate) const fn open(mac: Mac) -> Self {
        Self {
            mac,
            promiscuous: true,
            all_multicast: false,
            unicast: Macs {
                known: Vec::new(),
                overflow: false,
            },
            multicast: Macs {
                known: Vec::new(),
                overflow: false,
            },
            vlans: None,
        }
    }

    /// With VIRTIO_NET_F_CTRL_VLAN all VLANs are filtered at first (5.1.6.5.3).
    pub(crate) const fn close_vlans(&mut self) {
        self.vlans = Some([0; VLAN_WORDS]);
    }

    /// Lets a VLAN pass or filters it. `false` for a number that no VLAN has.
    pub(crate) fn set_vlan(&mut self, vlan: u16, pass: bool) -> bool {
        let (index, bit) = place(vlan);
        let Some(word) = self.vlans.as_mut().and_then(|vlans| vlans.get_mut(index)) else {
            return false;
        };
        *word = if pass { *word | bit } else { *word & !bit };
        true
    }

    /// Whether a frame passes.
    pub(crate) fn passes(&self, frame: &Ethernet) -> bool {
        if self.promiscuous {
            return true;
        }
        if frame.vlan.is_some_and(|vlan| !self.passes_vlan(vlan)) {
            return false;
        }
        let [first, ..] = frame.destination;
        let is_multicast = first & 1 != 0;
        if is_multicast {
            frame.destination == [0xff; 6]
                || self.all_multicast
                || self.multicast.contains(&frame.destination)
        } else {
            frame.destination == self.mac || self.unicast.contains(&frame.destination)
        }
    }

    fn passes_vlan(&self, vlan: u16) -> bool {
        let (index, bit) = place(vlan);
        self.vlans
            .as_ref()
            .is_none_or(|vlans| vlans.get(index).is_some_and(|word| word & bit != 0))
    }
}

/// Word and bit of a VLAN.
const fn place(vlan: u16) -> (usize, u64) {
    ((vlan / 64) as usize, 1 << (vlan % 64))
}
