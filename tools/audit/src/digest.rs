// SPDX-License-Identifier: BSD-2-Clause
//! Contents by length and SHA-256: what a report can name and a second party can recompute.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

/// Length and hash of a run of bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Digest {
    /// Bytes.
    pub len: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_parts(bytes.len(), Sha256::digest(bytes).as_slice())
    }

    fn from_parts(len: usize, hash: &[u8]) -> Self {
        Self {
            len: u64::try_from(len).unwrap_or(u64::MAX),
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, sha256 {}", self.len, self.sha256)
    }
}

/// Reads either a digest or, as the SDK's tool writes contents, a list of all bytes, which is hashed on
/// the way and never held whole.
impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Contents)
    }
}

struct Contents;

/// Bytes hashed at a time.
const CHUNK: usize = 4096;

impl<'de> Visitor<'de> for Contents {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of bytes, or their length and SHA-256")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Digest, A::Error> {
        let (mut hash, mut chunk, mut len) = (Sha256::new(), Vec::with_capacity(CHUNK), 0);
        while let Some(byte) = bytes.next_element::<u8>()? {
            chunk.push(byte);
            len += 1;
            if chunk.len() == CHUNK {
                hash.update(&chunk);
                chunk.clear();
            }
        }
        hash.update(&chunk);
        Ok(Digest::from_parts(len, hash.finalize().as_slice()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Digest, A::Error> {
        let (mut len, mut sha256) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "len" => len = Some(map.next_value()?),
                "sha256" => sha256 = Some(map.next_value::<String>()?),
                other => return Err(de::Error::unknown_field(other, &["len", "sha256"])),
            }
        }
        let sha256 = sha256.ok_or_else(|| de::Error::missing_field("sha256"))?;
        if sha256.len() != 64
            || !sha256
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(de::Error::custom("sha256 is not 64 hexadecimal digits"));
        }
        Ok(Digest {
            len: len.ok_or_else(|| de::Error::missing_field("len"))?,
            sha256,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2, B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_list_of_bytes_and_its_digest_are_the_same() {
        let whole = Digest::of(b"abc");
        assert_eq!((whole.len, whole.sha256.as_str()), (3, ABC));
        assert_eq!(serde_json::from_str::<Digest>("[97,98,99]").unwrap(), whole);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), whole);
    }

    #[test]
    fn lists_longer_than_a_chunk_are_hashed_whole() {
        for len in [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let text = serde_json::to_string(&bytes).unwrap();
            assert_eq!(
                serde_json::from_str::<Digest>(&text).unwrap(),
                Digest::of(&bytes)
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let digest = |hash: &str| format!("{{\"len\":3,\"sha256\":\"{hash}\"}}");
        assert!(serde_json::from_str::<Digest>(&digest(ABC)).is_ok());
        for text in [
            "[256]".to_owned(),
            "3".to_owned(),
            "{\"len\":3}".to_owned(),
            format!("{{\"sha256\":\"{ABC}\"}}"),
            format!("{{\"len\":3,\"sha256\":\"{ABC}\",\"more\":1}}"),
            digest(&ABC[1..]),
            digest(&ABC.replace('b', "g")),
        ] {
            assert!(serde_json::from_str::<Digest>(&text).is_err(), "{text}");
        }
    }
}
