// SPDX-License-Identifier: BSD-2-Clause
//! What backends of virtio devices share: the transport's orders become queues.
//!
//! A [`Device`] owns the link to the guest's VMM (`proto/vio`), the guest's memory and the queues.
//! The backend on top serves requests; [`Device::follow_orders`] starts and stops the queues under
//! it, [`Device::fail`] stops them for a broken one (VIRTIO 1.3, 2.1.2), and [`Device::finish`] ends
//! a turn with at most one notification. Priorities are such that a reset is over before the
//! VMM's notification returns.
//!
//! Answers BH-25.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use guest::machine::RAM_BASE;
use guest_mem::GuestMem;
use pd::{Notify, Setup, SetupError};
use shm::{Region, Ro, Rw};
use units::ChannelId;
use vio::{Backend, LinkError, Offer, Orders, Phase, QueueConfig};
use virtio::Features;
use virtq::{Fault, Queue, Setup as QueueSetup};

/// Features of the ring, which [`Device`] takes care of: to be part of every offer.
pub const RING_FEATURES: u64 = Features::INDIRECT_DESC.union(Features::EVENT_IDX).bits();

/// Something that following orders brought about, for the backend to act on and to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A queue starts empty.
    Started {
        /// Which one.
        queue: usize,
    },
    /// A queue goes on where an earlier life of this backend left it; its requests in flight are
    /// to be done again ([`Queue::unfinished`]).
    Resumed {
        /// Which one.
        queue: usize,
    },
    /// A queue is not to be touched any more, nor whatever was taken from it.
    Stopped {
        /// Which one.
        queue: usize,
    },
    /// A queue cannot be served; the device needs a reset.
    Failed {
        /// Which one.
        queue: usize,
        /// Why.
        fault: Fault,
    },
    /// The orders are in effect.
    Orders {
        /// Their generation.
        generation: u32,
        /// Whether the device runs.
        phase: Phase,
    },
}

/// The device's side of a virtio device with `N` queues.
#[derive(Debug)]
pub struct Device<const N: usize> {
    link: Backend,
    transport: ChannelId,
    mem: GuestMem,
    queues: [Option<Queue>; N],
    configs: [QueueConfig; N],
    features: u64,
    config_write: Option<u8>,
    /// The transport has something to look at.
    signal: bool,
}

/// What a [`Device`] is made from, for backends that learn what they can offer only later.
#[derive(Clone, Copy, Debug)]
pub struct Wiring {
    mem: GuestMem,
    ram: Region<Rw>,
    orders: Region<Ro>,
    answers: Region<Rw>,
    transport: ChannelId,
}

impl Wiring {
    /// Takes the regions `ram`, `orders` and `answers` and the channel `vmm` of the record.
    ///
    /// # Errors
    /// [`SetupError`] where the record lacks one of them.
    pub fn find(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let ram = setup.region_rw("ram")?;
        let mem = GuestMem::new()
            .with(RAM_BASE, ram)
            .map_err(|_| SetupError::invalid("ram", "is not a range of guest memory"))?;
        Ok(Self {
            mem,
            ram,
            orders: setup.region_ro("orders")?,
            answers: setup.region_rw("answers")?,
            transport: setup.channel("vmm")?,
        })
    }

    /// The channel to the VMM.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.transport
    }

    /// The guest's memory from its first byte.
    #[must_use]
    pub const fn ram(&self) -> &Region<Rw> {
        &self.ram
    }

    /// Whether an offer fits the region of the answers.
    #[must_use]
    pub const fn holds(&self, offer: &Offer) -> bool {
        vio::answers_size(offer.queues, offer.queue_max) <= self.answers.len()
    }
}

impl<const N: usize> Device<N> {
    /// Takes the regions `ram`, `orders` and `answers` and the channel `vmm` of the record, and
    /// publishes `offer` with `config` as the configuration space.
    ///
    /// # Errors
    /// [`SetupError`] where the record lacks one of them, or a region is too small.
    pub fn open(setup: &mut Setup<'_>, offer: Offer, config: &[u8]) -> Result<Self, SetupError> {
        Self::new(&Wiring::find(setup)?, offer, config)
            .map_err(|_| SetupError::invalid("answers", "is too small for the device"))
    }

    /// Publishes `offer` with `config` as the configuration space.
    ///
    /// # Errors
    /// [`LinkError`] where the region of the answers is too small, or the offer is out of bounds.
    pub fn new(wiring: &Wiring, offer: Offer, config: &[u8]) -> Result<Self, LinkError> {
        Ok(Self {
            link: Backend::new(wiring.orders, wiring.answers, offer, config)?,
            transport: wiring.transport,
            mem: wiring.mem,
            queues: [const { None }; N],
            configs: [QueueConfig::default(); N],
            features: 0,
            config_write: None,
            // It has to see the offer, or that this backend is back.
            signal: true,
        })
    }

