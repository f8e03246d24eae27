// SPDX-License-Identifier: BSD-2-Clause
//! Scheduler: priorities, ready and release queues, time accounting (sel4-abi §9.1, §9.2, §9.6).
//!
//! Answers AV-46, BH-09, BH-22.

use crate::ids::{ScId, TcbId};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::State;

/// What the scheduler does at the end of this kernel entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Continue the current thread.
    Resume,
    /// Take the first thread of the highest priority.
    Choose,
    /// One thread was woken: run it if it outranks the current one.
    Switch(TcbId),
}

impl<M: Machine> Kernel<'_, M> {
    /// Runnable, with a scheduling context that is not waiting for budget.
    pub(crate) fn schedulable(&self, id: TcbId) -> bool {
        let tcb = &self.tcbs[id];
        tcb.runnable() && tcb.sc.is_some() && !tcb.in_release
    }

    pub(crate) fn sc_released(&self, sc: ScId) -> bool {
        let refills = &self.scs[sc].refills;
        refills.ready(self.core.now) && refills.sufficient(0, self.min_budget)
    }

    pub(crate) fn set_state(&mut self, id: TcbId, state: State) {
        self.tcbs[id].state = state;
        if Some(id) == self.core.current
            && self.core.action == Action::Resume
            && !self.schedulable(id)
        {
            self.core.action = Action::Choose;
        }
    }

    pub(crate) fn enqueue(&mut self, id: TcbId) {
        if !self.tcbs[id].queued && self.schedulable(id) {
            let domain = usize::from(self.tcbs[id].domain);
            self.ready[domain].enqueue(&mut self.tcbs, id);
        }
    }

    pub(crate) fn append(&mut self, id: TcbId) {
        if !self.tcbs[id].queued && self.schedulable(id) {
            let domain = usize::from(self.tcbs[id].domain);
            self.ready[domain].append(&mut self.tcbs, id);
        }
    }

    pub(crate) fn dequeue(&mut self, id: TcbId) {
        if self.tcbs[id].queued {
            let domain = usize::from(self.tcbs[id].domain);
            self.ready[domain].remove(&mut self.tcbs, id);
        }
    }

    pub(crate) fn reschedule(&mut self) {
        if let Action::Switch(candidate) = self.core.action {
            self.enqueue(candidate);
        }
        self.core.action = Action::Choose;
    }

    /// A thread became able to run.
    pub(crate) fn possible_switch_to(&mut self, id: TcbId) {
        if self.tcbs[id].sc.is_none() || self.tcbs[id].in_release {
            return;
        }
        if self.tcbs[id].domain != self.core.domain {
            self.enqueue(id);
        } else if self.core.action != Action::Resume {
            self.reschedule();
            self.enqueue(id);
        } else {
            self.core.action = Action::Switch(id);
        }
    }

    /// Takes the thread of `sc` off the ready queue until the head refill is due.
    pub(crate) fn postpone(&mut self, sc: ScId) {
        let Some(id) = self.scs[sc].tcb else { return };
        self.dequeue(id);
        if !self.tcbs[id].in_release {
            let due = self.scs[sc].refills.head.time;
            let mut prev = None;
            let mut next = self.core.release.head;
            while let Some(other) = next {
                let other_due = self.tcbs[other]
                    .sc
                    .map_or(0, |sc| self.scs[sc].refills.head.time);
                if other_due > due {
                    break;
                }
                prev = next;
                next = self.tcbs[other].link.next;
            }
            self.core.release.insert_after(&mut self.tcbs, prev, id);
            self.tcbs[id].in_release = true;
        }
        self.core.reprogram = true;
    }

    pub(crate) fn release_remove(&mut self, id: TcbId) {
        if self.tcbs[id].in_release {
            self.core.release.remove(&mut self.tcbs, id);
            self.tcbs[id].in_release = false;
            self.core.reprogram = true;
        }
    }

    /// Puts the thread of `sc` into the release queue if it could run but for its budget.
    pub(crate) fn sc_resume(&mut self, sc: ScId) {
        if let Some(id) = self.scs[sc].tcb
            && self.schedulable(id)
            && !self.sc_released(sc)
        {
            self.postpone(sc);
        }
    }

    /// Reads the clock. Called at every entry that may be charged for.
    pub(crate) fn update_time(&mut self) {
        let now = self.machine.now();
        let passed = now.saturating_sub(self.core.now);
        self.core.now = now;
        self.core.used += passed;
        if !self.domains.is_empty() {
            let left = &mut self.core.domain_left;
            *left = if passed + self.min_budget >= *left {
                0
            } else {
                *left - passed
            };
        }
    }

    /// Whether the current thread has the budget for this entry; if not, it has been charged and a reschedule is due.
    pub(crate) fn check_budget(&mut self) -> bool {
        let Some(sc) = self.core.current_sc else {
            return true;
        };
        if self.scs[sc]
            .refills
            .sufficient(self.core.used, self.min_budget)
        {
            return !self.domain_expired();
        }
        self.charge_budget(self.core.used);
        false
    }

    /// As [`Self::check_budget`]; a thread without budget repeats its instruction when it next runs.
    pub(crate) fn check_budget_restart(&mut self) -> bool {
        let enough = self.check_budget();
        if let (false, Some(current)) = (enough, self.core.current)
            && self.tcbs[current].runnable()
        {
            self.set_state(current, State::Restart);
        }
        enough
    }

    fn charge_budget(&mut self, used: u64) {
        if let Some(sc) = self.core.current_sc {
            self.scs[sc].refills.expire(used, self.min_budget);
            self.scs[sc].consumed += used;
        }
        self.core.used = 0;
        let Some(current) = self.core.current else {
            return;
        };
        if !self.schedulable(current) {
            return;
        }
        if let Some(sc) = self.core.current_sc {
            if self.sc_released(sc) {
                self.append(current);
            } else {
                self.postpone(sc);
            }
        }
        self.reschedule();
        self.core.reprogram = true;
    }

    /// The Yield system call: the rest of the head refill is given up, but only the time really used is reported.
    pub(crate) fn yield_now(&mut self) {
        let Some(sc) = self.core.current_sc else {
            return;
        };
        let consumed = self.scs[sc].consumed + self.core.used;
        self.charge_budget(self.scs[sc].refills.head.amount);
        self.scs[sc].consumed = consumed;
    }

    fn domain_expired(&self) -> bool {
        !self.domains.is_empty() && self.core.domain_left == 0
    }

    fn commit_time(&mut self) {
        if let Some(sc) = self.core.current_sc {
            if self.core.used > 0 {
                self.scs[sc].refills.commit(self.core.used, self.min_budget);
            }
            self.scs[sc].consumed += self.core.used;
        }
        self.core.used = 0;
    }

    /// Ends a kernel entry: decides who runs and programs the timer.
    pub(crate) fn schedule(&mut self) {
        self.awaken();
        if self.domain_expired() {
            self.core.reprogram = true;
            self.reschedule();
        }
        if self.core.action != Action::Resume {
            let was_runnable = self.core.current.is_some_and(|id| self.schedulable(id));
            if let (true, Some(current)) = (was_runnable, self.core.current) {
                self.enqueue(current);
            }
            match self.core.action {
                Action::Switch(candidate) => self.switch_or_queue(candidate, was_runnable),
                _ => self.choose(),
            }
            self.core.action = Action::Resume;
        }
        self.switch_sched_context();
        if core::mem::take(&mut self.core.reprogram) {
            self.program_timer();
        }
    }

    fn switch_or_queue(&mut self, candidate: TcbId, was_runnable: bool) {
        let priority = self.tcbs[candidate].priority;
        let current = self.core.current.map(|id| self.tcbs[id].priority);
        let domain = usize::from(self.core.domain);
        let outranked = self.ready[domain]
            .highest()
            .is_some_and(|highest| highest > priority);
        if current.is_none_or(|current| priority < current) && outranked {
            self.enqueue(candidate);
            self.choose();
        } else if was_runnable && current == Some(priority) {
            self.append(candidate);
            self.choose();
        } else {
            self.switch_to(candidate);
        }
    }

    fn choose(&mut self) {
        if self.domain_expired() {
            self.next_domain();
        }
        match self.ready[usize::from(self.core.domain)].first() {
            Some(id) => self.switch_to(id),
            None => {
                self.vcpu_switch(None);
                self.core.current = None;
            }
        }
    }

    fn next_domain(&mut self) {
        self.vcpu_flush();
        self.core.domain_index += 1;
        let entry = self.domains.get(self.core.domain_index).copied();
        let (domain, ticks) = entry.filter(|(_, ticks)| *ticks > 0).unwrap_or_else(|| {
            self.core.domain_index = self.domain_start;
            self.domains[self.domain_start]
        });
        self.core.domain = domain;
        self.core.domain_left = ticks;
        self.core.reprogram = true;
    }

    fn switch_to(&mut self, id: TcbId) {
        let (vcpu, fpu_disabled, vspace) = {
            let tcb = &self.tcbs[id];
            (tcb.vcpu, tcb.fpu_disabled, tcb.vspace)
        };
        self.vcpu_switch(vcpu);
        if let Some(vspace) = vspace
            && self.core.vspace != Some(vspace)
        {
            self.machine.switch_vspace(vspace);
            self.core.vspace = Some(vspace);
        }
        self.use_fpu(id, fpu_disabled);
        self.dequeue(id);
        self.core.current = Some(id);
    }

    /// Gives the FP registers to `id`, or makes them trap for it.
    pub(crate) fn use_fpu(&mut self, id: TcbId, disabled: bool) {
        if !disabled && self.core.fpu_owner != Some(id) {
            self.machine.trap_fpu(false);
            self.machine.switch_fpu(self.core.fpu_owner, id);
            self.core.fpu_owner = Some(id);
        } else {
            self.machine.trap_fpu(disabled);
        }
    }

    fn switch_sched_context(&mut self) {
        let sc = self.core.current.and_then(|id| self.tcbs[id].sc);
        if self.core.current_sc != sc {
            self.core.reprogram = true;
            if let Some(sc) = sc {
                self.scs[sc].refills.unblock(self.core.now);
            }
        }
        if self.core.reprogram {
            self.commit_time();
        }
        self.core.current_sc = sc;
    }

    fn awaken(&mut self) {
        while let Some(id) = self.core.release.head {
            let due = self.tcbs[id]
                .sc
                .is_none_or(|sc| self.scs[sc].refills.ready(self.core.now));
            if !due {
                return;
            }
            self.release_remove(id);
            self.possible_switch_to(id);
        }
    }

    fn program_timer(&mut self) {
        let now = self.core.now;
        let mut deadline = u64::MAX;
        if let Some(sc) = self.core.current_sc {
            deadline = now + self.scs[sc].refills.head.amount;
        }
        if !self.domains.is_empty() {
            deadline = deadline.min(now.saturating_add(self.core.domain_left));
        }
        if let Some(sc) = self.core.release.head.and_then(|id| self.tcbs[id].sc) {
            deadline = deadline.min(self.scs[sc].refills.head.time);
        }
        self.machine.set_deadline(deadline);
    }
}
