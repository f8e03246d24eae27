// SPDX-License-Identifier: BSD-2-Clause
//! Headers, checksums and filters by themselves.

use frames::{Meta, flags};
use proptest::prelude::*;
use shm::fake;
use virtio::net::{F_CSUM, F_GUEST_CSUM, HDR_F_DATA_VALID, HDR_F_NEEDS_CSUM, Header};

use crate::checksum;
use crate::filter::{Ethernet, Filter, MAX_MACS, Macs};
use crate::header::{BadFrame, received, transmitted};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const OTHER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];
const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 1];

fn partial(start: u16, offset: u16) -> Header {
    Header {
        flags: HDR_F_NEEDS_CSUM,
        csum_start: start.into(),
        csum_offset: offset.into(),
        ..Header::default()
    }
}

#[test]
fn h35_headers_of_transmitted_frames() {
    let plain = Header::default();
    assert_eq!(transmitted(&plain, F_CSUM, 13), Err(BadFrame::Short));
    assert_eq!(transmitted(&plain, 0, 14), Ok(Meta::default()));
    for gso_type in [1, 3, 4, 5, 0x80, 0xff] {
        let header = Header { gso_type, ..plain };
        assert_eq!(transmitted(&header, F_CSUM, 60), Err(BadFrame::Segmented));
    }
    let lies = Header {
        flags: !HDR_F_NEEDS_CSUM,
        hdr_len: 0xffff.into(),
        gso_size: 0xffff.into(),
        csum_start: 0xffff.into(),
        num_buffers: 0xffff.into(),
        ..plain
    };
    assert_eq!(
        transmitted(&lies, F_CSUM, 60),
        Ok(Meta::default()),
        "5.1.6.2: flags that are not known and hints are ignored"
    );
}

#[test]
fn h35_checksums_are_in_the_packet_or_refused() {
    let meta = transmitted(&partial(34, 16), F_CSUM, 54).unwrap();
    assert_eq!(
        (meta.flags, meta.csum_start, meta.csum_offset),
        (flags::NEEDS_CSUM, 34, 16)
    );
    assert_eq!(
        transmitted(&partial(34, 16), 0, 54),
        Err(BadFrame::Checksum),
        "not negotiated"
    );
    for (start, offset) in [(34, 19), (53, 0), (13, 0), (0xffff, 0xffff), (0, 0xffff)] {
        let header = partial(start, offset);
        assert_eq!(transmitted(&header, F_CSUM, 54), Err(BadFrame::Checksum));
    }
    assert!(transmitted(&partial(34, 18), F_CSUM, 54).is_ok());
}

#[test]
fn clause_5_1_6_4_headers_of_received_frames() {
    let meta = Meta {
        flags: flags::NEEDS_CSUM,
        csum_start: 34,
        csum_offset: 6,
        tag: 9,
    };
    let expected = Header {
        num_buffers: 1.into(),
        ..partial(34, 6)
    };
    assert_eq!(received(meta, F_GUEST_CSUM, 1), expected);
    let plain = Header {
        num_buffers: 3.into(),
        ..Header::default()
    };
    assert_eq!(received(meta, 0, 3), plain, "5.1.6.4.1: flags are zero");
    let valid = Meta {
        flags: flags::DATA_VALID,
        ..meta
    };
    assert_eq!(received(valid, F_GUEST_CSUM, 3).flags, HDR_F_DATA_VALID);
    assert_eq!(received(valid, 0, 3), plain);
}

#[test]
fn clause_5_1_6_5_filters() {
    let to = |destination, vlan| Ethernet { destination, vlan };
    let mut filter = Filter::open(MAC);
    assert!(
        filter.passes(&to(OTHER, Some(7))),
        "before the driver says otherwise"
    );
    filter.promiscuous = false;
    assert!(filter.passes(&to(MAC, None)) && filter.passes(&to([0xff; 6], None)));
    assert!(!filter.passes(&to(OTHER, None)) && !filter.passes(&to(GROUP, None)));
    filter.unicast.insert(OTHER);
    filter.multicast.insert(GROUP);
    assert!(filter.passes(&to(OTHER, None)) && filter.passes(&to(GROUP, None)));
    filter.multicast = Macs::default();
    filter.all_multicast = true;
    assert!(filter.passes(&to(GROUP, None)));
    assert!(!filter.passes(&to([0x52, 0, 0, 0, 0, 9], None)));
}

