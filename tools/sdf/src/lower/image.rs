// SPDX-License-Identifier: BSD-2-Clause
//! Records as files.

use record::{Builder, ChannelEntry, ChildEntry, Entry, IrqEntry, RegionEntry, WindowEntry};
use units::{ChildId, VcpuId};

/// A record to be written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordImage {
    /// Index of its protection domain.
    pub pd: usize,
    /// Name of the file, relative to a search directory.
    pub path: String,
    /// Bytes of the file and its region: a multiple of 4 KiB.
    pub size: u64,
    /// Address it is mapped at.
    pub vaddr: u64,
    /// Roles and what they stand for.
    pub entries: Vec<(String, Resolved)>,
}

/// What a record entry stands for, as far as the system file decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A mapping.
    Region(RegionEntry),
    /// Memory as devices address it.
    Window(WindowEntry),
    /// A channel.
    Channel(ChannelEntry),
    /// An interrupt.
    Irq(IrqEntry),
    /// A child; its entry point is known only once its program is.
    Child {
        /// Id the parent knows it by.
        id: ChildId,
        /// Its name.
        pd: String,
    },
    /// A vCPU.
    Vcpu(VcpuId),
    /// A number.
    Value(u64),
    /// A text.
    Text(String),
}

/// Why a record could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// The entry point of this child is not known.
    NoEntryPoint(String),
    /// The record does not fit its region.
    NoSpace,
}

impl std::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoEntryPoint(pd) => write!(f, "the entry point of `{pd}` is not known"),
            Self::NoSpace => f.write_str("the record does not fit its region"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl RecordImage {
    /// The bytes of the file, padded to `size`; `entry_point` gives the entry of a child's program.
    ///
    /// # Errors
    /// When a child's entry point is not known.
    pub fn encode(
        &self,
        entry_point: &dyn Fn(&str) -> Option<u64>,
    ) -> Result<Vec<u8>, EncodeError> {
        let size = usize::try_from(self.size).map_err(|_| EncodeError::NoSpace)?;
        let mut bytes = vec![0; size];
        let mut builder = Builder::new(&mut bytes);
        for (role, resolved) in &self.entries {
            let entry = match resolved {
                Resolved::Region(region) => Entry::Region(*region),
                Resolved::Window(window) => Entry::Window(*window),
                Resolved::Channel(channel) => Entry::Channel(*channel),
                Resolved::Irq(irq) => Entry::Irq(*irq),
                Resolved::Child { id, pd } => {
                    let entry = entry_point(pd);
                    let entry = entry.ok_or_else(|| EncodeError::NoEntryPoint(pd.clone()))?;
                    Entry::Child(ChildEntry { id: *id, entry })
                }
                Resolved::Vcpu(id) => Entry::Vcpu(*id),
                Resolved::Value(value) => Entry::Value(*value),
                Resolved::Text(text) => Entry::Text(text),
            };
            builder
                .add(role, &entry)
                .map_err(|_| EncodeError::NoSpace)?;
        }
        builder.finish().map_err(|_| EncodeError::NoSpace)?;
        Ok(bytes)
    }
}
