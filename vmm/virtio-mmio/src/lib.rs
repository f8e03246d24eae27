// SPDX-License-Identifier: BSD-2-Clause
//! Virtio transport over MMIO (VIRTIO 1.3, 4.2), without the queues.
//!
//! The transport has the registers, negotiates features and checks what the driver sets up; the
//! queues belong to a backend in another protection domain, to which [`vio`] connects it. It never
//! reads or writes guest memory.
//!
//! The owner connects it by value. After each access: if [`Transport::take_signal`], notify the
//! backend at once (not deferred: a backend of higher priority then answers before the call
//! returns) and call [`Transport::on_backend`]; if then [`Transport::is_settling`], the vCPU that
//! wrote is to be held until a later `on_backend` ends that, since drivers such as Linux'
//! `virtio_mmio` do not poll for the end of a reset. On each notification from the backend:
//! `on_backend`. The interrupt line is [`bus::Device::irq`].
//!
//! What a driver gets wrong is ignored and counted by name ([`Anomaly`]).
//!
//! Answers AV-47.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod anomaly;
mod queue;
mod registers;
mod shadow;
mod status;
#[cfg(test)]
mod tests;

use bus::IrqLine;
use guest::Span;
use heapless::Vec;
use vio::{MAX_QUEUES, Offer, Phase};
use virtio::{Features, Interrupt, Status};

pub use anomaly::{Anomalies, Anomaly};
use queue::QueueState;
pub use shadow::show_no_device;

/// Size of the register window (QEMU's `virt`): 0x100 of registers, 0x100 of configuration.
pub const WINDOW: u64 = 0x200;
/// VendorID: "BLKH".
pub const VENDOR: u32 = u32::from_le_bytes(*b"BLKH");
/// Most ranges of RAM of one guest.
pub const MAX_RAM: usize = 4;

/// Features that this transport itself provides, whatever the backend offers.
const TRANSPORT_FEATURES: Features = Features::VERSION_1.union(Features::RING_RESET);
/// Features that need something of the transport that it does not have.
const UNSUPPORTED: Features = Features::RING_PACKED
    .union(Features::SR_IOV)
    .union(Features::NOTIFICATION_DATA)
    .union(Features::NOTIF_CONFIG_DATA);

/// One virtio device as its driver sees it.
#[derive(Debug)]
pub struct Transport {
    link: vio::Transport,
    device: u32,
    ram: Vec<Span, MAX_RAM>,
    offer: Option<Offer>,
    status: Status,
    interrupt: Interrupt,
    queues: [QueueState; MAX_QUEUES],
    queue_sel: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    seen: vio::Events,
    settling: Settling,
    signal: bool,
    /// What a register page shows of the registers that change at every interrupt: InterruptStatus
    /// and Status. `None`: all of it may be out of date.
    shown: Option<(u32, u32)>,
    anomalies: Anomalies,
}

/// What the driver asked for that the backend has not confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Settling {
    /// Nothing that a driver could observe.
    #[default]
    No,
    /// A device reset.
    Reset,
    /// The stop of some queues, while the device runs.
    Queues,
}

impl Transport {
    /// A transport for a device of type `device` (VIRTIO section 5), whose queues may lie in `ram`
    /// (the first [`MAX_RAM`] ranges). The backend is to be notified.
    #[must_use]
    pub fn new(link: vio::Transport, device: u32, ram: &[Span]) -> Self {
        let mut ranges = Vec::new();
        for range in ram {
            // Full: a range that is not known holds no queue.
            let _ = ranges.push(*range);
        }
        let mut transport = Self {
            link,
            device,
            ram: ranges,
            offer: None,
            status: Status::empty(),
            interrupt: Interrupt::empty(),
            queues: [QueueState::default(); MAX_QUEUES],
            queue_sel: 0,
            device_features_sel: 0,
            driver_features_sel: 0,
            driver_features: 0,
            seen: vio::Events::default(),
            settling: Settling::No,
            signal: true,
            shown: None,
            anomalies: Anomalies::default(),
        };
        transport.seen = transport.link.events();
        transport.refresh_offer();
        transport
    }

    /// Looks at what the backend has to say: on each of its notifications, and after notifying it.
    pub fn on_backend(&mut self) {
        self.settle();
        let events = self.link.events();
        if self.status.contains(Status::DRIVER_OK) && self.settling != Settling::Reset {
            if events.used != self.seen.used {
                self.interrupt |= Interrupt::USED_BUFFER;
            }
            let failed = events.fault != 0 && !self.needs_reset();
            if failed {
                self.status |= Status::DEVICE_NEEDS_RESET;
            }
            // 2.1.2: a device that needs a reset after DRIVER_OK MUST tell so by a configuration
            // change notification.
            if failed || events.config != self.seen.config {
                self.interrupt |= Interrupt::CONFIG_CHANGE;
            }
        }
        if events.config != self.seen.config {
            self.shown = None;
        }
        self.seen = events;
        if self.status.is_empty() && self.settling == Settling::No {
            self.refresh_offer();
        }
    }

    /// Whether the backend is to be notified; asking clears it.
    pub fn take_signal(&mut self) -> bool {
        core::mem::take(&mut self.signal)
    }

    /// Whether the driver waits, knowingly or not, for the backend to let go of queues.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.settling != Settling::No
    }

    /// Resets the device, as when its guest is started again.
    pub fn reset(&mut self) {
        self.begin_reset();
    }

    /// What the driver got wrong so far.
    #[must_use]
    pub const fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// Type and features of the device, once its backend is there.
    #[must_use]
    pub const fn offer(&self) -> Option<&Offer> {
        self.offer.as_ref()
    }

    fn needs_reset(&self) -> bool {
        self.status.contains(Status::DEVICE_NEEDS_RESET)
    }

    fn is_running(&self) -> bool {
        self.status.contains(Status::DRIVER_OK)
    }

    /// Features as the driver sees them.
    fn features(&self) -> Features {
        let offered = self.offer.map_or(0, |offer| offer.features);
        Features::from_bits_retain(offered)
            .difference(UNSUPPORTED)
            .union(TRANSPORT_FEATURES)
    }

    /// The offer may change only while no driver has looked at it. A device of another type than
    /// the system description says is no device.
    fn refresh_offer(&mut self) {
        let offer = self.link.offer();
        let offer = offer.filter(|offer| offer.device == self.device);
        if self.offer != offer {
            self.offer = offer;
            self.shown = None;
        }
    }

    /// Gives the backend its orders from the present state.
    fn order(&mut self) {
        let phase = if self.is_running() {
            Phase::Running
        } else {
            Phase::LetGo
        };
        let queues = self.queues.map(|queue| queue.config());
        self.link.order(phase, self.driver_features, &queues);
        self.signal = true;
    }

    fn irq_line(&self) -> IrqLine {
        IrqLine::from_level(!self.interrupt.is_empty())
    }
}
