// SPDX-License-Identifier: BSD-2-Clause
//! Loads and stores of emulated registers.

use arm::data_abort::{DataAbort, Transfer};
use arm::exception::Kind;
use arm::regs::{PC, count_for, index_of};
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
        let access = guest_access(index, fault, store);
        // The distributor is asked first, without detours.
        let done = match distributor(access) {
            Some(access) => {
                let value = self.stored(kernel, index, store)?;
                Some(Done::of(self.vgic.write(access, value).map(|()| 0)))
            }
            None if self.machine.ignores_value(access) => self.device(kernel, access, Some(0)),
            None => {
                let value = self.stored(kernel, index, store)?;
                self.device(kernel, access, Some(value))
            }
        };
        let Some(done) = done else {
            return self.raise(kernel, index, Kind::ExternalAbort { write: true });
        };
        self.count_taken(&done);
        let pc = fault.ip.wrapping_add(4);
        Ok(match done.busy {
            None => Step::Advance { pc },
            Some(device) => Step::Stall { pc, device },
        })
    }

    /// The value that vCPU `index` stores.
    #[inline(always)]
    fn stored<K: GuestKernel>(
        &mut self,
        kernel: &mut K,
        index: usize,
        store: Transfer,
    ) -> Result<u64, KernelError> {
        let value = match index_of(store.rt) {
            Some(position) => kernel.vcpu_read_register(self.cpus.id(index), position)?,
            None => 0,
        };
        Ok(value & store.width.mask())
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
        let access = guest_access(index, fault, load);
        let done = match distributor(access) {
            Some(access) => Some(Done::of(self.vgic.read(access))),
            None => self.device(kernel, access, None),
        };
        let Some(done) = done else {
            return self.raise(kernel, index, Kind::ExternalAbort { write: false });
        };
        self.count_taken(&done);
        let pc = fault.ip.wrapping_add(4);
        let count = count_for(load.rt);
        if count == 0 {
            return Ok(Step::Advance { pc });
        }
        self.read_frame(kernel, index, count)?;
        self.frame.set(PC, pc);
        self.frame.set_gpr(load.rt, load.extend(done.value));
        Ok(Step::Write)
    }

    fn count_taken(&mut self, done: &Done) {
        if !done.taken {
            self.stats.count(Count::Ignored);
        }
    }

    /// A load, or a store of `value`, of a device. `None` if the guest is to take an abort.
    #[inline(never)]
    fn device<K>(&mut self, kernel: &mut K, access: Guest, value: Option<u64>) -> Option<Done>
    where
        K: GuestKernel,
        M: Model<K>,
    {
        let done = self.machine.access(kernel, &mut self.vgic, access, value);
        if done.is_err() {
            self.stats.count(Count::Aborted);
        }
        done.ok()
    }
}

/// What a transfer by vCPU `cpu` accesses.
const fn guest_access(cpu: usize, fault: VmFault, transfer: Transfer) -> Guest {
    Guest {
        cpu,
        gpa: fault.address,
        width: transfer.width,
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
