// SPDX-License-Identifier: BSD-2-Clause
//! The guest's devices behind its bus, and the wires from them to the interrupt controller.

use bus::{Abort, Bus, Device, MapError, Policy, Slot, Width, Window};
use units::{ChannelId, ChannelSet};
use vgic::Vgic;

/// Most devices of a guest beside its interrupt controller.
const MAX_DEVICES: usize = 40;

/// A device with what ties it to other PDs.
///
/// The device itself stays a pure register model; what moves its data to and from peers is called
/// at the three moments when there may be some.
pub trait Model<K>: Device {
    /// The guest has accessed the device, or a peer it listens to has notified: exchange data, and
    /// notify peers that wait for some. Bounded work.
    fn serve(&mut self, kernel: &mut K);

    /// Whether `channel` leads to a peer of this device.
    fn listens_to(&self, channel: ChannelId) -> bool {
        let _ = channel;
        false
    }

    /// The guest is reset.
    fn reset(&mut self, kernel: &mut K);
}

/// The devices of a guest.
pub struct Machine<M> {
    bus: Bus<M, MAX_DEVICES>,
    /// Interrupt of each device, by slot.
    intids: [u16; MAX_DEVICES],
}

impl<M: Device> Machine<M> {
    /// A machine without devices. An access to nothing is answered as `policy` says.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            bus: Bus::new(policy),
            intids: [0; MAX_DEVICES],
        }
    }

    /// Puts `model` on `window`, with its interrupt output wired to `intid` (0: not wired).
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn attach(&mut self, window: Window, model: M, intid: u16) -> Result<(), MapError> {
        let slot = self.bus.insert(window, model)?;
        if let Some(wire) = self.intids.get_mut(slot.index()) {
            *wire = intid;
        }
        Ok(())
    }

    /// The devices in the order in which they were attached.
    pub fn models_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.bus.devices_mut().map(|(_, model)| model)
    }

    /// A load of vCPU `cpu`. Yields its value, and whether a register supplied it.
    pub(crate) fn read<K>(
        &mut self,
        kernel: &mut K,
        vgic: &mut Vgic,
        access: Guest,
    ) -> Result<(u64, bool), Abort>
    where
        M: Model<K>,
    {
        let done = self.bus.read(access.gpa, access.width, access.cpu)?;
        if let Some(slot) = done.slot {
            self.settle(kernel, vgic, slot);
        }
        Ok((done.value, done.ignored.is_none()))
    }

    /// A store of vCPU `cpu`. Yields whether a register took it.
    pub(crate) fn write<K>(
        &mut self,
        kernel: &mut K,
        vgic: &mut Vgic,
        access: Guest,
        value: u64,
    ) -> Result<bool, Abort>
    where
        M: Model<K>,
    {
        let (gpa, width) = (access.gpa, access.width);
        let done = self.bus.write(gpa, width, access.cpu, value)?;
        if let Some(slot) = done.slot {
            self.settle(kernel, vgic, slot);
        }
        Ok(done.ignored.is_none())
    }

    /// Peers have notified. Yields the channels that no device listens to.
    pub(crate) fn notified<K>(
        &mut self,
        kernel: &mut K,
        vgic: &mut Vgic,
        channels: ChannelSet,
    ) -> ChannelSet
    where
        M: Model<K>,
    {
        let mut stray = channels;
        let intids = &self.intids;
        for (slot, model) in self.bus.devices_mut() {
            let mut mine = false;
            for channel in channels.iter().filter(|channel| model.listens_to(*channel)) {
                stray.remove(channel);
                mine = true;
            }
            if mine {
                model.serve(kernel);
                drive(vgic, intids, slot, model);
            }
        }
        stray
    }

    /// Resets every device. The interrupt controller is to be reset after it.
    pub(crate) fn reset<K>(&mut self, kernel: &mut K)
    where
        M: Model<K>,
    {
        for (_, model) in self.bus.devices_mut() {
            model.reset(kernel);
        }
    }

    /// Lets a device that was accessed exchange its data, and samples its interrupt.
    fn settle<K>(&mut self, kernel: &mut K, vgic: &mut Vgic, slot: Slot)
    where
        M: Model<K>,
    {
        if let Some(model) = self.bus.device_mut(slot) {
            model.serve(kernel);
            drive(vgic, &self.intids, slot, model);
        }
    }
}

/// Samples the interrupt output of the device at `slot`.
fn drive<M: Device>(vgic: &mut Vgic, intids: &[u16; MAX_DEVICES], slot: Slot, model: &M) {
    let intid = intids.get(slot.index()).copied().unwrap_or(0);
    vgic.set_level(0, intid, model.irq().is_high());
}

/// One access of a guest.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) cpu: usize,
    pub(crate) gpa: u64,
    pub(crate) width: Width,
}
