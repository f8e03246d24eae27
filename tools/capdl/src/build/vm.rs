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
        let (monitor_cnode, endpoint) = (monitor.cnode, monitor.endpoint);
        let id = vcpu.id.value;
        let name = format!("{}_{id}", vm.name.value);
        let cnode = self.cnode(&name, slots::CNODE_BITS);
        let guard_size = slots::CPTR_BITS - slots::CNODE_BITS;
        let buffer = self.ipc_buffer(&name);
        let badge = slots::SCHED_CONTEXT_BADGE + u64::try_from(number).unwrap_or_default();
        let context = self.sched_context(&name, vm.period_us.value, vm.budget_us.value, badge);
        let object = self.spec.add(format!("vcpu_{name}"), Object::VCpu);
        let mut bound = vec![
            (
                tcb::CSPACE,
                Cap::CNode {
                    object: cnode,
                    guard: 0,
                    guard_size,
                },
            ),
            (tcb::VSPACE, vspace.cap()),
            (tcb::IPC_BUFFER, buffer),
            (tcb::SCHED_CONTEXT, Cap::SchedContext { object: context }),
            (tcb::VCPU, Cap::VCpu { object }),
        ];
        if let Some(endpoint) = endpoint {
            let badge = slots::FAULT_BADGE | u64::from(id);
            bound.push((tcb::FAULT, self.endpoint_cap(endpoint, badge)));
        }
        let cpu = vcpu.cpu.unwrap_or(pd.cpu).value;
        let extra = TcbExtra {
            ipc_buffer_addr: 0,
            sp: 0,
            resume: false,
            ..thread(0, cpu, vm.priority.value)
        };
        let thread = self.tcb(&name, &bound, extra);
        let own = u32::from(id);
        self.spec
            .insert(monitor_cnode, slots::VCPUS + own, Cap::VCpu { object });
        self.spec.insert(
            monitor_cnode,
            slots::VM_TCBS + own,
            Cap::Tcb { object: thread },
        );
        let count = usize::try_from(self.vcpus).unwrap_or_default();
        self.tell_monitor(slots::MONITOR_VM_TCBS, count, Cap::Tcb { object: thread });
        self.vcpus += 1;
    }
}
