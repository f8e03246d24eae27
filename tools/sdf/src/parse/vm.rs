// SPDX-License-Identifier: BSD-2-Clause
//! `<virtual_machine>`.

use super::{pd, wrong_count};
use crate::diag::Diagnostics;
use crate::model::{Vcpu, VirtualMachine};
use crate::rules::pd::CPU;
use crate::xml::{Element, narrow};

pub(super) fn read(element: Element<'_, '_>, out: &mut Diagnostics) -> VirtualMachine {
    element.expect_attributes(&["name", "budget", "period", "priority"], out);
    let (budget_us, period_us) = pd::budget(element, out);
    let mut vm = VirtualMachine {
        span: element.span(),
        name: element.required_text("name", out),
        priority: pd::priority(element, out),
        budget_us,
        period_us,
        vcpus: Vec::new(),
        maps: Vec::new(),
    };
    let mut vcpus = 0;
    for child in element.children() {
        match child.name() {
            "vcpu" => {
                vcpus += 1;
                vm.vcpus.extend(read_vcpu(child, out));
            }
            "map" => vm.maps.extend(pd::read_map(child, false, out)),
            _ => child.unexpected("virtual_machine", &["vcpu", "map"], out),
        }
    }
    if vcpus == 0 {
        wrong_count(element, "at least one <vcpu>", out);
    }
    vm
}

fn read_vcpu(element: Element<'_, '_>, out: &mut Diagnostics) -> Option<Vcpu> {
    element.expect_attributes(&["id", "setvar_id", "cpu"], out);
    let id = element.required_id("id", true, out);
    let cpu = element.number("cpu", out);
    let cpu = cpu.map(|cpu| {
        narrow(
            cpu,
            0,
            &CPU,
            |cpu| format!("core {cpu} does not exist"),
            out,
        )
    });
    Some(Vcpu {
        span: element.span(),
        id: id?,
        cpu,
        setvar_id: element.text("setvar_id"),
    })
}
