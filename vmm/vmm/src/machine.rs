// SPDX-License-Identifier: BSD-2-Clause
//! The guest's devices behind its bus, and the wires from them to the interrupt controller.

use bus::{Abort, Bus, Device, IoError, MapError, Policy, Slot, Width, Window};
use units::{ChannelId, ChannelSet};
use vgic::Vgic;

/// Most devices of a guest beside its interrupt controller.
pub const MAX_DEVICES: usize = 12;

/// A device with what ties it to other PDs.
///
/// The device itself stays a pure register model; what moves its data to and from peers is called
/// at the moments when there may be some.
pub trait Model<K>: Device {
    /// The guest has accessed the device, or a peer it listens to has notified, or the guest is
    /// about to start: exchange data, and notify peers that wait for some. Bounded work.
    fn serve(&mut self, kernel: &mut K);

    /// Whether `channel` leads to a peer of this device.
    fn listens_to(&self, channel: ChannelId) -> bool {
        let _ = channel;
        false
    }

    /// For a device with a notion of time ([`Machine::attach_clock`]): takes the present time, and
    /// answers the tick at which its interrupt output will change by itself.
    fn tick(&mut self, kernel: &mut K) -> Option<u64> {
        let _ = kernel;
        None
    }

    /// Whether a peer must let go of the guest's memory before the guest may go on.
    fn is_busy(&self) -> bool {
        false
    }

    /// Shows a line of the VMM to whoever watches the guest through this device. Whether it could.
    fn report(&mut self, kernel: &mut K, line: &[u8]) -> bool {
        let (_, _) = (kernel, line);
        false
    }

    /// The guest is reset. [`Model::serve`] follows.
    fn reset(&mut self);
}

/// The devices of a guest.
pub struct Machine<M> {
    bus: Bus<M, MAX_DEVICES>,
    /// Interrupt of each device, by slot.
    intids: [u16; MAX_DEVICES],
    /// The device with a notion of time, and its window.
    clock: Option<(Window, Slot)>,
    /// When its interrupt output changes by itself.
    alarm: Option<u64>,
}

/// One access of a guest.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) cpu: usize,
    pub(crate) gpa: u64,
    pub(crate) width: Width,
}

/// What became of an access that was not aborted.
pub(crate) struct Done {
    /// What a load yields.
    pub(crate) value: u64,
    /// Whether a register took the access.
    pub(crate) taken: bool,
    /// The device that made the vCPU wait.
    pub(crate) busy: Option<Slot>,
}

impl Done {
    /// Of a register bank that keeps nobody waiting: a refusal reads as zero.
    pub(crate) fn of(answer: Result<u64, IoError>) -> Self {
        Self {
            value: answer.unwrap_or(0),
            taken: answer.is_ok(),
            busy: None,
        }
    }
}

impl<M: Device> Machine<M> {
    /// A machine without devices. An access to nothing is answered as `policy` says.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            bus: Bus::new(policy),
            intids: [0; MAX_DEVICES],
            clock: None,
            alarm: None,
        }
    }

    /// Puts `model` on `window`, with its interrupt output wired to `intid` (0: not wired).
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn attach(&mut self, window: Window, model: M, intid: u16) -> Result<Slot, MapError> {
        let slot = self.bus.insert(window, model)?;
        if let Some(wire) = self.intids.get_mut(slot.index()) {
            *wire = intid;
        }
        Ok(slot)
    }

    /// As [`Machine::attach`], for the one device with a notion of time: it is told the time before
    /// every access. A second one takes the place of the first in that.
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn attach_clock(&mut self, window: Window, model: M, intid: u16) -> Result<Slot, MapError> {
        let slot = self.attach(window, model, intid)?;
        self.clock = Some((window, slot));
        Ok(slot)
    }

    /// The devices in the order in which they were attached.
    pub fn models_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.bus.devices_mut().map(|(_, model)| model)
    }

    /// When the clock's interrupt output changes by itself.
    pub(crate) const fn alarm(&self) -> Option<u64> {
        self.alarm
    }

    /// Whether a store does the same whatever the value.
    pub(crate) fn ignores_value(&self, access: Guest) -> bool {
        let Guest { cpu, gpa, width } = access;
        self.bus.ignores_value(gpa, width, cpu)
    }

    /// A load, or a store of `value`, of the guest.
    pub(crate) fn access<K>(
        &mut self,
        kernel: &mut K,
        vgic: &mut Vgic,
        access: Guest,
        value: Option<u64>,
    ) -> Result<Done, Abort>
    where
        M: Model<K>,
    {
        let Guest { cpu, gpa, width } = access;
        if let Some((window, slot)) = self.clock
            && gpa.wrapping_sub(window.base) < window.size
            && let Some(model) = self.bus.device_mut(slot)
        {
            model.tick(kernel);
        }
        let done = match value {
            Some(value) => self.bus.write(gpa, width, cpu, value)?,
            None => self.bus.read(gpa, width, cpu)?,
        };
        let busy = done.slot.filter(|slot| self.serve(kernel, vgic, *slot));
        Ok(Done {
            value: done.value,
            taken: done.ignored.is_none(),
            busy,
        })
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
            for channel in channels {
                if model.listens_to(channel) {
                    stray.remove(channel);
                    mine = true;
                }
            }
            if mine {
                model.serve(kernel);
                drive(vgic, intids, slot, model);
            }
        }
        stray
    }

    /// Time has passed: the clock may have something to say.
    pub(crate) fn tick<K>(&mut self, kernel: &mut K, vgic: &mut Vgic)
    where
        M: Model<K>,
    {
        if let Some((_, slot)) = self.clock {
            self.serve(kernel, vgic, slot);
        }
    }

    /// Resets every device.
    pub(crate) fn reset<K>(&mut self)
    where
        M: Model<K>,
    {
        for (_, model) in self.bus.devices_mut() {
            model.reset();
        }
    }

    /// Lets every device exchange what it has. Whether none keeps the guest from starting.
    pub(crate) fn settle<K>(&mut self, kernel: &mut K) -> bool
    where
        M: Model<K>,
    {
        let mut ready = true;
        for (_, model) in self.bus.devices_mut() {
            model.serve(kernel);
            ready &= !model.is_busy();
        }
        ready
    }

    /// Whether the device at `slot` makes vCPUs wait.
    pub(crate) fn is_busy<K>(&self, slot: Slot) -> bool
    where
        M: Model<K>,
    {
        self.bus.device(slot).is_some_and(Model::is_busy)
    }

    /// Lets a device exchange its data, samples its interrupt, and tells whether it is busy.
    fn serve<K>(&mut self, kernel: &mut K, vgic: &mut Vgic, slot: Slot) -> bool
    where
        M: Model<K>,
    {
        let Some(model) = self.bus.device_mut(slot) else {
            return false;
        };
        model.serve(kernel);
        if self.clock.is_some_and(|(_, clock)| clock == slot) {
            self.alarm = model.tick(kernel);
        }
        drive(vgic, &self.intids, slot, model);
        model.is_busy()
    }
}

/// Samples the interrupt output of the device at `slot`.
fn drive<M: Device>(vgic: &mut Vgic, intids: &[u16; MAX_DEVICES], slot: Slot, model: &M) {
    let intid = intids.get(slot.index()).copied().unwrap_or(0);
    vgic.set_level(0, intid, model.irq().is_high());
}
