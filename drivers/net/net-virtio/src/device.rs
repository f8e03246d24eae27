// SPDX-License-Identifier: BSD-2-Clause
//! The device: what is agreed on with it, its queues, its link.

use frames::{Port, Shape};
use mmio::field_shared;
use mmio::fields::ReadPure;
use pd::{Setup, SetupError};
use units::PhysAddr;
use virtio::Interrupt;
use virtio::net::{
    F_CSUM, F_GUEST_CSUM, F_MAC, F_MTU, F_STATUS, HEADER_SIZE, MTU_MIN, RECEIVEQ, S_LINK_UP,
    TRANSMITQ,
};
use virtqueue::{Area, Layout, Negotiated, Queue, Transport, TransportError, features};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::receive::Receive;
use crate::transmit::{FRAMES_MAX, HEADER_STRIDE, Transmit};

/// What the driver can use. Without MRG_RXBUF a frame is in one buffer (5.1.6.3.1), and without
/// segmentation offloads none is longer than a slot.
const WANTED: u64 = F_CSUM | F_GUEST_CSUM | F_MAC | F_STATUS | F_MTU;

/// Indices of the queues (5.1.2).
const RX: u16 = 0;
const TX: u16 = 1;

const _: () = assert!(RX as usize == RECEIVEQ && TX as usize == TRANSMITQ);
const _: () = assert!(Shape::NET.headroom() as usize == HEADER_SIZE);

/// The configuration space (5.1.4), each field read in its own width (4.2.2.2).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Registers {
    mac: [ReadPure<u8>; 6],
    status: ReadPure<u16>,
    max_virtqueue_pairs: ReadPure<u16>,
    mtu: ReadPure<u16>,
}

/// The queues of a device that runs.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) rx: Receive,
    pub(crate) tx: Transmit,
}

/// What the device says about its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Network {
    /// The link is up.
    pub(crate) up: bool,
    /// Most payload bytes of a frame; 0 where it does not say.
    pub(crate) mtu: u16,
}

/// The device and the memory that it may reach.
#[derive(Debug)]
pub(crate) struct Device {
    transport: Transport<Registers>,
    /// For the queues and headers.
    area: Area,
    /// Where the device finds the regions of the rings to and from the switch.
    out: PhysAddr,
    input: PhysAddr,
    agreed: u64,
}

impl Device {
    /// The device of the record, reset: it touches no memory.
    pub(crate) fn find(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut transport = Transport::find(setup, virtio::device::NET)?;
        transport.reset().map_err(|error| error.setup("regs"))?;
        Ok(Self {
            transport,
            area: Area::find(setup, "queue")?,
            out: window(setup, "switch.out")?,
            input: window(setup, "switch.in")?,
            agreed: 0,
        })
    }

    /// Resets the device and starts it with empty queues.
    pub(crate) fn start(&mut self, port: &Port) -> Result<Lanes, TransportError> {
        self.agreed = self.transport.negotiate(features().bits() | WANTED)?;
        let mut area = self.area;
        let slots = port.tx.capacity();
        let rx = self.queue(&mut area, RX, slots)?;
        // Two descriptors for each frame.
        let slots = port.rx.capacity().saturating_mul(2);
        let tx = self.queue(&mut area, TX, slots)?;
        let headers = area
            .take(FRAMES_MAX.min(tx.size().into()) * HEADER_STRIDE, 16)
            .ok_or(TransportError::Queue)?;
        self.transport.start();
        Ok(Lanes {
            rx: Receive::new(rx, self.out),
            tx: Transmit::new(tx, headers, self.input, self.has(F_CSUM)),
        })
    }

    /// A queue for `wanted` buffers, or as many as both sides take.
    fn queue<const N: usize>(
        &mut self,
        area: &mut Area,
        index: u16,
        wanted: u32,
    ) -> Result<Queue<u32, N>, TransportError> {
        let most = self.transport.queue_size_max(index).min(wanted);
        let most = u16::try_from(N.min(most as usize)).map_err(|_| TransportError::Queue)?;
        let layout = Layout {
            size: 1 << most.checked_ilog2().ok_or(TransportError::Queue)?,
            indirect: 0,
        };
        let negotiated = Negotiated::of(self.agreed);
        let queue = Queue::new(area, layout, negotiated).ok_or(TransportError::Queue)?;
        self.transport
            .set_queue(index, queue.size(), queue.areas())?;
        Ok(queue)
    }

    /// What was agreed on.
    pub(crate) const fn agreed(&self) -> u64 {
        self.agreed
    }

    fn has(&self, feature: u64) -> bool {
        self.agreed & feature != 0
    }

    /// Whether the device computes checksums.
    pub(crate) fn computes_checksums(&self) -> bool {
        self.has(F_CSUM)
    }

    /// What the device says about its network now. A link that it says nothing about is up
    /// (5.1.4.2), one that never stands still is not.
    pub(crate) fn network(&mut self) -> Network {
        let read = self.transport.config(|config| {
            let status = field_shared!(config, status).read();
            (status, field_shared!(config, mtu).read())
        });
        let (status, mtu) = read.unwrap_or((0, 0));
        let mtu = if self.has(F_MTU) && mtu >= MTU_MIN {
            mtu
        } else {
            0
        };
        Network {
            up: !self.has(F_STATUS) || status & S_LINK_UP != 0,
            mtu,
        }
    }

    /// Why the device interrupts.
    pub(crate) fn take_interrupt(&mut self) -> Interrupt {
        self.transport.take_interrupt()
    }

    /// Whether the device says that it needs a reset (2.1.2).
    pub(crate) fn needs_reset(&self) -> bool {
        let status = self.transport.status();
        status.contains(virtio::Status::DEVICE_NEEDS_RESET)
    }

    /// New slots to fill.
    pub(crate) fn notify_receive(&mut self) {
        self.transport.notify(RX);
    }

    /// New frames to send.
    pub(crate) fn notify_transmit(&mut self) {
        self.transport.notify(TX);
    }

    /// Gives the device up; it touches no memory any more if it can still be reset.
    pub(crate) fn give_up(&mut self) {
        // A device that does not reset cannot be helped.
        let _ = self.transport.reset();
        self.transport.fail();
    }
}

/// Where a device finds the region `role`, all of which it may reach.
fn window(setup: &Setup<'_>, role: &str) -> Result<PhysAddr, SetupError> {
    let window = setup.dma(role)?;
    if setup.region_entry(role)?.size != window.size {
        return Err(SetupError::invalid(role, "region and window differ"));
    }
    Ok(window.paddr)
}
