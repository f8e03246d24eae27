// SPDX-License-Identifier: BSD-2-Clause
//! The Microkit monitor, inside the kernel, and what the kernel itself prints (sel4-abi §4.3, §10.3).

use crate::cap::LookupFailure;
use crate::context::CONTEXT_WORDS;
use crate::fault::{Fault, FaultMessage};
use crate::ids::{EndpointId, Id as _, TcbId};
use crate::ipc::SendMode;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::State;
use core::fmt::{Arguments, Write};

/// What the monitor knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monitor<'a> {
    pub(crate) endpoint: Option<EndpointId>,
    /// Threads in badge order (badge − 1 = position).
    pub(crate) tcbs: &'a [devimage::Tcb],
    /// Badge and label of a message that was sent in this kernel entry.
    pub(crate) request: Option<(u64, u64)>,
}

impl<'a> Monitor<'a> {
    pub(crate) fn new(endpoint: Option<EndpointId>, tcbs: &'a [devimage::Tcb]) -> Self {
        Self {
            endpoint,
            tcbs,
            request: None,
        }
    }

    pub(crate) fn serves(&self, endpoint: EndpointId) -> bool {
        self.endpoint == Some(endpoint)
    }

    fn name(&self, index: usize) -> &'a str {
        let Some(tcb) = self.tcbs.get(index) else {
            return "?";
        };
        let end = tcb
            .name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(tcb.name.len());
        tcb.name
            .get(..end)
            .and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("?")
    }
}

/// Formats into the debug console.
struct Console<'m, M>(&'m mut M);

impl<M: Machine> Write for Console<'_, M> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            self.0.put_byte(byte);
        }
        Ok(())
    }
}

const REGISTER_NAMES: [&str; CONTEXT_WORDS] = [
    "pc",
    "sp",
    "spsr",
    "x0",
    "x1",
    "x2",
    "x3",
    "x4",
    "x5",
    "x6",
    "x7",
    "x8",
    "x16",
    "x17",
    "x18",
    "x29",
    "x30",
    "x9",
    "x10",
    "x11",
    "x12",
    "x13",
    "x14",
    "x15",
    "x19",
    "x20",
    "x21",
    "x22",
    "x23",
    "x24",
    "x25",
    "x26",
    "x27",
    "x28",
    "tpidr_el0",
    "tpidrro_el0",
];

impl<M: Machine> Kernel<'_, M> {
    /// Prints to the debug console.
    pub fn print(&mut self, text: Arguments<'_>) {
        // Console::write_str never fails.
        let _ = Console(&mut self.machine).write_fmt(text);
    }

    /// A diagnostic that only the debug configuration prints.
    pub(crate) fn warn(&mut self, text: &str) {
        if self.debug() {
            let name = self
                .core
                .current
                .map_or("idle", |id| self.monitor.name(id.index()));
            let _ = Console(&mut self.machine)
                .write_fmt(format_args!("<<devkernel [{name}]: {text}>>\n"));
        }
    }

    pub(crate) fn debug_halt(&mut self) {
        self.print(format_args!("Debug halt syscall from user thread\n"));
        self.machine.halt();
    }

    pub(crate) fn dump_scheduler(&mut self) {
        for id in self.tcbs.ids() {
            let (priority, state) = (self.tcbs[id].priority, self.tcbs[id].state);
            let name = self.monitor.name(id.index());
            let _ = Console(&mut self.machine)
                .write_fmt(format_args!("{name}: priority {priority}, {state:?}\n"));
        }
    }

    /// A message to the monitor, which always waits and never replies.
    pub(crate) fn monitor_message(&mut self, id: TcbId, mode: SendMode) {
        match self.tcbs[id].fault.take() {
            Some(fault) => {
                self.report_fault(id, &fault, mode.badge);
                self.set_state(id, State::Inactive);
            }
            None => {
                let label = crate::abi::MessageInfo(self.tcbs[id].context.x[1]).label();
                self.monitor.request = Some((mode.badge, label));
                if mode.call {
                    self.set_state(id, State::Inactive);
                }
            }
        }
    }

    /// Answers the request of this kernel entry, once the requesting thread has finished its system call: a PD that
    /// becomes passive keeps its scheduling context until it waits the next time (sel4-abi §4.3).
    pub(crate) fn run_monitor(&mut self) {
        if let Some((badge, label)) = self.monitor.request.take() {
            self.monitor_request(badge, label);
        }
    }

    /// Label 0 from a passive PD: bind its scheduling context to its notification.
    fn monitor_request(&mut self, badge: u64, label: u64) {
        let index = usize::try_from(badge.wrapping_sub(1)).unwrap_or(usize::MAX);
        let passive = |tcb: &devimage::Tcb| tcb.flags.get() & devimage::TCB_PASSIVE != 0;
        let known = self.monitor.tcbs.get(index).filter(|tcb| passive(tcb));
        let objects = known.and_then(|_| self.tcbs.id(index)).and_then(|id| {
            let tcb = &self.tcbs[id];
            tcb.sc.zip(tcb.notification)
        });
        let name = self.monitor.name(index);
        let bound = match objects {
            Some((sc, notification)) if label == 0 => {
                self.bind_sc_notification(sc, notification).is_ok()
            }
            _ => false,
        };
        let mut console = Console(&mut self.machine);
        let _ = if bound {
            writeln!(console, "MON|INFO: PD '{name}' is now passive!")
        } else {
            writeln!(
                console,
                "MON|ERROR: unexpected message {label:#x} from PD '{name}'"
            )
        };
    }

    fn report_fault(&mut self, id: TcbId, fault: &Fault, badge: u64) {
        let context = self.tcbs[id].context;
        let message = fault.encode(&context);
        let index = usize::try_from(badge.wrapping_sub(1)).unwrap_or(usize::MAX);
        let name = self.monitor.name(index);
        let bottom = self
            .monitor
            .tcbs
            .get(index)
            .map_or(0, |tcb| tcb.stack_bottom.get());
        let label = message.label;
        let mut console = Console(&mut self.machine);
        let out = &mut console;
        let _ = writeln!(
            out,
            "MON|ERROR: received message {label:#010x}  badge: {badge:#018x}  tcb cap: {:#018x}",
            index.wrapping_add(10)
        );
        let _ = writeln!(out, "MON|ERROR: faulting PD: {name}\nRegisters: ");
        for (word, register) in REGISTER_NAMES.iter().enumerate() {
            let gap = if *register == "sp" { "" } else { " " };
            let _ = writeln!(out, "{register}{gap}: {:#018x}", context.word(word));
        }
        let _ = describe(out, fault, &message, bottom);
    }
}

