// SPDX-License-Identifier: BSD-2-Clause
//! Objects of a virtual machine.

use super::{Builder, thread};
use crate::slots::{self, tcb};
use crate::spec::{Cap, Object, TcbExtra};
use crate::vspace::VSpace;
use sdf::model::{ProtectionDomain, Vcpu, VirtualMachine};

impl Builder<'_> {
    /// The guest of protection domain `index`, if it has one.
    pub(super) fn virtual_machine(&mut self, index: usize, pd: &ProtectionDomain) {
        let Some(vm) = &pd.virtual_machine else {
            return;
        };
        let vspace = VSpace::new(&mut self.spec, &vm.name);
        vm.maps.iter().for_each(|map| self.map(&vspace, map));
        for (number, vcpu) in vm.vcpus.iter().enumerate() {
            self.vcpu(index, pd, vm, (number, vcpu), &vspace);
        }
    }

    /// One vCPU: a thread that is not started, with an empty capability space.
    fn vcpu(
        &mut self,
        index: usize,
        pd: &ProtectionDomain,
        vm: &VirtualMachine,
        (number, vcpu): (usize, &Vcpu),
        vspace: &VSpace,
    ) {
        let Some(monitor) = self.pds.get(index) else {
            return;
        };
        let (cnode, endpoint) = (monitor.cnode, monitor.endpoint);
        let id = vcpu.id.value;
        let name = format!("{}_{id}", vm.name.value);
        let object = self.spec.add(format!("vcpu_{name}"), Object::VCpu);
        let mut bound = self.vcpu_bound(&name, vm, number);
        bound.push((tcb::VSPACE, vspace.cap()));
        bound.push((tcb::VCPU, Cap::VCpu { object }));
        if let Some(endpoint) = endpoint {
            let badge = slots::FAULT_BADGE | u64::from(id);
            bound.push((tcb::FAULT, self.endpoint_cap(endpoint, badge)));
        }
        let extra = parameters(pd, vm, vcpu);
        let thread = Cap::Tcb {
            object: self.tcb(&name, &bound, extra),
        };
        self.spec
            .insert(cnode, slots::VCPUS + u32::from(id), Cap::VCpu { object });
        self.spec
            .insert(cnode, slots::VM_TCBS + u32::from(id), thread.clone());
        let made = usize::try_from(self.vcpus).unwrap_or_default();
        self.tell_monitor(slots::MONITOR_VM_TCBS, made, thread);
        self.vcpus += 1;
    }

    /// Objects of its own that a vCPU's thread is bound to.
    fn vcpu_bound(&mut self, name: &str, vm: &VirtualMachine, number: usize) -> Vec<(u32, Cap)> {
        let object = self.cnode(name, slots::CNODE_BITS);
        let guard_size = slots::CPTR_BITS - slots::CNODE_BITS;
        let cspace = Cap::CNode {
            object,
            guard: 0,
            guard_size,
        };
        let badge = slots::SCHED_CONTEXT_BADGE + u64::try_from(number).unwrap_or_default();
        let object = self.sched_context(name, vm.period_us.value, vm.budget_us.value, badge);
        vec![
            (tcb::CSPACE, cspace),
            (tcb::IPC_BUFFER, self.ipc_buffer(name)),
            (tcb::SCHED_CONTEXT, Cap::SchedContext { object }),
        ]
    }
}

/// A vCPU's thread has neither stack nor buffer of its own and waits for its monitor.
fn parameters(pd: &ProtectionDomain, vm: &VirtualMachine, vcpu: &Vcpu) -> TcbExtra {
    let cpu = vcpu.cpu.unwrap_or(pd.cpu).value;
    TcbExtra {
        ipc_buffer_addr: 0,
        sp: 0,
        resume: false,
        ..thread(0, cpu, vm.priority.value)
    }
}
