// SPDX-License-Identifier: BSD-2-Clause
//! Initial contents of frames.

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::Arc;

/// Initial contents of a frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Fill {
    /// Parts, none overlapping.
    pub entries: Vec<FillEntry>,
}

/// Part of a frame's initial contents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FillEntry {
    /// Bytes of the frame.
    pub range: Range<u64>,
    /// Where they come from.
    pub content: Prefill,
}

/// Where initial contents come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Prefill {
    /// A segment of a program, after patching.
    Elf(ElfContent),
    /// A file.
    Bytes {
        /// The whole file.
        file: Arc<[u8]>,
        /// The part of it.
        range: Range<usize>,
    },
    /// Boot information of the kernel.
    BootInfo {
        /// Kind, as the initialiser spells it.
        id: &'static str,
        /// First byte of it.
        offset: u64,
    },
}

/// Part of a segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ElfContent {
    /// Index of the program: its protection domain's, the monitor last.
    pub elf_id: usize,
    /// Index among the loadable segments.
    pub elf_seg_idx: usize,
    /// Bytes of the segment's memory image.
    pub elf_seg_data_range: Range<u64>,
}

impl Serialize for Prefill {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Self::Elf(content) => serde_json::json!({ "Data": { "ElfContent": content } }),
            Self::Bytes { file, range } => {
                let bytes = digest(file.get(range.clone()).unwrap_or_default());
                serde_json::json!({ "Data": { "BytesContent": { "bytes": bytes } } })
            }
            Self::BootInfo { id, offset } => {
                serde_json::json!({ "BootInfo": { "id": id, "offset": offset } })
            }
        };
        value.serialize(serializer)
    }
}

/// How listings name contents: by length and hash. The SDK's tool writes every byte as a number, some
/// 25 bytes for one, which is gigabytes for a guest's images.
pub(crate) fn digest(bytes: &[u8]) -> Value {
    let hash = Sha256::digest(bytes);
    let sha256: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::json!({ "len": bytes.len(), "sha256": sha256 })
}
