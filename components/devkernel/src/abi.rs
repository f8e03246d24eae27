// SPDX-License-Identifier: BSD-2-Clause
//! Numbers of the binary interface: system calls, invocation labels, message words, error labels.

/// Which SDK configuration the PDs were built against (sel4-abi §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSet {
    /// Debug kernel: breakpoint invocations shift all later labels by four; debug calls exist.
    Debug,
    /// Release and benchmark kernels.
    Release,
}

impl LabelSet {
    /// The label set that an image header names.
    pub fn of(label_set: u32) -> Self {
        if label_set == devimage::LABELS_DEBUG {
            Self::Debug
        } else {
            Self::Release
        }
    }
}

/// System calls by their number in x7 (sel4-abi §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of sel4-abi §1.1")]
pub enum Syscall {
    Call,
    ReplyRecv,
    NBSendRecv,
    NBSendWait,
    Send,
    NBSend,
    Recv,
    NBRecv,
    Wait,
    NBWait,
    Yield,
    DebugPutChar,
    DebugDumpScheduler,
    DebugHalt,
    DebugCapIdentify,
    DebugSnapshot,
    DebugNameThread,
}

impl Syscall {
    /// The call with number `x7`, if the configuration has it.
    pub fn decode(x7: u64, labels: LabelSet) -> Option<Self> {
        use Syscall as S;
        const TABLE: [Syscall; 17] = [
            S::Call,
            S::ReplyRecv,
            S::NBSendRecv,
            S::NBSendWait,
            S::Send,
            S::NBSend,
            S::Recv,
            S::NBRecv,
            S::Wait,
            S::NBWait,
            S::Yield,
            S::DebugPutChar,
            S::DebugDumpScheduler,
            S::DebugHalt,
            S::DebugCapIdentify,
            S::DebugSnapshot,
            S::DebugNameThread,
        ];
        let index = usize::try_from(!x7).ok()?;
        let limit = if labels == LabelSet::Debug {
            TABLE.len()
        } else {
            11
        };
        TABLE.get(index).copied().filter(|_| index < limit)
    }
}

/// Invocations by their label (sel4-abi §5.1); those that no running component can use are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of sel4-abi §5.1")]
pub enum Label {
    TcbReadRegisters,
    TcbWriteRegisters,
    TcbSetPriority,
    TcbSetMcPriority,
    TcbSuspend,
    TcbResume,
    TcbBindNotification,
    TcbUnbindNotification,
    TcbSetTlsBase,
    TcbSetFlags,
    IrqAck,
    IrqSetHandler,
    IrqClearHandler,
    ScBind,
    ScUnbind,
    ScUnbindObject,
    ScConsumed,
    ScYieldTo,
    VSpaceCleanData,
    VSpaceInvalidateData,
    VSpaceCleanInvalidateData,
    VSpaceUnifyInstruction,
    SmcCall,
    VcpuSetTcb,
    VcpuInjectIrq,
    VcpuReadReg,
    VcpuWriteReg,
    VcpuAckVppi,
}

impl Label {
    /// The invocation with this label in this configuration.
    pub fn decode(label: u64, labels: LabelSet) -> Option<Self> {
        let release = match (labels, label) {
            (LabelSet::Release, _) | (LabelSet::Debug, ..16) => label,
            (LabelSet::Debug, 16..20) => return None,
            (LabelSet::Debug, _) => label - 4,
        };
        Some(match release {
            2 => Self::TcbReadRegisters,
            3 => Self::TcbWriteRegisters,
            6 => Self::TcbSetPriority,
            7 => Self::TcbSetMcPriority,
            12 => Self::TcbSuspend,
            13 => Self::TcbResume,
            14 => Self::TcbBindNotification,
            15 => Self::TcbUnbindNotification,
            16 => Self::TcbSetTlsBase,
            17 => Self::TcbSetFlags,
            27 => Self::IrqAck,
            28 => Self::IrqSetHandler,
            29 => Self::IrqClearHandler,
            34 => Self::ScBind,
            35 => Self::ScUnbind,
            36 => Self::ScUnbindObject,
            37 => Self::ScConsumed,
            38 => Self::ScYieldTo,
            39 => Self::VSpaceCleanData,
            40 => Self::VSpaceInvalidateData,
            41 => Self::VSpaceCleanInvalidateData,
            42 => Self::VSpaceUnifyInstruction,
            43 => Self::SmcCall,
            55 => Self::VcpuSetTcb,
            56 => Self::VcpuInjectIrq,
            57 => Self::VcpuReadReg,
            58 => Self::VcpuWriteReg,
            59 => Self::VcpuAckVppi,
            _ => return None,
        })
    }
}

/// Largest message in words.
pub const MAX_LENGTH: usize = 120;
/// Message words that travel in x2..x5.
pub const REGISTER_WORDS: usize = 4;
/// IPC buffer word that holds `msg[0]`; word 0 is the tag, which the kernel ignores.
pub const BUFFER_MSG: usize = 1;
/// IPC buffer word of `caps_or_badges[0]`.
pub const BUFFER_CAPS: usize = 122;
/// Bytes of an IPC buffer.
pub const BUFFER_BYTES: u64 = 1024;

/// The message-info word (sel4-abi §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// A message without capabilities.
    pub fn new(label: u64, length: usize) -> Self {
        Self((label << 12) | (length as u64 & 0x7f))
    }

    /// Label, 52 bits.
    pub fn label(self) -> u64 {
        self.0 >> 12
    }

    /// Length in words, clamped to [`MAX_LENGTH`].
    pub fn length(self) -> usize {
        usize::from(self.low() & 0x7f).min(MAX_LENGTH)
    }

    /// Number of extra capabilities, 0..=3.
    pub fn extra_caps(self) -> usize {
        usize::from((self.low() >> 7) & 3)
    }

    fn low(self) -> u16 {
        let [a, b, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }
}

/// Why an invocation failed; becomes the label and the words of an error reply (sel4-abi §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of sel4-abi §1.3")]
pub enum Error {
    InvalidArgument(u64),
    InvalidCapability(u64),
    IllegalOperation,
    RangeError(u64, u64),
    TruncatedMessage,
    DeleteFirst,
}

impl Error {
    /// Label, words and their number.
    pub fn encode(self) -> (u64, [u64; 2], usize) {
        match self {
            Self::InvalidArgument(index) => (1, [index, 0], 1),
            Self::InvalidCapability(index) => (2, [index, 0], 1),
            Self::IllegalOperation => (3, [0, 0], 0),
            Self::RangeError(min, max) => (4, [min, max], 2),
            Self::TruncatedMessage => (7, [0, 0], 0),
            Self::DeleteFirst => (8, [0, 0], 0),
        }
    }
}
