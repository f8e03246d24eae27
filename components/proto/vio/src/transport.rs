// SPDX-License-Identifier: BSD-2-Clause
//! The VMM's end: gives orders, reads answers.

use shm::{OutOfBounds, Region, Ro, Rw};

use crate::layout::*;
use crate::{LinkError, Offer, Orders};

/// The transport's end of the record.
#[derive(Debug)]
pub struct Transport {
    orders: Region<Rw>,
    answers: Region<Ro>,
    generation: u32,
    config_write: u32,
}

/// What the backend has to say, fetched once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Changes with every notification of used buffers.
    pub used: u32,
    /// Changes with the configuration space.
    pub config: u32,
    /// Not zero: the device needs a reset, and why.
    pub fault: u32,
}

impl Transport {
    /// Takes the regions and orders the backend to let go of whatever an earlier life of this VMM
    /// had it do. The backend is to be notified.
    ///
    /// # Errors
    /// [`LinkError::Region`].
    pub fn new(orders: Region<Rw>, answers: Region<Ro>) -> Result<Self, LinkError> {
        orders.sub(0, ORDERS_SIZE)?;
        answers.sub(0, answers_size(0, 1))?;
        let generation = orders.load::<u32>(GENERATION)? & !1;
        let mut link = Self {
            orders,
            answers,
            generation,
            config_write: 0,
        };
        link.orders.store(LAYOUT_VERSION, VERSION)?;
        link.give(Phase::LetGo, 0, &[])?;
        link.orders.store_release(MAGIC, ORDERS_MAGIC)?;
        Ok(link)
    }

    /// What the device is; `None` until the backend has published a valid offer in our version
    /// whose tables fit the region.
    #[must_use]
    pub fn offer(&self) -> Option<Offer> {
        let magic = self.answers.load_acquire::<u32>(MAGIC).ok()?;
        let version = self.answers.load::<u32>(LAYOUT_VERSION).ok()?;
        if magic != ANSWERS_MAGIC || version != VERSION {
            return None;
        }
        let word = |at| self.answers.load::<u32>(at).ok();
        let offer = Offer {
            device: word(DEVICE)?,
            features: self.answers.load(OFFERED).ok()?,
            queues: usize::try_from(word(QUEUE_COUNT)?).ok()?,
            queue_max: u16::try_from(word(QUEUE_MAX)?).ok()?,
            config_len: usize::try_from(word(CONFIG_LEN)?).ok()?,
        };
        let fits = answers_size(offer.queues, offer.queue_max) <= self.answers.len();
        (offer.is_valid() && fits).then_some(offer)
    }

    /// Gives new orders. `queues` beyond [`MAX_QUEUES`] are dropped, missing ones are not ready.
    /// The backend is to be notified.
    pub fn order(&mut self, phase: Phase, features: u64, queues: &[QueueConfig]) {
        // The region's size was checked in `new`.
        let _ = self.give(phase, features, queues);
    }

    /// What the driver wrote to the byte of the configuration space that it may write, for the next
    /// orders; `None` after a reset. `true` if something was written before.
    pub fn set_config_write(&mut self, value: Option<u8>) -> bool {
        let wire = value.map_or(0, |value| CONFIG_WRITTEN | u32::from(value));
        core::mem::replace(&mut self.config_write, wire) != 0
    }

    /// Whether the backend has put the latest orders into effect.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.answers.load_acquire::<u32>(ACKNOWLEDGED) == Ok(self.generation)
    }

    /// The backend's counters and fault.
    #[must_use]
    pub fn events(&self) -> Events {
        let word = |at| self.answers.load_acquire::<u32>(at).unwrap_or(0);
        Events {
            used: word(USED_EVENTS),
            config: word(CONFIG_GENERATION),
            fault: word(FAULT),
        }
    }

    /// Reads the configuration space. The caller keeps to the offer's length.
    ///
    /// # Errors
    /// [`OutOfBounds`] beyond [`CONFIG_SIZE`].
    pub fn read_config(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfBounds> {
        self.answers.sub(CONFIG, CONFIG_SIZE)?.copy_in(offset, into)
    }

    fn give(
        &mut self,
        phase: Phase,
        features: u64,
        queues: &[QueueConfig],
    ) -> Result<(), OutOfBounds> {
        // Readers take a snapshot only between two equal, even generations.
        self.orders.store(GENERATION, self.generation | 1)?;
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        self.orders.store(PHASE, phase.to_wire())?;
        self.orders.store(FEATURES, features)?;
        self.orders.store(CONFIG_WRITE, self.config_write)?;
        let unused = QueueConfig::default();
        for index in 0..MAX_QUEUES {
            let queue = queues.get(index).unwrap_or(&unused);
            let at = QUEUES + index * QUEUE_STRIDE;
            self.orders.store(at, u32::from(queue.size))?;
            self.orders.store(at + 4, u32::from(queue.ready))?;
            self.orders.store(at + 8, queue.desc)?;
            self.orders.store(at + 16, queue.driver)?;
            self.orders.store(at + 24, queue.device)?;
        }
        self.generation = self.generation.wrapping_add(2);
        self.orders.store_release(GENERATION, self.generation)
    }
}

/// Reads one stable set of orders; `None` if there are none, or they kept changing.
pub(crate) fn snapshot(orders: &Region<Ro>) -> Result<Option<Orders>, OutOfBounds> {
    /// A transport that writes without pause notifies again when it is done.
    const TRIES: usize = 4;
    let valid = orders.load_acquire::<u32>(MAGIC)? == ORDERS_MAGIC
        && orders.load::<u32>(LAYOUT_VERSION)? == VERSION;
    if !valid {
        return Ok(None);
    }
    for _ in 0..TRIES {
        let generation = orders.load_acquire::<u32>(GENERATION)?;
        if generation & 1 != 0 {
            continue;
        }
        let copy = copy(orders, generation)?;
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        if orders.load::<u32>(GENERATION)? == generation {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

fn copy(orders: &Region<Ro>, generation: u32) -> Result<Orders, OutOfBounds> {
    let mut queues = [QueueConfig::default(); MAX_QUEUES];
    for (index, queue) in queues.iter_mut().enumerate() {
        let at = QUEUES + index * QUEUE_STRIDE;
        let size = orders.load::<u32>(at)?;
        *queue = QueueConfig {
            // A size that no queue can have is refused where the queue is made.
            size: u16::try_from(size).unwrap_or(0),
            ready: orders.load::<u32>(at + 4)? == 1,
            desc: orders.load(at + 8)?,
            driver: orders.load(at + 16)?,
            device: orders.load(at + 24)?,
        };
    }
    let phase = Phase::from_wire(orders.load(PHASE)?);
    let [value, written, ..] = orders.load::<u32>(CONFIG_WRITE)?.to_le_bytes();
    Ok(Orders {
        generation,
        phase,
        features: orders.load(FEATURES)?,
        config_write: (written != 0).then_some(value),
        queues,
    })
}
