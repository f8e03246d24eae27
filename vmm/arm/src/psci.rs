// SPDX-License-Identifier: BSD-2-Clause
//! PSCI 1.1 (DEN0022) as a state machine over the vCPUs of one guest.
//!
//! Answers AV-34, BH-21.

use arm_psci::{
    AffinityInfo, ErrorCode, FeatureFlagsCpuSuspend, Function, FunctionId, MigrateInfoType, Mpidr,
    PsciFeature, ResetType,
};

use crate::MAX_CPUS;
use crate::smccc::SUCCESS;

/// Version 1.1: major in bits 31:16 (5.1.1).
const VERSION_1_1: u64 = 1 << 16 | 1;

/// Calls that exist, which is what `PSCI_FEATURES` reports (5.1.15).
const SUPPORTED: [FunctionId; 14] = [
    FunctionId::PsciVersion,
    FunctionId::CpuSuspend32,
    FunctionId::CpuSuspend64,
    FunctionId::CpuOff,
    FunctionId::CpuOn32,
    FunctionId::CpuOn64,
    FunctionId::AffinityInfo32,
    FunctionId::AffinityInfo64,
    FunctionId::MigrateInfoType,
    FunctionId::SystemOff,
    FunctionId::SystemReset,
    FunctionId::SystemReset232,
    FunctionId::SystemReset264,
    FunctionId::PsciFeatures,
];

/// What the VMM has to do for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `x0` becomes this value, and the caller goes on.
    Return(u64),
    /// The caller waits for an interrupt, then goes on with `x0` = 0.
    Standby,
    /// The caller stops.
    CpuOff,
    /// vCPU `cpu` starts at `entry` with `x0` = `context`; the caller goes on with `x0` = 0.
    CpuOn {
        /// The vCPU to start.
        cpu: usize,
        /// Guest-physical address of its first instruction.
        entry: u64,
        /// Its `x0`.
        context: u64,
    },
    /// The guest powers itself off.
    SystemOff,
    /// The guest reboots.
    SystemReset,
}

/// Power states of a guest's vCPUs. vCPU 0 is on at start.
#[derive(Clone, Debug)]
pub struct Psci {
    cpus: usize,
    on: [bool; MAX_CPUS],
    /// Guest RAM: first address and length, for the check of entry points.
    ram: (u64, u64),
}

/// `MPIDR_EL1` of vCPU `cpu`: affinity level 0 is the index; bit 31 is RES1.
#[must_use]
pub const fn mpidr(cpu: usize) -> u64 {
    1 << 31 | cpu as u64 & 0xff
}

impl Psci {
    /// The state at start of a guest with `cpus` vCPUs (clamped to 1..=[`MAX_CPUS`]) and its RAM at
    /// `ram_base..ram_base + ram_size`.
    #[must_use]
    pub fn new(cpus: usize, ram_base: u64, ram_size: u64) -> Self {
        let mut psci = Self {
            cpus: cpus.clamp(1, MAX_CPUS),
            on: [false; MAX_CPUS],
            ram: (ram_base, ram_size),
        };
        psci.reset();
        psci
    }

    /// Back to the state at start.
    pub fn reset(&mut self) {
        self.on = [false; MAX_CPUS];
        self.set(0, true);
    }

    /// Whether vCPU `cpu` is on.
    #[must_use]
    pub fn is_on(&self, cpu: usize) -> bool {
        self.on.get(cpu).copied().unwrap_or(false)
    }

    /// Answers the call in `args` (`x0` to `x3`) of vCPU `cpu`.
    pub fn call(&mut self, cpu: usize, args: &[u64; 4]) -> Outcome {
        self.try_call(cpu, args)
            .unwrap_or_else(|error| Outcome::Return(error.into()))
    }

