// SPDX-License-Identifier: BSD-2-Clause
//! The devices, and the interrupt handler that shares them with the program.

use core::ptr::NonNull;

use arm_gic::gicv2::GicV2;
use arm_gic::gicv2::registers::{Gicc, Gicd};
use arm_gic::{IntId, InterruptGroup, Trigger, irq_disable, irq_enable, wfi};
use arm_pl011_uart::{
    DataBits, Interrupts, LineConfig, PL011Registers, Parity, StopBits, Uart, UniqueMmioPointer,
};
use arm_sysregs_el0::accessors::{
    read_cntfrq_el0, read_cntvct_el0, write_cntv_ctl_el0, write_cntv_cval_el0,
};
use arm_sysregs_el0::registers::{CntvCtlEl0, CntvCvalEl0};
use heartbeat::{Beat, Heartbeat, Report};
use spin::mutex::SpinMutex;

const GICD: *mut Gicd = 0x0800_0000 as *mut Gicd;
const GICC: *mut Gicc = 0x0801_0000 as *mut Gicc;
const UART: *mut PL011Registers = 0x0900_0000 as *mut PL011Registers;
/// The virtual timer: INTID 27.
const TIMER: IntId = IntId::ppi(11);
/// The PL011: INTID 33.
const CONSOLE: IntId = IntId::spi(1);
/// The timer goes before the console.
const TIMER_PRIORITY: u8 = 0x40;
const CONSOLE_PRIORITY: u8 = 0x80;

struct Board {
    gic: GicV2<'static>,
    uart: Uart<'static>,
    heart: Heartbeat,
    report: Option<Report>,
    key: Option<u8>,
}

/// Held by the program with interrupts masked only, so that the handler always gets it.
static BOARD: SpinMutex<Option<Board>> = SpinMutex::new(None);

/// What the program is woken for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A window of beats is complete.
    Report(Report),
    /// A key was pressed.
    Key(u8),
}

/// Brings the devices up and starts the heartbeat; returns the counter's frequency in Hz.
pub(crate) fn start() -> u32 {
    let frequency = read_cntfrq_el0().clockfreq();
    let mut board = Board {
        gic: open_gic(),
        uart: open_uart(),
        heart: Heartbeat::new(frequency, counter()),
        report: None,
        key: None,
    };
    board.arm_timer();
    write_cntv_ctl_el0(CntvCtlEl0::ENABLE);
    *BOARD.lock() = Some(board);
    irq_enable();
    frequency
}

/// Sleeps until there is something for the program to do.
pub(crate) fn wait() -> Event {
    loop {
        irq_disable();
        let event = next_event();
        if event.is_none() {
            // A pending interrupt ends the wait although it is masked, so none is slept through.
            wfi();
        }
        irq_enable();
        if let Some(event) = event {
            return event;
        }
    }
}

/// What there is for the program to do; call it with interrupts masked. A function of its own, since
/// the lock must be free again before they are unmasked: the handler could not serve an interrupt
/// that came then, and would be entered for it again and again.
fn next_event() -> Option<Event> {
    BOARD.lock().as_mut().and_then(Board::next_event)
}

/// The heartbeat so far.
pub(crate) fn statistics() -> Heartbeat {
    let snapshot = exclusively(|board| board.heart.clone());
    snapshot.unwrap_or_else(|| Heartbeat::new(0, 0))
}

/// Serves all interrupts that are pending.
pub(crate) fn interrupt() {
    // First of all, for this is what is measured.
    let now = counter();
    if let Some(board) = BOARD.try_lock().as_deref_mut().and_then(Option::as_mut) {
        board.serve(now);
    }
}

/// The console for [`core::fmt`]; interrupts are served between any two bytes.
pub(crate) struct Console;

impl core::fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            while exclusively(|board| board.try_send(byte)) == Some(false) {}
        }
        Ok(())
    }
}

fn exclusively<T>(work: impl FnOnce(&mut Board) -> T) -> Option<T> {
    irq_disable();
    let result = BOARD.lock().as_mut().map(work);
    irq_enable();
    result
}

fn counter() -> u64 {
    read_cntvct_el0().virtualcount()
}

fn open_gic() -> GicV2<'static> {
    // SAFETY: Both blocks are mapped as device memory, and this is their only owner: `start` runs
    // once.
    #[expect(unsafe_code, reason = "UNSAFETY: fixed addresses of the machine")]
    let mut gic = unsafe { GicV2::new(GICD, GICC) };
    gic.setup();
    for (interrupt, priority) in [(TIMER, TIMER_PRIORITY), (CONSOLE, CONSOLE_PRIORITY)] {
        gic.set_interrupt_priority(interrupt, priority);
    }
    gic.set_trigger(CONSOLE, Trigger::Level);
    for interrupt in [TIMER, CONSOLE] {
        // A line that cannot be enabled shows as a heartbeat or console that stays silent.
        let _ = gic.enable_interrupt(interrupt, true);
    }
    gic
}

fn open_uart() -> Uart<'static> {
    let base = NonNull::new(UART).unwrap_or(NonNull::dangling());
    // SAFETY: The block is mapped as device memory, and this is its only owner: `start` runs once.
    #[expect(unsafe_code, reason = "UNSAFETY: fixed addresses of the machine")]
    let mut uart = Uart::new(unsafe { UniqueMmioPointer::new(base) });
    let line = LineConfig {
        data_bits: DataBits::Bits8,
        parity: Parity::None,
        stop_bits: StopBits::One,
    };
    // The rate is in range, which is the only thing that can be wrong.
    let _ = uart.enable(line, 115_200, 24_000_000);
    uart.set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
    uart
}

impl Board {
    fn next_event(&mut self) -> Option<Event> {
        let report = self.report.take().map(Event::Report);
        report.or_else(|| self.key.take().map(Event::Key))
    }

    fn serve(&mut self, now: u64) {
        let mut now = now;
        let group = InterruptGroup::Group0;
        while let Some(interrupt) = self.gic.get_and_acknowledge_interrupt(group) {
            match interrupt {
                TIMER => self.beat(now),
                CONSOLE => self.read_keys(),
                _ => {}
            }
            self.gic.end_interrupt(interrupt, group);
            now = counter();
        }
    }

    fn beat(&mut self, now: u64) {
        if let Beat::Report(report) = self.heart.expire(now) {
            self.report = Some(report);
        }
        self.arm_timer();
    }

    fn arm_timer(&mut self) {
        write_cntv_cval_el0(CntvCvalEl0::from_bits_retain(self.heart.deadline()));
    }

    /// Empties the receive FIFO; of several keys before the program looks, the last one counts.
    fn read_keys(&mut self) {
        // Cleared first, so that a key which comes after the last look interrupts again.
        self.uart
            .clear_interrupts(Interrupts::RXI | Interrupts::RTI);
        while !self.uart.is_rx_fifo_empty() {
            if let Ok(Some(key)) = self.uart.read_word() {
                self.key = Some(key);
            }
        }
    }

    fn try_send(&mut self, byte: u8) -> bool {
        let room = !self.uart.is_tx_fifo_full();
        if room {
            self.uart.write_word(byte);
        }
        room
    }
}
