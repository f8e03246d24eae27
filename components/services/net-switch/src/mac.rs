// SPDX-License-Identifier: BSD-2-Clause
//! MAC addresses (IEEE Std 802-2014, clause 8).

use core::fmt;

/// A MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The address with these bytes, in the order of transmission.
    #[must_use]
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// Reads six pairs of hexadecimal digits between colons.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2)?;
            // `from_str_radix` also takes a sign.
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }

    /// The bytes in the order of transmission.
    #[must_use]
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// Whether it names a group of stations, as the broadcast address does too.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether one station may have it: no group, and not all zero.
    #[must_use]
    pub const fn is_station(self) -> bool {
        !self.is_group() && self.to_u64() != 0
    }

    /// Whether no bridge may pass it on: 01-80-C2-00-00-00 to -0F (IEEE Std 802.1Q-2018, table
    /// 8-1: spanning tree, pause, LLDP).
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        self.to_u64() & !0xf == 0x0180_c200_0000
    }

    /// The address as a number of 48 bits.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(to, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        let mac = Mac::parse("02:00:5e:10:aB:ff").unwrap();
        assert_eq!(mac.bytes(), [2, 0, 0x5e, 0x10, 0xab, 0xff]);
        assert_eq!(mac.to_string(), "02:00:5e:10:ab:ff");
        for wrong in [
            "",
            "02:00:5e:10:ab",
            "02:00:5e:10:ab:ff:00",
            "2:00:5e:10:ab:ff",
            "02-00-5e-10-ab-ff",
            "+2:00:5e:10:ab:ff",
            "02:00:5e:10:ab:fg",
        ] {
            assert_eq!(Mac::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn kinds_of_addresses() {
        let mac = |text| Mac::parse(text).unwrap();
        assert!(mac("02:00:00:00:00:01").is_station());
        assert!(!mac("00:00:00:00:00:00").is_station());
        assert!(mac("ff:ff:ff:ff:ff:ff").is_group() && mac("33:33:00:00:00:01").is_group());
        assert!(mac("01:80:c2:00:00:0e").is_link_local());
        assert!(!mac("01:80:c2:00:00:10").is_link_local());
    }
}