    fn try_call(&mut self, cpu: usize, args: &[u64; 4]) -> Result<Outcome, ErrorCode> {
        #[expect(clippy::cast_possible_truncation, reason = "the identifier is in W0")]
        let id = FunctionId::try_from(args[0] as u32)?;
        // Before the arguments are looked at: a call that does not exist has no wrong ones.
        if !SUPPORTED.contains(&id) {
            return Err(ErrorCode::NotSupported);
        }
        Ok(match Function::try_from(args)? {
            Function::Version => Outcome::Return(VERSION_1_1),
            // 5.4.5: a power-down request may be downgraded to standby, and then returns.
            Function::CpuSuspend { .. } => Outcome::Standby,
            Function::CpuOff => self.cpu_off(cpu)?,
            Function::CpuOn { target_cpu, entry } => {
                self.cpu_on(target_cpu, entry.entry_point_address(), entry.context_id())?
            }
            Function::AffinityInfo {
                mpidr,
                lowest_affinity_level,
            } => Outcome::Return(self.affinity_info(mpidr, lowest_affinity_level)?),
            Function::MigrateInfoType => {
                Outcome::Return(u32::from(MigrateInfoType::MigrationNotRequired).into())
            }
            Function::SystemOff => Outcome::SystemOff,
            Function::SystemReset => Outcome::SystemReset,
            Function::SystemReset2 { reset_type, .. } => match reset_type {
                ResetType::Architectural(_) => Outcome::SystemReset,
                ResetType::VendorSpecific(_) => return Err(ErrorCode::InvalidParameters),
            },
            Function::Features { psci_func_id } => Outcome::Return(features(psci_func_id)?),
            _ => return Err(ErrorCode::NotSupported),
        })
    }

    /// 5.1.3. The last vCPU may go as well: `DENIED` is for trusted OSes only. The owner stops it.
    fn cpu_off(&mut self, cpu: usize) -> Result<Outcome, ErrorCode> {
        if !self.is_on(cpu) {
            return Err(ErrorCode::Denied);
        }
        self.set(cpu, false);
        Ok(Outcome::CpuOff)
    }

    /// 5.1.4.
    fn cpu_on(&mut self, target: Mpidr, entry: u64, context: u64) -> Result<Outcome, ErrorCode> {
        let cpu = self.index(target).ok_or(ErrorCode::InvalidParameters)?;
        if self.is_on(cpu) {
            return Err(ErrorCode::AlreadyOn);
        }
        let (base, size) = self.ram;
        if !entry.is_multiple_of(4) || entry < base || entry - base >= size {
            return Err(ErrorCode::InvalidAddress);
        }
        self.set(cpu, true);
        Ok(Outcome::CpuOn {
            cpu,
            entry,
            context,
        })
    }

    /// 5.1.5. All vCPUs are in one cluster.
    fn affinity_info(&self, mpidr: Mpidr, level: u32) -> Result<u64, ErrorCode> {
        let on = if level == 0 {
            let cpu = self.index(mpidr).ok_or(ErrorCode::InvalidParameters)?;
            self.is_on(cpu)
        } else {
            // Affinity fields below the level are ignored.
            let same_cluster = (level > 1 || mpidr.aff1 == 0)
                && (level > 2 || mpidr.aff2 == 0)
                && mpidr.aff3.unwrap_or(0) == 0;
            if !same_cluster {
                return Err(ErrorCode::InvalidParameters);
            }
            self.on.contains(&true)
        };
        let info = if on {
            AffinityInfo::On
        } else {
            AffinityInfo::Off
        };
        Ok(u32::from(info).into())
    }

    /// Index of the vCPU with this affinity, if there is one.
    fn index(&self, mpidr: Mpidr) -> Option<usize> {
        let upper = mpidr.aff1 | mpidr.aff2 | mpidr.aff3.unwrap_or(0);
        let cpu = usize::from(mpidr.aff0);
        (upper == 0 && cpu < self.cpus).then_some(cpu)
    }

    fn set(&mut self, cpu: usize, on: bool) {
        if let Some(state) = self.on.get_mut(cpu) {
            *state = on;
        }
    }
}

/// 5.1.15.
fn features(feature: PsciFeature) -> Result<u64, ErrorCode> {
    match feature {
        PsciFeature::SmcccVersion => Ok(SUCCESS),
        PsciFeature::PsciFunction(FunctionId::CpuSuspend32 | FunctionId::CpuSuspend64) => {
            // The parser knows the extended format of power_state only.
            Ok(FeatureFlagsCpuSuspend::EXTENDED_POWER_STATE.bits().into())
        }
        PsciFeature::PsciFunction(id) if SUPPORTED.contains(&id) => Ok(SUCCESS),
        PsciFeature::PsciFunction(_) => Err(ErrorCode::NotSupported),
    }
}
