// SPDX-License-Identifier: BSD-2-Clause
//! Errors that the kernel answers to an invocation.

use core::fmt;

use crate::message::MessageInfo;

/// Why the kernel refused an invocation (error labels 1 to 10 of seL4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelError {
    /// An argument is wrong.
    InvalidArgument {
        /// Index of the argument.
        index: u64,
    },
    /// A capability is missing or of the wrong kind.
    InvalidCapability {
        /// Index of the capability; 0 is the invoked one.
        index: u64,
    },
    /// The object does not allow this now.
    IllegalOperation,
    /// A value is out of range.
    Range {
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// An address is not aligned.
    Alignment,
    /// A capability lookup failed.
    FailedLookup,
    /// The message is too short.
    TruncatedMessage,
    /// Something must be deleted first; for a list register: it is active.
    DeleteFirst,
    /// Something must be revoked first.
    RevokeFirst,
    /// The kernel lacks memory.
    NotEnoughMemory {
        /// Bytes available.
        available: u64,
    },
    /// A label that is no error of seL4.
    Unknown(u64),
}

impl KernelError {
    /// Decodes the answer to an invocation: label 0 is success, anything else an error. `words`
    /// are the message registers, at least as many as `info` announces or [`MAX_WORDS`].
    ///
    /// [`MAX_WORDS`]: crate::MAX_WORDS
    ///
    /// # Errors
    ///
    /// The decoded error.
    #[inline]
    pub fn check(info: MessageInfo, words: &[u64]) -> Result<(), Self> {
        match info.label() {
            0 => Ok(()),
            label => {
                let word = |index: usize| words.get(index).copied().unwrap_or(0);
                Err(Self::decode(label, word(0), word(1)))
            }
        }
    }

    /// The error with this label and these first message registers.
    #[cold]
    const fn decode(label: u64, first: u64, second: u64) -> Self {
        match label {
            1 => Self::InvalidArgument { index: first },
            2 => Self::InvalidCapability { index: first },
            3 => Self::IllegalOperation,
            4 => Self::Range {
                min: first,
                max: second,
            },
            5 => Self::Alignment,
            6 => Self::FailedLookup,
            7 => Self::TruncatedMessage,
            8 => Self::DeleteFirst,
            9 => Self::RevokeFirst,
            10 => Self::NotEnoughMemory { available: first },
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArgument { index } => write!(f, "invalid argument {index}"),
            Self::InvalidCapability { index } => write!(f, "invalid capability {index}"),
            Self::IllegalOperation => f.write_str("illegal operation"),
            Self::Range { min, max } => write!(f, "value outside {min}..={max}"),
            Self::Alignment => f.write_str("alignment error"),
            Self::FailedLookup => f.write_str("capability lookup failed"),
            Self::TruncatedMessage => f.write_str("truncated message"),
            Self::DeleteFirst => f.write_str("delete first"),
            Self::RevokeFirst => f.write_str("revoke first"),
            Self::NotEnoughMemory { available } => {
                write!(f, "not enough memory, {available} bytes available")
            }
            Self::Unknown(label) => write!(f, "unknown kernel error {label}"),
        }
    }
}

impl core::error::Error for KernelError {}