fn describe(
    out: &mut impl Write,
    fault: &Fault,
    message: &FaultMessage,
    stack_bottom: u64,
) -> core::fmt::Result {
    let [ip, ..] = message.words;
    match *fault {
        Fault::Cap { cptr, lookup, .. } => {
            write!(
                out,
                "MON|ERROR: CapFault: ip={ip:#018x}  fault_addr={cptr:#018x}"
            )?;
            describe_lookup(out, message.words[2] != 0, lookup)
        }
        Fault::UserException { .. } => writeln!(out, "MON|ERROR: UserException"),
        Fault::Vm {
            address,
            prefetch,
            fsr,
        } => {
            let kind = if prefetch { "instruction" } else { "data" };
            write!(
                out,
                "MON|ERROR: VMFault: ip={ip:#018x}  fault_addr={address:#018x}"
            )?;
            writeln!(out, "  fsr={fsr:#018x}  ({kind} fault)")?;
            describe_abort(out, fsr)?;
            describe_overflow(out, address, stack_bottom)
        }
        Fault::Vcpu { hsr } => {
            writeln!(out, "MON|ERROR: received vCPU fault with ESR: {hsr:#018x}")?;
            out.write_str("MON|ERROR: Unknown vCPU fault\n")
        }
        _ => writeln!(out, "MON|ERROR: Unknown fault\n{:#018x}", message.label),
    }
}

fn describe_overflow(out: &mut impl Write, address: u64, stack_bottom: u64) -> core::fmt::Result {
    if address >= stack_bottom || stack_bottom - address > 0x1000 {
        return Ok(());
    }
    out.write_str("MON|ERROR: potential stack overflow, fault address within one page")?;
    out.write_str(" outside of stack region\n")
}

fn describe_lookup(
    out: &mut impl Write,
    receive: bool,
    lookup: LookupFailure,
) -> core::fmt::Result {
    write!(out, "  in_recv_phase={receive}  lookup_failure_type=")?;
    match lookup {
        LookupFailure::MissingCapability { bits_left } => {
            writeln!(out, "seL4_MissingCapability  bits_left={bits_left:#018x}")
        }
        LookupFailure::GuardMismatch {
            bits_left,
            guard_bits,
        } => {
            write!(out, "seL4_GuardMismatch  bits_left={bits_left:#018x}")?;
            writeln!(
                out,
                "  guard_found={:#018x}  guard_bits_found={guard_bits:#018x}",
                0
            )
        }
    }
}

/// Exception class and, for data aborts, the status code, in the words of the Arm architecture manual.
fn describe_abort(out: &mut impl Write, fsr: u64) -> core::fmt::Result {
    const DATA_ABORT: u64 = 0x24;
    let (class, il, iss) = (fsr >> 26 & 0x3f, fsr >> 25 & 1, fsr & 0x1ff_ffff);
    let origin = if class == DATA_ABORT {
        "Data"
    } else {
        "Instruction"
    };
    write!(
        out,
        "MON|ERROR:   ec: {class:#010x}  {origin} Abort from a lower Exception level"
    )?;
    writeln!(out, "   il: {il}   iss: {iss:#010x}")?;
    if class != DATA_ABORT {
        return Ok(());
    }
    let status = iss & 0x3f;
    let text = match status >> 2 {
        0 => "address size fault",
        1 => "translation fault",
        2 => "access flag fault",
        3 => "permission fault",
        4 => "synchronous external abort",
        8 if status == 0x21 => "alignment fault",
        _ => "other fault",
    };
    write!(out, "MON|ERROR:   dfsc = {text}")?;
    if status < 0x10 {
        write!(out, ", level {}", status & 3)?;
    }
    let access = if iss & 1 << 6 != 0 {
        " -- write not read"
    } else {
        ""
    };
    writeln!(out, " ({status:#010x}){access}")
}
