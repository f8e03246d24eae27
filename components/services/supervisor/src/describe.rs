// SPDX-License-Identifier: BSD-2-Clause
//! A fault in a few words.

use core::fmt;

use pd::FaultKind;

/// Prints a fault's name and where it happened: `VMFault at 0xbad00000, ip 0x200123`.
#[derive(Debug, Clone, Copy)]
pub struct Description(pub FaultKind);

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FaultKind::Cap(fault) => {
                write!(f, "CapFault on {:#x}, ip {:#x}", fault.cptr, fault.ip)
            }
            FaultKind::UnknownSyscall(fault) => {
                let number = fault.number.cast_signed();
                write!(f, "UnknownSyscall {number}, ip {:#x}", fault.ip)
            }
            FaultKind::UserException(fault) => write!(f, "UserException, ip {:#x}", fault.ip),
            FaultKind::DebugException(fault) => write!(f, "DebugException, ip {:#x}", fault.ip),
            FaultKind::Timeout { consumed_us, .. } => write!(f, "Timeout after {consumed_us} us"),
            FaultKind::Vm(fault) => {
                write!(f, "VMFault at {:#x}, ip {:#x}", fault.address, fault.ip)
            }
            FaultKind::VgicMaintenance { .. } => f.write_str("VGICMaintenance"),
            FaultKind::Vcpu { syndrome } => write!(f, "VCPUFault, syndrome {syndrome:#x}"),
            FaultKind::VppiEvent { irq } => write!(f, "VPPIEvent {irq}"),
            FaultKind::Unknown { label } => write!(f, "fault with unknown label {label}"),
        }
    }
}
