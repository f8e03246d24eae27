// SPDX-License-Identifier: BSD-2-Clause
//! What the tool would give a PD, put together by a test.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use mmio::Window;
use record::{
    Builder, ChannelEntry, ChannelRights, ChildEntry, Entry, IrqEntry, Record, RegionEntry,
    RegionRights, WindowEntry, encoded_len,
};
use shm::{Region, Ro, Rw};
use units::{Bytes, ChannelId, ChildId, IrqId, PdVaddr, PhysAddr, VcpuId};

use crate::handler::Component;
use crate::setup::{MapError, Mapper, Setup, SetupError, check_memory, check_registers};

/// Distance between the virtual addresses of two regions.
const STRIDE: u64 = 0x1000_0000;

/// Regions, registers and ids by role.
///
/// The methods that hand out ids panic on ids above 61: a test with such a record builds its bytes
/// itself.
#[derive(Debug, Default)]
pub struct World {
    entries: Vec<(&'static str, Entry<'static>)>,
    memory: BTreeMap<PdVaddr, Region<Rw>>,
    windows: BTreeMap<PdVaddr, Option<Window>>,
}

#[expect(
    clippy::expect_used,
    reason = "test support: a wrong world is a wrong test"
)]
impl World {
    /// A world without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any entry.
    pub fn entry(&mut self, role: &'static str, entry: Entry<'static>) -> &mut Self {
        self.entries.push((role, entry));
        self
    }

    /// Shared memory that the PD may read only.
    pub fn region_ro(&mut self, role: &'static str, memory: Region<Rw>) -> &mut Self {
        self.region(role, memory, false)
    }

    /// Shared memory that the PD may read and write.
    pub fn region_rw(&mut self, role: &'static str, memory: Region<Rw>) -> &mut Self {
        self.region(role, memory, true)
    }

    /// Device registers.
    pub fn registers(&mut self, role: &'static str, window: Window) -> &mut Self {
        let entry = self.place(window.len(), true, false);
        self.windows.insert(entry.vaddr, Some(window));
        self.entry(role, Entry::Region(entry))
    }

    /// A channel that may be notified and called.
    pub fn channel(&mut self, role: &'static str, id: u64) -> &mut Self {
        let id = ChannelId::new(id).expect("a channel id is at most 61");
        let rights = ChannelRights {
            notify: true,
            call: true,
        };
        self.entry(role, Entry::Channel(ChannelEntry { id, rights }))
    }

    /// A level-triggered interrupt.
    pub fn irq(&mut self, role: &'static str, id: u64) -> &mut Self {
        let id = IrqId::new(id).expect("an IRQ id is at most 61");
        self.entry(
            role,
            Entry::Irq(IrqEntry {
                id,
                number: 32 + u32::from(id.get()),
                edge: false,
            }),
        )
    }

    /// A child PD.
    pub fn child(&mut self, role: &'static str, id: u64, entry: u64) -> &mut Self {
        let id = ChildId::new(id).expect("a child id is at most 61");
        self.entry(role, Entry::Child(ChildEntry { id, entry }))
    }

    /// A vCPU.
    pub fn vcpu(&mut self, role: &'static str, id: u64) -> &mut Self {
        let id = VcpuId::new(id).expect("a vCPU id is at most 61");
        self.entry(role, Entry::Vcpu(id))
    }

    /// `size` bytes at the physical address `paddr`.
    pub fn dma(&mut self, role: &'static str, paddr: u64, size: u64) -> &mut Self {
        let (paddr, size) = (PhysAddr::new(paddr), Bytes::new(size));
        self.entry(role, Entry::Window(WindowEntry { paddr, size }))
    }

    /// A number.
    pub fn value(&mut self, role: &'static str, value: u64) -> &mut Self {
        self.entry(role, Entry::Value(value))
    }

    /// A text.
    pub fn text(&mut self, role: &'static str, text: &'static str) -> &mut Self {
        self.entry(role, Entry::Text(text))
    }

    /// The record of this world.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let text = |entry: &Entry<'_>| match entry {
            Entry::Text(text) => text.len(),
            _ => 0,
        };
        let texts = self.entries.iter().map(|(_, entry)| text(entry)).sum();
        let mut bytes = vec![0; encoded_len(self.entries.len(), texts)];
        let mut builder = Builder::new(&mut bytes);
        for (role, entry) in &self.entries {
            builder
                .add(role, entry)
                .expect("the buffer has the right size");
        }
        builder.finish().expect("the buffer has the right size");
        bytes
    }

    /// Creates a component. Registers are claimed by this, memory stays as it is: creating again is
    /// a restart, for which a test adds no new registers but keeps its banks.
    ///
    /// # Errors
    ///
    /// Whatever the component answers.
    pub fn create<C: Component>(&mut self) -> Result<C, SetupError> {
        let bytes = self.record();
        let record = Record::parse(&bytes)?;
        C::create(&mut Setup::new(record, self))
    }

    fn region(&mut self, role: &'static str, memory: Region<Rw>, write: bool) -> &mut Self {
        let entry = self.place(memory.len(), write, true);
        self.memory.insert(entry.vaddr, memory);
        self.entry(role, Entry::Region(entry))
    }

    /// The next free place in the PD's address space.
    fn place(&self, len: usize, write: bool, cached: bool) -> RegionEntry {
        let index = (self.memory.len() + self.windows.len()) as u64 + 1;
        RegionEntry {
            vaddr: PdVaddr::new(index * STRIDE).expect("a test has few regions"),
            size: Bytes::new(len as u64),
            rights: RegionRights {
                read: true,
                write,
                execute: false,
                cached,
            },
            paddr: None,
        }
    }

    fn memory_at(&self, entry: &RegionEntry) -> Result<Region<Rw>, MapError> {
        let memory = self.memory.get(&entry.vaddr).ok_or(MapError::Range)?;
        let len = entry.size.to_usize().ok_or(MapError::Range)?;
        memory.sub(0, len).map_err(|_| MapError::Range)
    }
}

impl Mapper for World {
    fn map_ro(&mut self, entry: &RegionEntry) -> Result<Region<Ro>, MapError> {
        check_memory(entry, false)?;
        Ok(self.memory_at(entry)?.read_only())
    }

    fn map_rw(&mut self, entry: &RegionEntry) -> Result<Region<Rw>, MapError> {
        check_memory(entry, true)?;
        self.memory_at(entry)
    }

    fn map_registers(&mut self, entry: &RegionEntry) -> Result<Window, MapError> {
        check_registers(entry)?;
        let window = self.windows.get_mut(&entry.vaddr).ok_or(MapError::Range)?;
        window.take().ok_or(MapError::Claimed)
    }
}
