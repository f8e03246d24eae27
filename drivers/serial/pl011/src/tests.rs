// SPDX-License-Identifier: BSD-2-Clause
//! The driver between a fake UART and both kinds of peer.

use std::collections::VecDeque;

use arm_pl011_uart::{PL011Registers, Uart, UniqueMmioPointer};
use mmio::fake::Bank;
use pd::fake::{FakeKernel, World};
use pd::{Handler, Irq, Notify};
use proptest::prelude::*;
use serial::Stream;
use serial::fake::FakeLink;
use units::{ChannelId, ChannelSet, IrqId};

use crate::{Counters, Device, Driver, Received, Speed};

const FIFO: usize = 32;

#[derive(Debug, Default)]
struct FakeUart {
    input: VecDeque<Received>,
    output: Vec<u8>,
    fifo: usize,
    listening: bool,
    cleared: usize,
}

impl FakeUart {
    /// The line takes `bytes` out of the transmit FIFO.
    fn drain(&mut self, bytes: usize) {
        self.fifo = self.fifo.saturating_sub(bytes);
    }
}

impl Device for FakeUart {
    fn start(&mut self, _: Speed) -> bool {
        true
    }
    fn receive(&mut self) -> Received {
        self.input.pop_front().unwrap_or(Received::Nothing)
    }
    fn room(&self) -> usize {
        // As the registers: empty, full, or neither.
        match self.fifo {
            0 => FIFO / 2,
            FIFO => 0,
            _ => 1,
        }
    }
    fn send(&mut self, byte: u8) {
        assert!(self.fifo < FIFO, "the FIFO would lose this byte");
        self.fifo += 1;
        self.output.push(byte);
    }
    fn clear(&mut self) {
        self.cleared += 1;
    }
    fn listen_for_room(&mut self, on: bool) {
        self.listening = on;
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Kernel {
    notified: usize,
    acked: usize,
}

impl Notify for Kernel {
    fn notify(&mut self, _: ChannelId) {
        self.notified += 1;
    }
    fn notify_deferred(&mut self, _: ChannelId) {
        self.notified += 1;
    }
}

impl Irq for Kernel {
    fn irq_ack(&mut self, _: IrqId) {
        self.acked += 1;
    }
    fn irq_ack_deferred(&mut self, _: IrqId) {
        self.acked += 1;
    }
}

const MUX: u64 = 1 << 4;
const IRQ: u64 = 1 << 5;

struct Bench {
    driver: Driver<FakeUart>,
    mux: Stream,
    kernel: Kernel,
    link: FakeLink,
}

impl Bench {
    fn new(capacity: usize) -> Self {
        let link = FakeLink::new(capacity);
        let channel = ChannelId::new(4).unwrap();
        let driver = Driver::new(
            FakeUart::default(),
            link.first(channel),
            IrqId::new(5).unwrap(),
        );
        let mut bench = Self {
            driver,
            mux: link.second(channel),
            kernel: Kernel::default(),
            link,
        };
        bench.driver.init(&mut bench.kernel);
        bench
    }

    fn raise(&mut self, bits: u64) {
        self.driver
            .notified(&mut self.kernel, ChannelSet::from_badge(bits));
    }

    /// The mux sends; the driver runs if it asked to be woken.
    fn print(&mut self, bytes: &[u8]) {
        assert_eq!(self.mux.write(bytes), bytes.len());
        let mut bell = Kernel::default();
        self.mux.flush(&mut bell);
        if bell.notified > 0 {
            self.raise(MUX);
        }
    }
}

#[test]
fn sends_what_the_mux_writes_and_sleeps() {
    let mut bench = Bench::new(64);
    bench.print(b"hello");
    bench.driver.device.drain(FIFO);
    bench.print(b" world");
    assert_eq!(bench.driver.device.output, b"hello world");
    assert!(!bench.driver.device.listening);
    assert_eq!(bench.kernel.acked, 0);
}

#[test]
fn a_full_fifo_waits_for_the_transmit_interrupt() {
    let mut bench = Bench::new(128);
    let text: Vec<u8> = (0..100).collect();
    bench.print(&text);
    assert_eq!(bench.driver.device.output.len(), FIFO);
    assert!(bench.driver.device.listening);
    while bench.driver.device.listening {
        bench.driver.device.drain(24);
        bench.raise(IRQ);
    }
    assert_eq!(bench.driver.device.output, text);
    assert_eq!(bench.kernel.acked, bench.driver.device.cleared);
}

#[test]
fn received_bytes_reach_the_mux_and_the_interrupt_is_acknowledged() {
    let mut bench = Bench::new(64);
    assert!(!bench.mux.wait_for_bytes());
    bench.driver.device.input = b"abc".iter().map(|b| Received::Byte(*b)).collect();
    bench.raise(IRQ);
    let mut bytes = [0; 8];
    assert_eq!(bench.mux.read(&mut bytes), 3);
    assert_eq!(bytes[..3], *b"abc");
    assert_eq!(
        bench.kernel,
        Kernel {
            notified: 1,
            acked: 1
        }
    );
}

#[test]
fn losses_are_counted_each_by_its_cause() {
    let mut bench = Bench::new(4);
    bench.driver.device.input = VecDeque::from([
        Received::Overrun,
        Received::Damaged,
        Received::Byte(1),
        Received::Byte(2),
        Received::Byte(3),
        Received::Byte(4),
        Received::Byte(5),
    ]);
    bench.raise(IRQ);
    assert_eq!(
        bench.driver.counters(),
        Counters {
            overruns: 1,
            damaged: 1,
            unread: 1,
            unexpected: 0
        }
    );
}

#[test]
fn an_endless_line_is_read_in_bounded_pieces() {
    let mut bench = Bench::new(4096);
    bench.driver.device.input = (0..1000).map(|_| Received::Byte(b'x')).collect();
    bench.raise(IRQ);
    let left = bench.driver.device.input.len();
    assert!(left > 0 && left < 1000, "{left} bytes left in the hardware");
}

#[test]
fn a_flood_from_the_mux_is_sent_in_bounded_pieces_and_none_is_lost() {
    let mut bench = Bench::new(4096);
    let flood = vec![b'y'; 2000];
    assert_eq!(bench.mux.write(&flood), 2000);
    bench.mux.flush(&mut Kernel::default());
    let mut rounds = 0;
    bench.raise(MUX);
    while bench.driver.device.listening {
        bench.driver.device.drain(FIFO);
        bench.raise(IRQ);
        rounds += 1;
    }
    assert_eq!(bench.driver.device.output.len(), 2000);
    assert!(rounds > 3);
}

#[test]
fn the_real_registers_are_set_up_and_masked_as_asked() {
    let mut memory = [0_u32; 1024];
    let registers = UniqueMmioPointer::from(zerocopy::transmute_mut!(&mut memory));
    let mut uart = Uart::new(registers as UniqueMmioPointer<'_, PL011Registers>);
    // DDI 0183G example 3-1: 230400 baud at 4 MHz is a divisor of 1 + 5/64.
    assert!(uart.start(Speed {
        baud: 230_400,
        clock: 4_000_000
    }));
    assert!(!uart.start(Speed { baud: 0, clock: 1 }));
    uart.listen_for_room(true);
    uart.clear();
    assert_eq!(
        (memory[0x24 / 4], memory[0x28 / 4]),
        (1, 5),
        "UARTIBRD, UARTFBRD"
    );
    assert_eq!(memory[0x2c / 4], 0b111_0000, "UARTLCR_H: 8 bits, FIFOs");
    assert_eq!(memory[0x30 / 4], 0x301, "UARTCR: RXE, TXE, UARTEN");
    assert_eq!(
        memory[0x38 / 4],
        1 << 10 | 1 << 6 | 1 << 5 | 1 << 4,
        "UARTIMSC"
    );
    assert_eq!(
        memory[0x44 / 4] & (1 << 6 | 1 << 4),
        0,
        "UARTICR leaves RXI and RTI"
    );
}

/// Everything that the README lists, on a bank that records what is written.
fn world(bank: &Bank, link: &FakeLink) -> World {
    let mut world = World::new();
    world
        .registers("regs", bank.window())
        .irq("irq", 5)
        .region_rw("mux.out", link.memory.first)
        .region_ro("mux.in", link.memory.second)
        .channel("mux", 4);
    world
}

#[test]
fn a_driver_is_made_from_its_record_and_sends_at_once_what_waits() {
    let (bank, link) = (Bank::new(0x1000), FakeLink::new(64));
    bank.set32(0x18, 1 << 4);
    link.second(ChannelId::new(4).unwrap()).write(b"-");
    let mut mux = link.second(ChannelId::new(4).unwrap());
    mux.write(b"!");
    mux.flush(&mut Kernel::default());
    let mut driver: Driver = world(&bank, &link).create().unwrap();
    driver.init(&mut FakeKernel::new());
    assert_eq!(bank.get32(0), u32::from(b'!'), "UARTDR");
    assert_eq!(bank.get32(0x30), 0x301, "UARTCR");
}

#[test]
fn a_speed_that_does_not_exist_is_refused() {
    let (bank, link) = (Bank::new(0x1000), FakeLink::new(64));
    let error = world(&bank, &link)
        .value("baud", 1 << 33)
        .create::<Driver>()
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "'baud': it has more than 32 bits");
    let error = world(&bank, &link)
        .value("clock", 1)
        .create::<Driver>()
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "'baud': the clock cannot give this speed"
    );
}

proptest! {
    /// Whatever the mux's memory says, the driver neither panics nor sends without bound.
    #[test]
    fn a_hostile_mux_is_survived(
        acts in proptest::collection::vec((0_u8..4, any::<u32>(), any::<bool>()), 0..40),
    ) {
        let mut bench = Bench::new(64);
        let peer = bench.link.memory.hostile_second();
        for (act, value, interrupt) in acts {
            match act {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.scribble(value.to_le_bytes()[0]),
                _ => bench.driver.device.input.push_back(Received::Byte(1)),
            }
            let before = bench.driver.device.output.len();
            bench.driver.device.drain(FIFO);
            bench.raise(if interrupt { IRQ | MUX } else { MUX });
            prop_assert!(bench.driver.device.output.len() - before <= FIFO);
        }
    }
}
