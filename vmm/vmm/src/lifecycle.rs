// SPDX-License-Identifier: BSD-2-Clause
//! What a guest goes through, as a table of allowed steps.
//!
//! ```text
//! Created ──> Verified ──> Running ──> Off
//!    │           ^            │  └───> Crashed
//!    v           │            v         │
//! Refused        └──────── Resetting <──┴── (Off, Crashed: on order of the owner)
//! ```

/// State of a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing was checked or started.
    #[default]
    Created,
    /// Its images are what the build made, and in place.
    Verified,
    /// Its images are not, or the kernel would not start it. Nothing ever ran.
    Refused,
    /// At least one vCPU is on.
    Running,
    /// All vCPUs are stopped, to start again from the pristine images.
    Resetting,
    /// It powered itself off.
    Off,
    /// The VMM stopped it.
    Crashed,
}

impl State {
    /// Whether this step is allowed.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (
                Self::Created | Self::Resetting,
                Self::Verified | Self::Refused
            ) | (Self::Verified, Self::Running | Self::Refused)
                | (Self::Running, Self::Off | Self::Crashed)
                | (Self::Running | Self::Off | Self::Crashed, Self::Resetting)
        )
    }
}

/// The state of one guest, changed along allowed steps only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lifecycle {
    state: State,
}

impl Lifecycle {
    /// Where the guest is.
    #[must_use]
    pub const fn state(self) -> State {
        self.state
    }

    /// Whether vCPUs may run.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self.state, State::Running)
    }

    /// Takes the step to `next`; whether it was allowed. If not, nothing changes.
    pub fn advance(&mut self, next: State) -> bool {
        let allowed = self.state.may_become(next);
        if allowed {
            self.state = next;
        }
        allowed
    }
}