    /// The channel to the VMM.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.transport
    }

    /// The guest's memory.
    #[must_use]
    pub const fn mem(&self) -> &GuestMem {
        &self.mem
    }

    /// The negotiated features, 0 while the device does not run.
    #[must_use]
    pub const fn features(&self) -> u64 {
        self.features
    }

    /// What the driver wrote since the last reset to the byte of the configuration space that it
    /// may write.
    #[must_use]
    pub const fn config_write(&self) -> Option<u8> {
        self.config_write
    }

    /// A queue that is to be served.
    pub fn queue(&mut self, index: usize) -> Option<&mut Queue> {
        self.queues.get_mut(index).and_then(Option::as_mut)
    }

    /// Whether the transport has orders that are not in effect yet: a backend whose requests go on
    /// elsewhere ends them before it follows.
    #[must_use]
    pub fn has_orders(&self) -> bool {
        self.link.has_orders()
    }

    /// Puts new orders of the transport into effect, if there are any.
    pub fn follow_orders(&mut self, mut news: impl FnMut(News)) {
        let Some((orders, resume)) = self.link.orders() else {
            return;
        };
        self.signal = true;
        let mut failed = None;
        for queue in 0..N {
            if let Err(fault) = self.apply(&orders, queue, resume, &mut news) {
                failed = Some((queue, fault));
            }
        }
        let running = orders.phase == Phase::Running;
        self.features = if running { orders.features } else { 0 };
        self.config_write = orders.config_write;
        if !running {
            self.link.set_fault(0);
        }
        let generation = orders.generation;
        self.link.acknowledge(generation);
        if let Some((queue, fault)) = failed {
            self.fail(fault);
            news(News::Failed { queue, fault });
        }
        let phase = orders.phase;
        news(News::Orders { generation, phase });
    }

    /// One queue's part of the orders.
    fn apply(
        &mut self,
        orders: &Orders,
        queue: usize,
        resume: bool,
        news: &mut impl FnMut(News),
    ) -> Result<(), Fault> {
        let wanted = orders.queues.get(queue).copied().unwrap_or_default();
        // A device that needs a reset stays so across a restart of this backend.
        let broken = resume && self.link.fault() != 0;
        let in_use = orders.phase == Phase::Running && wanted.ready && !broken;
        let (Some(slot), Some(config)) = (self.queues.get_mut(queue), self.configs.get_mut(queue))
        else {
            return Ok(());
        };
        // Another queue's stop leaves this one alone.
        if in_use && !resume && slot.is_some() && *config == wanted {
            return Ok(());
        }
        if slot.take().is_some() {
            news(News::Stopped { queue });
        }
        *config = wanted;
        if !in_use {
            return Ok(());
        }
        let features = Features::from_bits_retain(orders.features);
        let inflight = self.link.inflight(queue, wanted.size);
        let setup = QueueSetup {
            mem: &self.mem,
            config: wanted,
            event_idx: features.contains(Features::EVENT_IDX),
            indirect: features.contains(Features::INDIRECT_DESC),
            inflight: inflight.ok_or(Fault::Setup)?,
        };
        if resume {
            *slot = Some(Queue::resume(setup)?);
            news(News::Resumed { queue });
        } else {
            *slot = Some(Queue::new(setup)?);
            news(News::Started { queue });
        }
        Ok(())
    }

    /// The driver broke a queue: the device needs a reset and touches none until then (2.1.2).
    pub fn fail(&mut self, fault: Fault) {
        self.queues = [const { None }; N];
        self.link.set_fault(fault.code());
        self.signal = true;
    }

    /// Copies the start of the configuration space as it is now, also that of an earlier life.
    pub fn config(&self, into: &mut [u8]) {
        // As long as the one that the offer came with.
        let _ = self.link.config(into);
    }

    /// Replaces the start of the configuration space.
    pub fn set_config(&mut self, config: &[u8]) {
        // As long as the one that the offer came with.
        let _ = self.link.set_config(config);
        self.signal = true;
    }

    /// Whether the driver wants an interrupt for what was given back on a queue; asking clears it.
    pub fn take_notification(&mut self, index: usize) -> bool {
        self.queue(index).is_some_and(Queue::take_notification)
    }

    /// Interrupts the driver because of used buffers.
    pub fn interrupt(&mut self) {
        self.link.used_buffers();
        self.signal = true;
    }

    /// Ends a turn: interrupts the driver if it wants to know of used buffers, and tells the
    /// transport if there is something for it to see. `true` for an interrupt.
    pub fn finish(&mut self, kernel: &mut impl Notify) -> bool {
        let mut interrupt = false;
        for index in 0..N {
            interrupt |= self.take_notification(index);
        }
        if interrupt {
            self.interrupt();
        }
        self.tell(kernel);
        interrupt
    }

    /// Tells the transport if there is something for it to see: [`Device::finish`] for devices
    /// that decide about interrupts themselves.
    pub fn tell(&mut self, kernel: &mut impl Notify) {
        if core::mem::take(&mut self.signal) {
            kernel.notify_deferred(self.transport);
        }
    }
}
