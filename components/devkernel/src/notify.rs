// SPDX-License-Identifier: BSD-2-Clause
//! Notifications (sel4-abi §9.4).

use crate::ids::{NotificationId, TcbId};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::object::State;

impl<M: Machine> Kernel<'_, M> {
    /// Signals `notification` with `badge`.
    pub(crate) fn signal(&mut self, notification: NotificationId, badge: u64) {
        let object = &mut self.notifications[notification];
        if let Some(pending) = &mut object.pending {
            *pending |= badge;
            return;
        }
        if let Some(waiter) = object.queue.head {
            object.queue.remove(&mut self.tcbs, waiter);
            self.wake(waiter, notification, badge);
            return;
        }
        match object.bound {
            Some(bound) if matches!(self.tcbs[bound].state, State::BlockedOnReceive { .. }) => {
                self.cancel_ipc(bound);
                self.wake(bound, notification, badge);
            }
            _ => object.pending = Some(badge),
        }
    }

    fn wake(&mut self, id: TcbId, notification: NotificationId, badge: u64) {
        self.set_state(id, State::Running);
        self.tcbs[id].context.x[0] = badge;
        self.maybe_donate_sc(notification, id);
        if self.schedulable(id) {
            self.possible_switch_to(id);
        }
    }

    /// Waits for a signal.
    pub(crate) fn wait(&mut self, id: TcbId, notification: NotificationId, blocking: bool) {
        if self.notifications[notification].pending.is_some() {
            self.complete_signal(notification, id);
        } else if blocking {
            self.set_state(id, State::BlockedOnNotification(notification));
            self.notifications[notification]
                .queue
                .insert_by_priority(&mut self.tcbs, id);
            self.maybe_return_sc(notification, id);
        } else {
            self.tcbs[id].context.x[0] = 0;
        }
    }

    /// Delivers the pending signal; only x0 changes.
    pub(crate) fn complete_signal(&mut self, notification: NotificationId, id: TcbId) {
        if let Some(badge) = self.notifications[notification].pending.take() {
            self.tcbs[id].context.x[0] = badge;
            self.maybe_donate_sc(notification, id);
        }
    }

    /// Lends the notification's scheduling context to a thread without one.
    fn maybe_donate_sc(&mut self, notification: NotificationId, id: TcbId) {
        if self.tcbs[id].sc.is_none()
            && let Some(sc) = self.notifications[notification].sc
            && self.scs[sc].tcb.is_none()
        {
            self.sc_donate(sc, id);
            self.sc_resume(sc);
        }
    }

    /// Takes back the notification's scheduling context from a thread that waits again.
    pub(crate) fn maybe_return_sc(&mut self, notification: NotificationId, id: TcbId) {
        if let Some(sc) = self.notifications[notification].sc
            && self.tcbs[id].sc == Some(sc)
        {
            self.tcbs[id].sc = None;
            self.scs[sc].tcb = None;
            if self.core.current == Some(id) {
                self.reschedule();
            }
        }
    }
}
