// SPDX-License-Identifier: BSD-2-Clause
//! The backend's end: offers a device, follows orders.

use shm::{OutOfBounds, Region, Ro, Rw};

use crate::inflight::Inflight;
use crate::layout::*;
use crate::transport::snapshot;
use crate::{LinkError, Offer, Orders};

/// The backend's end of the record.
#[derive(Debug)]
pub struct Backend {
    orders: Region<Ro>,
    answers: Region<Rw>,
    offer: Offer,
    acknowledged: u32,
    used_events: u32,
    config_generation: u32,
    restarted: bool,
}

impl Backend {
    /// Takes the regions and publishes the offer with the first bytes of the configuration space
    /// (the rest of its length is zero). The transport is to be notified.
    ///
    /// A backend that died and came back finds its earlier answers in the region and goes on
    /// from them: see [`Backend::orders`].
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn new(
        orders: Region<Ro>,
        answers: Region<Rw>,
        offer: Offer,
        config: &[u8],
    ) -> Result<Self, LinkError> {
        orders.sub(0, ORDERS_SIZE)?;
        let fits = answers_size(offer.queues, offer.queue_max) <= answers.len();
        if !offer.is_valid() || config.len() > offer.config_len {
            return Err(LinkError::Offer);
        }
        if !fits {
            return Err(LinkError::Region);
        }
        let restarted = answers.load_acquire::<u32>(MAGIC)? == ANSWERS_MAGIC;
        let mut link = Self {
            orders,
            answers,
            offer,
            acknowledged: answers.load(ACKNOWLEDGED)?,
            used_events: answers.load(USED_EVENTS)?,
            config_generation: answers.load(CONFIG_GENERATION)?,
            restarted,
        };
        link.publish(config)?;
        Ok(link)
    }

    /// Whether there are orders that are not in effect yet, as far as one look can tell.
    #[must_use]
    pub fn has_orders(&self) -> bool {
        let generation = self.orders.load_acquire::<u32>(GENERATION);
        self.restarted || generation != Ok(self.acknowledged)
    }

    /// Orders that are not in effect yet, and whether to resume from the in-flight tables: after
    /// a restart the acknowledged orders come once more, with `true`.
    pub fn orders(&mut self) -> Option<(Orders, bool)> {
        let orders = snapshot(&self.orders).ok()??;
        let resume = core::mem::take(&mut self.restarted) && orders.generation == self.acknowledged;
        (resume || orders.generation != self.acknowledged).then_some((orders, resume))
    }

    /// Says that the orders of `generation` are in effect; in particular, that no queue which they
    /// do not name will be touched again. The transport is to be notified.
    pub fn acknowledge(&mut self, generation: u32) {
        self.acknowledged = generation;
        let _ = self.answers.store_release(ACKNOWLEDGED, generation);
    }

    /// Asks the transport to interrupt the driver because of used buffers. The transport is to be
    /// notified.
    pub fn used_buffers(&mut self) {
        self.used_events = self.used_events.wrapping_add(1);
        let _ = self.answers.store_release(USED_EVENTS, self.used_events);
    }

    /// Says that the device needs a reset (VIRTIO 2.1.2), with a code that is not zero, or that it
    /// no longer does, with zero. The transport is to be notified.
    pub fn set_fault(&mut self, code: u32) {
        let _ = self.answers.store_release(FAULT, code);
    }

    /// The code of [`Backend::set_fault`], also that of an earlier life.
    #[must_use]
    pub fn fault(&self) -> u32 {
        self.answers.load(FAULT).unwrap_or(0)
    }

    /// Copies the start of the configuration space as it is now, also that of an earlier life.
    ///
    /// # Errors
    /// [`OutOfBounds`] if `into` is longer than the offer said.
    pub fn config(&self, into: &mut [u8]) -> Result<(), OutOfBounds> {
        self.answers
            .sub(CONFIG, self.offer.config_len)?
            .copy_in(0, into)
    }

    /// Replaces the start of the configuration space. The transport is to be notified.
    ///
    /// # Errors
    /// [`OutOfBounds`] if it is longer than the offer said.
    pub fn set_config(&mut self, config: &[u8]) -> Result<(), OutOfBounds> {
        let space = self.answers.sub(CONFIG, self.offer.config_len)?;
        space.copy_out(0, config)?;
        self.config_generation = self.config_generation.wrapping_add(1);
        self.answers
            .store_release(CONFIG_GENERATION, self.config_generation)
    }

    /// The in-flight table of queue `index` for a queue of `size` entries; `None` beyond the offer.
    #[must_use]
    pub fn inflight(&self, index: usize, size: u16) -> Option<Inflight> {
        if index >= self.offer.queues || size > self.offer.queue_max {
            return None;
        }
        let table = table_size(self.offer.queue_max);
        let region = self.answers.sub(INFLIGHT + index * table, table).ok()?;
        Some(Inflight::new(region, size))
    }

    fn publish(&mut self, config: &[u8]) -> Result<(), LinkError> {
        let Offer {
            device,
            features,
            queues,
            queue_max,
            config_len,
        } = self.offer;
        let word = |value: usize| u32::try_from(value).map_err(|_| LinkError::Offer);
        self.answers.store(LAYOUT_VERSION, VERSION)?;
        self.answers.store(DEVICE, device)?;
        self.answers.store(QUEUE_COUNT, word(queues)?)?;
        self.answers.store(OFFERED, features)?;
        self.answers.store(CONFIG_LEN, word(config_len)?)?;
        self.answers.store(QUEUE_MAX, u32::from(queue_max))?;
        if self.restarted {
            // The driver may have read it: it stays as it was.
            return Ok(());
        }
        self.answers.fill(CONFIG, CONFIG_SIZE, 0)?;
        self.answers.copy_out(CONFIG, config)?;
        self.answers.store_release(MAGIC, ANSWERS_MAGIC)?;
        Ok(())
    }
}
