// SPDX-License-Identifier: BSD-2-Clause
//! Loads and stores of emulated registers.

use arm::data_abort::{DataAbort, Transfer};
use arm::exception::Kind;
use arm::regs::{PC, count_for};
use bus::{Access, Device};
use guest::machine::{GICD, GICD_SIZE};
use pd::{KernelError, VmFault};

use crate::exit::Step;
use crate::machine::{Done, Guest, Model};
use crate::stats::Count;
use crate::vmm::{GuestKernel, Vmm};

impl<M: Device, L> Vmm<M, L> {
    /// A load or store outside memory.
    pub(crate) fn data_abort<K>(
        &mut self,
        kernel: &mut K,
        index: usize,
        fault: VmFault,
    ) -> Result<Step, KernelError>
    where
        K: GuestKernel,
        M: Model<K>,
    {
        match DataAbort::decode(fault.syndrome) {
            DataAbort::Store(store) => self.store(kernel, index, fault, store),
            DataAbort::Load(load) => self.load(kernel, index, fault, load),
            DataAbort::Opaque { write } => {
                self.stats.count(Count::Aborted);
                self.raise(kernel, index, Kind::ExternalAbort { write })
            }
        }
    }

    fn store<K>(
        &mut self,
        kernel: &mut K,
        index: usize,
        fault: VmFault,
        store: Transfer,
    ) -> Result<Step, KernelError>
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.stats.count(Count::Store);
        self.read_frame(kernel, index, count_for(store.rt))?;
        let value = self.frame.gpr(store.rt) & store.width.mask();
        let access = Guest {
            cpu: index,
            gpa: fault.address,
            width: store.width,
        };
        let pc = fault.ip.wrapping_add(4);
        let done = match distributor(access) {
            Some(access) => Ok(Done {
                value: 0,
                taken: self.vgic.write(access, value).is_ok(),
                busy: None,
            }),
            None => self
                .machine
                .access(kernel, &mut self.vgic, access, Some(value)),
        };
        let Ok(done) = done else {
            self.stats.count(Count::Aborted);
            return self.raise(kernel, index, Kind::ExternalAbort { write: true });
        };
        if !done.taken {
            self.stats.count(Count::Ignored);
        }
        Ok(match done.busy {
            None => Step::Advance { pc },
            Some(device) => Step::Stall { pc, device },
        })
    }

    fn load<K>(
        &mut self,
        kernel: &mut K,
        index: usize,
        fault: VmFault,
        load: Transfer,
    ) -> Result<Step, KernelError>
    where
        K: GuestKernel,
        M: Model<K>,
    {
        self.stats.count(Count::Load);
        let access = Guest {
            cpu: index,
            gpa: fault.address,
            width: load.width,
        };
        let done = match distributor(access) {
            Some(access) => {
                let value = self.vgic.read(access);
                Ok(Done {
                    value: value.unwrap_or(0),
                    taken: value.is_ok(),
                    busy: None,
                })
            }
            None => self.machine.access(kernel, &mut self.vgic, access, None),
        };
        let Ok(Done { value, taken, .. }) = done else {
            self.stats.count(Count::Aborted);
            return self.raise(kernel, index, Kind::ExternalAbort { write: false });
        };
        if !taken {
            self.stats.count(Count::Ignored);
        }
        let pc = fault.ip.wrapping_add(4);
        let count = count_for(load.rt);
        if count == 0 {
            return Ok(Step::Advance { pc });
        }
        self.read_frame(kernel, index, count)?;
        self.frame.set(PC, pc);
        self.frame.set_gpr(load.rt, load.extend(value));
        Ok(Step::Write)
    }
}

/// The access as one of the distributor, if it falls into its window.
fn distributor(access: Guest) -> Option<Access> {
    let offset = access.gpa.wrapping_sub(GICD.get());
    let inside = offset < GICD_SIZE;
    inside.then_some(Access {
        offset,
        width: access.width,
        vcpu: access.cpu,
    })
}
