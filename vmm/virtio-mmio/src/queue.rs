// SPDX-License-Identifier: BSD-2-Clause
//! What the driver sets up per queue (2.7, 4.2.3.2), and its checks.
//!
//! Answers H-12.

use guest::Span;
use vio::QueueConfig;
use virtio::queue::{ALIGNMENTS, area_sizes};

use crate::anomaly::Anomaly;
use crate::{Settling, Transport};

/// One queue's registers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueState {
    size: u32,
    /// Descriptor, driver and device area.
    areas: [u64; 3],
    ready: bool,
    /// The backend still has it.
    stopping: Option<Stop>,
}

/// How a queue is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// By QueueReady.
    Ready,
    /// By QueueReset: its other registers go back to their defaults.
    Reset,
}

/// One of the three areas of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Desc,
    Driver,
    Device,
}

impl QueueState {
    pub(crate) fn config(&self) -> QueueConfig {
        let [desc, driver, device] = self.areas;
        let size = u16::try_from(self.size).unwrap_or(0);
        QueueConfig {
            size,
            ready: self.ready,
            desc,
            driver,
            device,
        }
    }

    /// The backend has let go.
    pub(crate) fn stopped(&mut self) {
        if self.stopping.take() == Some(Stop::Reset) {
            *self = Self::default();
        }
    }

    /// What QueueReady reads: 1 until the backend has let go.
    pub(crate) const fn reads_ready(&self) -> bool {
        self.ready || matches!(self.stopping, Some(Stop::Ready))
    }

    /// What QueueReset reads: 1 until the backend has let go (2.6.1.1).
    pub(crate) const fn reads_reset(&self) -> bool {
        matches!(self.stopping, Some(Stop::Reset))
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    const fn is_free(&self) -> bool {
        !self.ready && self.stopping.is_none()
    }
}

impl Transport {
    /// Number of queues that the device has.
    pub(crate) fn queue_count(&self) -> usize {
        self.offer.map_or(0, |offer| offer.queues)
    }

    /// The queue with this index, if the device has it.
    pub(crate) fn queue(&self, index: u32) -> Option<&QueueState> {
        let index = usize::try_from(index).ok()?;
        self.queues.get(..self.queue_count())?.get(index)
    }

    fn selected(&mut self) -> Result<&mut QueueState, Anomaly> {
        let count = self.queue_count();
        let index = usize::try_from(self.queue_sel).unwrap_or(usize::MAX);
        let queues = self.queues.get_mut(..count).unwrap_or_default();
        queues.get_mut(index).ok_or(Anomaly::QueueSelect)
    }

    /// H-07: size and addresses do not change while the queue is in use.
    fn selected_free(&mut self) -> Result<&mut QueueState, Anomaly> {
        let queue = self.selected()?;
        if queue.is_free() {
            Ok(queue)
        } else {
            Err(Anomaly::QueueState)
        }
    }

    pub(crate) fn write_queue_size(&mut self, value: u32) -> Result<(), Anomaly> {
        self.selected_free()?.size = value;
        Ok(())
    }

    pub(crate) fn write_queue_area(
        &mut self,
        area: Area,
        high: bool,
        value: u32,
    ) -> Result<(), Anomaly> {
        let queue = self.selected_free()?;
        let [desc, driver, device] = &mut queue.areas;
        let address = match area {
            Area::Desc => desc,
            Area::Driver => driver,
            Area::Device => device,
        };
        *address = if high {
            *address & 0xffff_ffff | u64::from(value) << 32
        } else {
            *address & !0xffff_ffff | u64::from(value)
        };
        Ok(())
    }

    pub(crate) fn write_queue_ready(&mut self, value: u32) -> Result<(), Anomaly> {
        if value & 1 == 0 {
            return self.stop_selected(Stop::Ready);
        }
        let queue = *self.selected_free()?;
        if !self.status.contains(virtio::Status::FEATURES_OK) || self.needs_reset() {
            return Err(Anomaly::QueueState);
        }
        self.check(&queue)?;
        self.selected()?.ready = true;
        if self.is_running() {
            self.order();
        }
        Ok(())
    }

    /// 2.6.1: only with VIRTIO_F_RING_RESET.
    pub(crate) fn write_queue_reset(&mut self, value: u32) -> Result<(), Anomaly> {
        let negotiated = self.driver_features & virtio::Features::RING_RESET.bits() != 0;
        if value & 1 == 0 || !negotiated {
            return Err(Anomaly::QueueState);
        }
        self.stop_selected(Stop::Reset)
    }

    fn stop_selected(&mut self, stop: Stop) -> Result<(), Anomaly> {
        let running = self.is_running();
        let queue = self.selected()?;
        if !queue.ready {
            // Not in use: nothing to wait for. Writing 0 to QueueReady is harmless then.
            return if stop == Stop::Ready {
                Ok(())
            } else {
                Err(Anomaly::QueueState)
            };
        }
        queue.ready = false;
        queue.stopping = Some(stop);
        if running {
            self.settling = Settling::Queues;
            self.order();
        } else {
            self.selected()?.stopped();
        }
        Ok(())
    }

    /// H-05 and H-06: a queue that cannot be does not become ready.
    fn check(&self, queue: &QueueState) -> Result<(), Anomaly> {
        let max = self.offer.map_or(0, |offer| offer.queue_max);
        let size = u16::try_from(queue.size).map_err(|_| Anomaly::QueueSize)?;
        if !size.is_power_of_two() || size > max {
            return Err(Anomaly::QueueSize);
        }
        let mut areas = queue
            .areas
            .into_iter()
            .zip(area_sizes(size))
            .zip(ALIGNMENTS);
        while let Some(((base, len), alignment)) = areas.next() {
            let area = area(base, len, alignment).ok_or(Anomaly::QueueAddress)?;
            let in_ram = self.ram.iter().any(|ram| ram.covers(area));
            let mut others = areas
                .clone()
                .map(|((base, len), _)| self::area(base, len, 1));
            if !in_ram || others.any(|other| other.is_some_and(|other| other.overlaps(area))) {
                return Err(Anomaly::QueueAddress);
            }
        }
        Ok(())
    }
}

/// The area, if it is aligned and does not wrap.
fn area(base: u64, len: u64, alignment: u64) -> Option<Span> {
    let base = units::Gpa::new(base);
    Span::new(base, len).filter(|_| base.is_aligned(alignment))
}