#[test]
fn clause_5_1_6_5_3_vlans() {
    let tagged = |vlan| Ethernet {
        destination: MAC,
        vlan: Some(vlan),
    };
    let mut filter = Filter::open(MAC);
    filter.promiscuous = false;
    assert!(filter.passes(&tagged(5)), "without a filter");
    assert!(!filter.set_vlan(5, true), "there is none to set");
    filter.close_vlans();
    assert!(!filter.passes(&tagged(5)));
    for vlan in [0, 5, 4095] {
        assert!(filter.set_vlan(vlan, true) && filter.passes(&tagged(vlan)));
        assert!(filter.set_vlan(vlan, false) && !filter.passes(&tagged(vlan)));
    }
    assert!(!filter.set_vlan(4096, true) && !filter.set_vlan(0xffff, true));
    let untagged = Ethernet {
        vlan: None,
        ..tagged(0)
    };
    assert!(filter.passes(&untagged));
}

#[test]
fn more_addresses_than_are_kept_let_all_pass() {
    let mut macs = Macs::default();
    for last in 0..=MAX_MACS {
        macs.insert([2, 0, 0, 0, 0, last.to_le_bytes()[0]]);
    }
    let mut filter = Filter::open(MAC);
    filter.promiscuous = false;
    filter.unicast = macs;
    let other = |destination| Ethernet {
        destination,
        vlan: None,
    };
    assert!(filter.passes(&other(OTHER)));
    assert!(!filter.passes(&other(GROUP)), "the other table is not full");
}

#[test]
fn ethernet_headers() {
    let mut bytes = [0; 18];
    bytes[..6].copy_from_slice(&MAC);
    assert_eq!(Ethernet::parse(&bytes[..13]), None);
    let untagged = Ethernet::parse(&bytes[..14]).unwrap();
    assert_eq!((untagged.destination, untagged.vlan), (MAC, None));
    bytes[12..16].copy_from_slice(&[0x81, 0, 0xef, 0xff]);
    let tagged = Ethernet::parse(&bytes).unwrap();
    assert_eq!((tagged.vlan, tagged.header()), (Some(0xfff), 18));
    let cut = Ethernet::parse(&bytes[..15]).unwrap();
    assert_eq!(
        (cut.vlan, cut.header()),
        (None, 14),
        "a tag without its end"
    );
}

/// RFC 1071, 4.1, in the plainest way.
fn reference(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

#[test]
fn a_checksum_of_zero_is_stored_as_ones() {
    let frame = fake::filled(&[0; 40]);
    let meta = |start| Meta {
        csum_start: start,
        ..Meta::default()
    };
    assert_eq!(checksum::complete(&frame, meta(14)), Some([0xff; 2]));
    let ones = fake::filled(&[0xff; 40]);
    assert_eq!(checksum::complete(&ones, meta(14)), Some([0xff; 2]));
    assert_eq!(checksum::complete(&frame, meta(39)), None);
}

proptest! {
    #[test]
    fn checksums_are_those_of_rfc_1071(
        bytes in proptest::collection::vec(any::<u8>(), 2..1600),
        start: u16,
        offset: u16,
    ) {
        let meta = Meta { csum_start: start % 1700, csum_offset: offset % 64, ..Meta::default() };
        let frame = fake::filled(&bytes);
        let start = usize::from(meta.csum_start);
        let inside = start + usize::from(meta.csum_offset) + 2 <= bytes.len();
        let sum = checksum::complete(&frame, meta).map(u16::from_be_bytes);
        prop_assert_eq!(sum.is_some(), inside);
        if let Some(sum) = sum {
            let expected = reference(&bytes[start..]);
            prop_assert_eq!(sum, if expected == 0 { 0xffff } else { expected });
        }
    }

    /// Whatever a driver writes: what passes names bytes of the packet.
    #[test]
    fn h35_no_header_names_bytes_outside_the_frame(
        flags: u8,
        gso_type in prop_oneof![Just(0_u8), any::<u8>()],
        (start, offset) in (0_u16..100, prop_oneof![0_u16..80, any::<u16>()]),
        len in 0_usize..100,
        features: u64,
    ) {
        let header = Header { flags, gso_type, ..partial(start, offset) };
        if let Ok(meta) = transmitted(&header, features, len) {
            prop_assert!(!meta.needs_csum() || meta.csum_fits(len));
            prop_assert!(len >= 14 && gso_type == 0);
        }
    }
}
